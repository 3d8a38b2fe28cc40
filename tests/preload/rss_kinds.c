// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages in memory by kind: of each area, as `smaps` has it, and in sum, as `stat` has it
 * and /proc/self/status confirms it. Where the library pages a file the program's view
 * is that of a file all the same. Plain, /proc/self/smaps tells.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <sys/sysinfo.h>

enum {
	PAGES = 256,
	LEN = PAGES * 4096,
};

static char path[64];

static void make_file(const char *name)
{
	char *bytes = anon(LEN);
	int fd;

	fill(bytes, LEN, 1);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && pwrite(fd, bytes, LEN, 0) == LEN && close(fd) == 0);
	CHECK(munmap(bytes, LEN) == 0);
}

static char *map_file(const char *name, int prot, int flags)
{
	int fd = open(name, (flags & MAP_SHARED ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	char *p = mmap(NULL, LEN, prot, flags, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED && close(fd) == 0);
	return p;
}

static long behind(const char *text, const char *name)
{
	const char *at = text ? strstr(text, name) : NULL;

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* The kernel does not say which is which: @other is "file" or "shmem". */
static void show(const char *what, const char *p, const char *other)
{
	long anon = smaps_number(p, "Anonymous") / 4;
	long rest = smaps_number(p, "Rss") / 4 - anon;
	long file = strcmp(other, "file") ? 0 : rest;
	long shmem = rest - file;
	char command[64];
	const char *rss;

	if (can_ask()) {
		snprintf(command, sizeof(command), "smaps %lx", (unsigned long)p);
		rss = strstr(ask(command), "\"rss\":{");
		anon = behind(rss, "\"anon\":");
		file = behind(rss, "\"file\":");
		shmem = behind(rss, "\"shmem\":");
	}
	printf("%s: anon %ld, file %ld, shmem %ld\n", what, anon, file, shmem);
}

/* --- in sum ------------------------------------------------------------------------ */

/* Counters of each processor are added up by newer kernels only. */
static void check_near(const char *what, long library, long kernel)
{
	long slack = 64L * get_nprocs();

	if (labs(library - kernel) <= slack)
		return;
	printf("%s: library %ld, kernel %ld\n", what, library, kernel);
	CHECK(false);
}

static void check_status(void)
{
	long frames;

	if (!can_ask())
		return;
	frames = ASKED("rss", "frames");
	check_near("anon", ASKED("rss", "anon") + ASKED("rss", "library_anon"),
		   status_number("RssAnon") / 4);
	check_near("file", ASKED("rss", "file") - frames + ASKED("rss", "library_file"),
		   status_number("RssFile") / 4);
	check_near("shmem",
		   ASKED("rss", "shmem") + frames + ASKED("rss", "library_shmem"),
		   status_number("RssShmem") / 4);
}

/* Area by area, in one reply: exactly what the kernel says in the same. */
static void check_smaps(void)
{
	const char *at;
	long kernel, ours;
	int areas = 0;

	if (!can_ask())
		return;
	ask("smaps");
	for (at = ask("smaps"); (at = strstr(at, "\"kernel\":{")); at++) {
		kernel = behind(at, "\"Rss\":") / 4;
		at = strstr(at, "\"rss\":{");
		ours = behind(at, "\"anon\":") + behind(at, "\"file\":") +
		       behind(at, "\"shmem\":");
		areas++;
		/* The library's own variables change while it answers. */
		if (labs(kernel - ours) > 4) {
			printf("area %d: kernel %ld, library %ld\n", areas, kernel, ours);
			CHECK(false);
		}
	}
	CHECK(areas > 10);
}

/* --- areas ------------------------------------------------------------------------- */

static void a_file(void)
{
	char *p;

	make_file(path);
	p = map_file(path, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK(matches(p, LEN, 1));
	show("a file, read", p, "file");
	memset(p + 20 * PAGE, 'w', 10 * PAGE);
	show("written to", p, "file");
	check_status();
	check_smaps();
	if (can_ask() && getenv("SHADOWMM_FILES"))
		CHECK(ASKED("rss", "frames") == PAGES - 10);
	CHECK(madvise(p, LEN / 2, MADV_DONTNEED) == 0);
	show("half dropped", p, "file");
	CHECK(munmap(p, LEN) == 0);
	check_status();
	p = map_file(path, PROT_READ | PROT_WRITE, MAP_SHARED);
	CHECK(matches(p, LEN, 1));
	show("shared", p, "file");
	CHECK(munmap(p, LEN) == 0);
}

static void in_memory(void)
{
	int fd = memfd_create("of-rss-kinds", MFD_CLOEXEC);
	char *p, *q;

	CHECK(fd >= 0 && ftruncate(fd, LEN) == 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED && close(fd) == 0);
	fill(p, LEN, 2);
	CHECK(matches(q, LEN, 2));
	memset(q, 'q', 3 * PAGE);
	show("a memfd, shared", p, "shmem");
	check_status();
	CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0);
	/* Executable, so that it is no part of another. */
	p = anon_with(LEN, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	fill(p, LEN, 3);
	show("anonymous", p, "file");
	check_status();
	CHECK(munmap(p, LEN) == 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	fill(p, LEN, 4);
	show("shared anonymous", p, "shmem");
	check_status();
	check_smaps();
	CHECK(munmap(p, LEN) == 0);
}

/* Where the directory is none of tmpfs, nothing is told from another file. */
static void on_tmpfs(void)
{
	char name[64];
	char *p;

	snprintf(name, sizeof(name), "/dev/shm/of-rss-kinds.%d", (int)getpid());
	if (access("/dev/shm", W_OK)) {
		puts("skipped: no /dev/shm");
		return;
	}
	make_file(name);
	p = map_file(name, PROT_READ | PROT_WRITE, MAP_SHARED);
	CHECK(matches(p, LEN, 1));
	show("on tmpfs, shared", p, "shmem");
	check_status();
	CHECK(munmap(p, LEN) == 0 && unlink(name) == 0);
}

int main(void)
{
	snprintf(path, sizeof(path), "./of-rss-kinds.%d", (int)getpid());
	check_status();
	a_file();
	in_memory();
	on_tmpfs();
	check_verified();
	CHECK(unlink(path) == 0);
	return 0;
}
