// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The predictions against the kernel, at random: calls with all sorts of arguments in a
 * forked child. What each will answer is predicted first, then the kernel is asked, then
 * the model is told. One wrong prediction ends the run.
 *
 *	SMM_OPS=n	calls per child; there are four
 *	SMM_SEED=n	of the first
 *	SMM_EVERY=1	compare the maps after every call, not after every 64th
 *	SMM_TRACE=1	print every call
 *
 * A seed means the same calls only in the same address space, and that is a new one with
 * every run; the last line says which. `setarch -R` gives all runs the same.
 *
 * Left out: what might make too much memory present or take this program's own away, and
 * mlock() with more than 8 TiB mapped, which the kernel counts in an int (mlock_fixup()).
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/model/ops.h"
#include "tests/model/space.h"
#include "tests/model/mman.h"

#define PMD	     (2UL << 20)
#define FILE_BYTES   (8UL << 20)
#define POPULATE_MAX (4UL << 20) /* what may be made present in one go */
#define MAX_AREAS    300
#define NR_RECENT_AT 64

enum kind {
	MMAP,
	MUNMAP,
	MREMAP,
	MPROTECT,
	MADVISE,
	MLOCK,
	MUNLOCK,
	MLOCKALL,
	MSYNC,
	MINCORE,
	BRK,
	REMAP_PAGES,
	LIMIT,
	NR_KINDS
};
static const char *const kind_name[] = { "mmap",     "munmap",	 "mremap",
					 "mprotect", "madvise",	 "mlock2",
					 "munlock",  "mlockall", "msync",
					 "mincore",  "brk",	 "remap_file_pages",
					 "setrlimit" };
static const unsigned char kind_weight[] = { 36, 10, 16, 12, 9, 4, 2, 1, 2, 2, 4, 1, 1 };

struct call {
	enum kind kind;
	unsigned long a[6];
	int file; /* mmap: index of space.file, -1 for a closed descriptor */
	long predicted, got;
	unsigned long reach;
};

static struct world {
	struct space s;
	struct rng rng;
	struct {
		unsigned long start, len;
	} recent[NR_RECENT_AT], own[512];
	unsigned int next_recent, nr_own; /* own: what was there before us */
	unsigned long window;		  /* a free place */
	unsigned long first_brk;
	unsigned long unsure, done, errors, resets;
	unsigned long per_kind[NR_KINDS];
	unsigned char vec[1UL << 18];
} w;

static unsigned int below(unsigned int n)
{
	return rng_below(&w.rng, n);
}

/* --- arguments --------------------------------------------------------------------- */

static unsigned long some_pages(void)
{
	return (1 + below(16)) * PAGE_SIZE;
}

static unsigned long pick_len(void)
{
	switch (below(40)) {
	case 0:
		return 0;
	case 1:
		return below(PAGE_SIZE);
	case 2:
		return ~0UL - below(3 * PAGE_SIZE);
	case 3:
		return (1UL << (24 + below(40))) + some_pages() - PAGE_SIZE;
	case 4:
		return w.s.lim.task_size - some_pages() + 2 * PAGE_SIZE;
	case 5:
	case 6:
	case 7:
	case 8:
		return PMD * (1 + below(3));
	case 9:
	case 10:
		return PMD * (1 + below(3)) + some_pages() - 4 * PAGE_SIZE;
	case 11:
	case 12:
		return some_pages() + below(PAGE_SIZE);
	case 13:
		return w.recent[below(NR_RECENT_AT)].len;
	default:
		return some_pages();
	}
}

static unsigned long near_recent(void)
{
	unsigned int i = below(NR_RECENT_AT);
	unsigned long start = w.recent[i].start, len = w.recent[i].len;

	switch (below(8)) {
	case 0:
		return start + len;
	case 1:
		return start - PAGE_SIZE;
	case 2:
		return start + len - PAGE_SIZE;
	case 3:
	case 4:
		return start + below((unsigned int)(len >> PAGE_SHIFT) + 1) * PAGE_SIZE;
	default:
		return start;
	}
}

