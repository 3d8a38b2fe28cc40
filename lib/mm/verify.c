// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shadow against the kernel's list, one kernel area K at a time, ascending:
 *
 *	cursor	  K.start	 K.end
 *	  |  gap    |    span      |
 *	[SSSSS]   [SSSS][SSSS][SSSSSSSSS]
 *	   1        2   3     2    4
 *
 * 1. Shadow in the gap before K is not in the kernel.
 * 2. Shadow in the span must look as K does; what is not covered is missing.
 * 3. A start inside K: the kernel merged. Right if the start was a guess.
 * 4. An end beyond K's: the kernel did not merge, or split. Right if that was a guess.
 *
 * Guesses are settled as the kernel has it, always; the rest is reported and, with
 * @repair, made so. Each step is a change of its own, so readers see every state between.
 */
#include "lib/base/string.h"
#include "lib/mm/vma.h"

static void describe(const struct mm_struct *mm, const struct vm_area_struct *vma,
		     struct area_desc *d)
{
	const struct vma_file *file = vma->vm_file;

	*d = (struct area_desc){
		.start = vma->vm_start,
		.end = vma->vm_end,
		.vm_flags = vma_smaps_flags(vma),
		.pgoff = file ? vma->vm_pgoff : 0,
		.name = vma_name(mm, vma),
	};
	if (file) {
		d->major = file->major;
		d->minor = file->minor;
		d->ino = file->ino;
	}
}

static void report(struct mm_verify *v, const char *what,
		   const struct vm_area_struct *vma, const struct area_desc *kernel)
{
	struct area_desc shadow;

	v->differences++;
	if (!v->report)
		return;
	if (vma)
		describe(v->mm, vma, &shadow);
	v->report(v->priv, what, vma ? &shadow : NULL, kernel);
}

#define READER_SPINS (1 << 20)

/* A small change; if there is no memory for it, the shadow is blind and stays so. */
static bool verify_begin(struct mm_verify *v, struct vma_txn *t)
{
	/* Hundreds of changes in a row, and what they replace stays as long as one
	 * reader does: no reader waits for us, so wait for it. */
	for (int i = 0; i < READER_SPINS && !v->failed && mm_short_of_memory(v->mm, 4) &&
			v->mm->rcu.nr_deferred;
	     i++) {
		rcu_reap(&v->mm->rcu);
		caa_cpu_relax();
	}
	if (v->failed || !txn_begin_quiet(t, v->mm, 4))
		v->failed = true;
	return !v->failed;
}

/* --- repairs ----------------------------------------------------------------------- */

static void repair_unmap(struct mm_verify *v, unsigned long start, unsigned long end)
{
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma_unmap_range(&t, start, end);
	txn_commit(&t);
}

static enum track_reason reason_of(const struct area_desc *d)
{
	if (vma_visible_flags(d->vm_flags) & VM_MAYSHARE)
		return TRACK_SHARED;
	if (desc_is_anonymous(d))
		return TRACK_BEFORE_START;
	return d->ino ? TRACK_FILE : TRACK_SPECIAL;
}

/* What the kernel has in [start, end), a part of @kernel. */
static void repair_import(struct mm_verify *v, const struct area_desc *kernel,
			  unsigned long start, unsigned long end)
{
	struct area_desc part = *kernel;
	struct vma_txn t;

	part.start = start;
	part.end = end;
	part.pgoff += (start - kernel->start) >> PAGE_SHIFT;
	if (!verify_begin(v, &t))
		return;
	vma_unmap_range(&t, start, end);
	if (import_area(&t, &part, reason_of(kernel), v->all_flags))
		v->failed = true;
	txn_commit(&t);
}

static struct vm_area_struct *isolate(struct vma_txn *t, unsigned long start,
				      unsigned long end)
{
	struct vm_area_struct *vma = txn_find(t, start);

	if (vma->vm_start < start)
		vma = split_vma(t, vma, start);
	if (vma->vm_end > end)
		split_vma(t, vma, end);
	return vma_edit(t, txn_find(t, start));
}

