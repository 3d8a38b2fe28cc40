// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mremap (mm/mremap.c of Linux 6.18):
 *
 *	shrink		[AAAA]		->  [AA]..	in place: the tail is unmapped
 *	expand		[AA]....	->  [AAAA]	in place: a new area that merges
 *	move		[AA]  ....	->  ....  [AA]	copy_vma(), source unmapped
 *	DONTUNMAP	[AA]  ....	->  [AA]  [AA]	the source stays, empty
 *	old_len 0	[SS]  ....	->  [SS]  [SS]	shared memory, seen twice
 *	several		[AA][B] ......	->  .... [AA][B] MREMAP_FIXED (6.17)
 */
#include <linux/mman.h>

#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

struct move {
	unsigned long old, old_len, addr, len;
	bool keep_source;
};

static bool any_registered(struct vma_txn *t, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = txn_find(t, start);

	for (; vma && vma->vm_start < end; vma = txn_find(t, vma->vm_end))
		if (vma->vm_flags & VM_UFFD_FLAGS && !(vma->known & VMA_UNSURE_WHOLE))
			return true;
	return false;
}

/*
 * check_prep_vma(): what changes its size, or leaves its source behind, is of one area.
 * But in place it may be cut; and of MREMAP_FIXED that moves, remap_move() takes each
 * area for itself since 6.17, if none is registered (vma_multi_allowed()).
 */
static bool must_be_one(struct vma_txn *t, const struct move *m, unsigned long flags)
{
	if (flags & MREMAP_FIXED)
		return m->len != m->old_len || any_registered(t, m->old, m->old + m->len);
	return m->len > m->old_len || flags & MREMAP_DONTUNMAP;
}

/* [start, end) is of one area in the kernel: where we had guessed that it is of several,
 * that was wrong. */
static void found_one(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = txn_find(t, start), *next;

	while (vma && vma->vm_end < end) {
		next = txn_find(t, vma->vm_end);
		if (!next)
			return;
		vma = vma_may_be_one(t->mm, vma, next) ? vma_found_one(t, vma, next)
						       : next;
	}
}

/* vma_merge_extend() */
static void expand_vma_in_place(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = txn_find(t, start - 1);

	if (!vma || vma->vm_end != start)
		return; /* the kernel would not have expanded it here */
	vma_unmap_range(t, start, end);
	vma = vma_edit(t, txn_find(t, start - 1));
	vma_set_range(t, vma, vma->vm_start, end);
	policy_resized(t->mm, vma);
	vma_merge(t, vma, EDGE_RIGHT);
}

static void doubt_whole(struct vma_txn *t, struct vm_area_struct *vma,
			unsigned long flags)
{
	if (vma->vm_flags & flags && !(vma->known & VMA_UNSURE_WHOLE))
		vma_edit(t, vma)->known |= VMA_UNSURE_WHOLE;
}

/* If the kernel merges these, both lose their registration; and if that is a guess? */
static void doubt_uffd(struct vma_txn *t, struct vm_area_struct *neighbour, enum merge m)
{
	if (m == MERGE_GUESS_NO || m == MERGE_GUESS_YES)
		doubt_whole(t, neighbour, VM_UFFD_FLAGS);
}

static void doubt_neighbours(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct vm_area_struct *prev, *next;

	tree_find_prev(t->root, vma->vm_start, &prev);
	if (prev && prev->vm_end == vma->vm_start)
		doubt_uffd(t, prev, can_vma_merge(prev, vma));
	next = txn_find(t, vma->vm_end);
	if (next && next->vm_start == vma->vm_end)
		doubt_uffd(t, next, can_vma_merge(vma, next));
}

/* The area that @vma may be one with in the kernel, on that side; or NULL. */
static struct vm_area_struct *guessed_left(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct vm_area_struct *prev;

	tree_find_prev(t->root, vma->vm_start, &prev);
	return vma->inexact & VMA_INEXACT_START ? prev : NULL;
}

