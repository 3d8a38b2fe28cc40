/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shadowmm - look at one's own address space from inside.
 *
 * Every function may be called from any thread and from signal handlers of a program
 * that runs under the preloaded library; none takes a lock, allocates or enters the
 * kernel. The functions are weak: in a program that is not preloaded they are NULL, so
 * call them through shadowmm_active().
 */
#ifndef SHADOWMM_SHADOWMM_H
#define SHADOWMM_SHADOWMM_H

#ifdef __cplusplus
extern "C" {
#endif

#define SHADOWMM_POLICY_TRACK 0 /* the kernel pages the area, the library knows it */
#define SHADOWMM_POLICY_OWN   1 /* the library pages the area */

struct shadowmm_vma {
	unsigned long start, end; /* bytes, [start, end), page aligned */
	unsigned long flags;	  /* the kernel's VM_* bits */
	unsigned long pgoff;	  /* pages into the file */
	unsigned long ino;
	unsigned int dev_major, dev_minor;
	int policy;	      /* SHADOWMM_POLICY_* */
	unsigned long faults; /* page faults the library served */
};

/* The library's version, "major.minor.patch". */
const char *shadowmm_version(void) __attribute__((weak));

/*
 * The first area whose end is above @addr: the kernel's find_vma().
 * Returns 0 and fills *@vma; -ENOENT if there is none, -ENODATA if the library has lost
 * track of the address space (see shadowmm stat).
 */
int shadowmm_find_vma(unsigned long addr, struct shadowmm_vma *vma) __attribute__((weak));

/* Non-zero if the library is loaded into this process. */
static inline int shadowmm_active(void)
{
	return shadowmm_find_vma != 0;
}

#ifdef __cplusplus
}
#endif
#endif
