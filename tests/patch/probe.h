/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Run code with every register known, and look at all of them afterwards. */
#ifndef SHADOWMM_TESTS_PATCH_PROBE_H
#define SHADOWMM_TESTS_PATCH_PROBE_H

#include <stdint.h>

enum {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15
};

struct probe {
	uint64_t r[16]; /* r[RSP]: in: subtracted from rsp; out: rsp minus what it was */
	uint64_t flags;
	uint64_t red_zone[16];
	uint64_t xmm[16][2];
};

/* Jumps to @code with the registers of @p; the code comes back by a jump to probe_back.
 */
void probe_run(const void *code, struct probe *p);
extern const char probe_back[];

#endif
