// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a mapping goes that does not say where (mm/mmap.c, mm/vma.c, mm/huge_memory.c,
 * mm/shmem.c, arch/x86/kernel/sys_x86_64.c of Linux 6.18).
 *
 *	0  min              legacy_base                   mmap_base      stack  task_size
 *	|--|--------------------|-----------------------------|------[GG][SSSS]-|
 *	                        bottom-up >>>>>     <<<<< top-down
 *
 * The areas' gaps are not indexed: a search walks the areas from its end of the address
 * space to the first gap that does.
 */
#include <linux/mman.h>

#include "lib/mm/check_int.h"

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif
#define LOW_BEGIN  0x40000000UL /* MAP_32BIT; find_start_end() */
#define LOW_END	   0x80000000UL
#define LOW_RANDOM 0x02000000UL

/* --- a place in the tree, and the steps from there --------------------------------- */

struct cursor {
	const struct vma_node *node[MAX_DEPTH];
	unsigned int index[MAX_DEPTH];
	int depth; /* of the leaf; -1: the tree is empty */
};

static struct vm_area_struct *cursor_vma(const struct cursor *c)
{
	const struct vma_node *leaf = c->node[c->depth];

	return c->index[c->depth] < leaf->nr ? leaf->ptr[c->index[c->depth]] : NULL;
}

/* To the first area that ends above @addr; behind the last if there is none. */
static struct vm_area_struct *cursor_find(struct cursor *c, const struct vma_node *node,
					  unsigned long addr)
{
	c->depth = -1;
	while (node) {
		unsigned int i = 0;

		while (i < node->nr && node->key[i] <= addr)
			i++;
		if (node->level && i == node->nr)
			i--;
		c->node[++c->depth] = node;
		c->index[c->depth] = i;
		node = node->level ? node->ptr[i] : NULL;
	}
	return c->depth < 0 ? NULL : cursor_vma(c);
}

static void cursor_descend(struct cursor *c, int depth, bool last)
{
	const struct vma_node *node = c->node[depth];

	for (; depth < c->depth; depth++) {
		node = node->ptr[c->index[depth]];
		c->node[depth + 1] = node;
		c->index[depth + 1] = last ? node->nr - 1U : 0;
	}
}

static struct vm_area_struct *cursor_prev(struct cursor *c)
{
	for (int d = c->depth; d >= 0; d--) {
		if (!c->index[d])
			continue;
		c->index[d]--;
		cursor_descend(c, d, true);
		return cursor_vma(c);
	}
	return NULL;
}

static struct vm_area_struct *cursor_next(struct cursor *c)
{
	for (int d = c->depth; d >= 0; d--) {
		if (c->index[d] + 1 >= c->node[d]->nr)
			continue;
		c->index[d]++;
		cursor_descend(c, d, false);
		return cursor_vma(c);
	}
	return NULL;
}

/* --- vm_unmapped_area() ------------------------------------------------------------ */

struct unmapped_area_info {
	unsigned long length, low_limit, high_limit, start_gap;
};

unsigned long vm_start_gap(const struct mm_limits *lim, const struct vm_area_struct *vma)
{
	unsigned long gap = 0;

	if (vma->vm_flags & VM_GROWSDOWN)
		gap = lim->stack_guard_gap;
	else if (vma->vm_flags & VM_SHADOW_STACK)
		gap = PAGE_SIZE;
	return vma->vm_start > gap ? vma->vm_start - gap : 0;
}

/*
 * mas_empty_area_rev(): the end of the highest gap of @size bytes in [low, high), 0 for
 * none; *@next is the area above it.
 */
static unsigned long highest_gap(const struct vma_node *root, unsigned long low,
				 unsigned long high, unsigned long size,
				 struct vm_area_struct **next)
{
	struct vm_area_struct *vma, *prev;
	struct cursor c;

	vma = cursor_find(&c, root, high - 1);
	if (c.depth < 0) {
		*next = NULL;
		return high > low && high - low >= size ? high : 0;
	}
	for (prev = cursor_prev(&c);; vma = prev, prev = cursor_prev(&c)) {
		unsigned long start = prev ? max(low, prev->vm_end) : low;

		if (vma)
			high = min(high, vma->vm_start);
		if (high <= low || high - low < size)
			return 0;
		*next = vma;
		if (high > start && high - start >= size)
			return high;
	}
}