/* Only the visible flags differ: counters, policy and registration are still right. */
static void repair_flags(struct mm_verify *v, const struct area_desc *kernel,
			 unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	unsigned long flags;
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma = isolate(&t, start, end);
	vma->known |= VMA_UNSURE_FLAGS;
	flags = vma->vm_flags & ~(VM_ACCESS_FLAGS | VM_SHARED | VM_MAYSHARE);
	flags |= vma_visible_flags(kernel->vm_flags);
	if (flags & VM_MAYSHARE)
		flags |= VM_SHARED;
	vma_set_flags(&t, vma, flags);
	vma_keep_edges(&t, vma);
	txn_commit(&t);
}

/* --- adopting the kernel's answer -------------------------------------------------- */

static void adopt_start(struct mm_verify *v, struct vm_area_struct *vma,
			unsigned long start)
{
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma = vma_edit(&t, vma);
	vma_set_range(&t, vma, start, vma->vm_end);
	/* expand_downwards(): also if it is as untouched as mmap() made it. */
	if (!vma->anon)
		vma->anon = anon_new(t.mm);
	txn_commit(&t);
}

/* The kernel has one area where we have two. */
static void adopt_merge(struct mm_verify *v, struct vm_area_struct *left,
			struct vm_area_struct *right)
{
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma_found_one(&t, left, right);
	txn_commit(&t);
}

/* Perhaps not the same struct file as its left neighbour's. */
static void doubt_file(struct vma_txn *t, struct vm_area_struct *vma)
{
	const struct vma_file *old = vma->vm_file;
	struct vma_file *file =
		vma_file_get(t->mm, old->major, old->minor, old->ino, old->name);

	if (!file)
		return;
	vma_file_put(t->mm, vma->vm_file);
	vma->vm_file = file;
}

/*
 * The kernel has two areas where we have one: they have different anon_vma, or files that
 * are one to us by name only.
 */
static void adopt_split(struct mm_verify *v, struct vm_area_struct *vma,
			unsigned long addr)
{
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma = split_vma(&t, vma, addr);
	vma->known |= VMA_KNOWN_START;
	if (vma->anon)
		vma->anon = anon_new(t.mm);
	if (vma->vm_file && vma->vm_file->ino && !vma_host(vma))
		doubt_file(&t, vma);
	txn_commit(&t);
}

/* The same file by another name: what is known of the descriptor holds. */
static void adopt_file(struct mm_verify *v, struct vm_area_struct *vma,
		       const struct area_desc *kernel)
{
	struct vma_file *file;
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma = vma_edit(&t, vma);
	file = import_file(&t, kernel);
	if (file && file->refs == 1) {
		file->mode = vma->vm_file->mode;
		file->mode_known = vma->vm_file->mode_known;
	}
	if (file) {
		vma_file_put(t.mm, vma->vm_file);
		vma->vm_file = file;
	}
	txn_commit(&t);
}

/* --- comparison -------------------------------------------------------------------- */

enum file_match {
	FILE_EQUAL,
	FILE_RENAMED,
	FILE_DIFFERENT
};

/*
 * Names change (rename, unlink). Some file systems answer another device to fstat() than
 * maps shows. A file whose inode we were not told (shared anonymous memory) is any.
 */
static enum file_match match_file(const struct vm_area_struct *vma,
				  const struct area_desc *kernel)
{
	const struct vma_file *file = vma->vm_file;
	bool same_dev, same_name;

	if (!file || desc_is_anonymous(kernel))
		return file || !desc_is_anonymous(kernel) ? FILE_DIFFERENT : FILE_EQUAL;
	same_dev = file->major == kernel->major && file->minor == kernel->minor;
	same_name =
		!strcmp(vma->anon_name ? vma->anon_name->name : file->name, kernel->name);
	/* A memfd of ours: the one we made, by whatever name, or another file. */
	if (file->host)
		return file->ino == kernel->ino && same_dev ? FILE_EQUAL : FILE_DIFFERENT;
	if (file->ino == kernel->ino) {
		if (same_dev && same_name)
			return FILE_EQUAL;
		if ((same_dev || same_name) && file->ino)
			return FILE_RENAMED;
		return FILE_DIFFERENT;
	}
	return !file->ino && file->name[0] != '[' ? FILE_RENAMED : FILE_DIFFERENT;
}

