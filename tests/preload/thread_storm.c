// SPDX-License-Identifier: LGPL-2.1-or-later
/* Many threads that come and go and allocate: stacks and arenas of malloc. */
#include "tests/preload/common.h"

#include <malloc.h>
#include <pthread.h>

#define ROUNDS	20
#define AT_ONCE 32

static void *allocate(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg, random = seed;
	char *blocks[16] = { NULL };
	size_t lengths[16] = { 0 };

	for (unsigned int i = 0; i < 200; i++) {
		unsigned int slot = (random = random * 1103515245 + 12345) >> 16 & 15;

		CHECK(matches(blocks[slot], lengths[slot], slot + seed));
		free(blocks[slot]);
		lengths[slot] = (random >> 8) % 40000 + 1;
		blocks[slot] = malloc(lengths[slot]);
		CHECK(blocks[slot]);
		fill(blocks[slot], lengths[slot], slot + seed);
	}
	for (unsigned int slot = 0; slot < 16; slot++) {
		blocks[slot] = realloc(blocks[slot], lengths[slot] * 3 + 1);
		CHECK(matches(blocks[slot], lengths[slot], slot + seed));
		free(blocks[slot]);
	}
	return NULL;
}

static void storm(void)
{
	pthread_t ids[AT_ONCE];

	for (unsigned long i = 0; i < AT_ONCE; i++)
		CHECK(pthread_create(&ids[i], NULL, allocate, (void *)(i + 1)) == 0);
	for (int i = 0; i < AT_ONCE; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	malloc_trim(0);
}

static void large_blocks(void)
{
	char *p = malloc(1);

	for (size_t len = 1; len < 64 * MIB; len *= 2) {
		p = realloc(p, len);
		CHECK(p);
		p[len - 1] = 1;
		fill(p, len < MIB ? len : MIB, 9);
	}
	CHECK(matches(p, MIB, 9));
	free(p);
	p = calloc(8, MIB);
	CHECK(all_zero(p, 8 * MIB));
	free(p);
}

int main(void)
{
	for (int i = 0; i < ROUNDS; i++)
		storm();
	puts("threads");
	large_blocks();
	puts("large blocks");
	in_child("in a child", storm);
	return 0;
}
