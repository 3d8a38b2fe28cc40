// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Random calls against an oracle that knows no areas: an array with what each page is.
 * After every call each page of the model must be what the oracle says and all invariants
 * must hold. A failing sequence is shrunk before it is printed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"
#include "tests/model/mman.h"

#define NR_OPS 400

/* What the oracle does not follow: it depends on what was touched. */
#define UNFOLLOWED (VM_ACCOUNT)

struct page_is {
	bool mapped;
	unsigned long flags;
	unsigned int file; /* 0: private anonymous; 9: shared anonymous */
	unsigned long pgoff;
};

static struct page_is oracle[OPS_PAGES];

/* --- the oracle -------------------------------------------------------------------- */

static unsigned long oracle_mmap_flags(const struct op *op)
{
	unsigned long flags = op->prot | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

	if (op->flags & MAP_SHARED)
		flags |= VM_SHARED | VM_MAYSHARE;
	if (op->flags & MAP_NORESERVE)
		flags |= VM_NORESERVE;
	if (op->flags & MAP_STACK)
		flags |= VM_NOHUGEPAGE;
	if (op->flags & MAP_LOCKED)
		flags |= VM_LOCKED;
	return flags;
}

static void oracle_mmap(const struct op *op)
{
	for (unsigned int i = 0; i < op->pages; i++) {
		struct page_is *p = &oracle[op->page + i];

		p->mapped = true;
		p->flags = oracle_mmap_flags(op);
		p->file = op->file ? op->file : op->flags & MAP_SHARED ? 9 : 0;
		p->pgoff = op->file ? op->pgoff + i : i;
	}
}

static bool oracle_advise(struct page_is *p, int advice)
{
	static const struct {
		int advice;
		unsigned long clear, set;
	} table[] = {
		{ MADV_NORMAL, VM_RAND_READ | VM_SEQ_READ, 0 },
		{ MADV_RANDOM, VM_SEQ_READ, VM_RAND_READ },
		{ MADV_SEQUENTIAL, VM_RAND_READ, VM_SEQ_READ },
		{ MADV_DONTFORK, 0, VM_DONTCOPY },
		{ MADV_DOFORK, VM_DONTCOPY, 0 },
		{ MADV_DONTDUMP, 0, VM_DONTDUMP },
		{ MADV_DODUMP, VM_DONTDUMP, 0 },
		{ MADV_WIPEONFORK, 0, VM_WIPEONFORK },
		{ MADV_KEEPONFORK, VM_WIPEONFORK, 0 },
		{ MADV_NOHUGEPAGE, VM_HUGEPAGE, VM_NOHUGEPAGE },
	};

	if (advice == MADV_WIPEONFORK && p->file)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].advice == advice)
			p->flags = (p->flags & ~table[i].clear) | table[i].set;
	return true;
}

static void oracle_range(const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		struct page_is *p = &oracle[i];

		if (op->kind == OP_MUNMAP)
			p->mapped = false;
		if (!p->mapped && op->kind != OP_MADVISE && op->kind != OP_UFFD)
			return;
		if (!p->mapped)
			continue;
		if (op->kind == OP_MPROTECT)
			p->flags = (p->flags & ~VM_ACCESS_FLAGS) | op->prot;
		if (op->kind == OP_MLOCK)
			p->flags = (p->flags & ~VM_LOCKED) | op->flags;
		if (op->kind == OP_UFFD)
			p->flags = (p->flags & ~VM_UFFD_MISSING) |
				   (op->on ? VM_UFFD_MISSING : 0);
		if (op->kind == OP_MADVISE && !oracle_advise(p, op->advice))
			return;
	}
}

static void oracle_munmap(const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++)
		oracle[i].mapped = false;
}

/* The area that the model moved into lost its registration: adopt that, page by page. */
static void oracle_adopt_uffd(struct mm_struct *mm)
{
	for (unsigned int i = 0; i < OPS_PAGES; i++) {
		struct vm_area_struct *vma = find_vma_intersection(mm, AT(i), AT(i) + 1);

		if (vma && !(vma->vm_flags & VM_UFFD_MISSING))
			oracle[i].flags &= ~VM_UFFD_MISSING;
	}
}

static void oracle_mremap(const struct op *op)
{
	struct page_is moved[OPS_PAGES];

	for (unsigned int i = 0; i < op->to_pages; i++) {
		moved[i] = oracle[op->page + (i < op->pages ? i : 0)];
		if (i >= op->pages)
			moved[i].pgoff += i;
	}
	if (!(op->flags & MREMAP_DONTUNMAP))
		oracle_munmap(op);
	for (unsigned int i = 0; i < op->to_pages; i++) {
		oracle[op->to + i] = moved[i];
		if (op->to != op->page)
			oracle[op->to + i].flags &= ~VM_UFFD_MISSING;
	}
}

/* --- one call to both -------------------------------------------------------------- */

/*
 * mremap as the kernel would accept it: the source in one area, the target elsewhere; in
 * place only into free pages. DONTUNMAP unlocks all of the source's area: whole areas.
 */
