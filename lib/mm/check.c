// SPDX-License-Identifier: LGPL-2.1-or-later
/* Limits and counters that several calls ask about; munmap, brk, stack growth. */
#include <linux/mman.h>

#include "lib/base/string.h"
#include "lib/mm/check_int.h"

/* --- counters ---------------------------------------------------------------------- */

struct usage usage_of(const struct mm_struct *mm, unsigned long start, unsigned long end)
{
	const struct vma_node *root = READ_ONCE(mm->root);
	struct vm_area_struct *vma;
	struct usage u = { 0 };

	for (unsigned long p = start; (vma = tree_find(root, p)) && vma->vm_start < end;
	     p = vma->vm_end) {
		unsigned long pages =
			(min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;

		u.areas++;
		u.pages += pages;
		u.data += is_data_mapping(vma->vm_flags) ? pages : 0;
		u.locked += vma->vm_flags & VM_LOCKED ? pages : 0;
		u.accounted += vma->vm_flags & VM_ACCOUNT ? pages : 0;
	}
	return u;
}

bool may_expand_vm(const struct mm_limits *lim, unsigned long total, unsigned long data,
		   unsigned long flags, unsigned long pages)
{
	if (total + pages > lim->as >> PAGE_SHIFT)
		return false;
	if (!is_data_mapping(flags) || data + pages <= lim->data >> PAGE_SHIFT)
		return true;
	/* A limit of 0 means the hard one: the kernel's concession to valgrind. */
	return !lim->data && data + pages <= lim->data_max >> PAGE_SHIFT;
}

bool mlock_future_ok(const struct check_env *env, bool locked, unsigned long bytes)
{
	if (!locked || env->lim->cap_ipc_lock)
		return true;
	return env->mm->locked_vm + (bytes >> PAGE_SHIFT) <= env->lim->memlock >>
	       PAGE_SHIFT;
}

bool can_do_mlock(const struct mm_limits *lim)
{
	return lim->memlock || lim->cap_ipc_lock;
}

long vm_enough_memory(const struct mm_limits *lim, unsigned long pages)
{
	if (!pages || lim->overcommit == OVERCOMMIT_ALWAYS)
		return 0;
	if (lim->overcommit == OVERCOMMIT_NEVER)
		return CHECK_UNSURE;
	return pages > lim->commit_pages ? -ENOMEM : 0;
}

/* --- areas ------------------------------------------------------------------------- */

bool vma_is_special(const struct vm_area_struct *vma)
{
	return vma->vm_file && !vma->vm_file->ino && vma->vm_file->name[0] == '[';
}

/* Shared anonymous memory has a file that nobody opened. */
static bool is_anon_shmem(const struct vma_file *file)
{
	return !file->major && !strcmp(file->name, "/dev/zero (deleted)");
}

struct file_facts vma_facts(const struct check_env *env, const struct vm_area_struct *vma)
{
	struct file_facts f = { .kind = KIND_UNKNOWN, .size = ~0UL };

