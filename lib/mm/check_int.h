/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the checks share. Private to lib/mm. */
#ifndef SHADOWMM_MM_CHECK_INT_H
#define SHADOWMM_MM_CHECK_INT_H

#include <linux/errno.h>

#include "lib/mm/check.h"
#include "lib/mm/vma.h"

#define SZ_4G	 (1UL << 32)
#define PMD_SIZE (2UL << 20)

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* since 6.11 */
#endif
#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80 /* x86, since 6.6 */
#endif

static inline bool is_data_mapping(unsigned long flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

/* What the areas of a range contribute to the counters of mm_struct. Pages. */
struct usage {
	unsigned long pages, data, locked, accounted;
	unsigned long areas; /* that overlap it */
};

struct usage usage_of(const struct mm_struct *mm, unsigned long start, unsigned long end);

/* mm->root is read once per look-up, so that a reader may use these, too. */
static inline struct vm_area_struct *check_find(const struct check_env *env,
						unsigned long addr)
{
	return tree_find(READ_ONCE(env->mm->root), addr);
}

/* vma_lookup(): the area that contains @addr. */
static inline struct vm_area_struct *check_lookup(const struct check_env *env,
						  unsigned long addr)
{
	struct vm_area_struct *vma = check_find(env, addr);

	return vma && vma->vm_start <= addr ? vma : NULL;
}

/* The first area that overlaps [start, end). */
static inline struct vm_area_struct *
check_intersection(const struct check_env *env, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = check_find(env, start);

	return vma && vma->vm_start < end ? vma : NULL;
}

static inline bool vma_is_accessible(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_ACCESS_FLAGS;
}

/* [vdso], [vvar] and the like: operations and flags of their own. */
bool vma_is_special(const struct vm_area_struct *vma);
/* The file of @vma. Kind KIND_UNKNOWN and size ~0 for what is not known. */
struct file_facts vma_facts(const struct check_env *env,
			    const struct vm_area_struct *vma);
/* include/linux/mm.h */
unsigned long vm_start_gap(const struct mm_limits *lim, const struct vm_area_struct *vma);

/* mm/mmap.c. @total, @data: pages now. */
bool may_expand_vm(const struct mm_limits *lim, unsigned long total, unsigned long data,
		   unsigned long flags, unsigned long pages);
bool mlock_future_ok(const struct check_env *env, bool locked, unsigned long bytes);
/* mm/mlock.c */
bool can_do_mlock(const struct mm_limits *lim);
/* mm/util.c: 0, -ENOMEM or CHECK_UNSURE. */
long vm_enough_memory(const struct mm_limits *lim, unsigned long pages);
/* vms_gather_munmap_vmas(): may [start, end) be unmapped? */
long check_gather(const struct check_env *env, unsigned long start, unsigned long end);
/*
 * vma_modify(): 0, or -ENOMEM if [start, end) of @vma must be split off and there are
 * too many areas. @nth: areas that this call has changed before.
 */
long check_modify(const struct check_env *env, struct vm_area_struct *vma,
		  unsigned long start, unsigned long end, unsigned long flags,
		  unsigned int nth);
/* do_mmap(): @addr to @pgoff as it gets them, @len not zero-checked yet. */
long check_do_mmap(const struct check_env *env, unsigned long addr, unsigned long len,
		   unsigned long prot, unsigned long flags, const struct file_facts *file,
		   unsigned long pgoff);

#endif
