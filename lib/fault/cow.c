// SPDX-License-Identifier: LGPL-2.1-or-later
/* The fault task's side of copy-on-write. */
#include "lib/fault/cow.h"
#include "lib/fault/sample.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/clone.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define BLOCK	   (COW_AROUND_MAX * PAGE_SIZE)
#define ASK_ALWAYS 8
#define ASK_EVERY  16

void cow_lift(struct engine *e, unsigned long page, struct vma_stat *vs)
{
	/* A failure: the page's area has gone, and its protection with it. */
	if (uffd_protect(e->uffd, page, page + PAGE_SIZE, UFFD_LIFT))
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
	cow_count(e, vs, cow_kernel, 1);
}

/*
 * The page is nobody else's. What is next to it likely isn't either, since most often a
 * whole process has gone: lift the block as far as that is so.
 */
static void reuse(struct engine *e, unsigned long page, const struct cow_plan *plan)
{
	unsigned long start = max(page & ~(BLOCK - 1), plan->area_start), end = page;
	unsigned long first = page;
	u64 word[COW_AROUND_MAX];
	long n;

	n = pagemap_words(e->cow.pagemap, start,
			  (min((page & ~(BLOCK - 1)) + BLOCK, plan->area_end) - start) >>
				  PAGE_SHIFT,
			  word);
	for (long i = (long)((page - start) >> PAGE_SHIFT); i < n; i++, end += PAGE_SIZE)
		if (!(word[i] & PM_EXCLUSIVE))
			break;
	for (long i = (long)((page - start) >> PAGE_SHIFT) - 1; i >= 0 && i < n; i--) {
		if (!(word[i] & PM_EXCLUSIVE))
			break;
		first -= PAGE_SIZE;
	}
	if (end == page || uffd_protect(e->uffd, first, end, UFFD_LIFT)) {
		cow_lift(e, page, plan->stat);
		return;
	}
	cow_count(e, plan->stat, cow_reused, 1);
}

static bool exclusive(const struct engine *e, unsigned long page)
{
	u64 word = 0;

	return pagemap_words(e->cow.pagemap, page, 1, &word) == 1 && word & PM_EXCLUSIVE;
}

static bool have_task(struct engine *e)
{
	if (READ_ONCE(e->cow.why))
		return false;
	if (e->cow.started)
		return true;
	if (sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				   CLONE_THREAD | CLONE_SYSVSEM,
			   e->stack_cow + sizeof(e->stack_cow), NULL, NULL, cow_task,
			   e) < 0)
		WRITE_ONCE(e->cow.why, "no task to copy pages");
	else
		e->cow.started = 1;
	return e->cow.started;
}

/* Caller has c->putting. */
static bool __enqueue(struct engine *e, unsigned long page, const struct cow_plan *plan,
		      int cpu, u32 tid)
{
	struct cow_state *c = &e->cow;
	u32 tail = c->tail;

	if (tail - __atomic_load_n(&c->head, __ATOMIC_ACQUIRE) == COW_QUEUE ||
	    !have_task(e))
		return false;
	c->queue[tail % COW_QUEUE] = (struct cow_window){
		.page = page,
		.start = plan->start,
		.end = plan->end,
		.cpu = cpu,
		.tid = tid,
	};
	__atomic_store_n(&c->tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

/* False: nobody will look at it. @tid: to be sampled, or 0. */
static bool enqueue(struct engine *e, unsigned long page, const struct cow_plan *plan,
		    int cpu, u32 tid)
{
	struct cow_state *c = &e->cow;
	bool ok;

	if (__atomic_exchange_n(&c->putting, 1, __ATOMIC_ACQUIRE))
		return false;
	ok = __enqueue(e, page, plan, cpu, tid);
	__atomic_store_n(&c->putting, 0, __ATOMIC_RELEASE);
	if (ok)
		bell_ring(&c->bell);
	return ok;
}

/* Nobody else has it. To ask costs as much as to lift: where the answer has been no it
 * is asked now and then. */
static bool reusable(const struct engine *e, unsigned long page,
		     struct cow_streams *streams)
{
	if (streams->shared >= ASK_ALWAYS && streams->shared++ % ASK_EVERY)
		return false;
	if (exclusive(e, page))
		streams->shared = 0;
	else
		streams->shared++;
	return !streams->shared;
}

static void window_fault(struct engine *e, unsigned long page,
			 const struct cow_plan *plan, struct cow_streams *streams,
			 struct cow_writer writer)
{
	bool sample = cow_sample_due(&e->sampling);

	if (plan->stat)
		stat_inc(plan->stat->cow_faults);
	if ((plan->end - plan->start > PAGE_SIZE || sample) &&
	    enqueue(e, page, plan, writer.cpu, sample ? writer.tid : 0))
		return;
	if (unlikely(sample))
		cow_sample_lost(&e->sampling, "no room in the queue of smm-cow");
	if (reusable(e, page, streams))
		reuse(e, page, plan);
	else
		cow_lift(e, page, plan->stat);
}

void do_wp_page(struct engine *e, unsigned long page, struct cow_streams *streams,
		struct cow_writer writer)
{
	int token = mm_read_lock_engine(e->mm);
	enum cow_verdict verdict;
	struct cow_plan plan;

	verdict = handle_wp_fault(e->mm, page, streams, &plan);
	if (verdict != COW_DIRTY)
		stat_inc(e->stat->cow_faults);
	switch (verdict) {
	case COW_WINDOW:
		window_fault(e, page, &plan, streams, writer);
		break;
	case COW_STALE:
		cow_lift(e, page, NULL);
		break;
	case COW_DIRTY:
		shared_mkwrite(e, page);
		break;
	case COW_FOREIGN:
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
		break;
	}
	mm_read_unlock(e->mm, token);
}
