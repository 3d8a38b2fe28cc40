// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Each thread writes 1, 2, 3, ... to one word after another of its area, round and round.
 * A fork is not atomic towards other threads: a page that the child gets may be older or
 * newer than another one. But no word is older than what was written before the fork
 * began, and none is newer than what was written when the child looks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/stress/fork_torture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_t threads[HOTS];
static atomic_bool stop;

static volatile uint64_t *hot_word(const struct hot *h, uint64_t n)
{
	return (volatile uint64_t *)h->start + n % HOT_WORDS * HOT_STRIDE;
}

/* The last number up to @n that goes where @slot is; 0 if there is none. */
static uint64_t latest(uint64_t n, uint64_t slot)
{
	uint64_t back = (n + HOT_WORDS - slot) % HOT_WORDS;

	return n < back ? 0 : n - back;
}

void make_hots(void)
{
	for (unsigned int i = 0; i < arena->with.hots; i++) {
		void *p = mmap(NULL, HOT_PAGES * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap: %s", strerror(errno));
		me->hot[i].start = (unsigned long)p;
	}
}

static void write_hot(struct hot *h, uint64_t n)
{
	volatile uint64_t *word = hot_word(h, n);
	uint64_t *source = &me->hot_source[h - me->hot];
	uint64_t before = n > HOT_WORDS ? n - HOT_WORDS : 0, found = *word;

	if (found != before)
		fail("thread %d: %#lx holds %lu, expected %lu, when %lu is written",
		     (int)(h - me->hot), (unsigned long)word, found, before, n);
	*source = n;
	if (n % 7)
		*word = n;
	else if (pread(memory, (void *)word, sizeof(n), (char *)source - (char *)arena) !=
		 sizeof(n))
		fail("pread to %#lx: %s", (unsigned long)word, strerror(errno));
	atomic_store(&h->written, n);
}

static void *run(void *arg)
{
	struct hot *h = arg;

	while (!atomic_load(&stop)) {
		for (int i = 0; i < 16; i++)
			write_hot(h, atomic_load(&h->written) + 1);
		stop_if_failed();
		sched_yield();
	}
	return NULL;
}

void start_threads(void)
{
	atomic_store(&stop, false);
	for (unsigned int i = 0; i < arena->with.hots; i++) {
		struct hot *h = &me->hot[i];
		int error = pthread_create(&threads[i], NULL, run, h);

		if (error)
			fail("pthread_create: %s", strerror(error));
		h->running = true;
	}
}

static void check_hot(struct hot *h)
{
	uint64_t n = atomic_load(&h->written);

	for (uint64_t slot = 0; slot < HOT_WORDS; slot++)
		if (*hot_word(h, slot) != latest(n, slot))
			fail("after thread %d: %#lx holds %lu, expected %lu",
			     (int)(h - me->hot), (unsigned long)hot_word(h, slot),
			     *hot_word(h, slot), latest(n, slot));
}

void stop_threads(void)
{
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < arena->with.hots; i++) {
		struct hot *h = &me->hot[i];

		if (h->running)
			pthread_join(threads[i], NULL);
		h->running = false;
		check_hot(h);
	}
}

/* @most: what the parent's thread may have written at most when we were forked. */
static void check_inherited(struct hot *h, uint64_t most)
{
	for (uint64_t slot = 0; slot < HOT_WORDS; slot++) {
		uint64_t found = *hot_word(h, slot), least = latest(h->at_fork, slot);

		if (found < least || found > most || (found && found % HOT_WORDS != slot))
			fail("inherited from thread %d: %#lx holds %lu, expected %lu to "
			     "%lu",
			     (int)(h - me->hot), (unsigned long)hot_word(h, slot), found,
			     least, latest(most, slot));
	}
}

void inherit_hots(const struct process *parent)
{
	for (unsigned int i = 0; i < arena->with.hots; i++) {
		struct hot *h = &me->hot[i];
		/* One may be written, but not yet said so. */
		uint64_t most = atomic_load(&parent->hot[i].written) + 1;

		check_inherited(h, most);
		for (uint64_t slot = 0; slot < HOT_WORDS; slot++)
			*hot_word(h, slot) = latest(most, slot);
		atomic_store(&h->written, most);
	}
}
