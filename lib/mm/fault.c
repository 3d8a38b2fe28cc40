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
 * Where the kernel would give a huge page, the plan says so besides: if there is one
 * (lib/fault/huge.c) it takes the window's place.
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

/* thp_vma_allowable_order() */
static bool huge_allowed(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	u32 mode = READ_ONCE(mm->thp);

	return mode != THP_NEVER && !(vma->vm_flags & VM_NOHUGEPAGE) &&
	       (mode == THP_ALWAYS || vma->vm_flags & VM_HUGEPAGE);
}

/* thp_vma_suitable_order() */
static bool huge_fits(const struct vm_area_struct *vma, unsigned long block)
{
	return block >= vma->vm_start && block + HUGE_SIZE > block &&
	       block + HUGE_SIZE <= vma->vm_end;
}

/*
 * Where the kernel gives one, and as many more as the stream deserves (W1). If there is
 * none to be had, small pages stay on this side of where the next one fits: they would
 * bring a page table there.
 */
static void plan_huge(const struct mm_struct *mm, const struct vm_area_struct *vma,
		      unsigned long addr, struct fault_streams *streams,
		      struct fault_plan *plan)
{
	unsigned long block = addr & HUGE_MASK, ahead;

	if (!huge_allowed(mm, vma))
		return;
	fault_around_clamp(streams, plan, addr, block);
	if (!huge_fits(vma, block))
		return;
	ahead = streams ? streams->ahead : 0;
	ahead = min((ahead << PAGE_SHIFT) & HUGE_MASK, HUGE_AHEAD_MAX << HUGE_SHIFT);
	plan->huge_start = block;
	plan->huge_end = block + HUGE_SIZE +
			 min(ahead, (vma->vm_end - block - HUGE_SIZE) & HUGE_MASK);
}

static enum fault_verdict do_anonymous_page(const struct mm_struct *mm,
					    const struct vm_area_struct *vma,
					    unsigned long addr, unsigned int fixed,
					    struct fault_streams *streams,
					    struct fault_plan *plan)
{
	unsigned long window = window_size(fixed), block = addr & ~(window - 1);

	if (!fixed) {
		fault_around(streams, vma, addr, plan);
		plan_huge(mm, vma, addr, streams, plan);
		return FAULT_ZERO;
	}
	*plan = (struct fault_plan){ .start = max(block, vma->vm_start),
				     .end = min(block + window, vma->vm_end),
				     .stat = vma->stat };
	plan_huge(mm, vma, addr, NULL, plan);
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
	return do_anonymous_page(mm, vma, addr, fixed, streams, plan);
}
