/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of lib/fault only. Context: a fault task. */
#ifndef SHADOWMM_FAULT_INTERNAL_H
#define SHADOWMM_FAULT_INTERNAL_H

#include <linux/userfaultfd.h>

#include "lib/base/engine.h"
#include "lib/mm/cow.h"
#include "lib/mm/fault_around.h"

/*
 * Move zeroed pages from the pool to [start, end) and wake who waits there; *@done bytes
 * are there afterwards. 0, -ENOBUFS (the pool has no more, or it does not pay), -EEXIST
 * (the page after *@done is present), or what else UFFDIO_MOVE answered.
 */
int pool_install(struct engine *e, unsigned long start, unsigned long end,
		 unsigned long *done);
/* @pages more have been installed: let the pool keep up with that. */
void pool_tend(struct engine *e, unsigned long pages);

struct fault_plan;
/*
 * Move huge pages to where @plan wants them, in order, and wake who waits there. The
 * bytes that are there now, from plan->huge_start on; 0: none, also where there would be
 * one without the kernel's having to split it. Fault task.
 */
unsigned long huge_install(struct engine *e, const struct fault_plan *plan);

/* Register what the model wants registered in [start, limit); 0, or the last error. The
 * service task, while a hook waits for it or with mmap_lock held. */
long register_range(struct engine *e, unsigned long start, unsigned long limit);

/* Start the pool task, if there is none. Any task of smm-fault. */
void pool_start(struct engine *e);
/* Nobody uses the pool when this returns, until @closed is 0 again. The service task. */
void pool_stop(struct engine *e);

/* Where a fault task runs: on the processor of the thread that faults. */
struct place {
	int cpu;      /* we are bound to it; -1: not bound */
	u32 tid;      /* of the thread that was looked at last */
	u32 faults;   /* since then */
	u32 moves;    /* times in a row that it had moved away from us */
	u32 patience; /* as many make us wait awake; doubled whenever that did not pay */
	u32 spin;     /* faults for which it pays to wait awake */
	u32 missed;   /* times in a row that it did not */
	u32 every;    /* in a team: faults between two looks */
	bool failed;  /* no way to find out, or to be bound */
};

struct fault_task;

void place_init(struct place *p);
/* Events from @fd as read(2) would give them, after waiting awake for a moment if that
 * has paid lately. */
long place_read(struct place *p, int fd, void *buf, size_t size);
/* Thread @tid has faulted, and there is one fault task. */
void place_follow(struct place *p, const struct engine *e, u32 tid);
/* Thread @tid has faulted; where another of the team is we do not go. */
void place_follow_in_team(struct fault_task *t, u32 tid);
/* The processor that thread @tid ran on last, or -1. */
int place_of(const struct engine *e, u32 tid);
/* Run on @cpu, and nowhere else. */
void place_bind(struct place *p, int cpu);

#define EVENTS_PER_READ 16

struct fault_task {
	struct fault_team *team;
	struct engine *e;
	struct fault_work *work; /* e->fault[nr] */
	unsigned int nr;
	struct place place;
	struct cow_streams cow; /* each has its own: windows are small */
	u32 creds_seen;
	int go_to; /* a processor to be bound to; -1: none. Holder of @changing, then
		    * the task */
	struct uffd_msg msg[EVENTS_PER_READ];
	size_t next, nr_msgs; /* events read and not answered yet: msg[next, nr_msgs) */
};

/* What a task is installing. */
struct fault_window {
	unsigned long start, end; /* @end 0: nothing */
	u32 wanted;		  /* somebody waits for a page of it */
};

/*
 * The fault tasks; see team.c. On the stack of the first. What is marked L is for who has
 * @lock, which is never waited for asleep, nor held across a system call.
 */
struct fault_team {
	struct engine *e;
	u32 lock;
	u32 awake;    /* tasks that read events: task[0, awake). Holder of @changing */
	u32 changing; /* a task is about to change @awake */
	/* Of the last events, see team.c; any task, relaxed: a guess is enough */
	u32 tid, before, events, turns, met;
	u32 quiet, skip, skipped;     /* rounds; holder of @changing */
	bool forced;		      /* the user wants so many; set once */
	bool failed;		      /* there can be no more; holder of @changing */
	struct fault_streams streams; /* L */
	struct fault_window window[FAULT_TASKS_MAX]; /* L, but to be closed without */
	struct fault_task task[FAULT_TASKS_MAX];
};

/* Before there is a service task. */
void team_init(struct fault_team *team, struct engine *e);
/* If the user has said how many tasks he wants: start them. */
void team_start(struct fault_team *team);
/* False: somebody else has it, and may be off his processor. */
bool team_trylock(struct fault_team *team);
void team_unlock(struct fault_team *team);
/* True: another task is bringing @page in, and will wake who waits for it. Holding the
 * lock. */
bool team_leave(const struct fault_task *t, unsigned long page);
/* The task is about to install [start, end). Holding the lock. */
void team_open_window(const struct fault_task *t, unsigned long start, unsigned long end);
/* It has, or has not been able to. */
void team_close_window(const struct fault_task *t);
/* A task of the team is bound to @cpu. */
bool team_covers(const struct fault_team *team, int cpu);
/* As place_read(), for a task of a team of any size. */
long team_read(struct fault_task *t);
/* An event of thread @tid is to be answered. */
void team_begin(struct fault_task *t, u32 tid);
/* An event of thread @tid has been answered. */
void team_follow(struct fault_task *t, u32 tid);
/* First code of a task but the first. @arg: struct fault_task. Never returns. */
void team_task(void *arg);
/* Read and answer for ever. */
void fault_loop(struct fault_task *t) __attribute__((noreturn));
/* Take over credentials that are new. */
void fault_follow_creds(struct fault_task *t);
/* Wait while the task is not needed. False: interrupted. */
bool team_needs(struct fault_task *t);

static inline bool team_is_one(const struct fault_team *team)
{
	return READ_ONCE(team->awake) == 1;
}

#endif
