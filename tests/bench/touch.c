// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: touch PATTERN MIB THREADS WAY. Nanoseconds of wall time per page touched.
 *
 * PATTERN: sequential | strided (each 16th page) | random (each page once) | reverse
 * MIB: a power of two; each of THREADS (1 or 2) touches its own part
 * WAY: plain     4 KiB pages, of the kernel or of a library preloaded
 *      later     the same 0.3 s after it was mapped: who keeps pages ready has the time
 * to huge      MADV_HUGEPAGE mthp      MADV_HUGEPAGE in areas of 1 MiB, too small for 2
 * MiB pages populate  MAP_POPULATE, in the time that is measured floor     a minimal
 * userfaultfd handler on the faulter's processor
 */
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
	STRIDE = 16,
	MAX_THREADS = 2
};
enum way {
	PLAIN,
	LATER,
	HUGE,
	MTHP,
	POPULATE,
	FLOOR,
	WAYS
};
enum pattern {
	SEQUENTIAL,
	STRIDED,
	RANDOM,
	REVERSE,
	PATTERNS
};

static const char *const way_names[WAYS] = { "plain", "later",	  "huge",
					     "mthp",  "populate", "floor" };
static const char *const pattern_names[PATTERNS] = { "sequential", "strided", "random",
						     "reverse" };

struct part {
	volatile char *base;
	size_t pages; /* a power of two */
	int cpu;
	double begin, end;
};

static enum way way;
static enum pattern pattern;
static pthread_barrier_t start;

/* A permutation of [0, n), n being a power of two; each step can be undone. */
static size_t shuffled(size_t i, size_t n)
{
	size_t mask = n - 1;
	int half = (__builtin_ctzl(n) + 1) / 2;

	for (int round = 0; round < 3; round++) {
		i = i * 0x9e3779b97f4a7c15UL & mask;
		i ^= i >> half;
		i = (i + 0x7f4a7c15UL) & mask;
	}
	return i;
}

static size_t touches(size_t pages)
{
	return pattern == STRIDED ? pages / STRIDE : pages;
}

static size_t nth_page(size_t i, size_t pages)
{
	switch (pattern) {
	case STRIDED:
		return i * STRIDE;
	case RANDOM:
		return shuffled(i, pages);
	case REVERSE:
		return pages - 1 - i;
	default:
		return i;
	}
}

static void populate(const struct part *part)
{
	if (mmap((void *)(uintptr_t)part->base, part->pages * PAGE,
		 PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1,
		 0) == MAP_FAILED)
		die("mmap");
}

static void *touch_part(void *arg)
{
	struct part *part = arg;
	size_t n = touches(part->pages);

	if (way == FLOOR)
		pin_to(part->cpu);
	pthread_barrier_wait(&start);
	part->begin = now_ns();
	if (way == POPULATE)
		populate(part);
	for (size_t i = 0; i < n; i++)
		part->base[nth_page(i, part->pages) * PAGE] = 1;
	part->end = now_ns();
	return NULL;
}

/* Neighbours that differ in VM_DONTDUMP are areas of their own. */
static void cut(char *p, size_t len)
{
	for (size_t at = 0; at < len; at += 2UL << 20)
		if (madvise(p + at, 1UL << 20, MADV_DONTDUMP))
			die("MADV_DONTDUMP");
}

static void prepare(char *p, size_t len)
{
	const struct timespec while_ = { 0, 300 * 1000 * 1000 };

	if ((way == HUGE || way == MTHP) && madvise(p, len, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	if (way == MTHP)
		cut(p, len);
	if (way == LATER)
		nanosleep(&while_, NULL);
}

/* From the first start to the last end. */
static double run(struct part *parts, int threads)
{
	double begin, end;
	pthread_t id;

	if (threads == 2 && pthread_create(&id, NULL, touch_part, &parts[1]))
		die("pthread_create");
	touch_part(&parts[0]);
	begin = parts[0].begin;
	end = parts[0].end;
	if (threads == 2) {
		if (pthread_join(id, NULL))
			die("pthread_join");
		begin = parts[1].begin < begin ? parts[1].begin : begin;
		end = parts[1].end > end ? parts[1].end : end;
	}
	return (end - begin) / (double)(touches(parts[0].pages) * (size_t)threads);
}

static double measure(size_t len, int threads)
{
	struct part parts[MAX_THREADS] = { 0 };
	size_t each = len / (size_t)threads;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char *p = map_anonymous(len);

	if (pthread_barrier_init(&start, NULL, (unsigned int)threads))
		die("pthread_barrier_init");
	for (int i = 0; i < threads; i++) {
		parts[i].base = p + (size_t)i * each;
		parts[i].pages = each / PAGE;
		parts[i].cpu = i % (int)cpus;
		if (way == FLOOR)
			floor_start(p + (size_t)i * each, each, parts[i].cpu);
	}
	prepare(p, len);
	return run(parts, threads);
}

static int find(const char *name, const char *const names[], int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	long mib = argc == 5 ? atol(argv[2]) : 0, threads = argc == 5 ? atol(argv[3]) : 0;
	int p = argc == 5 ? find(argv[1], pattern_names, PATTERNS) : -1;
	int w = argc == 5 ? find(argv[4], way_names, WAYS) : -1;

	if (p < 0 || w < 0 || mib < 1 || (mib & (mib - 1)) || threads < 1 ||
	    threads > MAX_THREADS)
		return 2;
	pattern = (enum pattern)p;
	way = (enum way)w;
	if (way != HUGE && way != MTHP)
		no_huge_pages();
	printf("%.2f\n", measure((size_t)mib << 20, (int)threads));
	return 0;
}
