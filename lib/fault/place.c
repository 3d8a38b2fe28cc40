// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A fault answered on the faulter's own processor costs two context switches; on another
 * one it costs an interrupt, and often the end of its sleep, each way. The scheduler
 * prefers the idle processor, so we bind ourselves to the faulter's.
 *
 * That holds as long as no other processor is idle: where we run when we wake the
 * faulter, it cannot, so the scheduler moves it to an idle one, and after each move of
 * ours it moves again. Then we stay where we are and wait for the next event awake for a
 * moment: half of what a fault costs across processors is the end of their sleep.
 *
 * Where several tasks answer (team.c) each has a processor, and the scheduler has nowhere
 * to move a faulter to that would not have one of us.
 */
#include <linux/fs.h>
#include <linux/uio.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/internal.h"
#include "lib/sys/procstat.h"
#include "lib/sys/sys.h"

#define LOOK_EVERY	  32   /* faults of one thread */
#define LOOK_EVERY_THREAD 8    /* faults, if they come from another thread */
#define LOOK_SELDOM	  1024 /* where all processors have their task */
#define MAX_CPUS	  1024
#define MOVES		  2 /* in a row: it will always move */
#define MOVES_MAX	  4096
#define SPIN_FAULTS	  16384 /* before we try again to run where it does */
#define SPIN_READS	  128	/* 40 us; waking up takes as long */
#define SPIN_MISSES	  16	/* in a row: faults are too rare for it */

void place_init(struct place *p)
{
	*p = (struct place){ .cpu = -1,
			     .faults = LOOK_EVERY - 1,
			     .patience = MOVES,
			     .every = LOOK_EVERY };
}

/* Fault task: its own stack. */
int place_of(const struct engine *e, u32 tid)
{
	char path[40], buf[512];
	const char *s;
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/task/%u/stat", e->owner, tid);
	s = procstat_field(path, PROCSTAT_PROCESSOR, buf, sizeof(buf));
	return s ? (int)parse_ulong(&s, 10) : -1;
}

void place_bind(struct place *p, int cpu)
{
	unsigned long mask[MAX_CPUS / 64] = { 0 };

	if (cpu < 0 || cpu >= MAX_CPUS) {
		p->failed = true;
		return;
	}
	mask[cpu / 64] = 1UL << cpu % 64;
	p->failed = sys_sched_setaffinity(0, sizeof(mask), mask) != 0;
	WRITE_ONCE(p->cpu, p->failed ? -1 : cpu);
}

/* Without sleeping; not in the headers of 6.1: userfaultfd takes it since Linux 6.10. */
static long read_nowait(int fd, void *buf, size_t size)
{
	const struct iovec iov = { buf, size };

	return sys_preadv2(fd, &iov, 1, RWF_NOWAIT);
}

long place_read(struct place *p, int fd, void *buf, size_t size)
{
	long n = -EAGAIN;

	for (int i = 0; p->spin && n == -EAGAIN && i < SPIN_READS; i++) {
		n = read_nowait(fd, buf, size);
		__builtin_ia32_pause();
	}
	if (n > 0) {
		p->spin--;
		p->missed = 0;
		return n;
	}
	/* -EOPNOTSUPP: a kernel before 6.10 */
	if (p->spin && (n != -EAGAIN || ++p->missed == SPIN_MISSES)) {
		p->spin = p->missed = p->moves = 0;
		p->patience = min(2 * p->patience, (u32)MOVES_MAX);
	}
	return sys_read(fd, buf, size);
}

void place_follow(struct place *p, const struct engine *e, u32 tid)
{
	bool same;
	int cpu;

	p->faults++;
	if (p->failed || !tid || p->spin ||
	    p->faults < (tid == p->tid ? LOOK_EVERY : LOOK_EVERY_THREAD))
		return;
	same = tid == p->tid;
	p->tid = tid;
	p->faults = 0;
	cpu = place_of(e, tid);
	/* Threads that take turns need the other processor for themselves. */
	p->moves = cpu != p->cpu && p->cpu >= 0 && same ? p->moves + 1 : 0;
	if (p->moves >= p->patience)
		p->spin = SPIN_FAULTS;
	else if (cpu != p->cpu && cpu >= 0)
		place_bind(p, cpu);
}

void place_follow_in_team(struct fault_task *t, u32 tid)
{
	struct place *p = &t->place;
	int cpu;

	if (p->failed || !tid || ++p->faults < p->every)
		return;
	p->faults = 0;
	cpu = place_of(t->e, tid);
	if (cpu < 0 || team_covers(t->team, cpu)) {
		p->every = min(2 * p->every, (u32)LOOK_SELDOM);
		return;
	}
	place_bind(p, cpu);
	p->every = LOOK_EVERY;
}
