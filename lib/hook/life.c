// SPDX-License-Identifier: LGPL-2.1-or-later
/* Start, stop and questions to the engine, from the program's side. */
#include <linux/signal.h>
#include <linux/wait.h>

#include "lib/hook/state.h"
#include "lib/sys/clone.h"
#include "lib/sys/sockpath.h"
#include "lib/sys/sys.h"

static struct mm_id id_now(void)
{
	struct timespec now = { 0, 0 };

	sys_clock_gettime(7 /* CLOCK_BOOTTIME */, &now);
	return (struct mm_id){
		.pid = (int)sys_getpid(),
		.born = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec,
	};
}

void birth_by_exec(struct mm_birth *b)
{
	b->self = id_now();
	b->starter = (int)sys_getppid();
	b->nr_ancestors = 0;
}

void birth_by_fork(struct mm_birth *b)
{
	for (int i = MM_ANCESTORS - 1; i > 0; i--)
		b->ancestor[i] = b->ancestor[i - 1];
	b->ancestor[0] = b->self;
	b->nr_ancestors = min(b->nr_ancestors + 1, (u32)MM_ANCESTORS);
	b->self = id_now();
	b->starter = 0;
}

void life_lock(void)
{
	mutex_lock(&smm.life);
	mmap_write_lock(0, 0);
}

bool life_lock_timeout(unsigned int ms)
{
	if (mutex_lock_timeout(&smm.life, ms) < 0)
		return false;
	if (mutex_lock_timeout(&smm.mmap_lock, ms) >= 0)
		return true;
	mutex_unlock(&smm.life);
	return false;
}

void life_unlock(void)
{
	mutex_unlock(&smm.mmap_lock);
	mutex_unlock(&smm.life);
}

bool engine_is_ours(void)
{
	return smm.engine.owner == (int)sys_getpid();
}

void engine_forget_work(struct engine *e)
{
	for (int i = 0; i < FAULT_WORK_MAX; i++)
		e->fault[i] = (struct fault_work){ .seq = 0 };
}

void engine_start(void)
{
	struct engine *e = &smm.engine;
	long pid;

	if (smm.pidns_changed)
		smm.retired = "in a new pid namespace the engine would be its init";
	if (smm.retired) {
		e->degraded = smm.retired;
		smm.mm.own_enabled = false;
		return;
	}
	e->owner = (int)sys_getpid();
	e->parent = (int)sys_getppid();
	e->ctl_pid = e->fault_pid = 0;
	e->creds_start = e->creds_seq;
	WRITE_ONCE(e->stopping, 0);
	WRITE_ONCE(e->mailbox, MAILBOX_IDLE);
	engine_forget_work(e); /* the old fault tasks may have died at work */
	cow_forget();
	track_forget();
	e->files = (struct file_state){ .leaving_start = ~0UL };
	WRITE_ONCE(e->state, ENGINE_STARTING);
	/*
	 * CLONE_FILES, and close_range(CLOSE_RANGE_UNSHARE) as its first act: the engine
	 * never holds a copy of a descriptor of the program, not even for a moment in
	 * which the program closes the last other one (a pipe's end, a lock).
	 */
	mmgrab(e->mm);
	pid = sys_clone_task(CLONE_VM | CLONE_FILES | CLONE_PARENT_SETTID |
				     CLONE_CHILD_CLEARTID,
			     e->stack_ctl + sizeof(e->stack_ctl), &e->ctl_pid,
			     &e->mailbox, smm.control_main, e);
	if (pid < 0) {
		e->mm->mm_count--;
		e->ctl_pid = 0;
		e->degraded = "the engine could not be started";
		e->degraded_err = pid;
		WRITE_ONCE(e->state, ENGINE_OFF);
	}
	smm.mm.own_enabled = pid >= 0 && e->opt.own;
	smm.mm.own_wp = false;
}

