// SPDX-License-Identifier: LGPL-2.1-or-later
/* The heap: grow, shrink, grow again and find zeroes, malloc on top of it. */
#include "tests/preload/common.h"

#include <malloc.h>
#include <sys/syscall.h>

static void grow_and_shrink(void)
{
	char *start = sbrk(0), *aligned;

	CHECK(sbrk(4 * MIB) == start);
	fill(start, 4 * MIB, 1);
	CHECK(matches(start, 4 * MIB, 1));
	CHECK(sbrk(-3 * (long)MIB) == start + 4 * MIB);
	CHECK(matches(start, MIB, 1));
	aligned = (char *)(((unsigned long)start + MIB + PAGE - 1) & ~(PAGE - 1));
	printf("behind the break: %s\n", touch(aligned + PAGE, false));
	CHECK(sbrk(3 * MIB) == start + MIB);
	/* The rest of the last page keeps its bytes, the pages behind it are new. */
	CHECK(all_zero(aligned, 2 * MIB));
	fill(start, 4 * MIB, 2);
	CHECK(matches(start, 4 * MIB, 2));
	CHECK(brk(start) == 0 && sbrk(0) == start);
	puts("grow and shrink");
}

static void small_steps(void)
{
	char *start = sbrk(0);

	for (int i = 0; i < 1000; i++) {
		char *p = sbrk(700);

		CHECK(p == start + i * 700);
		CHECK(all_zero(p, 700) || i == 0);
		memset(p, 0, 700);
	}
	CHECK(brk(start) == 0);
	puts("small steps");
}

static void unmapped_heap(void)
{
	char *start = sbrk(0);
	char *page = (char *)(((unsigned long)start + PAGE - 1) & ~(PAGE - 1));

	CHECK(sbrk(MIB) == start);
	fill(page, MIB / 2, 3);
	CHECK(munmap(page + 8 * PAGE, 8 * PAGE) == 0);
	CHECK(mprotect(page + 32 * PAGE, PAGE, PROT_READ) == 0);
	printf("hole in the heap: %s\n", touch(page + 8 * PAGE, true));
	printf("read only in the heap: %s\n", touch(page + 32 * PAGE, true));
	CHECK(matches(page, 8 * PAGE, 3));
	CHECK(brk(start) == 0);
	CHECK(sbrk(MIB) == start);
	CHECK(all_zero(page, MIB / 2));
	CHECK(brk(start) == 0);
}

/* A mapping in the way: the break stays. */
static void blocked(void)
{
	char *start = sbrk(0);
	char *page = (char *)(((unsigned long)start + PAGE - 1) & ~(PAGE - 1));
	char *guard = mmap(page + 16 * PAGE, PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(guard == page + 16 * PAGE);
	SHOW((long)sbrk(MIB));
	CHECK(sbrk(0) == start);
	CHECK(munmap(guard, PAGE) == 0);
}

static void malloc_on_top(void)
{
	enum {
		N = 2000
	};
	static char *blocks[N];

	CHECK(mallopt(M_MMAP_THRESHOLD, 64 * MIB) && mallopt(M_TRIM_THRESHOLD, 64 * KIB));
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < N; i++) {
			blocks[i] = malloc((size_t)(i * 13 % 20000 + 1));
			CHECK(blocks[i]);
			fill(blocks[i], (size_t)(i * 13 % 20000 + 1), (unsigned int)i);
		}
		for (int i = N - 1; i >= 0; i--) {
			CHECK(matches(blocks[i], (size_t)(i * 13 % 20000 + 1),
				      (unsigned int)i));
			free(blocks[i]);
		}
		malloc_trim(0);
	}
	puts("malloc");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0); /* stdio must not move the break */
	grow_and_shrink();
	small_steps();
	unmapped_heap();
	blocked();
	malloc_on_top();
	return 0;
}
