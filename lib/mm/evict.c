// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which chunk of a file to drop: a clock over its chunks (WSClock, Carr and Hennessy
 * 1981). What nobody has asked for since long ago goes first; the hand sees to it that of
 * equals it is not always the same.
 *
 *	chunk	|  0  |  1  |  2  |  3  |  4  |		  age >= 60 s ?
 *	asked	  90s	2s    --    70s   1s		     hand -> 3, then 0
 *		   ^	       (no pages)
 *		   hand					  then >= 8 s, ...
 */
#include "lib/mm/address_space.h"

u32 page_cache_age(u32 used, u64 now_ms)
{
	u32 age = (PAGE_CACHE_TIME(now_ms) - (used & ~PAGE_CACHE_DROPPED)) >> 1;

	return age >> 30 ? 0 : age; /* asked for since we looked at the clock */
}

/* hweight64(): the compiler's own is in libgcc. */
static unsigned long weight(u64 w)
{
	w -= w >> 1 & 0x5555555555555555ULL;
	w = (w & 0x3333333333333333ULL) + (w >> 2 & 0x3333333333333333ULL);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return w * 0x0101010101010101ULL >> 56;
}

unsigned long page_cache_resident(struct page_cache *c, u64 chunk)
{
	const u64 *bits = page_cache_bits(c);
	u64 first = chunk * (PAGE_CACHE_CHUNK / 64), words = (c->nr_pages + 63) / 64;
	unsigned long n = 0;

	for (u64 i = first; i < min(first + PAGE_CACHE_CHUNK / 64, words); i++)
		n += weight(READ_ONCE(bits[i]));
	return n;
}

bool evict_next(struct page_cache *c, struct evict_scan *scan, u64 *chunk)
{
	while (scan->left) {
		u64 at = scan->hand % c->nr_chunks;
		u32 used = READ_ONCE(page_cache_used(c)[at]);

		scan->hand = at + 1;
		scan->left--;
		if (!(used & ~PAGE_CACHE_DROPPED) || /* it has no pages */
		    page_cache_age(used, scan->now) < scan->age ||
		    !page_cache_resident(c, at))
			continue;
		*chunk = at;
		return true;
	}
	return false;
}
