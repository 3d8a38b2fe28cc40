// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Merging: mm/vma.c of Linux 6.18, as far as system calls let us know.
 *
 *	 left  vma  right	vma has just been made or changed
 *	[AAAAA][AAA][AAAA]
 *
 * The kernel merges neighbours with equal flags, file and continuous offset, provided
 * their anon_vma are compatible: one has none (never touched), or both have the same.
 * We do not see the touching, so for areas that may have been touched we guess: pieces of
 * one area share its anon_vma (find_mergeable_anon_vma), strangers do not. A guess is
 * marked: VMA_INEXACT_SPLIT on what we merged, VMA_INEXACT_START on what we did not.
 */
#include "lib/base/string.h"
#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

static enum merge weaker(enum merge a, enum merge b)
{
	if (a == MERGE_NO || b == MERGE_NO)
		return MERGE_NO;
	return min(a, b);
}

static enum merge flags_mergeable(const struct vm_area_struct *left,
				  const struct vm_area_struct *right)
{
	unsigned long diff = (left->vm_flags ^ right->vm_flags) & ~VM_STICKY, unsure;

	if ((left->vm_flags | right->vm_flags) & VM_SPECIAL)
		return MERGE_NO;
	unsure = vma_unsure_flags(left) | vma_unsure_flags(right);
	if (diff & ~unsure)
		return MERGE_NO;
	if (diff)
		return MERGE_GUESS_NO;
	return unsure ? MERGE_GUESS_YES : MERGE_YES;
}

/* Names and policies are not in maps, or not before Linux 5.17. */
static enum merge label_mergeable(const struct vm_area_struct *left,
				  const struct vm_area_struct *right)
{
	const struct vma_file *a = left->anon_name, *b = right->anon_name;

	if (left->mpol != right->mpol)
		return MERGE_NO;
	if (a == b)
		return MERGE_YES;
	return a && b && !strcmp(a->name, b->name) ? MERGE_YES : MERGE_NO;
}

/*
 * The kernel compares struct file: two descriptors of one file are two. We see names.
 * What was moved aside for different hosts it would merge; we must know what is whose,
 * so there it is two areas here (verify_starts() knows).
 */
static enum merge file_mergeable(const struct vm_area_struct *left,
				 const struct vm_area_struct *right)
{
	bool unsure = (left->known | right->known) & VMA_UNSURE_PGOFF;

	if (left->aside != right->aside)
		return MERGE_NO;
	if (left->vm_pgoff + vma_pages(left) != right->vm_pgoff)
		return unsure ? MERGE_GUESS_NO : MERGE_NO;
	if (left->vm_file == right->vm_file)
		return unsure ? MERGE_GUESS_YES : MERGE_YES;
	return same_file(left->vm_file, right->vm_file) ? MERGE_GUESS_YES : MERGE_NO;
}

static enum merge anon_mergeable(const struct vm_area_struct *left,
				 const struct vm_area_struct *right)
{
	if (left->anon && right->anon)
		return left->anon == right->anon ? MERGE_GUESS_YES : MERGE_GUESS_NO;
	/* vma_had_uncowed_parents(): an area that came by fork, touched before, merges
	 * with nothing. */
	if ((left->anon && left->known & VMA_INHERITED) ||
	    (right->anon && right->known & VMA_INHERITED))
		return MERGE_GUESS_NO;
	return MERGE_YES;
}

enum merge can_vma_merge(const struct vm_area_struct *left,
			 const struct vm_area_struct *right)
{
	enum merge m = flags_mergeable(left, right);

	m = weaker(m, file_mergeable(left, right));
	m = weaker(m, label_mergeable(left, right));
	return m == MERGE_NO ? m : weaker(m, anon_mergeable(left, right));
}

/* --- joining ----------------------------------------------------------------------- */

static void join_counter(unsigned long *into, const unsigned long *from)
{
	__atomic_fetch_add(into, __atomic_load_n(from, __ATOMIC_RELAXED),
			   __ATOMIC_RELAXED);
}

