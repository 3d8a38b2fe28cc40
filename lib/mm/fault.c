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
 * a page of its own. The window of do_anonymous_page is the aligned block around the
 * page, cut to the area:
 *
 *	block	|       :  x    |       |
 *	area	        [-------------------]
 *	plan	        [-------]
 *
 * When the shadow is blind the page alone is served: the kernel has just checked the
 *area, and nobody else could wake the faulter.
 */
#include "lib/mm/vma.h"

/* arch/x86/mm/fault.c, access_error() */
static bool access_allowed(const struct vm_area_struct *vma, bool write)
{
	return vma->vm_flags & (write ? VM_WRITE : VM_ACCESS_FLAGS);
}

static unsigned long window_size(unsigned int around_pages)
{
	unsigned long pages = 1;

	while (pages * 2 <= around_pages && pages < FAULT_AROUND_PAGES)
		pages *= 2;
	return pages << PAGE_SHIFT;
}

static enum fault_verdict do_anonymous_page(const struct vm_area_struct *vma,
					    unsigned long addr, unsigned long window,
					    struct fault_plan *plan)
{
	unsigned long block = addr & ~(window - 1);

	plan->start = max(block, vma->vm_start);
	plan->end = min(block + window, vma->vm_end);
	plan->limit = vma->vm_end;
	plan->stat = vma->stat;
	return FAULT_ZERO;
}

enum fault_verdict handle_mm_fault(struct mm_struct *mm, unsigned long addr, bool write,
				   unsigned int around_pages, struct fault_plan *plan)
{
	const struct vm_area_struct *vma;

	if (unlikely(__atomic_load_n(&mm->blind, __ATOMIC_RELAXED))) {
		plan->start = addr & PAGE_MASK;
		plan->limit = plan->end = plan->start + PAGE_SIZE;
		plan->stat = NULL;
		return FAULT_ZERO;
	}
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr && vma->vm_flags & VM_UFFD_OTHER)
		return FAULT_FOREIGN;
	if (!vma || vma->vm_start > addr || !access_allowed(vma, write) ||
	    !(vma->vm_flags & VM_UFFD_MISSING))
		return FAULT_STALE;
	return do_anonymous_page(vma, addr, window_size(around_pages), plan);
}

unsigned long fault_ahead(const struct fault_stream *s, const struct fault_plan *plan,
			  unsigned int around_pages)
{
	unsigned long windows = plan->start == s->next ? s->windows / 4 : 0;
	unsigned long room = plan->limit - plan->end;

	if (around_pages < 2)
		return plan->end;
	windows = min(windows, (unsigned long)FAULT_AHEAD_WINDOWS);
	return plan->end + min(windows * window_size(around_pages), room);
}

void fault_ahead_done(struct fault_stream *s, const struct fault_plan *plan,
		      unsigned int around_pages, unsigned long end)
{
	unsigned long window = window_size(around_pages);

	if (plan->start != s->next)
		s->windows = 0;
	s->windows += (end - plan->start + window - 1) / window;
	s->next = end;
}
