/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct address_space: one per file that we page in this process (include/linux/fs.h).
 * The area of such a file is in the kernel a private mapping of a memfd that holds the
 * frames (lib/base/page_cache.h), so its vm_file is that memfd, as maps shows it, and
 * vm_file->host says which file of the program that stands for:
 *
 *	vm_area_struct -> vma_file (memfd) -> file_host -> address_space -> page_cache
 *					      |   '-> vma_file of the program's file
 *					      '-> aside: a mapping of that, to go back
 *
 * Pure model: who maps, reads and registers is lib/fault.
 */
#ifndef SHADOWMM_MM_ADDRESS_SPACE_H
#define SHADOWMM_MM_ADDRESS_SPACE_H

#include "lib/base/list.h"
#include "lib/base/page_cache.h"
#include "lib/mm/mm.h"

enum mapping_state {
	MAPPING_LIVE,	 /* we hold a lease: the file stays as it is */
	MAPPING_LEAVING, /* areas are being given back: nothing is installed any more */
	MAPPING_LEFT, /* they have been, but for pages that the program had written to */
};

/* What becomes of pages that reading the file brought into the kernel's cache. */
enum file_drop {
	DROP_NEVER,
	DROP_BY_READ,	/* by the call that reads them */
	DROP_BY_ADVICE, /* where that cannot */
};

/* Made and ended under mmap_lock; read under mm_read_lock(). Counters: any task. */
struct address_space {
	struct rcu_head rcu;
	struct list_head list; /* mm->mappings: the newest first */
	unsigned long number;  /* from 1; never given out again */
	unsigned int refs;     /* file_hosts; mmap_lock */
	u32 state;	       /* enum mapping_state; the service task */
	struct file_key key;
	u64 nrpages; /* of the file, the last one perhaps in part */
	/* The file as mapped by @file_fd, NULL before there was an area. mmap_lock */
	struct vma_file *file;
	struct page_cache *cache;	  /* mapped shared, TRACK_OURS, DONTFORK */
	int file_fd, frames_fd, index_fd; /* in the engine's table; lib/fault's */
	int direct_fd; /* the file again, for reads past the kernel's cache; or -1 */
	int hold_fd;   /* the index again, for locks on chunks (C8); or -1 */
	bool direct_failed;
	bool quick;	    /* the last read did not wait for a disk; any task */
	u8 drop;	    /* enum file_drop; any task */
	unsigned long huge; /* the frames, for huge pages to come; 0: there are none */
	bool shared;	    /* others may find it (PAGE_CACHE_AGE_NS) */
	/* In a fork child: the descriptors of its parent's engine, from which it may take
	 * over what is @shared there. */
	struct {
		int file_fd, frames_fd, index_fd;
		bool shared;
	} parent;
	/* Its frames may be dropped: the index is whole and mapped. Sequentially
	 * consistent; who is to unmap it clears it, then waits for the fault tasks. */
	bool evictable;
	u64 evict_hand; /* chunk; who evicts */
	/* Its areas are shared mappings, which we write back (lib/fault/shared.h): then
	 * there is no index, and @file_fd is the program's own open file. */
	bool written;
	u64 *dirty;	   /* a bit per page; lib/fault/shared.c */
	int written_error; /* -errno that nobody has been told yet; lib/fault/shared.c */
	/* Pages, or faults; the fault task */
	unsigned long minor, major, filled, bypassed, mapped;
	unsigned long dropped; /* pages, by this process; any task of the engine */
	/* Areas by file offset: the interval tree, i_mmap.c */
	struct i_mmap_node *i_mmap;
	/* The writer's, under mmap_lock: the tree as it will be, and whether, and with
	 * whom, a change has to publish it. */
	struct i_mmap_node *i_mmap_new;
	struct address_space *next_changed;
	bool changed;
};

/*
 * One conversion of a mapping of the program. Page @pgoff of the file, of the areas whose
 * vm_file has this host, is @aside + ((pgoff - first) << PAGE_SHIFT) in a mapping of the
 * file like the program's, which can be moved into its place.
 */
struct file_host {
	struct rcu_head rcu;
	struct address_space *mapping;	/* holds a reference */
	struct vma_file *file;		/* mapping->file, holds a reference */
	unsigned long aside, first, nr; /* address, file page, pages */
	u32 id;				/* vm_area_struct.aside of what lies there */
	struct list_head orphan;	/* mm->orphans, once no area has it */
	unsigned long unmapped;		/* end of what mm_next_orphan() has told */
};

/* Memory for one address_space, host and two vma_files. 0, or bytes to arena_add().
 * Caller holds mmap_lock. */
