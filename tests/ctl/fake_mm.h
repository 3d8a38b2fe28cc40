/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of the model that the server uses, over a plain array the test fills. */
#ifndef TESTS_CTL_FAKE_MM_H
#define TESTS_CTL_FAKE_MM_H

#include "lib/mm/mm.h"

extern struct mm_struct fake_mm;
extern unsigned long fake_differences; /* what the next verification finds */
extern long fake_reserve_error;	       /* what ctl_env.reserve answers */
extern const char *fake_broken;	       /* what validate_mm() says */

/* ctl_env.reserve; counts its calls in fake_mm.seq. */
long fake_reserve(unsigned long start, unsigned long len);
/* Forget all areas. */
void fake_reset(void);
/* Add [start, end), ascending. @name NULL: anonymous. Lives for ever. */
struct vm_area_struct *fake_add(unsigned long start, unsigned long end,
				unsigned long flags, const char *name);

#endif
