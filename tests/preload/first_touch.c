// SPDX-License-Identifier: LGPL-2.1-or-later
/* The first touch of private anonymous memory, by one thread and by many. */
#include "tests/preload/common.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 8
#define SHARED	(8 * MIB)

static void reads_zero_then_keeps_writes(void)
{
	char *p = anon(16 * MIB);

	CHECK(all_zero(p, 16 * MIB));
	fill(p, 16 * MIB, 1);
	CHECK(matches(p, 16 * MIB, 1));
	CHECK(munmap(p, 16 * MIB) == 0);
	puts("read first");
}

static void writes_first(void)
{
	char *p = anon(16 * MIB);

	fill(p, 16 * MIB, 2);
	CHECK(matches(p, 16 * MIB, 2));
	CHECK(munmap(p, 16 * MIB) == 0);
	puts("write first");
}

static void backwards_and_strided(void)
{
	volatile char *p = anon(64 * MIB);

	for (size_t i = 64 * MIB; i > 0; i -= 16 * PAGE) {
		CHECK(p[i - 1] == 0);
		p[i - 1] = (char)(i / PAGE);
	}
	for (size_t i = 64 * MIB; i > 0; i -= 16 * PAGE)
		CHECK(p[i - 1] == (char)(i / PAGE));
	CHECK(munmap((char *)p, 64 * MIB) == 0);
	puts("backwards");
}

static void every_size(void)
{
	for (size_t pages = 1; pages <= 70; pages++) {
		char *p = anon(pages * PAGE);

		CHECK(all_zero(p + (pages - 1) * PAGE, PAGE));
		fill(p, pages * PAGE, (unsigned int)pages);
		CHECK(matches(p, pages * PAGE, (unsigned int)pages));
		CHECK(munmap(p, pages * PAGE) == 0);
	}
	puts("sizes");
}

/* An access of eight bytes over the border of two pages takes two faults. */
static void across_pages(void)
{
	char *p = anon(4 * MIB);
	unsigned long v = 0x0123456789abcdef, back;

	for (size_t i = PAGE; i < 4 * MIB; i += PAGE) {
		memcpy(p + i - 4, &v, sizeof(v));
		memcpy(&back, p + i - 4, sizeof(back));
		CHECK(back == v);
	}
	CHECK(munmap(p, 4 * MIB) == 0);
	puts("across pages");
}

static atomic_ulong *counters;
static pthread_barrier_t barrier;

/* All threads touch every page at the same time: no increment may be lost. */
static void *race(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < SHARED / sizeof(*counters); i += PAGE / sizeof(*counters))
		atomic_fetch_add(&counters[i], 1);
	return NULL;
}

static void *alone(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;
	char *p = anon(4 * MIB);

	fill(p, 4 * MIB, seed);
	CHECK(matches(p, 4 * MIB, seed));
	CHECK(munmap(p, 4 * MIB) == 0);
	return NULL;
}

static void threads(void *(*fn)(void *))
{
	pthread_t ids[THREADS];

	for (unsigned long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&ids[i], NULL, fn, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
}

static void threads_race(void)
{
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (int round = 0; round < 4; round++) {
		counters = (atomic_ulong *)anon(SHARED);
		threads(race);
		for (size_t i = 0; i < SHARED / sizeof(*counters);
		     i += PAGE / sizeof(*counters))
			CHECK(atomic_load(&counters[i]) == THREADS);
		CHECK(munmap(counters, SHARED) == 0);
	}
	puts("threads on the same pages");
	threads(alone);
	puts("threads on their own pages");
}

static void other_flags(void)
{
	char *p = anon_with(4 * MIB, PROT_READ | PROT_WRITE, MAP_NORESERVE);

	fill(p, 4 * MIB, 3);
	CHECK(matches(p, 4 * MIB, 3));
	p = anon_with(4 * MIB, PROT_READ, 0);
	CHECK(all_zero(p, 4 * MIB));
	p = anon_with(4 * MIB, PROT_READ | PROT_WRITE, MAP_32BIT);
	CHECK((unsigned long)p >> 32 == 0);
	fill(p, 4 * MIB, 4);
	CHECK(matches(p, 4 * MIB, 4));
	p = anon_with(4 * MIB, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	p[2 * MIB] = (char)0xc3; /* ret */
	((void (*)(void))(p + 2 * MIB))();
	puts("other flags");
}

int main(void)
{
	reads_zero_then_keeps_writes();
	writes_first();
	backwards_and_strided();
	every_size();
	across_pages();
	threads_race();
	other_flags();
	return 0;
}
