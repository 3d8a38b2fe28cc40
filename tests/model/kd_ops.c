// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is tried: mostly calls that succeed in a crowded window, some that must not. */
#include <string.h>

#include "tests/model/kd.h"
#include "tests/model/mman.h"

static const char *const names[KD_KINDS] = {
	[KD_MMAP] = "mmap",
	[KD_MUNMAP] = "munmap",
	[KD_MPROTECT] = "mprotect",
	[KD_PKEY_MPROTECT] = "pkey_mprotect",
	[KD_MADVISE] = "madvise",
	[KD_MLOCK] = "mlock",
	[KD_MLOCK2] = "mlock2",
	[KD_MUNLOCK] = "munlock",
	[KD_MLOCKALL] = "mlockall",
	[KD_MUNLOCKALL] = "munlockall",
	[KD_MREMAP] = "mremap",
	[KD_BRK] = "brk",
	[KD_UFFD_REGISTER] = "UFFDIO_REGISTER",
	[KD_UFFD_UNREGISTER] = "UFFDIO_UNREGISTER",
	[KD_READ] = "read",
	[KD_WRITE] = "write",
	[KD_FORK] = "fork",
};

const char *kd_kind_name(enum kd_kind kind)
{
	return names[kind];
}

/* Of a thousand. */
static const unsigned short weights[KD_KINDS] = {
	[KD_MMAP] = 230,	 [KD_MUNMAP] = 75,
	[KD_MPROTECT] = 160,	 [KD_PKEY_MPROTECT] = 12,
	[KD_MADVISE] = 130,	 [KD_MLOCK] = 25,
	[KD_MLOCK2] = 15,	 [KD_MUNLOCK] = 25,
	[KD_MLOCKALL] = 3,	 [KD_MUNLOCKALL] = 5,
	[KD_MREMAP] = 120,	 [KD_BRK] = 30,
	[KD_UFFD_REGISTER] = 25, [KD_UFFD_UNREGISTER] = 15,
	[KD_READ] = 40,		 [KD_WRITE] = 85,
	[KD_FORK] = 5,
};

static bool one_in(struct rng *r, unsigned int n)
{
	return !rng_below(r, n);
}

static unsigned long pick(struct rng *r, const unsigned long *from, size_t n)
{
	return from[rng_below(r, (unsigned int)n)];
}

#define PICK(r, array) pick(r, array, ARRAY_SIZE(array))

static const unsigned long prots[] = { PROT_NONE,
				       PROT_READ,
				       PROT_READ,
				       PROT_READ | PROT_WRITE,
				       PROT_READ | PROT_WRITE,
				       PROT_READ | PROT_WRITE,
				       PROT_READ | PROT_EXEC,
				       PROT_WRITE,
				       PROT_READ | PROT_WRITE | PROT_EXEC };

static const unsigned long advices[] = {
	MADV_NORMAL,
	MADV_RANDOM,
	MADV_SEQUENTIAL,
	MADV_WILLNEED,
	MADV_DONTNEED,
	MADV_FREE,
	MADV_REMOVE,
	MADV_DONTFORK,
	MADV_DOFORK,
	MADV_MERGEABLE,
	MADV_UNMERGEABLE,
	MADV_HUGEPAGE,
	MADV_NOHUGEPAGE,
	MADV_DONTDUMP,
	MADV_DODUMP,
	MADV_WIPEONFORK,
	MADV_KEEPONFORK,
	MADV_COLD,
	MADV_POPULATE_READ,
	MADV_POPULATE_WRITE,
	MADV_COLLAPSE,
	MADV_GUARD_INSTALL,
	MADV_GUARD_REMOVE,
	MADV_DONTNEED_LOCKED,
	99 /* no such advice */
};

static const unsigned long odd_addrs[] = { 0,
					   PAGE_SIZE,
					   1UL << 46,
					   (1UL << 47) - 2 * PAGE_SIZE,
					   (1UL << 47) - PAGE_SIZE,
					   1UL << 47,
					   1UL << 63,
					   ~0UL << PAGE_SHIFT,
					   ~0UL };

static const unsigned long odd_lens[] = {
	0,	   1,	       1UL << 40,	   1UL << 46, 1UL << 47,
	1UL << 63, -KD_WINDOW, ~0UL << PAGE_SHIFT, ~0UL
};

/* An address that an operation before the @id-th may have returned, or in the window. */
static struct kd_addr random_addr(struct rng *r, unsigned int id)
{
	struct kd_addr a = { .base = KD_IN_WINDOW };

	a.off = (long)(rng_below(r, KD_WINDOW_PAGES) * PAGE_SIZE);
	switch (rng_below(r, 32)) {
	case 0:
		a.base = KD_ABS;
		a.off = (long)PICK(r, odd_addrs);
		break;
	case 1:
		a.off += 1 + rng_below(r, PAGE_SIZE - 1);
		break;
	case 2:
		a.off = one_in(r, 2) ? -(long)PAGE_SIZE
				     : (long)(KD_WINDOW_PAGES * PAGE_SIZE);
		break;
	case 3:
	case 4:
		a.base = KD_OF_RESULT;
		a.ref = (u16)(id ? rng_below(r, id) : 0);
		a.off = ((long)rng_below(r, 6) - 1) * (long)PAGE_SIZE;
		break;
	default:
		break;
	}
	return a;
}

static unsigned long random_len(struct rng *r)
{
	unsigned int kind = rng_below(r, 40);

	if (kind == 0)
		return PICK(r, odd_lens);
	if (kind == 1)
		return rng_below(r, 5 * PAGE_SIZE);
	if (kind < 8)
		return (1 + rng_below(r, 32)) * PAGE_SIZE;
	return (1 + rng_below(r, 5)) * PAGE_SIZE;
}

