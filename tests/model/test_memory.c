// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much memory the model takes for each area: areas, nodes, counters, files, slabs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/mm.h"
#include "tests/model/mman.h"

#define MOST_PER_AREA 256 /* bytes */
#define BASE	      0x100000000UL
#define STRIDE	      (4 * PAGE_SIZE)

static void *chunks[64];
static size_t nr_chunks;

/* As arena_grow() of lib/hook/lock.c: the chunks are in proportion to what there is. */
static void grow(struct mm_struct *mm, size_t need)
{
	size_t total = mm->arena.total, step = total < 8 << 20 ? total : total / 4;
	size_t size = PAGE_ALIGN(max(need, step));

	cr_assert_lt(nr_chunks, ARRAY_SIZE(chunks));
	chunks[nr_chunks] = aligned_alloc(PAGE_SIZE, size);
	cr_assert_not_null(chunks[nr_chunks]);
	arena_add(&mm->arena, chunks[nr_chunks++], size);
}

static void prepare(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	size_t need;

	while ((need = mm_prepare(mm, start, len)))
		grow(mm, need);
	if (mm->arena.free < mm->arena.total / 8)
		grow(mm, 0);
}

static struct mm_struct *model(void)
{
	static char boot[256 << 10] __attribute__((aligned(PAGE_SIZE)));
	static struct mm_struct mm;

	mm_init(&mm, boot, sizeof(boot));
	mm.own_enabled = true;
	mm.min_own = PAGE_SIZE;
	return &mm;
}

/* Every third one is a file, of which there are ten; the others are registered. */
static void map_one(struct mm_struct *mm, unsigned long i)
{
	struct mmap_call c = { .addr = BASE + i * STRIDE,
			       .len = 2 * PAGE_SIZE,
			       .prot = PROT_READ | PROT_WRITE,
			       .flags = MAP_PRIVATE | MAP_FIXED };
	char name[64];

	prepare(mm, c.addr, c.len);
	if (i % 3) {
		c.flags |= MAP_ANONYMOUS;
	} else {
		snprintf(name, sizeof(name), "/usr/lib/x86_64-linux-gnu/lib%lu.so",
			 i % 10);
		c.file = vma_file_get(mm, 8, 1, i % 10 + 1, name);
	}
	mm_mmap(mm, &c);
	prepare(mm, c.addr, c.len);
	if (i % 3)
		mm_set_uffd(mm, c.addr, c.addr + c.len, true);
	cr_assert(!mm->blind);
}

static void map_all(struct mm_struct *mm, unsigned long areas, bool ascending)
{
	for (unsigned long i = 0; i < areas; i++)
		map_one(mm, ascending ? i : i * 7919 % areas);
}

static void settle(struct mm_struct *mm)
{
	for (int i = 0; i < 3; i++)
		rcu_reap(&mm->rcu);
	cr_assert_eq(mm->rcu.nr_deferred, 0);
}

static unsigned long per_area(const struct mm_struct *mm)
{
	return arena_used(&mm->arena) / mm->map_count;
}

static void check_valid(struct mm_struct *mm)
{
	const char *err = validate_mm(mm);

	if (!err)
		err = validate_memory(&mm->arena);
	cr_assert(!err, "%s", err);
	while (nr_chunks)
		free(chunks[--nr_chunks]);
}

/* A bound for what is in use, and for the most that ever was: pages given back between
 * are still the program's. */
static void expect_bound(const struct mm_struct *mm)
{
	unsigned long most = mm->arena.max_used / mm->map_count;

	fprintf(stderr,
		"memory: %lu areas: %lu bytes per area, %lu at most, %lu mapped, %zu "
		"chunks\n",
		mm->map_count, per_area(mm), most, mm->arena.total / mm->map_count,
		mm->arena.nr_chunks);
#if !defined(SMM_DEBUG) && !defined(__SANITIZE_ADDRESS__)
	/* Without red zones, and links beside the objects instead of in free ones. */
	cr_expect_leq(per_area(mm), MOST_PER_AREA);
	cr_expect_leq(most, MOST_PER_AREA);
#endif
}

Test(per_area, ten_thousand)
{
	struct mm_struct *mm = model();

	map_all(mm, 10000, false);
	expect_bound(mm);
	check_valid(mm);
}

Test(per_area, sixty_thousand)
{
	struct mm_struct *mm = model();

	map_all(mm, 60000, false);
	cr_expect_eq(mm->map_count, 60000);
	expect_bound(mm);
	cr_expect_leq(mm->arena.nr_chunks, 12);
	check_valid(mm);
}

Test(per_area, sixty_thousand_in_order)
{
	struct mm_struct *mm = model();

	map_all(mm, 60000, true);
	expect_bound(mm);
	check_valid(mm);
}

static size_t slab_bytes(const struct arena *a)
{
	size_t bytes = 0;

	for (struct kmem_cache *c = a->caches; c; c = c->next)
		bytes += c->nr_slabs * slab_size(c);
	return bytes;
}

/* Unmapped at random, they leave slabs that are empty: those are pages again. */
Test(per_area, most_of_it_is_given_back)
{
	struct mm_struct *mm = model();
	unsigned long order[60000], seed = 1;
	size_t used;

	map_all(mm, 60000, false);
	used = arena_used(&mm->arena);
	for (unsigned long i = 0; i < 60000; i++)
		order[i] = i;
	for (unsigned long i = 60000; --i;) {
		unsigned long j, tmp = order[i];

		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		j = (seed >> 33) % (i + 1);
		order[i] = order[j];
		order[j] = tmp;
	}
	for (unsigned long i = 0; i < 59000; i++) {
		prepare(mm, BASE + order[i] * STRIDE, STRIDE);
		mm_munmap(mm, BASE + order[i] * STRIDE, STRIDE);
	}
	settle(mm);
	arena_shrink(&mm->arena);
	fprintf(stderr, "memory: %lu areas left of 60000: %zu KiB of %zu KiB, %lu each\n",
		mm->map_count, arena_used(&mm->arena) >> 10, used >> 10, per_area(mm));
	cr_expect_eq(mm->map_count, 1000);
	/* An area that is left keeps the slab it lies in. */
	cr_expect_lt(arena_used(&mm->arena), used * 2 / 3);
	for (unsigned long i = 59000; i < 60000; i++)
		mm_munmap(mm, BASE + order[i] * STRIDE, STRIDE);
	settle(mm);
	arena_shrink(&mm->arena);
	cr_expect_eq(mm->map_count, 0);
	/* What is left is the reserve for the next call. */
	cr_expect_lt(slab_bytes(&mm->arena), 16 * PAGE_SIZE);
	check_valid(mm);
}
