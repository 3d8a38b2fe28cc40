// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files that are mapped by a program with few descriptors (RLIMIT_NOFILE): more files
 * than the library's tasks have room for, which are written to by others nevertheless;
 * and a limit that leaves no room for them at all in the program's children. And limits
 * of memory, in which there is room for a file that the program has mapped once.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

enum {
	FILES = 40,
	PAGES = 4,
	LEN = PAGES * 4096,
	STEP = 5,
	LIMIT = 100, /* not enough for all of them: each takes up to five */
};

static char *map[FILES];

static const char *path_of(int i)
{
	static char path[64];
	static int owner;

	owner = owner ? owner : (int)getpid();
	snprintf(path, sizeof(path), "./of-file-limits.%d.%d", owner, i);
	return path;
}

/* Nobody shares the frames of files that are younger, and no child has its parent's. */
static void wait_until_old(const char *path)
{
	const struct timespec tick = { 0, 20 * 1000 * 1000 };
	struct timespec now;
	struct stat st;

	CHECK(stat(path, &st) == 0);
	do {
		nanosleep(&tick, NULL);
		clock_gettime(CLOCK_REALTIME, &now);
	} while (now.tv_sec < st.st_mtim.tv_sec + 3);
}

static void make_files(void)
{
	char *bytes = anon(LEN);

	for (int i = 0; i < FILES; i++) {
		int fd = open(path_of(i), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		fill(bytes, LEN, (unsigned int)i);
		CHECK(fd >= 0 && write(fd, bytes, LEN) == LEN && close(fd) == 0);
	}
	CHECK(munmap(bytes, LEN) == 0);
	wait_until_old(path_of(FILES - 1));
}

static void map_file(int i)
{
	int fd = open(path_of(i), O_RDONLY | O_CLOEXEC);

	map[i] = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(fd >= 0 && map[i] != MAP_FAILED && close(fd) == 0);
	map[i][PAGE] = 1;
}

static void write_file(int i, char c)
{
	int fd = open(path_of(i), O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && pwrite(fd, &c, 1, 3 * PAGE) == 1 && close(fd) == 0);
}

/* What each file of @first, @first + STEP, .. has, written to by somebody else. */
static void written(int first, char c)
{
	for (int i = first; i < FILES; i += STEP) {
		write_file(i, c);
		CHECK(map[i][PAGE] == 1 && map[i][3 * PAGE] == c);
	}
	printf("written: %c\n", c);
}

static void in_grandchild(void)
{
	written(1, 'c');
}

static void in_a_child(void)
{
	written(2, 'b');
	in_child("grandchild", in_grandchild);
}

static void limit(rlim_t descriptors)
{
	const struct rlimit lim = { descriptors, descriptors };

	CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
}

/* Pages that nobody has touched, read where nobody has a descriptor to spare. */
static void untouched(void)
{
	char *bytes = anon(LEN);

	for (int i = 3; i < FILES; i += STEP) {
		fill(bytes, LEN, (unsigned int)i);
		CHECK(map[i][PAGE] == 1);
		CHECK(!memcmp(map[i] + 2 * PAGE, bytes + 2 * PAGE, 2 * PAGE));
	}
	printf("untouched\n");
}

static void untouched_twice(void)
{
	in_child("its child", untouched);
	untouched();
}

enum {
	BIG = 256 << 20,
	ROOM = 64 << 20,
};

static int resource;

static void limit_memory(void)
{
	const struct rlimit lim = { BIG + 2 * ROOM, BIG + 2 * ROOM };
	void *p;

	CHECK(setrlimit(resource, &lim) == 0);
	CHECK(map[0][0] == 1 && map[0][PAGE] == 0);
	p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
}

/* Each in a child, so that there is no limit for the next. */
static void memory_limits(void)
{
	int fd = open(path_of(0), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && ftruncate(fd, BIG) == 0 && close(fd) == 0);
	wait_until_old(path_of(0));
	fd = open(path_of(0), O_RDONLY | O_CLOEXEC);
	map[0] = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(fd >= 0 && map[0] != MAP_FAILED && close(fd) == 0);
	map[0][0] = 1;
	resource = RLIMIT_AS;
	in_child("address space", limit_memory);
	resource = RLIMIT_DATA;
	in_child("data", limit_memory);
	CHECK(munmap(map[0], BIG) == 0);
}

/* They are its own affair. */
static void limits_of_another(void)
{
	static const int resources[] = { RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_AS,
					 RLIMIT_DATA };
	long left = can_ask() ? ASKED("counters", "files_left") : 0;
	const struct rlimit lim = { 4, 4 };
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	CHECK(pid > 0);
	for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
		CHECK(prlimit(pid, resources[i], &lim, NULL) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(!can_ask() || ASKED("counters", "files_left") == left);
}

int main(void)
{
	alarm(100);
	make_files();
	for (int i = 0; i < FILES; i++)
		map_file(i);
	written(0, 'a');
	limits_of_another();
	limit(LIMIT);
	in_child("child", in_a_child);
	memory_limits();
	limit(4);
	in_child("without descriptors", untouched_twice);
	untouched();
	for (int i = 0; i < FILES; i++)
		CHECK(unlink(path_of(i)) == 0);
	return 0;
}
