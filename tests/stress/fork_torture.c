// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: fork_torture [--seconds N] [--seed N] [--processes N] [--operations N]
 *                     [--mask BITS] [--areas BITS] [--threads N] [--sabotage
 * drop|stale|leak]
 *
 * Runs trees of processes until the time is over, with seeds that count up, and prints a
 * line for each. The first wrong byte ends it: process, address, expected, found and the
 * history of the page are printed; then smaller trees that still fail are looked for.
 * Status: 0; 1 something was wrong; 2 usage. No process outlives this one, even if it is
 * killed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/stress/fork_torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TREE_SECONDS   120 /* for one tree; a loaded machine may be slow */
#define SHRINK_SECONDS 60
#define SHRINK_TRIES   4

static char true_path[] = "/bin/true";
static char *const true_argv[] = { true_path, NULL };

/* The process that ends the tree if we are killed, and the pipe to it. */
static pid_t watcher;
static int watched;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "fork_torture: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- the plan ---------------------------------------------------------------------- */

/* Depth comes from choosing the parent among the latest rather than among all. */
static void make_plans(void)
{
	uint64_t random = arena->with.seed;

	for (int i = 0; i < (int)arena->with.processes; i++) {
		struct plan *plan = &arena->process[i].plan;
		int back = next_random(&random) % 3 ? 4 : PROCESSES;
		uint64_t r = next_random(&random);

		if (back > i)
			back = i;
		plan->parent = i ? i - 1 - (int)(r % (uint64_t)back) : -1;
		plan->fork_at = (uint32_t)(r >> 8) % arena->with.operations;
		plan->ending = (r >> 40) % 8 == 0   ? KILL
			       : (r >> 40) % 8 == 1 ? EXEC
						    : EXIT;
		plan->waits = (r >> 48) % 2;
		plan->by = (int)((r >> 52) % 3);
		arena->process[i].rng = next_random(&random);
	}
}

/* --- processes of the tree
 * --------------------------------------------------------------- */

static pid_t fork_by(int how)
{
	if (how == 1)
		return (pid_t)syscall(SYS_fork);
	if (how == 2)
		return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	return fork();
}

static void live(void);

static void begin(struct process *child)
{
	struct process *parent = me;

	me = child;
	me->pid = (pid_t)syscall(SYS_getpid);
	atomic_store(&me->begun, 1);
	inherit_hots(parent);
	note(START, 0, 0, 0, 0, 0, 0);
	live();
}

static void fork_child(struct process *child)
{
	pid_t pid;

	inherit(child);
	note(FORK, 0, 0, 0, 0, 0, (uint32_t)index_of(child));
	atomic_store(&me->what, FORK);
	pid = fork_by(child->plan.by);
	if (pid == 0)
		begin(child);
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	check_pages(PLAIN, 0, me->area[PLAIN].pages);
}

static void fork_children(void)
{
	for (uint32_t i = 0; i < arena->with.processes; i++)
		if (arena->process[i].plan.parent == index_of(me) &&
		    arena->process[i].plan.fork_at == me->op)
			fork_child(&arena->process[i]);
}

static void wait_for_children(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR)
		if (pid > 0 && status && status != SIGKILL &&
		    !atomic_load(&arena->failed))
			fail("child %d ended with status %#x", (int)pid, status);
}

static _Noreturn void end(void)
{
	atomic_store(&me->what, LAST_CHECK);
	if (me->plan.ending != KILL)
		stop_threads();
	check_everything();
	if (me->plan.waits) {
		wait_for_children();
		check_everything();
	}
	stop_if_failed();
	atomic_store(&me->ended, 1);
	if (me->plan.ending == KILL)
		kill((pid_t)syscall(SYS_getpid), SIGKILL);
	if (me->plan.ending == EXEC)
		execv(true_path, true_argv);
	_exit(me->plan.ending != EXIT);
}

static void live(void)
{
	/* A child that only reads at first, and one that writes at first. */
	if (pick(3) == 0)
		check_everything();
	for (me->op = 0; me->op < arena->with.operations; me->op++) {
		stop_if_failed();
		fork_children();
		do_operation();
		if (me->op == arena->with.operations / 2 && index_of(me) % 3 == 1)
			sabotage();
	}
	leak();
	end();
}

static pid_t start_tree(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(watched); /* else it would not end with its only owner */
	setpgid(0, 0);
	me = &arena->process[0];
	me->pid = getpid();
	atomic_store(&me->begun, 1);
	start_signals();
	make_areas();
	make_hots();
	live();
	return 0;
}