/* mas_empty_area(): the start of the lowest gap, ~0 for none. */
static unsigned long lowest_gap(const struct vma_node *root, unsigned long low,
				unsigned long high, unsigned long size,
				struct vm_area_struct **next)
{
	struct vm_area_struct *vma;
	struct cursor c;

	for (vma = cursor_find(&c, root, low);; vma = cursor_next(&c)) {
		unsigned long end = vma ? min(high, vma->vm_start) : high;

		*next = vma;
		if (end > low && end - low >= size)
			return low;
		if (!vma || vma->vm_end >= high)
			return ~0UL;
		low = vma->vm_end;
	}
}

static bool vma_has_start_gap(const struct vm_area_struct *vma)
{
	return vma && vma->vm_flags & (VM_GROWSDOWN | VM_SHADOW_STACK);
}

static long unmapped_area_topdown(const struct check_env *env,
				  const struct unmapped_area_info *info)
{
	unsigned long low = max(info->low_limit, env->lim->search_min_addr);
	unsigned long length = info->length + info->start_gap, high = info->high_limit;
	struct vm_area_struct *next;

	if (length < info->length)
		return -ENOMEM;
	for (;;) {
		unsigned long end =
			highest_gap(READ_ONCE(env->mm->root), low, high, length, &next);

		if (!end)
			return -ENOMEM;
		if (!vma_has_start_gap(next) || vm_start_gap(env->lim, next) >= end)
			return (long)(end - info->length);
		high = vm_start_gap(env->lim, next);
		if (high <= low)
			return -ENOMEM;
	}
}

static long unmapped_area(const struct check_env *env,
			  const struct unmapped_area_info *info)
{
	unsigned long low = max(info->low_limit, env->lim->search_min_addr);
	unsigned long length = info->length + info->start_gap;
	struct vm_area_struct *next;

	if (length < info->length)
		return -ENOMEM;
	for (;;) {
		unsigned long gap = lowest_gap(READ_ONCE(env->mm->root), low,
					       info->high_limit, length, &next);

		if (gap == ~0UL)
			return -ENOMEM;
		gap += info->start_gap;
		if (!vma_has_start_gap(next) ||
		    vm_start_gap(env->lim, next) >= gap + length - 1)
			return (long)gap;
		low = next->vm_end;
	}
}

/* --- arch_get_unmapped_area() ------------------------------------------------------- */

struct request {
	unsigned long addr, len, pgoff, flags, vm_flags;
};

static unsigned long start_gap(const struct request *r)
{
	return r->vm_flags & VM_SHADOW_STACK ? PAGE_SIZE : 0;
}

static bool hint_is_free(const struct check_env *env, unsigned long addr,
			 unsigned long len)
{
	struct vm_area_struct *vma = check_find(env, addr);

	return !vma || addr + len <= vm_start_gap(env->lim, vma);
}

/* The search may begin at any of many addresses: sure if that makes no difference. */
static long search_low(const struct check_env *env, struct unmapped_area_info *info)
{
	long first, last;

	info->low_limit = LOW_BEGIN;
	info->high_limit = LOW_END;
	first = unmapped_area(env, info);
	if (!env->lim->randomize)
		return first;
	info->low_limit = LOW_BEGIN + LOW_RANDOM - PAGE_SIZE;
	last = unmapped_area(env, info);
	return first == last ? first : CHECK_UNSURE;
}

static long arch_get_unmapped_area(const struct check_env *env, const struct request *r)
{
	const struct mm_limits *lim = env->lim;
	unsigned long end, addr = PAGE_ALIGN(r->addr);
	struct unmapped_area_info info = { .length = r->len, .start_gap = start_gap(r) };

	if (r->flags & MAP_FIXED)
		return (long)r->addr;
	end = r->addr > lim->map_window ? lim->task_size : lim->map_window;
	if (r->flags & MAP_32BIT)
		end = LOW_END;
	if (r->len > end)
		return -ENOMEM;
	if (r->addr && end - r->len >= addr && hint_is_free(env, addr, r->len))
		return (long)addr;
	if (r->flags & MAP_32BIT)
		return search_low(env, &info);
	info.low_limit = lim->legacy_base;
	info.high_limit = end;
	return unmapped_area(env, &info);
}

