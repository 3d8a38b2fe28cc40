// SPDX-License-Identifier: LGPL-2.1-or-later
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "lib/base/slab.h"
#include "tests/base/memory.h"

#define CHECK_CACHE(c)                                                   \
	do {                                                             \
		const char *err_ = validate_kmem_cache(c);               \
		cr_assert(!err_, "%s: %s", (c)->name, err_ ? err_ : ""); \
		err_ = validate_arena((c)->arena);                       \
		cr_assert(!err_, "arena: %s", err_ ? err_ : "");         \
	} while (0)

static size_t nr_full(const struct kmem_cache *c)
{
	return c->nr_slabs - c->nr_partial - c->nr_empty;
}

/* Magazines keep some of what was freed: this looks behind them. */
static void flush(struct kmem_cache *c)
{
	size_t reserved = c->reserved;

	c->reserved = c->capacity;
	kmem_cache_shrink(c);
	c->reserved = reserved;
}

Test(slab, slabs_go_from_empty_to_partial_to_full_and_back)
{
	void *obj[100];
	struct kmem_cache c;
	struct arena a;
	size_t n;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 200, 8);
	cr_assert_geq(c.per_slab, 10);
	n = c.per_slab;
	cr_assert_eq(kmem_cache_reserve(&c, 1), 0);
	cr_expect_eq(c.nr_empty, 1);
	for (size_t i = 0; i < 2 * n; i++) {
		obj[i] = kmem_cache_alloc(&c);
		cr_assert_not_null(obj[i]);
		memset(obj[i], 1, 200);
		cr_expect_eq(nr_full(&c), (i + 1) / n);
		cr_expect_eq(c.nr_partial, (i + 1) % n != 0);
		CHECK_CACHE(&c);
	}
	kmem_cache_free(&c, obj[0]);
	flush(&c);
	cr_expect_eq(nr_full(&c), 1);
	cr_expect_eq(c.nr_partial, 1);
	for (size_t i = 1; i < 2 * n; i++)
		kmem_cache_free(&c, obj[i]);
	flush(&c);
	cr_expect_eq(c.nr_empty, 2);
	cr_expect_eq(c.nr_slabs, 2);
	CHECK_CACHE(&c);
	memory_free();
}

Test(slab, objects_are_handed_out_in_ascending_order)
{
	struct kmem_cache c;
	struct arena a;
	char *last = NULL;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 96, 32);
	for (int i = 0; i < c.per_slab; i++) {
		char *obj = kmem_cache_alloc(&c);

		cr_expect_eq((unsigned long)obj % 32, 0);
		cr_expect(!last || obj == last + c.size);
		last = obj;
	}
	memory_free();
}

static unsigned int constructed;

static void construct(void *obj)
{
	memset(obj, 0x77, 48);
	constructed++;
}

static void expect_constructed(const char *obj)
{
	for (int i = 0; i < 48; i++)
		cr_assert_eq(obj[i], 0x77);
}

Test(slab, the_constructor_is_called_once_for_each_place)
{
	static void *obj[1000];
	struct kmem_cache c;
	struct arena a;
	size_t n;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init_ctor(&c, &a, "test", 48, 8, construct);
	cr_assert_eq(kmem_cache_reserve(&c, 500), 0);
	cr_expect_eq(constructed, 0, "not before they are used");
	n = c.capacity;
	cr_assert_leq(n, ARRAY_SIZE(obj));
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < n; i++) {
			obj[i] = kmem_cache_alloc(&c);
			expect_constructed(obj[i]);
		}
		cr_expect_eq(constructed, n);
		for (size_t i = 0; i < n; i++)
			kmem_cache_free(&c, obj[i]);
		CHECK_CACHE(&c);
	}
	memory_free();
}

Test(slab, slabs_begin_at_different_cache_lines)
{
	struct kmem_cache c;
	struct arena a;
	char *first[8];

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 700, 8);
	cr_assert_geq(c.colours, 3);
	for (int s = 0; s < 8; s++) {
		for (int i = 0; i < c.per_slab; i++) {
			char *obj = kmem_cache_alloc(&c);

			if (!i)
				first[s] = obj;
			cr_assert_leq(obj + 700,
				      (char *)slab_of(&c, obj) + slab_size(&c));
		}
		cr_expect_eq((unsigned long)first[s] % slab_size(&c),
			     c.offset + s % c.colours * 64UL);
	}
	memory_free();
}

