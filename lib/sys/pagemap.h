/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/pagemap: one word per page (Documentation/admin-guide/mm/pagemap.rst).
 * @fd: the open file, which goes on showing the address space of whoever opened it.
 */
#ifndef SHADOWMM_SYS_PAGEMAP_H
#define SHADOWMM_SYS_PAGEMAP_H

#include <linux/ioctl.h>

#include "lib/base/compiler.h"

#define PM_PRESENT   (1ULL << 63)
#define PM_SWAP	     (1ULL << 62)
#define PM_UFFD_WP   (1ULL << 57) /* since 5.13 */
#define PM_EXCLUSIVE (1ULL << 56) /* no other page table maps the page */

/* include/uapi/linux/fs.h (6.7), absent from the headers of 6.1 */
struct page_region {
	u64 start, end, categories;
};

struct pm_scan_arg {
	u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)

/* Of the calling task's memory. The descriptor, O_CLOEXEC, or -errno: -EACCES when the
 * process made itself undumpable. */
int pagemap_open_self(void);
/* The words of up to @max pages from @start on. How many were read, or -errno. */
long pagemap_words(int fd, unsigned long start, unsigned long max, u64 *words);
/*
 * The first present page of [start, end), or @end if there is none. -ENOTTY before 6.7.
 */
long pagemap_next_present(int fd, unsigned long start, unsigned long end,
			  unsigned long *next);
/* How many of the pages of [start, end) are the kernel's zero page. -ENOTTY before 6.7.
 */
long pagemap_zero_pages(int fd, unsigned long start, unsigned long end,
			unsigned long *pages);

#endif
