// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A fault task: read an event, ask the model, answer. There is one, and others when that
 * pays (team.c).
 *
 *   fault_process -> fault_loop -> fault_event -> handle_mm_fault (lib/mm/fault.c)
 *                                       :-------> huge_install
 *                                       '-------> install_zero_pages -> pool_install
 *                                                               :-----> uffd_zero
 *                                                               '-----> uffd_zeropage
 *
 * It takes no lock that a hook may hold and waits for nobody but the kernel: a hook may
 * hold mmap_lock while its thread, or another, waits for a page.
 */
#include <linux/signal.h>

#include "lib/base/string.h"
#include "lib/fault/cow.h"
#include "lib/fault/fault.h"
#include "lib/fault/filemap.h"
#include "lib/fault/internal.h"
#include "lib/fault/shared.h"
#include "lib/mm/fault_around.h"
#include "lib/mm/mm.h"
#include "lib/sys/clone.h"
#include "lib/sys/creds.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

static void count_installed(struct engine *e, unsigned long bytes, int ret)
{
	stat_add(e->stat->pages_zeroed, bytes >> PAGE_SHIFT);
	if (ret == -EAGAIN)
		stat_inc(e->stat->copy_again);
	else if (ret == -EEXIST)
		stat_inc(e->stat->copy_exist);
	else if (ret)
		stat_inc(e->stat->copy_failed);
}

static int anon_install(struct engine *e, unsigned long start, unsigned long end,
			unsigned long *installed)
{
	unsigned long begin = start, done;
	int ret = pool_install(e, start, end, &done);

	start += done;
	/* The pool is dry, or will not do here: zeroes made here and now. */
	while (ret && ret != -EEXIST && start < end) {
		ret = uffd_zero(e->uffd, start, end, &done);
		start += done;
		if (ret != -EAGAIN)
			break;
		stat_inc(e->stat->copy_again);
	}
	*installed = start - begin;
	pool_tend(e, *installed >> PAGE_SHIFT);
	return ret;
}

/*
 * Install zeroes over [start, end), as much as the kernel lets us; what is already there
 * is left alone. Returns what happened to the first page. @plan: NULL, or where that is.
 */
static int install_zero_pages(struct engine *e, unsigned long start, unsigned long end,
			      const struct fault_plan *plan)
{
	unsigned long done;
	int ret;

	if (plan && plan->shmem)
		ret = uffd_zeropage(e->uffd, start, end, &done);
	else
		ret = anon_install(e, start, end, &done);
	count_installed(e, done, ret);
	if (plan && plan->stat)
		stat_add(plan->stat->populated, done >> PAGE_SHIFT);
	return done ? 0 : ret;
}

/* Of shared memory: another was faster, the area has changed, or its file, or changes. */
static bool is_passing(int ret)
{
	return ret == -EEXIST || ret == -ENOENT || ret == -EFAULT || ret == -EAGAIN ||
	       ret == -ESRCH;
}

/*
 * No memory, or no room in the file system (the kernel does not say which), or it makes
 * no pages for us: the whole area, which so stays one for the kernel, is the kernel's,
 * and it raises the SIGBUS. The model's flags stay as they are, since we have no lock;
 * that is what shmem_lost says.
 */
static void shmem_leave(struct engine *e, const struct fault_plan *plan)
{
	WRITE_ONCE(e->mm->shmem_lost, true);
	uffd_unregister(e->uffd, plan->area_start, plan->area_end);
	stat_inc(e->stat->unregistered);
}

/*
 * The kernel raised the event, so the access was legal and the page missing when it
 * happened: a zero page is right even if the model already knows of a later change. If
 * the area has gone the installation fails, the faulter is woken and the kernel decides
 * its retry. Without memory the area goes back to the kernel, whose fault path knows how
 * to run out of it (reclaim, OOM killer, SIGBUS).
 */
static void answer_page(struct engine *e, unsigned long page,
			const struct fault_plan *plan)
{
	int ret = install_zero_pages(e, page, page + PAGE_SIZE, plan);

	if (ret && plan && plan->shmem && !is_passing(ret))
		shmem_leave(e, plan);
	else if (ret == -ENOMEM)
		uffd_unregister(e->uffd, page, page + PAGE_SIZE);
	if (ret)
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
}