Test(slab, large_objects_get_slabs_of_several_pages)
{
	static const size_t sizes[] = { 8,    80,   256,  1000, 1400, 2000, 2100,
					3000, 4000, 4096, 5000, 9000, 16384 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kmem_cache c;
		struct arena a;
		char *obj[40];

		memory_arena(&a, 2 << 20, 1);
		kmem_cache_init(&c, &a, "test", sizes[i], 8);
		if (sizes[i] <= 4096)
			cr_expect_leq(slab_size(&c) - c.per_slab * c.size,
				      slab_size(&c) / 8, "size %zu", sizes[i]);
		for (int j = 0; j < 40; j++) {
			obj[j] = kmem_cache_alloc(&c);
			cr_assert_not_null(obj[j]);
			memset(obj[j], j, sizes[i]);
		}
		for (int j = 0; j < 40; j++) {
			cr_expect_eq(kmem_cache_of(obj[j]), &c);
			cr_expect_eq(kmem_cache_of(obj[j] + sizes[i] - 1), &c);
			cr_expect_eq(obj[j][0], j);
			cr_expect_eq(obj[j][sizes[i] - 1], j);
			kmem_cache_free(&c, obj[j]);
		}
		CHECK_CACHE(&c);
		kmem_cache_shrink(&c);
		cr_expect_eq(c.nr_slabs, 0);
		CHECK_CACHE(&c);
		memory_free();
	}
}

/* Memory may hold what once was the header of a slab. */
Test(slab, stale_headers_do_not_mislead)
{
	const size_t size = 256 << 10;
	struct kmem_cache c, *stale = (void *)1;
	struct arena a;
	char *mem, *obj;

	arena_init(&a);
	mem = memory_get(size, 0);
	for (char *page = mem; page < mem + size; page += PAGE_SIZE)
		*(struct slab *)page = (struct slab){
			.magic = (unsigned long)page ^ SLAB_MAGIC,
			.cache = stale,
		};
	arena_add(&a, mem, size);
	kmem_cache_init(&c, &a, "test", 3000, 8);
	cr_assert_gt(c.order, 0);
	while ((obj = kmem_cache_alloc(&c)))
		cr_expect_eq(kmem_cache_of(obj), &c);
	memory_free();
}

Test(slab, what_no_cache_can_hold_is_refused)
{
	struct kmem_cache c;
	struct arena a;

	memory_arena(&a, 1 << 20, 0);
	cr_expect_null(kmem_cache_create(&a, "test", KMEM_MAX_SIZE + 1, 8, NULL));
	cr_expect_null(kmem_cache_create(&a, "test", 0, 8, NULL));
	kmem_cache_init(&c, &a, "test", KMEM_MAX_SIZE + 1, 8);
	cr_expect_null(kmem_cache_alloc(&c));
	cr_expect_lt(kmem_cache_reserve(&c, 1), 0);
	memory_free();
}

Test(slab, empty_slabs_go_back_to_the_arena)
{
	static void *obj[5000];
	struct kmem_cache c;
	struct arena a;
	size_t free;

	memory_arena(&a, 2 << 20, 0);
	kmem_cache_init(&c, &a, "test", 128, 64);
	free = a.free;
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		cr_assert_not_null(obj[i] = kmem_cache_alloc(&c));
	cr_expect_lt(a.free, free - ARRAY_SIZE(obj) * 128);
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		kmem_cache_free(&c, obj[(i * 7) % ARRAY_SIZE(obj)]);
	cr_expect_leq(c.nr_empty, SLAB_KEEP_EMPTY);
	/* Magazines hold objects of a few more. */
	cr_expect_leq(c.nr_slabs, 20);
	cr_expect_eq(a.free, free - c.nr_slabs * slab_size(&c));
	kmem_cache_shrink(&c);
	cr_expect_eq(a.free, free);
	CHECK_CACHE(&c);
	memory_free();
}

/* --- at random --------------------------------------------------------------------- */

struct held {
	unsigned char *obj;
	unsigned int cache;
	unsigned char tag;
};

#define NR_CACHES 6

static void random_step(struct kmem_cache *c[NR_CACHES], struct held *h, unsigned int i)
{
	if (h->obj) {
		for (size_t j = 0; j < c[h->cache]->object_size; j++)
			cr_assert_eq(h->obj[j], h->tag);
		kmem_cache_free(kmem_cache_of(h->obj), h->obj);
		h->obj = NULL;
		return;
	}
	h->cache = (unsigned int)(memory_random() % NR_CACHES);
	h->tag = (unsigned char)i;
	h->obj = kmem_cache_alloc(c[h->cache]);
	if (h->obj)
		memset(h->obj, h->tag, c[h->cache]->object_size);
}

