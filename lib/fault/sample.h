/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples of who writes to shared pages (lib/base/cow_sample.h). */
#ifndef SHADOWMM_FAULT_SAMPLE_H
#define SHADOWMM_FAULT_SAMPLE_H

#include "lib/base/engine.h"

bool __cow_sample_due(struct cow_sampling *s);

/* Is this write to be sampled? The fault task, once for each. */
static inline bool cow_sample_due(struct cow_sampling *s)
{
	return unlikely(READ_ONCE(s->every)) && __cow_sample_due(s);
}

/* It was, but cannot be: count it. @why: static string. */
void cow_sample_lost(struct cow_sampling *s, const char *why);
/*
 * Take one of w->tid, which sleeps in its write to w->page. NULL: not to be had, counted.
 * The cow task; no lock may be held, as reading the stack may need the fault task.
 */
struct cow_sample *cow_sample_begin(struct engine *e, const struct cow_window *w);
/* Show it, before the writer is woken: the write makes @pages private. @sample may be
 * NULL. */
void cow_sample_end(struct cow_sampling *s, struct cow_sample *sample,
		    unsigned long pages);

#endif
