// SPDX-License-Identifier: LGPL-2.1-or-later
/* Dirty pages of shared files: dirty.h. */
#include "lib/base/string.h"
#include "lib/fault/dirty.h"
#include "lib/mm/mm.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

/* Runs of dirty pages, ascending, as offsets from @start; what comes after too many of
 * them counts as one. */
#define HELD_RUNS 256

static struct {
	bool valid;
	unsigned long start;
	unsigned int nr;
	struct {
		unsigned long start, end;
	} run[HELD_RUNS];
} held; /* under mmap_lock */

/* --- begin ------------------------------------------------------------------------- */

static u64 now_ns(void)
{
	struct timespec t = { 0, 0 };

	sys_clock_gettime(1 /* CLOCK_MONOTONIC */, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

/* PAGEMAP_SCAN is as old as what makes the descriptor, but /proc may not be ours. Asked
 * about a page of our own. */
static int try_pagemap(struct engine *e)
{
	unsigned long page = (unsigned long)&held & PAGE_MASK, any;
	int fd = pagemap_open_self();
	long ret = fd;

	if (fd >= 0) {
		ret = pagemap_next_present(fd, page, page + PAGE_SIZE, &any);
		sys_close(fd);
	}
	if (ret < 0)
		e->dirty.why = "/proc/self/pagemap cannot be read";
	return (int)min(ret, 0L);
}

static int open_both(struct engine *e)
{
	int ret = uffd_open_async();

	if (ret < 0) {
		e->dirty.why = ret == -EINVAL ? "no asynchronous write-protection "
						"(Linux 6.7)"
					      : "userfaultfd is not available";
		return ret;
	}
	e->dirty.uffd = ret;
	ret = try_pagemap(e);
	if (ret)
		sys_close(e->dirty.uffd);
	return ret;
}

static int begin(struct engine *e)
{
	int ret = 0;

	e->dirty.why = NULL;
	if (!e->dirty.begun)
		ret = open_both(e);
	if (!ret && !e->dirty.begun)
		WRITE_ONCE(e->dirty.begun, now_ns());
	WRITE_ONCE(e->mm->track_dirty, !ret);
	return ret;
}

int dirty_begin(struct engine *e)
{
	int ret = begin(e);

	if (!ret)
		dirty_track(e, 0, ~0UL & PAGE_MASK);
	return ret;
}

/* --- areas ------------------------------------------------------------------------- */

/* [start, end), all of which counts as written, but where it was so before it moved to
 * @base. */
static void protect_all(struct engine *e, unsigned long start, unsigned long end,
			unsigned long base)
{
	for (unsigned int i = 0; held.valid && i < held.nr && start < end; i++) {
		unsigned long from = max(base + held.run[i].start, start);
		unsigned long to = min(base + held.run[i].end, end);

		if (from >= to)
			continue;
		if (start < from)
			uffd_protect(e->dirty.uffd, start, from, UFFD_PROTECT);
		start = to;
	}
	if (start < end)
		uffd_protect(e->dirty.uffd, start, end, UFFD_PROTECT);
}

/* The same steps as register_range() takes, for the same reasons. */
static long track(struct engine *e, unsigned long start, unsigned long limit,
		  unsigned long base)
{
	unsigned long end;
	long ret = 0;

	while (mm_next_to_track(e->mm, start, limit, &start, &end)) {
		int err;

		if (e->reserve(start, end - start))
			return -ENOMEM; /* not tracked */
		err = uffd_register_async(e->dirty.uffd, start, end);
		if (err) {
			stat_inc(e->stat->register_failed);
			ret = err;
		} else {
			mm_set_tracked(e->mm, start, end);
			protect_all(e, start, end, base);
			stat_inc(e->stat->dirty_tracked);
		}
		start = end;
	}
	return ret;
}

long dirty_track(struct engine *e, unsigned long start, unsigned long end)
{
	int ret = e->dirty.begun ? 0 : begin(e);

	return ret ? ret : track(e, start, end, 0);
}

void dirty_anew(struct engine *e, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;

	while ((vma = mm_next_tracked(e->mm, start, end))) {
		uffd_protect(e->dirty.uffd, max(start, vma->vm_start),
			     min(end, vma->vm_end), UFFD_PROTECT);
		start = vma->vm_end;
	}
}

void dirty_release(struct engine *e, unsigned long start, unsigned long end)
{
	uffd_unregister(e->dirty.uffd, start, end);
	mm_set_uffd(e->mm, start, end, false);
}

/* --- mremap ------------------------------------------------------------------------ */

static void hold_run(unsigned long start, unsigned long end, void *arg)
{
	(void)arg;
	start -= held.start;
	end -= held.start;
	if (held.nr && (held.run[held.nr - 1].end == start || held.nr == HELD_RUNS))
		held.run[held.nr - 1].end = end;
	else {
		held.run[held.nr].start = start;
		held.run[held.nr++].end = end;
	}
}

/* If the kernel does not say, all is dirty. */
void dirty_hold(struct engine *e, unsigned long start, unsigned long end)
{
	int fd = pagemap_open_self();
	const struct vm_area_struct *vma;

	held.valid = true;
	held.start = start;
	held.nr = 0;
	for (; (vma = mm_next_tracked(e->mm, start, end)); start = vma->vm_end) {
		unsigned long from = max(start, vma->vm_start),
			      to = min(end, vma->vm_end);

		if (fd < 0 || pagemap_written(fd, from, to, hold_run, NULL) < 0)
			hold_run(from, to, NULL);
	}
	if (fd >= 0)
		sys_close(fd);
}

long dirty_moved(struct engine *e, unsigned long start, unsigned long end)
{
	long ret = track(e, start, end, start);

	held.valid = false;
	return ret;
}
