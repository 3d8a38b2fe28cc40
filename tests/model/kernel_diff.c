// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The model against the kernel, by random calls: OPS operations in sequences of LENGTH,
 * spread over JOBS processes. On a difference the sequence is shrunk and printed as a
 * program. From the environment:
 *
 *	OPS	operations (default 20000)	SEED	of the first sequence; printed
 *	JOBS	processes (default 1)		SMAPS	compare VmFlags every so many
 *	LENGTH	of a sequence (default 200)		operations (default 8)
 *	WANT	0: do not shrink		VERIFY	compare areas every so many, for
 *						guesses to pile up (default:
 *						in one sequence of 8)
 *
 * Exit status: 0 no difference, 1 a difference, 2 cannot run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/kd.h"

#define MAX_JOBS 16

/* Shared by the jobs and the parent. */
struct board {
	volatile bool stop;
	volatile unsigned long sequences, ops;
	struct job {
		struct kd_result res;
		struct kd_seq seq;
		unsigned long seed;
		struct kd_count total;
	} job[MAX_JOBS];
};

struct options {
	unsigned long ops, seed, jobs, smaps, length, verify;
	bool shrink;
};

static struct board *board;
static struct options opt;
static char out_buf[1 << 16], err_buf[1 << 12];

static unsigned long env(const char *name, unsigned long def)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : def;
}

static void add_count(struct kd_count *to, const struct kd_count *from)
{
	unsigned long *a = (unsigned long *)to;
	const unsigned long *b = (const unsigned long *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += b[i];
}

static void make_sequence(struct job *j, unsigned long seed)
{
	struct rng r = { .state = seed * 0x9e3779b97f4a7c15UL | 1 };

	j->seed = seed;
	kd_generate(&r, (unsigned int)opt.length, &j->seq);
	j->seq.mode.smaps_every = (unsigned int)opt.smaps;
	if (opt.verify)
		j->seq.mode.verify_every = (unsigned int)opt.verify;
}

static void report(struct job *j)
{
	char what[sizeof(j->res.what)];
	unsigned int runs = 0;

	printf("SEED=%lu OPS=1 LENGTH=%lu: %s, at operation %u of %u\n", j->seed,
	       opt.length, j->res.what, j->res.at, j->seq.nr);
	fputs(j->res.text, stdout);
	fflush(stdout);
	if (!opt.shrink)
		return;
	memcpy(what, j->res.what, sizeof(what));
	runs = kd_shrink(&j->seq, &j->res);
	printf("shrunk to %u operations in %u runs%s:\n%s\n", j->seq.nr, runs,
	       strcmp(what, j->res.what) ? " (and then it did not fail again!)" : "",
	       j->res.text);
	kd_print_c(stdout, &j->seq);
	fflush(stdout);
}

static unsigned long operations(const struct kd_count *c)
{
	unsigned long n = 0;

	for (int k = 0; k < KD_KINDS; k++)
		n += c->done[k] + c->refused[k];
	return n;
}

static bool run_sequence(struct job *j, unsigned long seed)
{
	bool ok;

	make_sequence(j, seed);
	memset(&j->res.count, 0, sizeof(j->res.count));
	ok = kd_run(&j->seq, &j->res);
	add_count(&j->total, &j->res.count);
	__atomic_fetch_add(&board->ops, operations(&j->res.count), __ATOMIC_RELAXED);
	return ok;
}

/* Sequences are dealt out by number; they end when OPS operations have been executed. */
static int run_job(struct job *j)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!board->stop && board->ops < opt.ops) {
		unsigned long n =
			__atomic_fetch_add(&board->sequences, 1, __ATOMIC_RELAXED);

		if (run_sequence(j, opt.seed + n))
			continue;
		if (!__atomic_exchange_n(&board->stop, true, __ATOMIC_SEQ_CST))
			report(j);
		return 1;
	}
	return 0;
}

static void print_totals(double seconds)
{
	struct kd_count t = { 0 };
	unsigned long done = 0, refused = 0;

	for (unsigned long i = 0; i < opt.jobs; i++)
		add_count(&t, &board->job[i].total);
	for (int k = 0; k < KD_KINDS; k++) {
		printf("  %-18s %8lu done %8lu refused\n", kd_kind_name((enum kd_kind)k),
		       t.done[k], t.refused[k]);
		done += t.done[k];
		refused += t.refused[k];
	}
	printf("%lu operations (%lu refused by the kernel, %lu more skipped) in %.1f s, "
	       "%.0f per second\n",
	       done + refused, refused, t.skipped, seconds,
	       (double)(done + refused) / seconds);
	printf("compared %lu times, VmFlags and counters %lu times; %lu guesses settled "
	       "(%.0f per million); %lu sequences cut short by a call that failed half "
	       "way\n",
	       t.compared, t.smaps, t.settled,
	       (double)t.settled * 1e6 / (double)max(done + refused, 1UL), t.resyncs);
}

static double now(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static int run_jobs(void)
{
	int status, ret = 0;

	fflush(stdout);
	for (unsigned long i = 0; i < opt.jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 2;
		if (!pid)
			_exit(run_job(&board->job[i]));
	}
	while (wait(&status) > 0 || errno == EINTR)
		if (status)
			ret = 1;
	return ret;
}

/* The same addresses in every run: a sequence depends on nothing but its seed. */
static void without_aslr(char **argv)
{
	int persona = personality(0xffffffff);

	if (persona & ADDR_NO_RANDOMIZE ||
	    personality((unsigned long)persona | ADDR_NO_RANDOMIZE) < 0)
		return;
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	double begin = now();
	int ret;

	(void)argc;
	without_aslr(argv);
	/* No malloc: the heap is for the sequences. */
	setvbuf(stdout, out_buf, _IOFBF, sizeof(out_buf));
	setvbuf(stderr, err_buf, _IOFBF, sizeof(err_buf));
	opt = (struct options){ .ops = env("OPS", 20000),
				.seed = env("SEED", 1),
				.jobs = max(env("JOBS", 1), 1UL),
				.smaps = max(env("SMAPS", 8), 1UL),
				.length = min(env("LENGTH", 200),
					      (unsigned long)KD_MAX_OPS),
				.verify = env("VERIFY", 0),
				.shrink = env("WANT", 1) };
	opt.jobs = min(opt.jobs, (unsigned long)MAX_JOBS);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || !kd_files_open()) {
		perror("kernel_diff: cannot start");
		return 2;
	}
	printf("kernel_diff: OPS=%lu SEED=%lu JOBS=%lu LENGTH=%lu SMAPS=%lu\n", opt.ops,
	       opt.seed, opt.jobs, opt.length, opt.smaps);
	ret = run_jobs();
	print_totals(now() - begin);
	printf("%s\n", ret ? "0 passed, 1 failed" : "1 passed, 0 failed");
	fflush(stdout);
	return ret;
}
