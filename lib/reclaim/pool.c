// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The pool task: zeroes pages on whatever processor has nothing better to do, so that a
 * fault need not.
 */
#include <linux/resource.h>

#include "lib/base/stat.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/creds.h"
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
	more |= huge_fill(e);
	pool_leave(&e->pool.filling);
	return more;
}

static void close_pool(struct zero_pool *p)
{
	__atomic_fetch_or(&p->closed, POOL_CLOSED_IDLE, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&p->taking, __ATOMIC_SEQ_CST))
		sys_sched_yield();
}

static void open_pool(struct zero_pool *p)
{
	__atomic_fetch_and(&p->closed, ~(u32)POOL_CLOSED_IDLE, __ATOMIC_SEQ_CST);
}

/* Nobody takes. */
static void empty_pool(struct engine *e)
{
	struct zero_pool *p = &e->pool;

	stat_add(e->stat->pool_given_back, p->tail - p->head);
	sys_madvise(p->base, p->pages << PAGE_SHIFT, MADV_DONTNEED);
	/* Nobody takes: the other side's number is ours to set. */
	WRITE_ONCE(p->head, p->tail);
}

/* Nothing was taken for a while: the memory is more use to others. */
static void give_back(struct engine *e)
{
	struct zero_pool *p = &e->pool;

	if (!pool_enter(p, &p->filling))
		return;
	close_pool(p);
	empty_pool(e);
	WRITE_ONCE(p->want, 0);
	WRITE_ONCE(p->forfeit, READ_ONCE(p->installed));
	huge_give_back(e);
	open_pool(p);
	pool_leave(&p->filling);
}

static void look_again(struct engine *e)
{
	if (!pool_enter(&e->pool, &e->pool.filling))
		return;
	huge_look_again(e);
	pool_leave(&e->pool.filling);
}

static bool is_undecided(const struct zero_pool *p)
{
	return READ_ONCE(p->huge.trial) && p->huge.choice == POOL_PAGES_AUTO;
}

/* Of what the pool is to be, if that is not known and there is something to choose. */
static void decide(struct engine *e)
{
	struct zero_pool *p = &e->pool;

	if (!is_undecided(p) || !pool_enter(p, &p->filling))
		return;
	close_pool(p);
	empty_pool(e);
	huge_measure(e);
	open_pool(p);
	pool_leave(&p->filling);
}

static bool is_short(const struct zero_pool *p)
{
	const struct huge_pool *h = &p->huge;
	unsigned long huge = min(READ_ONCE(h->want), h->most);

	if (h->tail - READ_ONCE(h->head) < (huge + 1) / 2 && READ_ONCE(h->base))
		return true;
	return p->tail - READ_ONCE(p->head) < min(READ_ONCE(p->want), p->most) / 2;
}

/* Until the bell rings. False: it has not for IDLE_MS. */
static bool sleep_until_wanted(struct engine *e, u32 *creds, bool has_pages)
{
	struct zero_pool *p = &e->pool;
	const struct timespec idle = { IDLE_MS / 1000, IDLE_MS % 1000 * 1000000L };
	long ret = 0;

	__atomic_store_n(&p->bell, 0, __ATOMIC_SEQ_CST);
	creds_follow(e, creds);
	if (!is_short(p) && !is_undecided(p))
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
	bool limited = !p->keep && !p->huge.keep && memory_is_limited();

	WRITE_ONCE(p->most, limited ? 0 : most);
	WRITE_ONCE(p->huge.most, limited ? 0 : most / HUGE_PAGES);
}

/* What there is in both parts, and what was ever taken from them. */
static bool has_pages(const struct zero_pool *p)
{
	return (!p->keep && p->tail != READ_ONCE(p->head)) ||
	       (!p->huge.keep && p->huge.tail != READ_ONCE(p->huge.head));
}

static unsigned long ever_taken(const struct zero_pool *p)
{
	return READ_ONCE(p->head) + READ_ONCE(p->huge.head);
}

void pool_task(void *arg)
{
	struct engine *e = arg;
	struct zero_pool *p = &e->pool;
	unsigned long seen = 0;
	u32 creds = e->creds_start;

	sys_prctl(PR_SET_NAME, "smm-pool", 0, 0, 0);
	sys_setpriority(PRIO_PROCESS, 0, NICE);
	find_limit(p);
	for (;;) {
		decide(e);
		look_again(e);
		while (fill(e))
			;
		if (!sleep_until_wanted(e, &creds, has_pages(p)) && ever_taken(p) == seen)
			give_back(e);
		seen = ever_taken(p);
	}
}
