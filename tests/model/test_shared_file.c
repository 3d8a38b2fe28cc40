// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared mappings of files that are ours (lib/mm/shared_file.c).
 *
 *	column	0	 8	    30	     38
 *	before	[ file	 ]
 *	ours	[ frames ]	    [ file   ]	the program's own vma_file
 *	again	[ file	 ]
 */
#include <criterion/criterion.h>
#include <linux/mman.h>

#include "lib/mm/address_space.h"
#include "lib/mm/cow.h"
#include "lib/mm/fault_around.h"
#include "lib/mm/vma.h"
#include "tests/model/map.h"

#define FILE_PAGES 6UL
#define BOTH	   (PROT_READ | PROT_WRITE)

static struct mm_struct *mm;
static struct address_space *mapping;
static struct vma_file *file;

static void setup(void)
{
	mm = map_new(2);
	mm->own_shared_files = true;
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(shared_file, .init = setup, .fini = teardown, .timeout = 10);

static const struct vm_area_struct *map(unsigned long column, unsigned long pages,
					unsigned long prot, unsigned long flags)
{
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = prot,
			       .flags = flags | MAP_FIXED };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	file = c.file = vma_file_get(mm, 8, 1, 1, "/f");
	file->mode_known = true;
	mm_mmap(mm, &c);
	return find_vma(mm, c.addr);
}

static void convert(void)
{
	const struct file_key key = { .ino = 1, .size = PAGES(FILE_PAGES) - 1 };

	map(0, 8, BOTH, MAP_SHARED);
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(8)) + mm_prepare_mapping(mm), 0);
	mapping = mapping_new(mm, &key);
	mapping->written = true;
	mm->nr_written++;
	mm_map_file(mm, AT(0), AT(8), AT(30),
		    vma_file_get(mm, 0, 1, MAP_FRAMES, "/memfd:frames (deleted)"),
		    mapping);
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(8)), 0);
	mm_set_uffd(mm, AT(0), AT(8), true);
}

Test(shared_file, which_are_wanted)
{
	mm->min_own = PAGES(2);
	cr_expect_eq(map(0, 8, BOTH, MAP_SHARED)->reason, TRACK_FILE_WANTED);
	cr_expect_eq(map(10, 8, PROT_READ, MAP_SHARED)->reason, TRACK_FILE);
	cr_expect_eq(map(20, 1, BOTH, MAP_SHARED)->reason, TRACK_FILE);
	cr_expect_eq(map(30, 8, BOTH, MAP_SHARED | MAP_POPULATE)->reason, TRACK_FILE);
	cr_expect_eq(map(40, 8, BOTH, MAP_PRIVATE)->reason, TRACK_FILE);
	mm->own_shared_files = false;
	cr_expect_eq(map(50, 8, BOTH, MAP_SHARED)->reason, TRACK_FILE);
	mm->file_policy = FILES_OWN;
	cr_expect_eq(map(60, 8, BOTH, MAP_SHARED)->reason, TRACK_FILE);
}

Test(shared_file, there_and_back)
{
	const unsigned long shared = VM_SHARED | VM_MAYSHARE;
	const unsigned long modes = VM_UFFD_MISSING | VM_UFFD_MINOR | VM_UFFD_WP;
	const struct vm_area_struct *vma;
	struct address_space *m;
	unsigned long at, len;

	convert();
	vma = find_vma(mm, AT(0));
	cr_expect(vma_host(vma) && vma->policy == POLICY_OWN);
	cr_expect_eq(vma->vm_flags & shared, shared);
	cr_expect_eq(vma->vm_flags & VM_UFFD_FLAGS, modes);
	/* The same struct file, moved aside: as such it comes back. */
	cr_expect_eq(find_vma(mm, AT(30))->vm_file, file);
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(8)), 0);
	mm_unmap_file(mm, AT(0), AT(8), TRACK_FILE_LEFT);
	vma = find_vma(mm, AT(0));
	cr_expect(vma->vm_file == file && vma->reason == TRACK_FILE_LEFT);
	cr_expect(vma->vm_start == AT(0) && vma->vm_end == AT(8));
	cr_expect_null(find_vma(mm, AT(8)));
	while (mm_next_orphan(mm, &at, &len, &m))
		if (!len && !m->refs)
			mapping_free(mm, m);
	cr_expect_eq(mm->nr_written, 0);
	cr_expect_null(validate_mm(mm));
}

Test(shared_file, a_write_makes_dirty_whatever_is_known)
{
	struct cow_streams streams = { 0 };
	struct cow_plan plan;

	convert();
	cr_expect_eq(handle_wp_fault(mm, AT(3), &streams, &plan), COW_DIRTY);
	mm->blind = true;
	cr_expect_eq(handle_wp_fault(mm, AT(3), &streams, &plan), COW_DIRTY);
	/* The kernel's: it has taken the protection off with the mapping. */
	cr_expect_eq(handle_wp_fault(mm, AT(33), &streams, &plan), COW_STALE);
	mm->blind = false;
	cr_expect_eq(handle_wp_fault(mm, AT(33), &streams, &plan), COW_STALE);
}

Test(shared_file, faults)
{
	struct fault_streams streams = { 0 };
	struct fault_plan plan;

	convert();
	cr_expect_eq(handle_mm_fault(mm, AT(3), FAULT_FLAG_WRITE, 0, &streams, &plan),
		     FAULT_FILE);
	cr_expect(plan.file.mapping == mapping && plan.file.end <= AT(FILE_PAGES));
	cr_expect_eq(handle_mm_fault(mm, AT(6), 0, 0, &streams, &plan), FAULT_RETRY);
	cr_expect_eq(handle_mm_fault(mm, AT(33), 0, 0, &streams, &plan), FAULT_STALE);
	/* It is not found for a private mapping of the same file. */
	cr_expect_null(mapping_find(mm, &mapping->key));
}
