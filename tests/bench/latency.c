// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: latency MIB N WAY. N first touches of single pages at random in a fresh area,
 * each timed: nanoseconds at 50, 90, 99 and 99.9 per cent, the mean, then how many took
 * less than 2, 4, 8, ... ns. WAY: plain | floor (a minimal userfaultfd handler).
 */
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"

#include <string.h>

enum {
	BUCKETS = 32
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Odd steps through a power of two visit each page once; the golden one stays far from
 * where it was lately. */
static void touch(volatile char *p, size_t pages, double *times, size_t n)
{
	size_t step = (size_t)((double)pages * 0.6180339887) | 1;

	for (size_t i = 0, at = 0; i < n; i++) {
		double begin;

		at = (at + step) & (pages - 1);
		begin = now_ns();
		p[at * PAGE] = 1;
		times[i] = now_ns() - begin;
	}
}

static void print(double *times, size_t n)
{
	static const double part[] = { 0.5, 0.9, 0.99, 0.999 };
	long histogram[BUCKETS] = { 0 };
	double sum = 0;

	qsort(times, n, sizeof(*times), compare);
	for (size_t i = 0; i < n; i++) {
		unsigned long ns = (unsigned long)times[i] | 1;
		int log2 = 63 - __builtin_clzl(ns);

		sum += times[i];
		histogram[log2 < BUCKETS ? log2 : BUCKETS - 1]++;
	}
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++)
		printf("%.0f\n", times[(size_t)((double)n * part[i])]);
	printf("%.1f\n", sum / (double)n);
	for (int i = 0; i < BUCKETS; i++)
		printf("%ld\n", histogram[i]);
}

int main(int argc, char **argv)
{
	size_t mib = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
	size_t n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, len = mib << 20;
	double *times;
	char *p;

	if (!mib || (mib & (mib - 1)) || !n || n > len / PAGE)
		return 2;
	no_huge_pages();
	times = calloc(n, sizeof(*times));
	if (!times)
		die("calloc");
	memset(times, 1,
	       n * sizeof(*times)); /* or its own first touches are in the way */
	p = map_anonymous(len);
	if (!strcmp(argv[3], "floor")) {
		floor_start(p, len, 0);
		pin_to(0);
	} else if (strcmp(argv[3], "plain")) {
		return 2;
	}
	touch(p, len / PAGE, times, n);
	print(times, n);
	return 0;
}
