// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls that change the flags of areas: mprotect, madvise, mlock, userfaultfd.
 * All go through vma_modify(), area by area from left to right, as in the kernel; an area
 * whose flags stay as they are is not looked at (and not merged).
 */
#include <linux/mman.h>

#include "lib/mm/vma.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* since 6.13 */
#endif

#define VM_PROT_SHIFT_MAY 4 /* VM_MAYREAD is VM_READ << 4, and so on */

/* --- mprotect ---------------------------------------------------------------------- */

static unsigned long mprotect_flags(const struct vm_area_struct *vma, unsigned long prot,
				    int pkey)
{
	unsigned long flags = vma->vm_flags & ~VM_ACCESS_FLAGS;

	flags |= prot & (PROT_READ | PROT_WRITE | PROT_EXEC); /* the same bits */
	if (pkey >= 0)
		flags = (flags & ~VM_PKEY_MASK) | (unsigned long)pkey << VM_PKEY_SHIFT;
	return flags;
}

/* mprotect_fixup(): what a private area that becomes writable, or stops, is charged. */
static void mprotect_fixup(struct vma_txn *t, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end, unsigned long flags)
{
	const unsigned long free = VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE;
	bool populate = (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) == VM_LOCKED;
	u8 known = vma->known;

	if (flags == vma->vm_flags)
		return;
	if (flags & VM_WRITE) {
		if (!(vma->vm_flags & free)) {
			flags |= VM_ACCOUNT;
			known &= ~VMA_UNSURE_ACCOUNT;
		}
	} else if (flags & VM_ACCOUNT && vma_is_anonymous(vma)) {
		if (!vma->anon)
			flags &= ~VM_ACCOUNT;
		else
			known |= VMA_UNSURE_ACCOUNT;
	}
	vma_modify(t, vma, start, end, flags, known);
	if (flags & VM_WRITE)
		policy_writable(t, start, end);
	/* Locked memory gets pages of its own at once, before the next area's turn. */
	if (populate && flags & VM_WRITE)
		vma_settle_anon(t, start, end);
}

static unsigned long mprotect_start(struct mm_struct *mm, unsigned long start,
				    unsigned long prot)
{
	const struct vm_area_struct *vma = tree_find(mm->root, start);

	if (prot & PROT_GROWSDOWN && vma && vma->vm_flags & VM_GROWSDOWN)
		return vma->vm_start;
	return start;
}

/* EACCES, EPERM: an area that is sealed, or whose file forbids it, ends the call. */
static bool refuses(const struct vm_area_struct *vma, unsigned long flags)
{
	if (vma->vm_flags & VM_SEALED)
		return true;
	return flags & ~(flags >> VM_PROT_SHIFT_MAY) & VM_ACCESS_FLAGS;
}

bool mm_mprotect_refused(struct mm_struct *mm, unsigned long start, unsigned long len,
			 unsigned long prot)
{
	unsigned long end = range_end(start, len);
	const struct vm_area_struct *vma;

	for (unsigned long p = start;
	     p < end && (vma = tree_find(mm->root, p)) && vma->vm_start < end;
	     p = vma->vm_end)
		if (refuses(vma, mprotect_flags(vma, prot, -1)))
			return true;
	return false;
}

void mm_mprotect(struct mm_struct *mm, unsigned long start, unsigned long len,
		 unsigned long prot, int pkey)
{
	unsigned long end = range_end(start, len), p;
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (start & ~PAGE_MASK || end <= start)
		return;
	p = start = mprotect_start(mm, start, prot);
	if (!txn_begin(&t, mm, start, end))
		return;
	while (p < end && (vma = txn_find(&t, p)) && vma->vm_start <= p) {
		unsigned long flags = mprotect_flags(vma, prot, pkey);
		unsigned long stop = min(end, vma->vm_end);

		if (refuses(vma, flags) &&
		    (vma->vm_flags & VM_SEALED || !(vma->known & VMA_UNSURE_FLAGS)))
			break; /* what came before has been changed */
		mprotect_fixup(&t, vma, p, stop, flags);
		p = stop;
	}
	vma_settle_anon(&t, start, end);
	txn_commit(&t);
}

