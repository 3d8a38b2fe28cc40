/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copy-on-write after a fork: what the hooks and the tasks of smm-fault share.
 *
 *	hook of fork --> service task     write-protects what is shared, a while later
 *	program writes --> fault task     lifts a page, or queues a window for
 *	                   smm-cow        the cow task: lift, have the pages copied, wake
 *
 * The kernel's own copy-on-write stays below all this and is right without it: whoever
 * lifts the protection of a page has said that the program's next write may go to the
 * kernel.
 */
#ifndef SHADOWMM_BASE_COW_H
#define SHADOWMM_BASE_COW_H

#include "lib/base/compiler.h"

#define COW_QUEUE    16 /* windows; a power of two */
#define COW_CHILDREN 8	/* looked at before a pass */

/* The pages of one fault: @page and its neighbours. Bytes. */
struct cow_window {
	unsigned long page, start, end;
	int cpu; /* of the faulter, or -1 */
	u32 tid; /* of the faulter, if it is to be sampled; or 0 */
};

struct cow_state {
	/* Forks since the engine started; in a child one more. Hooks, under both locks.
	 */
	u32 forks;
	/* Of fork n at n % COW_CHILDREN: the child's pid, or 0 if we are the child. */
	int child[COW_CHILDREN];

	int pagemap; /* descriptor, or -1; there before the first page is protected.
		      * Service task */

	/* One fault task at a time puts in, one task takes out (the cow task). */
	struct cow_window queue[COW_QUEUE];
	u32 head;    /* windows taken, release; the cow task */
	u32 tail;    /* windows put in, release; who has @putting */
	u32 putting; /* a fault task is at it; another one then lifts its page */
	u32 bell;    /* a futex; 0: the cow task sleeps */
	u32 started; /* there is a cow task; who has @putting */
	/* Why the kernel decides after all, or NULL; static string. A hook at the start,
	 * then any task of smm-fault */
	const char *why;

	/* As fault_work.seq, busy_start, busy_end; the cow task. */
	u32 seq;
	unsigned long busy_start, busy_end;
};

#endif
