/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory for our own objects: we cannot call malloc.
 *
 * A kmem_cache cuts blocks of an arena's pages into objects of one size, as the kernel's
 * slab allocator does (mm/slab_common.c, mm/slub.c):
 *
 *	slab	[ struct slab | colour | object | object | ... ]	2^order pages
 *
 *	empty --> partial --> full	slab_alloc()  <-- magazines <-- kmem_cache_alloc()
 *	empty <-- partial <-- full	slab_free()   <-- magazines <-- kmem_cache_free()
 *	  `--> back to the arena, but for SLAB_KEEP_EMPTY and what is reserved
 *
 * S1. Objects of a slab are handed out in ascending order before one is used again, and
 *     nothing of an object is touched before: a slab costs the pages that are in use.
 * S2. A slab is aligned to its size and begins with its own address xor SLAB_MAGIC; the
 *     other pages of a slab never begin with theirs when it is made, and no object holds
 *     such a word. So an object alone leads to its slab.
 * S3. kmem_cache_reserve(n) says that n objects can be had from then on: no empty slab is
 *     given back if fewer were left.
 * S4. What is freed goes to a magazine first, so that what was used last is used next,
 *     whatever its slab (Bonwick and Adams, "Magazines and Vmem", with linked lists).
 *
 * There is one pair of magazines, not one per CPU: all users hold mmap_lock, so there is
 * nobody to keep apart, but the objects that a grace period frees together are hot, and
 * those of the first partial slab are not. With 60,000 areas a pair of mmap and munmap
 * misses the first-level cache 28 times without them, 13 times with them.
 *
 * Context: any, caller holds the lock that guards the arena (mmap_lock for the model).
 * Numbers, and the list of caches, may be read without it. Caches that other tasks look
 * at so must not be destroyed.
 */
#ifndef SHADOWMM_BASE_SLAB_H
#define SHADOWMM_BASE_SLAB_H

#include "lib/base/page_alloc.h"
#include "lib/base/rcu.h"

#define SLAB_MAX_ORDER	3 /* 32 KiB */
#define SLAB_MAGIC	0x51ab51ab51ab51abUL
#define SLAB_KEEP_EMPTY 2    /* so that one object that comes and goes makes no slab */
#define MAGAZINE_SIZE	32UL /* objects; what is deferred comes back in such numbers */
#define KMEM_MAX_SIZE	(16UL << 10)

/* At the start of every slab. */
struct slab {
	unsigned long magic; /* S2 */
	struct kmem_cache *cache;
	struct list_head list;
	void *free; /* objects that were in use before, linked */
	u16 inuse;  /* objects handed out */
	u16 carved; /* objects that were ever handed out, or are being */
	u16 colour; /* bytes between the header and the first object */
};

/* Free objects, linked, whose slabs count them as in use. */
struct magazine {
	void *objects;
	size_t nr;
};

struct kmem_cache {
	struct magazine loaded, previous;
	size_t nr_active;   /* objects in use, deferred ones included */
	size_t nr_deferred; /* of these */
	size_t capacity;    /* objects of all slabs */
	size_t reserved;    /* S3 */
	u16 per_slab;	    /* objects */
	u16 free_offset;    /* in a free object, of the link to the next one */
	u16 offset;	    /* in a slab without colour, of the first object */
	u16 rcu_offset;	    /* in an object, of its rcu_head; once one was deferred */
	size_t size;	 /* of one object, alignment and what debugging adds included */
	u8 order;	 /* pages of a slab are 2^order */
	bool dying;	 /* ends with its last deferred object */
	bool own_struct; /* came from kmem_cache_create() */
	u16 colours, next_colour, colour_step;
	struct arena *arena;
	void (*ctor)(void *object);
	struct list_head partial, full, empty; /* of slabs */
	struct list_head blank; /* of arena_pages: empty slabs that were never touched */
	size_t nr_slabs, nr_partial, nr_empty; /* blank ones are empty ones */
	size_t object_size;		       /* as asked for */
	const char *name;
	struct kmem_cache *next; /* of arena->caches */
};

/*
 * A cache in @c, whose memory is the caller's. @align is a power of two, at most
 * PAGE_SIZE; @size at most KMEM_MAX_SIZE. @name is not copied.
 */
void kmem_cache_init(struct kmem_cache *c, struct arena *a, const char *name, size_t size,
		     size_t align);
/*
 * The same, with a constructor. It is called once for each place of an object in a slab,
 * before the first use; whoever frees an object leaves it as the constructor did.
 */
void kmem_cache_init_ctor(struct kmem_cache *c, struct arena *a, const char *name,
			  size_t size, size_t align, void (*ctor)(void *object));
/* A cache whose struct comes from the arena as well. NULL: no memory. @ctor may be NULL.
 */
struct kmem_cache *kmem_cache_create(struct arena *a, const char *name, size_t size,
				     size_t align, void (*ctor)(void *object));
/*
 * Give everything back. -EBUSY, and nothing happens, while objects are in use. 0: it is
 * gone, or goes with the last of its deferred objects; until then (c->arena is NULL when
 * a cache of kmem_cache_init() is gone) its struct must stay.
 */
int kmem_cache_destroy(struct kmem_cache *c);

/* Undefined content, or what the constructor made. NULL if the arena is empty; never if
 * kmem_cache_reserve() covers it. */
void *kmem_cache_alloc(struct kmem_cache *c);
void kmem_cache_free(struct kmem_cache *c, void *obj);
/*
 * Free @obj after a grace period of @d; @head is in it, at the same place in all objects
 * of a cache. Caller has unpublished it and holds the writer's lock.
 */
void kmem_cache_free_rcu(struct kmem_cache *c, struct rcu_domain *d, void *obj,
			 struct rcu_head *head);
/* The cache @obj came from: an RCU callback gets nothing but the object. */
struct kmem_cache *kmem_cache_of(const void *obj);
/* Objects that can be had without a further page. */
static inline size_t kmem_cache_nr_free(const struct kmem_cache *c)
{
	return READ_ONCE(c->capacity) - READ_ONCE(c->nr_active);
}

/* Private: what kmem_cache_reserve() does when it needs slabs, or has too many. */
static inline size_t slab_slack(const struct kmem_cache *c)
{
	return (SLAB_KEEP_EMPTY + 1UL) * c->per_slab;
}

int kmem_cache_reserve_slow(struct kmem_cache *c, size_t n);

/*
 * From now on @n objects can be had without a further page, whatever is freed meanwhile.
 * Replaces an earlier reserve, and gives back what only that one needed. 0, or -ENOMEM:
 * kmem_cache_missing() says how much.
 */
static inline int kmem_cache_reserve(struct kmem_cache *c, size_t n)
{
	size_t more = kmem_cache_nr_free(c) - n; /* wraps if it is less */

	c->reserved = n;
	return likely(more <= slab_slack(c)) ? 0 : kmem_cache_reserve_slow(c, n);
}
/* Bytes of pages to have @n objects available. */
size_t kmem_cache_missing(const struct kmem_cache *c, size_t n);
/* Give back the empty slabs that no reserve needs. Returns the number of pages. */
size_t kmem_cache_shrink(struct kmem_cache *c);
/* The same for all caches of an arena. */
size_t arena_shrink(struct arena *a);
/* What is wrong with the lists and counts, or NULL. For tests. */
const char *validate_kmem_cache(const struct kmem_cache *c);
/* The same for the pages and all caches of an arena. */
const char *validate_memory(const struct arena *a);

static inline size_t slab_size(const struct kmem_cache *c)
{
	return PAGE_SIZE << c->order;
}

/* The slab of an object of @c. */
static inline struct slab *slab_of(const struct kmem_cache *c, const void *obj)
{
	return (struct slab *)((unsigned long)obj & -slab_size(c));
}

#endif
