// SPDX-License-Identifier: LGPL-2.1-or-later
/* anon_vma_clone(), anon_vma_fork(), unlink_anon_vmas() (mm/rmap.c). */
#include "lib/mm/anon_vma.h"

/* Objects go in the order child, parent: a reader who found one finds those behind it,
 * since all are deferred. */
void anon_vma_put(struct mm_struct *mm, struct anon_vma *av)
{
	while (av && !--av->refs) {
		struct anon_vma *parent = av->parent;

		kmem_cache_free_rcu(&mm->anon_vma_cache, &mm->rcu, av, &av->rcu);
		av = parent;
	}
}

void anon_vma_clone(struct mm_struct *mm, struct vm_area_struct *dst,
		    const struct vm_area_struct *src)
{
	struct anon_vma *old = dst->inherited;

	dst->anon = src->anon;
	dst->inherited = anon_vma_get(src->inherited);
	anon_vma_put(mm, old);
}

void unlink_anon_vmas(struct mm_struct *mm, struct vm_area_struct *vma)
{
	anon_vma_put(mm, vma->inherited);
	vma->inherited = NULL;
	vma->anon = 0;
}

static bool anon_id_equal(const struct anon_id *a, const struct anon_id *b)
{
	return a->serial == b->serial && mm_id_equal(&a->mm, &b->mm);
}

/*
 * Leave out the anon_vma before the root if @head's chain is too long. Others share it
 * and are as long behind that point, so theirs is cut rightly too.
 */
static void cut_chain(struct mm_struct *mm, struct anon_vma *head)
{
	struct anon_vma *av = head, *out;
	unsigned int depth = 1;

	for (out = head; out->parent; out = out->parent)
		depth++;
	if (depth <= ANON_VMA_DEPTH)
		return;
	while (av->parent->parent->parent)
		av = av->parent;
	out = av->parent;
	av->parent = anon_vma_get(out->parent);
	anon_vma_put(mm, out);
}

void anon_vma_fork(struct mm_struct *mm, struct vm_area_struct *vma,
		   struct anon_vma **last)
{
	const struct anon_id id = { .mm = mm->id, .serial = vma->anon };
	struct anon_vma *av = *last;

	if (av && anon_id_equal(&av->id, &id) && av->parent == vma->inherited) {
		anon_vma_put(mm, vma->inherited);
		vma->inherited = anon_vma_get(av);
		return;
	}
	av = kmem_cache_alloc(&mm->anon_vma_cache);
	if (unlikely(!av)) {
		mm->anon_lost++;
		unlink_anon_vmas(mm, vma);
		return;
	}
	/* The area's reference to what it inherited becomes the new one's. */
	*av = (struct anon_vma){ .parent = vma->inherited, .id = id, .refs = 1 };
	vma->inherited = *last = av;
	cut_chain(mm, av);
}

/* --- readers ----------------------------------------------------------------------- */

unsigned int anon_vma_chain(const struct mm_struct *mm, const struct vm_area_struct *vma,
			    struct anon_id id[static ANON_VMA_DEPTH + 1])
{
	const struct anon_vma *av = vma->inherited;
	unsigned int n = 0;

	if (!vma->anon)
		return 0;
	id[n++] = (struct anon_id){ .mm = mm->id, .serial = vma->anon };
	for (; av && n <= ANON_VMA_DEPTH; av = av->parent)
		id[n++] = av->id;
	return n;
}

bool anon_vma_linked(const struct mm_struct *mm, const struct vm_area_struct *vma,
		     const struct anon_id *id)
{
	const struct anon_vma *av;

	if (!vma->anon)
		return false;
	if (mm_id_equal(&id->mm, &mm->id))
		return id->serial == vma->anon;
	for (av = vma->inherited; av; av = av->parent)
		if (anon_id_equal(&av->id, id))
			return true;
	return false;
}

bool vma_address(const struct vm_area_struct *vma, unsigned long index,
		 unsigned long *addr)
{
	unsigned long page = index - vma->vm_pgoff; /* wraps if it lies below */

	if (page >= (vma->vm_end - vma->vm_start) >> PAGE_SHIFT)
		return false;
	*addr = vma->vm_start + (page << PAGE_SHIFT);
	return true;
}

const char *validate_anon_vma(const struct vm_area_struct *vma)
{
	const struct anon_vma *av;
	unsigned int depth = 0;

	if (vma->inherited && !vma->anon)
		return "anon_vmas inherited by an area without one";
	for (av = vma->inherited; av; av = av->parent) {
		if (!av->refs)
			return "anon_vma without a reference";
		if (++depth > ANON_VMA_DEPTH)
			return "too many anon_vmas";
	}
	return NULL;
}