static void end_task(int pid)
{
	if (!pid || sys_kill(pid, SIGKILL))
		return;
	/* No exit signal: only a wait that asks for such children finds it. */
	while (sys_wait4(pid, NULL, __WALL) == -EINTR)
		;
}

/* Reap an engine that died before it was ready (a seccomp filter killed it, say). */
static void engine_died_at_start(struct engine *e)
{
	sys_wait4(e->ctl_pid, NULL, __WALL);
	end_task(READ_ONCE(e->fault_pid));
	e->ctl_pid = e->fault_pid = 0;
	e->mm->mm_count = 1;
	e->degraded = "the engine died while starting";
	WRITE_ONCE(e->state, ENGINE_OFF);
}

static bool engine_ready(struct engine *e)
{
	const struct timespec tick = { 0, 10 * 1000 * 1000 };
	u32 state;

	while ((state = READ_ONCE(e->state)) == ENGINE_STARTING) {
		if (READ_ONCE(e->mailbox) == MAILBOX_DEAD) {
			engine_died_at_start(e);
			return false;
		}
		sys_futex(&e->state, FUTEX_WAIT_PRIVATE, ENGINE_STARTING, &tick);
	}
	return state == ENGINE_READY;
}

/* Those that a read which nobody waited for was on its way to: reader_end(). */
static void reader_unmap(void)
{
	unsigned long at = smm.engine.files.reader.buffers;

	smm.engine.files.reader.buffers = 0;
	if (at && model_prepare(at, READER_BYTES) && !sys_munmap(at, READER_BYTES))
		mm_munmap(&smm.mm, at, READER_BYTES);
}

void engine_stop(void)
{
	struct engine *e = &smm.engine;

	/* Our children count on us to say why the kernel pages their memory. */
	if (smm.stat.forks || smm.stat.vforks)
		engine_ready(e);
	if (!e->ctl_pid)
		return;
	/* Who touches them afterwards is to find the file. */
	if (smm.mm.nr_hosts && engine_ready(e)) {
		/* What is written back must be, and its lease is on a file that others
		 * may have open as well. */
		if (smm.ending && !smm.mm.nr_written)
			engine_request(ENGINE_FILE_UNLINK, 0, 0, 0);
		else
			file_back(0, ~0UL & PAGE_MASK);
	}
	/* We may be killed ourselves before the end of this: then smm-ctl is gone, who
	 * else would remove it. */
	if (READ_ONCE(e->state) != ENGINE_STARTING)
		socket_unlink(e);
	/* Before the kills: who sees the other die must know that it was wanted. */
	__atomic_store_n(&e->stopping, 1, __ATOMIC_SEQ_CST);
	end_task(e->ctl_pid);
	/* smm-ctl can clone no more: fault_pid is final now. */
	end_task(READ_ONCE(e->fault_pid));
	socket_unlink(e);
	e->ctl_pid = e->fault_pid = 0;
	e->mm->mm_count = 1;
	WRITE_ONCE(e->state, ENGINE_OFF);
	rcu_forget_engine(&smm.mm.rcu);
	/* The kernel unregistered everything when the last descriptor went. */
	if (model_prepare(0, ~0UL))
		mm_set_uffd(&smm.mm, 0, ~0UL & PAGE_MASK, false);
	track_forget();
	reader_unmap();
	pool_unmap();
}

void engine_retire(const char *why)
{
	if (smm.retired || !engine_is_ours())
		return;
	life_lock();
	smm.retired = why;
	engine_stop();
	smm.engine.degraded = why;
	smm.mm.own_enabled = false;
	life_unlock();
}

#define SPINS_BEFORE_SLEEP 200

bool run_aside(void *stack_top, void (*fn)(void *arg), void *arg)
{
	return !sys_run_task(0, stack_top, fn, arg);
}

