/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background work of the engine: nobody waits for it. */
#ifndef SHADOWMM_RECLAIM_RECLAIM_H
#define SHADOWMM_RECLAIM_RECLAIM_H

#include "lib/base/engine.h"

/* First code of the pool task, a thread of smm-fault on engine->stack_pool. Keeps
 * e->pool filled. Never returns. @arg: struct engine. */
void pool_task(void *arg);
/* A control group has less memory than the machine. About 9 KiB of stack. */
bool memory_is_limited(void);
/* Bytes that may be held beside what the program uses: a quarter of what is free. */
unsigned long memory_to_spare(void);

#endif
