/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory for our own objects: we cannot call malloc.
 *
 * An arena hands out aligned runs of pages from chunks that it is given; a kmem_cache
 * cuts them into objects of one size. Nothing here enters the kernel: the owner of the
 * arena gives it chunks (arena_add) when arena_low() says so.
 * Context: any, caller holds the lock that guards the arena (mmap_lock for the model).
 */
#ifndef SHADOWMM_BASE_SLAB_H
#define SHADOWMM_BASE_SLAB_H

#include "lib/base/compiler.h"

struct arena {
	void *free_pages;      /* single free pages, linked through their first word */
	char *bump, *bump_end; /* unused rest of the newest chunk */
	size_t total;	       /* bytes ever added */
	size_t free;	       /* bytes not handed out */
};

/* At the start of every page a cache took: the way from an object to its cache. */
struct slab {
	struct kmem_cache *cache;
};

struct kmem_cache {
	const char *name;
	size_t size; /* of one object, alignment included */
	struct arena *arena;
	void *free_objects; /* linked through their first word */
	size_t offset;	    /* of the first object in a page */
	size_t per_page;    /* objects */
	size_t nr_free, nr_active, nr_pages;
};

void arena_init(struct arena *a);
/* Give @size bytes at page-aligned @mem to the arena, for ever. */
void arena_add(struct arena *a, void *mem, size_t size);
/* One page of undefined content, or NULL if the arena is empty. */
void *arena_alloc_page(struct arena *a);

/* @align is a power of two, at most 64; @size at most PAGE_SIZE - 64. */
void kmem_cache_init(struct kmem_cache *c, struct arena *a, const char *name, size_t size,
		     size_t align);
/* Undefined content. NULL if the arena is empty; never if kmem_cache_reserve() covers it.
 */
void *kmem_cache_alloc(struct kmem_cache *c);
void kmem_cache_free(struct kmem_cache *c, void *obj);
/* The cache @obj came from: an RCU callback gets nothing but the object. */
static inline struct kmem_cache *kmem_cache_of(const void *obj)
{
	return ((struct slab *)((unsigned long)obj & PAGE_MASK))->cache;
}
/* Make at least @n objects available without a further page. 0 or -ENOMEM. */
int kmem_cache_reserve(struct kmem_cache *c, size_t n);

#endif
