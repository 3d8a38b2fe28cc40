// SPDX-License-Identifier: LGPL-2.1-or-later
/* Shared memory in no file on a disk: which areas are ours, and what their faults get. */
#include <criterion/criterion.h>
#include <linux/mman.h>
#include <string.h>

#include "lib/mm/cow.h"
#include "lib/mm/fault_around.h"
#include "lib/mm/vm_ops.h"
#include "tests/model/map.h"

static struct mm_struct *mm;
static struct fault_streams streams;
static struct fault_plan plan;

static void setup(void)
{
	mm = map_new(2);
	mm->own_shmem = true;
	memset(&streams, 0, sizeof(streams));
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(shmem, .init = setup, .fini = teardown, .timeout = 10);

/* A shared mapping of a memfd, say, opened as @mode says; of 8 pages at column 0. */
static const struct vm_area_struct *map_file(unsigned int mode, unsigned long prot,
					     unsigned long flags)
{
	struct mmap_call c = { .addr = AT(0),
			       .len = PAGES(8),
			       .prot = prot,
			       .flags = MAP_SHARED | MAP_FIXED | flags };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	c.file = vma_file_get(mm, 0, 1, 5, "/memfd:x (deleted)");
	c.file->mode = (u8)mode;
	c.file->mode_known = true;
	mm_mmap(mm, &c);
	return find_vma(mm, AT(0));
}

#define RW (PROT_READ | PROT_WRITE)

static enum fault_verdict fault_at(unsigned int column, unsigned int flags,
				   unsigned int fixed)
{
	int token = mm_read_lock(mm);
	enum fault_verdict v =
		handle_mm_fault(mm, AT(column) + 17, flags, fixed, &streams, &plan);

	mm_read_unlock(mm, token);
	return v;
}

/* --- choice ------------------------------------------------------------------------ */

Test(shmem, by_mode)
{
	cr_expect_eq(map_file(FILE_SHMEM, RW, 0)->reason, TRACK_NONE);
	cr_expect_eq(map_file(FILE_SHMEM | FILE_NOEXEC, RW, 0)->reason, TRACK_NONE);
	cr_expect_eq(map_file(0, RW, 0)->reason, TRACK_FILE, "on a disk, or no room");
	cr_expect_eq(map_file(FILE_SHMEM | FILE_READONLY, PROT_READ, 0)->policy,
		     POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM | FILE_SEALED, PROT_READ, 0)->policy,
		     POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM | FILE_HUGE, RW, 0)->policy, POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM | FILE_SECRET, RW, 0)->policy, POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM, PROT_READ, 0)->policy, POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM, RW, MAP_POPULATE)->policy, POLICY_TRACK);
	cr_expect_eq(map_file(FILE_SHMEM, RW, MAP_LOCKED)->reason, TRACK_SPECIAL);
	mm->min_own = PAGES(9);
	cr_expect_eq(map_file(FILE_SHMEM, RW, 0)->policy, POLICY_TRACK);
}

Test(shmem, if_wanted)
{
	map_draw(mm, "SSSS");
	cr_expect_eq(find_vma(mm, AT(0))->reason, TRACK_NONE);
	WRITE_ONCE(mm->shmem_lost, true);
	map_draw(mm, "     SSSS");
	cr_expect_eq(find_vma(mm, AT(5))->reason, TRACK_SHARED, "there was no room");
	mm->shmem_lost = false;
	mm->own_shmem = false;
	map_draw(mm, "          SSSS");
	cr_expect_eq(find_vma(mm, AT(10))->reason, TRACK_SHARED);
	mm->own_shmem = true;
	mm->own_enabled = false;
	map_draw(mm, "               SSSS");
	cr_expect_eq(find_vma(mm, AT(15))->reason, TRACK_SHARED);
}

static bool next_to_register(unsigned long *start, unsigned long *end)
{
	return mm_next_to_register(mm, AT(0), AT(MAP_MAX), start, end);
}

Test(shmem, registered_for_missing_pages_only)
{
	unsigned long start, end;

	map_draw(mm, "SSSS AAAA");
	mm->own_wp = true;
	cr_expect_eq(mm_uffd_mode(mm, find_vma(mm, AT(0))), VM_UFFD_MISSING);
	cr_expect_eq(mm_uffd_mode(mm, find_vma(mm, AT(5))), VM_UFFD_MISSING | VM_UFFD_WP);
	mm_set_uffd(mm, AT(0), AT(4), true);
	cr_assert(next_to_register(&start, &end));
	cr_expect_eq(start, AT(5));
	EXPECT_MAP(mm, "TTTT AAAA");
}

Test(shmem, not_registered)
{
	unsigned long start, end;

	map_draw(mm, "SSSS");
	cr_expect(next_to_register(&start, &end));
	mm_madvise(mm, AT(0), PAGES(4), MADV_HUGEPAGE);
	WRITE_ONCE(mm->thp, THP_ALWAYS);
	cr_expect_not(next_to_register(&start, &end), "huge pages are the kernel's");
	mm_madvise(mm, AT(0), PAGES(4), MADV_NOHUGEPAGE);
	cr_expect(next_to_register(&start, &end));
	WRITE_ONCE(mm->shmem_lost, true);
	cr_expect_not(next_to_register(&start, &end));
}

