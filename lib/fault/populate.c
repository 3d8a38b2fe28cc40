// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files that the program says it will need (MADV_WILLNEED): a task of its own brings them
 * in, window by window, while the program goes on.
 *
 *	hook_madvise -> ENGINE_FILE_POPULATE -> populate_later	queue	populate_task
 *		'-> the kernel's madvise(), whose answer counts	 '----> filemap_populate
 *
 * Context: populate_task() is like a fault task to everybody who waits for those
 * (engine.fault[], the last one), and waits for nobody but the kernel and, for a moment,
 * the holder of a chunk.
 */
#include <linux/futex.h>

#include "lib/fault/fault.h"
#include "lib/fault/filemap.h"
#include "lib/fault/internal.h"
#include "lib/mm/mm.h"
#include "lib/sys/creds.h"
#include "lib/sys/sys.h"

/* Bytes at once. The kernel, too, limits what it reads on advice; frames are memory that
 * it cannot take back. */
#define POPULATE_MAX (64UL << 20)

/* The window at @at or after it, and where it ends. False: there is none. */
static bool populate_window(struct engine *e, unsigned long *at, unsigned long end)
{
	struct fault_work *w = &e->fault[FAULT_WORK_MAX - 1];
	struct file_plan plan;
	bool more;
	int token;

	/* As fault_begin() and fault_end(), fault.c. */
	WRITE_ONCE(w->busy_start, 0);
	WRITE_ONCE(w->busy_end, ~0UL);
	__atomic_fetch_add(&w->seq, 1, __ATOMIC_SEQ_CST);
	token = mm_read_lock_engine(e->mm);
	more = file_populate(e->mm, *at, end, &plan);
	if (more) {
		WRITE_ONCE(w->busy_end, plan.end);
		WRITE_ONCE(w->busy_start, plan.start);
		*at = plan.end;
		filemap_populate(e, &plan);
	}
	mm_read_unlock(e->mm, token);
	__atomic_fetch_add(&w->seq, 1, __ATOMIC_SEQ_CST);
	return more;
}

static void populate_task(void *arg)
{
	struct engine *e = arg;
	struct populate_state *p = &e->files.populate;
	unsigned long start, end;
	u32 creds = e->creds_start;

	sys_prctl(PR_SET_NAME, "smm-populate", 0, 0, 0);
	for (;;) {
		/* Pairs with populate_later(). */
		__atomic_store_n(&p->bell, 0, __ATOMIC_SEQ_CST);
		creds_follow(e, &creds);
		if (__atomic_load_n(&p->put, __ATOMIC_SEQ_CST) == p->taken) {
			sys_futex(&p->bell, FUTEX_WAIT_PRIVATE, 0, NULL);
			continue;
		}
		start = p->range[p->taken % POPULATE_QUEUE].start;
		end = p->range[p->taken % POPULATE_QUEUE].end;
		while (start < end && populate_window(e, &start, end))
			;
		__atomic_store_n(&p->taken, p->taken + 1, __ATOMIC_RELEASE);
	}
}

static long start_task(struct engine *e)
{
	long tid;

	if (e->files.populate.tid)
		return 0;
	tid = engine_task(e->stack_populate + sizeof(e->stack_populate), populate_task,
			  e);
	if (tid < 0)
		return tid;
	e->files.populate.tid = (int)tid;
	return 0;
}

long populate_later(struct engine *e, unsigned long start, unsigned long end)
{
	struct populate_state *p = &e->files.populate;
	long ret = start_task(e);

	if (ret)
		return ret;
	/* It has more to do than it gets done: then reading on is soon enough. */
	if (p->put - __atomic_load_n(&p->taken, __ATOMIC_ACQUIRE) == POPULATE_QUEUE)
		return -EAGAIN;
	p->range[p->put % POPULATE_QUEUE].start = start;
	p->range[p->put % POPULATE_QUEUE].end = min(end, start + POPULATE_MAX);
	__atomic_store_n(&p->put, p->put + 1, __ATOMIC_SEQ_CST);
	bell_ring(&p->bell);
	stat_inc(e->stat->files_advised);
	return 0;
}
