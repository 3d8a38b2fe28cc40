/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fault process smm-fault: entry points of its tasks. */
#ifndef SHADOWMM_FAULT_FAULT_H
#define SHADOWMM_FAULT_FAULT_H

#include "lib/base/engine.h"

/* First code of smm-fault, on engine->stack_fault. @arg: struct engine. Never returns. */
void fault_process(void *arg);
/* First code of the service task, on engine->stack_service. Never returns. */
void service_task(void *arg);
/* Kill the program: the engine cannot go on and must not be missed silently. */
void engine_fail_stop(struct engine *e) __attribute__((noreturn));
/* A further task of smm-fault, with all signals blocked: FAULT_SIGNAL would be lost in
 * its handler. Its tid or -errno. The service task. */
long engine_task(char *stack_end, void (*fn)(void *arg), struct engine *e);
/* Tell the service task, for which the hook waits, that this task has taken e->creds
 * over: @done is where it looks, fault_work.creds_done or engine.creds_ctl; @seq of
 * engine.creds_seq. */
void engine_ack_creds(struct engine *e, u32 *done, u32 seq);

/* Wakes a fault task out of read(2), or of its futex. */
#define FAULT_SIGNAL 10 /* SIGUSR1 */

/*
 * A hook's request, engine->request, in a task that the hook has made for it, waits for,
 * and lends mmap_lock: where there is no service task (no userfaultfd, --policy=track),
 * the kernel's list can be read all the same. Others are answered -ESRCH.
 */
void serve_without_engine(void *engine);

#endif
