// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The service task: does for a hook what needs the engine's descriptors. The hook holds
 * mmap_lock and waits, so the task may change the model in its stead.
 */
#include <linux/capability.h>
#include <linux/poll.h>
#include <linux/signal.h>

#include "lib/base/string.h"
#include "lib/fault/cow.h"
#include "lib/fault/dirty.h"
#include "lib/fault/fault.h"
#include "lib/fault/filemap.h"
#include "lib/fault/internal.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/procmaps.h"
#include "lib/sys/sockpath.h"
#include "lib/sys/clone.h"
#include "lib/sys/creds.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define FAIL_STOP_MS 10000 /* for a program in a call that cannot be killed */

void engine_fail_stop(struct engine *e)
{
	struct pollfd dead = { .fd = e->owner_pidfd, .events = POLLIN };

	if (!READ_ONCE(e->stopping) && READ_ONCE(e->state) != ENGINE_STARTING) {
		sys_pidfd_send_signal(e->owner_pidfd, SIGKILL);
		shared_flush(e);
		socket_unlink(e);
		/* Without the userfaultfd, which ends with us, a system call that is
		 * copying from an area of a file would go on with zeroes. */
		sys_poll(&dead, 1, FAIL_STOP_MS);
	}
	sys_exit_group(1);
	__builtin_unreachable();
}

/* No fault task has installed anything since the hook took the lock (engine.h). */
static bool untouched_meanwhile(struct engine *e)
{
	return fault_seq_sum(e) == e->seq_at_lock && !fault_work_busy(e);
}

static int register_area(struct engine *e, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);

	if (vma && vma->vm_file && vma->vm_file->host)
		return uffd_register_file(e->uffd, start, end);
	return uffd_register(e->uffd, start, end,
			     e->mm->own_wp && !(vma && vma_is_shmem(vma)));
}

/*
 * Each area is a change of its own. What it replaces stays as long as a reader that was
 * there before, the fault task say, and that may be taken off its processor for many
 * changes: so what the hook reserved for one change over all areas is not enough, and
 * we reserve again for each.
 */
long register_range(struct engine *e, unsigned long start, unsigned long limit)
{
	unsigned long end;
	long ret = 0;

	while (mm_next_to_register(e->mm, start, limit, &start, &end)) {
		int err;

		if (e->reserve(start, end - start))
			return -ENOMEM; /* the kernel pages the rest */
		err = register_area(e, start, end);
		if (err) {
			/* It may be registered in the lesser mode. */
			uffd_unregister(e->uffd, start, end);
			stat_inc(e->stat->register_failed);
			mm_set_track(e->mm, start, end, TRACK_REFUSED);
			ret = err;
		} else {
			stat_inc(e->stat->registered);
			mm_set_uffd(e->mm, start, end, true);
			if (!untouched_meanwhile(e))
				mm_doubt(e->mm, start, end);
		}
		start = end;
	}
	return ret;
}

static long release_range(struct engine *e, unsigned long start, unsigned long limit)
{
	struct vm_area_struct *vma;
	long ret = 0;

	file_give_back(e, start, limit, TRACK_FILE_LEFT);
	while (start < limit) {
		unsigned long s, t;
		int token;

		/* As in register_range(). If there is no memory the kernel's side goes
		 * on: the program may be about to register the range itself. */
		e->reserve(start, PAGE_SIZE);
		token = mm_read_lock_engine(e->mm);
		vma = find_vma_intersection(e->mm, start, limit);
		s = vma ? max(vma->vm_start, start) : 0;
		t = vma ? min(vma->vm_end, limit) : 0;
		if (vma && (vma->vm_flags & VM_UFFD_MISSING)) {
			ret = uffd_unregister(e->uffd, s, t);
			stat_inc(e->stat->unregistered);
			mm_set_uffd(e->mm, s, t, false);
		} else if (vma && (vma->vm_flags & VM_UFFD_TRACK)) {
			dirty_release(e, s, t);
		}
		mm_read_unlock(e->mm, token);
		if (!vma)
			break;
		start = t;
	}
	return ret;
}

