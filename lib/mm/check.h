/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel will answer: the decisions of each call before it changes anything, in
 * the order in which Linux 6.18 makes them (function names below are the kernel's).
 *
 * Pure: the model and the limits are read, nothing is written. Each function takes the
 * arguments of the system call as the program gave them and returns what the call will
 * return: an address or 0, -errno, or CHECK_UNSURE where the answer depends on what no
 * call shows: a driver, hugetlbfs, strict overcommit, an area whose ends are guesses
 * (VMA_INEXACT_*) in a call that depends on them. Physical memory is taken to suffice.
 *
 * Not known to the model, and so not predicted: guard regions (MADV_GUARD_INSTALL) under
 * mlock(), address alignment of AMD family 15h, security modules.
 *
 * Caller holds mmap_lock, or is inside mm_read_lock() and content with one snapshot of
 * the tree beside counters that may be newer.
 */
#ifndef SHADOWMM_MM_CHECK_H
#define SHADOWMM_MM_CHECK_H

#include "lib/mm/mm.h"

/* No answer. Lies in the range of error codes; no call returns it. */
#define CHECK_UNSURE (-4095L)

/* Facts about the process and the system. Bytes unless said otherwise. */
struct mm_limits {
	/* Soft limits; ~0 for none. @data_max: the hard one. */
	unsigned long as, data, data_max, stack, memlock;
	unsigned long max_map_count; /* areas */
	/* No search finds an address below the first; nothing may be mapped below the
	 * second (vm.mmap_min_addr) without CAP_SYS_RAWIO. A security module raises the
	 * first to 64 KiB. */
	unsigned long search_min_addr, mmap_min_addr;
	/* TASK_SIZE_MAX, and DEFAULT_MAP_WINDOW: with five-level page tables the first is
	 * larger, and used only if a hint asks for it. */
	unsigned long task_size, map_window;
	/* Where searches begin: downwards from the first, upwards from the second. */
	unsigned long mmap_base, legacy_base;
	unsigned long stack_guard_gap;
	/* Alignment of shared anonymous memory (shmem_enabled), 0: none. */
	unsigned long shmem_align;
	unsigned long commit_pages; /* RAM and swap, for OVERCOMMIT_GUESS; pages */
	unsigned int overcommit; /* vm.overcommit_memory: OVERCOMMIT_* of linux/mman.h */
	bool topdown;		 /* MMF_TOPDOWN: not the legacy layout */
	bool thp;		 /* CONFIG_TRANSPARENT_HUGEPAGE, whatever its setting */
	bool randomize;		 /* PF_RANDOMIZE: MAP_32BIT searches begin anywhere */
	bool read_implies_exec;	 /* personality(2) */
	bool mdwe;		 /* PR_SET_MDWE */
	bool cap_ipc_lock, cap_sys_rawio;
	u16 pkeys;	/* allocated protection keys, by bit; 0 without them */
	u64 advices[2]; /* madvise(NULL, 0, i) succeeds, by bit i */
};

/* Which get_unmapped_area() and mmap() a file has. */
enum file_kind {
	KIND_PLAIN,  /* neither of its own: procfs, ramfs, most file systems */
	KIND_THP,    /* thp_get_unmapped_area(): ext4, xfs, ... */
	KIND_SHMEM,  /* tmpfs, memfd, System V */
	KIND_ZERO,   /* /dev/zero */
	KIND_DEVICE, /* a driver decides: CHECK_UNSURE where nothing refuses before it */
	KIND_HUGETLB,
	KIND_UNKNOWN,
};

struct file_facts {
	enum file_kind kind;
	bool readable, writable;   /* of the open file description */
	bool regular;		   /* or a block device: offsets are signed */
	bool append;		   /* chattr +a, not O_APPEND */
	bool noexec;		   /* mount option */
	bool no_mmap;		   /* a directory, a pipe, most of procfs */
	bool seal_write;	   /* memfd: F_SEAL_WRITE or F_SEAL_FUTURE_WRITE */
	bool map_sync;		   /* ext4, xfs: know of MAP_SYNC... */
	bool dax;		   /* ... and can do it */
	unsigned long shmem_align; /* KIND_SHMEM: huge=always and the like; 0: none */
	unsigned long size;	   /* of the file; ~0: not known */
};

struct check_env {
	const struct mm_struct *mm;
	const struct mm_limits *lim;
	/* Facts about the file of an area (mlock's populating, mremap's search); false,
	 * or no function: not known. */
	bool (*area_file)(void *priv, const struct vma_file *file, struct file_facts *f);
	void *priv;
};

/* --- calls ----------------------------------------------------------------------- */

/* @file: NULL for a descriptor that is not open, and ignored with MAP_ANONYMOUS. */
long check_mmap(const struct check_env *env, unsigned long addr, unsigned long len,
		unsigned long prot, unsigned long flags, const struct file_facts *file,
		unsigned long off);
long check_munmap(const struct check_env *env, unsigned long start, unsigned long len);
/* What brk() returns: the new break, or the old one if it refuses. */
long check_brk(const struct check_env *env, unsigned long brk);
/* A call that moves several areas may fail after it has moved some: the answer is the
 * error, and only the kernel's list tells what has become of the areas. */
long check_mremap(const struct check_env *env, unsigned long addr, unsigned long old_len,
		  unsigned long new_len, unsigned long flags, unsigned long new_addr);
/*
 * These four go from area to area and stop at the one they fail at. *@reach: the end of
 * what they have changed by then; not above @start if nothing. May be NULL.
 * @pkey: -1 for mprotect.
 */
long check_mprotect(const struct check_env *env, unsigned long start, unsigned long len,
		    unsigned long prot, int pkey, unsigned long *reach);
long check_madvise(const struct check_env *env, unsigned long start, unsigned long len,
		   int advice, unsigned long *reach);
/* @flags: MLOCK_ONFAULT or 0 (mlock). */
long check_mlock(const struct check_env *env, unsigned long start, unsigned long len,
		 unsigned long flags, unsigned long *reach);
long check_munlock(const struct check_env *env, unsigned long start, unsigned long len,
		   unsigned long *reach);
long check_mlockall(const struct check_env *env, unsigned long flags);
long check_msync(const struct check_env *env, unsigned long start, unsigned long len,
		 unsigned long flags);
/* The vector is taken to be writable. */
long check_mincore(const struct check_env *env, unsigned long start, unsigned long len);
long check_remap_file_pages(const struct check_env *env, unsigned long start,
			    unsigned long size, unsigned long prot, unsigned long pgoff,
			    unsigned long flags);
/*
 * A touch of @addr, which no area contains: 0 if the area above grows to it, -EFAULT if
 * it is not one that grows, -EPERM or -ENOMEM (expand_downwards(), acct_stack_growth()).
 * All but 0 end in SIGSEGV.
 */
long check_stack_growth(const struct check_env *env, unsigned long addr);

/* --- addresses, unmapped.c --------------------------------------------------------- */

/*
 * __get_unmapped_area(): where a mapping of @len bytes (whole pages) would go. @file:
 * NULL for anonymous memory. @vm_flags matters for shadow stacks only.
 *
 * Cost: one descent, then one step per area between the end of the search and the gap it
 * finds; a step is one load of a leaf entry and one of the area. The tree keeps no gap
 * sizes, which the kernel's does, so a full address space costs O(areas) per search.
 */
long get_unmapped_area(const struct check_env *env, const struct file_facts *file,
		       unsigned long addr, unsigned long len, unsigned long pgoff,
		       unsigned long flags, unsigned long vm_flags);
/*
 * Where top-down searches of this address space begin. exec maps the interpreter (the
 * vdso, if there is none) at the top, and nobody maps higher but by a hint: the end of
 * the highest area below the stack. 0: no stack found. mm->start_stack must be set.
 */
unsigned long infer_mmap_base(const struct mm_struct *mm, const struct mm_limits *lim);
/* The same, better informed: the kernel chose @addr for @len bytes without a hint. */
unsigned long refine_mmap_base(unsigned long mmap_base, unsigned long addr,
			       unsigned long len);

#endif
