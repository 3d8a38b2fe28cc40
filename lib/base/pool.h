/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool: zeroed pages in an area of our own, waiting to be moved (UFFDIO_MOVE) to
 * where the program misses one.
 *
 *	base  [ .  .  z  z  z  z  .  . ]	a ring: z filled, . given away
 *	            ^head       ^tail
 *
 * The fault tasks take, one fills (the pool task). Page n of the ring is at
 * base + n % pages.
 *
 * P1. Only the pages of [head, tail) are taken, by whoever moves @head past them first.
 *     @tail is published after the page is there: release by populate(), acquire in
 *     pool_ready(). What was taken and not moved is zero still: it is found present when
 *     the ring is filled there again.
 * P2. Whoever needs the pool for himself alone sets his bit of @closed and waits until
 *     the others have seen it: Dekker, each side stores, full barrier, loads. The pool
 *     task so gives pages back, while no fault task is @taking; a hook has the pool ended
 *     (ENGINE_POOL_STOP), while nobody is at work.
 */
#ifndef SHADOWMM_BASE_POOL_H
#define SHADOWMM_BASE_POOL_H

#include "lib/base/compiler.h"

#define HUGE_SHIFT 21
#define HUGE_SIZE  (1UL << HUGE_SHIFT)
#define HUGE_MASK  (~(HUGE_SIZE - 1))
#define HUGE_PAGES (HUGE_SIZE >> PAGE_SHIFT)

/* What the pool is made of, where the kernel would give huge pages. */
enum pool_pages {
	POOL_PAGES_AUTO, /* as it is measured; of a choice: not yet */
	POOL_PAGES_4K,
	POOL_PAGES_HUGE,
};

/* Where the kernel gives huge pages at a fault (admin-guide/mm/transhuge.rst). */
enum thp_mode {
	THP_NEVER,
	THP_ADVISED, /* where the program asked for them */
	THP_ALWAYS,  /* unless it asked for none */
};

/*
 * The same for huge pages, with the words of struct zero_pool that keep its users apart
 * (P1, P2). Block n of the ring is at base + n % blocks; behind the ring is one more that
 * the fault task fills itself when the ring is empty.
 *
 * P3. A huge page goes only to where there is no page table: the kernel would split it
 *     first, which takes milliseconds. Whoever moves one asks before (thp_hole()).
 */
struct huge_pool {
	unsigned long base;   /* 0: there is none. A hook */
	unsigned long blocks; /* of the ring. A hook */
	unsigned long head;   /* blocks ever taken; the fault task, or see P2 */
	unsigned long tail;   /* blocks ever filled; the pool task */
	unsigned long want;   /* blocks to keep ready; the fault task */
	unsigned long most;   /* @want is never above it; the pool task */
	unsigned long given;  /* blocks the program got; the fault task */
	unsigned long
		forfeit;     /* @given when the pool was last given back; the pool task */
	unsigned long pause; /* faults that need not ask for one; the fault task */
	u32 taking; /* a fault task takes from here: one at a time, the others do without
		     */
	unsigned long trial; /* where it is measured, registered; 0: nowhere. A hook */
	unsigned long trial_area, trial_size; /* what is to be unmapped of it. A hook */
	unsigned long area, size;	      /* the same for @base. A hook */
	int pagemap; /* descriptor of the engine's table plus 1; 0: none. The pool task */
	bool keep;   /* @want is the user's; set with @base */
	u32 mode;    /* enum thp_mode; smm-ctl, and the pool task */
	/* Inherited by fork: it need not be measured again. */
	u32 choice; /* enum pool_pages; a hook if it is the user's, else the pool task */
	const char *why; /* of the choice, a static string, or NULL; the same */
	unsigned long huge_ns, small_ns; /* to move and touch 2 MiB; 0: not measured */
};

struct zero_pool {
	unsigned long base;  /* 0: there is none. A hook, before the pool task */
	unsigned long pages; /* of the ring. The same */
	unsigned long head;  /* pages ever taken; fault tasks, or see P2 */
	unsigned long tail;  /* pages ever filled; the pool task */
	unsigned long want;  /* pages to keep ready; any fault task */
	unsigned long most;  /* @want is never above it; the pool task, at its start */
	unsigned long installed; /* pages the program got in large windows; fault tasks */
	unsigned long
		forfeit; /* @installed when the pool was last given back; the pool task */
	u32 taking;	 /* how many fault tasks are at it */
	u32 filling;	 /* the pool task */
	u32 closed;	 /* POOL_CLOSED_*, their owners */
	u32 bell;	 /* a futex that is rung; 0: the pool task sleeps */
	u32 started;	 /* there is a pool task; who starts it */
	bool keep;	 /* @want is the user's; set with @base */
	struct huge_pool huge;
};

#define POOL_CLOSED_IDLE 1 /* the pool task */
#define POOL_CLOSED_STOP 2 /* the service task, until the hook is done */

/* Pages that may be taken now. A fault task. */
static inline unsigned long pool_ready(const struct zero_pool *p)
{
	unsigned long head = READ_ONCE(p->head);

	return __atomic_load_n(&p->tail, __ATOMIC_ACQUIRE) - head;
}

/* The same for huge pages. */
static inline unsigned long huge_ready(const struct huge_pool *h)
{
	return __atomic_load_n(&h->tail, __ATOMIC_ACQUIRE) - h->head;
}

static inline unsigned long huge_block(const struct huge_pool *h, unsigned long n)
{
	return h->base + (n % h->blocks << HUGE_SHIFT);
}

/* The block behind the ring. */
static inline unsigned long huge_spare(const struct huge_pool *h)
{
	return h->base + (h->blocks << HUGE_SHIFT);
}

/* The address of page @n, and in *@run the pages up to the end of the ring. */
static inline unsigned long pool_page(const struct zero_pool *p, unsigned long n,
				      unsigned long *run)
{
	unsigned long at = n % p->pages;

	*run = p->pages - at;
	return p->base + (at << PAGE_SHIFT);
}

/* True if the caller may use the pool, until pool_leave(@busy): @taking or @filling. */
static inline bool pool_enter(struct zero_pool *p, u32 *busy)
{
	__atomic_fetch_add(busy, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&p->closed, __ATOMIC_SEQ_CST) && READ_ONCE(p->base))
		return true;
	__atomic_fetch_sub(busy, 1, __ATOMIC_RELEASE);
	return false;
}

static inline void pool_leave(u32 *busy)
{
	__atomic_fetch_sub(busy, 1, __ATOMIC_RELEASE);
}

#endif
