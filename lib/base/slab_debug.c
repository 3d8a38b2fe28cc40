// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/slab_debug.h"
#include "lib/base/string.h"

#ifdef SMM_DEBUG
/* Xor the object's address: neither stale memory nor a copied object looks right. */
enum object_state {
	OBJECT_FREE = 0x0f4ee0,
	OBJECT_INUSE = 0x1a115e,
	OBJECT_DEFERRED = 0x2defe4,
};

static unsigned long *state_of(const struct kmem_cache *c, char *obj)
{
	return (unsigned long *)(obj + c->free_offset) + 1;
}

static void set_state(const struct kmem_cache *c, char *obj, enum object_state state)
{
	*state_of(c, obj) = (unsigned long)obj ^ state;
}

static bool in_state(const struct kmem_cache *c, char *obj, enum object_state state)
{
	return *state_of(c, obj) == ((unsigned long)obj ^ state);
}

static bool holds_only(const char *from, const char *to, unsigned char value)
{
	while (from < to && (unsigned char)*from == value)
		from++;
	return from == to;
}

static void set_red_zones(const struct kmem_cache *c, char *obj, int value)
{
	memset(obj - SLAB_RED_ZONE, value, SLAB_RED_ZONE);
	memset(obj + c->object_size, value, c->free_offset - c->object_size);
}

static bool check_red_zones(const struct kmem_cache *c, char *obj, unsigned char value)
{
	if (!holds_only(obj - SLAB_RED_ZONE, obj, value))
		arena_broken(c->arena, c->name, "written before the object", obj);
	else if (!holds_only(obj + c->object_size, obj + c->free_offset, value))
		arena_broken(c->arena, c->name, "written behind the object", obj);
	else
		return true;
	return false;
}

static void poison(const struct kmem_cache *c, char *obj)
{
	if (c->ctor)
		return;
	memset(obj, POISON_FREE, c->object_size - 1);
	obj[c->object_size - 1] = (char)POISON_END;
}

static bool check_poison(const struct kmem_cache *c, char *obj)
{
	const char *end = obj + c->object_size - 1;

	if (c->ctor || (holds_only(obj, end, POISON_FREE) && *end == (char)POISON_END))
		return true;
	arena_broken(c->arena, c->name, "used after free", obj);
	return false;
}

void slab_debug_carve(const struct kmem_cache *c, char *obj)
{
	set_state(c, obj, OBJECT_FREE);
	set_red_zones(c, obj, SLAB_RED_INACTIVE);
	poison(c, obj);
}

void slab_debug_alloc(const struct kmem_cache *c, char *obj)
{
	if (!in_state(c, obj, OBJECT_FREE))
		arena_broken(c->arena, c->name, "free list broken", obj);
	else if (check_red_zones(c, obj, SLAB_RED_INACTIVE))
		check_poison(c, obj);
	set_state(c, obj, OBJECT_INUSE);
	set_red_zones(c, obj, SLAB_RED_ACTIVE);
	if (!c->ctor)
		memset(obj, POISON_INUSE, c->object_size);
}

/* The slab's header, read as bytes of our own memory: @obj may be anything of it. */
static bool is_object_of(const struct kmem_cache *c, char *obj)
{
	const struct slab *slab = slab_of(c, obj);
	size_t at = (size_t)(obj - (char *)slab);

	if (slab->magic != ((unsigned long)slab ^ SLAB_MAGIC))
		return false;
	at -= c->offset + slab->colour;
	return slab->cache == c && at % c->size == 0 && at / c->size < slab->carved;
}

static bool check_object(const struct kmem_cache *c, char *obj)
{
	const char *what = NULL;

	if (!is_object_of(c, obj))
		what = "freed to the wrong cache";
	else if (in_state(c, obj, OBJECT_FREE))
		what = "double free";
	else if (in_state(c, obj, OBJECT_DEFERRED))
		what = "freed again while deferred";
	else if (!in_state(c, obj, OBJECT_INUSE))
		what = "written far behind the object";
	if (what)
		arena_broken(c->arena, c->name, what, obj);
	return !what;
}

bool slab_debug_free(const struct kmem_cache *c, char *obj)
{
	if (!check_object(c, obj))
		return false;
	check_red_zones(c, obj, SLAB_RED_ACTIVE);
	slab_debug_carve(c, obj);
	return true;
}

bool slab_debug_defer(const struct kmem_cache *c, char *obj)
{
	if (!check_object(c, obj))
		return false;
	set_state(c, obj, OBJECT_DEFERRED);
	return true;
}

void slab_debug_deferred(const struct kmem_cache *c, char *obj)
{
	if (in_state(c, obj, OBJECT_DEFERRED))
		set_state(c, obj, OBJECT_INUSE);
	else
		arena_broken(c->arena, c->name, "written far behind the object", obj);
}
#endif