Test(slab, objects_of_many_caches_at_random)
{
	static const size_t sizes[NR_CACHES] = { 16, 80, 256, 700, 2500, 5000 };
	static struct held held[1500];
	struct kmem_cache *c[NR_CACHES];
	struct arena a;
	size_t free;

	memory_seed();
	memory_arena(&a, 1 << 20, 2);
	memory_chunk(&a, 1 << 20, 5);
	free = a.free;
	for (int i = 0; i < NR_CACHES; i++)
		c[i] = kmem_cache_create(&a, "test", sizes[i], 16, NULL);
	for (unsigned int i = 0; i < 100000; i++) {
		/* Now many, now few. */
		size_t n = i % 20000 < 15000 ? ARRAY_SIZE(held) : 50;

		random_step(c, &held[memory_random() % n], i);
		if (i % 500 == 0)
			for (int j = 0; j < NR_CACHES; j++)
				CHECK_CACHE(c[j]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i].obj)
			random_step(c, &held[i], 0);
	for (int i = 0; i < NR_CACHES; i++)
		cr_expect_eq(kmem_cache_destroy(c[i]), 0);
	kmem_cache_shrink(a.cache_cache);
	cr_expect_eq(a.cache_cache->nr_active, 1, "the cache of caches itself");
	cr_expect_eq(a.free, free - slab_size(a.cache_cache));
	memory_free();
}

/* --- reserve ----------------------------------------------------------------------- */

static void drain(struct arena *a)
{
	for (unsigned int o = NR_ORDERS; o--;)
		while (alloc_pages(a, o))
			;
}

Test(reserve, holds_when_the_arena_runs_dry)
{
	struct kmem_cache c, other;
	struct arena a;
	size_t n = 0;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 300, 8);
	kmem_cache_init(&other, &a, "other", 300, 8);
	cr_assert_eq(kmem_cache_reserve(&c, 100), 0);
	drain(&a);
	cr_expect_null(kmem_cache_alloc(&other));
	cr_expect_eq(kmem_cache_reserve(&other, 1), -ENOMEM);
	cr_expect_eq(kmem_cache_missing(&other, 1), slab_size(&other));
	while (kmem_cache_alloc(&c))
		n++;
	cr_expect_geq(n, 100);
	cr_expect_lt(n, 100U + c.per_slab);
	CHECK_CACHE(&c);
	memory_free();
}

Test(reserve, is_not_given_back_by_what_is_freed_meanwhile)
{
	static void *obj[1000];
	struct kmem_cache c;
	struct arena a;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 300, 8);
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		cr_assert_not_null(obj[i] = kmem_cache_alloc(&c));
	cr_assert_eq(kmem_cache_reserve(&c, 200), 0);
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		kmem_cache_free(&c, obj[i]);
	kmem_cache_shrink(&c);
	arena_shrink(&a);
	drain(&a);
	for (int i = 0; i < 200; i++)
		cr_assert_not_null(kmem_cache_alloc(&c), "%d of 200", i);
	CHECK_CACHE(&c);
	cr_expect_eq(kmem_cache_reserve(&c, 1000), -ENOMEM);
	memory_free();
}

Test(reserve, a_smaller_one_gives_back_what_the_larger_one_took)
{
	struct kmem_cache c;
	struct arena a;
	size_t free;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 300, 8);
	free = a.free;
	cr_assert_eq(kmem_cache_reserve(&c, 1000), 0);
	cr_expect_lt(a.free, free - 1000 * 300);
	cr_assert_eq(kmem_cache_reserve(&c, 20), 0);
	cr_expect_geq(kmem_cache_nr_free(&c), 20);
	cr_expect_leq(c.nr_slabs, 3U + SLAB_KEEP_EMPTY + 20U / c.per_slab);
	cr_expect_eq(a.free, free - c.nr_slabs * slab_size(&c));
	CHECK_CACHE(&c);
	memory_free();
}