size_t mm_prepare_mapping(struct mm_struct *mm);
/* A new one in mm->mappings, MAPPING_LIVE, with no reference and no descriptors (-1); the
 * other fields are to be filled by the caller. NULL: not prepared. */
struct address_space *mapping_new(struct mm_struct *mm, const struct file_key *key);
/* The one with this key, MAPPING_LIVE, or NULL. Caller holds mmap_lock, or is inside
 * mm_read_lock(); there may be two for a moment, one of them leaving. */
struct address_space *mapping_find(struct mm_struct *mm, const struct file_key *key);
/* Without references: out of the list; freed after a grace period. */
void mapping_free(struct mm_struct *mm, struct address_space *mapping);
/*
 * [start, end), part or all of one private area of a file of the program, has been
 * replaced by a private mapping of @frames (its reference passes to the model), and the
 * file mapped at @aside by the mapping's own descriptor, instead of what was there; all
 * with the same offset and protection, and MAP_NORESERVE if it had that. The area is then
 * POLICY_OWN, not registered. All changes are one. Caller holds mmap_lock;
 * mm_prepare(start, end) and mm_prepare_mapping() have succeeded; no page of the area had
 * been written to, and it had no flags that mmap() does not set (advice, keys, locks).
 *
 * The kernel would merge two mappings aside that happen to be continuous; here they stay
 * two. An inaccessible page between them keeps the lists equal.
 */
void mm_map_file(struct mm_struct *mm, unsigned long start, unsigned long end,
		 unsigned long aside, struct vma_file *frames,
		 struct address_space *mapping);
/*
 * [start, end), of one area, has been replaced by its piece of the mapping aside
 * (mremap with MREMAP_FIXED). It is the kernel's now, for @reason. What mprotect(),
 * madvise() and mlock() did to the area had been done to the piece before, and been told
 * to the model: the piece keeps its flags. The mapping aside is shorter, or two, then.
 * Pages that the program wrote to were no part of it: where there are any, the area stays
 * as it is, to be mm_set_track()ed.
 */
void mm_unmap_file(struct mm_struct *mm, unsigned long start, unsigned long end,
		   enum track_reason reason);
/*
 * The first area that shows frames of ours, ends above @addr and begins below @limit.
 * Also one that is track, in which only pages that the program wrote to are left: what
 * discards those (MADV_DONTNEED) must be followed by giving the place back, or the kernel
 * shows whatever is in the frames. Holding mmap_lock, or inside mm_read_lock().
 */
struct vm_area_struct *mm_next_file(struct mm_struct *mm, unsigned long addr,
				    unsigned long limit);
/* Where the page at @addr of @vma lies in the mapping aside. */
unsigned long file_aside(const struct vm_area_struct *vma, unsigned long addr);
/*
 * A host without areas has something left: [*aside, *aside + *len) to be unmapped, and
 * mm_munmap()ped, by the caller; each piece is told once. *@len is 0 at last: the host is
 * gone, and if *@mapping has no reference now, it is the caller's to end. False: there is
 * no such host. Caller holds mmap_lock.
 */
bool mm_next_orphan(struct mm_struct *mm, unsigned long *aside, unsigned long *len,
		    struct address_space **mapping);

/* --- filemap.c: windows ------------------------------------------------------------ */

/*
 * The first window of [addr, limit) to bring in before it is touched (MADV_WILLNEED,
 * MADV_POPULATE_READ); the next is found from @plan->end on. False: no file of ours is
 * there any more. Caller is inside mm_read_lock().
 */
bool file_populate(struct mm_struct *mm, unsigned long addr, unsigned long limit,
		   struct file_plan *plan);

/* --- evict.c: what to drop --------------------------------------------------------- */

/* One round over the chunks of a file, begun with @left = nr_chunks. */
struct evict_scan {
	u64 hand; /* the chunk that is looked at next */
	u64 left; /* how many are still to be looked at */
	u64 now;  /* milliseconds */
	u32 age;  /* of what may go: milliseconds since it was asked for, at least */
};

/* The next chunk of this round that has pages and is old enough. False: none. */
bool evict_next(struct page_cache *c, struct evict_scan *scan, u64 *chunk);
/* Milliseconds since a word of page_cache_used() was written; up to 12 days count. */
u32 page_cache_age(u32 used, u64 now_ms);
/* Pages of @chunk that have frames. */
unsigned long page_cache_resident(struct page_cache *c, u64 chunk);

/* --- i_mmap.c: which areas map pages of a file -------------------------------------- */

/* Call @fn for every area that maps a page of [first, last]; ascending by offset. Caller
 * is inside mm_read_lock(). */
void i_mmap_for_each(struct address_space *mapping, unsigned long first,
		     unsigned long last,
		     void (*fn)(const struct vm_area_struct *vma, void *arg), void *arg);

#endif
