// SPDX-License-Identifier: LGPL-2.1-or-later
/* struct page: the state machine, and an array that is old when it is asked. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/page.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"

#define PRESENT PAGEMAP_PRESENT
#define ONCE	(PAGEMAP_PRESENT | PAGEMAP_EXCLUSIVE)

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(8);
	mm->id = (struct mm_id){ .pid = 1, .born = 1000 };
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(page, .init = setup, .fini = teardown, .timeout = 60);

static void valid(void)
{
	cr_assert_null(validate_pages(mm), "%s", validate_pages(mm));
	cr_assert_null(validate_mm(mm), "%s", validate_mm(mm));
}

static const struct page *see(int column, u64 word)
{
	cr_assert_eq(page_sync(mm, AT(column), &word, 1), 0);
	valid();
	return page_lookup(mm, AT(column));
}

static void fork_once(void)
{
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_dup(mm);
	mm->id.pid++;
	valid();
}

/* What was mapped last counts as untouched until the next call. */
static void draw(const char *drawing)
{
	map_draw(mm, drawing);
	map_mmap(mm, 60, 1, 'N');
	mm_munmap(mm, AT(60), PAGES(1));
}

Test(page, nothing_there_costs_nothing)
{
	draw("AA");
	cr_expect_null(see(0, 0));
	cr_expect_eq(mm->page_chunks, 0);
}

Test(page, new_pages_belong_to_their_area)
{
	const struct page *p;

	draw("AA SS");
	p = see(1, ONCE | 77);
	cr_expect_eq(page_state(p), PAGE_EXCLUSIVE);
	cr_expect_eq(p->flags, (u32)(PAGE_EXCLUSIVE | PG_anon | PG_own));
	cr_expect_eq(p->mapping_serial, find_vma(mm, AT(1))->anon);
	cr_expect_eq(p->index, AT(1) >> PAGE_SHIFT);
	cr_expect_eq(p->mapcount, 1);
	cr_expect_eq(p->refcount, 2);
	p = see(3, PRESENT | PAGEMAP_FILE | 78);
	cr_expect_eq(p->flags, (u32)PAGE_SHARED);
	cr_expect_eq(mm->page_count, 2);
	cr_expect_eq(mm->page_chunks, 1);
}

Test(page, fork_shares_and_a_write_copies)
{
	const struct page *p;

	draw("AA");
	see(0, ONCE | 7);
	see(1, ONCE | 8);
	fork_once();
	p = see(0, PRESENT | 7);
	cr_expect_eq(page_state(p), PAGE_SHARED);
	cr_expect_eq(p->mapping_pid, 1, "still the parent's");
	p = see(0, ONCE | 9);
	cr_expect_eq(p->flags & (PG_STATE | PG_copied | PG_reused | PG_guess),
		     (u32)(PAGE_EXCLUSIVE | PG_copied));
	cr_expect_eq(p->mapping_pid, 2, "a copy is the child's");
	see(1, PRESENT | 8);
	p = see(1, ONCE | 8);
	cr_expect_eq(p->flags & (PG_STATE | PG_copied | PG_reused | PG_guess),
		     (u32)(PAGE_EXCLUSIVE | PG_reused));
	cr_expect_eq(p->mapping_pid, 1);
}

Test(page, without_frames_a_copy_is_a_guess)
{
	const struct page *p;

	draw("AA");
	see(0, ONCE);
	fork_once();
	see(0, PRESENT);
	p = see(0, ONCE);
	cr_expect_eq(p->flags & (PG_copied | PG_reused | PG_guess), (u32)PG_guess);
}

Test(page, swap_and_back)
{
	const struct page *p;

	draw("AA");
	see(0, ONCE | 7);
	p = see(0, PAGEMAP_SWAP | 3);
	cr_expect_eq(page_state(p), PAGE_SWAPPED);
	cr_expect_eq(p->mapcount, 0);
	cr_expect_eq(p->refcount, 1);
	cr_expect_eq(page_state(see(0, ONCE | 8)), PAGE_EXCLUSIVE);
	cr_expect_eq(page_state(see(0, 0)), PAGE_NONE);
	cr_expect_eq(mm->page_count, 0);
}

/* As /proc/PID/pagemap has them: type and place of swap lie where the frame is else. */
#define SWAPPED (PAGEMAP_SWAP | 1 | 17ULL << 5)

