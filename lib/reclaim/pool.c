// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The pool task: zeroes pages on whatever processor has nothing better to do, so that a
 * fault need not.
 */
#include <linux/resource.h>

#include "lib/base/stat.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/sys.h"

#define BATCH	16 /* pages: the kernel holds its mmap_lock for so long */
#define IDLE_MS 1000
#define NICE	10

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since 5.14 */
#endif

static bool populate(struct engine *e)
{
	struct zero_pool *p = &e->pool;
	unsigned long want = min(READ_ONCE(p->want), p->most);
	unsigned long ready = p->tail - READ_ONCE(p->head), run, addr, n;

	if (ready >= want)
		return false;
	addr = pool_page(p, p->tail, &run);
	n = min(want - ready, (unsigned long)BATCH);
	n = min(n, run);
	if (sys_madvise(addr, n << PAGE_SHIFT, MADV_POPULATE_WRITE)) {
		/* No memory to spare, or an old kernel: pages are zeroed as they are
		 * asked for. */
		WRITE_ONCE(p->want, 0);
		return false;
	}
	stat_add(e->stat->pool_filled, n);
	__atomic_store_n(&p->tail, p->tail + n, __ATOMIC_RELEASE);
	return true;
}

/* Fill some pages after @tail. False: there are enough, or no memory. */
static bool fill(struct engine *e)
{
	bool more;

	if (!pool_enter(&e->pool, &e->pool.filling))
		return false;
	more = populate(e);
	pool_leave(&e->pool.filling);
	return more;
}

/* Nothing was taken for a while: the memory is more use to others. */
static void give_back(struct engine *e)
{
	struct zero_pool *p = &e->pool;

	if (!pool_enter(p, &p->filling))
		return;
	__atomic_fetch_or(&p->closed, POOL_CLOSED_IDLE, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&p->taking, __ATOMIC_SEQ_CST))
		sys_sched_yield();
	stat_add(e->stat->pool_given_back, p->tail - p->head);
	sys_madvise(p->base, p->pages << PAGE_SHIFT, MADV_DONTNEED);
	/* Nobody takes: the other side's number is ours to set. */
	WRITE_ONCE(p->head, p->tail);
	WRITE_ONCE(p->want, 0);
	WRITE_ONCE(p->forfeit, READ_ONCE(p->installed));
	__atomic_fetch_and(&p->closed, ~(u32)POOL_CLOSED_IDLE, __ATOMIC_SEQ_CST);
	pool_leave(&p->filling);
}

/* Until the bell rings. False: it has not for IDLE_MS. */
static bool sleep_until_wanted(struct zero_pool *p, bool has_pages)
{
	const struct timespec idle = { IDLE_MS / 1000, IDLE_MS % 1000 * 1000000L };
	long ret = 0;

	__atomic_store_n(&p->bell, 0, __ATOMIC_SEQ_CST);
	if (p->tail - READ_ONCE(p->head) >= min(READ_ONCE(p->want), p->most) / 2)
		ret = sys_futex(&p->bell, FUTEX_WAIT_PRIVATE, 0,
				has_pages ? &idle : NULL);
	__atomic_store_n(&p->bell, 1, __ATOMIC_SEQ_CST);
	return ret != -ETIMEDOUT;
}

/* Nothing is held against a limit of memory but what the user asked for, and of that no
 * more than the machine has to spare. */
static void find_limit(struct zero_pool *p)
{
	unsigned long most = min(p->pages, memory_to_spare() >> PAGE_SHIFT);

	WRITE_ONCE(p->most, !p->keep && memory_is_limited() ? 0 : most);
}

void pool_task(void *arg)
{
	struct engine *e = arg;
	struct zero_pool *p = &e->pool;
	unsigned long seen = 0;

	sys_prctl(PR_SET_NAME, "smm-pool", 0, 0, 0);
	sys_setpriority(PRIO_PROCESS, 0, NICE);
	find_limit(p);
	for (;;) {
		while (fill(e))
			;
		if (!sleep_until_wanted(p, !p->keep && p->tail != READ_ONCE(p->head)) &&
		    READ_ONCE(p->head) == seen)
			give_back(e);
		seen = READ_ONCE(p->head);
	}
}
