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
#define PM_FILE	     (1ULL << 61) /* of a file, or shared memory */
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

#define PAGEMAP_SCAN	      _IOWR('f', 16, struct pm_scan_arg)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)
#define PAGE_IS_WRITTEN	      (1 << 1)
#define PAGE_IS_PRESENT	      (1 << 3)
#define PAGE_IS_SWAPPED	      (1 << 4)
#define PAGE_IS_PFNZERO	      (1 << 5)
#define PAGE_IS_HUGE	      (1 << 6)
#define PAGEMAP_SCAN	      _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN	      (1 << 1)
#define PAGE_IS_FILE	      (1 << 2)
#define PAGE_IS_PRESENT	      (1 << 3)
#define PAGE_IS_SWAPPED	      (1 << 4)
#define PAGE_IS_PFNZERO	      (1 << 5)
#define PAGE_IS_HUGE	      (1 << 6)

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

typedef void pagemap_run(unsigned long start, unsigned long end, void *arg);
/*
 * Call @func (NULL: nobody) for each run of pages of [start, end) that are not
 * write-protected any more; where all areas are registered with uffd_open_async(). How
 * many pages that are, or -errno: -EPERM where one is not, -ENOTTY before 6.7.
 */
long pagemap_written(int fd, unsigned long start, unsigned long end, pagemap_run *func,
		     void *arg);
/* [start, end) is mapped by huge pages alone. False also before 6.7. */
bool pagemap_all_huge(int fd, unsigned long start, unsigned long end);
/*
 * [start, end) has neither a page nor a page table.
 *
 * By a peculiarity of PAGEMAP_SCAN (fs/proc/task_mmu.c, pagemap_scan_pmd_entry): who asks
 * for written pages and nothing else is answered from the entries of page tables in a
 * loop of its own, which takes an empty one for written (it is not write-protected);
 * where there is no table it is not asked. Another kernel may know better: see
 * pagemap_sees_tables().
 */
bool pagemap_hole(int fd, unsigned long start, unsigned long end);
/*
 * pagemap_hole() can be believed: it is asked about memory of the caller's own where the
 * answers are known, [hole, hole + 2 MiB) and a page of ours that has gone. Not in two
 * tasks at a time.
 */
bool pagemap_sees_tables(int fd, unsigned long hole);

#endif
