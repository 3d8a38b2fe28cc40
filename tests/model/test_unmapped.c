// SPDX-License-Identifier: LGPL-2.1-or-later
/* Look-ups at the edges of areas, and the search for a free place, on drawn maps. */
#include <criterion/criterion.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "lib/mm/check.h"
#include "tests/model/map.h"

TestSuite(lookup, .timeout = 10);
TestSuite(unmapped, .timeout = 10);

/* --- find_vma and its relatives ----------------------------------------------------- */

Test(lookup, an_empty_map)
{
	struct mm_struct *mm = map_new(1);
	struct vm_area_struct *prev = (void *)1;

	cr_assert(!find_vma(mm, 0));
	cr_assert(!find_vma(mm, ~0UL));
	cr_assert(!find_vma_prev(mm, 4096, &prev));
	cr_assert(!prev);
	cr_assert(!find_vma_intersection(mm, 0, ~0UL));
	map_destroy(mm);
}

Test(lookup, edges)
{
	struct mm_struct *mm = map_new(1);
	struct vm_area_struct *a, *r, *prev;

	map_draw(mm, "  AA RR");
	a = find_vma(mm, AT(2));
	r = find_vma(mm, AT(5));
	cr_assert(a && r && a != r);
	/* Address 0, the page before, the first byte, the last one. */
	cr_assert_eq(find_vma(mm, 0), a);
	cr_assert_eq(find_vma(mm, AT(2) - 1), a);
	cr_assert_eq(find_vma(mm, AT(4) - 1), a);
	/* The end does not belong to it, nor does the hole. */
	cr_assert_eq(find_vma(mm, AT(4)), r);
	cr_assert_eq(find_vma(mm, AT(5) - 1), r);
	cr_assert_eq(find_vma(mm, AT(7) - 1), r);
	cr_assert(!find_vma(mm, AT(7)));
	cr_assert(!find_vma(mm, ~0UL));

	cr_assert_eq(find_vma_prev(mm, 0, &prev), a);
	cr_assert(!prev);
	cr_assert_eq(find_vma_prev(mm, AT(3), &prev), a);
	cr_assert(!prev);
	cr_assert_eq(find_vma_prev(mm, AT(4), &prev), r);
	cr_assert_eq(prev, a);
	cr_assert_eq(find_vma_prev(mm, AT(6), &prev), r);
	cr_assert_eq(prev, a);
	cr_assert(!find_vma_prev(mm, AT(7), &prev));
	cr_assert_eq(prev, r);

	cr_assert(!find_vma_intersection(mm, 0, AT(2)));
	cr_assert_eq(find_vma_intersection(mm, 0, AT(2) + 1), a);
	cr_assert(!find_vma_intersection(mm, AT(4), AT(5)));
	cr_assert_eq(find_vma_intersection(mm, AT(4), AT(5) + 1), r);
	cr_assert_eq(find_vma_intersection(mm, AT(4) - 1, AT(7)), a);
	cr_assert(!find_vma_intersection(mm, AT(7), ~0UL));
	map_destroy(mm);
}

/* --- get_unmapped_area -------------------------------------------------------------- */

static struct mm_limits lim;
static struct check_env env;

/* The address space is columns 0 to @columns, top-down unless said otherwise. */
static struct mm_struct *space(const char *drawing, unsigned int columns)
{
	struct mm_struct *mm = map_new(1);

	map_draw(mm, drawing);
	lim = (struct mm_limits){
		.search_min_addr = AT(0),
		.task_size = 1UL << 47,
		.map_window = 1UL << 47,
		.mmap_base = AT(columns),
		.legacy_base = AT(0),
		.stack_guard_gap = PAGES(2),
		.topdown = true,
	};
	env = (struct check_env){ .mm = mm, .lim = &lim };
	return mm;
}

static unsigned long search(unsigned int pages)
{
	return (unsigned long)get_unmapped_area(&env, NULL, 0, PAGES(pages), 0,
						MAP_PRIVATE, 0);
}

