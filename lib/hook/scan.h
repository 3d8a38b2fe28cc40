/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Find system-call sites in machine code by their bytes (doc/interception.md says why
 * that is enough).
 *
 * Context: any, but scan.c is compiled with SSE2: the caller saves and restores the
 * vector registers of the program around it (patch.c).
 */
#ifndef SHADOWMM_HOOK_SCAN_H
#define SHADOWMM_HOOK_SCAN_H

#include "lib/base/compiler.h"

struct scan_match {
	unsigned long addr; /* of the syscall instruction; for the loop that glibc's
			       threads end in, of what follows the mov of its number;
			       for its read(), of what follows its first instruction */
	int nr;		    /* or -1: glibc's syscall(), number in rax */
	unsigned int len;   /* bytes before @addr that may be replaced: 5 or 7 */
	unsigned long next; /* where to look for the next one */
};

/*
 * The first wanted site whose syscall instruction lies in [pos, end). Bytes outside
 * [start, end) are never read. False if there is none.
 */
bool scan_next(unsigned long pos, unsigned long start, unsigned long end,
	       struct scan_match *m);

#endif