/* How the part of @vma at @addr differs from @kernel, or NULL. */
static const char *compare(struct mm_verify *v, struct vm_area_struct *vma,
			   unsigned long addr, const struct area_desc *kernel)
{
	unsigned long pgoff = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
	enum file_match match = match_file(vma, kernel);

	if (vma_visible_flags(vma->vm_flags) != vma_visible_flags(kernel->vm_flags))
		return "flags";
	if (match == FILE_DIFFERENT)
		return "file";
	if (kernel->ino &&
	    pgoff != kernel->pgoff + ((addr - kernel->start) >> PAGE_SHIFT))
		return "offset";
	if (match == FILE_RENAMED)
		adopt_file(v, vma, kernel);
	return NULL;
}

/* 1 in the drawing. @kernel: the area that begins at @end, or NULL. */
static void verify_gap(struct mm_verify *v, unsigned long end,
		       const struct area_desc *kernel)
{
	unsigned long p = v->cursor, from, stop;
	struct vm_area_struct *vma;

	for (; (vma = tree_find(v->mm->root, p)) && vma->vm_start < end; p = stop) {
		from = max(p, vma->vm_start);
		stop = min(end, vma->vm_end);
		if (from >= stop)
			break;
		if (vma->vm_end != v->reported)
			report(v, vma->vm_end > end ? "start" : "not in kernel", vma,
			       vma->vm_end > end ? kernel : NULL);
		if (v->repair)
			repair_unmap(v, from, stop);
	}
}

static void verify_missing(struct mm_verify *v, const char *what,
			   const struct vm_area_struct *vma,
			   const struct area_desc *kernel, unsigned long start,
			   unsigned long end)
{
	report(v, what, vma, kernel);
	if (v->repair)
		repair_import(v, kernel, start, end);
}

/* The shadow begins only at @vma, later than K. True: now it begins where K does. */
static bool verify_late_start(struct mm_verify *v, struct vm_area_struct *vma,
			      const struct area_desc *kernel, unsigned long addr)
{
	if (addr == kernel->start && vma->inexact & VMA_INEXACT_GROWS &&
	    vma_visible_flags(vma->vm_flags) == vma_visible_flags(kernel->vm_flags)) {
		v->resolved++;
		adopt_start(v, vma, addr);
		return !v->failed;
	}
	verify_missing(v, addr == kernel->start ? "start" : "missing in shadow", vma,
		       kernel, addr, vma->vm_start);
	return false;
}

static void verify_look(struct mm_verify *v, struct vm_area_struct *vma,
			const struct area_desc *kernel, unsigned long start,
			unsigned long end)
{
	const char *what = compare(v, vma, start, kernel);

	if (!what)
		return;
	report(v, what, vma, kernel);
	if (!v->repair)
		return;
	if (!strcmp(what, "flags"))
		repair_flags(v, kernel, start, end);
	else
		repair_import(v, kernel, start, end);
	/* A second look: the flags may not have been all. */
	vma = tree_find(v->mm->root, start);
	if (!v->failed && compare(v, vma, start, kernel))
		repair_import(v, kernel, start, end);
}

