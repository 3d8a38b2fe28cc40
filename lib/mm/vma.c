// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/mm/anon_vma.h"
#include "lib/mm/vm_ops.h"

/* --- references -------------------------------------------------------------------- */

static void stat_put(struct mm_struct *mm, struct vma_stat *stat)
{
	if (stat && !--stat->refs)
		kmem_cache_free_rcu(&mm->stat_cache, &mm->rcu, stat, &stat->rcu);
}

static bool vma_is_ours(const struct vma_txn *t, const struct vm_area_struct *vma)
{
	return vma->txn == t->id || t->in_place;
}

/*
 * Readers may still hold @vma and follow its pointers: what loses its last reference here
 * is deferred too, so it is freed no earlier than @vma.
 */
static void vma_retire(struct vma_txn *t, struct vm_area_struct *vma)
{
	if (vma->vm_file)
		vma_file_put(t->mm, vma->vm_file);
	if (vma->anon_name)
		vma_file_put(t->mm, vma->anon_name);
	anon_vma_put(t->mm, vma->inherited);
	stat_put(t->mm, vma->stat);
	if (vma_is_ours(t, vma))
		kmem_cache_free(&t->mm->vma_cache, vma);
	else
		kmem_cache_free_rcu(&t->mm->vma_cache, &t->mm->rcu, vma, &vma->rcu);
}

static struct vm_area_struct *vma_copy(struct vma_txn *t,
				       const struct vm_area_struct *vma)
{
	struct vm_area_struct *copy = kmem_cache_alloc(&t->mm->vma_cache);

	*copy = *vma;
	copy->txn = t->id;
	file_ref(copy->vm_file);
	file_ref(copy->anon_name);
	anon_vma_get(copy->inherited);
	if (copy->stat)
		copy->stat->refs++;
	return copy;
}

/* --- counters ---------------------------------------------------------------------- */

