// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls that attach something to areas (lib/mm/label.c) or move the descriptor's
 * shortcuts. What the call's pointers lead to is read before a lock is taken.
 */
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/uio.h>

#include "lib/base/string.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* since 6.13 */
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

#define CALL(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

/* --- prctl ------------------------------------------------------------------------- */

/* A string that may end right before an unmapped page. */
static bool read_name(char name[ANON_NAME_MAX], unsigned long addr)
{
	for (size_t i = 0; i < ANON_NAME_MAX; i++) {
		if (read_user(&name[i], addr + i, 1))
			return false;
		if (!name[i])
			return true;
	}
	return false;
}

static long hook_set_vma(unsigned long *a)
{
	char name[ANON_NAME_MAX];
	bool named = a[1] == PR_SET_VMA_ANON_NAME && a[4] && read_name(name, a[4]);
	bool model = mmap_write_lock(a[2], a[3]);
	long ret = CALL(__NR_prctl, a);

	if (model && (!ret || ret == -ENOMEM || ret == -EBADF) &&
	    a[1] == PR_SET_VMA_ANON_NAME && (named || !a[4])) {
		mm_set_anon_name(&smm.mm, a[2], a[3], named ? name : NULL);
		if (ret)
			model_resync();
	}
	mmap_write_unlock();
	return ret;
}

static long hook_memory_merge(unsigned long *a)
{
	bool model = mmap_write_lock(0, ~0UL);
	long ret = CALL(__NR_prctl, a);

	if (model && !ret)
		mm_set_merge_any(&smm.mm, a[1] != 0);
	mmap_write_unlock();
	return ret;
}

/* By the numbers PR_SET_MM_*; brk and start_brk are the model's as well. */
static unsigned long *shortcut(struct mm_struct *mm, unsigned long option)
{
	switch (option) {
	case PR_SET_MM_START_CODE:
		return &mm->start_code;
	case PR_SET_MM_END_CODE:
		return &mm->end_code;
	case PR_SET_MM_START_DATA:
		return &mm->start_data;
	case PR_SET_MM_END_DATA:
		return &mm->end_data;
	case PR_SET_MM_START_STACK:
		return &mm->start_stack;
	case PR_SET_MM_START_BRK:
		return &mm->start_brk;
	case PR_SET_MM_BRK:
		return &mm->brk;
	case PR_SET_MM_ARG_START:
		return &mm->arg_start;
	case PR_SET_MM_ARG_END:
		return &mm->arg_end;
	case PR_SET_MM_ENV_START:
		return &mm->env_start;
	case PR_SET_MM_ENV_END:
		return &mm->env_end;
	default:
		return NULL;
	}
}

static void take_mm_map(struct mm_struct *mm, const struct prctl_mm_map *map)
{
#define TAKE(field) WRITE_ONCE(mm->field, map->field)
	TAKE(start_code);
	TAKE(end_code);
	TAKE(start_data);
	TAKE(end_data);
	TAKE(start_brk);
	TAKE(brk);
	TAKE(start_stack);
	TAKE(arg_start);
	TAKE(arg_end);
	TAKE(env_start);
	TAKE(env_end);
#undef TAKE
}

static long hook_set_mm(unsigned long *a)
{
	struct prctl_mm_map map;
	bool whole = a[1] == PR_SET_MM_MAP && !read_user(&map, a[2], sizeof(map));
	bool model = mmap_write_lock(0, ~0UL);
	unsigned long *field = shortcut(&smm.mm, a[1]);
	long ret = CALL(__NR_prctl, a);

	if (model && !ret) {
		if (whole)
			take_mm_map(&smm.mm, &map);
		else if (field)
			WRITE_ONCE(*field, a[2]);
		model_resync();
	}
	mmap_write_unlock();
	return ret;
}

bool prctl_changes_areas(unsigned long op)
{
	return op == PR_SET_MM || op == PR_SET_VMA || op == PR_SET_MEMORY_MERGE;
}

long hook_prctl_mm(unsigned long *a)
{
	switch (a[0]) {
	case PR_SET_MM:
		return hook_set_mm(a);
	case PR_SET_VMA:
		return hook_set_vma(a);
	case PR_SET_MEMORY_MERGE:
		return hook_memory_merge(a);
	default:
		return CALL(__NR_prctl, a);
	}
}

/* --- NUMA policies, seals ---------------------------------------------------------- */

#define NODE_WORDS 16 /* 1,024 nodes, the most that x86 can be built for */