static unsigned long pick_addr(void)
{
	unsigned long addr;

	switch (below(32)) {
	case 0:
	case 1:
		return 0;
	case 2:
		addr = below(64) * PAGE_SIZE;
		break;
	case 3:
		addr = w.s.lim.task_size - below(8) * PAGE_SIZE;
		break;
	case 4:
		addr = w.s.lim.task_size + below(8) * PAGE_SIZE;
		break;
	case 5:
		addr = (rng_next(&w.rng) >> 17) & PAGE_MASK;
		break;
	case 6:
		addr = rng_next(&w.rng) & PAGE_MASK;
		break;
	case 7:
		addr = PAGE_ALIGN(w.s.mm->brk) + below(32) * PAGE_SIZE;
		break;
	case 8:
		addr = w.s.lim.mmap_base + below(64) * PAGE_SIZE;
		break;
	case 9:
		addr = 0x40000000 + below(1 << 18) * PAGE_SIZE;
		break;
	case 10:
		addr = w.own[below(w.nr_own)].start;
		break;
	case 11:
	case 12:
	case 13:
	case 14:
		addr = w.window + below(1 << 12) * PAGE_SIZE;
		break;
	default:
		addr = near_recent();
	}
	return addr + (below(24) ? 0 : below(PAGE_SIZE));
}

static unsigned long pick_prot(void)
{
	static const unsigned char prot[] = { 0, 1, 1, 3, 3, 3, 3, 2, 5, 7, 4, 1 };
	unsigned long p = prot[below(ARRAY_SIZE(prot))];

	if (!below(60))
		p |= 1UL << below(30);
	return p;
}

static unsigned long pick_map_flags(void)
{
	static const struct {
		unsigned int flag, one_in;
	} extra[] = {
		{ MAP_FIXED, 4 },      { MAP_FIXED_NOREPLACE, 12 },
		{ MAP_GROWSDOWN, 16 }, { MAP_LOCKED, 24 },
		{ MAP_NORESERVE, 8 },  { MAP_POPULATE, 24 },
		{ MAP_STACK, 16 },     { 0x40 /* MAP_32BIT */, 16 },
		{ MAP_NONBLOCK, 40 },  { MAP_ABOVE4G, 30 },
		{ MAP_SYNC, 80 },      { 0x01000000, 120 },
	};
	static const unsigned char type[] = { MAP_PRIVATE, MAP_PRIVATE,
					      MAP_PRIVATE, MAP_SHARED,
					      MAP_SHARED,  MAP_SHARED_VALIDATE,
					      MAP_PRIVATE, MAP_PRIVATE };
	unsigned long flags = type[below(ARRAY_SIZE(type))];

	if (!below(30))
		flags = below(16);
	for (size_t i = 0; i < ARRAY_SIZE(extra); i++)
		if (!below(extra[i].one_in))
			flags |= extra[i].flag;
	return flags;
}

static void make_mmap(struct call *c)
{
	c->a[0] = below(2) ? 0 : pick_addr();
	c->a[1] = pick_len();
	c->a[2] = pick_prot();
	c->a[3] = pick_map_flags();
	c->a[4] = ~0UL;
	c->a[5] = below(40) ? 0 : rng_next(&w.rng) & PAGE_MASK;
	if (below(3)) {
		c->a[3] |= MAP_ANONYMOUS;
		return;
	}
	c->file = (int)below(w.s.nr_files + 1) - 1;
	if (c->file >= 0)
		c->a[4] = (unsigned long)w.s.file[c->file].fd;
	if (c->a[5])
		return;
	c->a[5] = below(2) ? 0 : below(2048) * PAGE_SIZE;
	if (!below(60))
		c->a[5] += below(PAGE_SIZE);
}

static void make_mremap(struct call *c)
{
	static const unsigned char flags[] = { 0, 1, 1, 1, 1, 3, 3, 5, 7, 2, 4, 8 };

	c->a[0] = below(4) ? near_recent() : pick_addr();
	c->a[1] = below(3) ? some_pages() : pick_len();
	c->a[2] = below(2) ? c->a[1] : pick_len();
	c->a[3] = flags[below(ARRAY_SIZE(flags))];
	c->a[4] = below(3) ? w.window + below(1 << 12) * PAGE_SIZE : pick_addr();
	if (!below(40))
		c->a[1] = 0;
}

static void make_madvise(struct call *c)
{
	static const unsigned char advice[] = { 0,  1,	2,  3,	4,   8,	 9,  10,
						11, 12, 13, 14, 15,  16, 17, 18,
						19, 20, 21, 24, 103, 5,	 99 };

	c->a[0] = pick_addr();
	c->a[1] = pick_len();
	c->a[2] = advice[below(ARRAY_SIZE(advice))];
}