/* A mapping must not cross the border that only hints above it may use. */
static bool mmap_address_hint_valid(const struct mm_limits *lim, unsigned long addr,
				    unsigned long len)
{
	if (lim->task_size - len < addr)
		return false;
	return (addr > lim->map_window) == (addr + len > lim->map_window);
}

static long arch_get_unmapped_area_topdown(const struct check_env *env,
					   const struct request *r)
{
	const struct mm_limits *lim = env->lim;
	unsigned long addr = r->addr & PAGE_MASK;
	struct unmapped_area_info info = { .length = r->len, .start_gap = start_gap(r) };
	struct request bottomup = { r->addr, r->len, r->pgoff, r->flags, 0 };
	long found;

	if (r->len > lim->task_size)
		return -ENOMEM;
	if (r->flags & MAP_FIXED)
		return (long)r->addr;
	if (r->flags & MAP_32BIT)
		return arch_get_unmapped_area(env, &bottomup);
	if (addr && mmap_address_hint_valid(lim, addr, r->len) &&
	    hint_is_free(env, addr, r->len))
		return (long)addr;
	info.low_limit = r->flags & MAP_ABOVE4G ? SZ_4G : PAGE_SIZE;
	info.high_limit = lim->mmap_base;
	if (addr > lim->map_window)
		info.high_limit += lim->task_size - lim->map_window;
	found = unmapped_area_topdown(env, &info);
	return found == -ENOMEM ? arch_get_unmapped_area(env, &bottomup) : found;
}

static long mm_get_unmapped_area(const struct check_env *env, const struct request *r)
{
	return env->lim->topdown ? arch_get_unmapped_area_topdown(env, r)
				 : arch_get_unmapped_area(env, r);
}

/* --- alignment for huge pages ------------------------------------------------------- */

static long thp_get_unmapped_area(const struct check_env *env, const struct request *r)
{
	/* loff_t, signed: an offset beyond 2^63 is as good as unaligned. */
	s64 off = (s64)(r->pgoff << PAGE_SHIFT), end = (s64)((u64)off + r->len);
	s64 align = (s64)(((u64)off + PMD_SIZE - 1) & ~(PMD_SIZE - 1));
	struct request padded = *r;
	unsigned long sub;
	long found;

	padded.len = r->len + PMD_SIZE;
	if (end <= align || (u64)(end - align) < PMD_SIZE || padded.len < r->len ||
	    (u64)off + padded.len < (u64)off)
		return mm_get_unmapped_area(env, r);
	found = mm_get_unmapped_area(env, &padded);
	if (found == CHECK_UNSURE)
		return found;
	if (IS_ERR_VALUE(found) || !found)
		return mm_get_unmapped_area(env, r);
	if ((unsigned long)found == r->addr)
		return found;
	sub = ((unsigned long)off - (unsigned long)found) & (PMD_SIZE - 1);
	if (env->lim->topdown && !sub)
		return found + (long)PMD_SIZE;
	return found + (long)sub;
}

/* The second half of shmem_get_unmapped_area(): move @addr up to where a huge page fits.
 */
static long shmem_align_area(const struct check_env *env, const struct request *r,
			     long addr, unsigned long huge)
{
	unsigned long offset = (r->pgoff << PAGE_SHIFT) & (huge - 1), in;
	struct request inflated = *r;
	long found;

	if (r->len < huge || (offset && offset + r->len < 2 * huge) ||
	    ((unsigned long)addr & (huge - 1)) == offset)
		return addr;
	inflated.len = r->len + huge - PAGE_SIZE;
	if (inflated.len > env->lim->task_size || inflated.len < r->len)
		return addr;
	found = mm_get_unmapped_area(env, &inflated);
	if (found == CHECK_UNSURE)
		return found;
	if (IS_ERR_VALUE(found) || (unsigned long)found & ~PAGE_MASK)
		return addr;
	in = (unsigned long)found & (huge - 1);
	found += (long)(offset - in);
	if (in > offset)
		found += (long)huge;
	return (unsigned long)found > env->lim->task_size - r->len ? addr : found;
}

