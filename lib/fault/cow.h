/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copy-on-write by our own hand. A page that fork made shared is write-protected
 * (cow_pass.c); the first write to it wakes the fault task (cow.c), which lifts it, or
 * has the cow task (cow_task.c) give the program its own copies of a whole window.
 *
 * K1. Nothing of ours ever holds the only copy of a page, and no page is missing for a
 *     moment: the copy is made by the kernel, in place, when the cow task asks for it by
 *     MADV_POPULATE_WRITE. (The other way, read, MADV_DONTNEED, UFFDIO_COPY, is no
 *     faster, and meanwhile another thread's fork, a debugger or a core dump would meet
 *     a hole.)
 * K2. Populating waits for a fault task if somebody drops a page meanwhile. So the fault
 *     tasks never do it, and never wait for the cow task: when the queue is full, or
 *     another of them is putting something in, they lift the page.
 * K3. Lifting is always right: the kernel then copies, at the program's next try.
 */
#ifndef SHADOWMM_FAULT_COW_H
#define SHADOWMM_FAULT_COW_H

#include "lib/base/engine.h"
#include "lib/mm/cow.h"

struct timespec;

struct cow_writer {
	int cpu; /* where it runs, or -1 */
	u32 tid; /* or 0: the kernel does not say */
};

/* A write to the write-protected @page. A fault task, between fault_begin() and
 * fault_end(), outside of mm_read_lock(). */
void do_wp_page(struct engine *e, unsigned long page, struct cow_streams *streams,
		struct cow_writer writer);
/* First code of the cow task, on engine->stack_cow. Never returns. */
void cow_task(void *arg);
/* Lift the one page, for the kernel to copy it, and wake who waits there. */
void cow_lift(struct engine *e, unsigned long page, struct vma_stat *vs);
/* @n pages of an area: one of the counters cow_copied, cow_reused, cow_kernel. */
#define cow_count(e, vs, counter, n)                \
	do {                                        \
		stat_add((e)->stat->counter, n);    \
		if (vs)                             \
			stat_add((vs)->counter, n); \
	} while (0)

#define COW_ROBUST_MAX 64

/* Pages that the kernel writes to when a thread dies. */
struct cow_robust {
	unsigned int nr;
	unsigned long page[COW_ROBUST_MAX];
};

/* All of them. False: there are too many, or they cannot be found out. May wait for the
 * fault task; the service task, without mmap_lock. */
bool cow_find_robust(const struct engine *e, struct cow_robust *r);
bool cow_is_robust(const struct cow_robust *r, unsigned long page);

enum cow_pass_state {
	COW_PASS_IDLE,
	COW_PASS_DUE,	   /* at @due somebody should look */
	COW_PASS_REGISTER, /* our areas must be registered for it */
	COW_PASS_RUN,	   /* up to @at it is done */
};

/* The service task's own. */
struct cow_pass {
	enum cow_pass_state state;
	u32 forks;	  /* engine.cow.forks, as far as they are known here */
	u32 first;	  /* of these, the first that this pass is for */
	u64 due, begun;	  /* nanoseconds of CLOCK_MONOTONIC */
	u64 not_before;	  /* the next pass, so that all of them take little time */
	unsigned long at; /* address */
	struct cow_robust robust;
};

enum cow_wait {
	COW_NEVER, /* until the next request */
	COW_LATER, /* after @wait */
	COW_MORE,  /* ask again at once */
};

/* A bit of what is to do after forks, at most some 50 us. The service task, whose mailbox
 * is empty; takes mmap_lock if nobody has it, and does not wait for it. */
enum cow_wait cow_pass(struct engine *e, struct cow_pass *p, struct timespec *wait);

#endif