/* 2 in the drawing. */
static void verify_span(struct mm_verify *v, const struct area_desc *kernel)
{
	unsigned long p = kernel->start, stop;
	struct vm_area_struct *vma;

	for (; p < kernel->end; p = stop) {
		vma = tree_find(v->mm->root, p);
		if (!vma || vma->vm_start >= kernel->end) {
			verify_missing(v,
				       p == kernel->start ? "missing in shadow" : "end",
				       NULL, kernel, p, kernel->end);
			return;
		}
		if (vma->vm_start > p) {
			stop = vma->vm_start;
			if (verify_late_start(v, vma, kernel, p))
				stop = p;
			continue;
		}
		stop = min(vma->vm_end, kernel->end);
		verify_look(v, vma, kernel, p, stop);
	}
}

/* 3 in the drawing. @told: K was reported already, and a repair may have cut it up. */
static void verify_starts(struct mm_verify *v, const struct area_desc *kernel, bool told)
{
	struct vm_area_struct *left = tree_find(v->mm->root, kernel->start), *right;
	unsigned long end;

	for (; left && left->vm_end < kernel->end && !v->failed;
	     left = tree_find(v->mm->root, end - 1)) {
		right = tree_find(v->mm->root, left->vm_end);
		if (!right || right->vm_start >= kernel->end)
			return;
		end = right->vm_end;
		if (right->vm_start != left->vm_end)
			continue; /* a hole, reported as missing */
		if (left->aside != right->aside)
			continue; /* the pieces are told apart here only */
		if (vma_may_be_one(v->mm, left, right)) {
			v->resolved++;
			adopt_merge(v, left, right);
			continue;
		}
		if (!told)
			report(v, "end", left, kernel);
		if (v->repair)
			adopt_merge(v, left, right);
	}
}

/* 4 in the drawing. */
static void verify_end(struct mm_verify *v, const struct area_desc *kernel)
{
	struct vm_area_struct *vma = tree_find(v->mm->root, kernel->end - 1);

	if (!vma || vma->vm_start >= kernel->end || vma->vm_end == kernel->end)
		return;
	if (vma->inexact & VMA_INEXACT_SPLIT) {
		v->resolved++;
		adopt_split(v, vma, kernel->end);
		return;
	}
	report(v, "end", vma, kernel);
	v->reported = vma->vm_end;
	if (v->repair)
		adopt_split(v, vma, kernel->end);
}

/* One area there, one here: nothing about it is a guess any more. */
static void verify_settled(struct mm_verify *v, const struct area_desc *kernel)
{
	const u8 guesses = VMA_INEXACT_START | VMA_INEXACT_SPLIT;
	struct vm_area_struct *vma = tree_find(v->mm->root, kernel->start);
	struct vma_txn t;

	if (!vma || vma->vm_start != kernel->start || vma->vm_end != kernel->end ||
	    !(vma->inexact & guesses) || !verify_begin(v, &t))
		return;
	vma = vma_edit(&t, vma);
	vma->inexact &= ~guesses;
	vma->known |= VMA_KNOWN_START;
	txn_commit(&t);
}

/* --- all flags ---------------------------------------------------------------------- */

unsigned long vma_smaps_flags(const struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags & VM_SMAPS_MASK;

	return vma->vm_flags & VM_UFFD_OTHER ? flags | VM_UFFD_MISSING : flags;
}

/*
 * Besides what the area says of itself: nobody tells us when the program closes its
 * userfaultfd, and a kernel before 6.19 may know no VM_MAYBE_GUARD.
 */
static unsigned long flags_to_adopt(const struct vm_area_struct *vma,
				    const struct mm_struct *mm)
{
	unsigned long flags = vma_unsure_flags(vma) | VM_SOFTDIRTY;

	if (mm->program_uffd && !(vma->vm_flags & VM_UFFD_MISSING))
		flags |= VM_UFFD_FLAGS;
	if (vma_is_shmem(vma) && READ_ONCE(mm->shmem_lost))
		flags |= VM_UFFD_MISSING;
	return flags | (vma->vm_flags & VM_MAYBE_GUARD);
}

