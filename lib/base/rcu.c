// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/rcu.h"

void rcu_defer(struct rcu_domain *d, struct rcu_head *head,
	       void (*func)(struct rcu_head *))
{
	head->func = func;
	head->next = d->next;
	d->next = head;
	d->nr_deferred++;
}

static void rcu_free_list(struct rcu_domain *d, struct rcu_head *head)
{
	while (head) {
		struct rcu_head *next = head->next;

		d->nr_deferred--;
		head->func(head);
		head = next;
	}
}

/*
 * No reader of @parity that began before the call is left. Leaves are summed before
 * enters: a reader that enters in between makes the sums differ, never agree.
 */
static bool rcu_readers_gone(struct rcu_domain *d, int parity)
{
	unsigned long enter = 0, leave = 0;

	cmm_smp_mb();
	for (int i = 0; i <= RCU_ENGINE_SLOT; i++)
		leave += __atomic_load_n(&d->slot[i].leave[parity], __ATOMIC_SEQ_CST);
	cmm_smp_mb();
	for (int i = 0; i <= RCU_ENGINE_SLOT; i++)
		enter += __atomic_load_n(&d->slot[i].enter[parity], __ATOMIC_SEQ_CST);
	return enter == leave;
}

/*
 * A grace period as in SRCU: wait until the idle parity has no reader (phase 1), turn
 * new readers to it, wait until the other has none (phase 2). One turn is not enough: a
 * reader may have read the parity and been preempted before it incremented.
 */
void rcu_reap(struct rcu_domain *d)
{
	if (!d->phase && d->next) {
		d->current = d->next;
		d->next = NULL;
		d->phase = 1;
	}
	if (d->phase == 1 && rcu_readers_gone(d, !(d->parity & 1))) {
		__atomic_fetch_add(&d->parity, 1, __ATOMIC_SEQ_CST);
		d->phase = 2;
	}
	if (d->phase == 2 && rcu_readers_gone(d, !(d->parity & 1))) {
		struct rcu_head *done = d->current;

		d->current = NULL;
		d->phase = 0;
		rcu_free_list(d, done);
	}
}

void rcu_reset(struct rcu_domain *d)
{
	struct rcu_head *a = d->current, *b = d->next;

	for (int i = 0; i <= RCU_ENGINE_SLOT; i++)
		d->slot[i] = (struct rcu_slot){ { 0 }, { 0 } };
	d->current = d->next = NULL;
	d->phase = 0;
	rcu_free_list(d, a);
	rcu_free_list(d, b);
}

void rcu_forget_engine(struct rcu_domain *d)
{
	d->slot[RCU_ENGINE_SLOT] = (struct rcu_slot){ { 0 }, { 0 } };
}
