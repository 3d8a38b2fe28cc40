/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of a process, from /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 * Frame numbers are shown to CAP_SYS_ADMIN only; the rest to whoever may trace it.
 */
#ifndef SHADOWMM_PAGES_H
#define SHADOWMM_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "uapi.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)

/* Bits of an entry. */
#define PM_FRAME     ((1ULL << 55) - 1) /* frame number, or place in swap */
#define PM_EXCLUSIVE (1ULL << 56)	/* mapped once, here */
#define PM_FILE	     (1ULL << 61)	/* of a file or of shared memory */
#define PM_SWAP	     (1ULL << 62)
#define PM_PRESENT   (1ULL << 63)
/* Not the kernel's: the page of zeros, which belongs to nobody. */
#define PM_ZERO (1ULL << 60)

struct page_scan {
	unsigned long start, end;
	uint64_t all, any; /* PAGE_IS_*; @any 0: no matter which */
};

/* Runs of pages that are in each category of @all, and in one of @any; from @start on,
 * which moves to where it is to go on. How many of @n, or -errno. */
int pages_scan(int fd, struct page_scan *scan, struct page_region *region, size_t n);
/* The descriptor, or -errno. */
int pages_open(pid_t pid);
/* Entries of @n pages from @start on, PM_ZERO included. 0, or -errno: nothing is known.
 */
int pages_read(int fd, unsigned long start, uint64_t *entry, size_t n);
/*
 * Call @fn for the pages of [start, end) that are in memory or in swap, and perhaps for
 * some that are not. 0 or -errno.
 */
int pages_each(int fd, unsigned long start, unsigned long end,
	       void (*fn)(void *priv, unsigned long start, const uint64_t *entry,
			  size_t n),
	       void *priv);
/* One page; 0 if the process is not to be looked at, or the page is not there. */
uint64_t page_entry(pid_t pid, unsigned long addr);

static inline bool page_there(uint64_t entry)
{
	return entry & (PM_PRESENT | PM_SWAP);
}

/* The frame is known, so it decides. */
static inline bool page_has_frame(uint64_t entry)
{
	return page_there(entry) && entry & PM_FRAME;
}

/* What names a frame or a place in swap: equal if and only if they are one. */
static inline uint64_t page_frame(uint64_t entry)
{
	return entry & (PM_FRAME | PM_SWAP);
}

/* How often it is mapped in the whole system (/proc/kpagecount); -1: not to be known. */
long page_mapcount(uint64_t entry);

/* One line of /proc/PID/maps. */
struct map_line {
	unsigned long start, end, offset, inode; /* offset in bytes */
	unsigned int major, minor;
	char perms[5];
	const char *name; /* "" for none; good until the next line */
};
/* File systems in memory, by device, as @pid has them mounted; and the kernel's own, of
 * memfds and shared anonymous memory. */
struct memory_fs {
	unsigned int nr;
	struct {
		unsigned int major, minor;
	} device[64];
};
void memory_fs_read(pid_t pid, struct memory_fs *fs);
/* Pages of the area that are not anonymous are RssShmem of /proc/PID/status. */
bool memory_fs_has(const struct memory_fs *fs, const struct map_line *line);
/* Call @fn for each area of @pid until it returns false. 0 or -errno. */
int maps_each(pid_t pid, bool (*fn)(void *priv, const struct map_line *line), void *priv);

#endif
