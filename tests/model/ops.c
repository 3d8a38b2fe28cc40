// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "tests/model/ops.h"
#include "tests/model/mman.h"

unsigned long rng_next(struct rng *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dUL;
}

unsigned int rng_below(struct rng *r, unsigned int n)
{
	return (unsigned int)((rng_next(r) >> 33) % n);
}

unsigned long seed_from_env(unsigned long def)
{
	const char *s = getenv("SMM_SEED");
	unsigned long seed = s ? strtoul(s, NULL, 0) : def;

	return seed ? seed : 1;
}

static const unsigned long prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				       PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };

static const int advices[] = { MADV_NORMAL,	MADV_RANDOM,	 MADV_SEQUENTIAL,
			       MADV_DONTFORK,	MADV_DOFORK,	 MADV_DONTDUMP,
			       MADV_DODUMP,	MADV_WIPEONFORK, MADV_KEEPONFORK,
			       MADV_NOHUGEPAGE, MADV_DONTNEED };

static void random_mmap(struct rng *r, struct op *op)
{
	op->prot = prots[rng_below(r, ARRAY_SIZE(prots))];
	op->file = rng_below(r, 4) ? 0 : 1 + rng_below(r, 2);
	op->flags = MAP_FIXED | (rng_below(r, 5) ? MAP_PRIVATE : MAP_SHARED);
	if (!op->file)
		op->flags |= MAP_ANONYMOUS;
	/* Often the offset that makes it contiguous with its neighbours. */
	op->pgoff = rng_below(r, 3) ? op->page : rng_below(r, OPS_PAGES);
	if (!rng_below(r, 10))
		op->flags |= MAP_NORESERVE;
	if (!rng_below(r, 10))
		op->flags |= MAP_STACK;
	if (!rng_below(r, 20))
		op->flags |= MAP_LOCKED;
	if (!rng_below(r, 10))
		op->flags |= MAP_POPULATE;
}

static const unsigned char weights[OP_NR] = {
	[OP_MMAP] = 20,	      [OP_MUNMAP] = 8, [OP_MPROTECT] = 20,
	[OP_MADVISE] = 8,     [OP_MLOCK] = 6,  [OP_MREMAP_RESIZE] = 6,
	[OP_MREMAP_MOVE] = 8, [OP_UFFD] = 8,   [OP_TOUCH] = 16,
};

void op_random(struct rng *r, struct op *op)
{
	unsigned int w = rng_below(r, 100), kind = 0;

	while (w >= weights[kind])
		w -= weights[kind++];
	*op = (struct op){ .kind = kind };
	op->pages = 1 + rng_below(r, rng_below(r, 4) ? 6 : 30);
	op->page = rng_below(r, OPS_PAGES - op->pages + 1);
	op->to_pages = rng_below(r, 3) ? op->pages : 1 + rng_below(r, 8);
	op->to = rng_below(r, OPS_PAGES - op->to_pages + 1);
	op->prot = prots[rng_below(r, ARRAY_SIZE(prots))];
	op->advice = advices[rng_below(r, ARRAY_SIZE(advices))];
	op->on = rng_below(r, 2);
	if (kind == OP_MMAP)
		random_mmap(r, op);
	if (kind == OP_MLOCK)
		op->flags = rng_below(r, 2) ? VM_LOCKED : 0;
	if (kind == OP_MREMAP_MOVE) {
		op->flags = MREMAP_MAYMOVE | MREMAP_FIXED;
		if (!rng_below(r, 4)) {
			op->flags |= MREMAP_DONTUNMAP;
			op->to = rng_below(r, OPS_PAGES - op->pages + 1);
			op->to_pages = op->pages;
		}
	}
}

void op_print(FILE *out, const struct op *op)
{
	static const char *const name[OP_NR] = { "mmap",	"munmap", "mprotect",
						 "madvise",	"mlock",  "mremap resize",
						 "mremap move", "uffd",	  "touch" };

	fprintf(out,
		"  %-13s page %2u +%2u to %2u +%2u prot %lx flags %lx advice %d file %u "
		"pgoff %u on %d\n",
		name[op->kind], op->page, op->pages, op->to, op->to_pages, op->prot,
		op->flags, op->advice, op->file, op->pgoff, op->on);
}

struct mmap_call op_mmap_call(const struct op *op, unsigned long base)
{
	return (struct mmap_call){
		.addr = base + op->page * PAGE_SIZE,
		.len = op->pages * PAGE_SIZE,
		.prot = op->prot,
		.flags = op->flags,
		.pgoff = op->file ? op->pgoff : 0,
	};
}
