// SPDX-License-Identifier: LGPL-2.1-or-later
/* mmap and remap_file_pages (mm/mmap.c, mm/vma.c of Linux 6.18). */
#include <linux/mman.h>

#include "lib/mm/check_int.h"

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif
#define MAX_LFS_FILESIZE 0x7fffffffffffffffUL
/* What MAP_SHARED ignores and MAP_SHARED_VALIDATE refuses is anything else. The sizes of
 * huge pages are two of many values of one field, but are used as a mask. */
#define LEGACY_MAP_MASK                                                          \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |  \
	 MAP_EXECUTABLE | MAP_UNINITIALIZED | MAP_GROWSDOWN | MAP_LOCKED |       \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | \
	 MAP_32BIT | MAP_ABOVE4G | MAP_HUGE_2MB | MAP_HUGE_1GB)

/* A call on its way through do_mmap(). */
struct mmap_check {
	const struct check_env *env;
	const struct file_facts *file; /* NULL: anonymous */
	unsigned long addr, len, prot, flags, vm_flags, pgoff;
};

/* --- do_mmap() --------------------------------------------------------------------- */

static unsigned long round_hint_to_min(const struct mm_limits *lim, unsigned long hint)
{
	hint &= PAGE_MASK;
	return hint && hint < lim->search_min_addr ? PAGE_ALIGN(lim->search_min_addr)
						   : hint;
}

/* calc_vm_prot_bits(), calc_vm_flag_bits() */
static unsigned long calc_vm_flags(const struct mmap_check *m)
{
	unsigned long flags = m->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);

	if (m->flags & MAP_GROWSDOWN)
		flags |= VM_GROWSDOWN;
	if (m->flags & MAP_LOCKED)
		flags |= VM_LOCKED;
	if (m->flags & MAP_SYNC)
		flags |= VM_SYNC;
	return flags | m->env->mm->def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
}

static bool file_mmap_ok(const struct mmap_check *m)
{
	unsigned long most = m->file->regular ? MAX_LFS_FILESIZE : ~0UL;

	return m->len <= most && m->pgoff <= (most - m->len) >> PAGE_SHIFT;
}

static long check_shared_file(struct mmap_check *m)
{
	const struct file_facts *file = m->file;
	unsigned long known = LEGACY_MAP_MASK | (file->map_sync ? MAP_SYNC : 0);

	if ((m->flags & MAP_TYPE) == MAP_SHARED)
		m->flags &= LEGACY_MAP_MASK;
	if (m->flags & ~known)
		return -EOPNOTSUPP;
	if (m->prot & PROT_WRITE && !file->writable)
		return -EACCES;
	if (file->append && file->writable)
		return -EACCES;
	m->vm_flags |= VM_SHARED | VM_MAYSHARE;
	if (!file->writable)
		m->vm_flags &= ~(VM_MAYWRITE | VM_SHARED);
	return 0;
}

static long check_file(struct mmap_check *m)
{
	unsigned long type = m->flags & MAP_TYPE;
	long ret = 0;

	if (!file_mmap_ok(m))
		return -EOVERFLOW;
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE)
		ret = check_shared_file(m);
	else if (type != MAP_PRIVATE)
		ret = -EINVAL;
	if (ret)
		return ret;
	if (!m->file->readable)
		return -EACCES;
	if (m->file->noexec && m->vm_flags & VM_EXEC)
		return -EPERM;
	if (m->file->no_mmap)
		return -ENODEV;
	if (m->vm_flags & VM_GROWSDOWN)
		return -EINVAL;
	/* memfd_check_seals_mmap() */
	if (m->file->seal_write && (m->vm_flags & VM_SHARED)) {
		if (m->vm_flags & VM_WRITE)
			return -EPERM;
		m->vm_flags &= ~VM_MAYWRITE;
	}
	return 0;
}

static long check_anonymous(struct mmap_check *m)
{
	switch (m->flags & MAP_TYPE) {
	case MAP_SHARED:
		m->vm_flags |= VM_SHARED | VM_MAYSHARE;
		return m->vm_flags & VM_GROWSDOWN ? -EINVAL : 0;
	case MAP_DROPPABLE:
		if (m->flags & (MAP_LOCKED | MAP_HUGETLB) || m->vm_flags & VM_GROWSDOWN)
			return -EINVAL;
		m->vm_flags |= VM_DROPPABLE | VM_NORESERVE;
		return 0;
	case MAP_PRIVATE:
		return 0;
	default:
		return -EINVAL;
	}
}

/* --- mmap_region() ----------------------------------------------------------------- */

static bool maps_shmem(const struct mmap_check *m)
{
	return m->vm_flags & VM_SHARED && (!m->file || m->file->kind == KIND_ZERO);
}

/* accountable_mapping() in __mmap_setup(), shmem_zero_setup() */
static long check_charge(const struct mmap_check *m, const struct usage *old)
{
	const unsigned long mask = VM_NORESERVE | VM_SHARED | VM_WRITE;
	unsigned long pages = m->len >> PAGE_SHIFT;

	if ((m->vm_flags & mask) == VM_WRITE)
		return vm_enough_memory(m->env->lim, pages - old->accounted);
	if (maps_shmem(m) && !(m->vm_flags & VM_NORESERVE))
		return vm_enough_memory(m->env->lim, pages);
	return 0;
}

/* The file's own mmap() */
static long check_file_op(const struct mmap_check *m)
{
	if (m->vm_flags & VM_SYNC && m->file->map_sync && !m->file->dax)
		return -EOPNOTSUPP;
	return m->file->kind >= KIND_DEVICE ? CHECK_UNSURE : 0;
}

