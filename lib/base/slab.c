// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/slab.h"
#include "lib/base/slab_debug.h"

#define ENOMEM	   12
#define EBUSY	   16
#define CACHE_LINE 64UL

/* --- slabs ------------------------------------------------------------------------- */

static void **link_of(const struct kmem_cache *c, void *obj)
{
	return (void **)((char *)obj + c->free_offset);
}

static struct slab *slab_entry(struct list_head *entry)
{
	return list_entry(entry, struct slab, list);
}

/* Each slab starts a cache line later than the one before, as far as there is room: the
 * first objects of all slabs would else share a few lines of the CPU's caches. */
static unsigned int take_colour(struct kmem_cache *c)
{
	unsigned int colour = c->next_colour;

	c->next_colour = (u16)(colour + 1 < c->colours ? colour + 1 : 0);
	return colour * c->colour_step;
}

/* Pages for one more slab, which is made when it is needed (S1). */
static bool cache_grow(struct kmem_cache *c)
{
	struct arena_page *block = c->per_slab ? alloc_block(c->arena, c->order) : NULL;

	if (!block)
		return false;
	list_add(&block->list, &c->blank);
	c->nr_empty++;
	c->nr_slabs++;
	c->capacity += c->per_slab;
	return true;
}

static struct arena_page *take_blank(struct kmem_cache *c)
{
	struct arena_page *block = list_first_entry(&c->blank, struct arena_page, list);

	list_del(&block->list);
	return block;
}

static void slab_make(struct kmem_cache *c)
{
	struct slab *slab = block_address(take_blank(c));

	*slab = (struct slab){
		.magic = (unsigned long)slab ^ SLAB_MAGIC,
		.cache = c,
		.colour = (u16)take_colour(c),
	};
	for (size_t at = PAGE_SIZE; at < slab_size(c); at += PAGE_SIZE)
		*(unsigned long *)((char *)slab + at) = 0; /* S2 */
	slab_asan_poison(slab + 1, slab_size(c) - sizeof(*slab));
	list_add(&slab->list, &c->empty);
}

static void forget_slab(struct kmem_cache *c)
{
	c->nr_empty--;
	c->nr_slabs--;
	c->capacity -= c->per_slab;
}

static void slab_release(struct kmem_cache *c, struct slab *slab)
{
	list_del(&slab->list);
	slab->magic = 0;
	slab_asan_unpoison(slab, slab_size(c));
	free_pages(c->arena, slab, c->order);
	forget_slab(c);
}

static bool may_release(const struct kmem_cache *c)
{
	return kmem_cache_nr_free(c) >= c->reserved + c->per_slab;
}

/* A slab to allocate from, when no partial one is there. */
static bool slab_begin(struct kmem_cache *c)
{
	if (list_empty(&c->empty)) {
		if (list_empty(&c->blank) && !cache_grow(c))
			return false;
		slab_make(c);
	}
	list_move(c->empty.next, &c->partial);
	c->nr_empty--;
	c->nr_partial++;
	return true;
}

static void slab_emptied(struct kmem_cache *c, struct slab *slab)
{
	list_move(&slab->list, &c->empty);
	c->nr_partial--;
	c->nr_empty++;
	if (c->nr_empty > SLAB_KEEP_EMPTY && may_release(c))
		slab_release(c, slab);
}

/* An object that was never used. */
static void *slab_carve(struct kmem_cache *c, struct slab *slab)
{
	char *obj = (char *)slab + c->offset + slab->colour + slab->carved++ * c->size;

	slab_asan_unpoison(link_of(c, obj), sizeof(void *) + SLAB_TRACK);
	slab_asan_unpoison(obj - SLAB_RED_ZONE, SLAB_RED_ZONE + c->free_offset);
	slab_debug_carve(c, obj);
	if (c->ctor)
		c->ctor(obj);
	return obj;
}

static void *__slab_alloc(struct kmem_cache *c)
{
	struct slab *slab;
	void *obj;

	if (list_empty(&c->partial) && !slab_begin(c))
		return NULL;
	slab = slab_entry(c->partial.next);
	obj = slab->free;
	if (obj)
		slab->free = *link_of(c, obj);
	else
		obj = slab_carve(c, slab);
	if (++slab->inuse == c->per_slab) {
		list_move(&slab->list, &c->full);
		c->nr_partial--;
	}
	return obj;
}

