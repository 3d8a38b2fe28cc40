// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/base/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALIGNMENT (4UL << 20)

static void *chunks[16];
static unsigned int nr_chunks;
static unsigned long state = 1;

void *memory_get(size_t size, unsigned int offset)
{
	size_t all = (size + offset * PAGE_SIZE + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	char *mem = aligned_alloc(ALIGNMENT, all);

	cr_assert_not_null(mem);
	cr_assert_lt(nr_chunks, ARRAY_SIZE(chunks));
	chunks[nr_chunks++] = mem;
	/* What is given need not be zero. */
	for (size_t i = 0; i < all; i += 512)
		mem[i] = (char)i;
	return mem + offset * PAGE_SIZE;
}

void memory_chunk(struct arena *a, size_t size, unsigned int offset)
{
	arena_add(a, memory_get(size, offset), size);
}

void memory_arena(struct arena *a, size_t size, unsigned int offset)
{
	arena_init(a);
	memory_chunk(a, size, offset);
}

void memory_free(void)
{
	while (nr_chunks)
		free(chunks[--nr_chunks]);
}

void memory_seed(void)
{
	const char *seed = getenv("SEED");

	state = seed ? strtoul(seed, NULL, 0) : (unsigned long)time(NULL);
	fprintf(stderr, "SEED=%lu\n", state);
}

unsigned long memory_random(void)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return state >> 33;
}