static void make_stack(struct mm_struct *mm, unsigned int column, unsigned int pages)
{
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = PROT_READ | PROT_WRITE,
			       .flags = MAP_PRIVATE | 0x20 | MAP_FIXED | MAP_GROWSDOWN };

	mm_prepare(mm, c.addr, c.len);
	mm_mmap(mm, &c);
}

Test(unmapped, highest_gap)
{
	struct mm_struct *mm = space("A  A   A", 10);

	cr_assert_eq(search(2), AT(8));
	cr_assert_eq(search(3), AT(4));
	map_mmap(mm, 8, 2, 'A');
	cr_assert_eq(search(2), AT(5));
	cr_assert_eq(search(3), AT(4));
	map_destroy(mm);
}

Test(unmapped, lowest_gap)
{
	struct mm_struct *mm = space("A  A   A", 10);

	lim.topdown = false;
	cr_assert_eq(search(1), AT(1));
	cr_assert_eq(search(3), AT(4));
	cr_assert_eq(search(4), AT(8));
	lim.legacy_base = AT(2);
	cr_assert_eq(search(1), AT(2));
	cr_assert_eq(search(2), AT(4));
	map_destroy(mm);
}

Test(unmapped, bottom_up_where_top_down_finds_nothing)
{
	struct mm_struct *mm = space("AAAA", 4);

	cr_assert_eq(search(1), AT(4));
	map_destroy(mm);
}

Test(unmapped, a_stack_keeps_its_gap)
{
	struct mm_struct *mm = space("A", 10);

	make_stack(mm, 8, 2);
	cr_assert_eq(search(1), AT(5)); /* columns 6 and 7 are the gap */
	cr_assert_eq(search(5), AT(1));
	cr_assert_eq(search(6), AT(10)); /* from below, above the stack */
	lim.topdown = false;
	cr_assert_eq(search(5), AT(1));
	cr_assert_eq(search(6), AT(10));
	map_destroy(mm);
}

Test(unmapped, hints)
{
	struct mm_struct *mm = space("A    A", 10);

	cr_assert_eq(get_unmapped_area(&env, NULL, AT(2), PAGES(2), 0, MAP_PRIVATE, 0),
		     (long)AT(2));
	cr_assert_eq(get_unmapped_area(&env, NULL, AT(2), PAGES(4), 0, MAP_PRIVATE, 0),
		     (long)AT(6));
	cr_assert_eq(get_unmapped_area(&env, NULL, AT(0), PAGES(1), 0, MAP_FIXED, 0),
		     (long)AT(0));
	cr_assert_eq(get_unmapped_area(&env, NULL, lim.task_size, PAGES(1), 0, MAP_FIXED,
				       0),
		     -ENOMEM);
	map_destroy(mm);
}

/* Five-level page tables: nothing above 47 bits unless the hint is there. */
Test(unmapped, hints_above_the_window)
{
	struct mm_struct *mm = space("A", 10);
	unsigned long high = 1UL << 50;

	lim.task_size = 1UL << 56;
	cr_assert_eq(get_unmapped_area(&env, NULL, high, PAGES(1), 0, MAP_PRIVATE, 0),
		     (long)high);
	cr_assert_eq(search(1), AT(9));
	/* A hint that crosses the border is none, and one below it stays below. */
	cr_assert_eq(get_unmapped_area(&env, NULL, lim.map_window - PAGE_SIZE, PAGES(2),
				       0, MAP_PRIVATE, 0),
		     (long)AT(8));
	map_destroy(mm);
}

Test(unmapped, huge_pages_are_aligned)
{
	const unsigned long huge = 2UL << 20;
	struct mm_struct *mm = space("A", 8192);
	struct file_facts file = { .kind = KIND_THP };

	lim.thp = true;
	cr_assert_eq(search(512) & (huge - 1), 0);
	cr_assert_eq(search(1024) & (huge - 1), 0);
	cr_assert_eq(search(513), AT(8192 - 513)); /* not a multiple: no care is taken */
	/* A file's offset must be congruent, whatever the length from 2 MiB on. */
	cr_assert_eq((unsigned long)get_unmapped_area(&env, &file, 0, PAGES(1025), 3,
						      MAP_PRIVATE, 0) &
			     (huge - 1),
		     PAGES(3));
	map_destroy(mm);
}
