// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What to do about a missing page (mm/memory.c, handle_mm_fault). The kernel found an
 * area registered with us and no page; by the time we look the program may have changed
 * the area. The cases:
 *
 *	     no area		access refused		not registered	  the program's
 *	. . . x . . .		[r--- x(w) ----]	[---- x ----]	  [o--- x ---o]
 *	   STALE		STALE			   STALE	     FOREIGN
 *
 *	anonymous, registered: do_anonymous_page()
 *	[---- x ----]
 *	   ZERO
 *
 *	a file's, ours: filemap_fault()			frames	[AAAA....BB]  A, B: cached
 *	[rrrr x(r)----------]   in A: minor, map	     |	 x    y   x  EOF
 *	[---- x(w) ----------]  the same; then the kernel copies the page (page_mkwrite)
 *	[-------- y ---------]  major: read it and what is around it, then map
 *	   FILE
 *	[r--- x(w) ----]	access refused now: RETRY
 *	[------------- EOF z]	beyond the file: RETRY; the kernel raises SIGBUS and asks
 *				nobody, unless the file was longer
 *
 *	shared memory, registered: shmem_fault()	another mapping	 [ww--  y --]
 *	[-ZZZ x ----]	x: a hole for everybody	    y: a hole, or a page of x's window by
 *	   ZERO					       then, which the kernel maps

 *	a shared mapping of a file, ours: as above, but that nobody copies
 *	[---- x(w) ----------]	missing: FILE. Write-protected: page_mkwrite, DIRTY
 *
 *	a file's, the kernel's (private, shared, shared anonymous)
 *	[---- x ----]
 *	   STALE
 *
 * In a hole of shared memory zeroes are right for whoever maps it, and where a page has
 * come meanwhile the kernel installs none (EEXIST).
 *
 * STALE answers with a zero page, if the kernel still has it missing, or wakes the
 * faulter; RETRY and FOREIGN only wake. The access is tried again and the kernel decides:
 * a signal, or a page of its own. In a file's area zeroes would be wrong bytes, so there
 * STALE is never said, registered or not: the event is proof that it was.
 *
 * The window of do_anonymous_page is chosen by fault_around() or, if the user wants a
 * fixed one, it is the aligned block around the page, cut to the area:
 *
 *	block	|       :  x    |       |
 *	area	        [-------------------]
 *	plan	        [-------]
 *
 * Where the kernel would give a huge page, the plan says so besides: if there is one
 * (lib/fault/huge.c) it takes the window's place.
 *
 * When the shadow is blind, changes have been missed. But nothing was registered since,
 * and what was registered then and has been replaced since raises no events. So of the
 * place of an event the last tree knows rightly whether it is a file's, which still is
 * served; otherwise the page alone is: nobody else could wake the faulter.
 */
#include "lib/mm/address_space.h"
#include "lib/mm/vm_ops.h"

/* --- anonymous memory -------------------------------------------------------------- */

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

static void fixed_window(struct vm_fault *vmf)
{
	unsigned long window = window_size(vmf->fixed);
	unsigned long block = vmf->address & ~(window - 1);

	*vmf->plan = (struct fault_plan){ .start = max(block, vmf->vma->vm_start),
					  .end = min(block + window, vmf->vma->vm_end),
					  .stat = vmf->vma->stat };
}

static void anon_map_pages(struct vm_fault *vmf)
{
	if (!vmf->fixed) {
		fault_around(vmf->streams, vmf->vma, vmf->address, vmf->plan);
		plan_huge(vmf->mm, vmf->vma, vmf->address, vmf->streams, vmf->plan);
		return;
	}
	fixed_window(vmf);
	plan_huge(vmf->mm, vmf->vma, vmf->address, NULL, vmf->plan);
}

static enum fault_verdict do_anonymous_page(struct vm_fault *vmf)
{
	if (!access_allowed(vmf) || !(vmf->vma->vm_flags & VM_UFFD_MISSING))
		return FAULT_STALE;
	anon_map_pages(vmf);
	return FAULT_ZERO;
}

