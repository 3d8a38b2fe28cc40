// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which areas are ours, and what is done about a fault. */
#include <criterion/criterion.h>

#include "lib/mm/fault_around.h"
#include "tests/model/map.h"
#include "tests/model/mman.h"

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(2);
	mm->min_own = PAGES(8);
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(policy, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(fault, .init = setup, .fini = teardown, .timeout = 10);

static const struct vm_area_struct *mmap_flags(unsigned int column, unsigned int pages,
					       unsigned long flags,
					       enum track_reason force)
{
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = PROT_READ | PROT_WRITE,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | flags,
			       .force = force };

	mm_mmap(mm, &c);
	return find_vma(mm, AT(column));
}

static const struct vm_area_struct *mmap_plain(unsigned int column, unsigned int pages)
{
	return mmap_flags(column, pages, 0, TRACK_NONE);
}

/* --- choice ------------------------------------------------------------------------ */

Test(policy, by_kind)
{
	cr_expect_eq(mmap_plain(0, 8)->policy, POLICY_OWN);
	cr_expect_eq(mmap_plain(10, 7)->reason, TRACK_SMALL);
	cr_expect_eq(mmap_flags(20, 8, MAP_GROWSDOWN, 0)->reason, TRACK_SPECIAL);
	cr_expect_eq(mmap_flags(30, 8, MAP_LOCKED, 0)->reason, TRACK_SPECIAL);
	cr_expect_eq(mmap_flags(40, 8, 0, TRACK_OURS)->reason, TRACK_OURS);
	map_mmap(mm, 50, 8, 'S');
	cr_expect_eq(find_vma(mm, AT(50))->reason, TRACK_SHARED);
	map_mmap(mm, 60, 8, 'F');
	cr_expect_eq(find_vma(mm, AT(60))->reason, TRACK_FILE);
	mm->own_enabled = false;
	cr_expect_eq(mmap_plain(70, 8)->reason, TRACK_NO_ENGINE);
	cr_expect(!validate_mm(mm));
}

Test(policy, a_small_area_is_ours_once_it_has_grown)
{
	unsigned long start, end;

	mmap_plain(0, 4);
	cr_expect(!mm_next_to_register(mm, 0, ~0UL, &start, &end));
	mmap_plain(4, 4);
	cr_assert(mm_next_to_register(mm, 0, ~0UL, &start, &end));
	cr_expect_eq(start, AT(0));
	cr_expect_eq(end, AT(8));
}

Test(policy, a_small_area_next_to_ours_is_ours)
{
	mmap_plain(0, 8);
	mm_set_uffd(mm, AT(0), AT(8), true);
	cr_expect_eq(mmap_plain(8, 1)->policy, POLICY_OWN);
}

Test(policy, the_library_s_own_memory_is_never_registered)
{
	unsigned long start, end;

	mmap_flags(0, 8, 0, TRACK_OURS);
	mmap_plain(8, 8); /* the kernel merges them */
	EXPECT_MAP(mm, "AAAAAAAAAAAAAAAA");
	cr_expect_eq(find_vma(mm, AT(0))->reason, TRACK_OURS);
	cr_expect(!mm_next_to_register(mm, 0, ~0UL, &start, &end));
}

static void import_heap(void)
{
	const struct area_desc heap = { .start = AT(0),
					.end = AT(4),
					.vm_flags = VM_READ | VM_WRITE,
					.name = "[heap]" };

	mm->min_own = PAGES(2);
	mm->start_brk = AT(0);
	mm->brk = AT(4);
	mm_import(mm, &heap, TRACK_BEFORE_START);
}

/* The least that makes the heap ours is eight times min_own, in one step. */
Test(policy, the_heap_from_before_becomes_ours_by_growing)
{
	import_heap();
	mm_brk(mm, AT(6));
	EXPECT_MAP(mm, "AAAAAA");
	cr_expect_eq(find_vma(mm, AT(0))->policy, POLICY_TRACK);
	mm_brk(mm, AT(22));
	cr_expect_eq(find_vma(mm, AT(0))->policy, POLICY_OWN);
	mm_brk(mm, AT(23));
	EXPECT_MAP(mm, "AAAAAAAAAAAAAAAAAAAAAAA");
	cr_expect_eq(find_vma(mm, AT(22))->policy, POLICY_OWN);
	EXPECT_GUESSES(mm, "");
}

Test(policy, the_heap_stays_with_the_kernel_while_it_grows_little_by_little)
{
	import_heap();
	for (unsigned int end = 5; end < 60; end += 15) {
		mm_brk(mm, AT(end));
		cr_expect_eq(find_vma(mm, AT(end - 1))->reason, TRACK_SMALL);
	}
	cr_expect_eq(find_vma(mm, AT(0))->vm_end, AT(50));
}

