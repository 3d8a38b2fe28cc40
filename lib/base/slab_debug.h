/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a debug build (--enable-debug, -DSMM_DEBUG) adds to a slab's objects. Private to
 * lib/base/slab*.c. The values are the kernel's (include/linux/poison.h).
 *
 *	[ red zone | object           | red zone | link | state ]
 *	  8 bytes    0x6b..0xa5 free   8 to 15     8      8
 *	             0x5a when new
 *
 * The red zones are 0xbb around a free object and 0xcc around one in use. Objects with a
 * constructor are not poisoned: what it made must stay.
 */
#ifndef SHADOWMM_BASE_SLAB_DEBUG_H
#define SHADOWMM_BASE_SLAB_DEBUG_H

#include "lib/base/slab.h"

#define POISON_INUSE	  0x5a
#define POISON_FREE	  0x6b
#define POISON_END	  0xa5
#define SLAB_RED_INACTIVE 0xbb
#define SLAB_RED_ACTIVE	  0xcc

#ifdef SMM_DEBUG
#define SLAB_RED_ZONE 8UL
#define SLAB_TRACK    sizeof(unsigned long) /* the state */

/* A place that has just been carved. */
void slab_debug_carve(const struct kmem_cache *c, char *obj);
/* @obj is about to be handed out: report what was written to it while it was free. */
void slab_debug_alloc(const struct kmem_cache *c, char *obj);
/* False, after a report: @obj must not be freed. */
bool slab_debug_free(const struct kmem_cache *c, char *obj);
/* The same for an object that is to wait for a grace period; and that has waited. */
bool slab_debug_defer(const struct kmem_cache *c, char *obj);
void slab_debug_deferred(const struct kmem_cache *c, char *obj);
#else
#define SLAB_RED_ZONE 0UL
#define SLAB_TRACK    0UL

static inline void slab_debug_carve(const struct kmem_cache *c, char *obj)
{
	(void)c;
	(void)obj;
}

static inline void slab_debug_alloc(const struct kmem_cache *c, char *obj)
{
	(void)c;
	(void)obj;
}

static inline bool slab_debug_free(const struct kmem_cache *c, char *obj)
{
	(void)c;
	(void)obj;
	return true;
}

static inline bool slab_debug_defer(const struct kmem_cache *c, char *obj)
{
	(void)c;
	(void)obj;
	return true;
}

static inline void slab_debug_deferred(const struct kmem_cache *c, char *obj)
{
	(void)c;
	(void)obj;
}
#endif

/* AddressSanitizer shall see a free object as one. Its headers are not ours to include.
 */
#ifdef __SANITIZE_ADDRESS__
void __asan_poison_memory_region(const volatile void *addr, size_t size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
#define slab_asan_poison(p, n)	 __asan_poison_memory_region(p, n)
#define slab_asan_unpoison(p, n) __asan_unpoison_memory_region(p, n)
#define SLAB_LINK_OUTSIDE	 1
#else
#define slab_asan_poison(p, n)	 ((void)(p), (void)(n))
#define slab_asan_unpoison(p, n) ((void)(p), (void)(n))
#ifdef SMM_DEBUG
#define SLAB_LINK_OUTSIDE 1
#else
#define SLAB_LINK_OUTSIDE 0
#endif
#endif

#endif
