// SPDX-License-Identifier: LGPL-2.1-or-later
/* The area tree, the reader's iteration, and the memory below them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"
#include "tests/model/mman.h"

#define SLOTS	 60000U
#define SLOT(i)	 (MAP_BASE + (unsigned long)(i)*3 * PAGE_SIZE)
#define SLOT_LEN (2 * PAGE_SIZE)

TestSuite(tree, .timeout = 60);
TestSuite(memory, .timeout = 10);

static void slot_map(struct mm_struct *mm, unsigned int i)
{
	struct mmap_call c = { .addr = SLOT(i),
			       .len = SLOT_LEN,
			       .prot = PROT_READ,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	mm_mmap(mm, &c);
}

static void slot_unmap(struct mm_struct *mm, unsigned int i)
{
	cr_assert_eq(mm_prepare(mm, SLOT(i), SLOT_LEN), 0);
	mm_munmap(mm, SLOT(i), SLOT_LEN);
}

/* 0..SLOTS-1, shuffled. */
static unsigned int *shuffled(unsigned long seed)
{
	unsigned int *order = malloc(SLOTS * sizeof(*order));
	struct rng r = { .state = seed };

	cr_assert(order != NULL);
	for (unsigned int i = 0; i < SLOTS; i++) {
		unsigned int j = rng_below(&r, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

static void check_valid(struct mm_struct *mm)
{
	const char *err = validate_mm(mm);

	cr_assert(!err, "%s", err);
}

static void check_lookups(struct mm_struct *mm)
{
	struct vm_area_struct *prev;

	for (unsigned int i = 0; i < SLOTS; i++) {
		struct vm_area_struct *vma = find_vma(mm, SLOT(i) + PAGE_SIZE + 7);

		cr_assert(vma && vma->vm_start == SLOT(i));
		/* The hole behind it belongs to the next one. */
		cr_assert_eq(find_vma_prev(mm, SLOT(i) + SLOT_LEN, &prev),
			     i + 1 < SLOTS ? find_vma(mm, SLOT(i + 1)) : NULL);
		cr_assert_eq(prev, vma);
		cr_assert(!find_vma_intersection(mm, SLOT(i) + SLOT_LEN, SLOT(i + 1)));
	}
}

Test(tree, sixty_thousand_areas_in_any_order)
{
	unsigned int *order = shuffled(seed_from_env(0x7ee));
	struct mm_struct *mm = map_new(48);

	for (unsigned int i = 0; i < SLOTS; i++) {
		slot_map(mm, order[i]);
		if (!(i % 4096))
			check_valid(mm);
	}
	check_valid(mm);
	cr_assert_eq(mm->map_count, SLOTS);
	check_lookups(mm);
	for (unsigned int i = 0; i < SLOTS; i++) {
		slot_unmap(mm, order[SLOTS - 1 - i]);
		if (!(i % 4096))
			check_valid(mm);
	}
	cr_assert(mm->root == NULL);
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	cr_assert_eq(mm->vma_cache.nr_active, 0);
	cr_assert_eq(mm->node_cache.nr_active, 0);
	free(order);
	map_destroy(mm);
}

Test(tree, ascending_and_descending)
{
	struct mm_struct *mm = map_new(48);

	for (unsigned int i = 0; i < SLOTS; i++)
		slot_map(mm, i);
	check_valid(mm);
	for (unsigned int i = SLOTS; i--;) {
		slot_unmap(mm, i);
		if (!(i % 4096))
			check_valid(mm);
	}
	for (unsigned int i = SLOTS; i--;)
		slot_map(mm, i);
	check_valid(mm);
	for (unsigned int i = 0; i < SLOTS; i++)
		slot_unmap(mm, i);
	check_valid(mm);
	map_destroy(mm);
}

Test(tree, one_call_over_all_of_them)
{
	struct mm_struct *mm = map_new(64);

	for (unsigned int i = 0; i < SLOTS; i++)
		slot_map(mm, i);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_mlockall(mm, MCL_CURRENT);
	check_valid(mm);
	cr_assert_eq(mm->locked_vm, 2UL * SLOTS);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_munmap(mm, SLOT(1), SLOT(SLOTS - 1) - SLOT(1));
	check_valid(mm);
	cr_assert_eq(mm->map_count, 2);
	map_destroy(mm);
}

Test(tree, a_snapshot_stays_as_it_was)
{
	struct mm_struct *mm = map_new(1);
	struct vm_area_struct *vma;
	struct vma_iter it;
	unsigned int n = 0;
	int token;

	map_draw(mm, "AA AA AA AA AA AA AA AA AA AA");
	token = mm_read_lock(mm);
	vma_iter_init(&it, mm, AT(4));
	for (unsigned int i = 0; i < 40; i++) {
		mm_munmap(mm, AT(i), PAGES(1));
		map_mmap(mm, 50, 1, i % 2 ? 'R' : 'A');
	}
	vma_for_each (vma, &it) {
		cr_expect_eq(vma->vm_start, AT(3 + 3 * n));
		n++;
	}
	cr_expect_eq(n, 9);
	cr_expect_gt(mm->rcu.nr_deferred, 0);
	mm_read_unlock(mm, token);
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	cr_expect_eq(mm->rcu.nr_deferred, 0);
	map_destroy(mm);
}

/* --- memory ------------------------------------------------------------------------ */

/* As a hook does it: ask, map a chunk, add it, and tell the model of the chunk too. */
static void prepare_like_a_hook(struct mm_struct *mm, unsigned long start,
				unsigned long len)
{
	size_t missing;

	while ((missing = mm_prepare(mm, start, len))) {
		void *chunk = aligned_alloc(PAGE_SIZE, missing);
		struct mmap_call c = { .addr = (unsigned long)chunk,
				       .len = missing,
				       .prot = PROT_READ,
				       .flags = MAP_PRIVATE | MAP_ANONYMOUS,
				       .force = TRACK_OURS };

		cr_assert(chunk != NULL);
		arena_add(&mm->arena, chunk, missing);
		mm_mmap(mm, &c);
	}
}

Test(memory, grows_on_demand_and_never_fails_when_prepared)
{
	static char boot[64 << 10] __attribute__((aligned(PAGE_SIZE)));
	static struct mm_struct mm;

	mm_init(&mm, boot, sizeof(boot));
	for (unsigned int i = 0; i < 5000; i++) {
		prepare_like_a_hook(&mm, SLOT(i), SLOT_LEN);
		slot_map(&mm, i);
		cr_assert(!mm.blind);
	}
	prepare_like_a_hook(&mm, 0, ~0UL);
	mm_mlockall(&mm, MCL_CURRENT);
	cr_assert(!mm.blind);
	check_valid(&mm);
}

Test(memory, unprepared_and_out_of_memory_is_blind_not_broken)
{
	static char boot[64 << 10] __attribute__((aligned(PAGE_SIZE)));
	static struct mm_struct mm;

	mm_init(&mm, boot, sizeof(boot));
	for (unsigned int i = 0; !mm.blind; i++) {
		struct mmap_call c = { .addr = SLOT(i),
				       .len = SLOT_LEN,
				       .prot = PROT_READ };

		c.flags = MAP_PRIVATE | MAP_ANONYMOUS;
		mm_mmap(&mm, &c);
		cr_assert_lt(i, 5000);
	}
	cr_expect_gt(mm_prepare(&mm, 0, PAGE_SIZE), 0);
	check_valid(&mm);
	mm_dup(&mm); /* needs no memory */
	check_valid(&mm);
}

Test(memory, files_are_freed_with_their_last_area)
{
	struct mm_struct *mm = map_new(1);

	for (unsigned int i = 0; i < 2000; i++) {
		map_mmap(mm, i % 20, 4, i % 3 ? 'F' : 'G');
		mm_mprotect(mm, AT(i % 20 + 1), PAGES(1), PROT_NONE, -1);
	}
	mm_munmap(mm, 0, PAGE_MASK);
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	for (int i = 0; i < NR_FILE_SIZES; i++)
		cr_expect_eq(mm->file_cache[i].nr_active, 0);
	map_destroy(mm);
}

Test(memory, names_of_any_length)
{
	struct mm_struct *mm = map_new(1);
	char name[6000];

	for (size_t len = 0; len < sizeof(name); len += 37) {
		struct vma_file *file;

		for (size_t i = 0; i < len; i++)
			name[i] = 'x';
		name[len] = '\0';
		file = vma_file_get(mm, 1, 2, 3, name);
		cr_assert(file != NULL);
		cr_expect_eq(strlen(file->name),
			     min(len, 4031 - offsetof(struct vma_file, name)));
		vma_file_put(mm, file);
		rcu_reap(&mm->rcu);
	}
	map_destroy(mm);
}

Test(memory, slab_objects_know_their_cache)
{
	static char mem[32 << 10] __attribute__((aligned(PAGE_SIZE)));
	struct kmem_cache big, small;
	struct arena arena;
	void *objects[64];

	arena_init(&arena);
	arena_add(&arena, mem, sizeof(mem));
	kmem_cache_init(&big, &arena, "big", 256, 64);
	kmem_cache_init(&small, &arena, "small", 20, 8);
	for (int i = 0; i < 30; i++) {
		objects[i] = kmem_cache_alloc(i % 2 ? &big : &small);
		cr_assert(objects[i] != NULL);
		cr_expect_eq(kmem_cache_of(objects[i]), i % 2 ? &big : &small);
		cr_expect_eq((unsigned long)objects[i] % (i % 2 ? 64 : 8), 0);
	}
	for (int i = 0; i < 30; i++)
		kmem_cache_free(kmem_cache_of(objects[i]), objects[i]);
	cr_expect_eq(big.nr_active + small.nr_active, 0);
	cr_expect_eq(kmem_cache_reserve(&big, 30), 0);
	cr_expect_lt(kmem_cache_reserve(&big, 1000), 0);
}