static struct vm_area_struct *guessed_right(struct vma_txn *t, struct vm_area_struct *vma)
{
	struct vm_area_struct *next = txn_find(t, vma->vm_end);

	return next && next->vm_start == vma->vm_end && next->inexact & VMA_INEXACT_START
		       ? next
		       : NULL;
}

/* The areas of doubt_row(), beside [start, end). */
static size_t count_row(const struct mm_struct *mm, unsigned long start,
			unsigned long end)
{
	const struct vm_area_struct *vma = tree_find(mm->root, end);
	struct vm_area_struct *prev;
	size_t n = 0;

	for (; vma && vma->vm_start == end && (!n || vma->inexact & VMA_INEXACT_START);
	     vma = tree_find(mm->root, end = vma->vm_end))
		n++;
	for (tree_find_prev(mm->root, start, &prev); prev && prev->vm_end == start;
	     tree_find_prev(mm->root, start, &prev)) {
		n++;
		if (!(prev->inexact & VMA_INEXACT_START))
			break;
		start = prev->vm_start;
	}
	return n;
}

/* Those of doubt_locked(). */
static size_t count_locked(const struct mm_struct *mm, unsigned long old,
			   unsigned long end)
{
	const struct vm_area_struct *first = tree_find(mm->root, old);
	const struct vm_area_struct *last = tree_find(mm->root, end - 1);

	if (!last || !((first->vm_flags | last->vm_flags) & VM_LOCKED))
		return 0;
	return count_row(mm, first->vm_start, last->vm_end);
}

size_t mremap_areas(const struct mm_struct *mm, unsigned long old, unsigned long old_len,
		    unsigned long addr, unsigned long len)
{
	unsigned long end = range_end(addr, len), old_end = range_end(old, old_len);

	return mm_count_areas(mm, old, range_end(old, max(old_len, len))) +
	       mm_count_areas(mm, addr, end) + count_row(mm, addr, end) +
	       count_locked(mm, old, max(old_end, old + 1));
}

/*
 * What may be one area with @start's in the kernel: its neighbours, theirs, and so on. Of
 * these the merge itself has made some: an area that was never touched goes with both
 * sides, which then may or may not go with each other.
 */
static void doubt_row(struct vma_txn *t, unsigned long start, unsigned long flags)
{
	struct vm_area_struct *vma;

	for (unsigned long p = start; (vma = guessed_left(t, txn_find(t, p)));
	     p = vma->vm_start, doubt_whole(t, vma, flags))
		;
	for (unsigned long p = start; (vma = guessed_right(t, txn_find(t, p)));
	     p = vma->vm_start, doubt_whole(t, vma, flags))
		;
}

/*
 * copy_vma(): the destination has the source's flags, file and anon_vma, and merges with
 * what it finds. Without EVENT_REMAP the area it ends up in loses the registration, and
 * that is the whole merged area (mremap_userfaultfd_prep).
 */
static void copy_vma(struct vma_txn *t, const struct move *m)
{
	struct vm_area_struct *source = txn_find(t, m->old), *vma = vma_new(t);
	unsigned long delta = (m->old - source->vm_start) >> PAGE_SHIFT, txn = vma->txn;

	*vma = *source;
	vma->txn = txn;
	file_ref(vma->vm_file);
	file_ref(vma->anon_name);
	anon_vma_get(vma->inherited);
	if (vma->stat)
		vma->stat->refs++;
	vma->vm_pgoff += delta;
	vma->vm_start = m->addr;
	vma->vm_end = m->addr + m->len;
	vma->inexact &= ~VMA_INEXACT_START;
	vma->known &= ~VMA_KNOWN_START;
	if (vma_is_anonymous(vma)) {
		if (!vma->anon)
			vma->vm_pgoff = m->addr >> PAGE_SHIFT;
		else
			vma->known |= VMA_UNSURE_PGOFF;
	}
	policy_resized(t->mm, vma);
	vma_insert(t, vma);
	if (vma->vm_flags & VM_UFFD_FLAGS)
		doubt_neighbours(t, vma);
	vma = vma_merge(t, vma, EDGE_BOTH);
	if (vma->vm_flags & VM_UFFD_FLAGS) {
		doubt_row(t, m->addr, VM_UFFD_FLAGS);
		vma = vma_edit(t, txn_find(t, m->addr));
		vma_set_flags(t, vma, vma->vm_flags & ~VM_UFFD_FLAGS);
		vma_keep_edges(t, vma);
	}
}

