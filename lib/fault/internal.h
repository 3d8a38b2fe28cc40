/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of lib/fault only. Context: the fault task. */
#ifndef SHADOWMM_FAULT_INTERNAL_H
#define SHADOWMM_FAULT_INTERNAL_H

#include "lib/base/engine.h"

/*
 * Move zeroed pages from the pool to [start, end) and wake who waits there; *@done bytes
 * are there afterwards. 0, -ENOBUFS (the pool has no more, or it does not pay), -EEXIST
 * (the page after *@done is present), or what else UFFDIO_MOVE answered.
 */
int pool_install(struct engine *e, unsigned long start, unsigned long end,
		 unsigned long *done);
/* @pages more have been installed: let the pool keep up with that. */
void pool_tend(struct engine *e, unsigned long pages);

struct fault_plan;
/*
 * Move huge pages to where @plan wants them, in order, and wake who waits there. The
 * bytes that are there now, from plan->huge_start on; 0: none, also where there would be
 * one without the kernel's having to split it. Fault task.
 */
unsigned long huge_install(struct engine *e, const struct fault_plan *plan);
/* The pool task should look at what is wanted. Any task of smm-fault. */
void pool_ring(struct zero_pool *p);

/* Register what the model wants registered in [start, limit); 0, or the last error. The
 * service task, while a hook waits for it or with mmap_lock held. */
long register_range(struct engine *e, unsigned long start, unsigned long limit);

/* Start the pool task, if there is none. Any task of smm-fault. */
void pool_start(struct engine *e);
/* Nobody uses the pool when this returns, until @closed is 0 again. The service task. */
void pool_stop(struct engine *e);

/* Where the fault task runs: on the processor of the thread that faults. */
struct place {
	int cpu;      /* we are bound to it; -1: not bound */
	u32 tid;      /* of the thread that was looked at last */
	u32 faults;   /* since then */
	u32 moves;    /* times in a row that it had moved away from us */
	u32 patience; /* as many make us wait awake; doubled whenever that did not pay */
	u32 spin;     /* faults for which it pays to wait awake */
	u32 missed;   /* times in a row that it did not */
	bool failed;  /* no way to find out, or to be bound */
};

void place_init(struct place *p);
/* Events from @fd as read(2) would give them, after waiting awake for a moment if that
 * has paid lately. */
long place_read(struct place *p, int fd, void *buf, size_t size);
/* Thread @tid has faulted. */
void place_follow(struct place *p, const struct engine *e, u32 tid);

#endif
