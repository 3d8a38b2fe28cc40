// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A fault in an area of a file (mm/filemap.c).
 *
 *	filemap_fault -> fill_chunk    what has no bit is read (fill.c)
 *		      |-> settle_fault the chunk is whole: the kernel maps it (settle.c)
 *		      |-> map_frames   UFFDIO_CONTINUE what has one
 *		      |-> bypass       without the chunk: the page alone, private
 *		      '-> read_ahead   what comes next, not waited for (reader.c)
 */
#include "lib/fault/fill.h"
#include "lib/mm/mm.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define POSIX_FADV_WILLNEED 3 /* linux/fadvise.h */

/* --- mapping ----------------------------------------------------------------------- */

#define PRESENT_MAX 4 /* pages found mapped already: the rest will be, too */

/*
 * All of [start, end) has frames. A call that has split the area in the kernel (mlock(),
 * which populates before it returns) is not in the model yet: then a smaller part of it
 * may be in one area still. Returns the bytes mapped.
 */
static unsigned long map_run(struct engine *e, unsigned long start, unsigned long end)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT, done;
	int ret;

	for (; pages; pages /= 2) {
		ret = uffd_continue(e->uffd, start, start + (pages << PAGE_SHIFT), &done);
		if (done || ret != -ENOENT)
			return done;
	}
	return 0;
}

/* Frames with a bit, at the addresses [at, end) of the plan. Bytes mapped from @at on. */
static unsigned long map_frames(struct engine *e, const struct file_plan *plan,
				unsigned long at, unsigned long end)
{
	struct address_space *m = plan->mapping;
	unsigned long start = at, first = 0, done, page, stop;
	int present = 0;

	while (at < end && present < PRESENT_MAX) {
		page = plan->pgoff + ((at - plan->start) >> PAGE_SHIFT);
		stop = next_bit(m->cache, page, page + ((end - at) >> PAGE_SHIFT), false);
		if (stop == page) {
			at += PAGE_SIZE;
			continue;
		}
		done = map_run(e, at, at + ((stop - page) << PAGE_SHIFT));
		stat_add(m->mapped, done >> PAGE_SHIFT);
		if (at == start)
			first = done;
		at += done;
		if (done >> PAGE_SHIFT < stop - page) {
			present++;
			at += PAGE_SIZE;
		}
	}
	return first;
}

/*
 * Without the cache: a copy of the page for this program alone, which is always right.
 * False: the file cannot be read, which the program shall hear from the kernel.
 */
static bool bypass(struct engine *e, unsigned long page, const struct file_plan *plan)
{
	unsigned long number = plan->pgoff + ((page - plan->start) >> PAGE_SHIFT);
	char *buf = fill_buffer_get();
	long ret = read_pages(e, plan->mapping, number, 1, buf);

	if (!ret)
		uffd_copy(e->uffd, page, buf);
	else
		lease_trouble(e, plan->mapping);
	fill_buffer_put(buf);
	stat_inc(plan->mapping->bypassed);
	return !ret;
}

bool file_is_leaving(const struct engine *e, unsigned long page)
{
	return page >= __atomic_load_n(&e->files.leaving_start, __ATOMIC_SEQ_CST) &&
	       page < __atomic_load_n(&e->files.leaving_end, __ATOMIC_SEQ_CST);
}

/* The window without what is being given back at its ends; @page, if it is inside, stays.
 */
static void clip(const struct engine *e, unsigned long page, struct file_plan *plan)
{
	while (plan->start < min(page, plan->end) && file_is_leaving(e, plan->start)) {
		plan->start += PAGE_SIZE;
		plan->pgoff++;
	}
	while (plan->end > max(page + PAGE_SIZE, plan->start) &&
	       file_is_leaving(e, plan->end - PAGE_SIZE))
		plan->end -= PAGE_SIZE;
}

/* What a small file's next window will have to wait for is on its way into the kernel's
 * cache meanwhile; of a large one smm-read takes care. */
static void read_ahead(struct engine *e, struct address_space *m, unsigned long page,
		       unsigned long n)
{
	if (m->drop && READ_ONCE(e->files.reader.tid) > 0)
		reader_ahead(e, m, page, n);
	else
		sys_fadvise(m->file_fd, page << PAGE_SHIFT, n << PAGE_SHIFT,
			    POSIX_FADV_WILLNEED);
}

