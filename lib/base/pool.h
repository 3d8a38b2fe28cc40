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
};

#define POOL_CLOSED_IDLE 1 /* the pool task */
#define POOL_CLOSED_STOP 2 /* the service task, until the hook is done */

/* Pages that may be taken now. A fault task. */
static inline unsigned long pool_ready(const struct zero_pool *p)
{
	unsigned long head = READ_ONCE(p->head);

	return __atomic_load_n(&p->tail, __ATOMIC_ACQUIRE) - head;
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