static bool is_whole(const struct vm_area_struct *vma, const struct move *m)
{
	return vma->vm_start == m->old && vma->vm_end == m->old + m->old_len;
}

/* The copy may be in the source, or in one of several that the kernel has instead. */
static bool joins_source(struct vma_txn *t, const struct move *m)
{
	struct vm_area_struct *source = txn_find(t, m->old), *copy = txn_find(t, m->addr);
	struct vm_area_struct *left = guessed_left(t, copy);
	struct vm_area_struct *right = guessed_right(t, copy);

	return source == left || source == right ||
	       (source == copy && (left || right || source->inexact & VMA_INEXACT_SPLIT));
}

/*
 * The source is unlocked as a whole: with the copy in it, and what that joins on its
 * other side, if the kernel merged them. If that is a guess, so is the lock; and if it is
 * one what belongs to the source.
 */
static void doubt_locked(struct vma_txn *t, const struct move *m)
{
	struct vm_area_struct *source = txn_find(t, m->old);

	if (!(source->vm_flags & VM_LOCKED))
		return;
	if (joins_source(t, m)) {
		doubt_whole(t, txn_find(t, m->addr), VM_LOCKED);
		doubt_row(t, m->addr, VM_LOCKED);
	}
	doubt_row(t, m->old, VM_LOCKED);
	source = txn_find(t, m->old);
	if (source->inexact & VMA_INEXACT_SPLIT && !is_whole(source, m))
		doubt_whole(t, source, VM_LOCKED);
}

/*
 * dontunmap_complete(): the whole source area loses these, also if only a part moved.
 * VM_ACCOUNT stays in 6.18; other versions clear it.
 */
static void dontunmap_complete(struct vma_txn *t, const struct move *m)
{
	struct vm_area_struct *vma;

	doubt_locked(t, m);
	vma = vma_edit(t, txn_find(t, m->old));
	/* The kernel goes on counting the source's pages as locked, for ever. */
	if (vma->vm_flags & VM_LOCKED) {
		t->mm->locked_vm += vma_pages(vma);
		t->mm->locked_lost += vma_pages(vma);
	}
	vma_set_flags(t, vma, vma->vm_flags & ~VM_LOCKED_MASK);
	if (vma->vm_flags & VM_ACCOUNT)
		vma->known |= VMA_UNSURE_ACCOUNT;
	if (is_whole(vma, m))
		unlink_anon_vmas(t->mm, vma);
	vma_settle_anon(t, m->old, m->old + 1);
	vma_keep_edges(t, vma);
}

/* mremap_to(), move_vma() */
static void move_vma(struct vma_txn *t, const struct move *m)
{
	const struct vm_area_struct *vma;
	struct move r = *m;

	vma_unmap_range(t, r.addr, r.addr + r.len);
	if (r.len < r.old_len) {
		vma_unmap_range(t, r.old + r.len, r.old + r.old_len);
		r.old_len = r.len;
	}
	vma = txn_find(t, r.old);
	if (!vma || vma->vm_start > r.old)
		return;
	copy_vma(t, &r);
	if (r.keep_source)
		dontunmap_complete(t, &r);
	else
		vma_unmap_range(t, r.old, r.old + r.old_len);
}

