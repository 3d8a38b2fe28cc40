/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reverse mapping of anonymous pages, first half: which areas may hold a page.
 *
 * In the kernel (mm/rmap.c) an anonymous page points to the anon_vma of the area it was
 * made for, and that anon_vma to the areas of all processes that may map the page: fork
 * gives the child's area a link (anon_vma_chain) to each anon_vma of the parent's, and
 * one of its own for the pages it makes itself:
 *
 *	parent (A)	area -> A
 *	child  (C)	area -> C -> A		C: pages of its own; A: the parent's
 *	its child (G)	area -> G -> C -> A
 *
 * Here parent and child are processes with a model each, so the tree is distributed: each
 * has the links of its own areas, and an anon_vma has a name that all of them know, the
 * mm_struct that made it and a number in that (struct anon_id). A page of A is found by
 * asking every process of the family for areas with A in their chain: `shadowmm rmap`.
 *
 * An area's own anon_vma is its number, vm_area_struct.anon, and costs nothing more; a
 * struct anon_vma is made for it in the child, when a fork gives it descendants. The
 * chain is shared by the pieces of an area, is never written but in mm_dup(), where there
 * are no readers, and is counted by its areas and by the anon_vmas in front of it.
 *
 * Split, copy and merge are the kernel's (anon_vma_clone(), dup_anon_vma()): pieces have
 * the same chain, and what is merged has one or none (merge.c, anon_mergeable()). The
 * kernel reuses the anon_vma of an ancestor without areas for a child, so that a chain of
 * forks does not grow for ever; a process does not know about its ancestors' areas, so
 * here a chain has ANON_VMA_DEPTH links at most: the nearest ones and the root. What is
 * left out between them makes `rmap` miss cousins whose last common ancestor was there.
 *
 * Locks: mmap_lock to change, mm_read_lock() to walk.
 */
#ifndef SHADOWMM_MM_ANON_VMA_H
#define SHADOWMM_MM_ANON_VMA_H

#include "lib/mm/mm.h"

#define ANON_VMA_DEPTH 8

/* Which anon_vma, for every process of this boot. */
struct anon_id {
	struct mm_id mm;
	u32 serial; /* vm_area_struct.anon in that mm_struct */
};

struct anon_vma {
	struct rcu_head rcu;
	struct anon_vma *parent; /* NULL: the root */
	struct anon_id id;
	unsigned int refs; /* mmap_lock */
};

static inline struct anon_vma *anon_vma_get(struct anon_vma *av)
{
	if (av)
		av->refs++;
	return av;
}

void anon_vma_put(struct mm_struct *mm, struct anon_vma *av);
/* @dst, which has none, gets the anon_vmas of @src. Both editable. */
void anon_vma_clone(struct mm_struct *mm, struct vm_area_struct *dst,
		    const struct vm_area_struct *src);
/* The area has no anon_vma any more, not even a number. Editable. */
void unlink_anon_vmas(struct mm_struct *mm, struct vm_area_struct *vma);
/*
 * @vma, an area of mm_dup(), still has the parent's number, which goes in front of what
 * it inherits. Caller gives it a number of its own. *@last: what the area before got;
 * pieces of one area share. Takes one object of the cache; without memory the area
 * inherits nothing, counted in mm->anon_lost.
 */
void anon_vma_fork(struct mm_struct *mm, struct vm_area_struct *vma,
		   struct anon_vma **last);

/* --- readers: inside mm_read_lock() or under mmap_lock ------------------------------ */

/* The chain of @vma, its own anon_vma first. Returns how many, 0 if it has none. */
unsigned int anon_vma_chain(const struct mm_struct *mm, const struct vm_area_struct *vma,
			    struct anon_id id[static ANON_VMA_DEPTH + 1]);
/* @id is one of them. */
bool anon_vma_linked(const struct mm_struct *mm, const struct vm_area_struct *vma,
		     const struct anon_id *id);

/* linear_page_index(): where in its anon_vma, or file, the page at @addr is; pages. */
static inline unsigned long linear_page_index(const struct vm_area_struct *vma,
					      unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* vma_address(): where @vma has the page of @index; false: it does not reach there. */
bool vma_address(const struct vm_area_struct *vma, unsigned long index,
		 unsigned long *addr);

/* What is wrong with the chain, or NULL; for validate_mm(). */
const char *validate_anon_vma(const struct vm_area_struct *vma);

#endif