static bool done_without(enum engine_op op)
{
	return op == ENGINE_RESYNC || op == ENGINE_IMPORT || op == ENGINE_FILE_DROP ||
	       op == ENGINE_FILE_CLEAN;
}

/* Not for a program that must not find a child it does not know of. */
static long request_without_engine(struct engine *e)
{
	if (smm.retired || smm.pidns_changed || !engine_is_ours() ||
	    !done_without(e->request.op))
		return -ESRCH;
	e->request.result = -ESRCH;
	run_aside(e->stack_service + sizeof(e->stack_service), smm.serve_without_engine,
		  e);
	return e->request.result;
}

long engine_request(enum engine_op op, unsigned long start, unsigned long end, int reason)
{
	const struct timespec tick = { 0, 100 * 1000 * 1000 };
	struct engine *e = &smm.engine;
	u32 expected = MAILBOX_IDLE;
	bool ready = engine_ready(e);
	/* A request that nobody waited for (cow_forked()). */
	while (ready && __atomic_load_n(&e->mailbox, __ATOMIC_ACQUIRE) == MAILBOX_POSTED)
		sys_futex(&e->mailbox, FUTEX_WAIT, MAILBOX_POSTED, &tick);
	e->request.start = start;
	e->request.end = end;
	e->request.reason = reason;
	e->request.op = op;
	if (!ready) {
		smm.mm.own_enabled = false;
		return request_without_engine(e);
	}
	/* Publishes the request to service_task(). Fails if smm-ctl is dead. */
	if (!__atomic_compare_exchange_n(&e->mailbox, &expected, MAILBOX_POSTED, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return -ESRCH;
	sys_futex(&e->mailbox, FUTEX_WAKE, 1, NULL);
	for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
		if (__atomic_load_n(&e->mailbox, __ATOMIC_ACQUIRE) != MAILBOX_POSTED)
			return e->request.result;
		__builtin_ia32_pause();
	}
	while (__atomic_load_n(&e->mailbox, __ATOMIC_ACQUIRE) == MAILBOX_POSTED)
		sys_futex(&e->mailbox, FUTEX_WAIT, MAILBOX_POSTED, &tick);
	return e->request.result;
}

static void wait_busy(const u32 *busy_seq, const unsigned long *busy_start,
		      const unsigned long *busy_end, unsigned long start,
		      unsigned long end)
{
	u32 seq = __atomic_load_n(busy_seq, __ATOMIC_SEQ_CST);

	while ((seq & 1) && smm.engine.ctl_pid &&
	       __atomic_load_n(busy_seq, __ATOMIC_SEQ_CST) == seq &&
	       READ_ONCE(*busy_start) < end && READ_ONCE(*busy_end) > start)
		sys_sched_yield();
}

void engine_wait_range(unsigned long start, unsigned long end)
{
	const struct engine *e = &smm.engine;

	/* The cow task first: it may keep the fault tasks busy. */
	wait_busy(&e->cow.seq, &e->cow.busy_start, &e->cow.busy_end, start, end);
	for (int i = 0; i < FAULT_WORK_MAX; i++)
		wait_busy(&e->fault[i].seq, &e->fault[i].busy_start,
			  &e->fault[i].busy_end, start, end);
}

static void register_range(unsigned long start, unsigned long end)
{
	unsigned long s, t;
	bool private;

	if (!mm_next_to_register(&smm.mm, start, end, &s, &t))
		return;
	private = !vma_is_shmem(find_vma(&smm.mm, s));
	if (model_prepare(start, end - start) &&
	    !engine_request(ENGINE_REGISTER, start, end, 0) && private)
		pool_provide(end - start);
}

void own_range(unsigned long start, unsigned long end)
{
	if (!smm.mm.own_enabled || smm.mm.blind)
		return;
	register_range(start, end);
	track_range(start, end);
}

bool model_resync(void)
{
	return model_prepare(0, ~0UL) && !engine_request(ENGINE_RESYNC, 0, 0, 0);
}
