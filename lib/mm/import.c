// SPDX-License-Identifier: LGPL-2.1-or-later
/* Areas as /proc/PID/maps describes them: what was there before us. */
#include <linux/errno.h>

#include "lib/base/string.h"
#include "lib/mm/vma.h"

/* "[heap]" and the like name a place; "[anon:x]" is a label (PR_SET_VMA_ANON_NAME). */
bool desc_is_anonymous(const struct area_desc *d)
{
	if (d->ino || d->major || d->minor)
		return false;
	return !d->name[0] || !strcmp(d->name, "[heap]") || !strcmp(d->name, "[stack]") ||
	       str_has_prefix(d->name, "[anon:");
}

/* What _install_special_mapping() and its callers say (arch/x86/entry/vdso/vma.c). */
static unsigned long special_flags(const struct area_desc *d)
{
	if (d->start >= GATE_START)
		return d->vm_flags;
	if (d->vm_flags & VM_EXEC)
		return d->vm_flags | VM_MAY_ACCESS | VM_DONTEXPAND;
	return d->vm_flags | VM_MAYREAD | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
}

static bool desc_is_special(const struct area_desc *d)
{
	return d->name[0] == '[' && !d->ino && !desc_is_anonymous(d);
}

/* What the visible flags say about the others, at best. */
static unsigned long import_flags(const struct mm_struct *mm, const struct area_desc *d)
{
	unsigned long flags = d->vm_flags | VM_MAY_ACCESS;

	if (desc_is_special(d))
		return special_flags(d);
	if (flags & (VM_SHARED | VM_MAYSHARE))
		flags |= VM_SHARED | VM_MAYSHARE;
	else if (flags & VM_WRITE)
		flags |= VM_ACCOUNT;
	if (mm->merge_any && ksm_compatible(flags))
		flags |= VM_MERGEABLE;
	if (!strcmp(d->name, "[stack]") ||
	    (desc_is_anonymous(d) && d->start <= mm->start_stack &&
	     d->end > mm->start_stack))
		flags |= VM_GROWSDOWN;
	if (!desc_is_anonymous(d) && !d->ino)
		flags |= VM_DONTEXPAND; /* [vdso], [vvar]: merge with nothing */
	return flags;
}

/* Segments of one file follow each other: let them share the object. */
struct vma_file *import_file(struct vma_txn *t, const struct area_desc *d)
{
	struct vm_area_struct *prev;
	struct vma_file *file;

	tree_find_prev(t->root, d->start, &prev);
	file = prev ? prev->vm_file : NULL;
	if (file && !file->single && file->ino == d->ino && file->major == d->major &&
	    file->minor == d->minor && !strcmp(file->name, d->name))
		return file_ref(file);
	return vma_file_get(t->mm, d->major, d->minor, d->ino, d->name);
}

static bool is_heap(const struct mm_struct *mm, const struct area_desc *d)
{
	return desc_is_anonymous(d) && d->start < mm->brk && d->end > mm->start_brk;
}

unsigned long desc_flags(const struct area_desc *d)
{
	unsigned long flags = d->vm_flags & ~(VM_UFFD_MISSING | VM_SOFTDIRTY);

	return d->vm_flags & VM_UFFD_MISSING ? flags | VM_UFFD_OTHER : flags;
}

int import_area(struct vma_txn *t, const struct area_desc *d, enum track_reason reason,
		bool all_flags)
{
	struct vm_area_struct *vma = vma_new(t);

	vma->vm_start = d->start;
	vma->vm_end = d->end;
	vma->vm_flags = all_flags ? desc_flags(d) : import_flags(t->mm, d);
	vma->vm_pgoff = d->pgoff;
	if (desc_is_anonymous(d)) {
		vma->vm_pgoff = d->start >> PAGE_SHIFT;
	} else {
		vma->vm_file = import_file(t, d);
		if (!vma->vm_file) {
			kmem_cache_free(&t->mm->vma_cache, vma);
			return -ENOMEM;
		}
	}
	if (vma->vm_flags & VM_GROWSDOWN)
		vma->inexact = VMA_INEXACT_GROWS;
	/* brk() alone makes the heap, and it makes it one way. */
	vma->known = VMA_KNOWN_START;
	if (!all_flags && !is_heap(t->mm, d))
		vma->known |= VMA_UNSURE_FLAGS;
	if (!(vma->vm_flags & VM_MAYSHARE))
		vma->anon = anon_new(t->mm);
	vma->policy = reason == TRACK_NONE ? POLICY_OWN : POLICY_TRACK;
	vma->reason = (u8)reason;
	vma_insert(t, vma);
	return 0;
}

int mm_import(struct mm_struct *mm, const struct area_desc *d, enum track_reason reason)
{
	bool blind = mm->blind;
	struct vma_txn t;
	int ret;

	if (!txn_begin(&t, mm, d->start, d->end)) {
		mm->blind = blind; /* the caller is told, and nothing is lost yet */
		return -ENOMEM;
	}
	ret = import_area(&t, d, reason, false);
	txn_commit(&t);
	return ret;
}
