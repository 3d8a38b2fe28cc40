/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A futex mutex that tasks of several processes sharing one address space can take.
 *
 * Signals are blocked while it is held: a handler that interrupts the holder may itself
 * map memory, and a handler that leaves by siglongjmp would never give the lock back.
 * A waiter that finds the holder dead (a vfork child killed inside a call) takes the
 * lock over and is told so. Threads do not die alone, so while @borrowers is 0 the
 * system call that tells who we are is saved.
 */
#ifndef SHADOWMM_SYS_MUTEX_H
#define SHADOWMM_SYS_MUTEX_H

#include "lib/base/compiler.h"
#include "lib/base/lockrank.h"

struct mutex {
	u32 state;     /* 0 free, 1 held, 2 held and waited for */
	u32 owner;     /* tid of the holder, for finding dead ones; 0: not recorded */
	u32 borrowers; /* processes sharing our memory may die while they hold it */
	enum lock_rank rank;
	u64 sigmask; /* the holder's signal mask before it took the lock */
};

void mutex_init(struct mutex *m, enum lock_rank rank);
/* Blocks all signals, then takes the lock. False: taken over from a holder that died,
 * so what it guards may be half done. Must not be held by the caller. */
bool mutex_lock(struct mutex *m);
/* As mutex_lock(), but gives up after @ms milliseconds. 1 held, 0 taken over, -EBUSY. */
int mutex_lock_timeout(struct mutex *m, unsigned int ms);
/* As mutex_lock(), but never waits. False: somebody has it, dead or alive. */
bool mutex_trylock(struct mutex *m);
/* Gives the lock back, then restores the signal mask of mutex_lock(). */
void mutex_unlock(struct mutex *m);
/* The caller knows that every other task that could hold @m is dead: if it is held, the
 * next waiter takes it over. */
void mutex_abandon(struct mutex *m);
/* In a fork child, whose parent's task held @m across the fork: it is ours now. */
void mutex_adopt(struct mutex *m);

#endif
