// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * madvise() on private mappings of files: what it answers, what is there afterwards, and,
 * where the library has the file, that its windows do as they are told.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

enum {
	PAGES = 2000, /* some chunks of 2 MiB */
	LEN = PAGES * 4096,
};

static char path[64];
static char *bytes; /* of the file */
static bool ours;   /* the library has it */

/* A new one, of which nobody has a page but the kernel. */
static void make_file(void)
{
	int fd;

	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && pwrite(fd, bytes, LEN, 0) == LEN && close(fd) == 0);
}

static char *map_at(void *addr, int prot, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(addr, LEN, prot, MAP_PRIVATE | flags, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED && close(fd) == 0);
	return p;
}

static bool as_file(const char *p, size_t from, size_t to)
{
	return !memcmp(p + from * PAGE, bytes + from * PAGE, (to - from) * PAGE);
}

/* --- WILLNEED ---------------------------------------------------------------------- */

/* For oneself, in two pieces. */
static int process_willneed(char *p)
{
	const struct iovec pieces[] = { { p, 10 * PAGE },
					{ p + 10 * PAGE, LEN - 10 * PAGE } };
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	long ret = syscall(SYS_process_madvise, pidfd, pieces, 2, MADV_WILLNEED, 0);

	CHECK(pidfd >= 0 && close(pidfd) == 0);
	return ret == LEN ? 0 : -1;
}

/* Everything comes without being touched, as advised in so many pieces; nobody faults
 * then. */
static void needed(int calls)
{
	long advised = ASKED("counters", "files_advised"), faults;
	char *p;

	make_file();
	p = map_at(NULL, PROT_READ, 0);
	if (calls == 1)
		SHOW(madvise(p, LEN, MADV_WILLNEED));
	else
		SHOW(process_willneed(p));
	while (resident_pages(p, LEN) < PAGES)
		sched_yield();
	/* The last window is in the frames, but perhaps not mapped yet. */
	while (ours && smaps_number(p, "Rss") < LEN / 1024)
		sched_yield();
	faults = ASKED("counters", "faults");
	CHECK(as_file(p, 0, PAGES));
	if (ours) {
		CHECK(ASKED("counters", "faults") - faults < 8);
		CHECK(ASKED("counters", "files_advised") == advised + calls);
	}
	check_verified();
	CHECK(munmap(p, LEN) == 0);
}

