/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page cache of one file, shared by every process of the user that maps the file
 * through us: a memfd with the frames, as long as the file, and this index in another
 * memfd. Both vanish with the last descriptor, whoever is killed.
 *
 *	index	[ struct page_cache | lock of chunk 0, 1, 2 ... | one bit per page ... ]
 *	frames	[ chunk 0: 512 pages  | chunk 1               | ...           ]EOF
 *
 * C1. A page of the frames counts only if its bit is set. A page without its bit may hold
 *     anything: zeroes that the kernel gave to somebody who lost his userfaultfd, or half
 *     of what a filler, killed since, wrote.
 * C2. Who fills pages, sets or clears bits, or maps pages because their bits are set,
 *     holds the lock of the chunk meanwhile. So no page changes between the look at its
 *     bit and its being mapped.
 * C3. The lock is only ever tried for, or waited for a moment. Its holder may have been
 *     killed: then it is taken over, and what has no bit is filled again. Who does not
 *     get it helps himself without the cache.
 * C4. What the bytes are is fixed by @key: nobody fills without a read lease on the file
 *     (fcntl(2), F_SETLEASE), under which it cannot be opened for writing, and nobody
 *     shares a cache whose key was younger than PAGE_CACHE_AGE_NS when it was made: a
 *     later write might leave the times as they are.
 */
#ifndef SHADOWMM_BASE_PAGE_CACHE_H
#define SHADOWMM_BASE_PAGE_CACHE_H

#include "lib/base/compiler.h"

#define PAGE_CACHE_MAGIC  0x31656863616d6d73ULL /* "smmcache1", as far as it fits */
#define PAGE_CACHE_CHUNK  512UL			/* pages */
#define PAGE_CACHE_AGE_NS 2000000000ULL

/* statx(2). Two files of equal keys, one of them older than PAGE_CACHE_AGE_NS when it was
 * looked at, have equal content. */
struct file_key {
	u32 major, minor;
	u64 ino, size;		 /* bytes */
	u64 mtime, ctime, btime; /* nanoseconds since 1970; btime 0: not known */
};

struct page_cache {
	u64 magic;
	struct file_key key;
	u64 nr_pages, nr_chunks;
	u64 pid_namespace; /* inode of it: the lock holders' numbers mean something there
			    */
	/* Of all processes, for `shadowmm cache`; atomic, relaxed. */
	u64 filled;  /* pages read from the file */
	u64 evicted; /* pages dropped from it again */
	u32 lock[]; /* by chunk: 0, or a tid that ends with its holder. Then the bits, u64
		       each */
};

static inline u64 *page_cache_bits(struct page_cache *c)
{
	return (u64 *)((char *)c + ((offsetof(struct page_cache, lock) +
				     c->nr_chunks * sizeof(u32) + 7) &
				    ~7UL));
}

/* Bytes of the index of a file of @nr_pages. */
static inline size_t page_cache_size(u64 nr_pages)
{
	u64 chunks = (nr_pages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;

	return ((offsetof(struct page_cache, lock) + chunks * sizeof(u32) + 7) & ~7UL) +
	       (nr_pages + 63) / 64 * 8;
}

static inline bool page_cache_test(struct page_cache *c, unsigned long page)
{
	return __atomic_load_n(&page_cache_bits(c)[page / 64], __ATOMIC_ACQUIRE) >>
		       (page % 64) &
	       1;
}

#endif