Test(page, words_of_pages_in_swap_and_on_the_move)
{
	static const struct {
		u64 word;
		enum page_state state;
		bool protect, protected;
	} is[] = {
		{ 0, PAGE_NONE, false, false },
		/* A marker, without a page: UFFD_FEATURE_WP_UNPOPULATED. */
		{ PAGEMAP_UFFD_WP, PAGE_NONE, false, false },
		{ PRESENT | 7, PAGE_SHARED, true, false },
		{ PRESENT | PAGEMAP_UFFD_WP | 7, PAGE_SHARED, false, true },
		{ ONCE | 7, PAGE_EXCLUSIVE, false, false },
		{ ONCE | PAGEMAP_UFFD_WP | 7, PAGE_EXCLUSIVE, false, true },
		{ SWAPPED, PAGE_SWAPPED, false, false },
		{ SWAPPED | PAGEMAP_UFFD_WP, PAGE_SWAPPED, false, false },
		/* Migration: the page is there again in a moment. */
		{ SWAPPED | PAGEMAP_EXCLUSIVE, PAGE_SWAPPED, false, false },
		{ SWAPPED | PAGEMAP_FILE, PAGE_SWAPPED, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		cr_expect_eq(pagemap_state(is[i].word), is[i].state, "%zu", i);
		cr_expect_eq(pagemap_to_protect(is[i].word), is[i].protect, "%zu", i);
		cr_expect_eq(pagemap_protected(is[i].word), is[i].protected, "%zu", i);
	}
}

Test(page, shared_pages_go_to_swap_and_come_back)
{
	const struct page *p;

	draw("AAA");
	for (int i = 0; i < 3; i++)
		see(i, ONCE | (u64)(7 + i));
	fork_once();
	see(0, PRESENT | 7);
	p = see(0, SWAPPED | PAGEMAP_UFFD_WP);
	cr_expect_eq(page_state(p), PAGE_SWAPPED);
	cr_expect_eq(p->mapping_pid, 1, "whose it was");
	cr_expect_eq(p->mapcount, 0);
	/* It was seen in swap first: no event of it was missed that could be told. */
	see(1, SWAPPED);
	p = see(1, PRESENT | 30);
	cr_expect_eq(page_state(p), PAGE_SHARED);
	p = see(1, ONCE | 31);
	cr_expect_eq(p->flags & (PG_STATE | PG_copied),
		     (u32)(PAGE_EXCLUSIVE | PG_copied));
	see(2, SWAPPED | PAGEMAP_EXCLUSIVE);
	p = see(2, ONCE | 40);
	cr_expect_eq(p->flags & (PG_STATE | PG_copied | PG_reused), (u32)PAGE_EXCLUSIVE,
		     "moved, not copied");
	cr_expect_eq(mm->page_count, 3);
}

Test(page, what_was_mapped_again_meanwhile_is_another_page)
{
	const struct page *p;
	u32 serial;

	draw("AAAA");
	serial = see(0, PRESENT | 7)->mapping_serial;
	mm_munmap(mm, AT(0), PAGES(4));
	draw("AAAA");
	p = see(0, ONCE | 7);
	cr_expect_neq(p->mapping_serial, serial);
	cr_expect_eq(p->flags & (PG_copied | PG_reused), 0U, "no history");
}

Test(page, chunks_of_unmapped_memory_go)
{
	size_t used;

	draw("AAAA");
	see(0, ONCE | 7);
	mm_munmap(mm, AT(0), PAGES(4));
	draw("  AA");
	see(2, 0);
	page_reap(mm);
	valid();
	cr_expect_eq(mm->page_chunks, 0);
	cr_expect_eq(mm->page_count, 0);
	used = arena_used(&mm->arena);
	see(2, ONCE | 9);
	see(2, 0);
	page_reap(mm);
	cr_expect_eq(arena_used(&mm->arena), used);
}

Test(page, without_memory_nothing_changes)
{
	u64 word = ONCE | 7;

	draw("AA");
	while (alloc_pages(&mm->arena, 0))
		;
	cr_expect_lt(page_sync(mm, AT(0), &word, 1), 0);
	cr_expect_null(page_lookup(mm, AT(0)));
	valid();
}

/* --- random ------------------------------------------------------------------------ */

#define COLUMNS 40

/* What the last page_sync() was told; 0: nothing, or it was unmapped since. */
static u64 told[COLUMNS];

static u64 random_word(struct rng *r)
{
	static const u64 kinds[] = { 0, ONCE, PRESENT, PAGEMAP_SWAP };
	u64 word = kinds[rng_below(r, 4)];

	return word ? word | (rng_below(r, 2) ? 1 + rng_below(r, 9) : 0) : 0;
}

static enum page_state state_of(u64 word)
{
	return word & PAGEMAP_SWAP	  ? PAGE_SWAPPED
	       : !(word & PRESENT)	  ? PAGE_NONE
	       : word & PAGEMAP_EXCLUSIVE ? PAGE_EXCLUSIVE
					  : PAGE_SHARED;
}

static void check_columns(unsigned long seed)
{
	unsigned long n = 0;

	valid();
	for (int i = 0; i < COLUMNS; i++) {
		const struct page *p = page_lookup(mm, AT(i));

		cr_assert_eq(p ? page_state(p) : PAGE_NONE, state_of(told[i]),
			     "SMM_SEED=%#lx column %d", seed, i);
		n += told[i] != 0;
	}
	cr_assert_eq(mm->page_count, n, "SMM_SEED=%#lx", seed);
}

/* Everything at once, so that what the array knows is what was told. */
static void tell(struct rng *r)
{
	struct vm_area_struct *vma;

	for (int i = 0; i < COLUMNS; i++) {
		u64 word = random_word(r);

		vma = find_vma(mm, AT(i));
		told[i] = vma && vma->vm_start <= AT(i) ? word : 0;
		cr_assert_eq(page_sync(mm, AT(i), &word, 1), 0);
	}
}

static void run(unsigned long seed)
{
	struct rng r = { .state = seed };
	int forks = 0;

	memset(told, 0, sizeof(told));
	for (int op = 0; op < 200; op++) {
		unsigned int from = rng_below(&r, COLUMNS - 8);
		unsigned int len = 1 + rng_below(&r, 8);

		if (!rng_below(&r, 40) && forks++ < 5)
			fork_once();
		cr_assert_eq(mm_prepare(mm, AT(from), PAGES(len)), 0);
		if (rng_below(&r, 2))
			mm_munmap(mm, AT(from), PAGES(len));
		else
			map_mmap(mm, from, len, rng_below(&r, 2) ? 'A' : 'S');
		if (!rng_below(&r, 8))
			page_reap(mm);
		valid();
		tell(&r);
		check_columns(seed);
	}
}

Test(page, random_changes_between_two_looks)
{
	unsigned long seed = seed_from_env(0x9a6e5);

	for (unsigned long i = 0; i < 40; i++) {
		run(seed + i);
		map_destroy(mm);
		setup();
	}
}