static void make_brk(struct call *c)
{
	c->a[0] = w.first_brk + below(64) * PAGE_SIZE + below(PAGE_SIZE);
	if (!below(8))
		c->a[0] = pick_addr();
	if (!below(16))
		c->a[0] = w.s.mm->brk + pick_len();
}

static void make_call(struct call *c)
{
	unsigned int n = below(100), k = 0;

	while (n >= kind_weight[k])
		n -= kind_weight[k++];
	*c = (struct call){ .kind = (enum kind)k, .file = -1 };
	c->a[0] = pick_addr();
	c->a[1] = pick_len();
	c->a[2] = k == MPROTECT ? pick_prot() : below(k == MLOCK ? 3 : 9);
	switch (c->kind) {
	case MMAP:
		make_mmap(c);
		break;
	case MREMAP:
		make_mremap(c);
		break;
	case MADVISE:
		make_madvise(c);
		break;
	case BRK:
		make_brk(c);
		break;
	case MPROTECT:
		c->a[2] |= below(20) ? 0 : PROT_GROWSDOWN;
		c->a[2] |= below(80) ? 0 : PROT_GROWSUP;
		break;
	case MLOCKALL:
		c->a[0] = below(9);
		break;
	case REMAP_PAGES:
		c->a[2] = below(20) ? 0 : 1;
		c->a[3] = below(2048);
		c->a[4] = below(3) ? 0 : MAP_NONBLOCK;
		break;
	case LIMIT:
		c->a[0] = below(4);
		break;
	default:
		break;
	}
}

/* --- prediction and call ----------------------------------------------------------- */

static long predict(struct call *c)
{
	const struct check_env *e = &w.s.env;
	const unsigned long *a = c->a;

	switch (c->kind) {
	case MMAP:
		return check_mmap(e, a[0], a[1], a[2], a[3],
				  c->file < 0 ? NULL : &w.s.file[c->file].facts, a[5]);
	case MUNMAP:
		return check_munmap(e, a[0], a[1]);
	case MREMAP:
		return check_mremap(e, a[0], a[1], a[2], a[3], a[4]);
	case MPROTECT:
		return check_mprotect(e, a[0], a[1], a[2], -1, &c->reach);
	case MADVISE:
		return check_madvise(e, a[0], a[1], (int)a[2], &c->reach);
	case MLOCK:
		return check_mlock(e, a[0], a[1], a[2], &c->reach);
	case MUNLOCK:
		return check_munlock(e, a[0], a[1], &c->reach);
	case MLOCKALL:
		return a[0] == 8 ? 0 : check_mlockall(e, a[0]);
	case MSYNC:
		return check_msync(e, a[0], a[1], a[2]);
	case MINCORE:
		return check_mincore(e, a[0], a[1]);
	case BRK:
		return check_brk(e, a[0]);
	case REMAP_PAGES:
		return check_remap_file_pages(e, a[0], a[1], a[2], a[3], a[4]);
	default:
		return 0;
	}
}

static const int limit_of[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK };

/* Near what is in use, so that it matters; mostly none. */
static long set_limit(unsigned int which)
{
	unsigned long use[] = { w.s.mm->total_vm, w.s.mm->data_vm, 64,
				w.s.mm->locked_vm };
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)limit_of[which], &r))
		return -errno;
	r.rlim_cur = r.rlim_max;
	if (which == 3)
		r.rlim_cur = POPULATE_MAX;
	if (!below(3))
		r.rlim_cur = min(r.rlim_cur, use[which] * PAGE_SIZE + below(1 << 21));
	if (setrlimit((__rlimit_resource_t)limit_of[which], &r))
		return -errno;
	space_read_limits(&w.s);
	return 0;
}

