/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shadowmm - look at one's own address space from inside.
 *
 * Every function may be called from any thread and from signal handlers; none takes a
 * lock, waits, allocates or changes errno. In a program that runs under the preloaded
 * library none enters the kernel either.
 *
 * Two ways to use it (C11 or C++):
 *
 *	cc prog.c                             the functions are weak: NULL unless
 *preloaded; ask shadowmm_active() first cc prog.c $(pkg-config --cflags --libs shadowmm)
 *	                                      every call works, preloaded or not; without
 *the library, and where it has lost track, the answer comes from /proc/thread-self/maps
 *
 *	static int show(const struct shadowmm_vma *vma, void *arg)
 *	{
 *		char flags[SHADOWMM_FLAGS_TEXT], name[256] = "";
 *
 *		(void)arg;
 *		shadowmm_vma_name(vma->start, name, sizeof(name));
 *		shadowmm_flags_text(vma->flags, flags, sizeof(flags));
 *		printf("%lx-%lx %s %s\n", vma->start, vma->end, flags, name);
 *		return 0;
 *	}
 *	...
 *	shadowmm_for_each_vma(0, ~0UL, show, NULL);
 *
 * Everything is copied out: nothing the caller holds keeps memory of the library alive.
 * A thread that dies inside one of these functions, or a signal handler that leaves it by
 * longjmp, lets the library's memory grow from then on (doc/locking.md), nothing else.
 */
#ifndef SHADOWMM_SHADOWMM_H
#define SHADOWMM_SHADOWMM_H

