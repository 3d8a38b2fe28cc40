// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who pages an area: we (own) or the kernel (track), and why. */
#include <linux/mman.h>

#include "lib/mm/vma.h"

/* --- short-lived areas ------------------------------------------------------------- */

#define HISTORY_MAX   3
#define HISTORY_SHORT 2 /* from here on areas of this size are left alone */
/* Every so many of them one is registered, to see faults again. A registration costs as
 * much as several pairs of mmap and munmap. */
#define HISTORY_PROBE 256

static u8 *history_slot(struct mm_struct *mm, unsigned long len)
{
	return &mm->history.count[(len >> PAGE_SHIFT) * 0x9e3779b97f4a7c15UL >> 58];
}

static bool history_says_short(struct mm_struct *mm, unsigned long len)
{
	if (*history_slot(mm, len) < HISTORY_SHORT)
		return false;
	if (++mm->history.skipped < HISTORY_PROBE)
		return true;
	mm->history.skipped = 0;
	return false;
}

void history_mmap(struct mm_struct *mm, const struct vm_area_struct *vma)
{
	bool left_alone = vma->reason == TRACK_SHORT_LIVED;

	if (vma->policy != POLICY_OWN && !left_alone)
		return;
	mm->history.recent[mm->history.next++ % NR_RECENT] = (struct recent_area){
		.start = vma->vm_start,
		.len = vma->vm_end - vma->vm_start,
		.left_alone = left_alone,
	};
}

void history_registered(struct mm_struct *mm, const struct vm_area_struct *vma)
{
	for (int i = 0; i < NR_RECENT; i++) {
		struct recent_area *r = &mm->history.recent[i];

		if (!r->len || r->stat || r->left_alone || r->start < vma->vm_start ||
		    r->start + r->len > vma->vm_end)
			continue;
		r->stat = vma->stat;
		r->faults = __atomic_load_n(&vma->stat->faults, __ATOMIC_RELAXED);
	}
}

/* An area merged with others shares their counter: their faults make it look used. */
static void history_judge(struct mm_struct *mm, const struct recent_area *r)
{
	const struct vm_area_struct *vma = tree_find(mm->root, r->start);
	u8 *count = history_slot(mm, r->len);
	bool untouched = r->left_alone;

	if (!untouched) {
		if (!vma || !r->stat || vma->stat != r->stat)
			return;
		untouched = __atomic_load_n(&vma->stat->faults, __ATOMIC_RELAXED) ==
			    r->faults;
	}
	if (!untouched)
		*count /= 2;
	else if (*count < HISTORY_MAX)
		(*count)++;
}

void history_munmap(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	for (int i = 0; i < NR_RECENT; i++) {
		struct recent_area *r = &mm->history.recent[i];

		if (r->start != start || r->len != len || !len)
			continue;
		history_judge(mm, r);
		r->len = 0;
	}
}

/* --- choice ------------------------------------------------------------------------ */

static void policy_set(struct vm_area_struct *vma, enum track_reason reason)
{
	vma->policy = reason == TRACK_NONE ? POLICY_OWN : POLICY_TRACK;
	vma->reason = (u8)reason;
}

/* Ours, and @vma would be part of it once registered. */
static bool extends_ours(const struct vm_area_struct *left,
			 const struct vm_area_struct *right,
			 const struct vm_area_struct *neighbour)
{
	return left->vm_end == right->vm_start && neighbour->policy == POLICY_OWN &&
	       vma_is_anonymous(neighbour) &&
	       !((left->vm_flags ^ right->vm_flags) & ~(VM_UFFD_MISSING | VM_UFFD_WP)) &&
	       left->vm_pgoff + vma_pages(left) == right->vm_pgoff;
}

static bool extends_neighbour(struct vma_txn *t, const struct vm_area_struct *vma)
{
	struct vm_area_struct *prev, *next;

	next = tree_find_prev(t->root, vma->vm_start, &prev);
	return (prev && extends_ours(prev, vma, prev)) ||
	       (next && extends_ours(vma, next, next));
}

static bool in_heap(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	return vma->vm_start >= mm->start_brk && vma->vm_end <= PAGE_ALIGN(mm->brk);
}

/*
 * malloc() lets the heap grow by 132 KiB and uses that at once: registering each piece,
 * and a window that cannot reach further, cost as much as its faults in the kernel, and
 * leave more untouched. So the heap is ours where it grew by much at a time.
 */
#define HEAP_FACTOR 8

static unsigned long least_size(const struct mm_struct *mm,
				const struct vm_area_struct *vma)
{
	return in_heap(mm, vma) ? HEAP_FACTOR * mm->min_own : mm->min_own;
}

/*
 * The same for what is reserved first: malloc() of a second thread makes its arena
 * writable as it makes the heap grow.
 */
void policy_writable(struct vma_txn *t, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = tree_find(t->root, start);

	if (vma->reason != TRACK_STEPS || !t->mm->own_enabled ||
	    (end - start < HEAP_FACTOR * t->mm->min_own && !extends_neighbour(t, vma)))
		return;
	policy_set(vma_edit(t, vma), TRACK_NONE);
}

/* Of mappings that can only be read the kernel has no less than we would. */
static bool shared_is_wanted(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	const unsigned long both = VM_READ | VM_WRITE;

	return mm->own_shared_files && vma->vm_flags & VM_SHARED &&
	       (vma->vm_flags & both) == both && !(vma->vm_file->mode & FILE_SEALED);
}

/*
 * Data files; code stays with the kernel, which has it in memory for everybody. A memfd
 * in its place could be made executable where the file's mount forbids that. What the
 * call populates needs no faults of ours.
 */
