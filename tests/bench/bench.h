/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the benchmark programs share. Each prints one number a line: nanoseconds. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define PAGE 4096UL
#define GIB  (1UL << 30)

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline char *map_anonymous(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* 4 KiB pages are compared with 4 KiB pages, whatever the system's default is. */
static inline void no_huge_pages(void)
{
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("PR_SET_THP_DISABLE");
}

/* Nanoseconds for writing one byte to each page of [p, p + len), in order. */
static inline double touch_all(volatile char *p, size_t len)
{
	double begin = now_ns();

	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	return now_ns() - begin;
}

#endif
