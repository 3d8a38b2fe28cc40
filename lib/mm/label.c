// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What else is attached to areas and keeps them apart or not: names, NUMA policies,
 * seals, guard regions, KSM for the whole process. As in mprotect.c area by area from
 * left to right; an area that has it already is not looked at.
 */
#include <linux/mempolicy.h>

#include "lib/base/string.h"
#include "lib/mm/vma.h"

/* --- areas of a range --------------------------------------------------------------- */

/* [from, to): what of the area last returned lies in the range, which ends at @end. */
struct part {
	unsigned long from, to, end;
};

/* False: the range is none, or there is no memory for the change. */
static bool parts_begin(struct part *p, struct vma_txn *t, struct mm_struct *mm,
			unsigned long start, unsigned long len)
{
	*p = (struct part){ .to = start, .end = range_end(start, len) };
	return !(start & ~PAGE_MASK) && p->end > start && txn_begin(t, mm, start, p->end);
}

/* The next area, found by address: the one before may have been split or merged. */
static struct vm_area_struct *next_part(struct part *p, struct vma_txn *t)
{
	struct vm_area_struct *vma = p->to < p->end ? txn_find(t, p->to) : NULL;

	if (!vma || vma->vm_start >= p->end)
		return NULL;
	p->from = max(p->to, vma->vm_start);
	p->to = min(p->end, vma->vm_end);
	return vma;
}

/* --- names ------------------------------------------------------------------------- */

static bool same_name(const struct vma_file *a, const struct vma_file *b)
{
	return a == b || (a && b && !strcmp(a->name, b->name));
}

/* vma_is_anon_shmem() */
static bool is_anon_shmem(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MAYSHARE &&
	       !strcmp(vma->vm_file->name, "/dev/zero (deleted)");
}

/* madvise_update_vma(). @name: by the kind of area, without and with a file. */
static void rename_areas(struct vma_txn *t, struct part *p,
			 struct vma_file *const name[2])
{
	struct vm_area_struct *vma;
	int edges;

	while ((vma = next_part(p, t))) {
		struct vma_file *want = name[vma->vm_file != NULL];

		if (vma->vm_file && !is_anon_shmem(vma))
			return; /* EBADF: what came before has its name */
		if (same_name(vma->anon_name, want))
			continue;
		vma = vma_cut(t, vma, p->from, p->to, false, &edges);
		vma_set_anon_name(t, vma, want);
		vma_merge(t, vma, edges);
	}
}

static struct vma_file *label(struct mm_struct *mm, const char *prefix, const char *name)
{
	char text[sizeof("[anon_shmem:]") + ANON_NAME_MAX];
	size_t len = min(strlen(name), (size_t)ANON_NAME_MAX - 1), head = strlen(prefix);

	memcpy(text, prefix, head);
	memcpy(text + head, name, len);
	memcpy(text + head + len, "]", 2);
	return vma_file_get(mm, 0, 0, 0, text);
}

void mm_set_anon_name(struct mm_struct *mm, unsigned long start, unsigned long len,
		      const char *name)
{
	struct vma_file *file[2] = { NULL, NULL };
	struct vma_txn t;
	struct part p;

	if (!parts_begin(&p, &t, mm, start, len))
		return;
	if (name) {
		file[0] = label(mm, "[anon:", name);
		file[1] = label(mm, "[anon_shmem:", name);
	}
	if (!name || (file[0] && file[1]))
		rename_areas(&t, &p, file);
	for (int i = 0; i < 2; i++)
		if (file[i])
			vma_file_put(mm, file[i]);
	txn_commit(&t);
}

/* --- NUMA policies ----------------------------------------------------------------- */

#define MPOL_MODE_BITS 0xfU
#define MPOL_HOME_BITS 0xff0U

u32 mpol_key(unsigned int mode, const unsigned long *nodes, unsigned int nr_words)
{
	unsigned int plain = mode & ~(unsigned int)MPOL_MODE_FLAGS;
	unsigned long hash = mode * 0x9e3779b97f4a7c15UL, any = 0;

	for (unsigned int i = 0; i < nr_words; i++) {
		hash = (hash ^ nodes[i]) * 0x9e3779b97f4a7c15UL;
		any |= nodes[i];
	}
	if (plain == MPOL_DEFAULT)
		return 0;
	/* mpol_new(): preferring no node is preferring one's own */
	if (plain == MPOL_LOCAL || (plain == MPOL_PREFERRED && !any))
		return MPOL_LOCAL;
	return (u32)(hash >> 32 & ~(MPOL_MODE_BITS | MPOL_HOME_BITS)) |
	       (plain & MPOL_MODE_BITS);
}

