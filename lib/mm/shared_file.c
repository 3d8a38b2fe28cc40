// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared mappings of files (mm/filemap.c, do_shared_fault()). Without a host the kernel
 * has them. With one (lib/fault/shared.h) they differ from private ones in what a write
 * is: the page stays what it is, and has to be written back.
 */
#include "lib/mm/address_space.h"
#include "lib/mm/cow.h"
#include "lib/mm/vm_ops.h"

static enum fault_verdict do_shared_fault(struct vm_fault *vmf)
{
	return vma_host(vmf->vma) ? filemap_vm_ops.fault(vmf) : FAULT_STALE;
}

static void shared_map_pages(struct vm_fault *vmf)
{
	filemap_vm_ops.map_pages(vmf);
}

/* Whatever the program did to the area meanwhile: the kernel decides the next try. */
static enum cow_verdict shared_page_mkwrite(const struct vm_area_struct *vma,
					    unsigned long addr,
					    struct cow_streams *streams,
					    struct cow_plan *plan)
{
	(void)addr;
	(void)streams;
	(void)plan;
	if (vma_host(vma))
		return COW_DIRTY;
	return vma->vm_flags & VM_UFFD_PROGRAM ? COW_FOREIGN : COW_STALE;
}

static bool shared_access(const struct vm_fault *vmf)
{
	return vma_host(vmf->vma) ? filemap_vm_ops.access(vmf) : access_allowed(vmf);
}

static void shared_populate(const struct vm_area_struct *vma, unsigned long addr,
			    unsigned long end, struct file_plan *plan)
{
	filemap_vm_ops.populate(vma, addr, end, plan);
}

static void shared_open(struct vma_txn *t, struct vm_area_struct *vma)
{
	filemap_vm_ops.open(t, vma);
}

static void shared_close(struct vma_txn *t, struct vm_area_struct *vma)
{
	filemap_vm_ops.close(t, vma);
}

const struct vm_operations shared_file_vm_ops = {
	.open = shared_open,
	.close = shared_close,
	.fault = do_shared_fault,
	.map_pages = shared_map_pages,
	.page_mkwrite = shared_page_mkwrite,
	.access = shared_access,
	.populate = shared_populate,
};
