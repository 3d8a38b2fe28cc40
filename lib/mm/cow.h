/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many pages to copy at the first write to one of them after a fork. Each fault task
 * keeps one struct cow_streams and asks at every such write; nobody else touches it.
 *
 * C1. What is copied beyond the page that is written to is at most a quarter of what was
 *     written to in its order before, and never more than COW_AROUND_MAX pages.
 * C2. A write that continues no stream brings its own page.
 */
#ifndef SHADOWMM_MM_COW_H
#define SHADOWMM_MM_COW_H

#include "lib/mm/mm.h"

#define NR_COW_STREAMS 8

/* Writes that follow each other. Addresses in bytes. */
struct cow_stream {
	unsigned long start, end; /* copied in a row: the next write is at either end */
	unsigned long shown;	  /* pages of it so far */
	unsigned int used;	  /* cow_streams.clock then */
};

struct cow_streams {
	struct cow_stream s[NR_COW_STREAMS];
	unsigned int clock;
	unsigned int shared; /* single pages in a row that others had, too */
};

/* Fill @plan for a write at page-aligned @addr inside @vma, and remember it. */
void copy_around(struct cow_streams *streams, const struct vm_area_struct *vma,
		 unsigned long addr, struct cow_plan *plan);

#endif
