// SPDX-License-Identifier: LGPL-2.1-or-later
/* mremap (mm/mremap.c of Linux 6.18); the functions bear its names. */
#include <linux/mman.h>

#include "lib/mm/check_int.h"

struct remap {
	const struct check_env *env;
	unsigned long addr, old_len, new_len, flags, new_addr;
	struct vm_area_struct *vma; /* the area that contains @addr */
	unsigned long total, data;  /* pages, as the call goes along */
	unsigned long cut;	    /* bytes of the range that went before the move */
	bool unmapped;		    /* areas have gone: their number is a guess */
};

static bool implies_new_addr(const struct remap *r)
{
	return r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
}

static unsigned long delta(const struct remap *r)
{
	return r->new_len > r->old_len ? r->new_len - r->old_len
				       : r->old_len - r->new_len;
}

static bool overlaps(const struct remap *r)
{
	return r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr;
}

/* check_mremap_params() */
static long check_params(const struct remap *r)
{
	const struct mm_limits *lim = r->env->lim;
	const unsigned long known = MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP;

	if (r->flags & ~known || r->addr & ~PAGE_MASK || !r->new_len ||
	    r->new_len > lim->task_size)
		return -EINVAL;
	if (!implies_new_addr(r))
		return 0;
	if (r->new_addr > lim->task_size - r->new_len || r->new_addr & ~PAGE_MASK ||
	    !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (r->flags & MREMAP_DONTUNMAP && r->old_len != r->new_len)
		return -EINVAL;
	if (overlaps(r))
		return -EINVAL;
	return r->env->mm->map_count + 2 >= lim->max_map_count - 3 ? -ENOMEM : 0;
}

/*
 * The call depends on where the kernel's area ends. @reach: the end of the range, which
 * must be within the area.
 */
static bool end_unsure(const struct remap *r, unsigned long reach)
{
	const struct vm_area_struct *next;

	if (r->vma->inexact & VMA_INEXACT_SPLIT)
		return true;
	if (reach <= r->vma->vm_end)
		return false;
	next = check_find(r->env, r->vma->vm_end);
	return next && next->vm_start == r->vma->vm_end &&
	       next->inexact & VMA_INEXACT_START;
}

static long check_growth(const struct remap *r)
{
	const struct vm_area_struct *vma = r->vma;
	unsigned long pgoff = vma->vm_pgoff + ((r->addr - vma->vm_start) >> PAGE_SHIFT);

	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (vma->vm_flags & (VM_DONTEXPAND | VM_PFNMAP))
		return -EFAULT;
	if (!mlock_future_ok(r->env, vma->vm_flags & VM_LOCKED, delta(r)))
		return -EAGAIN;
	if (!may_expand_vm(r->env->lim, r->total, r->data, vma->vm_flags,
			   delta(r) >> PAGE_SHIFT))
		return -ENOMEM;
	return 0;
}

/* check_prep_vma() */
static long check_prep_vma(struct remap *r)
{
	const struct vm_area_struct *vma = r->vma;
	unsigned long old_len = min(r->old_len, r->new_len);

	if (!vma)
		return -EFAULT;
	if (vma->vm_flags & VM_SEALED)
		return -EPERM;
	if (vma->vm_flags & VM_HUGETLB || vma_is_special(vma))
		return CHECK_UNSURE;
	if (!implies_new_addr(r))
		r->new_addr = r->addr;
	if (r->new_len <= r->old_len && !implies_new_addr(r))
		return 0;
	if (!r->old_len && !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if (r->flags & MREMAP_DONTUNMAP && vma->vm_flags & (VM_DONTEXPAND | VM_PFNMAP))
		return -EINVAL;
	if (end_unsure(r, r->addr + old_len))
		return CHECK_UNSURE;
	if (old_len > vma->vm_end - r->addr)
		return -EFAULT;
	return r->new_len == old_len ? 0 : check_growth(r);
}

/* --- moving ------------------------------------------------------------------------ */

/* do_munmap() as a part of the call: what was there is counted no more. */
static long unmap_range(struct remap *r, unsigned long start, unsigned long len)
{
	long ret = check_munmap(r->env, start, len);
	struct usage old;

	if (ret)
		return ret;
	old = usage_of(r->env->mm, start, start + len);
	r->total -= old.pages;
	r->data -= old.data;
	r->unmapped |= old.areas != 0;
	return 0;
}

/* vrm_set_new_addr() */
static long set_new_addr(struct remap *r)
{
	const struct vm_area_struct *vma = r->vma;
	unsigned long pgoff = vma->vm_pgoff + ((r->addr - vma->vm_start) >> PAGE_SHIFT);
	unsigned long map_flags = r->flags & MREMAP_FIXED ? MAP_FIXED : 0;
	struct file_facts file = { 0 };
	long ret;

	if (vma->vm_flags & VM_MAYSHARE)
		map_flags |= MAP_SHARED;
	if (vma->vm_file)
		file = vma_facts(r->env, vma);
	ret = get_unmapped_area(r->env, vma->vm_file ? &file : NULL,
				implies_new_addr(r) ? r->new_addr : 0, r->new_len, pgoff,
				map_flags, 0);
	if (IS_ERR_VALUE(ret))
		return ret;
	r->new_addr = (unsigned long)ret;
	return 0;
}

/* prep_move_vma(), vrm_calc_charge(). What was cut off is charged like what is added:
 * shrink_vma() leaves vrm->delta as it was. */
static long check_move(const struct remap *r)
{
	unsigned long most = r->env->lim->max_map_count, charge = delta(r) + r->cut;
	long ret;

	if (r->env->mm->map_count + 2 >= most - 3)
		if (r->unmapped || r->env->mm->map_count >= most - 3)
			return r->unmapped ? CHECK_UNSURE : -ENOMEM;
	if (r->flags & MREMAP_DONTUNMAP)
		charge = r->new_len;
	if (!(r->vma->vm_flags & VM_ACCOUNT))
		return (long)r->new_addr;
	ret = vm_enough_memory(r->env->lim, charge >> PAGE_SHIFT);
	if (ret && r->vma->known & VMA_UNSURE_ACCOUNT)
		return CHECK_UNSURE;
	return ret ? ret : (long)r->new_addr;
}

/* mremap_to() */
static long mremap_to(struct remap *r)
{
	long ret;

	if (r->flags & MREMAP_FIXED) {
		ret = unmap_range(r, r->new_addr, r->new_len);
		if (ret)
			return ret;
		/* Only a range of no length can have been unmapped by that. */
		if (!r->old_len && r->addr == r->new_addr)
			return -EFAULT;
	}
	if (r->old_len > r->new_len) {
		ret = unmap_range(r, r->addr + r->new_len, delta(r));
		if (ret)
			return ret;
		r->cut = delta(r);
		r->old_len = r->new_len;
	}
	if (r->flags & MREMAP_DONTUNMAP &&
	    !may_expand_vm(r->env->lim, r->total, r->data, r->vma->vm_flags,
			   r->old_len >> PAGE_SHIFT))
		return -ENOMEM;
	ret = set_new_addr(r);
	return ret ? ret : check_move(r);
}

/* vma_multi_allowed() */
static long multi_allowed(const struct check_env *env, const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_UFFD_MISSING | VM_UFFD_OTHER))
		return false;
	if (!vma->vm_file)
		return true;
	switch (vma_facts(env, vma).kind) {
	case KIND_PLAIN:
	case KIND_THP:
	case KIND_SHMEM:
	case KIND_HUGETLB:
		return true;
	case KIND_ZERO:
		return vma->vm_flags & VM_SHARED;
	default:
		return CHECK_UNSURE;
	}
}

