// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fork, vfork, clone, clone3.
 *
 * A child with an address space of its own gets a copy of the model with it. The parent
 * holds both locks across the call, so the copy is at rest: no hook, no service task and
 * no `verify` is half way through a change. Readers of the parent's other tasks (fault
 * task, control socket) leave only counters behind, which the child clears.
 *
 * In the child, before its first own instruction:
 *   hook_clone_child -> mm_dup -> engine_start -> own_range
 */
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/state.h"
#include "lib/hook/sud.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

static u64 clone_flags(long nr, const unsigned long *a)
{
	u64 flags = 0;

	switch (nr) {
	case __NR_clone:
		return a[0];
	case __NR_vfork:
		return CLONE_VM | CLONE_VFORK;
	case __NR_clone3:
		/* struct clone_args begins with the flags. If it cannot be read the
		 * call will fail the same way. */
		if (read_user(&flags, a[0], sizeof(flags)))
			return CLONE_VM | CLONE_VFORK;
		return flags;
	default:
		return 0;
	}
}

enum clone_class hook_clone_before(long nr, unsigned long *a, struct site *site)
{
	u64 flags;

	flags = clone_flags(nr, a);
	if (!READ_ONCE(smm.active))
		return sleep_clone(nr, a, site, flags);
	/* Before the call, as in the kernel: a child may be gone when it returns. */
	if (flags & CLONE_VM)
		mmget(&smm.mm);
	if (flags & CLONE_THREAD) {
		stat_inc(smm.stat.threads);
		return CLONE_CLASS_THREAD;
	}
	if (flags & CLONE_VM) {
		/* It has the same open files: what it reads must be in them. */
		shared_back_all();
		stat_inc(smm.stat.vforks);
		/* Never taken back: without CLONE_VFORK nobody tells us of the end. */
		WRITE_ONCE(smm.mmap_lock.borrowers, 1);
		return CLONE_CLASS_VM;
	}
	stat_inc(smm.stat.forks);
	life_lock();
	shared_back(0, ~0UL & PAGE_MASK);
	return CLONE_CLASS_FORK;
}

void hook_clone_after(long nr, enum clone_class cls, long ret)
{
	(void)nr;
	if (cls == CLONE_CLASS_FORK) {
		if (!IS_ERR_VALUE(ret))
			cow_forked((int)ret);
		life_unlock();
	} else if (IS_ERR_VALUE(ret) && READ_ONCE(smm.active)) {
		mmput(&smm.mm);
	}
}

/* What belonged to the parent's engine: its tasks do not exist for us. */
static void engine_forget(struct engine *e)
{
	e->parent_fault = e->fault_pid;
	e->ctl_pid = e->fault_pid = e->service_tid = 0;
	e->mm->mm_users = e->mm->mm_count = 1;
	e->state = ENGINE_OFF;
	e->mailbox = MAILBOX_DEAD;
	engine_forget_work(e);
	pool_forget();
	track_forget();
	e->said = true;
	e->degraded = NULL;
	e->degraded_err = 0;
}

static void child_start(void)
{
	u64 sites = smm.stat.sites, refused = smm.stat.sites_refused;

	mutex_adopt(&smm.life);
	mutex_adopt(&smm.mmap_lock);
	patch_fork_child();
	rcu_reset(&smm.mm.rcu);
	memset(&smm.stat, 0, sizeof(smm.stat));
	smm.stat.sites = sites;
	smm.stat.sites_refused = refused;
	if (smm.pidns_changed) /* our children live in our namespace again */
		smm.retired = NULL;
	smm.pidns_changed = false;
	engine_forget(&smm.engine);
	birth_by_fork(&smm.engine.birth);
	if (model_prepare(0, ~0UL))
		mm_dup(&smm.mm);
	smm.mm.id = smm.engine.birth.self; /* mm_dup() needed the parent's */
	engine_start();
	file_forked();
	own_range(0, ~0UL & PAGE_MASK);
	cow_forked(0);
	life_unlock();
}

void hook_clone_child(long nr, enum clone_class cls)
{
	(void)nr;
	if (cls == CLONE_CLASS_FORK)
		child_start();
	sud_arm();
}
