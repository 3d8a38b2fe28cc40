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

/* What the visible flags say about the others, at best. */
static unsigned long import_flags(const struct mm_struct *mm, const struct area_desc *d)
{
	unsigned long flags = d->vm_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

	if (flags & VM_SHARED)
		flags |= VM_MAYSHARE;
	else if (flags & VM_WRITE)
		flags |= VM_ACCOUNT;
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
	if (file && file->ino == d->ino && file->major == d->major &&
	    file->minor == d->minor && !strcmp(file->name, d->name))
		return file_ref(file);
	return vma_file_get(t->mm, d->major, d->minor, d->ino, d->name);
}

static bool is_heap(const struct mm_struct *mm, const struct area_desc *d)
{
	return desc_is_anonymous(d) && d->start < mm->brk && d->end > mm->start_brk;
}

int import_area(struct vma_txn *t, const struct area_desc *d, enum track_reason reason)
{
	struct vm_area_struct *vma = vma_new(t);

	vma->vm_start = d->start;
	vma->vm_end = d->end;
	vma->vm_flags = import_flags(t->mm, d);
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
	vma->known = VMA_KNOWN_START | (is_heap(t->mm, d) ? 0 : VMA_UNSURE_FLAGS);
	if (!(vma->vm_flags & VM_SHARED))
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
	ret = import_area(&t, d, reason);
	txn_commit(&t);
	return ret;
}
