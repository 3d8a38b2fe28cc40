// SPDX-License-Identifier: LGPL-2.1-or-later
/* Calls on a range of areas: mprotect, mlock, msync, mincore. */
#include <linux/mman.h>

#include "lib/mm/check_int.h"

#ifndef PROT_SEM
#define PROT_SEM 0x8
#endif

/* --- mprotect ---------------------------------------------------------------------- */

struct protect {
	const struct check_env *env;
	unsigned long prot;
	int pkey;
	unsigned long data_vm; /* pages, as the call goes along */
	unsigned int changed;  /* areas */
};

/*
 * Which MAY bits an area found at start has we only know by where it comes from: private
 * memory has them all, unless its file system is mounted noexec.
 */
static bool may_flags_unsure(const struct vm_area_struct *vma, unsigned long flags)
{
	unsigned long more = flags & ~vma->vm_flags & VM_ACCESS_FLAGS;

	if (!(vma->known & VMA_UNSURE_FLAGS) || !vma->vm_file || !more)
		return false;
	return vma->vm_flags & VM_SHARED || more & VM_EXEC || vma_is_special(vma);
}

/* mprotect_fixup() */
static long check_protect_fixup(struct protect *p, struct vm_area_struct *vma,
				unsigned long start, unsigned long end,
				unsigned long flags)
{
	const unsigned long paid =
		VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE;
	unsigned long total = p->env->mm->total_vm, pages = (end - start) >> PAGE_SHIFT;
	const struct mm_limits *lim = p->env->lim;
	long ret = 0;

	if (vma->vm_flags & VM_SEALED)
		return -EPERM;
	if (flags == vma->vm_flags)
		return 0;
	if (flags & VM_WRITE) {
		if (!may_expand_vm(lim, total, p->data_vm, flags, pages) &&
		    may_expand_vm(lim, total, p->data_vm, vma->vm_flags, pages))
			return -ENOMEM;
		if (!(vma->vm_flags & paid))
			ret = vm_enough_memory(lim, pages);
	}
	if (!ret)
		ret = check_modify(p->env, vma, start, end, flags, p->changed++);
	if (is_data_mapping(vma->vm_flags))
		p->data_vm -= pages;
	if (is_data_mapping(flags))
		p->data_vm += pages;
	return ret;
}

static long check_protect_vma(struct protect *p, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end)
{
	unsigned long flags = vma->vm_flags & ~VM_ACCESS_FLAGS, prot = p->prot;

	if (p->env->lim->read_implies_exec && prot & PROT_READ &&
	    vma->vm_flags & VM_MAYEXEC)
		prot |= PROT_EXEC;
	flags |= prot & VM_ACCESS_FLAGS; /* the same bits */
	if (p->pkey >= 0)
		flags = (flags & ~VM_PKEY_MASK) | (unsigned long)p->pkey << VM_PKEY_SHIFT;
	if (may_flags_unsure(vma, flags))
		return CHECK_UNSURE;
	if (flags & ~(flags >> 4) & VM_ACCESS_FLAGS)
		return -EACCES;
	/* map_deny_write_exec() */
	if (p->env->lim->mdwe && flags & VM_EXEC &&
	    (flags & VM_WRITE || !(vma->vm_flags & VM_EXEC)))
		return -EACCES;
	return check_protect_fixup(p, vma, start, end, flags);
}

static long check_protect_areas(struct protect *p, unsigned long start, unsigned long end,
				unsigned long *reach)
{
	struct vm_area_struct *vma;

	while (start < end && (vma = check_lookup(p->env, start))) {
		unsigned long stop = min(end, vma->vm_end);
		long ret = check_protect_vma(p, vma, start, stop);

		if (ret)
			return ret;
		*reach = start = stop;
	}
	return start < end ? -ENOMEM : 0;
}

