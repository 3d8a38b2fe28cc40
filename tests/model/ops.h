/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random calls on a small window of pages, for the oracle and for the kernel.
 */
#ifndef TESTS_MODEL_OPS_H
#define TESTS_MODEL_OPS_H

#include <stdio.h>

#include "lib/mm/mm.h"

#define OPS_PAGES 96 /* pages of the window */

enum op_kind {
	OP_MMAP,
	OP_MUNMAP,
	OP_MPROTECT,
	OP_MADVISE,
	OP_MLOCK,
	OP_MREMAP_RESIZE,
	OP_MREMAP_MOVE,
	OP_UFFD,
	OP_TOUCH,
	OP_NR
};

struct op {
	enum op_kind kind;
	unsigned int page, pages;  /* of the window */
	unsigned int to, to_pages; /* mremap */
	unsigned long prot, flags; /* mmap, mprotect, mremap; mlock: VM_LOCKED or 0 */
	int advice;		   /* madvise */
	unsigned int file;	   /* mmap: 0 anonymous, else which */
	unsigned int pgoff;	   /* mmap of a file */
	bool on;		   /* uffd */
};

/* xorshift64*; never 0. */
struct rng {
	unsigned long state;
};
unsigned long rng_next(struct rng *r);
unsigned int rng_below(struct rng *r, unsigned int n);
/* SMM_SEED, or @def. */
unsigned long seed_from_env(unsigned long def);

void op_random(struct rng *r, struct op *op);
void op_print(FILE *out, const struct op *op);

/* What mm_mmap() gets for an OP_MMAP in the window at @base. */
struct mmap_call op_mmap_call(const struct op *op, unsigned long base);

#endif
