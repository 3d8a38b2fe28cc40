// SPDX-License-Identifier: LGPL-2.1-or-later
/* Built without libdw: addresses only. */
#include "config.h"

#include "stacks.h"

struct unwinder *unwinder_open(pid_t pid, const struct text *text)
{
	(void)pid;
	(void)text;
	return NULL;
}

void unwinder_close(struct unwinder *u)
{
	(void)u;
}

size_t unwinder_frames(struct unwinder *u, const struct stack_copy *s, uint64_t *pcs,
		       bool *complete)
{
	(void)u;
	(void)s;
	(void)pcs;
	*complete = false;
	return 0;
}

void unwinder_name(struct unwinder *u, uint64_t pc, json_t *frame)
{
	(void)u;
	(void)pc;
	(void)frame;
}
