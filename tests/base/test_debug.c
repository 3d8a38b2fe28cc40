// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a debug build notices. Empty in the other build of these tests. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/slab.h"
#include "tests/base/memory.h"

#ifdef SMM_DEBUG
#define SIZE 52

static struct kmem_cache c, other;
static struct rcu_domain rcu;
static struct arena a;
static char said[200];
static int times;

static void record(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
	times++;
}

static void setup(void)
{
	memory_arena(&a, 1 << 20, 0);
	a.broken = record;
	kmem_cache_init(&c, &a, "thing", SIZE, 8);
	kmem_cache_init(&other, &a, "other", SIZE, 8);
}

static void expect_said(const char *what, const void *obj)
{
	char line[200];

	snprintf(line, sizeof(line), "shadowmm: %s at %p", what, obj);
	cr_expect_str_eq(said, line);
	cr_expect_eq(times, 1);
	times = 0;
}

TestSuite(debug, .init = setup, .fini = memory_free);

Test(debug, right_use_is_silent)
{
	for (int i = 0; i < 3; i++) {
		char *obj = kmem_cache_alloc(&c);

		cr_expect_eq(obj[0], 0x5a);
		memset(obj, i, SIZE);
		kmem_cache_free(&c, obj);
		cr_expect_eq(obj[0], 0x6b);
		cr_expect_eq((unsigned char)obj[SIZE - 1], 0xa5);
	}
	cr_expect_eq(times, 0, "%s", said);
}

Test(debug, double_free)
{
	void *obj = kmem_cache_alloc(&c);

	kmem_cache_free(&c, obj);
	kmem_cache_free(&c, obj);
	expect_said("thing: double free", obj);
	cr_expect_null(validate_kmem_cache(&c), "the second one did nothing");
}

Test(debug, freed_while_deferred)
{
	struct rcu_head *obj = kmem_cache_alloc(&c);

	kmem_cache_free_rcu(&c, &rcu, obj, obj);
	kmem_cache_free(&c, obj);
	expect_said("thing: freed again while deferred", obj);
	kmem_cache_free_rcu(&c, &rcu, obj, obj);
	expect_said("thing: freed again while deferred", obj);
	rcu_reap(&rcu);
	rcu_reap(&rcu);
	cr_expect_eq(c.nr_active, 0);
	cr_expect_eq(times, 0);
}

Test(debug, red_zones)
{
	char *obj = kmem_cache_alloc(&c);

	obj[SIZE] = 1;
	kmem_cache_free(&c, obj);
	expect_said("thing: written behind the object", obj);
	obj = kmem_cache_alloc(&c);
	cr_expect_eq(times, 0, "it is said once");
	obj[-1] = 1;
	kmem_cache_free(&c, obj);
	expect_said("thing: written before the object", obj);
	obj[SIZE + 3] = 1;
	cr_expect_eq(kmem_cache_alloc(&c), obj);
	expect_said("thing: written behind the object", obj);
}

Test(debug, use_after_free)
{
	char *obj = kmem_cache_alloc(&c);

	kmem_cache_free(&c, obj);
	obj[17] = 0;
	cr_expect_eq(kmem_cache_alloc(&c), obj);
	expect_said("thing: used after free", obj);
	kmem_cache_free(&c, obj);
	obj[SIZE - 1] = 0x6b;
	cr_expect_eq(kmem_cache_alloc(&c), obj);
	expect_said("thing: used after free", obj);
}

Test(debug, wrong_cache_and_wrong_pointer)
{
	char *obj = kmem_cache_alloc(&c);

	kmem_cache_free(&other, obj);
	expect_said("other: freed to the wrong cache", obj);
	kmem_cache_free(&c, obj + 8);
	expect_said("thing: freed to the wrong cache", obj + 8);
	kmem_cache_free(&c, obj + c.size);
	expect_said("thing: freed to the wrong cache", obj + c.size);
	cr_expect_eq(c.nr_active, 1);
}

Test(debug, pages)
{
	char *mem = alloc_pages(&a, 2), elsewhere[1];

	free_pages(&a, mem, 1);
	expect_said("pages: freed with another order", mem);
	free_pages(&a, mem, 2);
	free_pages(&a, mem, 2);
	expect_said("pages: double free", mem);
	free_pages(&a, elsewhere, 0);
	expect_said("pages: not a page of this arena", elsewhere);
	cr_expect_null(validate_arena(&a));
}

/* What the library does, where nobody put a handler there. */
Test(debug, stops_at_once, .signal = SIGILL)
{
	void *obj = kmem_cache_alloc(&c);

	a.broken = NULL;
	kmem_cache_free(&c, obj);
	kmem_cache_free(&c, obj);
}
#endif
