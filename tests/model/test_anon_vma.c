// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * anon_vmas through fork, split, merge and mremap. The random test follows pages, not
 * areas: wherever a page that was once made is now, its area must still be linked to the
 * anon_vma it was made for, and have the page at the same index.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/anon_vma.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"
#include "tests/model/mman.h"

#define RW (PROT_READ | PROT_WRITE)

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(4);
	mm->id = (struct mm_id){ .pid = 1, .born = 1000 };
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(anon_vma, .init = setup, .fini = teardown, .timeout = 60);

static void fork_once(void)
{
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_dup(mm);
	mm->id.pid++;
	mm->id.born++;
	cr_assert_null(validate_mm(mm), "%s", validate_mm(mm));
}

/* "2.5 1.1": mm_struct and number of each, own first. */
static const char *chain_at(int column)
{
	struct anon_id id[ANON_VMA_DEPTH + 1];
	struct vm_area_struct *vma = find_vma(mm, AT(column));
	unsigned int n = anon_vma_chain(mm, vma, id);
	static char text[200];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d.%u",
					i ? " " : "", id[i].mm.pid, id[i].serial);
	return text;
}

Test(anon_vma, a_child_has_its_own_and_its_parents)
{
	map_draw(mm, "AA R");
	cr_expect_str_eq(chain_at(0), "1.1");
	fork_once();
	cr_expect_str_eq(chain_at(0), "2.3 1.1");
	fork_once();
	cr_expect_str_eq(chain_at(0), "3.5 2.3 1.1");
	cr_expect_str_eq(chain_at(3), "3.6 2.4 1.2");
	cr_expect_eq(mm->anon_vma_cache.nr_active, 4);
}

Test(anon_vma, untouchable_and_shared_memory_has_none)
{
	map_draw(mm, "NN SS AA");
	fork_once();
	cr_expect_str_eq(chain_at(0), "");
	cr_expect_str_eq(chain_at(3), "");
	cr_expect_str_eq(chain_at(6), "2.2 1.1");
}

Test(anon_vma, wiped_memory_inherits_nothing)
{
	map_draw(mm, "AAAA");
	mm_madvise(mm, AT(0), PAGES(2), 18 /* MADV_WIPEONFORK */);
	fork_once();
	cr_expect_str_eq(chain_at(0), "2.2");
	cr_expect_str_eq(chain_at(2), "2.3 1.1");
}

Test(anon_vma, pieces_of_an_area_share_the_object)
{
	map_draw(mm, "AAAAAA");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	fork_once();
	EXPECT_MAP(mm, "AARRAA");
	cr_expect_eq(mm->anon_vma_cache.nr_active, 1);
	cr_expect_str_eq(chain_at(2), "2.3 1.1");
	cr_expect_str_eq(chain_at(4), "2.4 1.1");
	mm_munmap(mm, AT(0), PAGES(6));
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	cr_expect_eq(mm->anon_vma_cache.nr_active, 0);
}

