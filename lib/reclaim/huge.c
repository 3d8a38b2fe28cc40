// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The pool task's side of the huge pages in the pool (lib/base/pool.h): they are zeroed
 * here, and here it is found out whether they are worth it.
 */
#include "lib/base/stat.h"
#include "lib/mm/mm.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/thp.h"
#include "lib/sys/uffd.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since 5.14 */
#endif

#define ROUNDS 3

/*
 * One page is asked for: the kernel makes the whole, or that page alone. All 512 would be
 * made of small ones if there are no others, of which a program near its limit would die.
 */
bool huge_populate(const struct huge_pool *h, unsigned long addr)
{
	if (!sys_madvise(addr, PAGE_SIZE, MADV_POPULATE_WRITE) &&
	    pagemap_all_huge(h->pagemap - 1, addr, addr + HUGE_SIZE))
		return true;
	sys_madvise(addr, HUGE_SIZE, MADV_DONTNEED);
	return false;
}

static void choose(struct engine *e, enum pool_pages choice, const char *why)
{
	struct huge_pool *h = &e->pool.huge;

	WRITE_ONCE(h->why, why);
	/* Pairs with the acquire of trial_done(): nothing of the trial is in use. */
	__atomic_store_n(&h->choice, choice, __ATOMIC_RELEASE);
	if (choice == POOL_PAGES_HUGE)
		WRITE_ONCE(e->mm->thp, h->mode);
}

void huge_prepare(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;
	int fd;

	if (!READ_ONCE(h->base))
		return;
	fd = h->pagemap ? h->pagemap - 1 : pagemap_open_self();
	if (fd >= 0)
		h->pagemap = fd + 1;
	if (fd < 0 || !pagemap_sees_tables(fd, huge_spare(h)))
		choose(e, POOL_PAGES_4K,
		       "the kernel does not tell where a huge page fits");
	else if (h->choice == POOL_PAGES_HUGE)
		choose(e, POOL_PAGES_HUGE, h->why);
}

bool huge_fill(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;
	unsigned long want = min(READ_ONCE(h->want), h->most);

	if (!READ_ONCE(h->base) || h->choice != POOL_PAGES_HUGE || !h->pagemap ||
	    h->tail - READ_ONCE(h->head) >= want)
		return false;
	if (!huge_populate(h, huge_block(h, h->tail))) {
		WRITE_ONCE(h->want, 0); /* they are made as they are asked for */
		return false;
	}
	stat_inc(e->stat->huge_filled);
	__atomic_store_n(&h->tail, h->tail + 1, __ATOMIC_RELEASE);
	return true;
}

void huge_give_back(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;

	if (!READ_ONCE(h->base))
		return;
	stat_add(e->stat->huge_given_back, h->tail - h->head);
	sys_madvise(h->base, h->blocks << HUGE_SHIFT, MADV_DONTNEED);
	WRITE_ONCE(h->head, h->tail);
	WRITE_ONCE(h->want, 0);
	WRITE_ONCE(h->forfeit, READ_ONCE(h->given));
}

/* The user of the machine may have changed it. */
void huge_look_again(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;

	if (!READ_ONCE(h->base) || h->choice != POOL_PAGES_HUGE ||
	    READ_ONCE(e->mm->thp) == THP_NEVER)
		return;
	WRITE_ONCE(h->mode, thp_mode());
	WRITE_ONCE(e->mm->thp, h->mode);
}

/* --- measurement ------------------------------------------------------------------- */

static unsigned long now_ns(void)
{
	struct timespec ts = { 0 };

	sys_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long)ts.tv_sec * 1000000000UL + (unsigned long)ts.tv_nsec;
}

/* Nanoseconds to move 2 MiB and touch every page; 0: they could not be moved. */
static unsigned long time_one(struct engine *e, unsigned long dst, unsigned long src)
{
	unsigned long begin = now_ns(), done = 0, moved;

	while (done < HUGE_SIZE) {
		if (uffd_move(e->uffd, dst + done, src + done, HUGE_SIZE - done, &moved))
			return 0;
		done += moved;
	}
	for (unsigned long at = dst; at < dst + HUGE_SIZE; at += PAGE_SIZE)
		*(volatile char *)at = 1;
	return now_ns() - begin;
}

static unsigned long median(const unsigned long t[ROUNDS])
{
	unsigned long least = min(t[0], t[1]), most = max(t[0], t[1]);

	most = min(most, t[2]);
	return max(least, most);
}

/* Zeroed before the first is timed: what the fault task moves is in no cache. */
static bool trial_pages(struct engine *e)
{
	const struct huge_pool *h = &e->pool.huge;

	for (int i = 0; i < ROUNDS; i++)
		if (!huge_populate(h, huge_block(h, (unsigned long)i)))
			return false;
	return !sys_madvise(e->pool.base, ROUNDS * HUGE_SIZE, MADV_POPULATE_WRITE);
}

/* False: there is no answer. Nobody else uses the pool, and both parts are empty. */
static bool measure(struct engine *e)
{
	unsigned long huge[ROUNDS], small[ROUNDS], dst = e->pool.huge.trial;
	struct huge_pool *h = &e->pool.huge;

	if (!trial_pages(e))
		return false;
	for (unsigned long i = 0; i < ROUNDS; i++, dst += 2 * HUGE_SIZE) {
		huge[i] = time_one(e, dst, huge_block(h, i));
		small[i] = time_one(e, dst + HUGE_SIZE, e->pool.base + i * HUGE_SIZE);
		if (!huge[i] || !small[i])
			return false;
	}
	WRITE_ONCE(h->huge_ns, median(huge));
	WRITE_ONCE(h->small_ns, median(small));
	return true;
}

void huge_measure(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;
	bool ok = h->blocks >= ROUNDS && e->pool.pages >= ROUNDS * HUGE_PAGES &&
		  e->pool.most >= ROUNDS * HUGE_PAGES && measure(e);

	sys_madvise(h->base, h->blocks << HUGE_SHIFT, MADV_DONTNEED);
	sys_madvise(e->pool.base, e->pool.pages << PAGE_SHIFT, MADV_DONTNEED);
	sys_madvise(h->trial_area, h->trial_size, MADV_DONTNEED);
	if (!ok)
		choose(e, POOL_PAGES_4K, "it could not be measured");
	else if (h->huge_ns <= h->small_ns)
		choose(e, POOL_PAGES_HUGE, "measured");
	else
		choose(e, POOL_PAGES_4K, "measured");
}
