// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A fault answered on the faulter's own processor costs two context switches; on another
 * one it costs an interrupt, and often the end of its sleep, each way. The scheduler
 * prefers the idle processor, so we bind ourselves to the faulter's.
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/internal.h"
#include "lib/sys/procstat.h"
#include "lib/sys/sys.h"

#define LOOK_EVERY	  32 /* faults of one thread */
#define LOOK_EVERY_THREAD 8  /* faults, if they come from another thread */
#define MAX_CPUS	  1024

void place_init(struct place *p)
{
	*p = (struct place){ .cpu = -1, .faults = LOOK_EVERY - 1 };
}

/* The processor that thread @tid ran on last, or -1. Fault task: its own stack. */
static int processor_of(const struct engine *e, u32 tid)
{
	char path[40], buf[512];
	const char *s;
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/task/%u/stat", e->owner, tid);
	s = procstat_field(path, PROCSTAT_PROCESSOR, buf, sizeof(buf));
	return s ? (int)parse_ulong(&s, 10) : -1;
}

static void bind_to(struct place *p, int cpu)
{
	unsigned long mask[MAX_CPUS / 64] = { 0 };

	if (cpu < 0 || cpu >= MAX_CPUS) {
		p->failed = true;
		return;
	}
	mask[cpu / 64] = 1UL << cpu % 64;
	p->failed = sys_sched_setaffinity(0, sizeof(mask), mask) != 0;
	p->cpu = cpu;
}

void place_follow(struct place *p, const struct engine *e, u32 tid)
{
	int cpu;

	p->faults++;
	if (p->failed || !tid ||
	    p->faults < (tid == p->tid ? LOOK_EVERY : LOOK_EVERY_THREAD))
		return;
	p->tid = tid;
	p->faults = 0;
	cpu = processor_of(e, tid);
	if (cpu != p->cpu && cpu >= 0)
		bind_to(p, cpu);
}