/* The kernel's file gets its inode later; the area is what it was. */
Test(shmem, inode_adopted)
{
	const struct area_desc d = { .start = AT(0),
				     .end = AT(4),
				     .minor = 1,
				     .ino = 7,
				     .name = "/dev/zero (deleted)" };

	map_draw(mm, "TTTT");
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(4)), 0);
	mm_adopt_file(mm, &d);
	cr_expect_eq(find_vma(mm, AT(0))->vm_file->ino, 7);
	cr_expect_eq(vma_ops(find_vma(mm, AT(0))), &shmem_vm_ops);
	cr_expect_eq(fault_at(1, 0, 1), FAULT_ZERO);
}

/* A child's are its own to register, as all else. */
Test(shmem, forked)
{
	unsigned long start, end;

	map_draw(mm, "TTTT");
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_dup(mm);
	EXPECT_MAP(mm, "SSSS");
	cr_expect_eq(fault_at(1, 0, 1), FAULT_STALE);
	cr_expect(next_to_register(&start, &end));
}

/* --- faults ------------------------------------------------------------------------ */

Test(shmem, windows_stay_inside)
{
	map_draw(mm, "TTTT TTTTTTTT TT");
	cr_expect_eq(fault_at(7, FAULT_FLAG_WRITE, 8), FAULT_ZERO);
	cr_expect_eq(plan.start, AT(5));
	cr_expect_eq(plan.end, AT(8), "the aligned block, cut to the area");
	cr_expect(plan.shmem);
	cr_expect_eq(plan.area_start, AT(5));
	cr_expect_eq(plan.area_end, AT(13));
	cr_expect_eq(fault_at(6, 0, 0), FAULT_ZERO);
	cr_expect_eq(plan.start, AT(6));
	cr_expect_eq(plan.end, AT(13), "as far as the area goes");
	cr_expect(plan.shmem);
	cr_expect_eq(plan.huge_start, plan.huge_end);
}

Test(shmem, no_huge_pages)
{
	const unsigned int huge = HUGE_SIZE / PAGE_SIZE;

	WRITE_ONCE(mm->thp, THP_ALWAYS);
	map_mmap(mm, 0, 4 * huge, 'T');
	cr_expect_eq(fault_at(huge + 5, 0, 0), FAULT_ZERO);
	cr_expect_eq(plan.huge_start, plan.huge_end);
	map_mmap(mm, 0, 4 * huge, 'U');
	cr_expect_eq(fault_at(huge + 5, 0, 0), FAULT_ZERO);
	cr_expect_neq(plan.huge_start, plan.huge_end);
	cr_expect_not(plan.shmem);
}

Test(shmem, the_kernel_decides)
{
	map_draw(mm, "SSSS TTTT");
	cr_expect_eq(fault_at(1, 0, 0), FAULT_STALE, "not registered");
	cr_expect_eq(fault_at(4, 0, 0), FAULT_STALE, "no area");
	mm_mprotect(mm, AT(5), PAGES(4), PROT_READ, -1);
	cr_expect_eq(fault_at(6, FAULT_FLAG_WRITE, 0), FAULT_STALE, "no access");
	cr_expect_eq(fault_at(6, 0, 0), FAULT_ZERO);
}

/* Copy-on-write has no business here, whatever the flags say. */
Test(shmem, never_copied)
{
	struct cow_streams cow = { .clock = 0 };
	unsigned long start = 0, end = ~0UL;
	struct cow_plan cp;

	map_draw(mm, "TTTT UUUU");
	mm->own_wp = true;
	mm_set_uffd(mm, AT(0), AT(9), true);
	cr_expect_eq(cow_next_area(mm, 0)->vm_start, AT(5));
	cr_expect_not(cow_clamp(mm, AT(1), &start, &end));
	cr_expect_eq(cow_bytes(mm), PAGES(4));
	cr_expect_neq(handle_wp_fault(mm, AT(1), &cow, &cp), COW_WINDOW);
}

/* Renamed, unlinked: maps shows another name. */
Test(shmem, renamed)
{
	const struct area_desc d = { .start = AT(0),
				     .end = AT(8),
				     .vm_flags = VM_READ | VM_WRITE | VM_SHARED,
				     .minor = 1,
				     .ino = 5,
				     .name = "/y" };
	struct mm_verify v;

	map_file(FILE_SHMEM, RW, 0);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	mm_verify_area(&v, &d);
	mm_verify_end(&v);
	cr_expect_eq(v.differences, 0);
	cr_expect_str_eq(find_vma(mm, AT(0))->vm_file->name, "/y");
	cr_expect(vma_is_shmem(find_vma(mm, AT(0))));
}

/* --- no room ----------------------------------------------------------------------- */

static unsigned long differences;

static void count(void *priv, const char *what, const struct area_desc *shadow,
		  const struct area_desc *kernel)
{
	(void)priv;
	(void)what;
	(void)shadow;
	(void)kernel;
	differences++;
}

/* The kernel has an area of ours without its registration. */
static unsigned long compare(void)
{
	const struct area_desc d = { .start = AT(0),
				     .end = AT(4),
				     .vm_flags = VM_READ | VM_WRITE | VM_SHARED |
						 VM_MAYSHARE | VM_MAY_ACCESS,
				     .minor = 1,
				     .name = "/dev/zero (deleted)" };
	struct mm_verify v;

	differences = 0;
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	v.all_flags = true;
	v.report = count;
	mm_verify_area(&v, &d);
	mm_verify_end(&v);
	return differences;
}

Test(shmem, given_back_by_a_fault_task)
{
	map_draw(mm, "TTTT");
	cr_expect_eq(compare(), 1);
	WRITE_ONCE(mm->shmem_lost, true);
	cr_expect_eq(compare(), 0);
	EXPECT_MAP(mm, "SSSS");
}