static void join_stat(struct vma_txn *t, struct vm_area_struct *into,
		      const struct vm_area_struct *other)
{
	struct vma_stat *a = into->stat, *b = other->stat;

	if (!b || a == b)
		return;
	if (!a) {
		vma_set_stat(t, into, b);
		return;
	}
	if (b->refs > 1)
		return; /* another piece still counts there */
	join_counter(&a->faults, &b->faults);
	join_counter(&a->populated, &b->populated);
	join_counter(&a->cow_faults, &b->cow_faults);
	join_counter(&a->cow_copied, &b->cow_copied);
	join_counter(&a->cow_reused, &b->cow_reused);
	join_counter(&a->cow_kernel, &b->cow_kernel);
}

struct vm_area_struct *vma_join(struct vma_txn *t, struct vm_area_struct *left,
				struct vm_area_struct *right)
{
	unsigned long start = left->vm_start;
	unsigned long sticky = (left->vm_flags | right->vm_flags) & VM_STICKY;

	right = vma_edit(t, right);
	/* The left area's facts win unless they are the ones we are not sure of. */
	if (!(left->known & (VMA_UNSURE_FLAGS | VMA_UNSURE_ACCOUNT)))
		vma_set_flags(t, right, left->vm_flags | sticky);
	else
		vma_set_flags(t, right, right->vm_flags | sticky);
	if (!(left->known & VMA_UNSURE_PGOFF))
		right->vm_pgoff = left->vm_pgoff + vma_pages(left);
	if (!right->anon)
		anon_vma_clone(t->mm, right, left);
	right->inexact = (left->inexact | right->inexact) & ~VMA_INEXACT_START;
	right->inexact |= left->inexact & VMA_INEXACT_START;
	right->known = (left->known | right->known) & ~VMA_KNOWN_START;
	right->known |= left->known & VMA_KNOWN_START;
	join_stat(t, right, left);
	policy_join(right, left);
	vma_remove(t, left);
	vma_set_range(t, right, start, right->vm_end);
	policy_resized(t->mm, right);
	return right;
}

/* --- merging ----------------------------------------------------------------------- */

static struct vm_area_struct *set_start_guess(struct vma_txn *t,
					      struct vm_area_struct *vma, bool guess)
{
	u8 inexact =
		(vma->inexact & ~VMA_INEXACT_START) | (guess ? VMA_INEXACT_START : 0);
	u8 known = vma->known & ~VMA_KNOWN_START;

	if (inexact == vma->inexact && known == vma->known)
		return vma;
	vma = vma_edit(t, vma);
	vma->inexact = inexact;
	vma->known = known;
	return vma;
}

/* Returns the joined area or, if there are still two, @right. @m: how sure we are. */
static struct vm_area_struct *merge_pair(struct vma_txn *t, struct vm_area_struct *left,
					 struct vm_area_struct *right, enum merge m)
{
	if (m < MERGE_GUESS_YES)
		return set_start_guess(t, right, m == MERGE_GUESS_NO);
	right = vma_join(t, left, right);
	if (m == MERGE_GUESS_YES)
		right->inexact |= VMA_INEXACT_SPLIT;
	return right;
}

struct vm_area_struct *vma_merge(struct vma_txn *t, struct vm_area_struct *vma, int edges)
{
	unsigned long start = vma->vm_start;
	struct vm_area_struct *prev, *next;
	enum merge left = MERGE_NO, right;

	if (edges & EDGE_LEFT) {
		tree_find_prev(t->root, start, &prev);
		if (prev && prev->vm_end == start) {
			left = can_vma_merge(prev, vma);
			vma = merge_pair(t, prev, vma, left);
		} else {
			vma = set_start_guess(t, vma, false);
		}
	}
	if (edges & EDGE_RIGHT) {
		next = txn_find(t, vma->vm_end);
		if (next && next->vm_start == vma->vm_end) {
			right = can_vma_merge(vma, next);
			/* If the kernel did merge on the left after all, then on the
			 * right only what is compatible with that neighbour, too. */
			if (left == MERGE_GUESS_NO && right == MERGE_YES)
				right = MERGE_GUESS_YES;
			merge_pair(t, vma, next, right);
		}
	}
	return txn_find(t, start);
}

static void keep_edge(struct vma_txn *t, struct vm_area_struct *left,
		      struct vm_area_struct *right)
{
	if (left->vm_end != right->vm_start || right->known & VMA_KNOWN_START ||
	    can_vma_merge(left, right) < MERGE_GUESS_YES)
		return;
	vma_edit(t, right)->known |= VMA_KNOWN_START;
}

