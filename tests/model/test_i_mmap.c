// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which areas show a page of a file. validate_mm() compares the trees with the areas. */
#include <criterion/criterion.h>
#include <linux/mman.h>
#include <string.h>

#include "lib/mm/address_space.h"
#include "lib/mm/vma.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"

#define FILES 2
#define ASIDE (1UL << 20) /* columns */

static struct mm_struct *mm;
static struct address_space *mapping[FILES];

static void setup(void)
{
	mm = map_new(8);
	for (unsigned int i = 0; i < FILES; i++) {
		const struct file_key key = { .ino = 1 + i, .size = 1UL << 30 };

		cr_assert_eq(mm_prepare_mapping(mm), 0);
		mapping[i] = mapping_new(mm, &key);
	}
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(i_mmap, .init = setup, .fini = teardown, .timeout = 60);

static void map_file(unsigned int file, unsigned long column, unsigned long pages,
		     unsigned long pgoff)
{
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = PROT_READ,
			       .flags = MAP_PRIVATE | MAP_FIXED,
			       .pgoff = pgoff };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	c.file = vma_file_get(mm, 8, 1, 1 + file, "/f");
	mm_mmap(mm, &c);
	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	cr_assert_eq(mm_prepare_mapping(mm), 0);
	mm_map_file(mm, c.addr, c.addr + c.len, AT(ASIDE + column),
		    vma_file_get(mm, 0, 1, MAP_FRAMES, "/memfd:frames (deleted)"),
		    mapping[file]);
}

static void end_orphans(void)
{
	struct address_space *m;
	unsigned long at, len;

	while (mm_next_orphan(mm, &at, &len, &m)) {
		cr_assert_eq(mm_prepare(mm, at, len), 0);
		if (len)
			mm_munmap(mm, at, len);
	}
}

/* --- what is found ----------------------------------------------------------------- */

struct found {
	unsigned int nr;
	unsigned long start[8];
	const struct vm_area_struct *prev;
};

static void note(const struct vm_area_struct *vma, void *arg)
{
	struct found *f = arg;

	cr_assert(!f->prev || f->prev->vm_pgoff <= vma->vm_pgoff);
	f->prev = vma;
	if (f->nr < 8)
		f->start[f->nr] = vma->vm_start;
	f->nr++;
}

static struct found find(unsigned int file, unsigned long first, unsigned long last)
{
	struct found f = { 0 };
	int token = mm_read_lock(mm);

	i_mmap_for_each(mapping[file], first, last, note, &f);
	mm_read_unlock(mm, token);
	return f;
}

Test(i_mmap, two_views_of_a_page)
{
	struct found f;

	map_file(0, 0, 8, 0);
	map_file(0, 20, 8, 4);
	map_file(1, 40, 8, 0);
	f = find(0, 4, 7);
	cr_assert_eq(f.nr, 2);
	cr_expect(f.start[0] == AT(0) && f.start[1] == AT(20));
	f = find(0, 8, 8);
	cr_assert_eq(f.nr, 1);
	cr_expect_eq(f.start[0], AT(20));
	cr_expect_eq(find(0, 12, ~0UL).nr, 0);
	cr_expect_eq(find(0, 0, ~0UL).nr, 2);
	cr_expect_eq(find(1, 7, 7).nr, 1);
	cr_expect(!validate_mm(mm));
}

Test(i_mmap, follows_every_change)
{
	map_file(0, 0, 8, 0);
	mm_munmap(mm, AT(3), PAGES(2));
	cr_expect_eq(find(0, 3, 4).nr, 0);
	cr_expect_eq(find(0, 2, 5).nr, 2);
	mm_mprotect(mm, AT(5), PAGES(1), PROT_READ | PROT_WRITE, -1);
	cr_expect_eq(find(0, 5, 7).nr, 2);
	mm_mprotect(mm, AT(5), PAGES(1), PROT_READ, -1);
	cr_expect_eq(find(0, 5, 7).nr, 2, "it stays charged");
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(8)), 0);
	mm_unmap_file(mm, AT(0), AT(2), TRACK_FILE_LEFT);
	cr_expect_eq(find(0, 0, 1).nr, 0);
	cr_expect_eq(find(0, 2, 2).nr, 1);
	cr_expect(!validate_mm(mm), "%s", validate_mm(mm));
}

Test(i_mmap, fork)
{
	map_file(0, 0, 8, 0);
	map_file(0, 20, 8, 0);
	mm_madvise(mm, AT(0), PAGES(4), MADV_DONTFORK);
	mm_dup(mm);
	cr_expect_eq(find(0, 0, 3).nr, 1);
	cr_expect_eq(find(0, 4, 7).nr, 2);
	cr_expect(!validate_mm(mm), "%s", validate_mm(mm));
}

/* A repair may even call it shared. */
Test(i_mmap, a_repair)
{
	struct area_desc d = { .start = AT(0),
			       .end = AT(8),
			       .vm_flags = VM_READ | VM_SHARED | VM_MAYSHARE,
			       .minor = 1,
			       .ino = MAP_FRAMES,
			       .name = "/memfd:frames (deleted)" };
	struct mm_verify v;

	map_file(0, 0, 8, 0);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	v.repair = true;
	mm_verify_area(&v, &d);
	mm_verify_end(&v);
	cr_expect_neq(v.differences, 0);
	cr_expect(!validate_mm(mm), "%s", validate_mm(mm));
	mm_munmap(mm, AT(0), PAGES(8));
	cr_expect_eq(find(0, 0, ~0UL).nr, 0);
	cr_expect(!validate_mm(mm), "%s", validate_mm(mm));
}

