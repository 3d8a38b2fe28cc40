// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the model costs: a lookup among n areas, a mapping that comes and goes. */
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/mm/mm.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS 0x20
#endif

#define BASE	0x100000000UL
#define STRIDE	(4 * PAGE_SIZE)
#define LOOKUPS 2000000UL
#define PAIRS	200000UL

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct mmap_call call_at(unsigned long addr)
{
	return (struct mmap_call){ .addr = addr,
				   .len = 2 * PAGE_SIZE,
				   .prot = PROT_READ | PROT_WRITE,
				   .flags = MAP_PRIVATE | MAP_ANONYMOUS };
}

static struct mm_struct *model_with(unsigned long areas)
{
	size_t size = 64UL << 20;
	struct mm_struct *mm = calloc(1, sizeof(*mm));
	void *mem = aligned_alloc(PAGE_SIZE, size);

	if (!mm || !mem)
		abort();
	mm_init(mm, mem, size);
	mm->own_enabled = true;
	/* In an order that is neither ascending nor random to the tree. */
	for (unsigned long i = 0; i < areas; i++) {
		struct mmap_call c = call_at(BASE + (i * 7919 % areas) * STRIDE);

		mm_mmap(mm, &c);
	}
	return mm;
}

static double lookup_ns(struct mm_struct *mm, unsigned long areas)
{
	unsigned long seed = 1, found = 0;
	double start = now_ns();

	for (unsigned long i = 0; i < LOOKUPS; i++) {
		int token = mm_read_lock(mm);

		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		found += find_vma(mm, BASE + (seed >> 33) % areas * STRIDE) != NULL;
		mm_read_unlock(mm, token);
	}
	if (found != LOOKUPS)
		abort();
	return (now_ns() - start) / (double)LOOKUPS;
}

/* The bare search: what is left without entering and leaving the reader's section. */
static double search_ns(struct mm_struct *mm, unsigned long areas)
{
	unsigned long seed = 1, found = 0;
	double start = now_ns();

	for (unsigned long i = 0; i < LOOKUPS; i++) {
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		found += find_vma(mm, BASE + (seed >> 33) % areas * STRIDE) != NULL;
	}
	if (found != LOOKUPS)
		abort();
	return (now_ns() - start) / (double)LOOKUPS;
}

static double pair_ns(struct mm_struct *mm, unsigned long areas)
{
	struct mmap_call c = call_at(BASE + areas / 2 * STRIDE + 3 * PAGE_SIZE);
	double start = now_ns();

	c.len = PAGE_SIZE;
	for (unsigned long i = 0; i < PAIRS; i++) {
		mm_prepare(mm, c.addr, c.len);
		mm_mmap(mm, &c);
		mm_prepare(mm, c.addr, c.len);
		mm_munmap(mm, c.addr, c.len);
	}
	return (now_ns() - start) / (double)PAIRS;
}

int main(void)
{
	static const unsigned long areas[] = { 10, 1000, 60000 };

	printf("%8s %22s %14s %24s\n", "areas", "find_vma, locked (ns)", "search (ns)",
	       "mmap+munmap update (ns)");
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		struct mm_struct *mm = model_with(areas[i]);

		printf("%8lu %22.1f %14.1f %24.1f\n", areas[i], lookup_ns(mm, areas[i]),
		       search_ns(mm, areas[i]), pair_ns(mm, areas[i]));
	}
	return 0;
}
