// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A fault in an area of a file (mm/filemap.c).
 *
 *	filemap_fault -> fill_chunk    what has no bit: pread() from the file, pwrite() to
 *		      |		       the frames, set the bit
 *		      '-> map_frames   UFFDIO_CONTINUE what has one
 *		      '-> bypass       the page alone, private, if the chunk is not to be
 *had
 */
#include "lib/base/string.h"
#include "lib/fault/filemap.h"
#include "lib/mm/mm.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define POSIX_FADV_WILLNEED 3 /* linux/fadvise.h */

#define BUFFER_PAGES	    32
#define BUFFERS		    4

/* Bytes on their way; in the second-level cache, mostly. */
static struct fill_buffer {
	u32 busy;
	char bytes[BUFFER_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
} buffers[BUFFERS];

static struct fill_buffer *buffer_get(void)
{
	for (unsigned int i = 0;; i = (i + 1) % BUFFERS)
		if (!__atomic_exchange_n(&buffers[i].busy, 1, __ATOMIC_ACQUIRE))
			return &buffers[i];
}

static void buffer_put(struct fill_buffer *b)
{
	__atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
}

/* --- filling ----------------------------------------------------------------------- */

/* All of [page, page + n) of the file; zeroes after its end. 0 or -errno. */
static long read_pages(const struct address_space *m, unsigned long page, unsigned long n,
		       char *buf)
{
	size_t want = min(n << PAGE_SHIFT, m->key.size - (page << PAGE_SHIFT)), got = 0;

	while (got < want) {
		long ret = sys_pread(m->file_fd, buf + got, want - got,
				     (page << PAGE_SHIFT) + got);

		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			return ret ? ret : -EIO;
		got += (size_t)ret;
	}
	memset(buf + got, 0, (n << PAGE_SHIFT) - got);
	return 0;
}

/* The kernel shows a page to others only when all of it is there. */
static long write_pages(const struct address_space *m, unsigned long page,
			unsigned long n, const char *buf)
{
	size_t want = min(n << PAGE_SHIFT, m->key.size - (page << PAGE_SHIFT)), put = 0;

	while (put < want) {
		long ret = sys_pwrite(m->frames_fd, buf + put, want - put,
				      (page << PAGE_SHIFT) + put);

		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			return ret ? ret : -EIO;
		put += (size_t)ret;
	}
	return 0;
}

static void set_bits(struct address_space *m, unsigned long page, unsigned long n)
{
	u64 *bits = page_cache_bits(m->cache);

	evict_filled(m, page, n); /* first: a chunk with bits has a time */
	for (unsigned long i = page; i < page + n; i++)
		__atomic_fetch_or(&bits[i / 64], 1ULL << i % 64, __ATOMIC_RELEASE);
}

/* [page, end) has no bits. Caller holds the lock of its chunk. 0 or -errno. */
static long fill_run(struct address_space *m, unsigned long page, unsigned long end)
{
	struct fill_buffer *b = buffer_get();
	long ret = 0;

	while (!ret && page < end) {
		unsigned long n = min(end - page, (unsigned long)BUFFER_PAGES);

		ret = read_pages(m, page, n, b->bytes);
		if (!ret)
			ret = write_pages(m, page, n, b->bytes);
		if (!ret)
			set_bits(m, page, n);
		page += n;
	}
	buffer_put(b);
	return ret;
}

static unsigned long next_bit(struct page_cache *c, unsigned long page, unsigned long end,
			      bool is)
{
	while (page < end && page_cache_test(c, page) != is)
		page++;
	return page;
}

/* What has no bit in [page, end), of one chunk, whose lock the caller holds. */
static long fill_chunk(struct address_space *m, unsigned long page, unsigned long end)
{
	long ret = 0;

	while (!ret && (page = next_bit(m->cache, page, end, false)) < end) {
		unsigned long stop = next_bit(m->cache, page, end, true);

		ret = fill_run(m, page, stop);
		page = stop;
	}
	return ret;
}

static void clear_bit(struct address_space *m, unsigned long page)
{
	__atomic_fetch_and(&page_cache_bits(m->cache)[page / 64], ~(1ULL << page % 64),
			   __ATOMIC_SEQ_CST);
}

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

/* Frames with a bit, at the addresses [at, end) of the plan. */
static void map_frames(struct engine *e, const struct file_plan *plan, unsigned long at,
		       unsigned long end)
{
	struct address_space *m = plan->mapping;
	unsigned long done, page, stop;
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
		at += done;
		if (done >> PAGE_SHIFT < stop - page) {
			present++;
			at += PAGE_SIZE;
		}
	}
}