/* --- many -------------------------------------------------------------------------- */

static unsigned int count_by_looking(unsigned int file, unsigned long first,
				     unsigned long last)
{
	struct vm_area_struct *vma;
	struct vma_iter it;
	unsigned int n = 0;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		n += vma_host(vma) && vma_host(vma)->mapping == mapping[file] &&
		     vma->vm_pgoff <= last && vma->vm_pgoff + vma_pages(vma) > first;
	return n;
}

static void change(struct rng *r)
{
	unsigned long column = rng_below(r, 2000), pages = 1 + rng_below(r, 40);
	unsigned int kind = rng_below(r, 8);

	cr_assert_eq(mm_prepare(mm, AT(column), PAGES(pages)), 0);
	if (kind < 3)
		map_file(rng_below(r, FILES), column, pages, rng_below(r, 500));
	else if (kind < 5)
		mm_munmap(mm, AT(column), PAGES(1 + pages / 8));
	else if (kind < 7)
		mm_mprotect(mm, AT(column), PAGES(1 + pages / 8),
			    PROT_READ | (kind == 5 ? PROT_WRITE : 0), -1);
	else
		end_orphans();
}

Test(i_mmap, as_if_every_area_were_looked_at)
{
	struct rng r = { .state = seed_from_env(0x1a11) };

	for (int i = 0; i < 6000; i++) {
		unsigned int file = rng_below(&r, FILES);
		unsigned long first = rng_below(&r, 560), last = first + rng_below(&r, 9);

		change(&r);
		cr_assert_eq(find(file, first, last).nr,
			     count_by_looking(file, first, last));
		if (i % 64)
			continue;
		cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	}
	cr_expect_gt(count_by_looking(0, 0, ~0UL), 100);
	mm_munmap(mm, AT(0), PAGES(3000));
	end_orphans();
	cr_expect_eq(mm->nr_i_mmap + mm->nr_hosts, 0);
	cr_expect_eq(mapping[0]->refs + mapping[1]->refs, 0);
}

/* In order, which is the worst case of a tree that is not balanced; and back. */
Test(i_mmap, a_thousand_pieces_of_one_area)
{
	map_file(0, 0, 2000, 0);
	for (unsigned long i = 1; i < 2000; i += 2) {
		cr_assert_eq(mm_prepare(mm, AT(i), PAGES(1)), 0);
		mm_munmap(mm, AT(i), PAGES(1));
	}
	cr_expect_eq(find(0, 0, ~0UL).nr, 1000);
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	cr_expect_eq(find(0, 1001, 1009).nr, 4);
	for (unsigned long i = 0; i < 1990; i += 2)
		mm_munmap(mm, AT(i), PAGES(1));
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	cr_expect_eq(find(0, 0, ~0UL).nr, 5);
}

/* What is unmapped is not counted beforehand, so nothing but the reserve is there. */
Test(i_mmap, all_but_a_few_go_without_memory)
{
	/* In another order than their addresses: the whole tree is copied little by
	 * little. */
	for (unsigned long i = 0; i < 2000; i++)
		map_file(0, 2 * i, 1, i * 733 % 2000);
	cr_assert_eq(mm->nr_i_mmap, 2000);
	for (int i = 0; i < 3; i++)
		rcu_reap(&mm->rcu);
	cr_assert_eq(mm_prepare_unmap(mm), 0);
	while (alloc_pages(&mm->arena, 0))
		;
	while (kmem_cache_nr_free(&mm->i_mmap_cache) > mm->i_mmap_cache.reserved)
		kmem_cache_alloc(&mm->i_mmap_cache);
	mm_munmap(mm, AT(2), PAGES(3990));
	cr_expect(!mm->blind);
	cr_expect_eq(mm->nr_i_mmap, 5);
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
}

/* --- readers ----------------------------------------------------------------------- */

static unsigned int met;

/* What a reader walks through stays as it was, though all of it goes meanwhile. */
static void unmap_all(const struct vm_area_struct *vma, void *arg)
{
	unsigned long page = vma->vm_pgoff;

	(void)arg;
	cr_assert_eq(vma->vm_start, AT(page));
	cr_assert_eq(vma->vm_end, AT(page + 1));
	cr_assert_eq(vma_host(vma)->mapping, mapping[0]);
	if (!met++) {
		cr_assert_eq(mm_prepare(mm, AT(0), PAGES(64)), 0);
		mm_munmap(mm, AT(0), PAGES(64));
		end_orphans();
		map_mmap(mm, 0, 60, 'A');
		cr_assert_eq(mm->nr_i_mmap, 0);
	}
}

Test(i_mmap, a_reader_sees_one_moment)
{
	int token;

	map_file(0, 0, 64, 0);
	for (unsigned int i = 1; i < 64; i += 2)
		mm_munmap(mm, AT(i), PAGES(1));
	token = mm_read_lock(mm);
	i_mmap_for_each(mapping[0], 0, ~0UL, unmap_all, NULL);
	mm_read_unlock(mm, token);
	cr_expect_eq(met, 32);
	cr_expect_eq(find(0, 0, ~0UL).nr, 0);
}
