/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct vm_operations (include/linux/mm.h): what differs between kinds of memory. Four
 * instances; a member that a kind has no use for is NULL. Private to lib/mm.
 *
 *	anon_vm_ops		private memory without a file; [heap], [stack], /dev/zero
 *	filemap_vm_ops		a private mapping of a file: with a host it is ours
 *	shmem_vm_ops		shared memory in no file on a disk (MAP_ANONYMOUS, memfd,
 *				tmpfs): ours with shmem=own
 *	shared_file_vm_ops	a shared mapping of a file: the kernel's, whose cache
 *				other programs read; with a host it is ours
 */
#ifndef SHADOWMM_MM_VM_OPS_H
#define SHADOWMM_MM_VM_OPS_H

#include "lib/mm/fault_around.h"
#include "lib/mm/vma.h"

/* A fault while it is thought about. */
struct vm_fault {
	const struct mm_struct *mm;
	const struct vm_area_struct *vma;
	unsigned long address; /* of the page */
	unsigned int flags;    /* FAULT_FLAG_* */
	unsigned int fixed;    /* window in pages that the user wants; 0: as it comes */
	struct fault_streams *streams;
	struct fault_plan *plan;
};

struct vm_operations {
	/* The area, editable, has come into the tree, or is about to leave it; a change
	 * of its range or file is both. */
	void (*open)(struct vma_txn *t, struct vm_area_struct *vma);
	void (*close)(struct vma_txn *t, struct vm_area_struct *vma);
	/* The page is missing, or is in the frames and not mapped. */
	enum fault_verdict (*fault)(struct vm_fault *vmf);
	/* The window of pages that are there already, around the one of the fault. */
	void (*map_pages)(struct vm_fault *vmf);
	/* A write to a page that is write-protected. */
	enum cow_verdict (*page_mkwrite)(const struct vm_area_struct *vma,
					 unsigned long addr, struct cow_streams *streams,
					 struct cow_plan *plan);
	/* The access that faulted is allowed as the area is now. */
	bool (*access)(const struct vm_fault *vmf);
	/* The window with which to begin when [addr, end), inside the area, is wanted
	 * before it is touched (MADV_WILLNEED, MADV_POPULATE_READ). */
	void (*populate)(const struct vm_area_struct *vma, unsigned long addr,
			 unsigned long end, struct file_plan *plan);
};

extern const struct vm_operations anon_vm_ops, filemap_vm_ops, shmem_vm_ops,
	shared_file_vm_ops;

const struct vm_operations *vma_ops(const struct vm_area_struct *vma);

/* arch/x86/mm/fault.c, access_error() */
static inline bool access_allowed(const struct vm_fault *vmf)
{
	return vmf->vma->vm_flags &
	       (vmf->flags & FAULT_FLAG_WRITE ? VM_WRITE : VM_ACCESS_FLAGS);
}

/* --- cow.c ------------------------------------------------------------------------- */

enum cow_verdict anon_page_mkwrite(const struct vm_area_struct *vma, unsigned long addr,
				   struct cow_streams *streams, struct cow_plan *plan);

#endif
