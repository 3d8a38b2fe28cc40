// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The fault task's side of the huge pages in the pool (lib/base/pool.h).
 *
 * A program gets one where the kernel would have given it one at this fault. The model
 * has an opinion (handle_mm_fault()), and the kernel has shown its own by the time we
 * hear of the fault: where it would not give one, by the area, the address space
 * (PR_SET_THP_DISABLE) or the machine, or has none, it has made a page table before it
 * asked us (mm/memory.c, do_anonymous_page()); where there is one it gives none (P3).
 * Else it would zero one at once if it had none ready, so we do, too: what is not there
 * is made.
 */
#include "lib/fault/internal.h"
#include "lib/mm/mm.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define PAUSE	64 /* faults: the kernel has none, and looking for one takes it long */
#define TRIES	8
#define WARM_UP 2 /* huge pages before we hold any */
#define SHARE	4 /* of those we hold at most one in so many: as many as W1 brings in */

static unsigned long make_one(struct huge_pool *h)
{
	unsigned long addr = huge_spare(h);

	if (h->pause) {
		h->pause--;
		return 0;
	}
	if (huge_populate(h, addr))
		return addr;
	h->pause = PAUSE;
	return 0;
}

/* One from the ring that is still whole: the kernel may have swapped it out. Or 0. */
static unsigned long take_one(struct huge_pool *h)
{
	while (huge_ready(h)) {
		unsigned long addr = huge_block(h, h->head);

		if (pagemap_all_huge(h->pagemap - 1, addr, addr + HUGE_SIZE))
			return addr;
		sys_madvise(addr, HUGE_SIZE, MADV_DONTNEED);
		WRITE_ONCE(h->head, h->head + 1);
	}
	return 0;
}

static bool move_one(struct engine *e, unsigned long dst, unsigned long src)
{
	unsigned long moved = 0;
	int ret = -EAGAIN;

	for (int i = 0; i < TRIES && ret == -EAGAIN; i++)
		ret = uffd_move(e->uffd, dst, src, HUGE_SIZE, &moved);
	if (moved == HUGE_SIZE)
		return true;
	/* It has been split all the same: not a second time. */
	if (moved)
		WRITE_ONCE(e->mm->thp, THP_NEVER);
	sys_madvise(src, HUGE_SIZE, MADV_DONTNEED);
	return false;
}

/* @asked: the program waits for it; else it is only taken from what there is. */
static bool give_one(struct engine *e, unsigned long dst, bool asked)
{
	struct huge_pool *h = &e->pool.huge;
	unsigned long ready, src;
	bool moved;

	if (!pagemap_hole(h->pagemap - 1, dst, dst + HUGE_SIZE)) {
		/* Or another thread's fault has brought it. */
		if (asked && !pagemap_all_huge(h->pagemap - 1, dst, dst + HUGE_SIZE))
			stat_inc(e->stat->huge_tables);
		return false;
	}
	src = ready = take_one(h);
	if (!src && asked) {
		stat_inc(e->stat->huge_missed);
		src = make_one(h);
	}
	if (!src)
		return false;
	moved = move_one(e, dst, src);
	if (ready)
		WRITE_ONCE(h->head, h->head + 1);
	return moved;
}

/* As pool_tend(). */
static void tend(struct engine *e, unsigned long blocks)
{
	struct huge_pool *h = &e->pool.huge;
	unsigned long earned, want;

	stat_add(e->stat->huge_moved, blocks);
	h->given += blocks;
	earned = h->given - READ_ONCE(h->forfeit);
	want = max(earned / SHARE, 1UL);
	if (!h->keep && earned >= WARM_UP)
		WRITE_ONCE(h->want, min(want, h->blocks));
	if (!h->want)
		return;
	if (!READ_ONCE(e->pool.started))
		pool_start(e);
	want = min(h->want, READ_ONCE(h->most));
	if (huge_ready(h) < (want + 1) / 2)
		bell_ring(&e->pool.bell);
}

static bool try_take(struct huge_pool *h)
{
	return !__atomic_exchange_n(&h->taking, 1, __ATOMIC_ACQUIRE);
}

unsigned long huge_install(struct engine *e, const struct fault_plan *plan)
{
	unsigned long at = plan->huge_start;
	struct zero_pool *p = &e->pool;

	if (at == plan->huge_end || !pool_enter(p, &p->taking))
		return 0;
	if (READ_ONCE(p->huge.base) && p->huge.pagemap && try_take(&p->huge)) {
		while (at < plan->huge_end && give_one(e, at, at == plan->huge_start))
			at += HUGE_SIZE;
		tend(e, (at - plan->huge_start) >> HUGE_SHIFT);
		__atomic_store_n(&p->huge.taking, 0, __ATOMIC_RELEASE);
	}
	pool_leave(&p->taking);
	return at - plan->huge_start;
}