static long check_mmap_region(const struct mmap_check *m)
{
	const struct check_env *env = m->env;
	const unsigned long write_exec = VM_WRITE | VM_EXEC;
	struct usage old;
	long ret;

	if (env->lim->mdwe && (m->vm_flags & write_exec) == write_exec)
		return -EACCES;
	ret = check_gather(env, m->addr, m->addr + m->len);
	if (ret)
		return ret;
	old = usage_of(env->mm, m->addr, m->addr + m->len);
	if (!may_expand_vm(env->lim, env->mm->total_vm, env->mm->data_vm, m->vm_flags,
			   (m->len >> PAGE_SHIFT) - old.pages))
		return -ENOMEM;
	ret = check_charge(m, &old);
	return !ret && m->file ? check_file_op(m) : ret;
}

/* From the address on: everything but the limits of __mmap_setup(). */
static long check_mapping(struct mmap_check *m, bool noreplace)
{
	const struct check_env *env = m->env;
	long ret;

	if (noreplace && check_intersection(env, m->addr, m->addr + m->len))
		return -EEXIST;
	if (m->flags & MAP_LOCKED && !can_do_mlock(env->lim))
		return -EPERM;
	if (!mlock_future_ok(env, m->vm_flags & VM_LOCKED, m->len))
		return -EAGAIN;
	ret = m->file ? check_file(m) : check_anonymous(m);
	if (ret)
		return ret;
	if (m->flags & MAP_NORESERVE && env->lim->overcommit != OVERCOMMIT_NEVER)
		m->vm_flags |= VM_NORESERVE;
	return check_mmap_region(m);
}

long check_do_mmap(const struct check_env *env, unsigned long addr, unsigned long len,
		   unsigned long prot, unsigned long flags, const struct file_facts *file,
		   unsigned long pgoff)
{
	struct mmap_check m = { env, file, addr, PAGE_ALIGN(len), prot, flags, 0, pgoff };
	long ret;

	if (!len)
		return -EINVAL;
	if (prot & PROT_READ && env->lim->read_implies_exec && !(file && file->noexec))
		m.prot |= PROT_EXEC;
	if (flags & MAP_FIXED_NOREPLACE)
		m.flags |= MAP_FIXED;
	if (!(m.flags & MAP_FIXED))
		m.addr = round_hint_to_min(env->lim, addr);
	if (!m.len)
		return -ENOMEM;
	if (pgoff + (m.len >> PAGE_SHIFT) < pgoff)
		return -EOVERFLOW;
	if (env->mm->map_count > env->lim->max_map_count)
		return -ENOMEM;
	m.vm_flags = calc_vm_flags(&m);
	ret = get_unmapped_area(env, file, m.addr, m.len, pgoff, m.flags, m.vm_flags);
	if (IS_ERR_VALUE(ret))
		return ret;
	m.addr = (unsigned long)ret;
	ret = check_mapping(&m, flags & MAP_FIXED_NOREPLACE);
	return ret ? ret : (long)m.addr;
}

/* sys_mmap(), ksys_mmap_pgoff() */
long check_mmap(const struct check_env *env, unsigned long addr, unsigned long len,
		unsigned long prot, unsigned long flags, const struct file_facts *file,
		unsigned long off)
{
	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		file = NULL;
	else if (!file)
		return -EBADF;
	if (file && file->kind == KIND_HUGETLB)
		return CHECK_UNSURE;
	if (flags & MAP_HUGETLB)
		return file ? -EINVAL : CHECK_UNSURE;
	return check_do_mmap(env, addr, len, prot, flags, file, off >> PAGE_SHIFT);
}

/* --- remap_file_pages() ------------------------------------------------------------ */

/* Areas after the first must follow it without a hole and be of the same kind. */
static long check_same_areas(const struct check_env *env,
			     const struct vm_area_struct *vma, unsigned long end)
{
	const struct vm_area_struct *prev = vma, *next;

	for (; prev->vm_end < end; prev = next) {
		next = check_find(env, prev->vm_end);
		if (!next || next->vm_start != prev->vm_end ||
		    next->vm_flags != vma->vm_flags ||
		    !same_file(next->vm_file, vma->vm_file))
			return -EINVAL;
		if (next->vm_file != vma->vm_file)
			return CHECK_UNSURE; /* one file, but one struct file? */
	}
	return 0;
}

long check_remap_file_pages(const struct check_env *env, unsigned long start,
			    unsigned long size, unsigned long prot, unsigned long pgoff,
			    unsigned long flags)
{
	struct vm_area_struct *vma;
	struct file_facts file;
	long ret;

	start &= PAGE_MASK;
	size &= PAGE_MASK;
	if (prot || start + size <= start || pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	vma = check_lookup(env, start);
	if (!vma || !(vma->vm_flags & VM_SHARED) || !vma->vm_file)
		return -EINVAL;
	ret = check_same_areas(env, vma, start + size);
	if (ret)
		return ret;
	flags = (flags & MAP_NONBLOCK) | MAP_SHARED | MAP_FIXED | MAP_POPULATE |
		(vma->vm_flags & VM_LOCKED ? MAP_LOCKED : 0);
	file = vma_facts(env, vma);
	/* Mapped shared it was opened for reading and, if it still may be written, for
	 * writing. */
	file.readable = file.regular = true;
	file.writable = vma->vm_flags & VM_MAYWRITE;
	ret = check_do_mmap(env, start, size, vma->vm_flags & VM_ACCESS_FLAGS, flags,
			    &file, pgoff);
	return IS_ERR_VALUE(ret) ? ret : 0;
}
