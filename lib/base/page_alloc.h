/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages for our own objects: a binary buddy allocator (mm/page_alloc.c of the kernel)
 * over chunks of memory that it is given.
 *
 *	chunk   [ struct arena_chunk | arena_page, one per page ][ pages ... ]
 *
 * A block of order n is 2^n pages and aligned to its size in the address space, so two
 * blocks are buddies if their addresses differ in one bit. Free blocks are linked through
 * their descriptors, not through the pages: memory that nobody took is never touched and
 * costs no page of the machine.
 *
 * Nothing here enters the kernel. Chunks are given for ever (arena_add) and never move.
 * Context: any; the caller holds the lock that guards the arena (mmap_lock for the
 * model). Numbers alone may be read without it.
 */
#ifndef SHADOWMM_BASE_PAGE_ALLOC_H
#define SHADOWMM_BASE_PAGE_ALLOC_H

#include "lib/base/list.h"

#define NR_ORDERS 11 /* up to 4 MiB in one block, as the kernel */

/* Of one page of a chunk. Only the first page of a block says something. */
struct arena_page {
	struct list_head list; /* of free blocks of its order */
	u32 index;	       /* in its chunk */
	u8 order;
	u8 state; /* enum arena_page_state */
};

struct arena_chunk {
	struct arena_chunk *next;
	unsigned long first; /* page number (address >> PAGE_SHIFT) of the first page */
	char *base;	     /* its address */
	u32 nr;		     /* pages that can be handed out */
	struct arena_page page[];
};

struct kmem_cache;

struct arena {
	struct free_area {
		struct list_head list;
		size_t nr;
	} free_area[NR_ORDERS];
	struct arena_chunk *chunks; /* newest first */
	size_t nr_chunks;
	size_t total;	 /* bytes ever added, descriptors included */
	size_t free;	 /* bytes that can be handed out */
	size_t max_used; /* most bytes that were in use at a time, descriptors included */
	/*
	 * Lists of slabs and blocks are being changed. Found set by the next holder of
	 * the lock, the last one died in between (a vfork child may): nothing is taken
	 * from here or given back any more, so that nothing is handed out twice.
	 */
	bool busy;
	struct kmem_cache *caches;	/* all of this arena, newest first */
	struct kmem_cache *cache_cache; /* where kmem_cache_create() finds a struct */
	/*
	 * Debug builds: told what is broken, in one line without a newline. NULL: stop
	 * at once. If it returns, the operation is left out as far as possible.
	 */
	void (*broken)(const char *line);
};

void arena_init(struct arena *a);
/*
 * Give @size bytes at page-aligned @mem to the arena, for ever; content does not matter.
 * Some pages at its start are taken for descriptors, which need 0.6 %.
 */
void arena_add(struct arena *a, void *mem, size_t size);
/* How much to arena_add() for @bytes of pages. */
size_t arena_size_for(size_t bytes);
static inline size_t arena_used(const struct arena *a)
{
	return READ_ONCE(a->total) - READ_ONCE(a->free);
}

/* 2^@order pages, aligned to their size, of undefined content; NULL: no such block. */
void *alloc_pages(struct arena *a, unsigned int order);
/* The same, by descriptor: the block is not touched, and its list is the caller's to use.
 */
struct arena_page *alloc_block(struct arena *a, unsigned int order);
void *block_address(struct arena_page *page);
void free_block(struct arena *a, struct arena_page *page);
/* @mem and @order are those of alloc_pages(). Coalesces with the free buddies. */
void free_pages(struct arena *a, void *mem, unsigned int order);

/* Around every change of lists. False: somebody died in one; leave everything alone. */
static inline bool arena_enter(struct arena *a)
{
	if (unlikely(a->busy))
		return false;
	a->busy = true;
	barrier();
	return true;
}

static inline void arena_leave(struct arena *a)
{
	barrier();
	a->busy = false;
}

/* What is wrong with the lists and descriptors, or NULL. For tests. */
const char *validate_arena(const struct arena *a);

/* Debug builds: report @what at @addr to @a->broken, or stop. */
void arena_broken(const struct arena *a, const char *where, const char *what,
		  const void *addr);

#endif
