/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page cache of one file, shared by every process of the user that maps the file
 * through us: a memfd with the frames, as long as the file, and this index in another
 * memfd. Both vanish with the last descriptor, whoever is killed.
 *
 *	index	[ struct page_cache | lock of chunk 0, 1 .. | used .. | bits .. ]
 *	frames	[ chunk 0: 512 pages | chunk 1              | ..      ]EOF
 *
 * C1. A page of the frames counts only if its bit is set. A page without its bit may hold
 *     anything: zeroes that the kernel gave to somebody who lost his userfaultfd, or half
 *     of what a filler, killed since, wrote.
 * C2. Who fills pages, sets or clears bits, or maps pages because their bits are set,
 *     holds the lock of the chunk meanwhile. So no page changes between the look at its
 *     bit and its being mapped.
 * C3. The lock is only ever tried for, or waited for a moment. Its holder may have been
 *     killed: then it is taken over, and what has no bit is filled again. (The kernel
 *     may still be at his last read, write or hole, under his lease: filemap.c,
 *     believe_event().) Who does not get it helps himself without the cache.
 * C4. What the bytes are is fixed by @key: nobody fills without a read lease on the file
 *     (fcntl(2), F_SETLEASE), under which it cannot be opened for writing, and nobody
 *     shares a cache whose key was younger than PAGE_CACHE_AGE_NS when it was made: a
 *     later write might leave the times as they are.
 * C5. Who drops a chunk holds its lock, clears its bits, and only then punches its frames
 *     out of the memfd. The kernel takes them from every page table, but leaves copies
 *     that programs have written to (unmap_mapping_range() without even_cows). Where an
 *     area is registered the next access is a missing page again, and is answered as the
 *     first was: by a process with a lease, so with the same bytes. Killed between the
 *     two, he leaves frames that do not count (C1); evict_tick() finds them.
 * C6. So frames may be dropped at any time as long as no program can touch a mapping of
 *     them that is not registered. There, as for pages never filled, it would read
 *     zeroes. Areas are given back before anything ends their registration
 *     (lib/fault/filemap.h); an area is mapped and not registered only
 *	 - in the hook that maps it, before the program knows of it;
 *	 - in a fork child, until the hook has given it back, which looks at nothing but
 *	   the program's own pages;
 *	 - if the engine is killed as a whole. If a part of it is, the other keeps the
 *	   userfaultfd until the program is dead (engine_fail_stop()).
 *     What could not be given back sets @pinned first: then nothing is dropped any more.
 *     A task that is stopped is no danger: its areas are registered, and wait.
 *     Where an area is registered for missing pages only (settled), the kernel maps
 *     whatever frames there are, without asking whether they have their bits: C8.
 * C7. @used says when a chunk was last asked for, by any process. One that was a moment
 *     ago is not dropped (EVICT_AGE_MIN): its page must be there when the thread that
 *     waited for it runs again.
 * C8. Who has such an area holds a read lock on byte [chunk] of the index (fcntl(2),
 *     F_OFD_SETLK), each process by an open file description of its own, so that it goes
 *     with the process, whoever is killed. He takes it first, then the lock of the chunk,
 *     and looks whether all its bits are set. Who drops asks for that read lock
 *     (F_OFD_GETLK) after he has taken the chunk's lock: one of the two sees the other.
 *     So a chunk that is mapped unasked is whole, and neither dropped nor filled again.
 */
#ifndef SHADOWMM_BASE_PAGE_CACHE_H
#define SHADOWMM_BASE_PAGE_CACHE_H

#include "lib/base/compiler.h"

#define PAGE_CACHE_MAGIC  0x33656863616d6d73ULL /* "smmache3" */
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
	u64 filled;   /* pages read from the file */
	u64 evicted;  /* pages dropped from it again */
	u64 refilled; /* of @filled: in a chunk that had been dropped */
	u32 pinned;   /* nothing may be dropped any more (C6); never taken back */
	/* By chunk: 0, or a tid of its holder's service task. Then @used, u32 each: see
	 * below; then the bits, u64 each. */
	u32 lock[];
};

/* page_cache_used(): milliseconds, modulo 2^31, and whether the chunk was dropped once.
 */
#define PAGE_CACHE_DROPPED  1U
#define PAGE_CACHE_TIME(ms) ((u32)((ms) << 1))

/* When each chunk was asked for, PAGE_CACHE_TIME; relaxed. 0 but for PAGE_CACHE_DROPPED:
 * it has no pages. */
static inline u32 *page_cache_used(struct page_cache *c)
{
	return &c->lock[c->nr_chunks];
}

static inline u64 *page_cache_bits(struct page_cache *c)
{
	return (u64 *)((char *)c + ((offsetof(struct page_cache, lock) +
				     2 * c->nr_chunks * sizeof(u32) + 7) &
				    ~7UL));
}

/* Bytes of the index of a file of @nr_pages. */
static inline size_t page_cache_size(u64 nr_pages)
{
	u64 chunks = (nr_pages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;

	return ((offsetof(struct page_cache, lock) + 2 * chunks * sizeof(u32) + 7) &
		~7UL) +
	       (nr_pages + 63) / 64 * 8;
}

static inline bool page_cache_test(struct page_cache *c, unsigned long page)
{
	return __atomic_load_n(&page_cache_bits(c)[page / 64], __ATOMIC_ACQUIRE) >>
		       (page % 64) &
	       1;
}

#endif
