// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What to do about a missing page (mm/memory.c, handle_mm_fault). The kernel found an
 * area registered with us and no page; by the time we look the program may have changed
 * the area. The cases:
 *
 *	     no area		area, access refused	not registered	  registered
 *	. . . x . . .		[r--- x(w) ----]	[---- x ----]	  [---- x ----]
 *	   STALE		     STALE		   STALE	do_anonymous_page
 *
 * STALE wakes the faulter; its access is tried again and the kernel decides: a signal, or
 * a page of its own. The window of do_anonymous_page is chosen by fault_around() or, if
 * the user wants a fixed one, it is the aligned block around the page, cut to the area:
 *
 *	block	|       :  x    |       |
 *	area	        [-------------------]
 *	plan	        [-------]
 *
 * When the shadow is blind the page alone is served: the kernel has just checked the
 *area, and nobody else could wake the faulter.
 */
#include "lib/mm/fault_around.h"
#include "lib/mm/vma.h"

/* arch/x86/mm/fault.c, access_error() */
static bool access_allowed(const struct vm_area_struct *vma, bool write)
{
	return vma->vm_flags & (write ? VM_WRITE : VM_ACCESS_FLAGS);
}

static unsigned long window_size(unsigned int pages)
{
	unsigned long window = 1;

	while (window * 2 <= pages && window < FAULT_AROUND_MAX)
		window *= 2;
	return window << PAGE_SHIFT;
}

static enum fault_verdict do_anonymous_page(const struct vm_area_struct *vma,
					    unsigned long addr, unsigned int fixed,
					    struct fault_streams *streams,
					    struct fault_plan *plan)
{
	unsigned long window = window_size(fixed), block = addr & ~(window - 1);

	if (!fixed) {
		fault_around(streams, vma, addr, plan);
		return FAULT_ZERO;
	}
	*plan = (struct fault_plan){ .start = max(block, vma->vm_start),
				     .end = min(block + window, vma->vm_end),
				     .stat = vma->stat };
	return FAULT_ZERO;
}

enum fault_verdict handle_mm_fault(struct mm_struct *mm, unsigned long addr, bool write,
				   unsigned int fixed, struct fault_streams *streams,
				   struct fault_plan *plan)
{
	const struct vm_area_struct *vma;

	addr &= PAGE_MASK;
	if (unlikely(__atomic_load_n(&mm->blind, __ATOMIC_RELAXED))) {
		*plan = (struct fault_plan){ .start = addr, .end = addr + PAGE_SIZE };
		return FAULT_ZERO;
	}
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr && vma->vm_flags & VM_UFFD_OTHER)
		return FAULT_FOREIGN;
	if (!vma || vma->vm_start > addr || !access_allowed(vma, write) ||
	    !(vma->vm_flags & VM_UFFD_MISSING))
		return FAULT_STALE;
	return do_anonymous_page(vma, addr, fixed, streams, plan);
}