static void adopt_flags(struct mm_verify *v, struct vm_area_struct *vma,
			const struct area_desc *kernel)
{
	const u8 unsure = VMA_UNSURE_FLAGS | VMA_UNSURE_ACCOUNT;
	unsigned long flags = desc_flags(kernel);
	struct vma_txn t;

	if (!verify_begin(v, &t))
		return;
	vma = vma_edit(&t, vma);
	if (vma->policy == POLICY_OWN && flags & VM_UFFD_OTHER)
		flags ^= VM_UFFD_OTHER | (vma->vm_flags & VM_UFFD_MISSING);
	vma_set_flags(&t, vma, (vma->vm_flags & VM_PKEY_MASK) | flags);
	vma->known &= ~unsure;
	vma_keep_edges(&t, vma);
	txn_commit(&t);
}

/* @vma lies inside @kernel and looks like it. */
static void verify_flags(struct mm_verify *v, struct vm_area_struct *vma,
			 const struct area_desc *kernel)
{
	unsigned long diff = (vma_smaps_flags(vma) ^ kernel->vm_flags) & VM_SMAPS_MASK;
	bool differs = diff & ~flags_to_adopt(vma, v->mm);

	if (differs)
		report(v, "flags", vma, kernel);
	else if (diff & ~VM_SOFTDIRTY)
		v->resolved++;
	if (differs ? v->repair
		    : diff & ~VM_SOFTDIRTY ||
			      vma->known & (VMA_UNSURE_FLAGS | VMA_UNSURE_ACCOUNT))
		adopt_flags(v, vma, kernel);
}

/* The areas of the span once more, now that their edges are the kernel's. */
static void verify_all_flags(struct mm_verify *v, const struct area_desc *kernel)
{
	unsigned long p = kernel->start;
	struct vm_area_struct *vma;

	for (; (vma = tree_find(v->mm->root, p)) && vma->vm_end <= kernel->end &&
	       !v->failed;) {
		p = vma->vm_end;
		if (vma->vm_start >= kernel->start &&
		    vma_visible_flags(vma->vm_flags) ==
			    vma_visible_flags(kernel->vm_flags))
			verify_flags(v, vma, kernel);
	}
}

void mm_verify_begin(struct mm_verify *v, struct mm_struct *mm)
{
	*v = (struct mm_verify){ .mm = mm };
}

void mm_verify_area(struct mm_verify *v, const struct area_desc *kernel)
{
	unsigned long before;

	v->areas++;
	/* A list that is not ascending is not one we can compare with. */
	if (kernel->start < v->cursor || kernel->start >= kernel->end ||
	    (kernel->start | kernel->end) & ~PAGE_MASK) {
		report(v, "start", NULL, kernel);
		return;
	}
	verify_gap(v, kernel->start, kernel);
	before = v->differences;
	verify_span(v, kernel);
	verify_starts(v, kernel, v->differences != before);
	verify_end(v, kernel);
	verify_settled(v, kernel);
	if (v->all_flags)
		verify_all_flags(v, kernel);
	v->cursor = kernel->end;
}

/* Calls were made that we did not hear of: of what maps does not show nothing is known.
 */
static void forget_hidden(struct mm_verify *v)
{
	struct vm_area_struct *vma;
	struct vma_txn t;

	for (unsigned long p = 0; (vma = tree_find(v->mm->root, p)); p = vma->vm_end) {
		if (!verify_begin(v, &t))
			return;
		vma = vma_edit(&t, vma);
		vma->known |= VMA_UNSURE_FLAGS;
		if (!vma->anon && !(vma->vm_flags & VM_SHARED))
			vma->anon = anon_new(t.mm);
		txn_commit(&t);
	}
}

void mm_verify_end(struct mm_verify *v)
{
	verify_gap(v, ~0UL, NULL);
	if (v->repair && v->mm->blind)
		forget_hidden(v);
	if (v->repair && !v->failed)
		__atomic_store_n(&v->mm->blind, false, __ATOMIC_RELAXED);
}