/* --- madvise ----------------------------------------------------------------------- */

#define ADVICE_REFUSED (~0UL) /* EINVAL or EPERM: the call ends here */

/* can_madvise_modify(), for the two advices that change flags and discard */
static bool seal_forbids(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SEALED | VM_WRITE)) == VM_SEALED &&
	       vma_is_anonymous(vma);
}

/*
 * madvise_vma_behavior(): the new flags; unchanged if the advice is not about flags. */
static unsigned long madvise_flags(const struct vm_area_struct *vma, int advice)
{
	unsigned long flags = vma->vm_flags;

	switch (advice) {
	case MADV_NORMAL:
		return flags & ~(VM_RAND_READ | VM_SEQ_READ);
	case MADV_SEQUENTIAL:
		return (flags & ~VM_RAND_READ) | VM_SEQ_READ;
	case MADV_RANDOM:
		return (flags & ~VM_SEQ_READ) | VM_RAND_READ;
	case MADV_DONTFORK:
		return seal_forbids(vma) ? ADVICE_REFUSED : flags | VM_DONTCOPY;
	case MADV_DOFORK:
		return flags & VM_IO ? ADVICE_REFUSED : flags & ~VM_DONTCOPY;
	case MADV_WIPEONFORK:
		if (vma->vm_file || flags & VM_SHARED || seal_forbids(vma))
			return ADVICE_REFUSED;
		return flags | VM_WIPEONFORK;
	case MADV_KEEPONFORK:
		return flags & VM_DROPPABLE ? ADVICE_REFUSED : flags & ~VM_WIPEONFORK;
	case MADV_DONTDUMP:
		return flags | VM_DONTDUMP;
	case MADV_DODUMP:
		if ((!(flags & VM_HUGETLB) && flags & VM_SPECIAL) || flags & VM_DROPPABLE)
			return ADVICE_REFUSED;
		return flags & ~VM_DONTDUMP;
	case MADV_HUGEPAGE:
		return (flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
	case MADV_NOHUGEPAGE:
		return (flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
	case MADV_MERGEABLE:
		return ksm_compatible(flags) ? flags | VM_MERGEABLE : flags;
	case MADV_UNMERGEABLE:
		return flags & ~VM_MERGEABLE;
	default:
		return flags;
	}
}

static bool advice_changes_flags(int advice)
{
	const struct vm_area_struct set = { .vm_flags = ~(VM_SPECIAL | VM_DROPPABLE |
							  VM_SEALED) };
	const struct vm_area_struct clear = { .vm_flags = 0 };

	return madvise_flags(&set, advice) != set.vm_flags ||
	       madvise_flags(&clear, advice) != 0;
}

/* hugetlb_vm_op_split(): EINVAL. Of the sizes we know the smallest. */
static bool cuts_huge_page(const struct vm_area_struct *vma, unsigned long start,
			   unsigned long end)
{
	const unsigned long mask = (2UL << 20) - 1;

	return vma->vm_flags & VM_HUGETLB && ((start != vma->vm_start && start & mask) ||
					      (end != vma->vm_end && end & mask));
}

void mm_madvise(struct mm_struct *mm, unsigned long start, unsigned long len, int advice)
{
	unsigned long end = range_end(start, len);
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (!advice_changes_flags(advice) || start & ~PAGE_MASK || end <= start ||
	    !txn_begin(&t, mm, start, end))
		return;
	for (unsigned long p = start; (vma = txn_find(&t, p)) && vma->vm_start < end;) {
		unsigned long from = max(p, vma->vm_start), flags;

		p = min(end, vma->vm_end);
		if (from >= p)
			break;
		flags = madvise_flags(vma, advice);
		if (flags == ADVICE_REFUSED ||
		    (flags != vma->vm_flags && cuts_huge_page(vma, from, p)))
			break;
		/* What it is merged with on the right is done, too. */
		if (flags != vma->vm_flags || vma_is_unsure(vma))
			p = vma_modify(&t, vma, from, p, flags, vma->known)->vm_end;
	}
	txn_commit(&t);
}

void mm_advice(struct mm_struct *mm, unsigned long start, unsigned long len, int advice)
{
	if (advice == MADV_GUARD_INSTALL)
		mm_guard_install(mm, start, len);
	else
		mm_madvise(mm, start, len, advice);
}

void mm_doubt_flags(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long end = range_end(start & PAGE_MASK, len + (start & ~PAGE_MASK));
	struct vm_area_struct *vma;
	struct vma_txn t;

	start &= PAGE_MASK;
	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	for (unsigned long p = start; (vma = txn_find(&t, p)) && vma->vm_start < end;) {
		p = vma->vm_end;
		vma_edit(&t, vma)->known |= VMA_UNSURE_FLAGS;
	}
	txn_commit(&t);
}

/* --- mlock ------------------------------------------------------------------------- */

/* mlock_fixup(). Returns the end of what is done. */
static unsigned long mlock_fixup(struct vma_txn *t, struct vm_area_struct *vma,
				 unsigned long start, unsigned long end,
				 unsigned long lock_flags)
{
	unsigned long flags = (vma->vm_flags & ~VM_LOCKED_MASK) | lock_flags;

	if ((flags == vma->vm_flags && !vma_is_unsure(vma)) ||
	    vma->vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE))
		return end;
	return vma_modify(t, vma, start, end, flags, vma->known)->vm_end;
}

void mm_mlock(struct mm_struct *mm, unsigned long start, unsigned long len,
	      unsigned long lock_flags)
{
	unsigned long end = range_end(start & PAGE_MASK, len + (start & ~PAGE_MASK)), p;
	struct vm_area_struct *vma;
	struct vma_txn t;

	p = start &= PAGE_MASK;
	if (end <= start || !txn_begin(&t, mm, start, end))
		return;
	while (p < end && (vma = txn_find(&t, p)) && vma->vm_start <= p) {
		p = mlock_fixup(&t, vma, p, min(end, vma->vm_end), lock_flags);
	}
	txn_commit(&t);
}

void mm_mlockall(struct mm_struct *mm, int flags)
{
	unsigned long on_fault = flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0;
	unsigned long lock_flags = flags & MCL_CURRENT ? VM_LOCKED | on_fault : 0;
	struct vm_area_struct *vma;
	struct vma_txn t;

	mm->def_flags &= ~VM_LOCKED_MASK;
	if (flags & MCL_FUTURE)
		mm->def_flags |= VM_LOCKED | on_fault;
	if ((flags && !(flags & MCL_CURRENT)) || !txn_begin_areas(&t, mm, mm->map_count))
		return;
	for (unsigned long p = 0; (vma = txn_find(&t, p));) {
		if (vma_is_gate(vma))
			break;
		p = mlock_fixup(&t, vma, vma->vm_start, vma->vm_end, lock_flags);
	}
	txn_commit(&t);
}

/* --- userfaultfd ------------------------------------------------------------------- */

#define OWN_MODE VM_SHARED /* stands for mm_uffd_mode(); no flag of a registration */

unsigned long mm_uffd_mode(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	if (vma_host(vma))
		return VM_UFFD_MISSING | VM_UFFD_MINOR | VM_UFFD_WP;
	/* What a fork shares there stays shared. */
	if (vma_is_shmem(vma) || !mm->own_wp)
		return VM_UFFD_MISSING;
	return VM_UFFD_MISSING | VM_UFFD_WP;
}

/* userfaultfd_register_range(), userfaultfd_clear_vma() */
static void uffd_range(struct vma_txn *t, unsigned long start, unsigned long end,
		       unsigned long clear, unsigned long set)
{
	struct vm_area_struct *vma;

	for (unsigned long p = start; (vma = txn_find(t, p)) && vma->vm_start < end;) {
		unsigned long from = max(p, vma->vm_start);
		unsigned long add = set == OWN_MODE ? mm_uffd_mode(t->mm, vma) : set;
		unsigned long flags = (vma->vm_flags & ~clear) | add;

		p = min(end, vma->vm_end);
		if (from >= p)
			break;
		if (flags != vma->vm_flags || vma_is_unsure(vma))
			p = vma_modify(t, vma, from, p, flags, vma->known)->vm_end;
	}
}

static void area_registered(struct vma_txn *t, struct vm_area_struct *vma)
{
	if (vma->policy != POLICY_OWN || !vma->stat) {
		vma = vma_edit(t, vma);
		vma->policy = POLICY_OWN;
		vma->reason = TRACK_NONE;
	}
	if (!vma->stat) {
		vma->stat = kmem_cache_alloc(&t->mm->stat_cache);
		*vma->stat = (struct vma_stat){ .refs = 1 };
	}
	history_registered(t->mm, vma);
}

static void areas_registered(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;

	for (unsigned long p = start; (vma = txn_find(t, p)) && vma->vm_start < end;) {
		p = vma->vm_end;
		area_registered(t, vma);
	}
}

void mm_set_uffd(struct mm_struct *mm, unsigned long start, unsigned long end, bool on)
{
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	if (on)
		uffd_range(&t, start, end, VM_UFFD_PROGRAM, OWN_MODE);
	else
		uffd_range(&t, start, end, VM_UFFD_FLAGS, 0);
	if (on)
		areas_registered(&t, start, end);
	txn_commit(&t);
}

void mm_set_settled(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	uffd_range(&t, start, end, VM_UFFD_PROGRAM, VM_UFFD_MISSING);
	areas_registered(&t, start, end);
	txn_commit(&t);
}

void mm_set_tracked(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	uffd_range(&t, start, end, 0, VM_UFFD_TRACK | VM_UFFD_WP);
	txn_commit(&t);
}

void mm_doubt(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	for (unsigned long p = start; (vma = txn_find(&t, p)) && vma->vm_start < end;) {
		p = vma->vm_end;
		if (!(vma->inexact & VMA_INEXACT_SPLIT))
			vma_edit(&t, vma)->inexact |= VMA_INEXACT_SPLIT;
	}
	txn_commit(&t);
}

void mm_set_track(struct mm_struct *mm, unsigned long start, unsigned long end,
		  enum track_reason reason)
{
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	mm->program_uffd |= reason == TRACK_PROGRAM_UFFD;
	uffd_range(&t, start, end, VM_UFFD_MISSING,
		   reason == TRACK_PROGRAM_UFFD ? VM_UFFD_OTHER : 0);
	for (unsigned long p = start; (vma = txn_find(&t, p)) && vma->vm_start < end;) {
		p = vma->vm_end;
		vma = vma_edit(&t, vma);
		vma->policy = POLICY_TRACK;
		vma->reason = (u8)reason;
	}
	txn_commit(&t);
}

void mm_set_program_uffd(struct mm_struct *mm, unsigned long start, unsigned long end,
			 unsigned long uffd_flags)
{
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, mm_count_areas(mm, start, end)))
		return;
	uffd_range(&t, start, end, VM_UFFD_FLAGS, uffd_flags & VM_UFFD_PROGRAM);
	txn_commit(&t);
}

/* We have no huge pages for shared memory. */
static bool shmem_is_left(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	return vma_is_shmem(vma) &&
	       (vma->vm_flags & VM_HUGEPAGE || READ_ONCE(mm->shmem_lost));
}

bool mm_next_to_register(struct mm_struct *mm, unsigned long addr, unsigned long limit,
			 unsigned long *start, unsigned long *end)
{
	const bool huge = READ_ONCE(mm->thp) != THP_NEVER;
	const struct vm_area_struct *vma;
	unsigned long mode;

	if (!mm->own_enabled || mm->blind)
		return false;
	for (; (vma = tree_find(mm->root, addr)) && vma->vm_start < limit;
	     addr = vma->vm_end) {
		mode = mm_uffd_mode(mm, vma);
		if (vma->policy != POLICY_OWN || (vma->vm_flags & VM_HUGEPAGE && !huge) ||
		    (vma->vm_flags & mode) == mode || vma_is_settled(vma) ||
		    shmem_is_left(mm, vma))
			continue;
		*start = vma->vm_start;
		*end = vma->vm_end;
		return true;
	}
	return false;
}