static long unregister_range(struct engine *e, unsigned long start, unsigned long limit)
{
	long ret = release_range(e, start, limit);

	mm_set_track(e->mm, start, limit, (enum track_reason)e->request.reason);
	return ret;
}

/* Call @func for each area of the kernel's list that meets [start, end). */
static long for_each_kernel_area(struct engine *e, unsigned long start, unsigned long end,
				 void (*func)(struct engine *e, struct area_desc *d,
					      void *arg),
				 void *arg)
{
	struct procmaps p;
	struct area_desc d;
	int ret = procmaps_open(&p);

	if (ret)
		return ret;
	while ((ret = procmaps_next(&p, &d)) > 0)
		if (d.end > start && d.start < end)
			func(e, &d, arg);
	procmaps_close(&p);
	return ret;
}

static void import_file(struct engine *e, struct area_desc *d, void *arg)
{
	(void)arg;
	mm_adopt_file(e->mm, d);
}

static void verify_area(struct engine *e, struct area_desc *d, void *arg)
{
	(void)e;
	mm_verify_area(arg, d);
}

static long resync(struct engine *e)
{
	struct mm_verify v;
	long ret;

	stat_inc(e->stat->resyncs);
	mm_verify_begin(&v, e->mm);
	v.repair = true;
	ret = for_each_kernel_area(e, 0, ~0UL, verify_area, &v);
	if (!ret)
		mm_verify_end(&v);
	return ret;
}

long engine_task(char *stack_end, void (*fn)(void *arg), struct engine *e)
{
	const u64 all = ~0ULL;
	u64 old;
	long tid;

	sys_rt_sigprocmask(SMM_SIG_SETMASK, &all, &old);
	tid = sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				     CLONE_THREAD | CLONE_SYSVSEM,
			     stack_end, NULL, NULL, fn, e);
	sys_rt_sigprocmask(SMM_SIG_SETMASK, &old, NULL);
	return tid;
}

