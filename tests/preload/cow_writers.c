// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes to memory that it shares with its children, from several places, to be asked who
 * did it (cow_stacks.c): says "ready", then obeys one byte on standard input at a time
 * and answers with a line.
 */
#include "tests/preload/cow_wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#define ROUNDS 7  /* each: four pages, two, one and one */
#define APART  70 /* pages: further than what is taken for one stream of writes */
#define ROW    512
#define MIXED  (ROUNDS * 8 * APART * PAGE)
#define LEN    (MIXED + ROW * PAGE + PAGE)
#define LOAD   (2 * MIB)

/* The names that the test looks for. Each does something after its write, so that it is
 * no tail call. */
#define PLACE __attribute__((noinline, noclone)) static void

static char *mem;
static int hold = -1, zeros;
static pid_t child;
static volatile unsigned int done;

PLACE write_directly(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE)
		((volatile char *)p)[i] = 2;
	done++;
}

PLACE write_by_library(char *p)
{
	volatile size_t len = 600;

	memset(p, 3, len);
	done++;
}

PLACE write_by_kernel(char *p)
{
	CHECK(read(zeros, p, 100) == 100);
	done++;
}

PLACE write_in_thread(char *p)
{
	*(volatile char *)p = 4;
	done++;
}

PLACE write_in_child(char *p)
{
	*(volatile char *)p = 5;
	done++;
}

static void *thread(void *arg)
{
	write_in_thread(arg);
	return NULL;
}

static const char *mixed(void)
{
	char *p = mem;
	pthread_t t;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 4; i++, p += APART * PAGE)
			write_directly(p, 1);
		for (int i = 0; i < 2; i++, p += APART * PAGE)
			write_by_library(p);
		write_by_kernel(p);
		p += APART * PAGE;
		CHECK(pthread_create(&t, NULL, thread, p) == 0);
		CHECK(pthread_join(t, NULL) == 0);
		p += APART * PAGE;
	}
	return "mixed";
}

static const char *row(void)
{
	write_directly(mem + MIXED, ROW * PAGE);
	return "row";
}

static void child_main(int in, int out, bool writes)
{
	char byte = 0;

	if (writes) {
		wait_protected(mem + LEN - PAGE);
		for (int i = 0; i < 8; i++)
			write_in_child(mem + (size_t)i * APART * PAGE);
	}
	CHECK(write(out, &byte, 1) == 1);
	_exit(read(in, &byte, 1) != 0);
}

static const char *fork_child(bool writes)
{
	int in[2], out[2];
	char byte;

	CHECK(pipe(in) == 0 && pipe(out) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(close(in[1]) == 0);
		child_main(in[0], out[1], writes);
	}
	CHECK(close(in[0]) == 0 && close(out[1]) == 0);
	CHECK(read(out[0], &byte, 1) == 1 && close(out[0]) == 0);
	hold = in[1];
	wait_protected(mem + LEN - PAGE);
	return "forked";
}

static const char *end_child(void)
{
	int status;

	CHECK(close(hold) == 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return "ended";
}

/* --- load -------------------------------------------------------------------------- */

static atomic_bool stop;
static pthread_t loader;

/* Children that share, then pages of all ages: right each time. */
static void *load(void *arg)
{
	char *p = anon(LOAD);

	for (unsigned int seed = 1; !stop; seed++) {
		struct held h;

		fill(p, LOAD, seed);
		h = fork_held();
		if (h.pid == 0) {
			stay_held(&h);
			_exit(!matches(p, LOAD, seed));
		}
		wait_protected(p + LOAD - PAGE);
		for (size_t i = 0; i < LOAD; i += 3 * PAGE)
			write_directly(p + i, 1);
		fill(p, LOAD / 2, seed + 1);
		CHECK(matches(p, LOAD / 2, seed + 1));
		CHECK(end_held(&h) == 0);
	}
	return arg;
}

static const char *start_load(void)
{
	CHECK(pthread_create(&loader, NULL, load, NULL) == 0);
	return "loaded";
}

static const char *end_load(void)
{
	stop = true;
	CHECK(pthread_join(loader, NULL) == 0);
	return "unloaded";
}

static const char *obey(int command)
{
	switch (command) {
	case 'f':
		return fork_child(false);
	case 'c':
		return fork_child(true);
	case 'm':
		return mixed();
	case 'r':
		return row();
	case 'e':
		return end_child();
	case 'n':
		return setresuid(65534, 65534, 65534) ? "error" : "nobody";
	case 'D':
		return prctl(PR_SET_DUMPABLE, 1) ? "error" : "dumpable";
	case 'd':
		return prctl(PR_SET_DUMPABLE, 0) ? "error" : "hidden";
	case 'L':
		return start_load();
	case 'E':
		return end_load();
	default:
		return "what?";
	}
}

int main(void)
{
	zeros = open("/dev/zero", O_RDONLY);
	CHECK(zeros >= 0);
	mem = anon_before_hole(LEN);
	obey_all(mem, LEN, obey);
	return 0;
}