static long make_it(const struct call *c)
{
	const unsigned long *a = c->a;

	switch (c->kind) {
	case MMAP:
		return sys(SYS_mmap, a[0], a[1], a[2], a[3], a[4], a[5]);
	case MUNMAP:
		return SYS2(SYS_munmap, a[0], a[1]);
	case MREMAP:
		return sys(SYS_mremap, a[0], a[1], a[2], a[3], a[4], 0);
	case MPROTECT:
		return SYS3(SYS_mprotect, a[0], a[1], a[2]);
	case MADVISE:
		return SYS3(SYS_madvise, a[0], a[1], a[2]);
	case MLOCK:
		return SYS3(SYS_mlock2, a[0], a[1], a[2]);
	case MUNLOCK:
		return SYS2(SYS_munlock, a[0], a[1]);
	case MLOCKALL:
		return a[0] == 8 ? SYS1(SYS_munlockall, 0) : SYS1(SYS_mlockall, a[0]);
	case MSYNC:
		return SYS3(SYS_msync, a[0], a[1], a[2]);
	case MINCORE:
		return SYS3(SYS_mincore, a[0], a[1], w.vec);
	case BRK:
		return SYS1(SYS_brk, a[0]);
	case REMAP_PAGES:
		return sys(SYS_remap_file_pages, a[0], a[1], a[2], a[3], a[4], 0);
	default:
		return set_limit((unsigned int)a[0]);
	}
}

/* --- what must not be done --------------------------------------------------------- */

static bool overlaps(unsigned long start, unsigned long len, unsigned long with,
		     unsigned long with_len)
{
	unsigned long end = start + len < start ? ~0UL : start + len;

	return start < with + with_len && with < end;
}

/* The range holds this very program. */
static bool touches_own(unsigned long start, unsigned long len)
{
	len = len > 1UL << 62 ? len : PAGE_ALIGN(len) + PAGE_SIZE;
	for (unsigned int i = 0; i < w.nr_own; i++)
		if (overlaps(start & PAGE_MASK, len, w.own[i].start, w.own[i].len))
			return true;
	return false;
}

static bool advice_is_harmless(unsigned long advice)
{
	return advice < 4 || (advice >= 10 && advice <= 17) || advice > 90;
}

/* Pages of the range that may be made present, and whether they are too many. */
static bool populates_too_much(unsigned long start, unsigned long len)
{
	unsigned long pages = 0, end = start + len < start ? ~0UL : start + len;
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, w.s.mm, start);
	vma_for_each (vma, &it) {
		if (vma->vm_start >= end)
			break;
		if (vma->vm_flags & VM_ACCESS_FLAGS)
			pages += (min(end, vma->vm_end) - max(start, vma->vm_start)) >>
				 PAGE_SHIFT;
	}
	return pages * PAGE_SIZE > POPULATE_MAX;
}

static bool may_be_locked(const struct call *c)
{
	struct vm_area_struct *vma = find_vma(w.s.mm, c->a[0]);

	return w.s.mm->def_flags & VM_LOCKED || (vma && vma->vm_flags & VM_LOCKED);
}

static bool mmap_is_dangerous(const struct call *c)
{
	const unsigned long *a = c->a;
	bool fixed = a[3] & MAP_FIXED;

	if (a[3] & MAP_HUGETLB || (fixed && touches_own(a[0], a[1])))
		return true;
	return a[1] > POPULATE_MAX &&
	       (a[3] & (MAP_LOCKED | MAP_POPULATE) || w.s.mm->def_flags & VM_LOCKED);
}

static bool is_dangerous(const struct call *c)
{
	const unsigned long *a = c->a;

	switch (c->kind) {
	case MMAP:
		return mmap_is_dangerous(c);
	case MREMAP:
		return touches_own(a[0], max(a[1], a[2])) ||
		       (a[3] & MREMAP_FIXED && touches_own(a[4], a[2])) ||
		       (a[2] > POPULATE_MAX && may_be_locked(c));
	case MPROTECT:
		/* Locked memory is made present when it becomes writable. */
		return touches_own(a[0], a[1]) ||
		       (may_be_locked(c) && populates_too_much(a[0], a[1]));
	case MUNMAP:
	case REMAP_PAGES:
		return touches_own(a[0], a[1]);
	case MADVISE:
		return !advice_is_harmless(a[2]) && touches_own(a[0], a[1]);
	case MLOCK:
		return populates_too_much(a[0], a[1]) || w.s.mm->total_vm >> 31;
	case MUNLOCK:
		/* mlock_fixup() counts the pages of an area in an int. */
		return w.s.mm->total_vm >> 31;
	case MLOCKALL:
		return w.s.mm->total_vm >> 31 || (!(a[0] & MCL_ONFAULT) && a[0] != 8);
	case MINCORE:
		return a[1] > sizeof(w.vec) << PAGE_SHIFT;
	case BRK:
		return (a[0] >= w.s.mm->start_brk && a[0] < w.first_brk) ||
		       (a[0] > w.first_brk + POPULATE_MAX && may_be_locked(c));
	default:
		return false;
	}
}

