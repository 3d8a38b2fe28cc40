// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which areas have their writes tracked (lib/fault/dirty.h). */
#include "lib/mm/vma.h"

/*
 * The kernel's mappings of files on disks, for what else is never written back. Special
 * ones have no pages that could be protected; the kernel refuses what may never be
 * written to, and what a userfaultfd of the program has. Guard pages and protected ones
 * do not go together (file_guard()).
 */
static bool is_trackable(const struct vm_area_struct *vma)
{
	const unsigned long need = VM_SHARED | VM_MAYWRITE;
	const unsigned long never =
		VM_SPECIAL | VM_HUGETLB | VM_UFFD_FLAGS | VM_MAYBE_GUARD;

	return vma->vm_file && vma->vm_file->ino && !vma_is_shmem(vma) &&
	       !vma_host(vma) && vma->policy == POLICY_TRACK &&
	       (vma->vm_flags & need) == need && !(vma->vm_flags & never);
}

bool mm_next_to_track(struct mm_struct *mm, unsigned long addr, unsigned long limit,
		      unsigned long *start, unsigned long *end)
{
	const struct vm_area_struct *vma;

	if (!mm->track_dirty || mm->blind)
		return false;
	for (; (vma = find_vma_intersection(mm, addr, limit)); addr = vma->vm_end) {
		if (!is_trackable(vma))
			continue;
		*start = vma->vm_start;
		*end = vma->vm_end;
		return true;
	}
	return false;
}

struct vm_area_struct *mm_next_tracked(struct mm_struct *mm, unsigned long addr,
				       unsigned long limit)
{
	struct vm_area_struct *vma;

	for (; (vma = find_vma_intersection(mm, addr, limit)); addr = vma->vm_end)
		if (vma->vm_flags & VM_UFFD_TRACK)
			return vma;
	return NULL;
}