/* Whatever is left, exactly what was promised can be had, and for all sizes. */
Test(reserve, is_exact_for_every_amount_of_memory)
{
	static const size_t sizes[] = { 40, 80, 256, 3000 };

	for (size_t pages = 3; pages < 40; pages++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			struct kmem_cache c;
			struct arena a;
			size_t n = 0;

			memory_arena(&a, pages * PAGE_SIZE, (unsigned int)pages % 5);
			kmem_cache_init(&c, &a, "test", sizes[s], 8);
			while (!kmem_cache_reserve(&c, n + 1))
				n++;
			cr_expect_eq(kmem_cache_nr_free(&c), n);
			for (size_t i = 0; i < n; i++)
				cr_assert_not_null(kmem_cache_alloc(&c));
			cr_expect_null(kmem_cache_alloc(&c));
			CHECK_CACHE(&c);
			memory_free();
		}
}

/* The holder of the lock was killed while it moved a slab or a block. */
Test(reserve, nothing_is_trusted_after_a_death_in_between)
{
	static void *obj[3 * MAGAZINE_SIZE];
	struct kmem_cache c;
	struct arena a;
	size_t free, n = 0;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "test", 300, 8);
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		cr_assert_not_null(obj[i] = kmem_cache_alloc(&c));
	free = a.free;
	a.busy = true;
	memset(&c.partial, 0xff, sizeof(c.partial));
	memset(&c.full, 0xff, sizeof(c.full));
	cr_expect_null(kmem_cache_alloc(&c));
	for (size_t i = 0; i < ARRAY_SIZE(obj); i++)
		kmem_cache_free(&c, obj[i]);
	cr_expect_eq(kmem_cache_reserve(&c, 1000), -ENOMEM);
	cr_expect_eq(kmem_cache_shrink(&c), 0);
	cr_expect_eq(arena_shrink(&a), 0);
	while (kmem_cache_alloc(&c))
		n++;
	cr_expect_eq(n, MAGAZINE_SIZE, "what the magazine held, once");
	cr_expect_eq(a.free, free);
	memory_free();
}

/* --- caches that come and go, deferred objects ------------------------------------- */

struct thing {
	unsigned long data[3];
	struct rcu_head rcu;
	unsigned long more;
};

static struct rcu_domain rcu;

static void grace_periods(void)
{
	for (int i = 0; i < 3; i++)
		rcu_reap(&rcu);
}

Test(defer, an_object_stays_while_a_reader_may_see_it)
{
	struct kmem_cache c;
	struct thing *t;
	struct arena a;
	int token;

	memory_arena(&a, 1 << 20, 0);
	kmem_cache_init(&c, &a, "thing", sizeof(struct thing), 8);
	t = kmem_cache_alloc(&c);
	t->data[0] = t->more = 4711;
	token = rcu_read_lock(&rcu);
	kmem_cache_free_rcu(&c, &rcu, t, &t->rcu);
	grace_periods();
	cr_expect_eq(c.nr_deferred, 1);
	cr_expect_eq(c.nr_active, 1);
	cr_expect_eq(t->data[0], 4711);
	cr_expect_eq(t->more, 4711);
	rcu_read_unlock(&rcu, token);
	grace_periods();
	cr_expect_eq(c.nr_deferred, 0);
	cr_expect_eq(c.nr_active, 0);
	CHECK_CACHE(&c);
	memory_free();
}

Test(defer, a_cache_ends_with_its_last_deferred_object)
{
	struct kmem_cache c, *made;
	struct thing *t, *u;
	struct arena a;
	size_t free;

	memory_arena(&a, 1 << 20, 0);
	free = a.free;
	kmem_cache_init(&c, &a, "thing", sizeof(struct thing), 8);
	t = kmem_cache_alloc(&c);
	cr_expect_eq(kmem_cache_destroy(&c), -EBUSY);
	cr_expect_eq(a.caches, &c);
	kmem_cache_free_rcu(&c, &rcu, t, &t->rcu);
	cr_expect_eq(kmem_cache_destroy(&c), 0);
	cr_expect_eq(c.arena, &a, "not gone yet");
	grace_periods();
	cr_expect_null(c.arena);
	cr_expect_null(a.caches);
	cr_expect_eq(a.free, free);

	made = kmem_cache_create(&a, "thing", sizeof(struct thing), 8, NULL);
	cr_assert_not_null(made);
	cr_expect_eq(kmem_cache_of(made), a.cache_cache);
	u = kmem_cache_alloc(made);
	kmem_cache_free_rcu(made, &rcu, u, &u->rcu);
	cr_expect_eq(kmem_cache_destroy(made), 0);
	cr_expect_eq(a.cache_cache->nr_active, 2);
	grace_periods();
	cr_expect_eq(a.cache_cache->nr_active, 1);
	cr_expect_eq(a.caches, a.cache_cache);
	CHECK_CACHE(a.cache_cache);
	memory_free();
}