#ifdef __cplusplus
extern "C" {
#endif

/* SHADOWMM_FALLBACK comes with pkg-config's flags and says that libshadowmm-api.a, which
 * has the functions that read /proc, is linked as well. */
#ifdef SHADOWMM_FALLBACK
#define SHADOWMM_WEAK
#else
#define SHADOWMM_WEAK __attribute__((weak))
#endif

#define SHADOWMM_POLICY_TRACK 0 /* the kernel pages the area, the library knows it */
#define SHADOWMM_POLICY_OWN   1 /* the library pages the area */

struct shadowmm_vma {
	unsigned long start, end; /* bytes, [start, end), page aligned */
	/* The kernel's VM_* bits; from /proc only read, write, exec, shared (1, 2, 4, 8).
	 */
	unsigned long flags;
	unsigned long pgoff; /* pages into the file; 0: no file */
	unsigned long ino;
	unsigned int dev_major, dev_minor;
	int policy;	      /* SHADOWMM_POLICY_* */
	unsigned long faults; /* page faults the library served */
};

/*
 * The memory descriptor: the kernel's mm_struct. Each number was right at some instant of
 * the call, not all at the same one. Pages, addresses, and numbers.
 */
struct shadowmm_mm {
	unsigned long map_count;	    /* areas */
	unsigned long total_vm, hiwater_vm; /* pages: now, and the most there were */
	unsigned long data_vm, exec_vm, stack_vm, locked_vm; /* pages */
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	/* Tasks that share the address space; those whose end no call showed still count
	 * until `shadowmm stat` asks. From /proc: the threads. */
	unsigned long users;
};

/* The library's version, "major.minor.patch". */
const char *shadowmm_version(void) SHADOWMM_WEAK;

/*
 * The first area whose end is above @addr: the kernel's find_vma().
 * Returns 0 and fills *@vma; -ENOENT if there is none; -ENODATA if the library has lost
 * track of the address space (see shadowmm stat); with the fallback never -ENODATA, but
 * what open(2) or read(2) of /proc failed with. So do the others.
 */
int shadowmm_find_vma(unsigned long addr, struct shadowmm_vma *vma) SHADOWMM_WEAK;
/*
 * The same, and the area before it in *@prev (prev->end is 0 if there is none); that is
 * the last one when the answer is -ENOENT. One snapshot.
 */
int shadowmm_find_vma_prev(unsigned long addr, struct shadowmm_vma *vma,
			   struct shadowmm_vma *prev) SHADOWMM_WEAK;
/* The first area that overlaps [start, end). */
int shadowmm_find_vma_intersection(unsigned long start, unsigned long end,
				   struct shadowmm_vma *vma) SHADOWMM_WEAK;
/*
 * Copy the first @nr areas that overlap [start, end) to @vmas, ascending. Returns how
 * many, or -errno. Preloaded, one call copies one snapshot, and two calls that give the
 * same *@generation (may be NULL) copied from the same one; in a fork child that begins
 * anew. From /proc every area is right for itself, and *@generation is 0.
 */
int shadowmm_read_vmas(unsigned long start, unsigned long end, struct shadowmm_vma *vmas,
		       unsigned int nr, unsigned long *generation) SHADOWMM_WEAK;
/*
 * The name that maps shows for the area that contains @addr, cut to @size - 1 bytes and
 * terminated. Returns its full length, 0 if it has none; -ENOENT if there is no area.
 */
int shadowmm_vma_name(unsigned long addr, char *buf, unsigned long size) SHADOWMM_WEAK;
/* @size: sizeof(*mm), so that later versions may add to it. 0 or -errno. */
int shadowmm_read_mm(struct shadowmm_mm *mm, unsigned long size) SHADOWMM_WEAK;

/* All of them, for libshadowmm-api.a to find the preloaded ones. */
struct shadowmm_calls {
	unsigned long size; /* of this struct */
	const char *(*version)(void);
	int (*find_vma)(unsigned long addr, struct shadowmm_vma *vma);
	int (*find_vma_prev)(unsigned long addr, struct shadowmm_vma *vma,
			     struct shadowmm_vma *prev);
	int (*find_vma_intersection)(unsigned long start, unsigned long end,
				     struct shadowmm_vma *vma);
	int (*read_vmas)(unsigned long start, unsigned long end,
			 struct shadowmm_vma *vmas, unsigned int nr,
			 unsigned long *generation);
	int (*vma_name)(unsigned long addr, char *buf, unsigned long size);
	int (*read_mm)(struct shadowmm_mm *mm, unsigned long size);
};
const struct shadowmm_calls *shadowmm_preloaded(void) __attribute__((weak));

/* Non-zero if the library is loaded into this process. */
#ifdef SHADOWMM_FALLBACK
int shadowmm_active(void);
#else
static inline int shadowmm_active(void)
{
	return shadowmm_find_vma != 0;
}
#endif

#define SHADOWMM_BATCH 16

/*
 * Call @fn for every area that overlaps [start, end), ascending, until it returns
 * non-zero; returns that, 0, or -errno. Areas are copied SHADOWMM_BATCH at a time, and
 * @fn runs with nothing held: it may map, unmap, or never return. What changes meanwhile
 * shows from the next batch on; no address is shown twice.
 */
static inline int
shadowmm_for_each_vma(unsigned long start, unsigned long end,
		      int (*fn)(const struct shadowmm_vma *vma, void *arg), void *arg)
{
	struct shadowmm_vma vmas[SHADOWMM_BATCH];
	int n, i, ret;

	do {
		n = shadowmm_read_vmas(start, end, vmas, SHADOWMM_BATCH, 0);
		for (i = 0; i < n; i++) {
			ret = fn(&vmas[i], arg);
			if (ret)
				return ret;
			start = vmas[i].end;
		}
	} while (n == SHADOWMM_BATCH && start < end);
	return n < 0 ? n : 0;
}

#define SHADOWMM_FLAGS_TEXT 128 /* bytes that hold every text of flags */

/*
 * The flags as /proc/PID/smaps writes them in VmFlags: "rd wr mr mw me ac", cut to
 * @size - 1 bytes and terminated. Returns @buf. Bits without a name are left out.
 */
static inline char *shadowmm_flags_text(unsigned long flags, char *buf,
					unsigned long size)
{
	/* Bit n stands at 2n; "??": no name. */
	static const char name[] = "rdwrexshmrmwmemsgdumpf??uwlo"
				   "iosrrrdcdelfacnrhtsfarwfddsdmmhgnhmg";
	unsigned long bit, len = 0;

	for (bit = 0; bit < (sizeof(name) - 1) / 2; bit++) {
		if (!(flags >> bit & 1) || name[2 * bit] == '?' || len + 4 > size)
			continue;
		if (len)
			buf[len++] = ' ';
		buf[len++] = name[2 * bit];
		buf[len++] = name[2 * bit + 1];
	}
	if (size)
		buf[len] = '\0';
	return buf;
}

#ifdef __cplusplus
}
#endif
#endif
