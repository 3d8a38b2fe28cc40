// SPDX-License-Identifier: LGPL-2.1-or-later
/* dup_mmap() (mm/mmap.c), seen from the child. */
#include "lib/base/string.h"
#include "lib/mm/address_space.h"
#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

#define VM_INIT_DEF_MASK VM_NOHUGEPAGE /* include/linux/mm_types.h */

/*
 * The kernel does not merge here: neighbours that only a dropped flag kept apart stay
 * apart. Each copy gets an anon_vma of its own below the parent's (anon_vma_fork), which
 * will not merge with new memory; wiped areas start without one.
 */
static void dup_area(struct vma_txn *t, struct vm_area_struct *vma,
		     struct anon_vma **last)
{
	unsigned long flags = vma->vm_flags;

	flags &= ~(VM_LOCKED_MASK | VM_UFFD_FLAGS);
	vma_set_flags(t, vma, flags);
	vma->known &= ~VMA_UNSURE_WHOLE;
	if (vma->stat)
		vma_stat_clear(vma->stat);
	if (!vma->anon)
		return;
	if (flags & VM_WIPEONFORK) {
		unlink_anon_vmas(t->mm, vma);
		vma->known &= ~VMA_INHERITED;
	} else {
		anon_vma_fork(t->mm, vma, last);
		vma->known |= VMA_INHERITED;
	}
	vma->anon = anon_new(t->mm);
}

/* The index was not inherited, descriptors and lease are those of the parent's engine:
 * the child gets its own, or gives back what it has of them. */
static void dup_mappings(struct mm_struct *mm)
{
	struct list_head *l;

	list_for_each (l, &mm->mappings) {
		struct address_space *mapping = list_entry(l, struct address_space, list);

		mapping->parent.file_fd = mapping->file_fd;
		mapping->parent.frames_fd = mapping->frames_fd;
		mapping->parent.index_fd = mapping->index_fd;
		mapping->parent.shared =
			mapping->shared && mapping->state == MAPPING_LIVE;
		mapping->cache = NULL;
		mapping->dirty = NULL;
		mapping->file_fd = mapping->frames_fd = mapping->index_fd = -1;
		mapping->direct_fd = mapping->hold_fd = -1;
		mapping->huge = 0; /* VM_DONTCOPY */
		mapping->shared = mapping->evictable = false;
		mapping->state = MAPPING_LEAVING;
	}
}

/*
 * The caller is the only task: nobody reads, so everything is edited in place and no
 * memory is needed, but for the anon_vmas.
 */
void mm_dup(struct mm_struct *mm)
{
	struct vma_txn t = { .mm = mm, .id = ++mm->txn, .in_place = true };
	struct anon_vma *last = NULL;
	struct vm_area_struct *vma;

	rcu_reset(&mm->rcu);
	t.root = mm->root;
	vma_settle_fresh(&t);
	for (unsigned long p = 0; (vma = txn_find(&t, p));) {
		p = vma->vm_end;
		if (vma->vm_flags & VM_DONTCOPY)
			vma_remove(&t, vma);
		else
			dup_area(&t, vma, &last);
	}
	for (unsigned long p = 0; (vma = txn_find(&t, p)); p = vma->vm_end)
		vma_keep_edges(&t, vma);
	dup_mappings(mm);
	mm->def_flags &= VM_INIT_DEF_MASK;
	memset(mm->history.recent, 0, sizeof(mm->history.recent));
	mm->locked_vm -= mm->locked_lost;
	mm->locked_lost = 0;
	i_mmap_publish(&t);
	mm->root = t.root;
	mm->hiwater_vm = mm->total_vm;
	mm->seq++;
	rcu_reset(&mm->rcu);
}
