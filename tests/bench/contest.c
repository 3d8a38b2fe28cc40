// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>

#include "contest.h"

#define MAX_ROUNDS 101
#define MIN_ROUNDS 5
#define ROUND_NS   2e6
#define TOTAL_NS   3e8 /* for one kind of rounds */

struct writer {
	const struct contest *contest;
	sem_t go, paused;
	bool busy, running, end;
	double changes, ns;
};

/* The @nth CPU that we may run on, or the last one. */
static void pin(int nth)
{
	cpu_set_t allowed, one;
	int last = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		die("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && nth >= 0; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		last = cpu;
		nth--;
	}
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pin(1);
	while (!sem_wait(&w->go) && !w->end) {
		double begin = now_ns();

		do {
			w->contest->change();
			w->changes++;
			__atomic_store_n(&w->running, true, __ATOMIC_RELEASE);
		} while (__atomic_load_n(&w->busy, __ATOMIC_RELAXED));
		w->ns += now_ns() - begin;
		w->running = false;
		sem_post(&w->paused);
	}
	return NULL;
}

static double timed(void (*run)(unsigned long), unsigned long n)
{
	double begin = now_ns();

	run(n);
	return (now_ns() - begin) / (double)n;
}

static double timed_busy(struct writer *w, unsigned long n)
{
	double ns;

	w->busy = true;
	sem_post(&w->go);
	while (!__atomic_load_n(&w->running, __ATOMIC_ACQUIRE))
		sched_yield();
	ns = timed(w->contest->look_up, n);
	__atomic_store_n(&w->busy, false, __ATOMIC_RELAXED);
	sem_wait(&w->paused);
	return ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int rounds)
{
	qsort(values, (size_t)rounds, sizeof(*values), compare);
	return values[rounds / 2];
}

/* As many as take one round; the first ones warm the caches. */
static unsigned long calibrate(void (*run)(unsigned long))
{
	unsigned long n = 1;

	while (timed(run, n) * (double)n < ROUND_NS / 2)
		n *= 2;
	return n;
}

static bool go_on(int rounds, double begin)
{
	return rounds < MAX_ROUNDS &&
	       (rounds < MIN_ROUNDS || now_ns() - begin < TOTAL_NS);
}

void contest_run(const struct contest *c)
{
	struct writer w = { .contest = c };
	double quiet[MAX_ROUNDS], busy[MAX_ROUNDS], begin;
	pthread_t thread;
	unsigned long n;
	int rounds = 0;

	sem_init(&w.go, 0, 0);
	sem_init(&w.paused, 0, 0);
	if (pthread_create(&thread, NULL, writer_main, &w))
		die("pthread_create");
	pin(0);
	n = calibrate(c->look_up);
	for (begin = now_ns(); go_on(rounds, begin); rounds++) {
		quiet[rounds] = timed(c->look_up, n);
		busy[rounds] = timed_busy(&w, n);
	}
	w.end = true;
	sem_post(&w.go);
	pthread_join(thread, NULL);
	printf("%.1f\n%.1f\n%.0f\n", median(quiet, rounds), median(busy, rounds),
	       w.changes / w.ns * 1e9);
}

static void (*one_change)(void);

static void changes(unsigned long n)
{
	while (n--)
		one_change();
}

void contest_changes(const struct contest *c)
{
	double ns[MAX_ROUNDS], begin;
	unsigned long n;
	int rounds = 0;

	one_change = c->change;
	n = calibrate(changes);
	pin(0);
	for (begin = now_ns(); go_on(rounds, begin); rounds++)
		ns[rounds] = timed(changes, n);
	printf("%.1f\n", median(ns, rounds));
}
