// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guard pages (MADV_GUARD_INSTALL, Linux 6.13) in mappings of files, which are there
 * still when somebody opens the file for writing, and in a child; and in shared mappings,
 * whose pages may be write-protected by us.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define GUARD_INSTALL 102
#define GUARD_REMOVE  103

enum {
	PAGES = 64,
	LEN = PAGES * 4096,
};

static char path[64];
static char *map;

static void make_file(void)
{
	char *bytes = anon(LEN);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	fill(bytes, LEN, 1);
	CHECK(fd >= 0 && write(fd, bytes, LEN) == LEN && close(fd) == 0);
	CHECK(munmap(bytes, LEN) == 0);
}

static void map_file(int flags)
{
	int fd = open(path,
		      flags == MAP_SHARED ? O_RDWR | O_CLOEXEC : O_RDONLY | O_CLOEXEC);

	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, flags, fd, 0);
	CHECK(fd >= 0 && map != MAP_FAILED && close(fd) == 0);
}

static void show(void)
{
	for (size_t i = 3; i < 9; i++)
		printf(" %s %s", touch(map + i * PAGE, false),
		       touch(map + i * PAGE + 1, true));
	putchar('\n');
}

static void take_file(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && close(fd) == 0);
}

/* The kernel looks at the lower half of the advice only. */
#define ABOVE_INT (1L << 32)

static void install(bool by_process)
{
	struct iovec part = { map + 4 * PAGE, 3 * PAGE };

	if (!by_process)
		printf("madvise = %ld\n",
		       syscall(SYS_madvise, part.iov_base, part.iov_len,
			       GUARD_INSTALL | ABOVE_INT));
	else /* PIDFD_SELF, Linux 6.14 */
		printf("process_madvise = %ld\n",
		       syscall(SYS_process_madvise, -10001, &part, 1, GUARD_INSTALL, 0));
}

static void guarded(const char *what, int flags, bool by_process)
{
	printf("%s\n", what);
	map_file(flags);
	map[5 * PAGE] = 1;
	install(by_process);
	show();
	if (flags == MAP_PRIVATE)
		take_file();
	show();
	in_child("child", show);
	install(by_process);
	SHOW(madvise(map + 5 * PAGE, PAGE, GUARD_REMOVE));
	show();
	CHECK(munmap(map, LEN) == 0);
}

int main(void)
{
	snprintf(path, sizeof(path), "./of-guard-pages.%d", (int)getpid());
	alarm(30); /* in the kernel without end, where pages were protected */
	make_file();
	guarded("private", MAP_PRIVATE, false);
	guarded("private, by process_madvise", MAP_PRIVATE, true);
	guarded("shared", MAP_SHARED, false);
	guarded("shared, by process_madvise", MAP_SHARED, true);
	CHECK(unlink(path) == 0);
	return 0;
}
