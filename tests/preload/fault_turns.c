// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Faults on command, as in looked_at.c. 't': of two threads in turns, each on a processor
 * of its own, if there are two; 'o': of one thread.
 */
#include "tests/preload/common.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum {
	PAGES = 2048
};

static char *area;
static sem_t turn[2];
static int cpu[2];

static void find_processors(void)
{
	cpu_set_t all;
	int n = 0;

	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &all))
			cpu[n++] = i;
	CHECK(n > 0);
	cpu[1] = n == 2 ? cpu[1] : cpu[0];
}

static void pin(int nr)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu[nr], &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}

static void touch_page(size_t i)
{
	volatile char *page = area + i * PAGE;

	CHECK(*page == 0);
	*page = 1;
}

static void *take_turns(void *arg)
{
	int nr = arg != NULL;

	pin(nr);
	for (size_t i = 0; i < PAGES; i += 2) {
		CHECK(sem_wait(&turn[nr]) == 0);
		touch_page(i + (size_t)nr);
		CHECK(sem_post(&turn[!nr]) == 0);
	}
	return NULL;
}

static void drop(void)
{
	CHECK(madvise(area, PAGES * PAGE, MADV_DONTNEED) == 0);
}

static void two_threads(void)
{
	pthread_t ids[2];

	CHECK(sem_init(&turn[0], 0, 1) == 0 && sem_init(&turn[1], 0, 0) == 0);
	for (long i = 0; i < 2; i++)
		CHECK(pthread_create(&ids[i], NULL, take_turns, (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	drop();
}

static void one_thread(void)
{
	for (size_t i = 0; i < PAGES; i++)
		touch_page(i);
	drop();
}

int main(void)
{
	char command;

	find_processors();
	area = anon((PAGES + 1) * PAGE) + PAGE;
	CHECK(munmap(area - PAGE, PAGE) == 0);
	CHECK(madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
	CHECK(mprotect(area - PAGE, 2 * PAGE, PROT_READ) == -1); /* why: looked_at.c */
	CHECK(close(2) == 0);
	puts("ready");
	fflush(stdout);
	while (read(0, &command, 1) == 1) {
		if (command == 't')
			two_threads();
		else
			one_thread();
		puts(command == 't' ? "two threads" : "one thread");
		fflush(stdout);
	}
	return 0;
}
