// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The cow task: gives the program its own copies of a window of shared pages.
 *
 * It holds mmap_lock meanwhile, so that no hook puts other memory where the window is;
 * only MADV_DONTNEED comes without the lock, and waits by engine_wait_range(). If
 * somebody has the lock the window is not worth waiting for it.
 */
#include "lib/fault/cow.h"
#include "lib/fault/sample.h"
#include "lib/mm/page.h"
#include "lib/sys/mutex.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/creds.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since 5.14 */
#endif

#define MAX_CPUS 1024

/* Pages of [start, end) around @page that are present and protected. */
struct run {
	unsigned long start, end;
	unsigned long pages, shared;
};

/* False: @page is not protected any more. */
static bool find_run(const struct engine *e, const struct cow_window *w, struct run *r)
{
	long at = (long)((w->page - w->start) >> PAGE_SHIFT), first = at, end = at, n;
	u64 word[COW_AROUND_MAX];

	n = pagemap_words(e->cow.pagemap, w->start, (w->end - w->start) >> PAGE_SHIFT,
			  word);
	while (end < n && pagemap_protected(word[end]))
		end++;
	while (first > 0 && first <= n && pagemap_protected(word[first - 1]))
		first--;
	*r = (struct run){ .start = w->start + ((unsigned long)first << PAGE_SHIFT),
			   .end = w->start + ((unsigned long)end << PAGE_SHIFT),
			   .pages = (unsigned long)(end - first) };
	for (long i = first; i < end; i++)
		r->shared += !(word[i] & PM_EXCLUSIVE);
	return end > at;
}

/*
 * The kernel's own copy-on-write, without an exception for each page. Pages that another
 * thread writes to meanwhile are copied by whoever is first. Out of memory, a guard page,
 * an old kernel: the program's access has to meet that itself.
 */
static void copy_run(struct engine *e, const struct run *r, struct vma_stat *vs)
{
	long ret = sys_madvise(r->start, r->end - r->start, MADV_POPULATE_WRITE);

	if (ret) {
		if (ret == -EINVAL)
			WRITE_ONCE(e->cow.why, "no MADV_POPULATE_WRITE (Linux 5.14)");
		cow_count(e, vs, cow_kernel, r->pages);
		return;
	}
	cow_count(e, vs, cow_copied, r->shared);
	cow_count(e, vs, cow_reused, r->pages - r->shared);
}

/* Caller holds mmap_lock. */
static void copy_window(struct engine *e, struct cow_window *w, struct cow_sample *sample)
{
	const struct vm_area_struct *vma;
	struct run r;

	if (!cow_clamp(e->mm, w->page, &w->start, &w->end)) {
		cow_sample_end(&e->sampling, sample, 0);
		uffd_wake(e->uffd, w->page, w->page + PAGE_SIZE);
		return;
	}
	vma = find_vma(e->mm, w->page);
	if (!find_run(e, w, &r) ||
	    uffd_protect(e->uffd, r.start, r.end, UFFD_LIFT_ONLY)) {
		cow_sample_end(&e->sampling, sample, 1);
		cow_lift(e, w->page, vma->stat);
		return;
	}
	copy_run(e, &r, vma->stat);
	cow_sample_end(&e->sampling, sample, r.shared);
	uffd_wake(e->uffd, r.start, r.end);
}

/* Somebody changes areas. He waits for us afterwards, if what he changes is here: so the
 * page is still where the model shows it. */
static void lift_page(struct engine *e, const struct cow_window *w,
		      struct cow_sample *sample)
{
	unsigned long start = w->start, end = w->end;
	int token = mm_read_lock_engine(e->mm);
	bool here = cow_clamp(e->mm, w->page, &start, &end);

	cow_sample_end(&e->sampling, sample, here);
	if (here)
		cow_lift(e, w->page, find_vma(e->mm, w->page)->stat);
	else
		uffd_wake(e->uffd, w->page, w->page + PAGE_SIZE);
	mm_read_unlock(e->mm, token);
}

/* As fault_begin() and fault_end() of the fault task. */
static void busy(struct cow_state *c, unsigned long start, unsigned long end)
{
	WRITE_ONCE(c->busy_start, start);
	WRITE_ONCE(c->busy_end, end);
	__atomic_fetch_add(&c->seq, 1, __ATOMIC_SEQ_CST);
}

static void serve(struct engine *e, struct cow_window *w)
{
	struct cow_sample *sample = NULL;

	/* Not while we are busy: reading a stack may have to wait for the fault task. */
	if (unlikely(w->tid))
		sample = cow_sample_begin(e, w);
	busy(&e->cow, w->start, w->end);
	if (mutex_trylock(e->mmap_lock)) {
		copy_window(e, w, sample);
		mutex_unlock(e->mmap_lock);
	} else {
		lift_page(e, w, sample);
	}
	__atomic_fetch_add(&e->cow.seq, 1, __ATOMIC_SEQ_CST);
}

/* See place.c. */
static void follow(int *cpu, int to)
{
	unsigned long mask[MAX_CPUS / 64] = { 0 };

	if (to == *cpu || to < 0 || to >= MAX_CPUS)
		return;
	mask[to / 64] = 1UL << to % 64;
	sys_sched_setaffinity(0, sizeof(mask), mask);
	*cpu = to;
}

/* Pairs with bell_ring(). */
static void sleep_until_rung(const struct engine *e, struct cow_state *c, u32 *creds)
{
	__atomic_store_n(&c->bell, 0, __ATOMIC_SEQ_CST);
	creds_follow(e, creds);
	if (__atomic_load_n(&c->tail, __ATOMIC_SEQ_CST) == c->head)
		sys_futex(&c->bell, FUTEX_WAIT_PRIVATE, 0, NULL);
	__atomic_store_n(&c->bell, 1, __ATOMIC_SEQ_CST);
}

void cow_task(void *arg)
{
	struct engine *e = arg;
	struct cow_state *c = &e->cow;
	int cpu = -1;
	u32 creds = e->creds_start;

	sys_prctl(PR_SET_NAME, "smm-cow", 0, 0, 0);
	for (;;) {
		while (__atomic_load_n(&c->tail, __ATOMIC_ACQUIRE) != c->head) {
			struct cow_window w = c->queue[c->head % COW_QUEUE];

			__atomic_store_n(&c->head, c->head + 1, __ATOMIC_RELEASE);
			follow(&cpu, w.cpu);
			serve(e, &w);
		}
		sleep_until_rung(e, c, &creds);
	}
}
