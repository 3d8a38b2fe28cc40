// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which areas have their writes tracked, and how that splits and merges them. */
#include <criterion/criterion.h>
#include <linux/mman.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"

#define RW (PROT_READ | PROT_WRITE)

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(2);
	mm->track_dirty = true;
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(dirty, .init = setup, .fini = teardown, .timeout = 10);

/* Pages [column, column + pages) of one open file at the same columns. */
static void map_file(unsigned int column, unsigned int pages, unsigned int mode,
		     unsigned long prot, unsigned long flags)
{
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = prot,
			       .flags = flags | MAP_FIXED,
			       .pgoff = column };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	c.file = vma_file_get(mm, 8, 1, 1, "/f");
	c.file->mode = (u8)mode;
	c.file->mode_known = true;
	mm_mmap(mm, &c);
}

/* As the engine does. */
static unsigned int track_all(void)
{
	unsigned long start = 0, end;
	unsigned int n = 0;

	while (mm_next_to_track(mm, start, ~0UL & PAGE_MASK, &start, &end)) {
		cr_assert_eq(mm_prepare(mm, start, end - start), 0);
		mm_set_tracked(mm, start, end);
		start = end;
		n++;
	}
	return n;
}

static unsigned long areas(void)
{
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	return mm->map_count;
}

static bool is_tracked(unsigned int column)
{
	const unsigned long flags = VM_UFFD_TRACK | VM_UFFD_WP;

	return (find_vma(mm, AT(column))->vm_flags & VM_UFFD_FLAGS) == flags;
}

Test(dirty, shared_files_only)
{
	map_draw(mm, "AA SS FF");
	map_file(10, 2, 0, RW, MAP_PRIVATE);
	map_file(13, 2, FILE_READONLY, PROT_READ, MAP_SHARED);
	map_file(16, 2, FILE_SEALED, PROT_READ, MAP_SHARED);
	map_file(19, 2, FILE_SHMEM, RW, MAP_SHARED);
	map_file(22, 2, FILE_HUGE, RW, MAP_SHARED);
	cr_expect_eq(track_all(), 0);
	map_file(25, 2, 0, RW, MAP_SHARED);
	map_file(28, 2, 0, PROT_READ, MAP_SHARED); /* may become writable */
	mm->track_dirty = false;
	cr_expect_eq(track_all(), 0);
	mm->track_dirty = true;
	cr_expect_eq(track_all(), 2);
	cr_expect_eq(track_all(), 0, "once is enough");
	cr_expect(is_tracked(25));
	cr_expect(is_tracked(28));
}

Test(dirty, not_what_the_program_registered)
{
	map_file(0, 4, 0, RW, MAP_SHARED);
	mm_set_program_uffd(mm, AT(0), AT(4), VM_UFFD_WP);
	cr_expect_eq(track_all(), 0);
	mm_set_program_uffd(mm, AT(0), AT(4), 0);
	cr_expect_eq(track_all(), 1);
}

/* A piece has what the area has, and joins it again. */
Test(dirty, pieces)
{
	map_file(0, 8, 0, RW, MAP_SHARED);
	track_all();
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	cr_expect_eq(areas(), 3);
	cr_expect(is_tracked(0) && is_tracked(2) && is_tracked(4));
	cr_expect_eq(track_all(), 0);
	mm_mprotect(mm, AT(2), PAGES(2), RW, -1);
	cr_expect_eq(areas(), 1);
	mm_munmap(mm, AT(0), PAGES(3));
	cr_expect(is_tracked(3));
}

Test(dirty, moved)
{
	map_file(0, 4, 0, RW, MAP_SHARED);
	track_all();
	mm_mremap(mm, AT(0), PAGES(4), AT(20), PAGES(4), MREMAP_MAYMOVE | MREMAP_FIXED);
	cr_expect_not(mm_next_tracked(mm, 0, ~0UL), "the kernel has forgotten it");
	cr_expect_eq(track_all(), 1);
	cr_expect_eq(mm_next_tracked(mm, 0, ~0UL)->vm_start, AT(20));
	cr_expect_not(mm_next_tracked(mm, AT(24), ~0UL));
	cr_expect_not(mm_next_tracked(mm, 0, AT(20)));
}

Test(dirty, forked)
{
	map_file(0, 4, 0, RW, MAP_SHARED);
	track_all();
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_dup(mm);
	cr_expect_not(mm_next_tracked(mm, 0, ~0UL));
	cr_expect_eq(track_all(), 1);
}

Test(dirty, ended)
{
	map_file(0, 4, 0, RW, MAP_SHARED);
	track_all();
	mm_set_uffd(mm, AT(0), AT(4), false);
	cr_expect_not(mm_next_tracked(mm, 0, ~0UL));
	cr_expect_eq(find_vma(mm, AT(0))->vm_flags & VM_UFFD_FLAGS, 0);
}