unsigned long *vm_stat_field(struct mm_struct *mm, unsigned long flags)
{
	if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		return &mm->exec_vm;
	if (flags & VM_GROWSDOWN)
		return &mm->stack_vm;
	if ((flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		return &mm->data_vm;
	return NULL;
}

static void account_pages(struct mm_struct *mm, const struct vm_area_struct *vma,
			  unsigned long pages)
{
	unsigned long *field = vm_stat_field(mm, vma->vm_flags);

	if (vma_is_gate(vma))
		return;
	mm->total_vm += pages;
	if (field)
		*field += pages;
	if (vma->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
}

/* --- areas of the tree ------------------------------------------------------------- */

struct vm_area_struct *vma_new(struct vma_txn *t)
{
	struct vm_area_struct *vma = kmem_cache_alloc(&t->mm->vma_cache);

	*vma = (struct vm_area_struct){ .txn = t->id };
	return vma;
}

static void vma_open(struct vma_txn *t, struct vm_area_struct *vma)
{
	const struct vm_operations *ops = vma_ops(vma);

	if (ops->open)
		ops->open(t, vma);
}

static void vma_close(struct vma_txn *t, struct vm_area_struct *vma)
{
	const struct vm_operations *ops = vma_ops(vma);

	if (ops->close)
		ops->close(t, vma);
}

void vma_insert(struct vma_txn *t, struct vm_area_struct *vma)
{
	tree_insert(t, vma);
	vma_open(t, vma);
	t->mm->map_count += !vma_is_gate(vma);
	account_pages(t->mm, vma, vma_pages(vma));
}

void vma_remove(struct vma_txn *t, struct vm_area_struct *vma)
{
	vma_close(t, vma);
	tree_erase(t, vma->vm_end);
	t->mm->map_count -= !vma_is_gate(vma);
	account_pages(t->mm, vma, -vma_pages(vma));
	vma_retire(t, vma);
}

struct vm_area_struct *vma_edit(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct vm_area_struct *copy;

	if (vma_is_ours(t, vma))
		return vma;
	copy = vma_copy(t, vma);
	vma_close(t, vma);
	tree_replace(t, vma->vm_end, copy);
	vma_open(t, copy);
	vma_retire(t, vma);
	return copy;
}

void vma_set_range(struct vma_txn *t, struct vm_area_struct *vma, unsigned long start,
		   unsigned long end)
{
	unsigned long old_end = vma->vm_end, old_pages = vma_pages(vma);

	vma_close(t, vma);
	/* Wraps when the area grows downwards, and comes out right. */
	vma->vm_pgoff += (start >> PAGE_SHIFT) - (vma->vm_start >> PAGE_SHIFT);
	vma->vm_start = start;
	vma->vm_end = end;
	if (end != old_end)
		tree_replace(t, old_end, vma);
	vma_open(t, vma);
	account_pages(t->mm, vma, vma_pages(vma) - old_pages);
}

void vma_set_flags(struct vma_txn *t, struct vm_area_struct *vma, unsigned long flags)
{
	account_pages(t->mm, vma, -vma_pages(vma));
	vma->vm_flags = flags;
	account_pages(t->mm, vma, vma_pages(vma));
}

void vma_set_anon_name(struct vma_txn *t, struct vm_area_struct *vma,
		       struct vma_file *name)
{
	file_ref(name);
	if (vma->anon_name)
		vma_file_put(t->mm, vma->anon_name);
	vma->anon_name = name;
}

void vma_set_stat(struct vma_txn *t, struct vm_area_struct *vma, struct vma_stat *stat)
{
	if (stat)
		stat->refs++;
	stat_put(t->mm, vma->stat);
	vma->stat = stat;
}

struct vm_area_struct *split_vma(struct vma_txn *t, struct vm_area_struct *vma,
				 unsigned long addr)
{
	struct vm_area_struct *left = vma_edit(t, vma), *right = vma_copy(t, left);

	right->vm_pgoff += (addr - left->vm_start) >> PAGE_SHIFT;
	right->vm_start = addr;
	right->inexact &= ~VMA_INEXACT_START;
	right->known &= ~VMA_KNOWN_START;
	vma_set_range(t, left, left->vm_start, addr);
	vma_insert(t, right);
	return right;
}

void vma_unmap_range(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = txn_find(t, start);

	if (vma && vma->vm_start < start)
		vma = split_vma(t, vma, start);
	while (vma && vma->vm_start < end) {
		if (vma->vm_end > end)
			split_vma(t, vma, end);
		vma_remove(t, txn_find(t, start));
		vma = txn_find(t, start);
	}
}

/* --- anon_vma numbers -------------------------------------------------------------- */

u32 anon_new(struct mm_struct *mm)
{
	if (!++mm->last_anon) /* 0 means "none"; reuse after 2^32 costs a wrong guess */
		mm->last_anon = 1;
	return mm->last_anon;
}

/*
 * A page of its own needs a write. A read of anonymous memory counts too: the huge zero
 * page takes an anon_vma (do_huge_pmd_anonymous_page). A stack gets one when it grows,
 * before anybody asks whether the access is allowed (expand_downwards).
 */
static bool vma_may_be_touched(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return false;
	return vma->vm_flags &
	       (vma_is_anonymous(vma) ? VM_ACCESS_FLAGS | VM_GROWSDOWN : VM_WRITE);
}

void vma_settle_anon(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = txn_find(t, start);

	for (; vma && vma->vm_start < end; vma = txn_find(t, vma->vm_end)) {
		if (vma->anon || !vma_may_be_touched(vma))
			continue;
		vma = vma_edit(t, vma);
		vma->anon = anon_new(t->mm);
	}
}

void vma_settle_later(struct vma_txn *t, unsigned long start, unsigned long end)
{
	t->mm->fresh_start = start;
	t->mm->fresh_end = end;
}

void vma_settle_fresh(struct vma_txn *t)
{
	vma_settle_anon(t, t->mm->fresh_start, t->mm->fresh_end);
	t->mm->fresh_start = t->mm->fresh_end = 0;
}