/* --- one tree, from outside
 * ---------------------------------------------------------------- */

/* Ends whatever is left of the group of processes @group, if this process dies. */
static void start_watcher(void)
{
	pid_t group = 0, next;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		give_up("pipe");
	watched = ends[1];
	watcher = fork();
	if (watcher < 0)
		give_up("fork");
	close(ends[watcher == 0]);
	if (watcher)
		return;
	setsid();
	while (read(ends[0], &next, sizeof(next)) == sizeof(next))
		group = next;
	if (group)
		kill(-group, SIGKILL);
	_exit(0);
}

static void end_watcher(void)
{
	close(watched);
	waitpid(watcher, NULL, 0);
}

static void watch(pid_t group)
{
	if (write(watched, &group, sizeof(group)) != sizeof(group))
		give_up("the watching process");
}

/* Everything but the watcher; true once there is nothing left of the tree. */
static bool reap(pid_t group)
{
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0)
		;
	return kill(-group, 0) != 0 && errno == ESRCH;
}

static bool wait_for_tree(pid_t group)
{
	const struct timespec second = { 1, 0 };
	double deadline = now() + TREE_SECONDS;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (!reap(group)) {
		if (now() > deadline)
			return false;
		if (atomic_load(&arena->failed) == 2)
			return true;
		sigtimedwait(&set, NULL, &second);
	}
	return true;
}

