// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every invariant of the tree (vma_tree.h, T1..T3), of the areas and of the counters. */
#include "lib/mm/address_space.h"
#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

struct walk {
	struct mm_struct *mm;
	const struct vm_area_struct *prev;
	unsigned long files; /* areas with a host */
	unsigned long map_count, total_vm, locked_vm, exec_vm, stack_vm, data_vm;
};

static const char *validate_links(const struct vm_area_struct *vma)
{
	if (vma->vm_file && !vma->vm_file->refs)
		return "file without a reference";
	if (vma_host(vma) && (!vma->vm_file->single || !vma_host(vma)->id))
		return "file that is no single one";
	if (vma->anon_name && !vma->anon_name->refs)
		return "name without a reference";
	if (vma->stat && !vma->stat->refs)
		return "counters without a reference";
	if (vma->vm_flags & VM_UFFD_MISSING && !vma->stat)
		return "registered area without counters";
	return validate_anon_vma(vma);
}

static const char *validate_policy(const struct vm_area_struct *vma)
{
	if (vma->reason >= TRACK_NR)
		return "unknown reason";
	if ((vma->policy == POLICY_OWN) != (vma->reason == TRACK_NONE))
		return "policy and reason disagree";
	if (vma->vm_flags & VM_UFFD_MISSING && vma->policy != POLICY_OWN)
		return "registered area is not ours";
	return NULL;
}

static const char *validate_neighbours(const struct vm_area_struct *prev,
				       const struct vm_area_struct *vma)
{
	if (!prev)
		return NULL;
	if (prev->vm_end > vma->vm_start)
		return "areas overlap";
	if (prev->vm_end == vma->vm_start && !(vma->inexact & VMA_INEXACT_START) &&
	    !(vma->known & VMA_KNOWN_START) && can_vma_merge(prev, vma) == MERGE_YES)
		return "mergeable neighbours";
	return NULL;
}

static void count_area(struct walk *w, const struct vm_area_struct *vma)
{
	const unsigned long *field = vm_stat_field(w->mm, vma->vm_flags);
	unsigned long pages = vma_pages(vma);

	if (vma_is_gate(vma))
		return;
	w->map_count++;
	w->total_vm += pages;
	if (vma->vm_flags & VM_LOCKED)
		w->locked_vm += pages;
	if (field == &w->mm->exec_vm)
		w->exec_vm += pages;
	else if (field == &w->mm->stack_vm)
		w->stack_vm += pages;
	else if (field)
		w->data_vm += pages;
}

static const char *validate_counts(const struct walk *w)
{
	if (w->map_count != w->mm->map_count)
		return "map_count";
	if (w->total_vm != w->mm->total_vm || w->mm->hiwater_vm < w->total_vm)
		return "total_vm";
	if (w->locked_vm + w->mm->locked_lost != w->mm->locked_vm)
		return "locked_vm";
	if (w->exec_vm != w->mm->exec_vm)
		return "exec_vm";
	if (w->stack_vm != w->mm->stack_vm)
		return "stack_vm";
	return w->data_vm != w->mm->data_vm ? "data_vm" : NULL;
}

static const char *validate_area(struct walk *w, const struct vm_area_struct *vma,
				 unsigned long key)
{
	const char *err;

	if (vma->vm_end != key)
		return "key is not the end of the area";
	if (vma->vm_start >= vma->vm_end)
		return "empty area";
	if ((vma->vm_start | vma->vm_end) & ~PAGE_MASK)
		return "unaligned area";
	if (vma->txn > w->mm->txn)
		return "area from the future";
	err = validate_links(vma);
	if (!err)
		err = validate_policy(vma);
	if (!err)
		err = validate_neighbours(w->prev, vma);
	w->prev = vma;
	w->files += vma_host(vma) != NULL;
	count_area(w, vma);
	return err;
}

static const char *validate_shape(const struct walk *w, const struct vma_node *node)
{
	bool root = node == w->mm->root;

	if (node->nr > NODE_MAX || node->nr < (!root ? NODE_MIN : node->level ? 2 : 1))
		return "node too full or too empty";
	if (node->level > MAX_DEPTH)
		return "tree too deep";
	if (node->txn > w->mm->txn)
		return "node from the future";
	for (unsigned int i = 1; i < node->nr; i++)
		if (node->key[i - 1] >= node->key[i])
			return "keys out of order";
	for (unsigned int i = node->nr; i < NODE_MAX; i++)
		if (node->key[i] != ~0UL)
			return "unused key is not the greatest";
	return NULL;
}

static const char *validate_node(struct walk *w, const struct vma_node *node)
{
	const char *err = validate_shape(w, node);

	for (unsigned int i = 0; !err && i < node->nr; i++) {
		const struct vma_node *child = node->ptr[i];

		if (!node->level)
			err = validate_area(w, node->ptr[i], node->key[i]);
		else if (child->level + 1 != node->level)
			err = "leaves at different levels";
		else if (child->nr > NODE_MAX ||
			 node->key[i] != child->key[child->nr - 1])
			err = "inner key is not the greatest below it";
		else
			err = validate_node(w, child);
	}
	return err;
}

const char *validate_mm(struct mm_struct *mm)
{
	struct walk w = { .mm = mm };
	const char *err = mm->root ? validate_node(&w, mm->root) : NULL;

	if (!err)
		err = validate_counts(&w);
	return err ? err : validate_i_mmap(mm, w.files);
}
