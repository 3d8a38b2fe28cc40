/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions by threads and by a signal handler, while areas come and go. */
#ifndef TESTS_PRELOAD_API_STORM_H
#define TESTS_PRELOAD_API_STORM_H

#include "tests/preload/common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static struct api_storm {
	char *mem; /* what changes */
	size_t len;
	int changes, looks;
	bool (*right)(void); /* the answers are; any thread, also in a handler */
} storm;
static volatile sig_atomic_t wrong, handled;

static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	if (!storm.right())
		wrong = 1;
	handled++;
	errno = saved;
}

static void *look(void *arg)
{
	for (int i = 0; i < storm.looks; i++)
		if (!storm.right())
			wrong = 1;
	return arg;
}

static void *change(void *arg)
{
	char *p = storm.mem;

	for (int i = 0; i < storm.changes; i++) {
		CHECK(mmap(p, storm.len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
		p[i % 500 * PAGE] = 1;
		CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
		CHECK(munmap(p, storm.len) == 0);
	}
	return arg;
}

static inline void all_at_once(void)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, off = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	pthread_t ids[4];

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&ids[i], NULL, i ? look : change, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(handled > 0 && !wrong);
}

#endif