/*
 * Without the cache: a copy of the page for this program alone, which is always right.
 * False: the file cannot be read, which the program shall hear from the kernel.
 */
static bool bypass(struct engine *e, unsigned long page, const struct file_plan *plan)
{
	unsigned long number = plan->pgoff + ((page - plan->start) >> PAGE_SHIFT);
	struct fill_buffer *b = buffer_get();
	long ret = read_pages(plan->mapping, number, 1, b->bytes);

	if (!ret)
		uffd_copy(e->uffd, page, b->bytes);
	else
		lease_trouble(e, plan->mapping);
	buffer_put(b);
	stat_inc(plan->mapping->bypassed);
	return !ret;
}

bool file_is_leaving(const struct engine *e, unsigned long page)
{
	return page >= __atomic_load_n(&e->files.leaving_start, __ATOMIC_SEQ_CST) &&
	       page < __atomic_load_n(&e->files.leaving_end, __ATOMIC_SEQ_CST);
}

/* The window without what is being given back, or is another chunk's. */
static void clip(const struct engine *e, unsigned long page, struct file_plan *plan)
{
	while (plan->start < page && file_is_leaving(e, plan->start)) {
		plan->start += PAGE_SIZE;
		plan->pgoff++;
	}
	while (plan->end > page + PAGE_SIZE && file_is_leaving(e, plan->end - PAGE_SIZE))
		plan->end -= PAGE_SIZE;
}

/* The kernel reads on while we map; our next window then waits for less. */
static void read_ahead(const struct address_space *m, unsigned long page, unsigned long n)
{
	sys_fadvise(m->file_fd, page << PAGE_SHIFT, n << PAGE_SHIFT, POSIX_FADV_WILLNEED);
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

void filemap_fault(struct engine *e, unsigned long page, bool minor,
		   const struct file_plan *asked)
{
	struct file_plan plan = *asked;
	struct address_space *m = plan.mapping;
	unsigned long number = plan.pgoff + ((page - plan.start) >> PAGE_SHIFT);
	unsigned long chunk = number / PAGE_CACHE_CHUNK;
	unsigned long end_page = plan.pgoff + ((plan.end - plan.start) >> PAGE_SHIFT);
	struct page_cache *cache = __atomic_load_n(&m->cache, __ATOMIC_SEQ_CST);
	long ret;

	if (!cache) { /* the area has gone */
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
		return;
	}
	if (m->state == MAPPING_LEFT)
		lease_trouble(e, m);
	if (m->state != MAPPING_LIVE || file_is_leaving(e, page))
		return;
	count_fault(&plan, minor);
	clip(e, page, &plan);
	if (!chunk_lock(cache, chunk)) {
		if (bypass(e, page, &plan))
			uffd_wake(e->uffd, page, page + PAGE_SIZE);
		return;
	}
	/* The frames lost it, whatever its bit says (C1). */
	if (!minor)
		clear_bit(m, number);
	if (plan.read)
		ret = fill_chunk(m, plan.pgoff,
				 plan.pgoff + ((plan.end - plan.start) >> PAGE_SHIFT));
	else
		ret = fill_chunk(m, number, number + 1);
	/* The page of the fault first: what precedes it may be mapped long since. */
	map_frames(e, &plan, page, plan.end);
	map_frames(e, &plan, plan.start, page);
	evict_touch(m, chunk);
	chunk_unlock(cache, chunk);
	/* No room for frames, or a page of the window that cannot be read. */
	if (!ret || page_cache_test(m->cache, number) || bypass(e, page, &plan))
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
	/* Neither he who waits for the page nor another process for the chunk need wait
	 * for this. */
	if (asked->ahead)
		read_ahead(m, end_page, asked->ahead);
	evict_balance(e, ret);
}