/*
 * The page of the fault first, then what follows it, then what precedes it. False: the
 * page was there already, or could not be installed.
 */
static bool do_anonymous_page(struct engine *e, unsigned long page,
			      const struct fault_plan *plan)
{
	int ret = install_zero_pages(e, page, plan->end, plan);

	if (ret == -EEXIST)
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
	else if (ret)
		answer_page(e, page, plan);
	else if (plan->start < page)
		install_zero_pages(e, plan->start, page, plan);
	return !ret;
}

static unsigned long event_page(const struct uffd_msg *msg)
{
	return msg->arg.pagefault.address & PAGE_MASK;
}

/*
 * The pages of a strided stream that come next. No faulter waits for them, so whoever
 * drops or unmaps memory meanwhile must: the busy range stays everything.
 */
static void install_strided(struct engine *e, unsigned long page,
			    const struct fault_plan *plan)
{
	for (unsigned int i = 0; i < plan->count; i++) {
		page += plan->stride;
		if (install_zero_pages(e, page, page + PAGE_SIZE, plan))
			break;
	}
}

/* False: the page of the fault is still missing. */
static bool install_huge_pages(struct fault_task *t, const struct fault_plan *plan)
{
	unsigned long done = huge_install(t->e, plan);

	if (!done)
		return false;
	count_installed(t->e, done, 0);
	if (plan->stat)
		stat_add(plan->stat->populated, done >> PAGE_SHIFT);
	if (plan->turn && team_trylock(t->team)) {
		fault_around_huge(&t->team->streams, plan, done);
		team_unlock(t->team);
	}
	return true;
}

/* With the huge pages that may take its place. */
static unsigned long window_start(const struct fault_plan *plan)
{
	return plan->huge_end ? min(plan->start, plan->huge_start) : plan->start;
}

static unsigned long window_end(const struct fault_plan *plan)
{
	return max(plan->end, plan->huge_end);
}

static void anonymous_fault(struct fault_task *t, unsigned long page,
			    const struct fault_plan *plan)
{
	if (plan->stat)
		stat_inc(plan->stat->faults);
	if (!plan->count) {
		WRITE_ONCE(t->work->busy_end, window_end(plan));
		WRITE_ONCE(t->work->busy_start, window_start(plan));
	}
	if (install_huge_pages(t, plan))
		return;
	if (do_anonymous_page(t->e, page, plan)) {
		install_strided(t->e, page, plan);
	} else if (plan->turn && team_trylock(t->team)) {
		fault_around_undo(&t->team->streams, plan);
		team_unlock(t->team);
	}
}

/* --- events ------------------------------------------------------------------------ */

/*
 * A page alone if the streams cannot be asked, because who does is off his processor.
 * False: it comes with another task's window, which wakes the faulter.
 */
static bool plan_fault(struct fault_task *t, unsigned long page, unsigned int flags,
		       struct fault_plan *plan, enum fault_verdict *verdict)
{
	struct fault_team *team = t->team;
	struct engine *e = t->e;

	if (!team_trylock(team)) {
		*verdict = handle_mm_fault(e->mm, page, flags, 1, NULL, plan);
		plan->huge_start = plan->huge_end = 0;
		return true;
	}
	if (team_leave(t, page)) {
		team_unlock(team);
		return false;
	}
	*verdict =
		handle_mm_fault(e->mm, page, flags, e->opt.around, &team->streams, plan);
	if (*verdict == FAULT_ZERO && !plan->count)
		team_open_window(t, window_start(plan), window_end(plan));
	team_unlock(team);
	return true;
}

static void answer(struct fault_task *t, unsigned long page, unsigned int flags,
		   enum fault_verdict verdict, const struct fault_plan *plan)
{
	struct engine *e = t->e;

	switch (verdict) {
	case FAULT_ZERO:
		anonymous_fault(t, page, plan);
		break;
	case FAULT_STALE:
		stat_inc(e->stat->faults_stale);
		answer_page(e, page, NULL);
		break;
	case FAULT_FILE:
		if (plan->file.mapping->written)
			shared_fault(e, page, flags, &plan->file);
		else
			filemap_fault(e, page, flags & FAULT_FLAG_MINOR, &plan->file);
		break;
	case FAULT_RETRY:
	case FAULT_FOREIGN:
		stat_inc(e->stat->faults_stale);
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
		break;
	}
}

