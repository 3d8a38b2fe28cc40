// SPDX-License-Identifier: LGPL-2.1-or-later
/* The fault task's side of the pool (lib/base/pool.h). */
#include "lib/fault/internal.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/clone.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define MOVE_FROM 4   /* pages: below, zeroing them here is cheaper */
#define WARM_UP	  256 /* pages the program must have got before we hold any */
#define SHARE	  8   /* of what it got so far we hold at most one in so many */

static void pool_start(struct engine *e)
{
	long tid = sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					  CLONE_THREAD | CLONE_SYSVSEM,
				  e->stack_pool + sizeof(e->stack_pool), NULL, NULL,
				  pool_task, e);

	/* One attempt: without it every page is zeroed when it is asked for. */
	e->pool.tid = tid > 0 ? (u32)tid : ~0U;
}

void pool_tend(struct engine *e, unsigned long pages)
{
	struct zero_pool *p = &e->pool;

	p->installed += pages;
	if (!READ_ONCE(p->base) || !(e->uffd_features & UFFD_FEATURE_MOVE))
		return;
	if (!p->keep && p->installed >= WARM_UP)
		WRITE_ONCE(p->want, min(p->installed / SHARE, p->pages));
	if (!p->want)
		return;
	if (!p->tid)
		pool_start(e);
	/* Pairs with sleep_until_wanted(). */
	if (pool_ready(p) < p->want / 2 &&
	    !__atomic_exchange_n(&p->bell, 1, __ATOMIC_SEQ_CST))
		sys_futex(&p->bell, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static int move(struct engine *e, unsigned long start, unsigned long end,
		unsigned long *done)
{
	struct zero_pool *p = &e->pool;
	unsigned long run, src, moved;
	int ret = 0;

	while (!ret && start < end) {
		unsigned long ready = pool_ready(p);

		src = pool_page(p, p->head, &run);
		run = min(run, ready) << PAGE_SHIFT;
		run = min(run, end - start);
		if (!run)
			return -ENOBUFS;
		ret = uffd_move(e->uffd, start, src, run, &moved);
		WRITE_ONCE(p->head, p->head + (moved >> PAGE_SHIFT));
		start += moved;
		*done += moved;
	}
	return ret;
}

int pool_install(struct engine *e, unsigned long start, unsigned long end,
		 unsigned long *done)
{
	struct zero_pool *p = &e->pool;
	int ret;

	*done = 0;
	if (!p->tid || end - start < MOVE_FROM * PAGE_SIZE || !pool_enter(p))
		return -ENOBUFS;
	ret = move(e, start, end, done);
	pool_leave(p);
	stat_add(e->stat->pool_moved, *done >> PAGE_SHIFT);
	return ret;
}