Test(policy, next_to_register_stays_below_the_limit)
{
	unsigned long start = 0, end;

	mmap_plain(0, 8);
	mmap_plain(10, 8);
	cr_expect(!mm_next_to_register(mm, AT(8), AT(10), &start, &end));
	cr_assert(mm_next_to_register(mm, AT(8), AT(11), &start, &end));
	cr_expect_eq(start, AT(10));
	mm->blind = true;
	cr_expect(!mm_next_to_register(mm, 0, ~0UL, &start, &end));
}

/* --- short-lived areas ------------------------------------------------------------- */

static enum track_reason come_and_go(bool registered, unsigned int faults)
{
	enum track_reason reason = mmap_plain(0, 16)->reason;

	if (registered && reason == TRACK_NONE) {
		mm_set_uffd(mm, AT(0), AT(16), true);
		find_vma(mm, AT(0))->stat->faults += faults;
	}
	mm_munmap(mm, AT(0), PAGES(16));
	return reason;
}

Test(policy, untouched_twice_is_short_lived)
{
	cr_expect_eq(come_and_go(true, 0), TRACK_NONE);
	cr_expect_eq(come_and_go(true, 0), TRACK_NONE);
	cr_expect_eq(come_and_go(true, 0), TRACK_SHORT_LIVED);
	cr_expect_eq(mmap_plain(0, 32)->reason, TRACK_NONE, "another size");
}

Test(policy, touched_is_not)
{
	for (int i = 0; i < 10; i++)
		cr_expect_eq(come_and_go(true, 1), TRACK_NONE);
}

Test(policy, what_was_never_registered_says_nothing)
{
	for (int i = 0; i < 10; i++)
		cr_expect_eq(come_and_go(false, 0), TRACK_NONE);
}

Test(policy, one_of_256_is_a_probe)
{
	int own = 0;

	for (int i = 0; i < 2; i++)
		come_and_go(true, 0);
	for (int i = 0; i < 512; i++)
		own += come_and_go(true, 0) == TRACK_NONE;
	cr_expect_eq(own, 2);
	/* A probe that is touched ends it. */
	for (int i = 0; i < 256; i++)
		own += come_and_go(true, 1) == TRACK_NONE;
	cr_expect_eq(own, 3);
	cr_expect_eq(come_and_go(true, 1), TRACK_NONE);
}

Test(policy, a_short_lived_area_is_known_though_it_merges)
{
	mmap_plain(16, 8);
	mm_set_uffd(mm, AT(16), AT(24), true);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(come_and_go(true, 0), TRACK_NONE);
	cr_expect_eq(come_and_go(true, 0), TRACK_SHORT_LIVED);
	cr_expect_eq(find_vma(mm, AT(16))->policy, POLICY_OWN);
}

/* --- faults ------------------------------------------------------------------------ */

static struct fault_plan plan;
static struct fault_streams streams;

static enum fault_verdict fault_at(unsigned int column, bool write, unsigned int around)
{
	int token = mm_read_lock(mm);
	enum fault_verdict v =
		handle_mm_fault(mm, AT(column) + 123, write, around, &streams, &plan);

	mm_read_unlock(mm, token);
	return v;
}

Test(fault, the_cases)
{
	map_draw(mm, "UUUU AAAA");
	mm_mprotect(mm, AT(2), PAGES(1), PROT_READ, -1);
	mm_mprotect(mm, AT(3), PAGES(1), PROT_NONE, -1);
	cr_expect_eq(fault_at(0, true, 1), FAULT_ZERO);
	cr_expect_eq(fault_at(2, true, 1), FAULT_STALE);
	cr_expect_eq(fault_at(2, false, 1), FAULT_ZERO);
	cr_expect_eq(fault_at(3, false, 1), FAULT_STALE);
	cr_expect_eq(fault_at(4, false, 1), FAULT_STALE);
	cr_expect_eq(fault_at(5, false, 1), FAULT_STALE);
	cr_expect_eq(fault_at(40, false, 1), FAULT_STALE);
}

static void expect_window(unsigned int column, unsigned int around, unsigned int from,
			  unsigned int to)
{
	cr_expect_eq(fault_at(column, true, around), FAULT_ZERO);
	cr_expect(plan.start == AT(from) && plan.end == AT(to),
		  "fault %u around %u: %lx-%lx, not %u-%u", column, around, plan.start,
		  plan.end, from, to);
	cr_expect_eq(plan.stat, find_vma(mm, AT(column))->stat);
}

Test(fault, the_window_is_an_aligned_block_cut_to_the_area)
{
	map_draw(mm, "  UUUUUUUUUUUUUUUUUUUU");
	expect_window(9, 1, 9, 10);
	expect_window(9, 4, 8, 12);
	expect_window(2, 4, 2, 4);
	expect_window(9, 5, 8, 12); /* rounded down to a power of two */
	expect_window(9, 64, 2, 22);
	expect_window(9, 4000, 2, 22);
	expect_window(21, 8, 16, 22);
}