static bool op_fit_mremap(struct mm_struct *mm, struct op *op)
{
	struct vm_area_struct *vma =
		find_vma_intersection(mm, AT(op->page), AT(op->page + op->pages));
	unsigned int first, last;

	if (!vma)
		return false;
	first = (unsigned int)((vma->vm_start - MAP_BASE) >> PAGE_SHIFT);
	last = (unsigned int)((vma->vm_end - MAP_BASE) >> PAGE_SHIFT);
	op->page = max(op->page, first);
	op->pages = min(op->pages, last - op->page);
	if (op->flags & MREMAP_DONTUNMAP) {
		op->page = first;
		op->pages = op->to_pages = last - first;
	}
	if (op->kind == OP_MREMAP_RESIZE) {
		op->to = op->page;
		if (op->to_pages > op->pages && op->page + op->pages != last)
			return false;
		for (unsigned int i = op->pages; i < op->to_pages; i++)
			if (op->page + i >= OPS_PAGES || oracle[op->page + i].mapped)
				return false;
		return true;
	}
	return op->to + op->to_pages <= OPS_PAGES &&
	       (op->to + op->to_pages <= op->page || op->to >= op->page + op->pages);
}

static void do_mremap(struct mm_struct *mm, struct op *op)
{
	if (!op_fit_mremap(mm, op))
		return;
	mm_mremap(mm, AT(op->page), PAGES(op->pages), AT(op->to), PAGES(op->to_pages),
		  op->kind == OP_MREMAP_RESIZE ? 0 : op->flags);
	oracle_mremap(op);
	if (op->flags & MREMAP_DONTUNMAP)
		for (unsigned int i = 0; i < op->pages; i++)
			oracle[op->page + i].flags &= ~VM_LOCKED;
	if (op->kind == OP_MREMAP_MOVE)
		oracle_adopt_uffd(mm);
}

static void do_op(struct mm_struct *mm, struct op op)
{
	unsigned long addr = AT(op.page), len = PAGES(op.pages);
	struct mmap_call c = op_mmap_call(&op, MAP_BASE);

	mm_prepare(mm, MAP_BASE, PAGES(OPS_PAGES));
	switch (op.kind) {
	case OP_MMAP:
		if (op.file)
			c.file = vma_file_get(mm, 1, 2, op.file, "/file");
		mm_mmap(mm, &c);
		oracle_mmap(&op);
		return;
	case OP_MUNMAP:
		mm_munmap(mm, addr, len);
		oracle_munmap(&op);
		return;
	case OP_MPROTECT:
		mm_mprotect(mm, addr, len, op.prot, -1);
		break;
	case OP_MADVISE:
		mm_madvise(mm, addr, len, op.advice);
		break;
	case OP_MLOCK:
		mm_mlock(mm, addr, len, op.flags);
		break;
	case OP_UFFD:
		mm_set_uffd(mm, addr, addr + len, op.on);
		break;
	case OP_MREMAP_RESIZE:
	case OP_MREMAP_MOVE:
		do_mremap(mm, &op);
		return;
	case OP_TOUCH:
	case OP_NR:
		return;
	}
	oracle_range(&op);
}

/* --- comparison -------------------------------------------------------------------- */

static const char *compare_page(struct mm_struct *mm, unsigned int i)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, AT(i), AT(i) + 1);
	const struct page_is *p = &oracle[i];
	unsigned int file;

	if (!vma != !p->mapped)
		return vma ? "mapped in the model only" : "not mapped in the model";
	if (!vma)
		return NULL;
	if ((vma->vm_flags ^ p->flags) & ~UNFOLLOWED)
		return "flags";
	file = !vma->vm_file	   ? 0
	       : vma->vm_file->ino ? (unsigned int)vma->vm_file->ino
				   : 9;
	if (file != p->file)
		return "file";
	if (file && vma->vm_pgoff + (AT(i) - vma->vm_start) / PAGE_SIZE != p->pgoff)
		return "offset";
	return NULL;
}

/* Index of the first call after which they differ, or -1. */
static int run(struct op *ops, int n, const char **what)
{
	struct mm_struct *mm = map_new(2);
	int bad = -1;

	memset(oracle, 0, sizeof(oracle));
	for (int i = 0; i < n && bad < 0; i++) {
		do_op(mm, ops[i]);
		*what = validate_mm(mm);
		for (unsigned int p = 0; p < OPS_PAGES && !*what; p++)
			*what = compare_page(mm, p);
		if (*what)
			bad = i;
	}
	map_destroy(mm);
	return bad;
}

/* Leave out what is not needed to fail, in ever smaller pieces. */
static int shrink(struct op *ops, int n)
{
	struct op *attempt = malloc(sizeof(*ops) * (size_t)n);
	const char *what;

	for (int piece = n / 2; piece; piece /= 2) {
		for (int at = 0; at + piece <= n;) {
			memcpy(attempt, ops, sizeof(*ops) * (size_t)at);
			memcpy(attempt + at, ops + at + piece,
			       sizeof(*ops) * (size_t)(n - at - piece));
			if (run(attempt, n - piece, &what) < 0) {
				at += piece;
				continue;
			}
			n -= piece;
			memcpy(ops, attempt, sizeof(*ops) * (size_t)n);
		}
	}
	free(attempt);
	return n;
}

static void run_seed(unsigned long seed)
{
	struct rng r = { .state = seed };
	struct op ops[NR_OPS];
	const char *what;
	int bad;

	for (int i = 0; i < NR_OPS; i++)
		op_random(&r, &ops[i]);
	bad = run(ops, NR_OPS, &what);
	if (bad < 0)
		return;
	bad = shrink(ops, bad + 1);
	run(ops, bad, &what);
	for (int i = 0; i < bad; i++)
		op_print(stderr, &ops[i]);
	cr_assert_fail("SMM_SEED=%#lx: %s", seed, what);
}

TestSuite(random, .timeout = 120);

Test(random, against_a_page_array)
{
	unsigned long seed = seed_from_env(0x0dd5eed);

	for (unsigned long i = 0; i < 60; i++)
		run_seed(seed + i);
}