void engine_ack_creds(struct engine *e, u32 *done, u32 seq)
{
	__atomic_store_n(done, seq, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&e->creds_acks, 1, __ATOMIC_RELEASE);
	sys_futex(&e->creds_acks, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/*
 * Each fault task and smm-ctl have credentials of their own. A fault task that is being
 * started has them of the one that starts it: see start_task().
 */
static bool all_follow(struct engine *e)
{
	bool all = READ_ONCE(e->creds_ctl) == e->creds_seq;

	for (int i = 0; i < FAULT_TASKS_MAX; i++)
		if (__atomic_load_n(&e->fault[i].started, __ATOMIC_SEQ_CST))
			all &= READ_ONCE(e->fault[i].creds_done) == e->creds_seq;
	return all;
}

/* Out of read(2), or of the futex of who is not needed. One that is just being started,
 * and has no id yet, looks before it waits. */
static void call_fault_tasks(struct engine *e)
{
	for (int i = 0; i < FAULT_TASKS_MAX; i++) {
		int tid = READ_ONCE(e->fault[i].tid);

		if (tid)
			sys_tgkill(e->fault_pid, tid, FAULT_SIGNAL);
	}
}

/*
 * Those that may be at a disk, or with nothing to do: they are woken, and follow before
 * they do anything else (creds_follow()), but are not waited for.
 */
static void call_other_tasks(struct engine *e)
{
	if (e->files.lease_tid)
		sys_tgkill(e->fault_pid, e->files.lease_tid, FAULT_SIGNAL);
	bell_ring(&e->files.populate.bell);
	bell_ring(&e->files.reader.bell);
	bell_ring(&e->pool.bell);
	bell_ring(&e->cow.bell);
}

static long follow_creds(struct engine *e)
{
	const struct timespec tick = { 0, 100 * 1000 * 1000 };
	const u64 one = 1;

	__atomic_fetch_add(&e->creds_seq, 1, __ATOMIC_SEQ_CST);
	call_other_tasks(e);
	sys_write(e->wake_fd, &one, sizeof(one));
	creds_take(e);
	for (int i = 0; i <= 20; i++) {
		u32 acks = __atomic_load_n(&e->creds_acks, __ATOMIC_ACQUIRE);

		if (all_follow(e))
			return 0;
		call_fault_tasks(e);
		sys_futex(&e->creds_acks, FUTEX_WAIT_PRIVATE, acks, &tick);
	}
	return -ETIMEDOUT;
}

static long serve(struct engine *e)
{
	unsigned long start = e->request.start, end = e->request.end;

	switch (e->request.op) {
	case ENGINE_REGISTER:
		return register_range(e, start, end);
	case ENGINE_UNREGISTER:
		return unregister_range(e, start, end);
	case ENGINE_RELEASE:
		return release_range(e, start, end);
	case ENGINE_IMPORT:
		return for_each_kernel_area(e, start, end, import_file, NULL);
	case ENGINE_RESYNC:
		return resync(e);
	case ENGINE_POOL_START:
		huge_prepare(e);
		pool_start(e);
		return 0;
	case ENGINE_POOL_STOP:
		pool_stop(e);
		return 0;
	case ENGINE_CREDS:
		return follow_creds(e);
	case ENGINE_FILE_MAP:
		return file_convert(e, start, end);
	case ENGINE_FILE_BACK:
		file_give_back(e, start, end, (enum track_reason)e->request.reason);
		file_clean(e);
		return 0;
	case ENGINE_FILE_DROP:
		file_drop(e, start, end);
		file_clean(e);
		return 0;
	case ENGINE_FILE_CLEAN:
		file_clean(e);
		return 0;
	case ENGINE_TRACK:
		return dirty_track(e, start, end);
	case ENGINE_TRACK_ANEW:
		dirty_anew(e, start, end);
		return 0;
	case ENGINE_TRACK_HOLD:
		dirty_hold(e, start, end);
		return 0;
	case ENGINE_TRACK_MOVED:
		return dirty_moved(e, start, end);
	case ENGINE_FILE_UNLINK:
		mapping_unlink_all(e);
		return 0;
	case ENGINE_FILE_INHERIT:
		file_inherit(e);
		return 0;
	case ENGINE_FILE_POPULATE:
		return populate_later(e, start, end);
	case ENGINE_SHARED_SYNC:
		return shared_sync(e, start, end, e->request.reason);
	case ENGINE_FORKED:
		return 0; /* service_task() looks at cow.forks after every request */
	}
	return -EINVAL;
}

void serve_without_engine(void *arg)
{
	struct engine *e = arg;
	e->request.result = serve(e);
}

void service_task(void *arg)
{
	struct engine *e = arg;
	struct cow_pass pass = { .state = COW_PASS_IDLE };
	u32 expected;

	for (;;) {
		struct timespec wait;

		u32 word = __atomic_load_n(&e->mailbox, __ATOMIC_ACQUIRE);

		if (word == MAILBOX_DEAD)
			engine_fail_stop(e);
		if (word == MAILBOX_IDLE) {
			enum cow_wait cow = cow_pass(e, &pass, &wait);

			if (cow == COW_MORE)
				continue;
			/* Not PRIVATE: the kernel's wake at the death of smm-ctl is not.
			 */
			sys_futex(&e->mailbox, FUTEX_WAIT, MAILBOX_IDLE,
				  cow == COW_LATER ? &wait : NULL);
			continue;
		}
		e->request.result = serve(e);
		/* Pairs with the acquire in engine_request(). Fails if smm-ctl died. */
		expected = MAILBOX_POSTED;
		__atomic_compare_exchange_n(&e->mailbox, &expected, MAILBOX_IDLE, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		sys_futex(&e->mailbox, FUTEX_WAKE, 1, NULL);
	}
}
