/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages of shared mappings of files the program has written to since msync(2).
 *
 * The mappings stay the kernel's. They are registered with a userfaultfd of their own
 * that raises no events (UFFD_FEATURE_WP_ASYNC) and write-protected; the first write to a
 * page lifts that, within the kernel, and PAGEMAP_SCAN shows where it is lifted.
 *
 *	tracked		[pppppppppppp]	p: protected, present or not
 *	a write to 3	[pppwpppppppp]	w: counts as written, also when the page has gone
 *	msync(MS_SYNC)	[pppppppppppp]	before the call: what is written meanwhile counts
 *	mremap()	[ppwp........]	the kernel forgets all; what was protected is
 *					protected again, and what is new
 *	fork()		the child's memory is not registered: it tracks nothing
 *
 * Registered memory is read without fault-around, a page at a time. So nothing is
 * tracked before somebody asks, unless the user wants it (SHARED_FILE_DIRTY).
 *
 * Context: an engine task, while mmap_lock is held by it or by the hook that waits.
 */
#ifndef SHADOWMM_FAULT_DIRTY_H
#define SHADOWMM_FAULT_DIRTY_H

#include "lib/base/engine.h"

/* Track what there is and what will be mapped. 0, or -errno and e->dirty.why; then
 * nothing is. */
int dirty_begin(struct engine *e);
/* Areas of [start, end) that should be tracked and are not: nothing in them is dirty, but
 * what dirty_hold() has remembered. Without dirty_begin() it comes first. */
long dirty_track(struct engine *e, unsigned long start, unsigned long end);
/* Nothing in [start, end) is dirty. */
void dirty_anew(struct engine *e, unsigned long start, unsigned long end);
/* Remember what is dirty in [start, end), before mremap(). */
void dirty_hold(struct engine *e, unsigned long start, unsigned long end);
/* dirty_track(), after it: what was at the start of dirty_hold()'s range is at @start. */
long dirty_moved(struct engine *e, unsigned long start, unsigned long end);
/* Track [start, end), a tracked area or part of one, no longer. */
void dirty_release(struct engine *e, unsigned long start, unsigned long end);

#endif
