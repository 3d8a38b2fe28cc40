// SPDX-License-Identifier: LGPL-2.1-or-later
/* madvise (mm/madvise.c of Linux 6.18): each advice refuses areas of its own. */
#include <linux/mman.h>

#include "lib/base/string.h"
#include "lib/mm/check_int.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* since 6.13 */
#define MADV_GUARD_REMOVE  103
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* madvise_remove() */
static long check_remove(const struct check_env *env, const struct vm_area_struct *vma)
{
	const unsigned long shared = VM_SHARED | VM_MAYWRITE;

	if (vma->vm_flags & VM_LOCKED || !vma->vm_file || vma_is_special(vma))
		return -EINVAL;
	if ((vma->vm_flags & shared) != shared)
		return -EACCES;
	return vma_facts(env, vma).kind == KIND_SHMEM ? 0 : CHECK_UNSURE;
}

/* madvise_dontneed_free(), can_madv_lru_vma(), is_valid_guard_vma() */
static long check_pages(const struct vm_area_struct *vma, int advice)
{
	unsigned long forbidden = VM_PFNMAP;

	if (vma->vm_flags & VM_HUGETLB &&
	    (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED))
		return CHECK_UNSURE;
	if (advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE)
		forbidden |= VM_SPECIAL;
	if (advice != MADV_DONTNEED_LOCKED && advice != MADV_GUARD_REMOVE)
		forbidden |= VM_LOCKED;
	if (vma->vm_flags & (forbidden | VM_HUGETLB))
		return -EINVAL;
	if (advice == MADV_FREE && !vma_is_anonymous(vma))
		return -EINVAL;
	return 0;
}

/* The advices that change flags: which areas refuse, and the flags that are asked for. */
static long advised_flags(const struct vm_area_struct *vma, int advice,
			  unsigned long *flags)
{
	switch (advice) {
	case MADV_NORMAL:
		*flags &= ~(VM_RAND_READ | VM_SEQ_READ);
		return 0;
	case MADV_SEQUENTIAL:
		*flags = (*flags & ~VM_RAND_READ) | VM_SEQ_READ;
		return 0;
	case MADV_RANDOM:
		*flags = (*flags & ~VM_SEQ_READ) | VM_RAND_READ;
		return 0;
	case MADV_DONTFORK:
		*flags |= VM_DONTCOPY;
		return 0;
	case MADV_DOFORK:
		*flags &= ~VM_DONTCOPY;
		return vma->vm_flags & VM_IO ? -EINVAL : 0;
	case MADV_WIPEONFORK:
		*flags |= VM_WIPEONFORK;
		return vma->vm_file || vma->vm_flags & VM_SHARED ? -EINVAL : 0;
	case MADV_KEEPONFORK:
		*flags &= ~VM_WIPEONFORK;
		return vma->vm_flags & VM_DROPPABLE ? -EINVAL : 0;
	case MADV_DONTDUMP:
		*flags |= VM_DONTDUMP;
		return 0;
	case MADV_DODUMP:
		*flags &= ~VM_DONTDUMP;
		if (vma->vm_flags & VM_DROPPABLE)
			return -EINVAL;
		return !(vma->vm_flags & VM_HUGETLB) && vma->vm_flags & VM_SPECIAL
			       ? -EINVAL
			       : 0;
	case MADV_HUGEPAGE:
		*flags = (*flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
		return 0;
	case MADV_NOHUGEPAGE:
		*flags = (*flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
		return 0;
	default:
		return CHECK_UNSURE;
	}
}

/* ksm_madvise(): what cannot be merged is left as it is. */
static unsigned long ksm_flags(unsigned long flags, int advice)
{
	const unsigned long never =
		VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE;

	if (advice == MADV_UNMERGEABLE)
		return flags & ~VM_MERGEABLE;
	return flags & never ? flags : flags | VM_MERGEABLE;
}

/* can_modify_vma_madv(): sealed memory that cannot be written must not lose its pages. */
static bool seal_forbids(const struct vm_area_struct *vma, int advice)
{
	if ((vma->vm_flags & (VM_SEALED | VM_WRITE | VM_SHARED)) != VM_SEALED)
		return false;
	switch (advice) {
	case MADV_FREE:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_WIPEONFORK:
	case MADV_GUARD_INSTALL:
		return true;
	default:
		return false;
	}
}

/* madvise_vma_behavior() */
static long check_vma(const struct check_env *env, struct vm_area_struct *vma,
		      unsigned long start, unsigned long end, int advice,
		      unsigned int *changed)
{
	unsigned long flags = vma->vm_flags;
	long ret = 0;

	if (seal_forbids(vma, advice))
		return -EPERM;
	switch (advice) {
	case MADV_REMOVE:
		return check_remove(env, vma);
	case MADV_WILLNEED:
		return 0;
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_FREE:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return check_pages(vma, advice);
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		flags = ksm_flags(flags, advice);
		break;
	default:
		ret = advised_flags(vma, advice, &flags);
	}
	if (!ret && flags != vma->vm_flags)
		ret = check_modify(env, vma, start, end, flags, (*changed)++);
	return ret == -ENOMEM ? -EAGAIN : ret;
}

/* [vvar] is VM_IO and VM_PFNMAP, but the model does not know. */
static bool vma_unsure(const struct vm_area_struct *vma, int advice)
{
	if (!vma_is_special(vma) || !str_has_prefix(vma->vm_file->name, "[vvar") ||
	    vma->vm_flags & VM_PFNMAP)
		return false;
	switch (advice) {
	case MADV_DOFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

/* madvise_walk_vmas() */
static long check_areas(const struct check_env *env, unsigned long start,
			unsigned long end, int advice, unsigned long *reach)
{
	unsigned int changed = 0;
	long hole = 0;

	while (start < end) {
		struct vm_area_struct *vma = check_find(env, start);
		long ret;

		if (!vma)
			return -ENOMEM;
		if (start < vma->vm_start) {
			hole = -ENOMEM;
			start = vma->vm_start;
			if (start >= end)
				break;
		}
		if (vma_unsure(vma, advice))
			return CHECK_UNSURE;
		ret = check_vma(env, vma, start, min(end, vma->vm_end), advice, &changed);
		if (ret)
			return ret;
		start = vma->vm_end;
		if (reach)
			*reach = min(end, start);
	}
	return hole;
}

/* Pages are read or written: what becomes of that depends on them. */
static long check_populate_pages(const struct check_env *env, unsigned long start)
{
	return check_lookup(env, start) ? CHECK_UNSURE : -ENOMEM;
}

/* madvise_should_skip(), madvise_do_behavior() */
long check_madvise(const struct check_env *env, unsigned long start, unsigned long len,
		   int advice, unsigned long *reach)
{
	unsigned long end = start + PAGE_ALIGN(len);

	if (reach)
		*reach = start;
	if (advice < 0 || advice > 127 ||
	    !(env->lim->advices[advice / 64] >> (advice % 64) & 1))
		return -EINVAL;
	if (start & ~PAGE_MASK || (len && !PAGE_ALIGN(len)) || end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	switch (advice) {
	case MADV_HWPOISON:
	case MADV_SOFT_OFFLINE:
		return CHECK_UNSURE;
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_COLLAPSE:
		return check_populate_pages(env, start);
	}
	return check_areas(env, start, end, advice, reach);
}