static void count_fault(const struct file_plan *plan, bool minor)
{
	if (minor)
		stat_inc(plan->mapping->minor);
	else
		stat_inc(plan->mapping->major);
	if (plan->stat)
		stat_inc(plan->stat->faults);
}

static unsigned long plan_end(const struct file_plan *plan)
{
	return plan->pgoff + ((plan->end - plan->start) >> PAGE_SHIFT);
}

static unsigned long plan_number(const struct file_plan *plan, unsigned long page)
{
	return plan->pgoff + ((page - plan->start) >> PAGE_SHIFT);
}

/*
 * An event says that the frames do not have the page, though its bit says that they do
 * (C1). Mostly somebody, smm-read say, has filled it since; if they have lost it, the bit
 * is wrong. Caller holds the chunk's lock.
 */
static void believe_event(struct engine *e, const struct file_plan *plan,
			  unsigned long page)
{
	unsigned long number = plan_number(plan, page), done;

	if (page_cache_test(plan->mapping->cache, number) &&
	    uffd_continue(e->uffd, page, page + PAGE_SIZE, &done) == -EFAULT)
		clear_bit(plan->mapping, number);
}

enum outcome {
	WOKEN,	/* mapped, and who waits for it has been woken by that */
	THERE,	/* it has a frame: it is mapped already, or he is to try again */
	NOTHING /* it has none */
};

/* What the window lacks is read, and it is mapped, the page of the fault first: what
 * precedes it may be mapped long since. */
static enum outcome bring_in(struct engine *e, unsigned long page, bool minor,
			     const struct file_plan *plan, long *err)
{
	struct address_space *m = plan->mapping;
	unsigned long number = plan_number(plan, page);
	unsigned long chunk = number / PAGE_CACHE_CHUNK;
	bool mapped;

	if (!chunk_lock(e, m->cache, chunk))
		return NOTHING;
	reader_arrived(e, m, number);
	if (!minor)
		believe_event(e, plan, page);
	*err = plan->read ? fill_chunk(e, m, plan->pgoff, plan_end(plan))
			  : fill_chunk(e, m, number, number + 1);
	mapped = settle_fault(e, m, page, chunk);
	if (!mapped) {
		mapped = map_frames(e, plan, page, plan->end) != 0;
		map_frames(e, plan, plan->start, page);
	}
	evict_touch(m, chunk);
	chunk_unlock(m->cache, chunk);
	if (mapped)
		return WOKEN;
	/* No room for frames, or a page of the window that cannot be read. */
	return !*err || page_cache_test(m->cache, number) ? THERE : NOTHING;
}

void filemap_fault(struct engine *e, unsigned long page, bool minor,
		   const struct file_plan *asked)
{
	struct file_plan plan = *asked;
	struct address_space *m = plan.mapping;
	enum outcome outcome;
	long err = 0;

	if (!__atomic_load_n(&m->cache, __ATOMIC_SEQ_CST)) { /* the area has gone */
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
		return;
	}
	if (m->state == MAPPING_LEFT)
		lease_trouble(e, m);
	if (m->state != MAPPING_LIVE || file_is_leaving(e, page))
		return;
	count_fault(&plan, minor);
	clip(e, page, &plan);
	outcome = bring_in(e, page, minor, &plan, &err);
	if (outcome == THERE || (outcome == NOTHING && bypass(e, page, &plan)))
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
	/* Neither he who waits for the page nor another process for the chunk need wait
	 * for this. */
	if (asked->ahead)
		read_ahead(e, m, plan_end(asked), asked->ahead);
	evict_balance(e, err);
}

void filemap_populate(struct engine *e, const struct file_plan *asked)
{
	struct file_plan plan = *asked;
	struct address_space *m = plan.mapping;
	unsigned long chunk = plan.pgoff / PAGE_CACHE_CHUNK;
	long err;

	if (!__atomic_load_n(&m->cache, __ATOMIC_SEQ_CST) || m->state != MAPPING_LIVE)
		return;
	clip(e, plan.end, &plan);
	clip(e, 0, &plan);
	if (plan.start >= plan.end || !chunk_lock(e, m->cache, chunk))
		return;
	err = fill_chunk(e, m, plan.pgoff, plan_end(&plan));
	map_frames(e, &plan, plan.start, plan.end);
	evict_touch(m, chunk);
	chunk_unlock(m->cache, chunk);
	if (asked->ahead)
		read_ahead(e, m, plan_end(asked), asked->ahead);
	evict_balance(e, err);
}