/* get_nodes(): @maxnode counts one more than there are bits. */
static bool read_policy(u32 *mpol, unsigned int mode, unsigned long mask,
			unsigned long maxnode)
{
	unsigned long nodes[NODE_WORDS] = { 0 }, bits = maxnode ? maxnode - 1 : 0;
	unsigned int words =
		(unsigned int)min((bits + 63) / 64, (unsigned long)NODE_WORDS);

	if (!mask)
		words = 0;
	for (unsigned int i = 0; i < words; i++)
		if (read_user(&nodes[i], mask + 8 * i, 8))
			return false;
	if (words && bits < 64UL * words)
		nodes[words - 1] &= (1UL << bits % 64) - 1;
	while (words && !nodes[words - 1])
		words--;
	*mpol = mpol_key(mode, nodes, words);
	return true;
}

long hook_mbind(long nr, unsigned long *a)
{
	u32 mpol = 0;
	bool known = read_policy(&mpol, (unsigned int)a[2], a[3], a[4]);
	bool model = mmap_write_lock(a[0], a[1]);
	long ret;

	/* It would be a policy of the frames, for everybody. */
	if (model)
		file_back(a[0], a[0] + PAGE_ALIGN(a[1]));
	ret = CALL(nr, a);
	/* EIO: the policy is there, some pages could not be moved (MPOL_MF_STRICT) */
	if (model && known && (!ret || ret == -EIO))
		mm_mbind(&smm.mm, a[0], a[1], mpol);
	if (model && ret == -EIO)
		model_resync();
	mmap_write_unlock();
	return ret;
}

long hook_home_node(long nr, unsigned long *a)
{
	bool model = mmap_write_lock(a[0], a[1]);
	long ret = CALL(nr, a);

	if (model && (!ret || ret == -EOPNOTSUPP))
		mm_set_home_node(&smm.mm, a[0], a[1], (unsigned int)a[2]);
	mmap_write_unlock();
	return ret;
}

long hook_mseal(long nr, unsigned long *a)
{
	bool model = mmap_write_lock(a[0], a[1]);
	long ret;

	if (model)
		file_back(a[0], a[0] + PAGE_ALIGN(a[1]));
	ret = CALL(nr, a);
	if (model && !ret)
		mm_mseal(&smm.mm, a[0], a[1]);
	mmap_write_unlock();
	return ret;
}

/* --- process_madvise --------------------------------------------------------------- */

/*
 * Advice that changes areas is for one's own process only (6.13). @ret: the bytes that
 * have been advised, from the first range on.
 */
static void advised(const struct iovec *iov, unsigned int n, unsigned long ret,
		    int advice)
{
	for (unsigned int i = 0; i < n && ret; i++) {
		unsigned long len = min((unsigned long)iov[i].iov_len, ret);

		if (!model_prepare((unsigned long)iov[i].iov_base, len))
			return;
		mm_advice(&smm.mm, (unsigned long)iov[i].iov_base, len, advice);
		ret -= len;
	}
}

static void guard_before(const unsigned long *a, const struct iovec *iov, unsigned int n)
{
	if ((int)a[3] != MADV_GUARD_INSTALL)
		return;
	if (n < a[2])
		file_guard(0, ~0UL & PAGE_MASK);
	for (unsigned int i = 0; i < n; i++) {
		unsigned long start = (unsigned long)iov[i].iov_base & PAGE_MASK;

		file_guard(start,
			   PAGE_ALIGN((unsigned long)iov[i].iov_base + iov[i].iov_len));
	}
}

/* As if it were our own process, which the descriptor does not tell: if it is another one
 * there was no need to wait. */
static void each_range(const unsigned long *a,
		       void (*fn)(unsigned long start, unsigned long end, int advice))
{
	struct iovec iov;

	for (unsigned long i = 0; i < min(a[2], (unsigned long)UIO_MAXIOV) &&
				  !read_user(&iov, a[1] + i * sizeof(iov), sizeof(iov));
	     i++) {
		unsigned long start = (unsigned long)iov.iov_base;

		fn(start, PAGE_ALIGN(start + iov.iov_len), (int)a[3]);
	}
}

/* As advise_pages(). Allocators give back many pieces of their memory by one call. */
static long advise_pieces(long nr, unsigned long *a)
{
	long ret;

	each_range(a, advice_before);
	ret = CALL(nr, a);
	if (ret > 0)
		each_range(a, advice_after);
	return ret;
}

long hook_process_madvise(long nr, unsigned long *a)
{
	struct iovec iov[8];
	unsigned int n = (unsigned int)min(a[2], (unsigned long)ARRAY_SIZE(iov));
	bool model;
	long ret;

	if (!advice_changes_areas((int)a[3]))
		return advice_is_ours((int)a[3]) ? advise_pieces(nr, a) : CALL(nr, a);
	if (read_user(iov, a[1], n * sizeof(iov[0])))
		return CALL(nr, a);
	model = mmap_write_lock(0, ~0UL);
	if (model)
		guard_before(a, iov, n);
	ret = CALL(nr, a);
	if (model && ret > 0) {
		advised(iov, n, (unsigned long)ret, (int)a[3]);
		model_resync();
	}
	mmap_write_unlock();
	return ret;
}
