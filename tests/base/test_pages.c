// SPDX-License-Identifier: LGPL-2.1-or-later
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/page_alloc.h"
#include "tests/base/memory.h"

#define CHECK_ARENA(a)                                    \
	do {                                              \
		const char *err_ = validate_arena(a);     \
		cr_assert(!err_, "%s", err_ ? err_ : ""); \
	} while (0)

static void free_numbers(const struct arena *a, size_t nr[NR_ORDERS])
{
	for (unsigned int o = 0; o < NR_ORDERS; o++)
		nr[o] = a->free_area[o].nr;
}

Test(pages, a_block_is_aligned_and_ends_where_the_next_begins)
{
	struct arena a;
	char *p[NR_ORDERS];

	memory_arena(&a, 16 << 20, 5);
	for (unsigned int o = 0; o < NR_ORDERS; o++) {
		p[o] = alloc_pages(&a, o);
		cr_assert_not_null(p[o], "order %u", o);
		cr_expect_eq((unsigned long)p[o] % (PAGE_SIZE << o), 0, "order %u", o);
		memset(p[o], (int)o, PAGE_SIZE << o);
	}
	CHECK_ARENA(&a);
	for (unsigned int o = 0; o < NR_ORDERS; o++) {
		for (size_t i = 0; i < PAGE_SIZE << o; i += 1024)
			cr_assert_eq(p[o][i], (char)o);
		free_pages(&a, p[o], o);
	}
	CHECK_ARENA(&a);
	memory_free();
}

struct block {
	unsigned char *mem;
	unsigned int order;
	unsigned char tag;
};

static void block_write(struct block *b)
{
	b->mem[0] = b->mem[(PAGE_SIZE << b->order) - 1] = b->tag;
}

static void block_check(const struct block *b)
{
	cr_assert_eq(b->mem[0], b->tag);
	cr_assert_eq(b->mem[(PAGE_SIZE << b->order) - 1], b->tag);
}

/* Small orders more often, so that the large ones are split and find each other again. */
static unsigned int random_order(void)
{
	unsigned int o = 0;

	while (o + 1 < NR_ORDERS && memory_random() % 3 == 0)
		o++;
	return o;
}

Test(pages, random_blocks_coalesce_to_what_there_was)
{
	static struct block blocks[400];
	size_t before[NR_ORDERS], after[NR_ORDERS], full;
	struct arena a;

	memory_seed();
	memory_arena(&a, 8 << 20, 3);
	memory_chunk(&a, 37 * PAGE_SIZE, 1);
	memory_chunk(&a, (3 << 20) + 5 * PAGE_SIZE, 7);
	memory_chunk(&a, 2 * PAGE_SIZE, 0);
	free_numbers(&a, before);
	full = a.free;
	for (unsigned int i = 0; i < 60000; i++) {
		struct block *b = &blocks[memory_random() % ARRAY_SIZE(blocks)];

		if (b->mem) {
			block_check(b);
			free_pages(&a, b->mem, b->order);
			b->mem = NULL;
		} else {
			b->order = random_order();
			b->tag = (unsigned char)i;
			b->mem = alloc_pages(&a, b->order);
			if (b->mem)
				block_write(b);
		}
		if (!(i % 64))
			CHECK_ARENA(&a);
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (!blocks[i].mem)
			continue;
		block_check(&blocks[i]);
		free_pages(&a, blocks[i].mem, blocks[i].order);
	}
	CHECK_ARENA(&a);
	free_numbers(&a, after);
	cr_expect_arr_eq(before, after, sizeof(before));
	cr_expect_eq(a.free, full);
	cr_expect_gt(a.max_used, a.total - full);
	memory_free();
}

Test(pages, all_of_a_chunk_can_be_had_and_no_more)
{
	struct arena a;
	void *p, *list = NULL;
	size_t n = 0;

	memory_arena(&a, 1 << 20, 3);
	while ((p = alloc_pages(&a, 0))) {
		*(void **)p = list;
		list = p;
		n++;
	}
	cr_expect_eq(n, 254, "two pages of 256 hold the descriptors");
	cr_expect_eq(a.free, 0);
	CHECK_ARENA(&a);
	for (; list; list = p) {
		p = *(void **)list;
		free_pages(&a, list, 0);
	}
	cr_expect_eq(a.free, 254 * PAGE_SIZE);
	CHECK_ARENA(&a);
	memory_free();
}

/* Pages that nobody took cost nothing: neither adding a chunk nor splitting writes there.
 */
Test(pages, what_nobody_took_is_not_touched)
{
	const size_t size = 4 << 20;
	unsigned char *mem, *from;
	struct arena a;
	void *p;

	arena_init(&a);
	mem = memory_get(size, 1);
	memset(mem, 0xee, size);
	arena_add(&a, mem, size);
	from = mem + (a.total - a.free);
	for (int i = 0; i < 100; i++) {
		p = alloc_pages(&a, (unsigned int)i % 6);
		cr_assert_not_null(p);
		if (i % 3 == 0)
			free_pages(&a, p, (unsigned int)i % 6);
	}
	for (unsigned char *b = from; b < mem + size; b++)
		cr_assert_eq(*b, 0xee);
	memory_free();
}

Test(pages, as_much_as_arena_size_for_says_is_enough)
{
	for (size_t bytes = 1; bytes < 40 << 20; bytes = bytes * 3 + 4095) {
		struct arena a;

		memory_arena(&a, arena_size_for(bytes), 0);
		cr_expect_geq(a.free, bytes);
		cr_expect_leq(a.free, bytes + 3 * PAGE_SIZE);
		memory_free();
	}
}

Test(pages, a_chunk_too_small_for_anything_is_left_alone)
{
	struct arena a;

	memory_arena(&a, PAGE_SIZE, 0);
	cr_expect_eq(a.total, 0);
	cr_expect_null(alloc_pages(&a, 0));
	cr_expect_null(alloc_pages(&a, NR_ORDERS));
	CHECK_ARENA(&a);
	memory_free();
}

Test(pages, validate_sees_a_broken_list)
{
	struct arena a;

	memory_arena(&a, 1 << 20, 0);
	CHECK_ARENA(&a);
	a.free += PAGE_SIZE;
	cr_expect_not_null(validate_arena(&a));
	a.free -= PAGE_SIZE;
	for (unsigned int o = 0; o < NR_ORDERS; o++)
		if (a.free_area[o].nr) {
			a.free_area[o].nr--;
			cr_expect_not_null(validate_arena(&a));
			a.free_area[o].nr++;
			list_entry(a.free_area[o].list.next, struct arena_page, list)
				->order++;
			cr_expect_not_null(validate_arena(&a));
			break;
		}
	memory_free();
}
