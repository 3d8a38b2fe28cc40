/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the calls are made of: areas edited inside one change. Private to lib/mm.
 *
 * Every function here runs between txn_begin() and txn_commit() with mmap_lock held. A
 * pointer to an area is good until the next function that takes a struct vma_txn: that
 * one may have replaced it. Functions that keep an area return its new pointer.
 */
#ifndef SHADOWMM_MM_VMA_H
#define SHADOWMM_MM_VMA_H

#include "lib/mm/mm.h"
#include "lib/mm/vma_tree.h"

/* --- mm.c -------------------------------------------------------------------------- */

/*
 * Begin a change that touches the areas of [start, end) and their neighbours. False: not
 * prepared and no memory; the shadow is blind from now on.
 */
bool txn_begin(struct vma_txn *t, struct mm_struct *mm, unsigned long start,
	       unsigned long end);
/* The same for a change that touches at most @areas areas. */
bool txn_begin_areas(struct vma_txn *t, struct mm_struct *mm, unsigned long areas);
/* What mmap, munmap and brk need, however much they unmap: areas that go need no memory,
 * only the two that they are cut from and the neighbours do. */
#define UNMAP_AREAS 4
/*
 * The same, leaving what the last call mapped as untouched as it is, for what is no call
 * of the program. Pointers to areas found before stay good, unlike with the others.
 */
bool txn_begin_quiet(struct vma_txn *t, struct mm_struct *mm, unsigned long areas);
/* A change of @areas areas would find no memory now. */
bool mm_short_of_memory(struct mm_struct *mm, size_t areas);
void txn_commit(struct vma_txn *t);
/* Areas that overlap [start, end). */
size_t mm_count_areas(const struct mm_struct *mm, unsigned long start, unsigned long end);
/* Areas that an mremap() may change: both ranges, and what the kernel may have as one
 * with the neighbours of the copy. */
size_t mremap_areas(const struct mm_struct *mm, unsigned long old, unsigned long old_len,
		    unsigned long addr, unsigned long len);

#define GATE_START 0xffffffff00000000UL /* no program maps anything up there */

static inline struct vm_area_struct *txn_find(struct vma_txn *t, unsigned long addr)
{
	return tree_find(t->root, addr);
}

/*
 * The end of a call's range; len is rounded up to pages, as the kernel does. A range that
 * wraps around is empty: the kernel refuses it, with an error that others give half way.
 */
static inline unsigned long range_end(unsigned long start, unsigned long len)
{
	unsigned long end = start + PAGE_ALIGN(len);

	return end < start || PAGE_ALIGN(len) < len ? start : end;
}