/* mbind_range() */
static void mbind_range(struct vma_txn *t, struct vm_area_struct *vma,
			unsigned long start, unsigned long end, u32 mpol)
{
	int edges;

	if (vma->mpol == mpol)
		return;
	vma = vma_cut(t, vma, start, end, false, &edges);
	vma->mpol = mpol;
	vma_merge(t, vma, edges);
}

void mm_mbind(struct mm_struct *mm, unsigned long start, unsigned long len, u32 mpol)
{
	struct vm_area_struct *vma;
	struct vma_txn t;
	struct part p;

	if (!parts_begin(&p, &t, mm, start, len))
		return;
	while ((vma = next_part(&p, &t)))
		mbind_range(&t, vma, p.from, p.to, mpol);
	txn_commit(&t);
}

void mm_set_home_node(struct mm_struct *mm, unsigned long start, unsigned long len,
		      unsigned int node)
{
	struct vm_area_struct *vma;
	struct vma_txn t;
	struct part p;

	if (!parts_begin(&p, &t, mm, start, len))
		return;
	while ((vma = next_part(&p, &t))) {
		unsigned int mode = vma->mpol & MPOL_MODE_BITS;

		if (!vma->mpol)
			continue;
		if (mode != MPOL_BIND && mode != MPOL_PREFERRED_MANY)
			break; /* EOPNOTSUPP */
		mbind_range(&t, vma, p.from, p.to,
			    (vma->mpol & ~MPOL_HOME_BITS) |
				    ((node + 1) << 4 & MPOL_HOME_BITS));
	}
	txn_commit(&t);
}

/* --- seals, guard regions, KSM ----------------------------------------------------- */

/* mseal_apply() */
void mm_mseal(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	struct vm_area_struct *vma;
	struct vma_txn t;
	struct part p;

	if (!parts_begin(&p, &t, mm, start, len))
		return;
	while ((vma = next_part(&p, &t)))
		if (!(vma->vm_flags & VM_SEALED))
			vma_modify(&t, vma, p.from, p.to, vma->vm_flags | VM_SEALED,
				   vma->known);
	txn_commit(&t);
}

/* madvise_guard_install(): the whole area is marked, and has an anon_vma from now on. */
void mm_guard_install(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	struct vm_area_struct *vma;
	struct vma_txn t;
	struct part p;

	if (!parts_begin(&p, &t, mm, start, len))
		return;
	while ((vma = next_part(&p, &t))) {
		if (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED))
			break; /* EINVAL */
		vma = vma_edit(&t, vma);
		vma_set_flags(&t, vma, vma->vm_flags | VM_MAYBE_GUARD);
		if (vma_is_anonymous(vma) && !vma->anon)
			vma->anon = anon_new(mm);
	}
	txn_commit(&t);
}

/* ksm_enable_merge_any(), ksm_disable_merge_any(): they change flags and merge nothing.
 */
void mm_set_merge_any(struct mm_struct *mm, bool on)
{
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (mm->merge_any == on || !txn_begin_areas(&t, mm, mm->map_count))
		return;
	mm->merge_any = on;
	for (unsigned long p = 0; (vma = txn_find(&t, p)); p = vma->vm_end) {
		unsigned long flags = vma->vm_flags & ~VM_MERGEABLE;

		if (on && ksm_compatible(flags) && !vma_is_gate(vma))
			flags |= VM_MERGEABLE;
		if (flags == vma->vm_flags)
			continue;
		vma = vma_edit(&t, vma);
		vma_set_flags(&t, vma, flags);
	}
	for (unsigned long p = 0; (vma = txn_find(&t, p)); p = vma->vm_end)
		vma_keep_edges(&t, vma);
	txn_commit(&t);
}

/* --- files without a descriptor ---------------------------------------------------- */

void mm_adopt_file(struct mm_struct *mm, const struct area_desc *d)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, d->start, d->end);
	struct vma_file *file;
	struct vma_txn t;

	if (!vma || !vma->vm_file || vma->vm_file->ino ||
	    !txn_begin_quiet(&t, mm, mm_count_areas(mm, d->start, d->end)))
		return;
	file = vma_file_get(mm, d->major, d->minor, d->ino, d->name);
	if (file) {
		file->mode = vma->vm_file->mode;
		file->mode_known = vma->vm_file->mode_known;
	}
	for (unsigned long p = d->start;
	     file && (vma = txn_find(&t, p)) && vma->vm_start < d->end; p = vma->vm_end) {
		if (!vma->vm_file || vma->vm_file->ino)
			continue;
		vma = vma_edit(&t, vma);
		vma_file_put(mm, vma->vm_file);
		vma->vm_file = file_ref(file);
	}
	if (file)
		vma_file_put(mm, file);
	txn_commit(&t);
}
