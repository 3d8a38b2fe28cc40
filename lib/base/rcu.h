/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sleepable RCU over counters, on liburcu's publication and barrier primitives.
 *
 * liburcu's own reader flavours register each reader thread in TLS, through malloc or
 * mmap. Our readers are signal handlers, vfork children and engine tasks that borrow
 * the TLS of another thread, so they cannot register. As in the kernel's SRCU
 * (kernel/rcu/srcutree.c) a reader only increments a counter on entry and another one
 * on exit; it may be interrupted, nested, or moved to another CPU in between.
 *
 * G1. rcu_read_lock() never waits, allocates or fails.
 * G2. An object passed to rcu_defer() is freed only after every reader that could have
 *     seen it published has left.
 * G3. rcu_reap() never waits: it frees what is safe now and leaves the rest.
 *
 * Barriers: the smp_mb() in rcu_read_lock() pairs with the one before the scan in
 * rcu_readers_gone(); the one in rcu_read_unlock() pairs with the one after it.
 */
#ifndef SHADOWMM_BASE_RCU_H
#define SHADOWMM_BASE_RCU_H

#include <urcu/arch.h>
#include <urcu/compiler.h>
#include <urcu/pointer.h>

#include "lib/base/compiler.h"

/*
 * ThreadSanitizer does not know liburcu's barriers (inline assembly); these are the same
 * operations in words it understands.
 */
#ifdef __SANITIZE_THREAD__
#undef rcu_dereference
#undef rcu_assign_pointer
#define rcu_dereference(p)	 __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#endif

/* Counters per parity, so that readers of different threads rarely collide; and one for
 * the engine's tasks, which may be killed while they read. */
#define RCU_SLOTS	4
#define RCU_ENGINE_SLOT RCU_SLOTS

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

struct rcu_slot {
	unsigned long enter[2], leave[2];
} __cacheline_aligned;

struct rcu_domain {
	unsigned long parity;		     /* index new readers use */
	struct rcu_slot slot[RCU_SLOTS + 1]; /* any task */
	struct rcu_head *next;	   /* queued after the running grace period began */
	struct rcu_head *current;  /* freed when the running grace period ends */
	int phase;		   /* of the running grace period: 0 idle, 1, 2 */
	unsigned long nr_deferred; /* objects on both lists */
};

static inline int rcu_read_lock_slot(struct rcu_domain *d, int slot)
{
	int parity = __atomic_load_n(&d->parity, __ATOMIC_RELAXED) & 1;

	__atomic_fetch_add(&d->slot[slot].enter[parity], 1, __ATOMIC_SEQ_CST);
	return slot * 2 + parity;
}

/* Any task. Returns the token that rcu_read_unlock() needs. */
static inline int rcu_read_lock(struct rcu_domain *d)
{
	unsigned long sp = (unsigned long)__builtin_frame_address(0);
	/* Stacks of different threads differ above the 64 KiB bits; a collision costs
	 * a shared cache line, never correctness. */
	return rcu_read_lock_slot(d, (sp >> 16 ^ sp >> 23) % RCU_SLOTS);
}

static inline void rcu_read_unlock(struct rcu_domain *d, int token)
{
	__atomic_fetch_add(&d->slot[token / 2].leave[token & 1], 1, __ATOMIC_SEQ_CST);
}

/*
 * Free @head by @func after a grace period. Caller holds the writer's lock, and has
 * already unpublished the object.
 */
void rcu_defer(struct rcu_domain *d, struct rcu_head *head,
	       void (*func)(struct rcu_head *));
/* Advance grace periods and free what is safe. Caller holds the writer's lock. */
void rcu_reap(struct rcu_domain *d);
/* The engine's tasks are dead and reaped: they read no more. Holding the writer's lock.
 */
void rcu_forget_engine(struct rcu_domain *d);
/*
 * In the only task of a new address space (fork child): the readers of the parent's
 * other tasks do not exist here. Forget them and free everything deferred.
 */
void rcu_reset(struct rcu_domain *d);

#endif
