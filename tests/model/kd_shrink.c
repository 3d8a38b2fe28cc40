// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A failing sequence made small: leave operations out, in ever smaller pieces, then make
 * what is left plainer. Each attempt runs in a fresh child; it counts if it fails with
 * the same words.
 */
#include <linux/mman.h>
#include <string.h>

#include "tests/model/kd.h"

struct shrink {
	struct kd_seq *seq; /* the smallest that fails so far */
	struct kd_seq attempt;
	struct kd_result *res;
	char what[64];
	unsigned int runs;
};

static struct shrink sh;

/* Keep sh.attempt if it fails as well. */
static bool try(void)
{
	sh.runs++;
	if (kd_run(&sh.attempt, sh.res) || strcmp(sh.res->what, sh.what))
		return false;
	/* What follows the failure is not needed. */
	sh.attempt.nr = min(sh.attempt.nr, sh.res->at + 1);
	memcpy(sh.seq, &sh.attempt, sizeof(*sh.seq));
	return true;
}

static bool try_without(unsigned int at, unsigned int piece)
{
	struct kd_seq *a = &sh.attempt;

	memcpy(a, sh.seq, sizeof(*a));
	memmove(a->op + at, a->op + at + piece, sizeof(a->op[0]) * (a->nr - at - piece));
	a->nr -= piece;
	return try();
}

static bool drop_operations(void)
{
	bool any = false;

	for (unsigned int piece = sh.seq->nr / 2; piece; piece /= 2)
		for (unsigned int at = 0; at + piece <= sh.seq->nr;) {
			if (try_without(at, piece))
				any = true;
			else
				at += piece;
		}
	return any;
}

#define TRY(seq_at, field, value)                                     \
	({                                                            \
		struct kd_op *_o = &sh.attempt.op[seq_at];            \
                                                                      \
		memcpy(&sh.attempt, sh.seq, sizeof(sh.attempt));      \
		_o->field != (value) && (_o->field = (value), try()); \
	})

static bool plainer_flags(unsigned int i)
{
	bool any = false;

	/* Not the type of a mapping */
	for (unsigned int bit = sh.seq->op[i].kind == KD_MMAP ? 4 : 0; bit < 32; bit++) {
		unsigned long flags = sh.seq->op[i].flags & ~(1UL << bit);

		any |= TRY(i, flags, flags);
	}
	return any;
}

/* Towards one page; never up, or two attempts would undo each other for ever. */
static bool fewer_pages(unsigned int i)
{
	bool any = false;

	if (sh.seq->op[i].len > PAGE_SIZE)
		any |= TRY(i, len, PAGE_SIZE);
	if (sh.seq->op[i].len & ~PAGE_MASK)
		any |= TRY(i, len, sh.seq->op[i].len & PAGE_MASK);
	while (sh.seq->op[i].len > PAGE_SIZE && sh.seq->op[i].len < KD_WINDOW &&
	       TRY(i, len, sh.seq->op[i].len - PAGE_SIZE))
		any = true;
	if (sh.seq->op[i].len2 > sh.seq->op[i].len)
		any |= TRY(i, len2, sh.seq->op[i].len);
	if (sh.seq->op[i].len2 > PAGE_SIZE)
		any |= TRY(i, len2, PAGE_SIZE);
	return any;
}

static bool plainer_op(unsigned int i)
{
	bool any = plainer_flags(i) | fewer_pages(i);

	if (sh.seq->op[i].prot & ~(unsigned long)(PROT_READ | PROT_WRITE))
		any |= TRY(i, prot, PROT_READ | PROT_WRITE);
	if (sh.seq->op[i].prot & ~(unsigned long)PROT_READ)
		any |= TRY(i, prot, PROT_READ);
	if (sh.seq->op[i].kind == KD_MMAP &&
	    (sh.seq->op[i].flags & MAP_TYPE) != MAP_PRIVATE)
		any |= TRY(i, flags,
			   (sh.seq->op[i].flags & ~(unsigned long)MAP_TYPE) |
				   MAP_PRIVATE);
	if (sh.seq->op[i].kind == KD_MMAP && sh.seq->op[i].fd > 0)
		any |= TRY(i, fd, 0);
	return any;
}

/* Everything one page further left, as far as it goes. */
static bool shift_left(void)
{
	bool any = false;

	do {
		memcpy(&sh.attempt, sh.seq, sizeof(sh.attempt));
		for (unsigned int i = 0; i < sh.seq->nr; i++) {
			struct kd_op *op = &sh.attempt.op[i];

			if (op->a.base == KD_IN_WINDOW)
				op->a.off -= (long)PAGE_SIZE;
			if (op->kind == KD_MREMAP && op->b.base == KD_IN_WINDOW)
				op->b.off -= (long)PAGE_SIZE;
		}
		for (unsigned int i = 0; i < sh.seq->nr; i++)
			if (sh.attempt.op[i].a.base == KD_IN_WINDOW &&
			    sh.attempt.op[i].a.off < 0)
				return any;
	} while (try() && (any = true));
	return any;
}

unsigned int kd_shrink(struct kd_seq *seq, struct kd_result *res)
{
	bool again = true;

	sh.seq = seq;
	sh.res = res;
	sh.runs = 0;
	memcpy(sh.what, res->what, sizeof(sh.what));
	seq->mode.smaps_every = 1; /* to see it where it happens */
	sh.attempt = *seq;
	sh.attempt.nr = min(seq->nr, res->at + 1);
	try();
	sh.attempt = *seq;
	sh.attempt.mode.verify_every = 1;
	try();
	while (again) {
		again = drop_operations();
		for (unsigned int i = 0; i < seq->nr; i++)
			again |= plainer_op(i);
	}
	shift_left();
	kd_run(seq, res);
	return sh.runs + 1;
}