static bool file_is_wanted(const struct mm_struct *mm, const struct vm_area_struct *vma,
			   unsigned long mmap_flags)
{
	const unsigned int other =
		FILE_NOEXEC | FILE_HUGE | FILE_ZERO | FILE_DEVICE | FILE_SECRET;
	const struct vma_file *file = vma->vm_file;
	bool wanted = vma->vm_flags & VM_MAYSHARE ? shared_is_wanted(mm, vma)
						  : mm->file_policy != FILES_KERNEL;

	return wanted && mm->own_enabled && file->mode_known && !(file->mode & other) &&
	       !(vma->vm_flags & VM_EXEC) && !(mmap_flags & MAP_POPULATE) &&
	       vma->vm_end - vma->vm_start >= mm->min_own;
}

/*
 * What everybody who maps it sees is zero until somebody writes, whoever makes the pages:
 * so any one mapping may be ours, whatever becomes of the others. The kernel refuses to
 * register what may never be written to.
 */
static bool shmem_is_wanted(struct mm_struct *mm, const struct vm_area_struct *vma,
			    unsigned long mmap_flags)
{
	const unsigned long access = VM_SHARED | VM_WRITE | VM_MAYWRITE;
	const unsigned int other = FILE_HUGE | FILE_DEVICE | FILE_SECRET;

	return mm->own_shmem && mm->own_enabled && !READ_ONCE(mm->shmem_lost) &&
	       vma_is_shmem(vma) && !(vma->vm_file->mode & other) &&
	       (vma->vm_flags & access) == access && !(mmap_flags & MAP_POPULATE) &&
	       vma->vm_end - vma->vm_start >= mm->min_own;
}

static enum track_reason shmem_reason(struct mm_struct *mm,
				      const struct vm_area_struct *vma)
{
	return history_says_short(mm, vma->vm_end - vma->vm_start) ? TRACK_SHORT_LIVED
								   : TRACK_NONE;
}

static enum track_reason file_reason(struct mm_struct *mm,
				     const struct vm_area_struct *vma,
				     unsigned long mmap_flags)
{
	if (shmem_is_wanted(mm, vma, mmap_flags))
		return shmem_reason(mm, vma);
	if (!vma->vm_file->ino)
		return TRACK_SHARED;
	return file_is_wanted(mm, vma, mmap_flags) ? TRACK_FILE_WANTED : TRACK_FILE;
}

static enum track_reason reason_for(struct vma_txn *t, const struct vm_area_struct *vma,
				    unsigned long mmap_flags)
{
	struct mm_struct *mm = t->mm;

	/* Locked memory is populated by the time we could register it. */
	if (vma->vm_flags &
	    (VM_GROWSDOWN | VM_HUGETLB | VM_LOCKED | VM_DROPPABLE | VM_SPECIAL))
		return TRACK_SPECIAL;
	if (vma->vm_file)
		return file_reason(mm, vma, mmap_flags);
	if (!mm->own_enabled)
		return mm->track_by_option ? TRACK_OPTION : TRACK_NO_ENGINE;
	if (mmap_flags & MAP_STACK)
		return TRACK_STACK;
	if (!(vma->vm_flags & VM_WRITE))
		return TRACK_STEPS;
	if (!in_heap(mm, vma) && history_says_short(mm, vma->vm_end - vma->vm_start))
		return TRACK_SHORT_LIVED;
	if (vma->vm_end - vma->vm_start < least_size(mm, vma) &&
	    !extends_neighbour(t, vma))
		return TRACK_SMALL;
	return TRACK_NONE;
}

void policy_choose(struct vma_txn *t, struct vm_area_struct *vma,
		   const struct mmap_call *c)
{
	policy_set(vma, c->force != TRACK_NONE ? c->force : reason_for(t, vma, c->flags));
}

/* The strongest reason decides for a merged area; ours gains over weak ones only. */
static int policy_rank(const struct vm_area_struct *vma)
{
	static const u8 rank[TRACK_NR] = {
		[TRACK_BEFORE_START] = 1,  [TRACK_SMALL] = 2,
		[TRACK_STEPS] = 2,	   [TRACK_SHORT_LIVED] = 3,
		[TRACK_STACK] = 3,	   [TRACK_NO_ENGINE] = 4,
		[TRACK_NONE] = 5,	   [TRACK_SHARED] = 6,
		[TRACK_FILE] = 7,	   [TRACK_FILE_WANTED] = 8,
		[TRACK_FILE_CACHED] = 9,   [TRACK_FILE_OPEN] = 10,
		[TRACK_FILE_LEFT] = 11,	   [TRACK_HUGE] = 12,
		[TRACK_SPECIAL] = 13,	   [TRACK_OPTION] = 14,
		[TRACK_REFUSED] = 15,	   [TRACK_PROGRAM_PAGES] = 15,
		[TRACK_PROGRAM_UFFD] = 16, [TRACK_OURS] = 17,
	};

	return rank[vma->reason];
}

void policy_join(struct vm_area_struct *into, const struct vm_area_struct *other)
{
	if (policy_rank(other) > policy_rank(into)) {
		into->policy = other->policy;
		into->reason = other->reason;
	}
}

void policy_resized(const struct mm_struct *mm, struct vm_area_struct *vma)
{
	/* The heap: what it was while it grew is in use by now. */
	if (vma->reason == TRACK_SMALL && mm->own_enabled && !in_heap(mm, vma) &&
	    vma->vm_end - vma->vm_start >= mm->min_own)
		policy_set(vma, TRACK_NONE);
}
