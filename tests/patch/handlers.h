/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handlers for tests of the patch layer: they record what they are given. */
#ifndef SHADOWMM_TESTS_PATCH_HANDLERS_H
#define SHADOWMM_TESTS_PATCH_HANDLERS_H

#include "lib/hook/patch.h"

/* In memory shared with children, see handlers_init(). */
struct seen {
	int calls;
	long nr;
	unsigned long args[6];
	struct site site;
	int before, after, child; /* of clone-like calls */
	long after_nr, after_ret, child_nr;
	int after_cls, child_cls;
	int notes; /* mappings reported by patch_note_mapping() */
	unsigned long note_start, note_len;
	int users; /* exits are subtracted */
};

extern struct seen *seen;
/* hook_syscall() answers with this instead of making the call, unless it is 0. */
extern long handler_answer;

void handlers_init(void);

#endif
