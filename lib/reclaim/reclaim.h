/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background work of the engine: nobody waits for it. */
#ifndef SHADOWMM_RECLAIM_RECLAIM_H
#define SHADOWMM_RECLAIM_RECLAIM_H

#include "lib/base/engine.h"

/* First code of the pool task, a thread of smm-fault on engine->stack_pool. Keeps
 * e->pool filled. Never returns. @arg: struct engine. */
void pool_task(void *arg);

/* --- huge.c, for the pool ---------------------------------------------------------- */

/* There is a huge page at @addr now, zeroed; false: none is to be had. */
bool huge_populate(const struct huge_pool *h, unsigned long addr);
/* The pool has got its part of huge pages: find out whether we can tell where one fits.
 * The service task, while a hook waits. */
void huge_prepare(struct engine *e);
/* The rest: the pool task, in its pool_enter(). Fill one block; false: there are enough,
 * or no memory. */
bool huge_fill(struct engine *e);
/* Nobody takes, and the pool is empty: measure, and choose. About 5 ms. */
void huge_measure(struct engine *e);
/* Nobody takes. */
void huge_give_back(struct engine *e);
void huge_look_again(struct engine *e);

/* A control group has less memory than the machine. About 9 KiB of stack. */
bool memory_is_limited(void);
/* Bytes of memory that there are, or that the control group may have. About 9 KiB of
 * stack. */
unsigned long memory_limit(void);
/* What could be had without swapping (MemAvailable); ~0 if that is not known. About 4 KiB
 * of stack. */
unsigned long memory_available(void);
/* Bytes that may be held beside what the program uses: a quarter of what is free. */
unsigned long memory_to_spare(void);

#endif
