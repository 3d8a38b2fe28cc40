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
