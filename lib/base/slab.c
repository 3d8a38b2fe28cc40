// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/slab.h"
#include "lib/base/string.h"

#define ENOMEM 12

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

static void free_page_push(struct arena *a, void *page)
{
	*(void **)page = a->free_pages;
	a->free_pages = page;
}

void arena_add(struct arena *a, void *mem, size_t size)
{
	/* The rest of the old chunk stays usable, page by page. */
	for (; a->bump < a->bump_end; a->bump += PAGE_SIZE)
		free_page_push(a, a->bump);
	a->bump = mem;
	a->bump_end = (char *)mem + (size & PAGE_MASK);
	a->total += size & PAGE_MASK;
	a->free += size & PAGE_MASK;
}

void *arena_alloc_page(struct arena *a)
{
	void *page = a->free_pages;

	if (page) {
		a->free_pages = *(void **)page;
	} else {
		if (a->bump == a->bump_end)
			return NULL;
		page = a->bump;
		a->bump += PAGE_SIZE;
	}
	a->free -= PAGE_SIZE;
	return page;
}

void kmem_cache_init(struct kmem_cache *c, struct arena *a, const char *name, size_t size,
		     size_t align)
{
	*c = (struct kmem_cache){
		.name = name,
		.arena = a,
		.size = (max(size, sizeof(void *)) + align - 1) & ~(align - 1),
		.offset = (sizeof(struct slab) + align - 1) & ~(align - 1),
	};
	c->per_page = (PAGE_SIZE - c->offset) / c->size;
}

static bool kmem_cache_grow(struct kmem_cache *c)
{
	char *page = arena_alloc_page(c->arena);

	if (!page)
		return false;
	((struct slab *)page)->cache = c;
	/* Backwards, so that objects are handed out in ascending order. */
	for (size_t i = c->per_page; i--;) {
		char *obj = page + c->offset + i * c->size;

		*(void **)obj = c->free_objects;
		c->free_objects = obj;
	}
	c->nr_free += c->per_page;
	c->nr_pages++;
	return true;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	void *obj;

	if (!c->free_objects && !kmem_cache_grow(c))
		return NULL;
	obj = c->free_objects;
	c->free_objects = *(void **)obj;
	c->nr_free--;
	c->nr_active++;
	return obj;
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	*(void **)obj = c->free_objects;
	c->free_objects = obj;
	c->nr_free++;
	c->nr_active--;
}

int kmem_cache_reserve(struct kmem_cache *c, size_t n)
{
	while (c->nr_free < n)
		if (!kmem_cache_grow(c))
			return -ENOMEM;
	return 0;
}
