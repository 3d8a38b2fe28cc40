/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/pagemap: one word per page (Documentation/admin-guide/mm/pagemap.rst).
 * @fd: the open file, which goes on showing the address space of whoever opened it.
 */
#ifndef SHADOWMM_SYS_PAGEMAP_H
#define SHADOWMM_SYS_PAGEMAP_H

#include "lib/base/compiler.h"

#define PM_PRESENT   (1ULL << 63)
#define PM_SWAP	     (1ULL << 62)
#define PM_UFFD_WP   (1ULL << 57) /* since 5.13 */
#define PM_EXCLUSIVE (1ULL << 56) /* no other page table maps the page */

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
