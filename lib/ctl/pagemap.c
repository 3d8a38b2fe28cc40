// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Resident pages of an area, from /proc/self/pagemap.
 *
 * PAGEMAP_SCAN (6.7) reports runs of pages and skips empty page tables, so it is cheap
 * on the terabytes that a sanitizer or Java reserves. Older kernels need one 8-byte
 * entry per page of address space; there a budget keeps a request short.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"

#define PM_BUDGET (4UL << 20) /* pages: 32 MiB of entries */

void pagemap_open(struct pagemap *p, union ctl_scratch *scratch)
{
	/* Fails when the program made itself undumpable: the file is root's then. */
	p->fd = pagemap_open_self();
	p->no_scan = false;
	p->budget = PM_BUDGET;
	p->words = scratch->words;
	p->nr_words = ARRAY_SIZE(scratch->words);
}

void pagemap_close(struct pagemap *p)
{
	if (p->fd >= 0)
		sys_close(p->fd);
}

/* 0, or -errno; -ENOTTY and -EINVAL come before the first call of @func. */
static long pagemap_scan(struct pagemap *p, unsigned long start, unsigned long end,
			 u64 what, pagemap_func *func, void *arg)
{
	const struct page_region *region = (void *)p->words;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)p->words,
		.vec_len = p->nr_words * sizeof(u64) / sizeof(*region),
		.category_anyof_mask = (what & PM_PRESENT ? PAGE_IS_PRESENT : 0) |
				       (what & PM_SWAP ? PAGE_IS_SWAPPED : 0),
		.return_mask = PAGE_IS_PRESENT,
	};

	while (scan.start < end) {
		long n = sys_ioctl(p->fd, PAGEMAP_SCAN, &scan);

		if (n < 0)
			return n;
		for (long i = 0; i < n; i++)
			func(region[i].start, region[i].end, arg);
		if (scan.walk_end <= scan.start)
			return -EIO;
		scan.start = scan.walk_end;
	}
	return 0;
}

static bool pagemap_read(struct pagemap *p, unsigned long start, unsigned long end,
			 u64 what, pagemap_func *func, void *arg)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	if (pages > p->budget)
		return false;
	p->budget -= pages;
	while (pages) {
		unsigned long want = min(pages, (unsigned long)p->nr_words);
		long n = sys_pread(p->fd, p->words, want * 8, (start >> PAGE_SHIFT) * 8);

		if (n < 8)
			return false;
		n /= 8;
		pages -= (unsigned long)n;
		for (long i = 0; i < n; i++, start += PAGE_SIZE)
			if (p->words[i] & what)
				func(start, start + PAGE_SIZE, arg);
	}
	return true;
}

static bool pagemap_each(struct pagemap *p, unsigned long start, unsigned long end,
			 u64 what, pagemap_func *func, void *arg)
{
	if (p->fd < 0)
		return false;
	if (!p->no_scan) {
		long ret = pagemap_scan(p, start, end, what, func, arg);

		if (ret == 0)
			return true;
		if (ret != -ENOTTY && ret != -EINVAL)
			return false;
		p->no_scan = true;
	}
	return pagemap_read(p, start, end, what, func, arg);
}

bool pagemap_walk(struct pagemap *p, unsigned long start, unsigned long end,
		  pagemap_func *func, void *arg)
{
	return pagemap_each(p, start, end, PM_PRESENT, func, arg);
}

bool pagemap_present(const struct pagemap *p, unsigned long addr)
{
	u64 entry;

	return sys_pread(p->fd, &entry, sizeof(entry), (addr >> PAGE_SHIFT) * 8) ==
		       sizeof(entry) &&
	       entry & PM_PRESENT;
}

static void add_run(unsigned long start, unsigned long end, void *arg)
{
	*(unsigned long *)arg += (end - start) >> PAGE_SHIFT;
}

unsigned long pagemap_count(struct pagemap *p, unsigned long start, unsigned long end)
{
	unsigned long count = 0;

	return pagemap_each(p, start, end, PM_PRESENT | PM_SWAP, add_run, &count)
		       ? count
		       : PAGEMAP_UNKNOWN;
}
