// SPDX-License-Identifier: LGPL-2.1-or-later
/* The fault task's side of the pool (lib/base/pool.h). */
#include "lib/fault/internal.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/clone.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define MOVE_FROM 64   /* pages: what was zeroed elsewhere is in no cache here */
#define WARM_UP	  1024 /* pages in such windows before we hold any */
#define SHARE	  8    /* of those we hold at most one in so many */

void pool_start(struct engine *e)
{
	u32 none = 0;

	bell_ring(&e->pool.bell);
	if (!READ_ONCE(e->pool.base) || !(e->uffd_features & UFFD_FEATURE_MOVE) ||
	    !__atomic_compare_exchange_n(&e->pool.started, &none, 1, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	/* One attempt: without it every page is zeroed when it is asked for. */
	sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			       CLONE_SYSVSEM,
		       e->stack_pool + sizeof(e->stack_pool), NULL, NULL, pool_task, e);
}

void pool_stop(struct engine *e)
{
	struct zero_pool *p = &e->pool;

	__atomic_fetch_or(&p->closed, POOL_CLOSED_STOP, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&p->taking, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&p->filling, __ATOMIC_SEQ_CST))
		sys_sched_yield();
}

void pool_tend(struct engine *e, unsigned long pages)
{
	struct zero_pool *p = &e->pool;

	unsigned long earned;

	/* Who gets his pages in small windows would never take any from the pool. */
	if (pages < MOVE_FROM)
		return;
	stat_add(p->installed, pages);
	if (!READ_ONCE(p->base))
		return;
	/* Since it was last given back unused, which says that it is not needed. */
	earned = READ_ONCE(p->installed) - READ_ONCE(p->forfeit);
	if (!p->keep && earned >= WARM_UP)
		WRITE_ONCE(p->want, min(earned / SHARE, p->pages));
	if (!p->want)
		return;
	if (!READ_ONCE(p->started))
		pool_start(e);
	if (pool_ready(p) < min(p->want, READ_ONCE(p->most)) / 2)
		bell_ring(&p->bell);
}

/* @head, from which at most @most pages in a row, *@run, are the caller's alone; *@run 0:
 * there are none. */
static unsigned long take(struct zero_pool *p, unsigned long most, unsigned long *run)
{
	unsigned long head = READ_ONCE(p->head), ready;

	do { /* @tail is read after @head and never behind it */
		ready = __atomic_load_n(&p->tail, __ATOMIC_ACQUIRE) - head;
		pool_page(p, head, run);
		*run = min(*run, ready);
		*run = min(*run, most);
	} while (!__atomic_compare_exchange_n(&p->head, &head, head + *run, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return head;
}

/* What was not moved after all, unless another task has taken what follows it. */
static void put_back(struct zero_pool *p, unsigned long from, unsigned long end)
{
	__atomic_compare_exchange_n(&p->head, &end, from, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

static int move(struct engine *e, unsigned long start, unsigned long end,
		unsigned long *done)
{
	struct zero_pool *p = &e->pool;
	unsigned long run, any, head, moved;
	int ret = 0;

	while (!ret && start < end) {
		head = take(p, (end - start) >> PAGE_SHIFT, &run);
		if (!run)
			return -ENOBUFS;
		ret = uffd_move(e->uffd, start, pool_page(p, head, &any),
				run << PAGE_SHIFT, &moved);
		put_back(p, head + (moved >> PAGE_SHIFT), head + run);
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
	if (!READ_ONCE(p->started) || end - start < MOVE_FROM * PAGE_SIZE ||
	    !pool_enter(p, &p->taking))
		return -ENOBUFS;
	ret = move(e, start, end, done);
	pool_leave(&p->taking);
	stat_add(e->stat->pool_moved, *done >> PAGE_SHIFT);
	return ret;
}
