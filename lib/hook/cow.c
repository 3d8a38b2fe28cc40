// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

/*
 * The wake-up is a request that nobody waits for: fork must not take longer. If another
 * one is still there, the task looks at @forks after it.
 */
void cow_forked(int child)
{
	struct engine *e = &smm.engine;
	u32 expected = MAILBOX_IDLE;

	if (e->cow.why || !smm.mm.own_enabled || !e->ctl_pid ||
	    READ_ONCE(e->state) == ENGINE_CONTROL)
		return;
	e->cow.child[e->cow.forks % COW_CHILDREN] = child;
	__atomic_store_n(&e->cow.forks, e->cow.forks + 1, __ATOMIC_SEQ_CST);
	e->request.op = ENGINE_FORKED;
	if (__atomic_compare_exchange_n(&e->mailbox, &expected, MAILBOX_POSTED, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		sys_futex(&e->mailbox, FUTEX_WAKE, 1, NULL);
}

void cow_forget(void)
{
	struct engine *e = &smm.engine;
	struct cow_sampling *s = &e->sampling;

	/* Sampling goes on in a child, but the samples are its parent's. */
	s->first = s->taken = s->lost = s->gap = 0;
	s->why = NULL;
	e->cow = (struct cow_state){ .pagemap = -1 };
	if (!e->opt.cow)
		e->cow.why = "--cow=kernel";
}