static void *slab_alloc(struct kmem_cache *c)
{
	void *obj;

	if (!arena_enter(c->arena))
		return NULL;
	obj = __slab_alloc(c);
	arena_leave(c->arena);
	return obj;
}

static void slab_free(struct kmem_cache *c, void *obj)
{
	struct slab *slab = slab_of(c, obj);

	*link_of(c, obj) = slab->free;
	slab->free = obj;
	if (slab->inuse-- == c->per_slab) {
		/* First in line: what is nearly full fills up, the others may empty. */
		list_move(&slab->list, &c->partial);
		c->nr_partial++;
	}
	if (!slab->inuse)
		slab_emptied(c, slab);
}

/* --- magazines --------------------------------------------------------------------- */

static void magazine_flush(struct kmem_cache *c, struct magazine *m)
{
	void *obj = m->objects;

	m->objects = NULL;
	m->nr = 0;
	while (obj) {
		void *next = *link_of(c, obj);

		slab_free(c, obj);
		obj = next;
	}
}

static void magazine_swap(struct kmem_cache *c)
{
	struct magazine m = c->loaded;

	c->loaded = c->previous;
	c->previous = m;
}

/* Whoever dies here leaves @nr wrong by one, so that only the link says what is there. */
static void *magazine_alloc(struct kmem_cache *c)
{
	void *obj;

	if (unlikely(!c->loaded.objects)) {
		c->loaded.nr = 0;
		if (!c->previous.objects)
			return slab_alloc(c);
		magazine_swap(c);
	}
	obj = c->loaded.objects;
	c->loaded.objects = *link_of(c, obj);
	c->loaded.nr--;
	return obj;
}

static void magazine_free(struct kmem_cache *c, void *obj)
{
	if (unlikely(c->loaded.nr >= MAGAZINE_SIZE)) {
		if (!arena_enter(c->arena))
			return;
		magazine_flush(c, &c->previous);
		magazine_swap(c);
		arena_leave(c->arena);
	}
	*link_of(c, obj) = c->loaded.objects;
	c->loaded.objects = obj;
	c->loaded.nr++;
}

/* --- objects ----------------------------------------------------------------------- */

void *kmem_cache_alloc(struct kmem_cache *c)
{
	void *obj = magazine_alloc(c);

	if (unlikely(!obj))
		return NULL;
	c->nr_active++;
	slab_asan_unpoison(obj, c->object_size);
	slab_debug_alloc(c, obj);
	return obj;
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	if (!slab_debug_free(c, obj))
		return;
	c->nr_active--;
	slab_asan_poison(obj, c->object_size);
	magazine_free(c, obj);
}

/* Reads the start of pages that may hold a free object (S2). */
__attribute__((no_sanitize_address)) static inline struct slab *
slab_of_any(const void *obj)
{
	for (unsigned int order = 0; order <= SLAB_MAX_ORDER; order++) {
		struct slab *slab =
			(struct slab *)((unsigned long)obj & PAGE_MASK << order);

		if (likely(slab->magic == ((unsigned long)slab ^ SLAB_MAGIC)))
			return slab;
	}
	return NULL;
}

struct kmem_cache *kmem_cache_of(const void *obj)
{
	const struct slab *slab = slab_of_any(obj);

	return slab ? slab->cache : NULL;
}

/* --- deferred objects -------------------------------------------------------------- */

static void cache_finish(struct kmem_cache *c);

static inline void finish_deferred(struct kmem_cache *c, struct rcu_head *head)
{
	char *obj = (char *)head - c->rcu_offset;

	c->nr_deferred--;
	slab_debug_deferred(c, obj);
	kmem_cache_free(c, obj);
	if (unlikely(c->dying) && !c->nr_active)
		cache_finish(c);
}

static void free_deferred(struct rcu_head *head)
{
	finish_deferred(kmem_cache_of(head), head);
}

/* Of a slab of one page there is no need to look for the start. */
static void free_deferred_page(struct rcu_head *head)
{
	const struct slab *slab = (struct slab *)((unsigned long)head & PAGE_MASK);

	finish_deferred(slab->cache, head);
}

void kmem_cache_free_rcu(struct kmem_cache *c, struct rcu_domain *d, void *obj,
			 struct rcu_head *head)
{
	if (!slab_debug_defer(c, obj))
		return;
	c->rcu_offset = (u16)((char *)head - (char *)obj);
	c->nr_deferred++;
	rcu_defer(d, head, c->order ? free_deferred : free_deferred_page);
}

/* --- reserve, shrink --------------------------------------------------------------- */