/* One area of remap_move(): 0 if it may be moved with those before it. */
static long move_one(struct remap *r, unsigned long start, unsigned long end, bool first)
{
	long ret = multi_allowed(r->env, r->vma);

	if (ret == CHECK_UNSURE && (!first || r->vma->vm_end < end))
		return ret;
	if (!ret && (!first || r->vma->vm_end < end))
		return -EFAULT;
	r->addr = max(start, r->vma->vm_start);
	r->old_len = r->new_len = min(end, r->vma->vm_end) - r->addr;
	ret = check_prep_vma(r);
	if (!ret)
		ret = mremap_to(r);
	if (r->flags & MREMAP_DONTUNMAP && !IS_ERR_VALUE(ret)) {
		r->total += r->new_len >> PAGE_SHIFT;
		if (is_data_mapping(r->vma->vm_flags))
			r->data += r->new_len >> PAGE_SHIFT;
	}
	return ret;
}

/* remap_move(): areas keep their distances. */
static long remap_move(struct remap *r)
{
	unsigned long start = r->addr, end = r->addr + r->old_len, to = r->new_addr;
	long ret, first = -EFAULT;

	if (!check_lookup(r->env, start))
		return -EFAULT;
	for (unsigned long p = start; (r->vma = check_intersection(r->env, p, end));
	     p = r->vma->vm_end) {
		r->new_addr = to + (max(p, r->vma->vm_start) - start);
		ret = move_one(r, start, end, p == start);
		if (IS_ERR_VALUE(ret))
			return ret;
		if (p == start)
			first = ret;
	}
	return first;
}