/* do_mprotect_pkey() */
long check_mprotect(const struct check_env *env, unsigned long start, unsigned long len,
		    unsigned long prot, int pkey, unsigned long *reach)
{
	unsigned long grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	unsigned long end = start + PAGE_ALIGN(len);
	struct protect p = { env, prot & ~grows, pkey, env->mm->data_vm, 0 };
	struct vm_area_struct *vma;
	unsigned long unused = 0;

	reach = reach ? reach : &unused;
	*reach = start;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || start & ~PAGE_MASK)
		return -EINVAL;
	if (!len)
		return 0;
	if (end <= start)
		return -ENOMEM;
	if (p.prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	if (pkey != -1 && (pkey < 0 || pkey > 15 || !(env->lim->pkeys >> pkey & 1)))
		return -EINVAL;
	vma = check_intersection(env, start, end);
	if (!vma || (!(grows & PROT_GROWSDOWN) && vma->vm_start > start))
		return -ENOMEM;
	/* Nothing grows upwards here. */
	if (grows && (grows == PROT_GROWSUP || !(vma->vm_flags & VM_GROWSDOWN)))
		return -EINVAL;
	return check_protect_areas(&p, grows ? vma->vm_start : start, end, reach);
}

/* --- mlock ------------------------------------------------------------------------- */

/* vma_supports_mlock() is not true of these. */
#define VM_NEVER_LOCKED (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE)

/* apply_vma_lock_flags() and mlock_fixup(); the range is of pages. */
static long apply_vma_lock_flags(const struct check_env *env, unsigned long start,
				 unsigned long end, unsigned long lock_flags,
				 unsigned long *reach)
{
	struct vm_area_struct *vma;
	unsigned int changed = 0;

	if (end < start)
		return -EINVAL;
	while (start < end && (vma = check_lookup(env, start))) {
		unsigned long flags = (vma->vm_flags & ~VM_LOCKED_MASK) | lock_flags;
		unsigned long stop = min(end, vma->vm_end);
		long ret = 0;

		if (flags != vma->vm_flags && !(vma->vm_flags & VM_NEVER_LOCKED))
			ret = check_modify(env, vma, start, stop, flags, changed++);
		if (ret)
			return ret;
		start = stop;
		if (reach)
			*reach = stop;
	}
	return start < end ? -ENOMEM : 0;
}

/* faultin: -ENOMEM where a page cannot be had because of the area, not of memory. */
static long check_populate_vma(const struct check_env *env,
			       const struct vm_area_struct *vma, unsigned long end)
{
	unsigned long last = vma->vm_pgoff + ((end - vma->vm_start) >> PAGE_SHIFT);
	struct file_facts file;

	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return 0;
	if (!vma_is_accessible(vma))
		return -ENOMEM;
	if (vma_is_anonymous(vma))
		return vma->vm_flags & VM_UFFD_OTHER ? CHECK_UNSURE : 0;
	file = vma_facts(env, vma);
	if (file.kind >= KIND_DEVICE || file.size == ~0UL)
		return CHECK_UNSURE;
	if (file.kind == KIND_ZERO && !(vma->vm_flags & VM_SHARED))
		return 0;
	return last > PAGE_ALIGN(file.size) >> PAGE_SHIFT ? -ENOMEM : 0;
}

/* @on_fault: only what could not be marked VM_LOCKONFAULT is populated. */
static long check_populate(const struct check_env *env, unsigned long start,
			   unsigned long end, bool on_fault)
{
	bool unsure = false;

	while (start < end) {
		const struct vm_area_struct *vma = check_find(env, start);
		unsigned long stop;
		long ret;

		if (!vma || vma->vm_start >= end)
			break;
		stop = min(end, vma->vm_end);
		ret = 0;
		if (!on_fault || vma->vm_flags & VM_NEVER_LOCKED)
			ret = check_populate_vma(env, vma, stop);
		if (ret == -ENOMEM)
			return unsure ? CHECK_UNSURE : ret;
		unsure |= ret == CHECK_UNSURE;
		start = stop;
	}
	return unsure ? CHECK_UNSURE : 0;
}