	if (vma->vm_flags & VM_HUGETLB)
		f.kind = KIND_HUGETLB;
	else if (is_anon_shmem(vma->vm_file))
		f = (struct file_facts){ .kind = KIND_SHMEM,
					 .readable = true,
					 .writable = true,
					 .shmem_align = env->lim->shmem_align,
					 .size = ~0UL };
	else if (env->area_file && !vma_is_special(vma))
		env->area_file(env->priv, vma->vm_file, &f);
	return f;
}

/* __split_vma() at a border of the range. */
static long check_split(const struct vm_area_struct *vma)
{
	/* Huge pages are not cut; of what size they are the model does not know. */
	if (vma->vm_flags & VM_HUGETLB)
		return CHECK_UNSURE;
	return vma_is_special(vma) ? -EINVAL : 0; /* special_mapping_split() */
}

long check_modify(const struct check_env *env, struct vm_area_struct *vma,
		  unsigned long start, unsigned long end, unsigned long flags,
		  unsigned int nth)
{
	unsigned long count = env->mm->map_count, most = env->lim->max_map_count;
	enum merge left = MERGE_NO, right = MERGE_NO;
	struct vm_area_struct part = *vma, *prev, *next;

	if (start == vma->vm_start && end == vma->vm_end)
		return 0;
	if (vma_is_special(vma) || vma->vm_flags & VM_HUGETLB)
		return check_split(vma); /* merges with nothing */
	if (count + 2 <= most)
		return 0;
	if (nth)
		return CHECK_UNSURE; /* who knows how many areas there are by now */
	part.vm_start = start;
	part.vm_end = end;
	part.vm_flags = flags;
	part.vm_pgoff += (start - vma->vm_start) >> PAGE_SHIFT;
	tree_find_prev(env->mm->root, vma->vm_start, &prev);
	next = check_find(env, vma->vm_end);
	if (start == vma->vm_start && prev && prev->vm_end == start)
		left = can_vma_merge(prev, &part);
	if (end == vma->vm_end && next && next->vm_start == end)
		right = can_vma_merge(&part, next);
	if (left == MERGE_YES || right == MERGE_YES)
		return 0;
	if (left != MERGE_NO || right != MERGE_NO)
		return CHECK_UNSURE;
	count += (start > vma->vm_start) + (end < vma->vm_end) - 1UL;
	return count >= most ? -ENOMEM : 0;
}

/* --- munmap ------------------------------------------------------------------------ */

static long check_first(const struct check_env *env, const struct vm_area_struct *vma,
			unsigned long start, unsigned long end)
{
	if (vma->vm_start >= start)
		return 0;
	/* Only a cut out of the middle must not exceed the limit. */
	if (vma->vm_end > end && env->mm->map_count >= env->lim->max_map_count)
		return vma->inexact & VMA_INEXACT_SPLIT ? CHECK_UNSURE : -ENOMEM;
	return vma->vm_flags & VM_SEALED ? -EPERM : check_split(vma);
}

long check_gather(const struct check_env *env, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = check_intersection(env, start, end);
	long ret = vma ? check_first(env, vma, start, end) : 0;

	for (; !ret && vma; vma = check_intersection(env, vma->vm_end, end)) {
		if (vma->vm_flags & VM_SEALED)
			return -EPERM;
		if (vma->vm_end > end)
			return check_split(vma);
	}
	return ret;
}

/* do_vmi_munmap() */
long check_munmap(const struct check_env *env, unsigned long start, unsigned long len)
{
	unsigned long size = env->lim->task_size;

	if (start & ~PAGE_MASK || start > size || len > size - start || !len)
		return -EINVAL;
	return check_gather(env, start, start + PAGE_ALIGN(len));
}

/* --- brk --------------------------------------------------------------------------- */

static bool check_data_rlimit(const struct check_env *env, unsigned long brk)
{
	const struct mm_struct *mm = env->mm;

	return env->lim->data == ~0UL ||
	       brk - mm->start_brk + (mm->end_data - mm->start_data) <= env->lim->data;
}

static long brk_shrinks(const struct check_env *env, unsigned long old, unsigned long new)
{
	struct vm_area_struct *vma = check_intersection(env, new, old);

	if (!vma)
		return -EINVAL;
	return check_gather(env, new, old);
}

/* check_brk_limits(), and what follows it; do_brk_flags() */
static long brk_grows(const struct check_env *env, unsigned long old, unsigned long new)
{
	const struct mm_struct *mm = env->mm;
	unsigned long flags = VM_READ | VM_WRITE | mm->def_flags, len = new - old;
	struct vm_area_struct *next;
	long ret = get_unmapped_area(env, NULL, old, len, 0, MAP_FIXED, 0);

	if (IS_ERR_VALUE(ret))
		return ret;
	if (!mlock_future_ok(env, mm->def_flags & VM_LOCKED, len))
		return -EAGAIN;
	next = check_intersection(env, old, new + PAGE_SIZE + env->lim->stack_guard_gap);
	if (next && new + PAGE_SIZE > vm_start_gap(env->lim, next))
		return -ENOMEM;
	if (!may_expand_vm(env->lim, mm->total_vm, mm->data_vm, flags,
			   len >> PAGE_SHIFT) ||
	    mm->map_count > env->lim->max_map_count)
		return -ENOMEM;
	return vm_enough_memory(env->lim, len >> PAGE_SHIFT);
}

long check_brk(const struct check_env *env, unsigned long brk)
{
	unsigned long now = env->mm->brk, old = PAGE_ALIGN(now), new = PAGE_ALIGN(brk);
	long ret = 0;

	if (brk < env->mm->start_brk || !check_data_rlimit(env, brk))
		return (long)now;
	if (new != old)
		ret = brk <= now ? brk_shrinks(env, old, new) : brk_grows(env, old, new);
	if (ret == CHECK_UNSURE)
		return ret;
	return IS_ERR_VALUE(ret) ? (long)now : (long)brk;
}

/* --- stack growth ------------------------------------------------------------------ */

static long acct_stack_growth(const struct check_env *env,
			      const struct vm_area_struct *vma, unsigned long addr)
{
	unsigned long grow = (vma->vm_start - addr) >> PAGE_SHIFT;

	if (grow > vma->vm_pgoff)
		return -ENOMEM;
	if (!may_expand_vm(env->lim, env->mm->total_vm, env->mm->data_vm, vma->vm_flags,
			   grow) ||
	    vma->vm_end - addr > env->lim->stack ||
	    !mlock_future_ok(env, vma->vm_flags & VM_LOCKED, grow << PAGE_SHIFT))
		return -ENOMEM;
	return vm_enough_memory(env->lim, grow);
}

long check_stack_growth(const struct check_env *env, unsigned long addr)
{
	struct vm_area_struct *vma, *prev;

	addr &= PAGE_MASK;
	vma = check_find(env, addr);
	if (!vma)
		return -EFAULT;
	if (vma->vm_start <= addr)
		return 0;
	if (!(vma->vm_flags & VM_GROWSDOWN))
		return -EFAULT;
	if (addr < env->lim->search_min_addr)
		return -EPERM;
	tree_find_prev(env->mm->root, vma->vm_start, &prev);
	if (prev && !(prev->vm_flags & VM_GROWSDOWN) && vma_is_accessible(prev) &&
	    addr - prev->vm_end < env->lim->stack_guard_gap)
		return -ENOMEM;
	return acct_stack_growth(env, vma, addr);
}
