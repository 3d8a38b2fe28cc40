// SPDX-License-Identifier: LGPL-2.1-or-later
/* Each call on small maps, drawn before and after (map.h). */
#include <criterion/criterion.h>
#include <linux/mman.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(1);
}

static void teardown(void)
{
	map_destroy(mm);
}

#define RW (PROT_READ | PROT_WRITE)

TestSuite(mmap, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(munmap, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(mprotect, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(brk, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(mremap, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(mlock, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(madvise, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(uffd, .init = setup, .fini = teardown, .timeout = 10);
TestSuite(dup, .init = setup, .fini = teardown, .timeout = 10);

/* --- mmap -------------------------------------------------------------------------- */

Test(mmap, new_area_merges_left_for_certain)
{
	map_draw(mm, "AA");
	map_mmap(mm, 2, 2, 'A');
	EXPECT_MAP(mm, "AAAA");
	EXPECT_GUESSES(mm, "");
}

Test(mmap, new_area_merges_right_for_certain)
{
	map_draw(mm, "  AA");
	map_mmap(mm, 0, 2, 'A');
	EXPECT_MAP(mm, "AAAA");
	EXPECT_GUESSES(mm, "");
}

Test(mmap, between_two_touched_areas_only_the_left_merge_is_certain)
{
	map_draw(mm, "AA AA");
	map_mmap(mm, 2, 1, 'A');
	EXPECT_MAP(mm, "AAAaa");
	EXPECT_GUESSES(mm, "   ?");
}

Test(mmap, between_two_untouchable_areas_all_merge)
{
	map_draw(mm, "NN NN");
	map_mmap(mm, 2, 1, 'N');
	EXPECT_MAP(mm, "NNNNN");
	EXPECT_GUESSES(mm, "");
}

Test(mmap, different_flags_do_not_merge)
{
	map_draw(mm, "AA  UU");
	map_mmap(mm, 2, 1, 'R');
	map_mmap(mm, 3, 1, 'A');
	EXPECT_MAP(mm, "AARAUU");
	EXPECT_GUESSES(mm, "");
}

Test(mmap, fixed_overwrites_and_splits)
{
	map_draw(mm, "AAAAAA");
	map_mmap(mm, 2, 2, 'R');
	EXPECT_MAP(mm, "AARRAA");
	map_mmap(mm, 1, 4, 'N');
	EXPECT_MAP(mm, "ANNNNA");
	cr_expect_eq(mm->map_count, 3);
	cr_expect_eq(mm->total_vm, 6);
}

Test(mmap, contiguous_pages_of_one_file_merge)
{
	map_draw(mm, "FF");
	map_mmap(mm, 2, 2, 'F');
	EXPECT_MAP(mm, "FFFF");
	EXPECT_GUESSES(mm, "****"); /* two descriptors would not have merged */
	map_mmap(mm, 4, 1, 'G');
	EXPECT_MAP(mm, "FFFFG");
}

Test(mmap, shared_anonymous_areas_never_merge)
{
	map_draw(mm, "SS");
	map_mmap(mm, 2, 2, 'S');
	EXPECT_MAP(mm, "SSss");
	EXPECT_GUESSES(mm, "");
}

Test(mmap, future_locks_apply)
{
	mm_mlockall(mm, MCL_FUTURE);
	map_mmap(mm, 0, 3, 'A');
	EXPECT_MAP(mm, "LLL");
	cr_expect_eq(mm->locked_vm, 3);
}

Test(mmap, huge_page_lengths_are_rounded)
{
	struct mmap_call c = { .addr = 0x40000000, .len = 1, .prot = RW };

	c.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	mm_mmap(mm, &c);
	cr_expect_eq(find_vma(mm, 0x40000000)->vm_end, 0x40200000);
	cr_expect_eq(find_vma(mm, 0x40000000)->reason, TRACK_SPECIAL);
}

Test(mmap, a_stack_may_grow)
{
	struct mmap_call c = { .addr = AT(4), .len = PAGES(2), .prot = RW };

	c.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK;
	mm_mmap(mm, &c);
	cr_expect_eq(find_vma(mm, AT(4))->inexact, VMA_INEXACT_GROWS);
	cr_expect(find_vma(mm, AT(4))->vm_flags & VM_NOHUGEPAGE);
}

Test(mmap, device_memory_never_merges)
{
	struct area_desc d = { .end = AT(1), .vm_flags = VM_READ | VM_IO | VM_PFNMAP };

	d.start = AT(0);
	d.major = 1;
	d.ino = 5;
	d.name = "/dev/mem";
	mm_import(mm, &d, TRACK_SPECIAL);
	d.start = AT(1);
	d.end = AT(2);
	d.pgoff = 1;
	d.vm_flags |= VM_WRITE;
	mm_import(mm, &d, TRACK_SPECIAL);
	mm_mprotect(mm, AT(1), PAGES(1), PROT_READ, -1);
	cr_expect_eq(mm->map_count, 2);
	cr_expect(!validate_mm(mm));
	cr_expect_eq(find_vma(mm, AT(1))->inexact, 0);
}

/* --- munmap ------------------------------------------------------------------------ */

Test(munmap, middle_ends_and_across)
{
	map_draw(mm, "AAAAAA RR NN");
	mm_munmap(mm, AT(2), PAGES(2));
	EXPECT_MAP(mm, "AA  AA RR NN");
	mm_munmap(mm, AT(0), PAGES(1));
	mm_munmap(mm, AT(5), PAGES(6));
	EXPECT_MAP(mm, " A  A      N");
	cr_expect_eq(mm->map_count, 3);
}

Test(munmap, of_nothing_is_nothing)
{
	unsigned long seq;

	map_draw(mm, "A  A");
	seq = mm->seq;
	mm_munmap(mm, AT(1), PAGES(2));
	mm_munmap(mm, AT(9), ~0UL);
	EXPECT_MAP(mm, "A  A");
	cr_expect_eq(mm->seq, seq);
}

Test(munmap, lengths_are_rounded_up)
{
	map_draw(mm, "AAA");
	mm_munmap(mm, AT(0), PAGES(1) + 1);
	EXPECT_MAP(mm, "  A");
}

Test(munmap, a_range_that_wraps_is_none)
{
	map_draw(mm, "AAAA");
	mm_munmap(mm, AT(1), ~0UL);
	mm_mprotect(mm, AT(1), -PAGES(1), PROT_READ, -1);
	mm_madvise(mm, AT(1), -PAGES(1), MADV_DONTFORK);
	mm_mlock(mm, AT(1), -PAGES(1), VM_LOCKED);
	EXPECT_MAP(mm, "AAAA");
}

Test(mmap, failed_may_have_cut)
{
	struct mmap_call c = { .addr = AT(2), .len = PAGES(9), .flags = MAP_FIXED };

	map_draw(mm, "AAAA RR");
	mm_mmap_failed(mm, &c);
	EXPECT_GUESSES(mm, "****");
}

Test(munmap, everything)
{
	map_draw(mm, "AARRNNXXAARRFFGGSSWW");
	mm_munmap(mm, 0, PAGE_MASK);
	EXPECT_MAP(mm, "");
	cr_expect_eq(mm->map_count, 0);
	cr_expect_eq(mm->total_vm, 0);
	cr_expect(mm->root == NULL);
}

/* --- mprotect ---------------------------------------------------------------------- */

Test(mprotect, middle_splits_in_three)
{
	map_draw(mm, "AAAAAA");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	EXPECT_MAP(mm, "AARRAA");
	EXPECT_GUESSES(mm, "");
}

Test(mprotect, back_again_merges_what_was_one)
{
	map_draw(mm, "AAAAAA");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	mm_mprotect(mm, AT(2), PAGES(2), RW, -1);
	EXPECT_MAP(mm, "AAAAAA");
	EXPECT_GUESSES(mm, "******");
}

Test(mprotect, never_touched_memory_merges_for_certain)
{
	map_draw(mm, "NNNNNN");
	mm_mprotect(mm, AT(0), PAGES(2), RW, -1);
	EXPECT_MAP(mm, "AANNNN");
	mm_mprotect(mm, AT(2), PAGES(2), RW, -1);
	EXPECT_MAP(mm, "AAAANN");
	EXPECT_GUESSES(mm, "");
}

Test(mprotect, strangers_do_not_merge_but_might)
{
	map_draw(mm, "AARR");
	mm_mprotect(mm, AT(2), PAGES(2), RW, -1);
	EXPECT_MAP(mm, "AAaa");
	EXPECT_GUESSES(mm, "  ?");
}

Test(mprotect, shifts_the_boundary)
{
	map_draw(mm, "NNNN");
	mm_mprotect(mm, AT(0), PAGES(1), RW, -1);
	mm_mprotect(mm, AT(1), PAGES(1), RW, -1);
	EXPECT_MAP(mm, "AANN");
	EXPECT_GUESSES(mm, "");
}

Test(mprotect, what_was_touched_stays_charged)
{
	map_draw(mm, "NNNN");
	mm_mprotect(mm, AT(0), PAGES(2), RW, -1);
	mm_mprotect(mm, AT(0), PAGES(4), PROT_NONE, -1);
	EXPECT_MAP(mm, "NNnn");
	EXPECT_GUESSES(mm, "  ?");
}

Test(mprotect, stops_at_a_hole)
{
	map_draw(mm, "AA AA");
	mm_mprotect(mm, AT(0), PAGES(5), PROT_READ, -1);
	EXPECT_MAP(mm, "RR AA");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	EXPECT_MAP(mm, "RR AA");
}

Test(mprotect, several_areas_in_order)
{
	map_draw(mm, "NNXXAARR");
	mm_mprotect(mm, AT(0), PAGES(8), PROT_NONE, -1);
	EXPECT_MAP(mm, "NNNNnnNN");
}

Test(mprotect, a_written_text_page_stays_apart)
{
	map_draw(mm, "FFF");
	mm_mprotect(mm, AT(1), PAGES(1), RW, -1);
	EXPECT_MAP(mm, "FWF");
	mm_mprotect(mm, AT(1), PAGES(1), PROT_READ, -1); /* keeps VM_ACCOUNT */
	EXPECT_MAP(mm, "FfF");
	EXPECT_GUESSES(mm, "");
}

Test(mprotect, keys_are_kept_by_mprotect_and_set_by_pkey_mprotect)
{
	map_draw(mm, "AAAA");
	mm_mprotect(mm, AT(0), PAGES(2), RW, 3);
	EXPECT_MAP(mm, "AAaa");
	EXPECT_GUESSES(mm, "");
	mm_mprotect(mm, AT(0), PAGES(2), PROT_READ, -1);
	cr_expect_eq((find_vma(mm, AT(0))->vm_flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT, 3);
}

Test(mprotect, growsdown_reaches_down_to_the_start)
{
	struct mmap_call c = { .addr = AT(0), .len = PAGES(4), .prot = RW };

	c.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN;
	mm_mmap(mm, &c);
	mm_mprotect(mm, AT(3), PAGES(1), PROT_READ | PROT_GROWSDOWN, -1);
	EXPECT_MAP(mm, "RRRR");
}

Test(mprotect, a_piece_cut_off_has_a_certain_start)
{
	map_draw(mm, "AARRRR");
	mm_mprotect(mm, AT(2), PAGES(4), PROT_READ | PROT_WRITE, -1);
	EXPECT_GUESSES(mm, "  ?");
	mm_mprotect(mm, AT(3), PAGES(1), PROT_READ, -1);
	EXPECT_MAP(mm, "AAaRAA");
	EXPECT_GUESSES(mm, "  ?");
}

/* --- brk --------------------------------------------------------------------------- */

static void heap_at(unsigned long start)
{
	mm->start_brk = mm->brk = start;
}

Test(brk, grows_and_shrinks)
{
	heap_at(AT(1) + 100);
	mm_brk(mm, AT(3));
	EXPECT_MAP(mm, "  A");
	mm_brk(mm, AT(6) + 1);
	EXPECT_MAP(mm, "  AAAAA");
	EXPECT_GUESSES(mm, "");
	cr_expect_str_eq(vma_name(mm, find_vma(mm, AT(2))), "[heap]");
	mm_brk(mm, AT(4) - 1);
	EXPECT_MAP(mm, "  AA");
	mm_brk(mm, AT(4));
	EXPECT_MAP(mm, "  AA");
	mm_brk(mm, AT(1) + 100);
	EXPECT_MAP(mm, "");
}

Test(brk, a_registered_heap_merges_once_its_tail_is_registered)
{
	unsigned long start, end;

	heap_at(AT(0));
	mm_brk(mm, AT(2));
	mm_set_uffd(mm, AT(0), AT(2), true);
	mm_brk(mm, AT(4));
	EXPECT_MAP(mm, "UUAA");
	cr_assert(mm_next_to_register(mm, AT(0), AT(9), &start, &end));
	cr_expect_eq(start, AT(2));
	cr_expect_eq(end, AT(4));
	mm_set_uffd(mm, start, end, true);
	EXPECT_MAP(mm, "UUUU");
	EXPECT_GUESSES(mm, "");
}

Test(brk, an_area_that_ends_at_start_brk_is_not_the_heap)
{
	map_draw(mm, "AA");
	heap_at(AT(2));
	mm_brk(mm, AT(3));
	EXPECT_MAP(mm, "AAa");
	EXPECT_GUESSES(mm, "");
}

Test(brk, below_the_start_is_refused)
{
	heap_at(AT(2));
	mm_brk(mm, AT(3));
	mm_brk(mm, AT(1));
	EXPECT_MAP(mm, "  A");
}

/* --- mremap ------------------------------------------------------------------------ */

Test(mremap, shrinks_and_expands_in_place)
{
	map_draw(mm, "AAAA");
	mm_mremap(mm, AT(0), PAGES(4), AT(0), PAGES(2), 0);
	EXPECT_MAP(mm, "AA");
	mm_mremap(mm, AT(0), PAGES(2), AT(0), PAGES(5), 0);
	EXPECT_MAP(mm, "AAAAA");
	EXPECT_GUESSES(mm, "");
	cr_expect_eq(mm->total_vm, 5);
}

Test(mremap, expanding_keeps_the_registration)
{
	map_draw(mm, "UU");
	mm_mremap(mm, AT(0), PAGES(2), AT(0), PAGES(3), 0);
	EXPECT_MAP(mm, "UUU");
}

Test(mremap, expanding_up_to_a_neighbour_may_merge)
{
	map_draw(mm, "AA AA");
	mm_mremap(mm, AT(0), PAGES(2), AT(0), PAGES(3), 0);
	EXPECT_MAP(mm, "AAAaa");
	EXPECT_GUESSES(mm, "   ?");
}

Test(mremap, moves_and_resizes)
{
	map_draw(mm, "AA");
	mm_mremap(mm, AT(0), PAGES(2), AT(4), PAGES(3), MREMAP_MAYMOVE);
	EXPECT_MAP(mm, "    AAA");
	mm_mremap(mm, AT(4), PAGES(3), AT(0), PAGES(1), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "A");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, moving_a_part_splits_the_source_and_drops_the_registration)
{
	map_draw(mm, "UUUU");
	mm_mremap(mm, AT(1), PAGES(2), AT(6), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "U  U  AA");
}

Test(mremap, fixed_overwrites_its_target)
{
	map_draw(mm, "AA NNNN");
	mm_mremap(mm, AT(0), PAGES(2), AT(4), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "   NAAN");
}

Test(mremap, dontunmap_leaves_an_unlocked_source)
{
	map_draw(mm, "LL");
	mm_mremap(mm, AT(0), PAGES(2), AT(4), PAGES(2),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	EXPECT_MAP(mm, "AA  LL");
	/* The kernel's counter keeps what it was not told of, until fork. */
	cr_expect_eq(mm->locked_vm, 4);
	cr_expect_eq(mm->locked_lost, 2);
	mm_dup(mm);
	cr_expect_eq(mm->locked_vm, 0);
}

Test(mremap, a_move_of_several_that_failed_forgets_the_target)
{
	map_draw(mm, "AAU  AAA");
	mm_mremap_failed(mm, AT(0), PAGES(3), AT(5), PAGES(3),
			 MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "AAU");
	map_draw(mm, "     AAA");
	mm_mremap_failed(mm, AT(0), PAGES(2), AT(5), PAGES(2),
			 MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "AAU  AAA");
}

Test(mremap, old_length_zero_makes_a_second_view)
{
	map_draw(mm, "SS");
	mm_mremap(mm, AT(0), 0, AT(4), PAGES(2), MREMAP_MAYMOVE);
	EXPECT_MAP(mm, "SS  SS");
	cr_expect_eq(find_vma(mm, AT(0))->vm_file, find_vma(mm, AT(4))->vm_file);
	cr_expect_eq(find_vma(mm, AT(4))->vm_pgoff, 0);
}

Test(mremap, untouched_memory_takes_the_offset_of_its_new_place)
{
	map_draw(mm, "NN  NN");
	mm_mremap(mm, AT(0), PAGES(2), AT(2), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "  NNNN");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, touched_memory_keeps_its_offset)
{
	map_draw(mm, "AA    AA");
	mm_mremap(mm, AT(0), PAGES(2), AT(4), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "    AAaa");
	EXPECT_GUESSES(mm, "      ?");
}

Test(mremap, several_areas_keep_their_distances)
{
	map_draw(mm, "AAN RR");
	mm_mremap(mm, AT(0), PAGES(6), AT(10), PAGES(6), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "          AAN RR");
}

/* What needs one area shows that there is one, where two were a guess. */
Test(mremap, what_expands_in_place_is_one_area)
{
	map_draw(mm, "AA AA AA");
	map_mmap(mm, 2, 1, 'A');
	map_mmap(mm, 5, 1, 'A');
	EXPECT_GUESSES(mm, "   ?  ?");
	mm_mremap(mm, AT(1), PAGES(7), AT(1), PAGES(9), 0);
	EXPECT_MAP(mm, "AAAAAAAAAA");
	EXPECT_GUESSES(mm, "");
	cr_expect_eq(mm->total_vm, 10);
}

Test(mremap, what_expands_in_place_says_nothing_of_what_is_before)
{
	map_draw(mm, "AA AA AA");
	map_mmap(mm, 2, 1, 'A');
	map_mmap(mm, 5, 1, 'A');
	mm_mremap(mm, AT(4), PAGES(4), AT(4), PAGES(5), 0);
	EXPECT_MAP(mm, "AAAaaaaaa");
	EXPECT_GUESSES(mm, "   ?");
}

Test(mremap, what_moves_and_changes_its_size_is_one_area)
{
	map_draw(mm, "LLllLL");
	EXPECT_GUESSES(mm, "  ?");
	mm_mremap(mm, AT(1), PAGES(4), AT(8), PAGES(5), MREMAP_MAYMOVE);
	EXPECT_MAP(mm, "L    L  LLLLL");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, what_moves_and_gets_shorter_is_one_area_as_far_as_it_is_left)
{
	map_draw(mm, "AA AA RR");
	map_mmap(mm, 2, 1, 'A');
	mm_mremap(mm, AT(0), PAGES(8), AT(10), PAGES(4), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "          AAAA");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, what_dontunmap_leaves_is_one_area)
{
	map_draw(mm, "AAaa");
	mm_mremap(mm, AT(0), PAGES(4), AT(6), PAGES(4),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	EXPECT_MAP(mm, "AAAA  AAAA");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, a_fixed_move_may_be_of_several_areas)
{
	map_draw(mm, "AAaa");
	mm_mremap(mm, AT(0), PAGES(4), AT(6), PAGES(4), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "      AAaa");
	EXPECT_GUESSES(mm, "        ?");
}

/* vma_multi_allowed() */
Test(mremap, a_fixed_move_is_of_one_area_if_that_is_registered)
{
	map_draw(mm, "UUuu");
	EXPECT_GUESSES(mm, "  ?");
	mm_mremap(mm, AT(0), PAGES(4), AT(6), PAGES(4), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "      AAAA");
	EXPECT_GUESSES(mm, "");
}

Test(mremap, what_is_cut_may_be_of_several_areas)
{
	map_draw(mm, "AAaaAA");
	mm_mremap(mm, AT(0), PAGES(6), AT(0), PAGES(3), 0);
	EXPECT_MAP(mm, "AAa");
	EXPECT_GUESSES(mm, "  ?");
}

static bool lock_is_known(unsigned int column)
{
	return !(find_vma(mm, AT(column))->known & VMA_UNSURE_WHOLE);
}

/* The kernel unlocks the whole area that the source is a part of, if it is one. */
Test(mremap, dontunmap_may_have_unlocked_the_neighbours)
{
	map_draw(mm, "LL LL LL");
	map_mmap(mm, 2, 1, 'L');
	map_mmap(mm, 5, 1, 'L');
	EXPECT_GUESSES(mm, "   ?  ?");
	mm_mremap(mm, AT(0), PAGES(2), AT(10), PAGES(2),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	EXPECT_MAP(mm, "AAALLLll  LL");
	cr_expect(lock_is_known(0) && lock_is_known(10));
	cr_expect(!lock_is_known(3) && !lock_is_known(6));
}

Test(mremap, dontunmap_may_not_have_unlocked_all_that_was_merged)
{
	map_draw(mm, "LLLLLL");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	mm_mprotect(mm, AT(2), PAGES(2), RW, -1);
	EXPECT_GUESSES(mm, "******");
	mm_mremap(mm, AT(0), PAGES(1), AT(10), PAGES(1),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	EXPECT_MAP(mm, "AAAAAA    L");
	cr_expect(!lock_is_known(0));
	mm_mremap(mm, AT(10), PAGES(1), AT(12), PAGES(1),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	cr_expect(lock_is_known(12));
}

/* --- mlock, madvise ---------------------------------------------------------------- */

Test(mlock, splits_counts_and_merges_again)
{
	map_draw(mm, "AAAAAA");
	mm_mlock(mm, AT(2) + 5, PAGES(1), VM_LOCKED);
	EXPECT_MAP(mm, "AALLAA");
	cr_expect_eq(mm->locked_vm, 2);
	mm_mlock(mm, AT(2), PAGES(2), 0);
	EXPECT_MAP(mm, "AAAAAA");
	cr_expect_eq(mm->locked_vm, 0);
}

Test(mlock, all_current_and_none)
{
	map_draw(mm, "AA AA");
	mm_mlockall(mm, MCL_CURRENT);
	EXPECT_MAP(mm, "LL LL");
	cr_expect_eq(mm->locked_vm, 4);
	mm_mlockall(mm, 0);
	EXPECT_MAP(mm, "AA AA");
	cr_expect_eq(mm->def_flags, 0);
}

Test(mlock, special_areas_are_not_locked)
{
	const struct area_desc vdso = { .start = AT(0),
					.end = AT(1),
					.vm_flags = VM_READ | VM_EXEC,
					.name = "[vdso]" };

	mm_import(mm, &vdso, TRACK_SPECIAL);
	mm_mlockall(mm, MCL_CURRENT);
	cr_expect_eq(mm->locked_vm, 0);
}

Test(madvise, skips_holes_and_ignores_other_advice)
{
	map_draw(mm, "AA AA");
	mm_madvise(mm, AT(1), PAGES(3), MADV_DONTFORK);
	EXPECT_MAP(mm, "AD DA");
	mm_madvise(mm, AT(0), PAGES(5), MADV_DONTNEED);
	mm_madvise(mm, AT(0), PAGES(5), 4711);
	EXPECT_MAP(mm, "AD DA");
	mm_madvise(mm, AT(0), PAGES(5), MADV_DOFORK);
	EXPECT_MAP(mm, "AA AA");
}

Test(madvise, stops_where_the_kernel_refuses)
{
	map_draw(mm, "AFA");
	mm_madvise(mm, AT(0), PAGES(3), MADV_WIPEONFORK);
	cr_expect(find_vma(mm, AT(0))->vm_flags & VM_WIPEONFORK);
	cr_expect(!(find_vma(mm, AT(2))->vm_flags & VM_WIPEONFORK));
}

Test(madvise, huge_pages_are_not_registered)
{
	unsigned long start, end;

	map_draw(mm, "AA");
	mm_madvise(mm, AT(0), PAGES(2), MADV_HUGEPAGE);
	cr_expect(!mm_next_to_register(mm, AT(0), AT(9), &start, &end));
	mm_madvise(mm, AT(0), PAGES(2), MADV_NOHUGEPAGE);
	cr_expect(mm_next_to_register(mm, AT(0), AT(9), &start, &end));
}

/* --- userfaultfd ------------------------------------------------------------------- */

Test(uffd, part_of_an_area)
{
	map_draw(mm, "AAAAAA");
	mm_set_uffd(mm, AT(2), AT(4), true);
	EXPECT_MAP(mm, "AAUUAA");
	mm_set_uffd(mm, AT(0), AT(6), true);
	EXPECT_MAP(mm, "UUUUUU");
	mm_set_uffd(mm, AT(0), AT(3), false);
	EXPECT_MAP(mm, "AAAUUU");
}

Test(uffd, the_program_s_own_registration_splits)
{
	map_draw(mm, "AAAAAA");
	mm_set_track(mm, AT(2), AT(4), TRACK_PROGRAM_UFFD);
	EXPECT_MAP(mm, "AAaaAA");
	cr_expect_eq(find_vma(mm, AT(2))->reason, TRACK_PROGRAM_UFFD);
	cr_expect_eq(find_vma(mm, AT(0))->policy, POLICY_OWN);
	mm_set_uffd(mm, AT(2), AT(4), false);
	EXPECT_MAP(mm, "AAAAAA");
}

Test(uffd, track_unregisters)
{
	unsigned long start, end;

	map_draw(mm, "UUUU");
	mm_set_track(mm, AT(0), AT(4), TRACK_REFUSED);
	EXPECT_MAP(mm, "AAAA");
	cr_expect(!mm_next_to_register(mm, AT(0), AT(9), &start, &end));
}

Test(uffd, registered_at_once_is_merged_for_certain)
{
	map_draw(mm, "UU");
	map_mmap(mm, 2, 2, 'U');
	EXPECT_MAP(mm, "UUUU");
	EXPECT_GUESSES(mm, "");
}

Test(uffd, registered_later_it_may_have_been_touched)
{
	map_draw(mm, "UUAA X");
	mm_set_uffd(mm, AT(2), AT(4), true);
	EXPECT_MAP(mm, "UUuu X");
	EXPECT_GUESSES(mm, "  ?");
}

/* --- fork -------------------------------------------------------------------------- */

Test(dup, what_a_child_gets)
{
	map_draw(mm, "AADDUULL");
	find_vma(mm, AT(4))->stat->faults = 7;
	mm->def_flags = VM_LOCKED;
	mm_dup(mm);
	EXPECT_MAP(mm, "AA  AAaa");
	cr_expect_eq(mm->locked_vm, 0);
	cr_expect_eq(mm->def_flags, 0);
	cr_expect_eq(mm->map_count, 3);
	cr_expect_eq(find_vma(mm, AT(4))->stat->faults, 0);
	cr_expect_eq(find_vma(mm, AT(4))->policy, POLICY_OWN);
}

Test(dup, inherited_memory_does_not_merge_with_new)
{
	map_draw(mm, "AA");
	mm_dup(mm);
	map_mmap(mm, 2, 2, 'A');
	EXPECT_MAP(mm, "AAaa");
	EXPECT_GUESSES(mm, "  ?");
}

Test(dup, pieces_of_inherited_memory_merge_again)
{
	map_draw(mm, "AAAA");
	mm_dup(mm);
	mm_mprotect(mm, AT(1), PAGES(1), PROT_READ, -1);
	mm_mprotect(mm, AT(1), PAGES(1), RW, -1);
	EXPECT_MAP(mm, "AAAA");
	EXPECT_GUESSES(mm, "****");
}

Test(dup, pieces_split_before_the_fork_do_not)
{
	map_draw(mm, "AAAA");
	mm_mprotect(mm, AT(1), PAGES(1), PROT_READ, -1);
	mm_dup(mm);
	mm_mprotect(mm, AT(1), PAGES(1), RW, -1);
	EXPECT_MAP(mm, "AaAA");
	EXPECT_GUESSES(mm, " ??");
}