static unsigned long mmap_type(struct rng *r)
{
	unsigned int kind = rng_below(r, 40);

	if (kind == 0)
		return MAP_DROPPABLE;
	if (kind == 1)
		return MAP_SHARED_VALIDATE;
	return kind < 8 ? MAP_SHARED : MAP_PRIVATE;
}

static unsigned long mmap_place(struct rng *r, struct kd_op *op)
{
	unsigned int kind = rng_below(r, 40);

	if (kind < 30)
		return MAP_FIXED;
	if (kind < 33)
		return MAP_FIXED_NOREPLACE;
	if (kind < 36)
		return 0; /* a hint */
	op->a = (struct kd_addr){ .base = KD_ABS };
	return one_in(r, 4) ? MAP_32BIT : 0;
}

static void random_mmap(struct rng *r, struct kd_op *op)
{
	static const struct {
		unsigned long flag;
		unsigned int one_in;
	} rare[] = {
		{ MAP_NORESERVE, 10 },
		{ MAP_STACK, 10 },
		{ MAP_GROWSDOWN, 20 },
		{ MAP_POPULATE, 12 },
		{ MAP_LOCKED, 20 },
		{ MAP_NONBLOCK, 40 },
		{ 0x0800, 60 /* MAP_DENYWRITE */ },
		{ MAP_HUGETLB, 400 },
	};

	op->flags = mmap_type(r) | mmap_place(r, op);
	op->fd = one_in(r, 3) ? (int)rng_below(r, KD_FILES) : -1;
	if (op->fd < 0 || one_in(r, 50))
		op->flags |= MAP_ANONYMOUS;
	for (size_t i = 0; i < ARRAY_SIZE(rare); i++)
		if (one_in(r, rare[i].one_in))
			op->flags |= rare[i].flag;
	/* Often the offset that makes it contiguous with its neighbours. */
	op->pgoff = one_in(r, 3) ? rng_below(r, KD_WINDOW_PAGES)
				 : (unsigned long)op->a.off >> PAGE_SHIFT;
	op->pgoff %= KD_WINDOW_PAGES;
	if (op->fd >= 0 && kd_files[op->fd].read_only && !KD_OPEN_MODES_ARE_KNOWN)
		op->flags = (op->flags & ~(unsigned long)MAP_TYPE) | MAP_PRIVATE;
}

static void random_mremap(struct rng *r, struct kd_op *op, unsigned int id)
{
	op->b = random_addr(r, id);
	op->len2 = one_in(r, 3) ? random_len(r) : op->len;
	if (one_in(r, 20))
		op->len = 0; /* a second view of shared memory */
	switch (rng_below(r, 8)) {
	case 0:
	case 1:
		break;
	case 2:
		op->flags = MREMAP_MAYMOVE;
		break;
	case 3:
		op->flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
		break;
	case 4:
		op->flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
		break;
	default:
		op->flags = MREMAP_MAYMOVE | MREMAP_FIXED;
		break;
	}
	if (one_in(r, 40))
		op->flags ^= 1UL << rng_below(r, 5);
}

static void random_brk(struct rng *r, struct kd_op *op)
{
	op->a = (struct kd_addr){ .base = KD_FROM_BREAK };
	op->a.off = (long)(rng_below(r, 24) * PAGE_SIZE);
	if (one_in(r, 3))
		op->a.off += rng_below(r, PAGE_SIZE);
	if (one_in(r, 10))
		op->a.off = -(long)(rng_below(r, 4) * PAGE_SIZE);
	if (one_in(r, 20))
		op->a = (struct kd_addr){ .off = (long)PICK(r, odd_addrs) };
}

static void random_details(struct rng *r, struct kd_op *op, unsigned int id)
{
	switch (op->kind) {
	case KD_MMAP:
		random_mmap(r, op);
		break;
	case KD_MREMAP:
		random_mremap(r, op, id);
		break;
	case KD_BRK:
		random_brk(r, op);
		break;
	case KD_MLOCK2:
		op->advice = one_in(r, 10) ? 2 : (int)rng_below(r, 2);
		break;
	case KD_MLOCKALL:
		op->flags = rng_below(r, 8);
		break;
	case KD_PKEY_MPROTECT:
		op->advice = (int)rng_below(r, 3) - 1;
		break;
	case KD_MPROTECT:
		if (one_in(r, 30))
			op->prot |= one_in(r, 3) ? 0x100 : PROT_GROWSDOWN;
		break;
	case KD_MADVISE:
	case KD_MLOCK:
	case KD_MUNLOCK:
		if (one_in(r, 20))
			op->a = (struct kd_addr){ .base = KD_OF_IMAGE,
						  .ref = (u16)rng_below(r, 64),
						  .off = (long)(rng_below(r, 3) *
								PAGE_SIZE) };
		break;
	default:
		break;
	}
}

static void random_op(struct rng *r, unsigned int id, struct kd_op *op)
{
	unsigned int w = rng_below(r, 1000), kind = 0;

	while (w >= weights[kind])
		w -= weights[kind++];
	*op = (struct kd_op){ .kind = (u8)kind, .id = (u16)id, .fd = -1 };
	op->a = random_addr(r, id);
	op->len = random_len(r);
	op->prot = PICK(r, prots);
	op->advice = (int)PICK(r, advices);
	if (kind == KD_UFFD_REGISTER || kind == KD_UFFD_UNREGISTER)
		op->fd = one_in(r, 4);
	random_details(r, op, id);
}

void kd_generate(struct rng *r, unsigned int nr, struct kd_seq *seq)
{
	seq->nr = nr;
	seq->mode.verify_every = one_in(r, 8) ? 2 + rng_below(r, 30) : 1;
	for (unsigned int i = 0; i < nr; i++)
		random_op(r, i, &seq->op[i]);
}
