/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_BASE_MM_ID_H
#define SHADOWMM_BASE_MM_ID_H

#include "lib/base/compiler.h"

/*
 * An mm_struct of this boot: the process that had it first, and when (nanoseconds of
 * CLOCK_BOOTTIME). A process number alone may be reused.
 */
struct mm_id {
	int pid;
	u64 born;
};

static inline bool mm_id_equal(const struct mm_id *a, const struct mm_id *b)
{
	return a->pid == b->pid && a->born == b->born;
}

#endif
