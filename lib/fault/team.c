// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How many fault tasks there are. One can answer no more faults than one processor has
 * time for, so several threads that fault at once would be no faster than one of them.
 * But every reader of a userfaultfd is woken by every event, so a second one costs, and
 * there is none unless it pays:
 *
 *	grow	often another thread than before, and it runs on a processor where none
 *		of our tasks is: one more, bound to that processor. The third and fourth
 *		only if events find all the others at work.
 *	shrink	for a while always the same thread (or events find the third idle): the
 *		last task sleeps on its own futex until it is wanted again.
 *
 * Tasks [0, awake) read. Each answers what it gets, whoever faulted: most often that is
 * the one on the faulter's processor, which is there first. They share the streams.
 */
#include "lib/fault/fault.h"
#include "lib/fault/internal.h"
#include "lib/sys/clone.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define LOCK_SPINS 64
#define ROUND	   16 /* events that are judged together */
#define OFTEN	   4  /* of them */
#define QUIET	   8  /* rounds in a row before there is one less */
#define SKIP_MAX   32 /* rounds without a look where there was no place for one more */

bool team_trylock(struct fault_team *team)
{
	for (int i = 0; i < LOCK_SPINS; i++) {
		if (!__atomic_exchange_n(&team->lock, 1, __ATOMIC_ACQUIRE))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

void team_unlock(struct fault_team *team)
{
	__atomic_store_n(&team->lock, 0, __ATOMIC_RELEASE);
}

/*
 * Windows. A faulter that has overtaken the task that brings pages in for it, or another
 * thread in the same stream, faults where a page is about to come. To bring that page in
 * at once would end the window there (-EEXIST), so the event is left to the window's
 * task:
 *
 *	who has read it		wanted = 1; is the window open still? If not: answer
 *	the window's task	window closed; wanted? Then wake all who wait in it
 *
 * The faulter has been in the kernel's queue since before its event was read, so it hears
 * of that, and finds its page, or faults again. Opened with the lock held, so that the
 * window that is looked at does not become another one meanwhile.
 */
bool team_leave(const struct fault_task *t, unsigned long page)
{
	for (u32 i = 0; i < FAULT_TASKS_MAX; i++) {
		struct fault_window *w = &t->team->window[i];

		if (i == t->nr || page < READ_ONCE(w->start) || page >= READ_ONCE(w->end))
			continue;
		__atomic_store_n(&w->wanted, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&w->end, __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

void team_open_window(const struct fault_task *t, unsigned long start, unsigned long end)
{
	struct fault_window *w = &t->team->window[t->nr];

	WRITE_ONCE(w->wanted, 0);
	WRITE_ONCE(w->start, start);
	WRITE_ONCE(w->end, end);
}

void team_close_window(const struct fault_task *t)
{
	struct fault_window *w = &t->team->window[t->nr];
	unsigned long end = w->end;

	if (!end)
		return;
	__atomic_store_n(&w->end, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->wanted, __ATOMIC_SEQ_CST))
		uffd_wake(t->e->uffd, w->start, end);
}

bool team_covers(const struct fault_team *team, int cpu)
{
	for (u32 i = 0; i < READ_ONCE(team->awake); i++)
		if (READ_ONCE(team->task[i].place.cpu) == cpu)
			return true;
	return false;
}

static u32 most(const struct fault_team *team)
{
	u32 wanted = team->e->opt.fault_tasks;

	return wanted ? wanted : FAULT_TASKS_MAX;
}

static void task_init(struct fault_team *team, u32 nr)
{
	struct fault_task *t = &team->task[nr];

	*t = (struct fault_task){ .team = team,
				  .e = team->e,
				  .work = &team->e->fault[nr],
				  .nr = nr,
				  .go_to = -1 };
	place_init(&t->place);
}

/*
 * follow_creds() (service.c) raises creds_seq and then looks who there is; we say that
 * there is one more and then look at creds_seq. So either it waits for the new task,
 * which compares before it sleeps, or the new task is born with the new credentials.
 */
static bool start_task(struct fault_task *by, u32 nr)
{
	struct engine *e = by->e;
	struct fault_work *w = &e->fault[nr];

	__atomic_store_n(&w->started, 1, __ATOMIC_SEQ_CST);
	fault_follow_creds(by);
	by->team->task[nr].creds_seen = by->creds_seen;
	if (sys_clone_task(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				   CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID,
			   e->stack_helper[nr - 1] + sizeof(e->stack_helper[0]), &w->tid,
			   NULL, team_task, &by->team->task[nr]) < 0) {
		__atomic_store_n(&w->started, 0, __ATOMIC_SEQ_CST);
		return false;
	}
	return true;
}

/* One more, on @cpu, or where it likes: -1. Holder of @changing. */
static void grow(struct fault_task *by, int cpu)
{
	struct fault_team *team = by->team;
	u32 nr = team->awake;
	struct fault_work *w = &team->e->fault[nr];

	if (!w->started)
		task_init(team, nr);
	/* It binds itself, when it comes to that. */
	WRITE_ONCE(team->task[nr].go_to, cpu);
	WRITE_ONCE(team->task[nr].place.cpu, cpu);
	WRITE_ONCE(team->awake, nr + 1);
	if (!w->started && !start_task(by, nr)) {
		WRITE_ONCE(team->awake, nr);
		WRITE_ONCE(team->failed, true);
		return;
	}
	stat_inc(team->e->stat->fault_helped);
	__atomic_store_n(&w->parked, 0, __ATOMIC_SEQ_CST);
	sys_futex(&w->parked, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/* One less. The signal takes it out of read(2); if it comes just before, the task reads
 * on until it has answered one more event. Holder of @changing. */
static void shrink(struct fault_team *team)
{
	struct engine *e = team->e;
	u32 nr = team->awake - 1;

	__atomic_store_n(&e->fault[nr].parked, 1, __ATOMIC_SEQ_CST);
	WRITE_ONCE(team->awake, nr);
	sys_tgkill(e->fault_pid, e->fault[nr].tid, FAULT_SIGNAL);
}

static bool may_change(struct fault_team *team)
{
	return !team->forced &&
	       !__atomic_exchange_n(&team->changing, 1, __ATOMIC_ACQUIRE);
}

static void changed(struct fault_team *team)
{
	__atomic_store_n(&team->changing, 0, __ATOMIC_RELEASE);
}

static bool all_others_busy(const struct fault_task *t)
{
	for (u32 i = 0; i < READ_ONCE(t->team->awake); i++)
		if (i != t->nr && !(READ_ONCE(t->e->fault[i].seq) & 1))
			return false;
	return true;
}

void team_begin(struct fault_task *t, u32 tid)
{
	struct fault_team *team = t->team;

	if (tid != READ_ONCE(team->tid)) {
		stat_inc(team->turns);
		WRITE_ONCE(team->before, READ_ONCE(team->tid));
		WRITE_ONCE(team->tid, tid);
	}
	if (!team_is_one(team) && all_others_busy(t))
		stat_inc(team->met);
	stat_inc(team->events);
}

/* Where thread @tid runs, if no task of ours is there; or -1. */
static int free_place(const struct fault_team *team, u32 tid)
{
	int cpu = tid ? place_of(team->e, tid) : -1;

	return cpu >= 0 && !team_covers(team, cpu) ? cpu : -1;
}

/* Holder of @changing. */
static void consider_growing(struct fault_task *t)
{
	struct fault_team *team = t->team;
	int cpu;

	if (team->skip) {
		team->skip--;
		return;
	}
	cpu = free_place(team, READ_ONCE(team->tid));
	/* A single task has gone where the last one is. */
	if (cpu < 0)
		cpu = free_place(team, READ_ONCE(team->before));
	if (cpu >= 0) {
		grow(t, cpu);
		team->skipped = 0;
	} else {
		team->skipped = min(2 * team->skipped + 1, (u32)SKIP_MAX);
		team->skip = team->skipped;
	}
}

/* Holder of @changing. */
static void judge(struct fault_task *t)
{
	struct fault_team *team = t->team;
	u32 turns = READ_ONCE(team->turns), met = READ_ONCE(team->met);
	bool quiet = !turns || (team->awake > 2 && !met);

	WRITE_ONCE(team->turns, 0);
	WRITE_ONCE(team->met, 0);
	team->quiet = quiet ? team->quiet + 1 : 0;
	if (turns >= OFTEN && (team->awake == 1 || met >= OFTEN) &&
	    team->awake < most(team) && !team->failed && !t->place.failed)
		consider_growing(t);
	else if (team->quiet >= QUIET && team->awake > 1)
		shrink(team);
}

void team_follow(struct fault_task *t, u32 tid)
{
	struct fault_team *team = t->team;

	if (team_is_one(team))
		place_follow(&t->place, t->e, tid);
	else
		place_follow_in_team(t, tid);
	if (READ_ONCE(team->events) < ROUND || !may_change(team))
		return;
	WRITE_ONCE(team->events, 0);
	judge(t);
	changed(team);
}

long team_read(struct fault_task *t)
{
	if (team_is_one(t->team))
		return place_read(&t->place, t->e->uffd, t->msg, sizeof(t->msg));
	/* What one does not take is for the others. */
	return sys_read(t->e->uffd, t->msg, sizeof(t->msg[0]));
}

bool team_needs(struct fault_task *t)
{
	int cpu;

	if (__atomic_load_n(&t->work->parked, __ATOMIC_SEQ_CST)) {
		sys_futex(&t->work->parked, FUTEX_WAIT_PRIVATE, 1, NULL);
		return false;
	}
	cpu = __atomic_exchange_n(&t->go_to, -1, __ATOMIC_RELAXED);
	if (cpu >= 0) {
		place_init(&t->place);
		place_bind(&t->place, cpu);
	}
	return true;
}

void team_task(void *arg)
{
	struct fault_task *t = arg;

	sys_prctl(PR_SET_NAME, "smm-fault", 0, 0, 0);
	engine_ack_creds(t->e, &t->work->creds_done, t->creds_seen);
	fault_loop(t);
}

void team_init(struct fault_team *team, struct engine *e)
{
	*team = (struct fault_team){ .e = e, .awake = 1 };
	team->forced = e->opt.fault_tasks > 0;
	task_init(team, 0);
	team->task[0].creds_seen = READ_ONCE(e->creds_seq);
	WRITE_ONCE(e->fault[0].tid, e->fault_pid);
	__atomic_store_n(&e->fault[0].started, 1, __ATOMIC_SEQ_CST);
}

void team_start(struct fault_team *team)
{
	while (team->forced && team->awake < most(team) && !team->failed)
		grow(&team->task[0], -1);
}