static void end_tree(pid_t group)
{
	const struct timespec tenth = { 0, 100000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (!reap(group)) {
		kill(-group, SIGKILL);
		sigtimedwait(&set, NULL, &tenth);
	}
	watch(0);
}

static void add_report(const char *what, const struct process *p)
{
	arena->report_len += (size_t)snprintf(arena->report + arena->report_len, 200,
					      "process %d (pid %d) %s at op %u (%s)\n",
					      index_of(p), (int)p->pid, what, p->op,
					      what_name(atomic_load(&p->what)));
	atomic_store(&arena->failed, 2);
}

/* Who should have begun: the children of those that came past the operation. */
static bool should_have_begun(const struct process *p)
{
	const struct process *parent = &arena->process[p->plan.parent];

	return p->plan.parent < 0 ||
	       (atomic_load(&parent->ended) && atomic_load(&parent->begun));
}

static void check_ends(bool in_time)
{
	for (uint32_t i = 0; i < arena->with.processes && i < 60; i++) {
		const struct process *p = &arena->process[i];

		if (atomic_load(&p->begun) && !atomic_load(&p->ended))
			add_report(in_time ? "died" : "hangs", p);
		else if (!atomic_load(&p->begun) && should_have_begun(p))
			add_report("never began", p);
	}
}

/* True if everything was right. */
static bool run_tree(const struct parameters *with)
{
	pid_t group;
	bool in_time;

	if (ftruncate(memory, 0) != 0 || ftruncate(memory, sizeof(*arena)) != 0)
		give_up("ftruncate");
	arena->with = *with;
	make_plans();
	fflush(NULL);
	group = start_tree();
	if (group < 0)
		give_up("fork");
	setpgid(group, group);
	watch(group);
	in_time = wait_for_tree(group);
	if (atomic_load(&arena->failed) == 0)
		check_ends(in_time);
	end_tree(group);
	return atomic_load(&arena->failed) == 0;
}

/* --- smaller trees that fail as well
 * ------------------------------------------------------- */

static void print_command(const struct parameters *p)
{
	static const char *const names[] = { "", " --sabotage drop", " --sabotage stale",
					     " --sabotage leak" };

	printf("fork_torture --seed %lu --processes %u --operations %u --mask %#x "
	       "--areas %#x "
	       "--threads %u%s\n",
	       p->seed, p->processes, p->operations, p->mask, p->areas, p->hots,
	       names[p->sabotage]);
	fflush(stdout);
}

static bool still_fails(const struct parameters *p)
{
	for (int i = 0; i < SHRINK_TRIES; i++)
		if (!run_tree(p))
			return true;
	return false;
}

/* The i-th way to make @p smaller; false if there is none. */
static bool smaller(struct parameters *p, unsigned int i)
{
	uint32_t bit = 1u << (i - 4);

	switch (i) {
	case 0:
		p->processes /= 2;
		return p->processes > 0;
	case 1:
		p->operations /= 2;
		return p->operations > 0;
	case 2:
		p->processes--;
		return p->processes > 0;
	case 3:
		p->hots--;
		return p->hots < HOTS;
	}
	if (i < 4 + WHATS) {
		p->mask ^= bit;
		return !(p->mask & bit);
	}
	bit >>= WHATS;
	p->areas ^= bit;
	return p->areas && !(p->areas & bit);
}

static void shrink(struct parameters best)
{
	double deadline = now() + SHRINK_SECONDS;
	bool better = true;

	while (better && now() < deadline) {
		better = false;
		for (unsigned int i = 0; i < 4 + WHATS + AREAS && now() < deadline; i++) {
			struct parameters tried = best;

			if (!smaller(&tried, i) || !still_fails(&tried))
				continue;
			best = tried;
			better = true;
			print_command(&best);
			fwrite(arena->report, 1, arena->report_len, stdout);
		}
	}
}

/* --- main
 * ----------------------------------------------------------------------------------- */

static unsigned long number(const char *text)
{
	char *end_of;
	unsigned long n = strtoul(text, &end_of, 0);

	if (*end_of || end_of == text) {
		fprintf(stderr, "fork_torture: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static enum sabotage sabotage_of(const char *name)
{
	static const char *const names[SABOTAGES] = { "nothing", "drop", "stale",
						      "leak" };

	for (int i = 0; i < SABOTAGES; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum sabotage)i;
	exit(2);
}

static const struct option options[] = {
	{ "seconds", 1, NULL, 't' },   { "seed", 1, NULL, 's' },
	{ "processes", 1, NULL, 'p' }, { "operations", 1, NULL, 'o' },
	{ "mask", 1, NULL, 'm' },      { "areas", 1, NULL, 'a' },
	{ "threads", 1, NULL, 'h' },   { "sabotage", 1, NULL, 'x' },
	{ NULL, 0, NULL, 0 },
};

static void take_option(struct parameters *p, int option, const char *value)
{
	switch (option) {
	case 's':
		p->seed = number(value);
		break;
	case 'p':
		p->processes = (uint32_t)number(value);
		break;
	case 'o':
		p->operations = (uint32_t)number(value);
		break;
	case 'm':
		p->mask = (uint32_t)number(value);
		break;
	case 'a':
		p->areas = (uint32_t)number(value);
		break;
	case 'h':
		p->hots = (uint32_t)number(value);
		break;
	case 'x':
		p->sabotage = sabotage_of(value);
		break;
	default:
		exit(2);
	}
}

static double take_options(struct parameters *p, int argc, char **argv)
{
	double seconds = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option == 't')
			seconds = (double)number(optarg);
		else
			take_option(p, option, optarg);
	if (!p->processes || p->processes > PROCESSES || !p->operations ||
	    p->hots > HOTS || optind != argc)
		exit(2);
	return seconds;
}

static void prepare(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		give_up("PR_SET_CHILD_SUBREAPER");
	memory = memfd_create("fork_torture", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, sizeof(*arena)) != 0)
		give_up("memfd");
	arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (arena == MAP_FAILED)
		give_up("mmap");
	start_watcher();
}

static unsigned int how_many(bool ended)
{
	unsigned int n = 0;

	for (int i = 0; i < PROCESSES; i++)
		n += (unsigned int)atomic_load(ended ? &arena->process[i].ended
						     : &arena->process[i].begun);
	return n;
}

int main(int argc, char **argv)
{
	struct parameters with = { .seed = (uint64_t)time(NULL),
				   .processes = 50,
				   .operations = 150,
				   .mask = (1u << WHATS) - 1,
				   .areas = (1u << AREAS) - 1,
				   .hots = HOTS };
	double begin_time = now(), seconds = take_options(&with, argc, argv);
	unsigned long trees = 0, processes = 0;

	prepare();
	do {
		if (!run_tree(&with)) {
			print_command(&with);
			fwrite(arena->report, 1, arena->report_len, stdout);
			shrink(with);
			end_watcher();
			puts("failed");
			return 1;
		}
		trees++;
		processes += how_many(true);
		printf("%.0f s: seed %lu, %u processes; trees %lu, processes %lu\n",
		       now() - begin_time, with.seed, how_many(true), trees, processes);
		fflush(stdout);
		with.seed++;
	} while (now() < begin_time + seconds);
	end_watcher();
	puts("done");
	return 0;
}
