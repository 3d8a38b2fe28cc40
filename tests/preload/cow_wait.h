/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Children that share memory, and when the library has write-protected it after the fork.
 * Context: any thread.
 */
#ifndef TESTS_PRELOAD_COW_WAIT_H
#define TESTS_PRELOAD_COW_WAIT_H

#include "tests/preload/common.h"

#include <fcntl.h>
#include <sched.h>

static inline bool under_library(void)
{
	const char *preload = getenv("LD_PRELOAD"), *cow = getenv("SHADOWMM_COW");

	return preload && strstr(preload, "shadowmm") && cow && !strcmp(cow, "own");
}

/* With a hole behind it, for the mprotect() of obey_all() to fail there. */
static inline char *anon_before_hole(size_t len)
{
	char *mem = anon(len + 64 * MIB);

	CHECK(munmap(mem + len, 64 * MIB) == 0);
	return mem;
}

/* Say "ready", then obey each byte of standard input and print the answer. */
static inline void obey_all(char *mem, size_t len, const char *(*obey)(int command))
{
	char byte;

	fill(mem, len, 1);
	/* As in looked_at.c: the engine has no copy of standard error any more. */
	CHECK(mprotect(mem + len - PAGE, 1UL << 46, PROT_READ | PROT_WRITE) == -1);
	CHECK(close(2) == 0);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) == 1) {
		puts(obey(byte));
		fflush(stdout);
	}
}

struct held {
	pid_t pid; /* 0: this is the child */
	int end;   /* of a pipe */
};

/* A child that lives until its parent calls end_held(). */
static inline struct held fork_held(void)
{
	struct held h;
	int fds[2];

	CHECK(pipe(fds) == 0);
	fflush(stdout);
	h.pid = fork();
	CHECK(h.pid >= 0);
	h.end = fds[h.pid != 0];
	CHECK(close(fds[h.pid == 0]) == 0);
	return h;
}

/* In the child: until then. */
static inline void stay_held(const struct held *h)
{
	char byte;

	CHECK(read(h->end, &byte, 1) == 0);
}

/* The child's status. */
static inline int end_held(const struct held *h)
{
	int status;

	CHECK(close(h->end) == 0);
	CHECK(waitpid(h->pid, &status, 0) == h->pid);
	return status;
}

/* Until the library has protected the page (pagemap's bit 57), which must not take long.
 */
static inline void wait_protected(const volatile char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	double end = seconds() + 20;
	unsigned long word = 0;

	while (under_library() && !(word >> 57 & 1)) {
		CHECK(pread(fd, &word, sizeof(word),
			    (off_t)((unsigned long)p / PAGE * 8)) == sizeof(word));
		CHECK(seconds() < end);
		sched_yield();
	}
	CHECK(close(fd) == 0);
}

#endif