unsigned long mm_locked_with(const struct mm_struct *mm, unsigned long start,
			     unsigned long len)
{
	unsigned long end;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	end = start + len;
	return (len >> PAGE_SHIFT) + mm->locked_vm -
	       usage_of(mm, start, end < start ? ~0UL : end).locked;
}

/* do_mlock() */
long check_mlock(const struct check_env *env, unsigned long start, unsigned long len,
		 unsigned long flags, unsigned long *reach)
{
	unsigned long lock_flags = VM_LOCKED, limit = env->lim->memlock >> PAGE_SHIFT;
	unsigned long end;
	long ret;

	if (reach)
		*reach = start & PAGE_MASK;
	if (flags & ~(unsigned long)MLOCK_ONFAULT)
		return -EINVAL;
	if (flags & MLOCK_ONFAULT)
		lock_flags |= VM_LOCKONFAULT;
	if (!can_do_mlock(env->lim))
		return -EPERM;
	if (!env->lim->cap_ipc_lock && mm_locked_with(env->mm, start, len) > limit)
		return -ENOMEM;
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	end = start + len;
	ret = apply_vma_lock_flags(env, start, end, lock_flags, reach);
	return ret ? ret : check_populate(env, start, end, flags & MLOCK_ONFAULT);
}

long check_munlock(const struct check_env *env, unsigned long start, unsigned long len,
		   unsigned long *reach)
{
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (reach)
		*reach = start;
	return apply_vma_lock_flags(env, start, start + len, 0, reach);
}

long check_mlockall(const struct check_env *env, unsigned long flags)
{
	const unsigned long known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;

	flags = (unsigned int)flags;
	if (!flags || flags & ~known || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!can_do_mlock(env->lim))
		return -EPERM;
	if (flags & MCL_CURRENT && !env->lim->cap_ipc_lock &&
	    env->mm->total_vm > env->lim->memlock >> PAGE_SHIFT)
		return -ENOMEM;
	return 0;
}

/* --- msync, mincore ---------------------------------------------------------------- */

/* The fsync that follows is taken to succeed, but for files with a driver. */
static bool msync_unsure(const struct check_env *env, const struct vm_area_struct *vma,
			 unsigned long flags)
{
	if (!(flags & MS_SYNC) || !vma->vm_file || !(vma->vm_flags & VM_SHARED))
		return false;
	return vma_facts(env, vma).kind == KIND_DEVICE;
}

static long check_msync_areas(const struct check_env *env, unsigned long start,
			      unsigned long end, unsigned long flags)
{
	long hole = 0;

	for (;;) {
		const struct vm_area_struct *vma = check_find(env, start);

		if (!vma)
			return -ENOMEM;
		if (start < vma->vm_start) {
			if (flags == MS_ASYNC || vma->vm_start >= end)
				return -ENOMEM;
			hole = -ENOMEM;
		}
		if (flags & MS_INVALIDATE && vma->vm_flags & VM_LOCKED)
			return -EBUSY;
		if (msync_unsure(env, vma, flags))
			return CHECK_UNSURE;
		start = vma->vm_end;
		if (start >= end)
			return hole;
	}
}

long check_msync(const struct check_env *env, unsigned long start, unsigned long len,
		 unsigned long flags)
{
	const unsigned long known = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
	unsigned long end = start + PAGE_ALIGN(len);

	flags = (unsigned int)flags;
	if (flags & ~known || start & ~PAGE_MASK || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;
	return end == start ? 0 : check_msync_areas(env, start, end, flags);
}

long check_mincore(const struct check_env *env, unsigned long start, unsigned long len)
{
	unsigned long end = start + PAGE_ALIGN(len);
	const struct vm_area_struct *vma;

	if (start & ~PAGE_MASK)
		return -EINVAL;
	/* access_ok() */
	if (start + len < start || start + len > env->lim->task_size)
		return -ENOMEM;
	for (; start < end; start = vma->vm_end) {
		vma = check_lookup(env, start);
		if (!vma)
			return -ENOMEM;
	}
	return 0;
}