static long shmem_get_unmapped_area(const struct check_env *env, const struct request *r,
				    unsigned long huge)
{
	long addr;

	if (r->len > env->lim->task_size)
		return -ENOMEM;
	addr = mm_get_unmapped_area(env, r);
	if (!env->lim->thp || !huge || IS_ERR_VALUE(addr) ||
	    (unsigned long)addr & ~PAGE_MASK ||
	    (unsigned long)addr > env->lim->task_size - r->len || r->flags & MAP_FIXED ||
	    r->addr == (unsigned long)addr)
		return addr;
	return shmem_align_area(env, r, addr, huge);
}

/* --- __get_unmapped_area() ---------------------------------------------------------- */

static long file_get_area(const struct check_env *env, const struct file_facts *file,
			  struct request *r)
{
	bool shared = r->flags & MAP_SHARED;

	r->vm_flags = file->kind == KIND_PLAIN ? r->vm_flags : 0;
	switch (file->kind) {
	case KIND_PLAIN:
		return mm_get_unmapped_area(env, r);
	case KIND_SHMEM:
		return shmem_get_unmapped_area(env, r, file->shmem_align);
	case KIND_ZERO:
		if (shared)
			return shmem_get_unmapped_area(env, r, env->lim->shmem_align);
		return env->lim->thp ? thp_get_unmapped_area(env, r)
				     : mm_get_unmapped_area(env, r);
	case KIND_THP:
		return env->lim->thp ? thp_get_unmapped_area(env, r)
				     : mm_get_unmapped_area(env, r);
	default:
		return r->flags & MAP_FIXED ? mm_get_unmapped_area(env, r) : CHECK_UNSURE;
	}
}

static long get_area(const struct check_env *env, const struct file_facts *file,
		     struct request *r)
{
	if (file)
		return file_get_area(env, file, r);
	r->pgoff = 0;
	if (r->flags & MAP_SHARED) {
		r->vm_flags = 0;
		return shmem_get_unmapped_area(env, r, env->lim->shmem_align);
	}
	if (env->lim->thp && !r->addr && !(r->len & (PMD_SIZE - 1)))
		return thp_get_unmapped_area(env, r);
	return mm_get_unmapped_area(env, r);
}

long get_unmapped_area(const struct check_env *env, const struct file_facts *file,
		       unsigned long addr, unsigned long len, unsigned long pgoff,
		       unsigned long flags, unsigned long vm_flags)
{
	struct request r = { addr, len, pgoff, flags, vm_flags };
	const struct mm_limits *lim = env->lim;
	long found;

	if (len > lim->task_size)
		return -ENOMEM;
	found = get_area(env, file, &r);
	if (IS_ERR_VALUE(found))
		return found;
	if ((unsigned long)found > lim->task_size - len)
		return -ENOMEM;
	if ((unsigned long)found & ~PAGE_MASK)
		return -EINVAL;
	/* cap_mmap_addr() */
	if ((unsigned long)found < lim->mmap_min_addr && !lim->cap_sys_rawio)
		return -EPERM;
	return found;
}

/* --- mmap_base ---------------------------------------------------------------------- */

unsigned long infer_mmap_base(const struct mm_struct *mm, const struct mm_limits *lim)
{
	struct vm_area_struct *stack = tree_find(mm->root, mm->start_stack), *prev;

	if (!stack || stack->vm_end > lim->map_window)
		return 0;
	tree_find_prev(mm->root, stack->vm_start, &prev);
	return prev ? prev->vm_end : 0;
}

unsigned long refine_mmap_base(unsigned long mmap_base, unsigned long addr,
			       unsigned long len)
{
	return max(mmap_base, addr + PAGE_ALIGN(len));
}
