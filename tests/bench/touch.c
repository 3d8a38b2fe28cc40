// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: touch pass      nanoseconds for one first-touch pass over 1 GiB
 *        touch warm      the same for 64 MiB, a while after it was mapped
 *        touch huge      the same with huge pages
 *        touch random N  median, then 99th percentile, of N single first touches, each
 *                        far from the others (no fault-around can help)
 */
#include "tests/bench/bench.h"

#include <stdbool.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A step that is odd in units of 1 MiB visits each of the 1024 MiB once. */
static void random_touches(long n)
{
	volatile char *p = map_anonymous(GIB);
	double *times = malloc((size_t)n * sizeof(*times));
	size_t at = 0;

	if (!times)
		die("malloc");
	for (long i = 0; i < n; i++) {
		double begin;

		at = (at + 389 * (1UL << 20)) % GIB;
		begin = now_ns();
		p[at + (size_t)(i / 1024) * 128 * PAGE] = 1;
		times[i] = now_ns() - begin;
	}
	qsort(times, (size_t)n, sizeof(*times), compare);
	printf("%.0f\n%.0f\n", times[n / 2], times[n * 99 / 100]);
}

#define PART (64UL << 20)

/* Whoever gets pages ready has the time to. */
static double pass_later(bool huge)
{
	const struct timespec while_ = { 0, 300 * 1000 * 1000 };
	char *p = map_anonymous(PART);

	if (huge && madvise(p, PART, MADV_HUGEPAGE))
		die("madvise");
	nanosleep(&while_, NULL);
	return touch_all(p, PART);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "huge")) {
		printf("%.0f\n", pass_later(true));
		return 0;
	}
	no_huge_pages();
	if (argc == 2 && !strcmp(argv[1], "warm")) {
		printf("%.0f\n", pass_later(false));
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "pass")) {
		printf("%.0f\n", touch_all(map_anonymous(GIB), GIB));
		return 0;
	}
	/* 1 MiB holds two of the 128-page steps. */
	if (argc == 3 && atol(argv[2]) > 0 && atol(argv[2]) <= 2048) {
		random_touches(atol(argv[2]));
		return 0;
	}
	return 2;
}
