// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the clock over the chunks of a file chooses. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/address_space.h"

#define CHUNKS 8UL
#define PAGES  (CHUNKS * PAGE_CACHE_CHUNK - 100) /* the last chunk is shorter */

static struct page_cache *cache;

static void setup(void)
{
	cache = calloc(1, page_cache_size(PAGES));
	cache->nr_pages = PAGES;
	cache->nr_chunks = CHUNKS;
}

TestSuite(evict, .init = setup);

static void fill(u64 chunk, unsigned long pages, u64 ms)
{
	for (u64 i = 0; i < pages; i++) {
		u64 page = chunk * PAGE_CACHE_CHUNK + i;

		page_cache_bits(cache)[page / 64] |= 1ULL << page % 64;
	}
	page_cache_used(cache)[chunk] = PAGE_CACHE_TIME(ms);
}

static struct evict_scan scan_from(u64 hand, u64 now, u32 age)
{
	return (struct evict_scan){
		.hand = hand, .left = CHUNKS, .now = now, .age = age
	};
}

/* The chunks that one round chooses, in order, as digits. */
static unsigned long chosen(struct evict_scan scan)
{
	unsigned long digits = 0;
	u64 chunk;

	while (evict_next(cache, &scan, &chunk))
		digits = digits * 10 + chunk + 1;
	return digits;
}

Test(evict, the_parts_of_the_index_do_not_overlap)
{
	char *end = (char *)cache + page_cache_size(PAGES);

	memset(cache->lock, 1, CHUNKS * sizeof(u32));
	for (u64 i = 0; i < CHUNKS; i++)
		cr_expect_eq(page_cache_used(cache)[i], 0);
	memset(page_cache_used(cache), 1, CHUNKS * sizeof(u32));
	for (u64 i = 0; i < PAGES; i++)
		cr_expect(!page_cache_test(cache, i));
	cr_expect_leq((char *)(page_cache_bits(cache) + (PAGES + 63) / 64), end);
	cr_expect_eq((uintptr_t)page_cache_bits(cache) % 8, 0);
}

Test(evict, counts_pages_of_a_chunk)
{
	fill(2, 77, 1);
	fill(7, PAGE_CACHE_CHUNK - 100, 1);
	fill(3, PAGE_CACHE_CHUNK, 1);
	cr_expect_eq(page_cache_resident(cache, 1), 0);
	cr_expect_eq(page_cache_resident(cache, 2), 77);
	cr_expect_eq(page_cache_resident(cache, 3), PAGE_CACHE_CHUNK);
	cr_expect_eq(page_cache_resident(cache, 7), PAGE_CACHE_CHUNK - 100);
}

Test(evict, old_ones_first_and_empty_ones_never)
{
	fill(1, 10, 1000);
	fill(3, 10, 9000);
	fill(4, 10, 2000);
	fill(6, 10, 9990);
	cr_expect_eq(chosen(scan_from(0, 10000, 8000)), 25);
	cr_expect_eq(chosen(scan_from(0, 10000, 1000)), 245);
	cr_expect_eq(chosen(scan_from(0, 10000, 10)), 2457);
	cr_expect_eq(chosen(scan_from(0, 10000, 11)), 245);
}

Test(evict, the_hand_goes_round)
{
	struct evict_scan scan = scan_from(5, 5000, 10);
	u64 chunk;

	for (u64 i = 0; i < CHUNKS; i++)
		fill(i, 1, 1000);
	cr_expect_eq(chosen(scan), 67812345);
	cr_expect(evict_next(cache, &scan, &chunk) && chunk == 5);
	scan.left = CHUNKS;
	cr_expect_eq(chosen(scan), 78123456);
	cr_expect_eq(chosen(scan_from(1234567 * CHUNKS, 5000, 10)), 12345678);
}

Test(evict, time_may_wrap)
{
	const u64 wrap = 1UL << 31;

	fill(0, 1, wrap - 5);
	fill(1, 1, wrap + 5);
	cr_expect_eq(page_cache_age(page_cache_used(cache)[0], wrap + 10), 15);
	cr_expect_eq(page_cache_age(page_cache_used(cache)[1], wrap + 1), 0, "later");
	cr_expect_eq(page_cache_age(PAGE_CACHE_TIME(7) | PAGE_CACHE_DROPPED, 9), 2);
	cr_expect_eq(chosen(scan_from(0, wrap + 10, 15)), 1);
}

/* Any use, any time, any hand: what is chosen is old enough and has pages, each once, and
 * what is not chosen is not. */
Test(evict, at_random)
{
	unsigned long seed = 20260;

	for (int round = 0; round < 20000; round++) {
		struct evict_scan scan;
		unsigned int got = 0;
		u64 now, chunk;

		memset(cache->lock, 0, page_cache_size(PAGES) - sizeof(*cache));
		for (u64 i = 0; i < CHUNKS; i++) {
			seed = seed * 6364136223846793005UL + 1442695040888963407UL;
			fill(i, (seed >> 60) % 3, 1 + (seed >> 33) % 1000);
		}
		now = 1000 + (seed >> 20) % 100;
		scan = scan_from(seed >> 40, now, (u32)(seed >> 50) % 1100);
		while (evict_next(cache, &scan, &chunk)) {
			cr_assert(!(got >> chunk & 1));
			got |= 1U << chunk;
		}
		for (u64 i = 0; i < CHUNKS; i++) {
			u32 age = page_cache_age(page_cache_used(cache)[i], now);
			bool goes = page_cache_resident(cache, i) && age >= scan.age;

			cr_assert_eq(goes, (bool)(got >> i & 1), "seed %lu", seed);
		}
	}
}