/* --- the model is told ------------------------------------------------------------- */

static void remember(unsigned long start, unsigned long len)
{
	unsigned int i = w.next_recent++ % NR_RECENT_AT;

	w.recent[i].start = start;
	w.recent[i].len = len > 1UL << 32 ? 1UL << 32 : PAGE_ALIGN(len);
}

/* Everything that is not ours goes, in the kernel and in the model. */
static void reset(void)
{
	struct vm_area_struct *vma;

	w.resets++;
	for (unsigned long p = 0; (vma = find_vma(w.s.mm, p));) {
		unsigned long start = vma->vm_start, len = vma->vm_end - start;

		p = vma->vm_end;
		if (touches_own(start, len - PAGE_SIZE))
			continue;
		mm_prepare(w.s.mm, start, len);
		if (!SYS2(SYS_munmap, start, len))
			mm_munmap(w.s.mm, start, len);
	}
	mm_prepare(w.s.mm, 0, ~0UL);
	if (!SYS1(SYS_munlockall, 0))
		mm_mlockall(w.s.mm, 0);
	if (SYS1(SYS_brk, w.first_brk) == (long)w.first_brk)
		mm_brk(w.s.mm, w.first_brk);
}

static void told_mmap(const struct call *c)
{
	struct mmap_call m = {
		.addr = (unsigned long)c->got,
		.len = c->a[1],
		.prot = c->a[2],
		.flags = c->a[3],
		.pgoff = c->a[5] >> PAGE_SHIFT,
	};
	const struct space_file *f = c->file < 0 ? NULL : &w.s.file[c->file];

	if (f && !(c->a[3] & MAP_ANONYMOUS))
		m.file = vma_file_get(w.s.mm, f->major, f->minor, f->ino, f->name);
	mm_mmap(w.s.mm, &m);
	remember(m.addr, m.len);
}

/* Such a failure may have undone part of what was there. */
static void after_failure(const struct call *c)
{
	bool fixed = c->kind == MMAP ? c->a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)
				     : c->a[3] & MREMAP_FIXED;

	if (!fixed || c->got == -EEXIST || (c->kind == MMAP && c->got == -EINVAL))
		return;
	if (space_verify(&w.s, true)) {
		reset();
		space_adopt_locked(&w.s);
	}
}

/*
 * Locked memory moved away from where it stays: if the two ends merge, all of it loses
 * VM_LOCKED, else only what stays. Whether they merge depends on who touched what.
 */
static bool locked_by_chance(const struct call *c)
{
	unsigned long end = c->a[0] + PAGE_ALIGN(c->a[2]);
	struct vm_area_struct *vma;
	struct vma_iter it;

	if (!(c->a[3] & MREMAP_DONTUNMAP))
		return false;
	vma_iter_init(&it, w.s.mm, c->a[0]);
	vma_for_each (vma, &it) {
		if (vma->vm_start >= end)
			break;
		if (vma->vm_flags & VM_LOCKED)
			return true;
	}
	return false;
}

static void told_mremap(const struct call *c)
{
	bool by_chance = locked_by_chance(c);

	mm_mremap(w.s.mm, c->a[0], c->a[1], (unsigned long)c->got, c->a[2], c->a[3]);
	remember((unsigned long)c->got, c->a[2]);
	if (by_chance) {
		space_verify(&w.s, true);
		reset();
		space_adopt_locked(&w.s);
	}
}

static void told_remap_pages(const struct call *c)
{
	struct vm_area_struct *vma = find_vma(w.s.mm, c->a[0] & PAGE_MASK);
	struct mmap_call m = {
		.addr = c->a[0] & PAGE_MASK,
		.len = c->a[1] & PAGE_MASK,
		.prot = vma->vm_flags & VM_ACCESS_FLAGS,
		.flags = MAP_SHARED | MAP_FIXED |
			 (vma->vm_flags & VM_LOCKED ? MAP_LOCKED : 0),
		.pgoff = c->a[3],
		.file = vma->vm_file,
	};

	m.file->refs++; /* the same object: shared anonymous memory has no other name */
	mm_mmap(w.s.mm, &m);
}

