// SPDX-License-Identifier: LGPL-2.1-or-later
/* mmap, munmap, brk (mm/mmap.c, mm/vma.c). */
#include <linux/mman.h>

#include "lib/mm/vma.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* since 6.11 */
#endif
#define MAP_HUGE_DEFAULT 21 /* 2 MiB */

/* --- mmap -------------------------------------------------------------------------- */

static unsigned long prot_flags(unsigned long prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

static bool call_is_shared(const struct mmap_call *c)
{
	unsigned long type = c->flags & MAP_TYPE;

	return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

unsigned long account_flag(unsigned long flags)
{
	if (flags & VM_HUGETLB)
		return 0;
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE ? VM_ACCOUNT
									   : 0;
}

/* calc_vm_flag_bits() */
static unsigned long flag_bits(const struct mm_struct *mm, const struct mmap_call *c,
			       bool huge)
{
	unsigned long flags = 0;

	if (c->flags & MAP_GROWSDOWN)
		flags |= VM_GROWSDOWN;
	if (c->flags & MAP_LOCKED)
		flags |= VM_LOCKED;
	if (c->flags & MAP_STACK)
		flags |= VM_NOHUGEPAGE; /* since 6.7 */
	if (c->flags & MAP_NORESERVE && (huge || !mm->overcommit_never))
		flags |= VM_NORESERVE;
	if (c->flags & MAP_SYNC)
		flags |= VM_SYNC; /* whatever the kind of mapping */
	return flags;
}

/* What do_mmap() makes of the descriptor, and the file's own mmap() adds. */
static unsigned long file_flags(unsigned long flags, const struct mmap_call *c,
				unsigned int mode)
{
	if (call_is_shared(c)) {
		flags |= VM_SHARED | VM_MAYSHARE;
		if (mode & FILE_SEALED)
			flags &= ~VM_MAYWRITE;
		if (mode & FILE_READONLY)
			flags &= ~(VM_MAYWRITE | VM_SHARED);
	} else if ((c->flags & MAP_TYPE) == MAP_DROPPABLE) {
		flags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
	}
	if (mode & FILE_NOEXEC)
		flags &= ~VM_MAYEXEC;
	if (mode & FILE_HUGE)
		flags |= VM_HUGETLB | VM_DONTEXPAND;
	if (mode & FILE_SECRET)
		flags |= VM_LOCKED | VM_DONTDUMP;
	return flags;
}

static unsigned int call_mode(const struct mmap_call *c)
{
	if (c->file)
		return c->file->mode;
	return c->flags & MAP_HUGETLB ? FILE_HUGE : 0;
}

/* do_mmap() */
static unsigned long mmap_flags(const struct mm_struct *mm, const struct mmap_call *c)
{
	unsigned long flags = prot_flags(c->prot) | mm->def_flags | VM_MAY_ACCESS;
	unsigned int mode = call_mode(c);

	flags |= flag_bits(mm, c, mode & FILE_HUGE);
	flags = file_flags(flags, c, mode);
	flags |= account_flag(flags);
	if (mm->merge_any && ksm_compatible(flags))
		flags |= VM_MERGEABLE;
	/* __mmap_complete(), vma_supports_mlock() */
	if (flags & (VM_SPECIAL | VM_DROPPABLE))
		flags &= ~VM_LOCKED_MASK;
	return flags;
}

static unsigned long mmap_len(const struct mmap_call *c)
{
	unsigned long shift = c->flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK, huge;

	if (!(c->flags & MAP_HUGETLB) || c->file)
		return c->len;
	huge = 1UL << (shift ? shift : MAP_HUGE_DEFAULT);
	return (c->len + huge - 1) & ~(huge - 1);
}

/*
 * Anonymous memory that is shared or made of huge pages has a file of its own in the
 * kernel. We do not know its inode (0: mm_verify adopts it), but it is like no other.
 */
static struct vma_file *mmap_file(struct mm_struct *mm, const struct mmap_call *c)
{
	struct vma_file *file;

	if (c->file)
		return c->file;
	if (c->flags & MAP_HUGETLB)
		return vma_file_get(mm, 0, 0, 0, "/anon_hugepage (deleted)");
	if (!call_is_shared(c))
		return NULL;
	file = vma_file_get(mm, 0, 1, 0, "/dev/zero (deleted)");
	if (file)
		file->mode = FILE_SHMEM;
	return file;
}

static struct vm_area_struct *area_for_mmap(struct vma_txn *t, const struct mmap_call *c)
{
	struct vm_area_struct *vma = vma_new(t);

	vma->vm_start = c->addr;
	vma->vm_end = range_end(c->addr, mmap_len(c));
	vma->vm_flags = mmap_flags(t->mm, c);
	vma->vm_file = mmap_file(t->mm, c);
	if (c->file)
		vma->vm_pgoff = c->pgoff;
	else if (!vma->vm_file)
		vma->vm_pgoff = c->addr >> PAGE_SHIFT;
	if (vma->vm_flags & VM_GROWSDOWN)
		vma->inexact = VMA_INEXACT_GROWS;
	if (call_mode(c) & FILE_DEVICE)
		vma->known = VMA_UNSURE_FLAGS;
	policy_choose(t, vma, c);
	return vma;
}

/* What cannot be locked loses the flag when it has been refused a merge for it. */
static bool asked_for_lock(const struct mm_struct *mm, const struct mmap_call *c)
{
	return mm->def_flags & VM_LOCKED || c->flags & MAP_LOCKED;
}

void mm_mmap(struct mm_struct *mm, const struct mmap_call *c)
{
	unsigned long end = range_end(c->addr, mmap_len(c));
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (end <= c->addr || !txn_begin_areas(&t, mm, UNMAP_AREAS)) {
		if (c->file)
			vma_file_put(mm, c->file);
		return;
	}
	history_munmap(mm, c->addr, end - c->addr);
	vma_unmap_range(&t, c->addr, end);
	vma = area_for_mmap(&t, c);
	history_mmap(mm, vma);
	vma_insert(&t, vma);
	if (asked_for_lock(mm, c) && !(vma->vm_flags & VM_LOCKED))
		vma_keep_edges(&t, vma);
	else
		vma_merge(&t, vma, EDGE_BOTH);
	if (c->flags & (MAP_POPULATE | MAP_LOCKED) || mm->def_flags & VM_LOCKED)
		vma_settle_anon(&t, c->addr, end);
	else
		vma_settle_later(&t, c->addr, end);
	txn_commit(&t);
}

void mm_mmap_ours(struct mm_struct *mm, unsigned long addr, unsigned long len,
		  unsigned long prot, unsigned long flags, struct vma_file *file)
{
	const struct mmap_call c = {
		.addr = addr,
		.len = len,
		.prot = prot,
		.flags = flags,
		.pgoff = file ? 0 : addr >> PAGE_SHIFT,
		.file = file,
		.force = TRACK_OURS,
	};

	mm_mmap(mm, &c);
}

static void doubt_cut(struct vma_txn *t, unsigned long addr)
{
	struct vm_area_struct *vma = txn_find(t, addr);

	if (vma && vma->vm_start < addr && !(vma->inexact & VMA_INEXACT_SPLIT))
		vma_edit(t, vma)->inexact |= VMA_INEXACT_SPLIT;
}

/*
 * vms_gather_munmap_vmas() cuts first, then come the limits (may_expand_vm) and the
 * file's own objections; reattach_vmas() puts the pieces back as they are.
 */
void mm_mmap_failed(struct mm_struct *mm, const struct mmap_call *c)
{
	unsigned long end = range_end(c->addr, mmap_len(c));
	struct vma_txn t;

	if (!(c->flags & MAP_FIXED) || c->addr & ~PAGE_MASK || end <= c->addr ||
	    !txn_begin_areas(&t, mm, UNMAP_AREAS))
		return;
	doubt_cut(&t, c->addr);
	doubt_cut(&t, end);
	txn_commit(&t);
}

/* --- munmap ------------------------------------------------------------------------ */

void mm_munmap(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long end = range_end(start, len);
	bool untouched = start <= mm->fresh_start && mm->fresh_end <= end;
	struct vma_txn t;

	if (end <= start || !find_vma_intersection(mm, start, end))
		return;
	history_munmap(mm, start, end - start);
	/* What goes untouched as it came need not be settled. */
	if (!(untouched ? txn_begin_quiet(&t, mm, UNMAP_AREAS)
			: txn_begin_areas(&t, mm, UNMAP_AREAS)))
		return;
	if (untouched)
		mm->fresh_start = mm->fresh_end = 0;
	vma_unmap_range(&t, start, end);
	txn_commit(&t);
}

/* --- brk --------------------------------------------------------------------------- */

/*
 * do_brk_flags(): grows the area that ends here if it can, and never looks to the right.
 * An area that ends at start_brk (bss) is not the heap and is left alone.
 */
static void brk_grow(struct vma_txn *t, unsigned long start, unsigned long end)
{
	static const struct mmap_call call = { .force = TRACK_NONE };
	struct mm_struct *mm = t->mm;
	struct vm_area_struct *vma = vma_new(t), *prev;

	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_flags = VM_READ | VM_WRITE | VM_MAY_ACCESS | VM_ACCOUNT | mm->def_flags;
	if (mm->merge_any)
		vma->vm_flags |= VM_MERGEABLE;
	vma->vm_pgoff = start >> PAGE_SHIFT;
	policy_choose(t, vma, &call);
	vma_insert(t, vma);
	tree_find_prev(t->root, start, &prev);
	if (prev && prev->vm_end > mm->start_brk)
		vma_merge(t, vma, EDGE_LEFT);
	else
		vma->known |= VMA_KNOWN_START;
	if (mm->def_flags & VM_LOCKED)
		vma_settle_anon(t, start, end);
	else
		vma_settle_later(t, start, end);
}

void mm_brk(struct mm_struct *mm, unsigned long newbrk)
{
	unsigned long old = PAGE_ALIGN(mm->brk), new = PAGE_ALIGN(newbrk);
	struct vma_txn t;

	if (newbrk < mm->start_brk)
		return;
	__atomic_store_n(&mm->brk, newbrk, __ATOMIC_RELAXED);
	if (new == old || !txn_begin_areas(&t, mm, UNMAP_AREAS))
		return;
	vma_unmap_range(&t, min(old, new), max(old, new));
	if (new > old)
		brk_grow(&t, old, new);
	txn_commit(&t);
}