Test(fault, a_blind_shadow_serves_the_page)
{
	mm->blind = true;
	cr_expect_eq(fault_at(3, true, 64), FAULT_ZERO);
	cr_expect(plan.start == AT(3) && plan.end == AT(4) && !plan.stat);
}

/* --- where the kernel would give huge pages ---------------------------------------- */

#define BLOCK(n)  (0x40000000UL + (n)*HUGE_SIZE)
#define NO_BLOCKS 0, 0

/* Four and a half huge pages' room, with half of one before. */
static void huge_area(unsigned long flags, u32 thp)
{
	const struct mmap_call c = {
		.addr = BLOCK(0) + HUGE_SIZE / 2,
		.len = 5 * HUGE_SIZE,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
		.pgoff = (BLOCK(0) + HUGE_SIZE / 2) >> PAGE_SHIFT,
	};

	map_draw(mm, "");
	mm->thp = thp;
	mm_prepare(mm, c.addr, c.len);
	mm_mmap(mm, &c);
	mm_prepare(mm, c.addr, c.len);
	mm_set_uffd(mm, c.addr, c.addr + c.len, true);
	if (!flags)
		return;
	mm_prepare(mm, c.addr, c.len);
	mm_madvise(mm, c.addr, c.len,
		   flags & VM_HUGEPAGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void expect_huge(unsigned long addr, unsigned long from, unsigned long to)
{
	int token = mm_read_lock(mm);

	cr_expect_eq(handle_mm_fault(mm, addr, true, 0, &streams, &plan), FAULT_ZERO);
	cr_expect(plan.huge_start == from && plan.huge_end == to,
		  "%lx: %lx-%lx, not %lx-%lx", addr, plan.huge_start, plan.huge_end, from,
		  to);
	mm_read_unlock(mm, token);
}

Test(fault, huge_where_advised)
{
	huge_area(VM_HUGEPAGE, THP_ADVISED);
	expect_huge(BLOCK(2) + 123, BLOCK(2), BLOCK(3));
	expect_huge(BLOCK(1), BLOCK(1), BLOCK(2));
	expect_huge(BLOCK(5) - 1, BLOCK(4), BLOCK(5));
	expect_huge(BLOCK(5), NO_BLOCKS);
}

/* Small pages would bring a page table to where a huge page fits. */
Test(fault, windows_end_where_huge_pages_fit)
{
	huge_area(VM_HUGEPAGE, THP_ADVISED);
	expect_huge(BLOCK(1) - PAGE_SIZE, NO_BLOCKS);
	cr_expect_eq(plan.end, BLOCK(1));
}

Test(fault, huge_nowhere)
{
	huge_area(VM_HUGEPAGE, THP_NEVER);
	expect_huge(BLOCK(3) - PAGE_SIZE, NO_BLOCKS);
	cr_expect(plan.end > BLOCK(3), "cut without a reason");
	expect_huge(BLOCK(2), NO_BLOCKS);
}

Test(fault, huge_unless_refused)
{
	huge_area(VM_NOHUGEPAGE, THP_ALWAYS);
	expect_huge(BLOCK(2), NO_BLOCKS);
}

Test(fault, huge_always)
{
	huge_area(0, THP_ALWAYS);
	expect_huge(BLOCK(2), BLOCK(2), BLOCK(3));
	mm->thp = THP_ADVISED;
	expect_huge(BLOCK(3), NO_BLOCKS);
}

/* A quarter of what came in order, inside the area. */
Test(fault, huge_ahead)
{
	huge_area(VM_HUGEPAGE, THP_ADVISED);
	expect_huge(BLOCK(1), BLOCK(1), BLOCK(2));
	fault_around_huge(&streams, &plan, HUGE_SIZE);
	expect_huge(BLOCK(2), BLOCK(2), BLOCK(3));
	/* As if it had been longer. */
	plan.huge_start = BLOCK(2) - 15 * HUGE_SIZE;
	fault_around_huge(&streams, &plan, 16 * HUGE_SIZE);
	expect_huge(BLOCK(3), BLOCK(3), BLOCK(5));
}

Test(fault, huge_areas_are_ours_if_we_give_them)
{
	unsigned long start, end;

	huge_area(VM_HUGEPAGE, THP_NEVER);
	mm_prepare(mm, 0, ~0UL);
	mm_set_uffd(mm, 0, ~0UL & PAGE_MASK, false);
	cr_expect_not(mm_next_to_register(mm, 0, ~0UL, &start, &end));
	mm->thp = THP_ADVISED;
	cr_expect(mm_next_to_register(mm, 0, ~0UL, &start, &end));
}
