/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which pages of shared files are written to (lib/fault/dirty.h): what tasks share. */
#ifndef SHADOWMM_BASE_DIRTY_H
#define SHADOWMM_BASE_DIRTY_H

#include "lib/base/compiler.h"

/* Under mmap_lock; @begun and @why are read without it. */
struct dirty_state {
	u64 begun;	 /* CLOCK_MONOTONIC, ns; 0: nothing is tracked */
	int uffd;	 /* of the engine, if @begun */
	const char *why; /* it is not possible, or NULL; static string */
};

#endif