/* What is advised goes, or becomes something else, while it is brought in. */
static void needed_no_more(void)
{
	char *p, *q;

	make_file();
	p = map_at(NULL, PROT_READ | PROT_WRITE, 0);
	for (int i = 0; i < 60; i++) {
		CHECK(madvise(p, LEN, MADV_WILLNEED) == 0);
		for (int spin = 0; spin < i * 100; spin++)
			__asm__ volatile("pause");
		if (i % 4 == 0)
			CHECK(munmap(p, LEN) == 0);
		q = mmap(p, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(q == p && all_zero(p, LEN));
		CHECK(map_at(p, PROT_READ | PROT_WRITE, MAP_FIXED) == p);
		CHECK(as_file(p, (size_t)i, (size_t)i + 700));
		memset(p + 3 * PAGE, i, PAGE);
		if (i % 4 == 1)
			CHECK(madvise(p, LEN, MADV_DONTNEED) == 0 && as_file(p, 0, 10));
	}
	CHECK(madvise(p, LEN, MADV_WILLNEED) == 0);
	CHECK(truncate(path, 4 * 4096) == 0);
	printf("truncated: %s %s\n", touch(p + 2 * PAGE, false),
	       touch(p + 4 * PAGE, false));
	check_verified();
	CHECK(munmap(p, LEN) == 0);
}

/* More than the queue holds, and of two files at once. */
static void needed_in_many_parts(void)
{
	char *p;

	make_file();
	p = map_at(NULL, PROT_READ, 0);
	for (size_t i = 0; i < PAGES; i += 10)
		CHECK(madvise(p + i * PAGE, 10 * PAGE, MADV_WILLNEED) == 0);
	CHECK(as_file(p, 0, PAGES));
	SHOW(madvise(p + 1, PAGE, MADV_WILLNEED));
	SHOW(madvise(p, 0, MADV_WILLNEED));
	CHECK(munmap(p + 100 * PAGE, PAGE) == 0);
	SHOW(madvise(p, LEN, MADV_WILLNEED));
	CHECK(as_file(p, 0, 100) && as_file(p, 101, PAGES));
	CHECK(munmap(p, LEN) == 0);
}

/* --- the others -------------------------------------------------------------------- */

static const struct {
	int advice;
	const char *name;
} kinds[] = {
	{ MADV_NORMAL, "NORMAL" },
	{ MADV_RANDOM, "RANDOM" },
	{ MADV_SEQUENTIAL, "SEQUENTIAL" },
	{ MADV_WILLNEED, "WILLNEED" },
	{ MADV_POPULATE_READ, "POPULATE_READ" },
	{ MADV_COLD, "COLD" },
	{ MADV_PAGEOUT, "PAGEOUT" },
	{ MADV_FREE, "FREE" },
	{ MADV_REMOVE, "REMOVE" },
	{ MADV_POPULATE_WRITE, "POPULATE_WRITE" },
	{ MADV_DONTNEED, "DONTNEED" },
	{ MADV_DONTNEED_LOCKED, "DONTNEED_LOCKED" },
};

static void advise(const char *what, int prot)
{
	bool write = prot & PROT_WRITE, dropped;
	char *p = map_at(NULL, prot, 0);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (write)
			memset(p + 700 * PAGE, 'w', PAGE);
		errno = 0;
		printf("%s %s:", what, kinds[i].name);
		printf(" %d", madvise(p + 500 * PAGE, 600 * PAGE, kinds[i].advice));
		printf(" %s", errno ? strerror(errno) : "");
		dropped = kinds[i].advice == MADV_DONTNEED ||
			  kinds[i].advice == MADV_DONTNEED_LOCKED;
		printf(" %s\n", !write || dropped	   ? ""
				: p[700 * PAGE + 9] == 'w' ? "kept"
							   : "lost");
		CHECK(as_file(p, 400, 700) && as_file(p, 701, 1200));
		CHECK((write && !dropped) || as_file(p, 700, 701));
		check_verified();
	}
	CHECK(munmap(p, LEN) == 0);
}

/* Faults in the area that reading the first of its pages in order takes. */
static long faults_after(int advice, size_t pages)
{
	char command[64], *p;
	long faults = 0;

	make_file();
	p = map_at(NULL, PROT_READ, 0);
	CHECK(madvise(p, LEN, advice) == 0);
	for (size_t i = 0; i < pages; i++)
		CHECK(as_file(p, i, i + 1));
	if (ours) {
		snprintf(command, sizeof(command), "smaps %lx", (unsigned long)p);
		faults = strtol(strstr(ask(command), "\"faults\":") + 9, NULL, 10);
	}
	CHECK(munmap(p, LEN) == 0);
	return faults;
}

static void steered(void)
{
	long random = faults_after(MADV_RANDOM, 64),
	     normal = faults_after(MADV_NORMAL, 1024),
	     sequential = faults_after(MADV_SEQUENTIAL, 1024);

	if (!ours)
		return;
	CHECK(random == 64);
	CHECK(normal > 3 && normal < 16);
	CHECK(sequential == 2);
}

int main(void)
{
	snprintf(path, sizeof(path), "./of-file-advice.%d", (int)getpid());
	bytes = anon(LEN);
	fill(bytes, LEN, 1);
	ours = can_ask() && getenv("SHADOWMM_FILES");
	needed(1);
	needed(2);
	needed_no_more();
	needed_in_many_parts();
	make_file();
	advise("to read", PROT_READ);
	advise("to write", PROT_READ | PROT_WRITE);
	steered();
	CHECK(unlink(path) == 0);
	return 0;
}