static void release_one(struct kmem_cache *c)
{
	if (list_empty(&c->blank)) {
		slab_release(c, slab_entry(c->empty.next));
	} else {
		free_block(c->arena, take_blank(c));
		forget_slab(c);
	}
}

int kmem_cache_reserve_slow(struct kmem_cache *c, size_t n)
{
	if (!arena_enter(c->arena))
		return -ENOMEM;
	while (kmem_cache_nr_free(c) < n && cache_grow(c))
		;
	while (c->nr_empty > SLAB_KEEP_EMPTY && kmem_cache_nr_free(c) > n + slab_slack(c))
		release_one(c);
	arena_leave(c->arena);
	if (kmem_cache_nr_free(c) >= n)
		return 0;
	c->reserved = kmem_cache_nr_free(c);
	return -ENOMEM;
}

size_t kmem_cache_missing(const struct kmem_cache *c, size_t n)
{
	if (kmem_cache_nr_free(c) >= n)
		return 0;
	return (n - kmem_cache_nr_free(c) + c->per_slab - 1) / c->per_slab * slab_size(c);
}

size_t kmem_cache_shrink(struct kmem_cache *c)
{
	size_t pages = 0;

	if (!arena_enter(c->arena))
		return 0;
	magazine_flush(c, &c->loaded);
	magazine_flush(c, &c->previous);
	while (c->nr_empty && may_release(c)) {
		release_one(c);
		pages += 1UL << c->order;
	}
	arena_leave(c->arena);
	return pages;
}

size_t arena_shrink(struct arena *a)
{
	size_t pages = 0;

	for (struct kmem_cache *c = a->caches; c; c = c->next)
		pages += kmem_cache_shrink(c);
	return pages;
}

/* --- caches ------------------------------------------------------------------------ */

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & -align;
}

/* The fewest pages of which at most an eighth is left over; else the best there is. */
static unsigned int best_order(const struct kmem_cache *c)
{
	size_t best_waste = ~0UL;
	unsigned int best = 0;

	for (unsigned int order = 0; order <= SLAB_MAX_ORDER; order++) {
		size_t bytes = PAGE_SIZE << order, waste;

		if (bytes < c->offset + c->size)
			continue;
		waste = (bytes - (bytes - c->offset) / c->size * c->size) >> order;
		if (waste < best_waste) {
			best_waste = waste;
			best = order;
		}
		if (waste <= PAGE_SIZE / 8)
			break;
	}
	return best;
}

/* Where what is in a slab of @c. The link needs a place of its own where an object must
 * keep its content while it is free. */
static void cache_layout(struct kmem_cache *c, size_t align)
{
	bool outside = c->ctor || SLAB_LINK_OUTSIDE;
	size_t size = max(c->object_size, sizeof(void *)), room;

	if (outside) {
		size = align_up(size, sizeof(void *)) + SLAB_RED_ZONE;
		c->free_offset = (u16)size;
		size += sizeof(void *) + SLAB_TRACK + SLAB_RED_ZONE;
	}
	c->size = align_up(size, max(align, sizeof(void *)));
	c->offset = (u16)align_up(sizeof(struct slab) + SLAB_RED_ZONE, align);
	c->order = (u8)best_order(c);
	room = slab_size(c) - c->offset;
	c->per_slab = (u16)(room / c->size);
	c->colour_step = (u16)max(align, CACHE_LINE);
	c->colours = (u16)(room % c->size / c->colour_step + 1);
}

static void cache_setup(struct kmem_cache *c, struct arena *a, const char *name,
			size_t size, size_t align, void (*ctor)(void *))
{
	*c = (struct kmem_cache){
		.name = name,
		.arena = a,
		.object_size = size,
		.ctor = ctor,
	};
	list_init(&c->partial);
	list_init(&c->full);
	list_init(&c->empty);
	list_init(&c->blank);
	if (size && size <= KMEM_MAX_SIZE)
		cache_layout(c, align);
}

void kmem_cache_init_ctor(struct kmem_cache *c, struct arena *a, const char *name,
			  size_t size, size_t align, void (*ctor)(void *))
{
	cache_setup(c, a, name, size, align, ctor);
	c->next = a->caches;
	__atomic_store_n(&a->caches, c, __ATOMIC_RELEASE); /* who only reads numbers */
}

void kmem_cache_init(struct kmem_cache *c, struct arena *a, const char *name, size_t size,
		     size_t align)
{
	kmem_cache_init_ctor(c, a, name, size, align, NULL);
}

