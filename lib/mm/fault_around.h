/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much to bring in with a missing page. The fault tasks keep one struct
 * fault_streams and ask at every fault, one at a time (lib/fault/team.c): two threads
 * that take turns are one stream, whoever answers.
 *
 * W1. What a stream installs beyond the page of the fault is at most a quarter of what
 *     was touched in its order before, or FAULT_AROUND_FIRST pages if that is more.
 * W2. In an area where streams keep failing to go on, a fault brings in one page.
 */
#ifndef SHADOWMM_MM_FAULT_AROUND_H
#define SHADOWMM_MM_FAULT_AROUND_H

#include "lib/mm/mm.h"

#define FAULT_AROUND_FIRST 64 /* pages of the first window in an area */
#define NR_STREAMS	   16
#define HUGE_AHEAD_MAX	   8UL /* huge pages brought in besides that of the fault */
#define NR_FAULT_BLOCKS	   128

/* Faults that follow each other. Addresses in bytes. */
struct fault_stream {
	unsigned long start,
		end;	      /* installed in a row: the next fault is at either end */
	unsigned long last;   /* the last page installed */
	unsigned long stride; /* from the page before it; 0: not known. May be negative */
	unsigned int window;  /* pages of the last window */
	unsigned int hits;    /* faults that came a stride after the last */
	unsigned int used;    /* fault_streams.clock then */
};

/* Faults in a chunk of a file, or another one that came to have its place. */
struct fault_block {
	u32 block; /* address / size of a chunk */
	u8 faults;
};

struct fault_streams {
	struct fault_stream s[NR_STREAMS];
	struct fault_block block[NR_FAULT_BLOCKS]; /* filemap.c */
	unsigned int clock;
	/* What the last fault changed, and what it was before; for fault_around_undo() */
	struct fault_stream *changed, before;
	unsigned int misses_before;
	unsigned long
		ahead; /* pages that W1 allows after those the last fault installs */
};

/* Fill @plan for a fault at page-aligned @addr inside @vma, and remember it. */
void fault_around(struct fault_streams *streams, const struct vm_area_struct *vma,
		  unsigned long addr, struct fault_plan *plan);
/*
 * The page of @plan's fault was there already: a window that another thread's fault
 * brought in had not come so far when this one began to wait. It says nothing about the
 * order of the program's accesses, so forget it; unless another has come meanwhile.
 */
void fault_around_undo(struct fault_streams *streams, const struct fault_plan *plan);
/* The plan for a fault at @addr is cut to the 2 MiB from @block on, which contain it.
 * @streams may be NULL: windows are fixed. */
void fault_around_clamp(struct fault_streams *streams, struct fault_plan *plan,
			unsigned long addr, unsigned long block);
/* @bytes of huge pages from plan->huge_start on have been installed instead of its
 * window; unless another fault has come meanwhile. */
void fault_around_huge(struct fault_streams *streams, const struct fault_plan *plan,
		       unsigned long bytes);

/* --- for filemap.c ----------------------------------------------------------------- */

/* The one for which @is, or NULL. */
struct fault_stream *stream_find(struct fault_streams *streams, unsigned long page,
				 bool (*is)(const struct fault_stream *s,
					    unsigned long page));
struct fault_stream *stream_least_recently_used(struct fault_streams *streams);
/* @s and @stat are about to be changed by a fault; for fault_around_undo(). */
void stream_remember(struct fault_streams *streams, struct fault_stream *s,
		     const struct vma_stat *stat);

#endif