/* --- in place ---------------------------------------------------------------------- */

/* vrm_can_expand_in_place() */
static bool can_expand_in_place(const struct remap *r)
{
	const struct vm_area_struct *vma = r->vma;
	unsigned long end = vma->vm_end + delta(r);

	return vma->vm_end - r->addr == r->old_len && end >= vma->vm_end &&
	       !check_intersection(r->env, vma->vm_end, end) &&
	       !IS_ERR_VALUE(get_unmapped_area(r->env, NULL, vma->vm_start,
					       end - vma->vm_start, 0, MAP_FIXED, 0));
}

/* expand_vma() */
static long expand_vma(struct remap *r)
{
	long ret;

	if (can_expand_in_place(r)) {
		if (!(r->vma->vm_flags & VM_ACCOUNT))
			return (long)r->addr;
		ret = vm_enough_memory(r->env->lim, delta(r) >> PAGE_SHIFT);
		if (ret && r->vma->known & VMA_UNSURE_ACCOUNT)
			return CHECK_UNSURE;
		return ret ? ret : (long)r->addr;
	}
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	ret = set_new_addr(r);
	return ret ? ret : check_move(r);
}

/* mremap_at() */
static long mremap_at(struct remap *r)
{
	long ret = 0;

	if (r->new_len > r->old_len)
		return expand_vma(r);
	if (r->new_len < r->old_len) /* do_munmap(), with its own idea of a range */
		ret = check_munmap(r->env, r->addr + r->new_len, delta(r));
	return ret ? ret : (long)r->addr;
}

long check_mremap(const struct check_env *env, unsigned long addr, unsigned long old_len,
		  unsigned long new_len, unsigned long flags, unsigned long new_addr)
{
	struct remap r = {
		.env = env,
		.addr = addr,
		.old_len = PAGE_ALIGN(old_len),
		.new_len = PAGE_ALIGN(new_len),
		.flags = flags,
		.new_addr = new_addr,
		.total = env->mm->total_vm,
		.data = env->mm->data_vm,
	};
	long ret = check_params(&r);

	if (ret)
		return ret;
	if (r.flags & MREMAP_FIXED && r.old_len == r.new_len)
		return remap_move(&r);
	r.vma = check_lookup(env, addr);
	ret = check_prep_vma(&r);
	if (ret)
		return ret;
	return implies_new_addr(&r) ? mremap_to(&r) : mremap_at(&r);
}