/* The cache of caches is its own first object (mm/slub.c, bootstrap). */
static struct kmem_cache *cache_cache(struct arena *a)
{
	struct kmem_cache first, *c;
	struct slab *slab;

	if (a->cache_cache)
		return a->cache_cache;
	cache_setup(&first, a, "kmem_cache", sizeof(first), sizeof(void *), NULL);
	c = kmem_cache_alloc(&first);
	if (!c)
		return NULL;
	slab = slab_of(&first, c);
	kmem_cache_init(c, a, first.name, sizeof(first), sizeof(void *));
	c->nr_slabs = c->nr_partial = c->nr_active = 1;
	c->capacity = first.capacity;
	slab->cache = c;
	list_add(&slab->list, &c->partial);
	a->cache_cache = c;
	return c;
}

struct kmem_cache *kmem_cache_create(struct arena *a, const char *name, size_t size,
				     size_t align, void (*ctor)(void *))
{
	struct kmem_cache *home = cache_cache(a), *c = NULL;

	if (home && size && size <= KMEM_MAX_SIZE)
		c = kmem_cache_alloc(home);
	if (!c)
		return NULL;
	kmem_cache_init_ctor(c, a, name, size, align, ctor);
	c->own_struct = true;
	return c;
}

static void cache_finish(struct kmem_cache *c)
{
	struct kmem_cache **p = &c->arena->caches, *home = c->arena->cache_cache;

	c->reserved = 0;
	kmem_cache_shrink(c);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->arena = NULL;
	if (c->own_struct)
		kmem_cache_free(home, c);
}

int kmem_cache_destroy(struct kmem_cache *c)
{
	if (c->nr_active != c->nr_deferred)
		return -EBUSY;
	if (c->nr_deferred)
		c->dying = true;
	else
		cache_finish(c);
	return 0;
}

/* --- validate ---------------------------------------------------------------------- */

static size_t count_free(const struct kmem_cache *c, const struct slab *slab)
{
	size_t n = 0;

	for (void *obj = slab->free; obj && n <= c->per_slab; obj = *link_of(c, obj))
		n++;
	return n;
}

static const char *validate_slab(const struct kmem_cache *c, const struct slab *slab)
{
	if (slab->magic != ((unsigned long)slab ^ SLAB_MAGIC) || slab->cache != c)
		return "a slab does not know its cache";
	if (slab->carved > c->per_slab || slab->inuse > slab->carved)
		return "more objects than fit a slab";
	if (count_free(c, slab) != (size_t)slab->carved - slab->inuse)
		return "an object is neither free nor in use";
	return NULL;
}

/* @min, @max: how many objects of a slab on this list are in use. */
static const char *validate_list(const struct kmem_cache *c, const struct list_head *head,
				 unsigned int least, unsigned int most, size_t *nr,
				 size_t *inuse)
{
	struct list_head *pos;

	*nr = 0;
	list_for_each (pos, head) {
		const struct slab *slab = slab_entry(pos);
		const char *err = validate_slab(c, slab);

		if (err)
			return err;
		if (slab->inuse < least || slab->inuse > most)
			return "a slab is on the wrong list";
		*inuse += slab->inuse;
		++*nr;
	}
	return NULL;
}

const char *validate_kmem_cache(const struct kmem_cache *c)
{
	size_t full = 0, partial = 0, empty = 0, inuse = 0;
	const unsigned int n = c->per_slab;
	struct list_head *pos;
	const char *err;

	err = validate_list(c, &c->full, n, n, &full, &inuse);
	if (!err)
		err = validate_list(c, &c->partial, 1, n - 1U, &partial, &inuse);
	if (!err)
		err = validate_list(c, &c->empty, 0, 0, &empty, &inuse);
	if (err)
		return err;
	list_for_each (pos, &c->blank)
		empty++;
	if (partial != c->nr_partial || empty != c->nr_empty ||
	    full + partial + empty != c->nr_slabs)
		return "wrong number of slabs";
	if (inuse != c->nr_active + c->loaded.nr + c->previous.nr ||
	    c->nr_slabs * n != c->capacity)
		return "wrong number of objects";
	return NULL;
}

const char *validate_memory(const struct arena *a)
{
	const char *err = validate_arena(a);

	for (const struct kmem_cache *c = a->caches; c && !err; c = c->next)
		err = validate_kmem_cache(c);
	return err;
}