void vma_move(struct vma_txn *t, unsigned long old, unsigned long addr, unsigned long len)
{
	const struct move m = { .old = old, .old_len = len, .addr = addr, .len = len };

	move_vma(t, &m);
}

/* remap_move(): each area for itself, the holes between them stay holes. */
static void move_areas(struct vma_txn *t, const struct move *m)
{
	unsigned long end = m->old + m->old_len;
	const struct vm_area_struct *vma;

	for (unsigned long p = m->old; (vma = txn_find(t, p)) && vma->vm_start < end;) {
		struct move one = *m;

		one.old = max(p, vma->vm_start);
		p = min(end, vma->vm_end);
		if (one.old >= p)
			break;
		one.addr = m->addr + (one.old - m->old);
		one.len = one.old_len = p - one.old;
		move_vma(t, &one);
	}
}

void mm_mremap(struct mm_struct *mm, unsigned long old, unsigned long old_len,
	       unsigned long addr, unsigned long len, unsigned long flags)
{
	struct move m = {
		.old = old,
		.old_len = PAGE_ALIGN(old_len),
		.addr = addr,
		.len = PAGE_ALIGN(len),
		.keep_source = flags & MREMAP_DONTUNMAP,
	};
	struct vma_txn t;

	if (!m.len || !find_vma_intersection(mm, old, old + 1) ||
	    !txn_begin_areas(&t, mm, mremap_areas(mm, old, m.old_len, addr, m.len)))
		return;
	if (must_be_one(&t, &m, flags))
		found_one(&t, old, old + min(m.old_len, m.len));
	if (!m.old_len) {
		m.keep_source = true;
		vma_unmap_range(&t, m.addr, m.addr + m.len);
		copy_vma(&t, &m);
	} else if (addr != old && m.len == m.old_len) {
		move_areas(&t, &m);
	} else if (addr != old) {
		move_vma(&t, &m);
	} else if (m.len < m.old_len) {
		vma_unmap_range(&t, old + m.len, old + m.old_len);
	} else if (m.len > m.old_len) {
		expand_vma_in_place(&t, old + m.old_len, old + m.len);
	}
	txn_commit(&t);
}

static bool may_move_several(struct mm_struct *mm, const struct move *m)
{
	const struct vm_area_struct *vma =
		find_vma_intersection(mm, m->old, m->old + m->old_len);

	if ((m->old | m->addr) & ~PAGE_MASK || m->old_len != m->len ||
	    m->old + m->len < m->old || m->addr + m->len < m->addr)
		return false;
	/* remap_move(), vma_multi_allowed(): these are refused before anything is done */
	if (!vma || vma->vm_start > m->old || vma->vm_flags & VM_UFFD_FLAGS)
		return false;
	return vma->vm_end < m->old + m->old_len;
}

/*
 * remap_move() stops at the first area it may not move; what went before stays moved, and
 * looks in maps perhaps as what it replaced. So forget that, to have it read back.
 */
void mm_mremap_failed(struct mm_struct *mm, unsigned long old, unsigned long old_len,
		      unsigned long addr, unsigned long len, unsigned long flags)
{
	struct move m = { .old = old,
			  .old_len = PAGE_ALIGN(old_len),
			  .addr = addr,
			  .len = PAGE_ALIGN(len) };
	unsigned long end = old + m.old_len;
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (!(flags & MREMAP_FIXED) || !may_move_several(mm, &m) ||
	    !txn_begin_areas(&t, mm,
			     mm_count_areas(mm, old, end) +
				     mm_count_areas(mm, addr, addr + m.len)))
		return;
	/* dontunmap_complete() */
	for (unsigned long p = old; (vma = txn_find(&t, p)) && vma->vm_start < end;) {
		p = vma->vm_end;
		if (flags & MREMAP_DONTUNMAP)
			vma_edit(&t, vma)->known |= VMA_UNSURE_FLAGS;
	}
	vma_unmap_range(&t, addr, addr + m.len);
	txn_commit(&t);
}