Test(anon_vma, dontunmap_leaves_an_area_without)
{
	map_draw(mm, "AA");
	fork_once();
	cr_assert_eq(mm_prepare_mremap(mm, AT(0), PAGES(2), AT(8), PAGES(2)), 0);
	mm_mremap(mm, AT(0), PAGES(2), AT(8), PAGES(2),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	cr_expect_str_eq(chain_at(8), "2.2 1.1");
	cr_expect_null(strchr(chain_at(0), ' '));
}

Test(anon_vma, a_long_line_of_forks_keeps_the_nearest_and_the_root)
{
	struct anon_id root = { .mm = mm->id, .serial = 1 };

	map_draw(mm, "AAA");
	for (int i = 0; i < 50; i++) {
		fork_once();
		cr_expect(anon_vma_linked(mm, find_vma(mm, AT(0)), &root));
	}
	cr_expect_str_eq(chain_at(0), "51.51 50.50 49.49 48.48 47.47 46.46 45.45 44.44 "
				      "1.1");
	cr_expect_leq(mm->anon_vma_cache.nr_active - mm->anon_vma_cache.nr_deferred,
		      ANON_VMA_DEPTH);
}

Test(anon_vma, without_memory_ancestors_are_forgotten_and_counted)
{
	static char boot[64 << 10] __attribute__((aligned(PAGE_SIZE)));
	struct mmap_call c = { .len = PAGE_SIZE,
			       .prot = RW,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS };
	static struct mm_struct small;

	mm_init(&small, boot, sizeof(boot));
	for (c.addr = 0x10000; !small.blind; c.addr += 2 * PAGE_SIZE)
		mm_mmap(&small, &c);
	mm_dup(&small);
	cr_expect_gt(small.anon_lost, 0);
	cr_expect_null(validate_mm(&small), "%s", validate_mm(&small));
}

/* --- pages ------------------------------------------------------------------------- */

#define COLUMNS 48
#define NR_OPS	600

/* What each page of this process was made for; serial 0: there is none. */
struct made {
	struct anon_id id;
	unsigned long index;
};

static struct made page[COLUMNS];

static void touch(int column)
{
	struct anon_id id[ANON_VMA_DEPTH + 1];
	struct vm_area_struct *vma = find_vma(mm, AT(column));

	if (!vma || vma->vm_start > AT(column) || !(vma->vm_flags & VM_WRITE) ||
	    !anon_vma_chain(mm, vma, id))
		return;
	page[column].id = id[0];
	page[column].index = linear_page_index(vma, AT(column));
}

static void random_move(struct rng *r)
{
	int from = (int)rng_below(r, COLUMNS), len = 1 + (int)rng_below(r, 6);
	int to = (int)rng_below(r, COLUMNS);
	struct vm_area_struct *vma = find_vma(mm, AT(from));

	if (!vma || vma->vm_start > AT(from) || vma->vm_end < AT(from + len) ||
	    to + len > COLUMNS || from + len > COLUMNS || abs(to - from) < len)
		return;
	cr_assert_eq(mm_prepare_mremap(mm, AT(from), PAGES(len), AT(to), PAGES(len)), 0);
	mm_mremap(mm, AT(from), PAGES(len), AT(to), PAGES(len),
		  MREMAP_MAYMOVE | MREMAP_FIXED);
	memcpy(&page[to], &page[from], (size_t)len * sizeof(page[0]));
	memset(&page[from], 0, (size_t)len * sizeof(page[0]));
}

static void random_range(struct rng *r)
{
	int from = (int)rng_below(r, COLUMNS), len = 1 + (int)rng_below(r, 8);

	len = from + len > COLUMNS ? COLUMNS - from : len;
	cr_assert_eq(mm_prepare(mm, AT(from), PAGES(len)), 0);
	switch (rng_below(r, 4)) {
	case 0:
		mm_munmap(mm, AT(from), PAGES(len));
		memset(&page[from], 0, (size_t)len * sizeof(page[0]));
		break;
	case 1:
		map_mmap(mm, (unsigned int)from, (unsigned int)len, 'A');
		memset(&page[from], 0, (size_t)len * sizeof(page[0]));
		break;
	case 2:
		mm_mprotect(mm, AT(from), PAGES(len), PROT_READ, -1);
		break;
	default:
		mm_mprotect(mm, AT(from), PAGES(len), RW, -1);
	}
}

static void check_pages(unsigned long seed, int op)
{
	for (int i = 0; i < COLUMNS; i++) {
		const struct vm_area_struct *vma = find_vma(mm, AT(i));
		unsigned long addr = 0;

		if (!page[i].id.serial)
			continue;
		cr_assert(vma && vma->vm_start <= AT(i), "SMM_SEED=%#lx op %d: column %d",
			  seed, op, i);
		cr_assert(anon_vma_linked(mm, vma, &page[i].id),
			  "SMM_SEED=%#lx op %d: column %d is not linked to %d.%u but %s",
			  seed, op, i, page[i].id.mm.pid, page[i].id.serial, chain_at(i));
		cr_assert(vma_address(vma, page[i].index, &addr) && addr == AT(i),
			  "SMM_SEED=%#lx op %d: column %d: index", seed, op, i);
	}
	cr_assert_null(validate_mm(mm), "SMM_SEED=%#lx op %d: %s", seed, op,
		       validate_mm(mm));
}

static void run(unsigned long seed)
{
	struct rng r = { .state = seed };
	int forks = 0;

	memset(page, 0, sizeof(page));
	for (int op = 0; op < NR_OPS; op++) {
		unsigned long what = rng_below(&r, 100);

		if (what < 1 && forks++ < ANON_VMA_DEPTH - 1)
			fork_once();
		else if (what < 40)
			touch((int)rng_below(&r, COLUMNS));
		else if (what < 50)
			random_move(&r);
		else
			random_range(&r);
		check_pages(seed, op);
	}
}

Test(anon_vma, every_page_is_found_by_what_it_was_made_for)
{
	unsigned long seed = seed_from_env(0xa11a5);

	for (unsigned long i = 0; i < 200; i++) {
		run(seed + i);
		map_destroy(mm);
		setup();
	}
}