static inline unsigned long vma_pages(const struct vm_area_struct *vma)
{
	return (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
}

/* The kernel's vma_is_anonymous(); shared anonymous memory has a file (shmem), a private
 * mapping of /dev/zero is anonymous and has one too. */
static inline bool vma_is_anonymous(const struct vm_area_struct *vma)
{
	return !vma->vm_file || vma->vm_file->mode & FILE_ZERO;
}

/* What maps shows of them; "s" is VM_MAYSHARE, and a reader of maps may call it
 * VM_SHARED. */
static inline unsigned long vma_visible_flags(unsigned long flags)
{
	return (flags & VM_ACCESS_FLAGS) |
	       (flags & (VM_SHARED | VM_MAYSHARE) ? VM_MAYSHARE : 0);
}

/* The flags of which the model has but a guess (VMA_UNSURE_*). */
static inline unsigned long vma_unsure_flags(const struct vm_area_struct *vma)
{
	unsigned long unsure = vma->known & VMA_UNSURE_ACCOUNT ? VM_ACCOUNT : 0;

	/* What maps shows is no guess, and registrations are never imported. */
	if (vma->known & VMA_UNSURE_FLAGS)
		unsure |= ~(VM_ACCESS_FLAGS | VM_MAYSHARE | VM_UFFD_FLAGS);
	if (vma->known & VMA_UNSURE_WHOLE)
		unsure |= VM_WHOLE;
	return unsure;
}

/* [vsyscall]: in every process's maps, in no mm_struct (get_gate_vma()). */
static inline bool vma_is_gate(const struct vm_area_struct *vma)
{
	return vma->vm_start >= GATE_START;
}

/* --- vma.c ------------------------------------------------------------------------- */

/* A zeroed area that is in no tree yet. */
struct vm_area_struct *vma_new(struct vma_txn *t);
/* Into the tree. */
void vma_insert(struct vma_txn *t, struct vm_area_struct *vma);
/* Out of the tree, and freed. */
void vma_remove(struct vma_txn *t, struct vm_area_struct *vma);
/* An area that this change may write, in place of @vma. */
struct vm_area_struct *vma_edit(struct vma_txn *t, struct vm_area_struct *vma);
/* These three take an editable area of the tree and keep the counters right. */
void vma_set_range(struct vma_txn *t, struct vm_area_struct *vma, unsigned long start,
		   unsigned long end);
void vma_set_flags(struct vma_txn *t, struct vm_area_struct *vma, unsigned long flags);
void vma_set_stat(struct vma_txn *t, struct vm_area_struct *vma, struct vma_stat *stat);
/* @name: NULL or one whose reference the caller keeps. */
void vma_set_anon_name(struct vma_txn *t, struct vm_area_struct *vma,
		       struct vma_file *name);
/* Which of exec_vm, stack_vm, data_vm counts an area with these flags, or NULL
 * (mm/mmap.c, vm_stat_account). */
unsigned long *vm_stat_field(struct mm_struct *mm, unsigned long flags);
/* Cut at @addr, strictly inside. Returns the right part, editable. */
struct vm_area_struct *split_vma(struct vma_txn *t, struct vm_area_struct *vma,
				 unsigned long addr);
/* Remove everything in [start, end), splitting at its ends. */
void vma_unmap_range(struct vma_txn *t, unsigned long start, unsigned long end);
/*
 * The areas of [start, end) may be touched from now on: give those without an anon_vma
 * number a new one. Last step of a call, since within the call nobody touched them.
 */
void vma_settle_anon(struct vma_txn *t, unsigned long start, unsigned long end);
/*
 * The same, but not before the next call: the range has just been mapped, its address is
 * not known to the program yet, and registration is still to come.
 */
void vma_settle_later(struct vma_txn *t, unsigned long start, unsigned long end);
/* Settle what was left for later. */
void vma_settle_fresh(struct vma_txn *t);
/* A number for vm_area_struct.anon that no area has. */
u32 anon_new(struct mm_struct *mm);

/* --- merge.c ----------------------------------------------------------------------- */

enum merge {
	MERGE_NO,
	MERGE_GUESS_NO,
	MERGE_GUESS_YES,
	MERGE_YES
};

/* Would the kernel merge these adjacent areas? (mm/vma.c, can_vma_merge_*) */
enum merge can_vma_merge(const struct vm_area_struct *left,
			 const struct vm_area_struct *right);

#define EDGE_LEFT  0x1
#define EDGE_RIGHT 0x2
#define EDGE_BOTH  (EDGE_LEFT | EDGE_RIGHT)

/* Try to merge @vma at these edges. Returns the area that holds it afterwards. */
struct vm_area_struct *vma_merge(struct vma_txn *t, struct vm_area_struct *vma,
				 int edges);
/* Make one of two adjacent areas, without asking. */
struct vm_area_struct *vma_join(struct vma_txn *t, struct vm_area_struct *left,
				struct vm_area_struct *right);
/* The kernel may have one area where we have these two. */
bool vma_may_be_one(const struct mm_struct *mm, const struct vm_area_struct *left,
		    const struct vm_area_struct *right);
/* And it has: they become one. */
struct vm_area_struct *vma_found_one(struct vma_txn *t, struct vm_area_struct *left,
				     struct vm_area_struct *right);
/*
 * The flags of @vma changed in a way that makes the kernel try no merge: remember that
 * its edges are there although they look mergeable.
 */
void vma_keep_edges(struct vma_txn *t, struct vm_area_struct *vma);
/* Cut [start, end), inside @vma, out of it. Returns the editable area of that range, and
 * in *@edges those of its edges at which vma_merge() may then try. @guess: perhaps the
 * kernel cuts nothing. */
struct vm_area_struct *vma_cut(struct vma_txn *t, struct vm_area_struct *vma,
			       unsigned long start, unsigned long end, bool guess,
			       int *edges);
/*
 * Nobody knows whether the kernel has something to change when it sets a flag that we
 * believe is set: to be modified all the same.
 */
static inline bool vma_is_unsure(const struct vm_area_struct *vma)
{
	return vma->known & (VMA_UNSURE_FLAGS | VMA_UNSURE_WHOLE);
}

/*
 * vma_modify(): [start, end), inside @vma, gets these flags; split or merge as the
 * kernel does. Returns the area that now holds the range.
 */
struct vm_area_struct *vma_modify(struct vma_txn *t, struct vm_area_struct *vma,
				  unsigned long start, unsigned long end,
				  unsigned long flags, u8 known);

/* --- file.c ------------------------------------------------------------------------ */

void file_caches_init(struct mm_struct *mm);
static inline struct vma_file *file_ref(struct vma_file *file)
{
	if (file)
		file->refs++;
	return file;
}
/* The same object, or another with the same device, inode and name. */
bool same_file(const struct vma_file *a, const struct vma_file *b);

/* --- address_space.c ---------------------------------------------------------------- */

void mapping_caches_init(struct mm_struct *mm);
/* No area has a file with this host any more. */
void host_orphaned(struct mm_struct *mm, struct file_host *host);

/* --- i_mmap.c ---------------------------------------------------------------------- */

void i_mmap_cache_init(struct mm_struct *mm);
/* Objects of mm->i_mmap_cache that a change of @n areas may take. */
size_t i_mmap_need(const struct mm_struct *mm, size_t n);
/* An area with a host, of the area tree; its range is what it was, or will be, there. */
void i_mmap_insert(struct vma_txn *t, struct vm_area_struct *vma);
void i_mmap_remove(struct vma_txn *t, struct vm_area_struct *vma);
/* Last step of a change, before the area tree is published. */
void i_mmap_publish(struct vma_txn *t);
/* @areas: those with a host in the area tree. */
const char *validate_i_mmap(struct mm_struct *mm, unsigned long areas);

/* --- mremap.c ---------------------------------------------------------------------- */

/* mremap(MREMAP_MAYMOVE | MREMAP_FIXED): [old, old + len), of one area, to @addr. */
void vma_move(struct vma_txn *t, unsigned long old, unsigned long addr,
	      unsigned long len);

/* --- cow.c ------------------------------------------------------------------------- */

/* What a fork child counts begins at 0. */
void vma_stat_clear(struct vma_stat *s);

/* --- mmap.c ------------------------------------------------------------------------ */

/* mm/vma.c, accountable_mapping(): VM_ACCOUNT or 0. */
unsigned long account_flag(unsigned long flags);

/* --- import.c ---------------------------------------------------------------------- */

/* mm/ksm.c, ksm_compatible() */
static inline bool ksm_compatible(unsigned long flags)
{
	return !(flags &
		 (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE));
}

/* All flags of @d, from smaps, as ours; a registration counts as the program's. */
unsigned long desc_flags(const struct area_desc *d);
/* Plain private memory: no file, and no special name but a place's or a label. */
bool desc_is_anonymous(const struct area_desc *d);
/* A reference to the file of @d, shared with the area before it; NULL: no memory. */
struct vma_file *import_file(struct vma_txn *t, const struct area_desc *d);
/* 0, or -ENOMEM when there is no room for the file's name. @all_flags: d->vm_flags are
 * what smaps says. */
int import_area(struct vma_txn *t, const struct area_desc *d, enum track_reason reason,
		bool all_flags);

/* --- policy.c ---------------------------------------------------------------------- */

/* Policy of an area that @c has just made and that is not in the tree yet. */
void policy_choose(struct vma_txn *t, struct vm_area_struct *vma,
		   const struct mmap_call *c);
/* Policy of the union of two areas into @into. */
void policy_join(struct vm_area_struct *into, const struct vm_area_struct *other);
/* [start, end) has just become writable: an area, or part of what it merged into. */
void policy_writable(struct vma_txn *t, unsigned long start, unsigned long end);
/* Policy after a change of size. */
void policy_resized(const struct mm_struct *mm, struct vm_area_struct *vma);
void history_mmap(struct mm_struct *mm, const struct vm_area_struct *vma);
void history_registered(struct mm_struct *mm, const struct vm_area_struct *vma);
/* Before the range is unmapped. */
void history_munmap(struct mm_struct *mm, unsigned long start, unsigned long len);

#endif
