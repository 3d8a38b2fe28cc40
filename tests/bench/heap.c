// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: heap churn N | heap grow N. Nanoseconds for one of N operations.
 *
 * churn: each frees one of 2,000 blocks at random and allocates another in its place
 * grow: each allocates a block that is kept
 *
 * Blocks have 16 bytes to 256 KiB, small ones more often, and are written to throughout.
 */
#include "tests/bench/bench.h"

#include <stdbool.h>
#include <string.h>

enum {
	BLOCKS = 2000
};

static unsigned long state = 88172645463325252UL;

static unsigned long next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* Each power of two is as likely as the others. */
static size_t random_size(void)
{
	size_t least = 16UL << next_random() % 14;

	return least + next_random() % least;
}

static char *block(void)
{
	size_t len = random_size();
	char *p = malloc(len);

	if (!p)
		die("malloc");
	memset(p, 1, len);
	return p;
}

static double churn(size_t n)
{
	static char *blocks[BLOCKS];
	double begin = now_ns();

	for (size_t i = 0; i < n; i++) {
		char **b = &blocks[next_random() % BLOCKS];

		free(*b);
		*b = block();
	}
	return now_ns() - begin;
}

static double grow(size_t n)
{
	double begin = now_ns();

	for (size_t i = 0; i < n; i++)
		__asm__ volatile("" ::"r"(block())
				 : "memory"); /* kept from the optimizer */
	return now_ns() - begin;
}

int main(int argc, char **argv)
{
	size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	bool growing = argc == 3 && !strcmp(argv[1], "grow");

	if (!n || (!growing && strcmp(argv[1], "churn")))
		return 2;
	printf("%.1f\n", (growing ? grow(n) : churn(n)) / (double)n);
	return 0;
}