const struct vm_operations anon_vm_ops = {
	.fault = do_anonymous_page,
	.map_pages = anon_map_pages,
	.page_mkwrite = anon_page_mkwrite,
	.access = access_allowed,
};

/* --- shared ------------------------------------------------------------------------ */

static enum cow_verdict mkwrite_stale(const struct vm_area_struct *vma,
				      unsigned long addr, struct cow_streams *streams,
				      struct cow_plan *plan)
{
	(void)addr;
	(void)streams;
	(void)plan;
	return vma->vm_flags & VM_UFFD_PROGRAM ? COW_FOREIGN : COW_STALE;
}

/* Shared memory is as anonymous memory is, but that the pages are everybody's, and never
 * huge ones of ours. */
static void shmem_map_pages(struct vm_fault *vmf)
{
	const struct vm_area_struct *vma = vmf->vma;

	if (vmf->fixed)
		fixed_window(vmf);
	else
		fault_around(vmf->streams, vma, vmf->address, vmf->plan);
	vmf->plan->shmem = true;
	vmf->plan->area_start = vma->vm_start;
	vmf->plan->area_end = vma->vm_end;
}

/* Beyond the end of its file the kernel raises SIGBUS and asks nobody. */
static enum fault_verdict shmem_fault(struct vm_fault *vmf)
{
	if (!access_allowed(vmf) || !(vmf->vma->vm_flags & VM_UFFD_MISSING))
		return FAULT_STALE;
	shmem_map_pages(vmf);
	return FAULT_ZERO;
}

const struct vm_operations shmem_vm_ops = {
	.fault = shmem_fault,
	.map_pages = shmem_map_pages,
	.page_mkwrite = mkwrite_stale,
	.access = access_allowed,
};

/* --- dispatch ---------------------------------------------------------------------- */

const struct vm_operations *vma_ops(const struct vm_area_struct *vma)
{
	if (vma_is_anonymous(vma))
		return &anon_vm_ops;
	/* What is in an i_mmap leaves it as well, whatever a repair made of its flags. */
	if (vma_host(vma))
		return vma_host(vma)->mapping->written ? &shared_file_vm_ops
						       : &filemap_vm_ops;
	if (!(vma->vm_flags & VM_MAYSHARE))
		return &filemap_vm_ops;
	return vma->vm_file->ino && !vma_is_shmem(vma) ? &shared_file_vm_ops
						       : &shmem_vm_ops;
}

/* The page alone: what the streams have learned may be wrong. */
static enum fault_verdict fault_blind(struct vm_fault *vmf)
{
	vmf->fixed = 1;
	if (vmf->vma && vma_host(vmf->vma))
		return vma_ops(vmf->vma)->fault(vmf);
	*vmf->plan = (struct fault_plan){ .start = vmf->address,
					  .end = vmf->address + PAGE_SIZE };
	return FAULT_ZERO;
}

enum fault_verdict handle_mm_fault(struct mm_struct *mm, unsigned long addr,
				   unsigned int flags, unsigned int fixed,
				   struct fault_streams *streams, struct fault_plan *plan)
{
	const struct vm_area_struct *vma = find_vma(mm, addr);
	struct vm_fault vmf = {
		.mm = mm,
		.vma = vma && vma->vm_start <= addr ? vma : NULL,
		.address = addr & PAGE_MASK,
		.flags = flags,
		.fixed = fixed,
		.streams = streams,
		.plan = plan,
	};

	if (unlikely(__atomic_load_n(&mm->blind, __ATOMIC_RELAXED)))
		return fault_blind(&vmf);
	if (!vmf.vma)
		return FAULT_STALE;
	if (vma->vm_flags & VM_UFFD_OTHER)
		return FAULT_FOREIGN;
	return vma_ops(vma)->fault(&vmf);
}