static unsigned long reached(const struct call *c)
{
	bool lock = c->kind == MLOCK || c->kind == MUNLOCK;
	unsigned long start = lock ? c->a[0] & PAGE_MASK : c->a[0];

	if (!IS_ERR_VALUE(c->got) && c->predicted == CHECK_UNSURE)
		return c->a[1] + (lock ? c->a[0] & ~PAGE_MASK : 0);
	return c->reach > start ? c->reach - start : 0;
}

static void told_of(const struct call *c, bool ok, unsigned long n)
{
	struct mm_struct *mm = w.s.mm;
	const unsigned long *a = c->a;

	switch (c->kind) {
	case MMAP:
		ok ? told_mmap(c) : after_failure(c);
		break;
	case MUNMAP:
		if (ok)
			mm_munmap(mm, a[0], a[1]);
		break;
	case MREMAP:
		ok ? told_mremap(c) : after_failure(c);
		break;
	case MPROTECT:
		if (n)
			mm_mprotect(mm, a[0], n, a[2], -1);
		break;
	case MADVISE:
		if (n)
			mm_madvise(mm, a[0], n, (int)a[2]);
		break;
	case MLOCK:
		if (n)
			mm_mlock(mm, a[0] & PAGE_MASK, n,
				 VM_LOCKED | (a[2] & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0));
		break;
	case MUNLOCK:
		if (n)
			mm_mlock(mm, a[0] & PAGE_MASK, n, 0);
		break;
	case MLOCKALL:
		if (ok)
			mm_mlockall(mm, a[0] == 8 ? 0 : (int)a[0]);
		break;
	case BRK:
		if ((unsigned long)c->got != mm->brk)
			mm_brk(mm, (unsigned long)c->got);
		break;
	case REMAP_PAGES:
		if (ok)
			told_remap_pages(c);
		break;
	default:
		break;
	}
}

static void told(const struct call *c)
{
	bool ok = !IS_ERR_VALUE(c->got);

	if (!ok && c->predicted == CHECK_UNSURE) {
		space_verify(&w.s, true);
		reset();
		space_verify(&w.s, true); /* what was unlocked has merged */
		return;
	}
	told_of(c, ok, reached(c));
}

/* --- the run ----------------------------------------------------------------------- */

static void print_call(const struct call *c)
{
	fprintf(stderr, "  %s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx) file %d\n",
		kind_name[c->kind], c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5],
		c->file);
}

static void print_around(unsigned long addr)
{
	struct vm_area_struct *vma;
	struct vma_iter it;
	int n = 0;

	vma_iter_init(&it, w.s.mm, addr > (64UL << 20) ? addr - (64UL << 20) : 0);
	vma_for_each (vma, &it)
		if (n++ < 40)
			fprintf(stderr,
				"    %lx-%lx %lx pgoff %lx inexact %x known %x %s\n",
				vma->vm_start, vma->vm_end, vma->vm_flags, vma->vm_pgoff,
				vma->inexact, vma->known, vma_name(w.s.mm, vma));
}

static bool wrong(const struct call *c)
{
	if (c->predicted == CHECK_UNSURE || c->predicted == c->got)
		return false;
	fprintf(stderr, "call %lu: predicted %#lx (%ld), the kernel says %#lx (%ld)\n",
		w.done, c->predicted, c->predicted, c->got, c->got);
	print_call(c);
	print_around(c->a[0]);
	return true;
}

/* Shared memory that was opened for reading only, and private /dev/zero: the model's
 * flags for these are not the kernel's. */
static bool model_differs(const struct call *c)
{
	const struct file_facts *f = c->file < 0 ? NULL : &w.s.file[c->file].facts;

	if (c->kind != MMAP || !f || c->a[3] & MAP_ANONYMOUS)
		return false;
	return f->kind == KIND_ZERO || ((c->a[3] & MAP_SHARED) && !f->writable);
}