static void fault_event(struct fault_task *t, const struct uffd_msg *msg)
{
	bool write = msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE;
	bool minor = msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR;
	unsigned int flags =
		(write ? FAULT_FLAG_WRITE : 0) | (minor ? FAULT_FLAG_MINOR : 0);
	unsigned long page = event_page(msg);
	struct engine *e = t->e;
	enum fault_verdict verdict;
	struct fault_plan plan;
	int token = mm_read_lock_engine(e->mm);

	stat_inc(e->stat->faults);
	if (write)
		stat_inc(e->stat->faults_write);
	if (plan_fault(t, page, flags, &plan, &verdict)) {
		answer(t, page, flags, verdict, &plan);
		team_close_window(t);
	}
	mm_read_unlock(e->mm, token);
}

/*
 * From here to fault_end() a hook that unmaps or drops pages waits for us
 * (engine_wait_range()), unless we have said by the range that we are elsewhere. The
 * increments are full barriers: we are seen to be busy before we look at the model. Also
 * read by untouched_meanwhile().
 */
static void fault_begin(struct fault_task *t)
{
	WRITE_ONCE(t->work->busy_start, 0);
	WRITE_ONCE(t->work->busy_end, ~0UL);
	__atomic_fetch_add(&t->work->seq, 1, __ATOMIC_SEQ_CST);
}

static void fault_end(struct fault_task *t)
{
	__atomic_fetch_add(&t->work->seq, 1, __ATOMIC_SEQ_CST);
}

static void fault_events(struct fault_task *t)
{
	while (t->next < t->nr_msgs) {
		const struct uffd_msg msg = t->msg[t->next++];

		team_begin(t, msg.arg.pagefault.feat.ptid);
		fault_begin(t);
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			;
		else if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP &&
			 file_is_leaving(t->e, event_page(&msg)))
			; /* he is woken when it has left */
		else if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			do_wp_page(t->e, event_page(&msg), &t->cow,
				   (struct cow_writer){ t->place.cpu,
							msg.arg.pagefault.feat.ptid });
		else
			fault_event(t, &msg);
		fault_end(t);
		t->work->events++;
		/* Answered first: the faulter need not wait for this. */
		team_follow(t, msg.arg.pagefault.feat.ptid);
	}
}

void fault_follow_creds(struct fault_task *t)
{
	struct engine *e = t->e;
	u32 seq = __atomic_load_n(&e->creds_seq, __ATOMIC_SEQ_CST);

	if (seq == t->creds_seen)
		return;
	t->creds_seen = seq;
	creds_take(e);
	engine_ack_creds(e, &t->work->creds_done, seq);
}

void fault_loop(struct fault_task *t)
{
	for (;;) {
		long n;

		fault_follow_creds(t);
		n = team_needs(t) ? team_read(t) : -EINTR;

		t->next = 0;
		t->nr_msgs = n > 0 ? (size_t)n / sizeof(t->msg[0]) : 0;
		if (n > 0)
			fault_events(t);
		if (n < 0 && n != -EINTR && n != -EAGAIN)
			engine_fail_stop(t->e);
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Let FAULT_SIGNAL interrupt read(2); nothing else reaches this process. */
static long arm_signal(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		u64 mask;
	} sa = { on_signal, 0x04000000 /* SA_RESTORER */, sys_restorer, 0 };
	const u64 open = ~(1ULL << (FAULT_SIGNAL - 1));
	long ret = sys_rt_sigaction(FAULT_SIGNAL, &sa, NULL);

	return ret ? ret : sys_rt_sigprocmask(SMM_SIG_SETMASK, &open, NULL);
}

void fault_process(void *arg)
{
	struct engine *e = arg;
	struct fault_team team;
	long tid;

	sys_prctl(PR_SET_NAME, "smm-fault", 0, 0, 0);
	sys_setsid();
	team_init(&team, e);
	tid = arm_signal();
	if (!tid)
		tid = sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					     CLONE_THREAD | CLONE_SYSVSEM |
					     CLONE_PARENT_SETTID,
				     e->stack_service + sizeof(e->stack_service),
				     &e->service_tid, NULL, service_task, e);
	if (tid < 0)
		sys_exit_group(1); /* smm-ctl sees it and goes on without us */
	team_start(&team);
	fault_loop(&team.task[0]);
}
