// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"

int pagemap_open_self(void)
{
	return (int)sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
}

long pagemap_words(int fd, unsigned long start, unsigned long max, u64 *words)
{
	long n = sys_pread(fd, words, max * sizeof(*words),
			   (start >> PAGE_SHIFT) * sizeof(*words));

	return n < 0 ? n : n / (long)sizeof(*words);
}

long pagemap_next_present(int fd, unsigned long start, unsigned long end,
			  unsigned long *next)
{
	struct page_region region = { 0 };
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT,
	};
	long n = sys_ioctl(fd, PAGEMAP_SCAN, &arg);

	*next = n > 0 ? region.start : end;
	return n < 0 ? n : 0;
}

long pagemap_zero_pages(int fd, unsigned long start, unsigned long end,
			unsigned long *pages)
{
	struct page_region region[32] = { { 0 } };
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)region,
		.vec_len = ARRAY_SIZE(region),
		.category_mask = PAGE_IS_PFNZERO,
		.return_mask = PAGE_IS_PFNZERO,
	};

	*pages = 0;
	while (arg.start < end) {
		long n = sys_ioctl(fd, PAGEMAP_SCAN, &arg);

		for (long i = 0; i < n; i++)
			*pages += (region[i].end - region[i].start) >> PAGE_SHIFT;
		if (n < 0 || arg.walk_end <= arg.start)
			return n < 0 ? n : -EIO;
		arg.start = arg.walk_end;
	}
	return 0;
}

/*
 * What is protected but not present has a marker, which looks like swap. An entry, or a
 * page table, that is empty was not protected when its page went (MADV_DONTNEED, reclaim,
 * truncation).
 */
static bool is_written(u64 categories)
{
	return categories & PAGE_IS_WRITTEN ||
	       !(categories & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED));
}

long pagemap_written(int fd, unsigned long start, unsigned long end, pagemap_run *func,
		     void *arg)
{
	struct page_region region[32] = { { 0 } };
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_CHECK_WPASYNC,
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)region,
		.vec_len = ARRAY_SIZE(region),
		.return_mask = PAGE_IS_WRITTEN | PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	unsigned long pages = 0;

	while (scan.start < end) {
		long n = sys_ioctl(fd, PAGEMAP_SCAN, &scan);

		for (long i = 0; i < n; i++) {
			if (!is_written(region[i].categories))
				continue;
			pages += (region[i].end - region[i].start) >> PAGE_SHIFT;
			if (func)
				func(region[i].start, region[i].end, arg);
		}
		if (n < 0 || scan.walk_end <= scan.start)
			return n < 0 ? n : -EIO;
		scan.start = scan.walk_end;
	}
	return (long)pages;
}

/* The first run of pages with @category in [start, end). 1, 0: there is none, or -errno.
 */
static long first_run(int fd, unsigned long start, unsigned long end, u64 category,
		      unsigned long max, struct page_region *region)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)region,
		.vec_len = 1,
		.max_pages = max,
		.category_mask = category,
		.return_mask = category,
	};

	return sys_ioctl(fd, PAGEMAP_SCAN, &arg);
}

bool pagemap_all_huge(int fd, unsigned long start, unsigned long end)
{
	struct page_region run = { 0 };

	return first_run(fd, start, end, PAGE_IS_HUGE, 0, &run) == 1 &&
	       run.start == start && run.end == end;
}

bool pagemap_hole(int fd, unsigned long start, unsigned long end)
{
	struct page_region run = { 0 };

	return first_run(fd, start, end, PAGE_IS_WRITTEN, 1, &run) == 0;
}

bool pagemap_sees_tables(int fd, unsigned long hole)
{
	/* Its neighbours, the library's variables, see to the page table. */
	static char page[PAGE_SIZE] __attribute__((aligned(4096)));
	unsigned long addr = (unsigned long)page;

	page[0] = 1;
	return !sys_madvise(addr, PAGE_SIZE, MADV_DONTNEED) &&
	       !pagemap_hole(fd, addr, addr + PAGE_SIZE) &&
	       pagemap_hole(fd, hole, hole + (2UL << 20));
}