static int step(void)
{
	struct call c;

	do {
		make_call(&c);
	} while (is_dangerous(&c));
	c.reach = 0;
	c.predicted = predict(&c);
	if (!IS_ERR_VALUE(c.predicted) && model_differs(&c))
		return 0;
	mm_prepare(w.s.mm, 0, ~0UL);
	if (getenv("SMM_TRACE"))
		print_call(&c);
	c.got = make_it(&c);
	w.done++;
	w.per_kind[c.kind]++;
	w.errors += IS_ERR_VALUE(c.got);
	w.unsure += c.predicted == CHECK_UNSURE;
	if (getenv("SMM_TRACE"))
		fprintf(stderr, "    %#lx %ld\n", c.got, c.got);
	if (wrong(&c))
		return 1;
	told(&c);
	if (c.predicted == CHECK_UNSURE || !below(64) || getenv("SMM_EVERY"))
		if (space_verify(&w.s, false)) {
			fprintf(stderr, "call %lu: shadow and kernel differ after\n",
				w.done);
			print_call(&c);
			return 2;
		}
	if (w.s.mm->map_count > MAX_AREAS || !below(2000))
		reset();
	return 0;
}

static int open_or_exit(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0) {
		perror(path);
		_exit(98);
	}
	return fd;
}

static void open_files(void)
{
	static char name[64];
	static char path[4096];
	int memfd = memfd_create("predict", MFD_CLOEXEC), fd, ro;
	ssize_t n;

	snprintf(name, sizeof(name), "predict.%d.tmp", getpid());
	fd = open_or_exit(name, O_RDWR | O_CREAT | O_EXCL);
	ro = open_or_exit(name, O_RDONLY);
	unlink(name);
	if (memfd < 0 || ftruncate(memfd, FILE_BYTES) || ftruncate(fd, FILE_BYTES))
		_exit(98);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	space_add_file(&w.s, memfd, "/memfd:predict (deleted)");
	space_add_file(&w.s, fd, path);
	space_add_file(&w.s, ro, path);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", memfd);
	space_add_file(&w.s, open_or_exit(name, O_WRONLY), "/memfd:predict (deleted)");
	space_add_file(&w.s, open_or_exit(name, O_RDONLY), "/memfd:predict (deleted)");
	space_add_file(&w.s, open_or_exit("/dev/zero", O_RDWR), "/dev/zero");
	space_add_file(&w.s, open_or_exit("/", O_RDONLY), "/");
}

static void note_own(void)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, w.s.mm, 0);
	vma_for_each (vma, &it) {
		w.own[w.nr_own].start = vma->vm_start;
		w.own[w.nr_own++].len = vma->vm_end - vma->vm_start;
	}
	w.first_brk = w.s.mm->brk;
}

/* Where MAP_32BIT searches begin is random: leave them nothing to choose there. */
static void fill_low(void)
{
	const struct mmap_call m = { .addr = 0x40000000,
				     .len = 0x02000000,
				     .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };

	if (sys(SYS_mmap, m.addr, m.len, m.prot, m.flags, ~0UL, 0) != (long)m.addr)
		_exit(97);
	mm_prepare_unmap(w.s.mm);
	mm_mmap(w.s.mm, &m);
}

struct run {
	unsigned long seed, ops;
	bool root;
};

static int run(void *arg)
{
	const struct run *r = arg;
	int ret = 0;

	w.rng.state = r->seed;
	open_files();
	space_open(&w.s);
	if (!r->root)
		space_drop_caps(&w.s);
	fill_low();
	note_own();
	w.window = (w.s.lim.mmap_base - (1UL << 40)) & ~(PMD - 1);
	set_limit(3);
	for (unsigned int i = 0; i < NR_RECENT_AT; i++)
		remember(w.window + i * 64 * PAGE_SIZE, 16 * PAGE_SIZE);
	if (space_verify(&w.s, false))
		return 3;
	while (w.done < r->ops && !ret)
		ret = step();
	fprintf(stderr,
		"predict: seed %#lx: %lu calls, %lu refused, %lu unsure, %lu resets; "
		"layout: code %lx break %lx base %lx stack %lx%s\n",
		r->seed, w.done, w.errors, w.unsure, w.resets, w.s.mm->start_code,
		w.first_brk, w.s.lim.mmap_base, w.s.mm->start_stack,
		ret ? ": FAILED" : "");
	return ret;
}

Test(predict, random_calls, .timeout = 600)
{
	const char *ops = getenv("SMM_OPS");
	unsigned long seed = seed_from_env(0x9e3d1c70);

	for (unsigned long i = 0; i < 4; i++) {
		struct run r = { seed + i, ops ? strtoul(ops, NULL, 0) : 2000, i & 1 };

		cr_expect(space_fork(run, &r), "SMM_SEED=%#lx", seed + i);
	}
}