void vma_keep_edges(struct vma_txn *t, struct vm_area_struct *vma)
{
	unsigned long start = vma->vm_start;
	struct vm_area_struct *prev, *next;

	tree_find_prev(t->root, start, &prev);
	if (prev)
		keep_edge(t, prev, vma);
	vma = txn_find(t, start);
	next = txn_find(t, vma->vm_end);
	if (next)
		keep_edge(t, vma, next);
}

struct vm_area_struct *vma_cut(struct vma_txn *t, struct vm_area_struct *vma,
			       unsigned long start, unsigned long end, bool guess,
			       int *edges)
{
	*edges = (vma->vm_start == start ? EDGE_LEFT : 0) |
		 (vma->vm_end == end ? EDGE_RIGHT : 0);
	if (vma->vm_start < start) {
		vma = split_vma(t, vma, start);
		vma->inexact |= guess ? VMA_INEXACT_START : 0;
	}
	if (vma->vm_end > end) {
		split_vma(t, vma, end)->inexact |= guess ? VMA_INEXACT_START : 0;
		vma = txn_find(t, start);
	}
	return vma_edit(t, vma);
}

struct vm_area_struct *vma_modify(struct vma_txn *t, struct vm_area_struct *vma,
				  unsigned long start, unsigned long end,
				  unsigned long flags, u8 known)
{
	/* Had it these flags before, the kernel has cut nothing. */
	bool guess = vma_is_unsure(vma) && !((flags ^ vma->vm_flags) & VM_ACCESS_FLAGS);
	int edges;

	vma = vma_cut(t, vma, start, end, guess, &edges);
	vma_set_flags(t, vma, flags);
	vma->known = known;
	return vma_merge(t, vma, edges);
}

/* --- what a guess has turned out to be ---------------------------------------------- */

static bool looks_alike(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	if (vma_visible_flags(a->vm_flags) != vma_visible_flags(b->vm_flags))
		return false;
	if (!a->vm_file || !b->vm_file)
		return a->vm_file == b->vm_file;
	return a->vm_pgoff + vma_pages(a) == b->vm_pgoff &&
	       a->vm_file->ino == b->vm_file->ino;
}

bool vma_may_be_one(const struct mm_struct *mm, const struct vm_area_struct *left,
		    const struct vm_area_struct *right)
{
	/* Closing its userfaultfd, a program ends all registrations without our seeing
	 * it, and what only they kept apart is merged. */
	if (!(right->inexact & VMA_INEXACT_START) && !mm->program_uffd)
		return false;
	return left->vm_end == right->vm_start && left->aside == right->aside &&
	       looks_alike(left, right);
}

/*
 * What MREMAP_DONTUNMAP unlocked that we believe in, the kernel goes on counting; that it
 * did is plain only if the merge was a guess. Where we had seen two areas, or are not
 * sure of their flags, it was a mlock() or munlock() of which we know too little.
 */
static bool unlocked_by_mremap(const struct vm_area_struct *left,
			       const struct vm_area_struct *right)
{
	return right->inexact & VMA_INEXACT_START &&
	       !((left->known | right->known) & VMA_UNSURE_FLAGS);
}

/*
 * What the kernel does to whole areas it has then done to both: ended a registration
 * (registering twice is harmless), or unlocked the source of MREMAP_DONTUNMAP. So where
 * we believe in half of it we do not believe in any.
 */
struct vm_area_struct *vma_found_one(struct vma_txn *t, struct vm_area_struct *left,
				     struct vm_area_struct *right)
{
	const unsigned long whole = VM_WHOLE & ~VM_UFFD_OTHER;
	unsigned long both = left->vm_flags & right->vm_flags & whole, lost = 0;
	unsigned long start = left->vm_start;
	struct vm_area_struct *vma;
	u8 known = 0;

	if ((left->vm_flags ^ right->vm_flags) & VM_LOCKED) {
		if (unlocked_by_mremap(left, right))
			lost = vma_pages(left->vm_flags & VM_LOCKED ? left : right);
		else
			known = VMA_UNSURE_FLAGS;
	}
	vma = vma_join(t, left, right);
	vma_set_flags(t, vma, (vma->vm_flags & ~whole) | both);
	vma->known |= known;
	t->mm->locked_vm += lost;
	t->mm->locked_lost += lost;
	vma_keep_edges(t, vma);
	return txn_find(t, start);
}
