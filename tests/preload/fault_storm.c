// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads that fault at once, in memory that they share page by page and in memory of
 * their own, and meanwhile drop, protect, unmap and fork. What each has written, and that
 * the rest is zero, is checked at every byte.
 */
#include "tests/preload/common.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	THREADS = 6,
	SHARED_PAGES = 4096, /* page n is thread n % THREADS's */
	OWN_PAGES = 1024,
	ROUNDS = 8,
	FORKS = 6,
};

static char *shared;
static pthread_barrier_t begin;

struct toucher {
	unsigned int nr, random;
	unsigned int wrote[SHARED_PAGES / THREADS + 1]; /* seed, or 0: it is zero */
};

static unsigned int draw(struct toucher *t, unsigned int below)
{
	t->random = t->random * 1103515245 + 12345;
	return (t->random >> 8) % below;
}

static void check_page(const char *page, unsigned int seed)
{
	CHECK(seed ? matches(page, PAGE, seed) : all_zero(page, PAGE));
}

/* --- memory that all share --------------------------------------------------------- */

static char *mine(const struct toucher *t, unsigned int i)
{
	return shared + ((size_t)i * THREADS + t->nr) * PAGE;
}

static unsigned int nr_mine(const struct toucher *t)
{
	return (SHARED_PAGES - t->nr + THREADS - 1) / THREADS;
}

static void write_page(struct toucher *t, unsigned int i, unsigned int seed)
{
	check_page(mine(t, i), t->wrote[i]);
	fill(mine(t, i), PAGE, seed);
	t->wrote[i] = seed;
}

/* All in order, in turns with the others: one stream, whoever answers. */
static void in_turns(struct toucher *t, unsigned int round)
{
	for (unsigned int i = 0; i < nr_mine(t); i++)
		write_page(t, i, round * THREADS + t->nr + 1);
}

static void drop_page(struct toucher *t, unsigned int i)
{
	CHECK(madvise(mine(t, i), PAGE, MADV_DONTNEED) == 0);
	t->wrote[i] = 0;
}

static void protect_page(struct toucher *t, unsigned int i)
{
	CHECK(mprotect(mine(t, i), PAGE, PROT_READ) == 0);
	check_page(mine(t, i), t->wrote[i]);
	CHECK(mprotect(mine(t, i), PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void at_random(struct toucher *t)
{
	for (unsigned int n = 0; n < 256; n++) {
		unsigned int i = draw(t, nr_mine(t)), what = draw(t, 8);

		if (what < 3)
			write_page(t, i, 1 + draw(t, 1000));
		else if (what < 6)
			drop_page(t, i);
		else if (what < 7)
			protect_page(t, i);
		else
			check_page(mine(t, i), t->wrote[i]);
	}
}

static void drop_all(struct toucher *t)
{
	for (unsigned int i = 0; i < nr_mine(t); i++) {
		check_page(mine(t, i), t->wrote[i]);
		drop_page(t, i);
	}
}

/* --- memory of one's own ----------------------------------------------------------- */

/* Forwards, backwards, or every third page; then another area in the same place. */
static void own_area(struct toucher *t, unsigned int round)
{
	char *p = anon(OWN_PAGES * PAGE);
	unsigned int step = round % 3 ? 1 : 3;

	for (unsigned int i = 0; i < OWN_PAGES; i += step) {
		char *page = p + (round & 1 ? OWN_PAGES - 1 - i : i) * PAGE;

		CHECK(all_zero(page, PAGE));
		fill(page, PAGE, t->nr + round + i);
	}
	for (unsigned int i = 0; i < OWN_PAGES; i += step)
		CHECK(matches(p + (round & 1 ? OWN_PAGES - 1 - i : i) * PAGE, PAGE,
			      t->nr + round + i));
	CHECK(mmap(p, OWN_PAGES * PAGE / 2, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	CHECK(all_zero(p, OWN_PAGES * PAGE / 2));
	CHECK(munmap(p, OWN_PAGES * PAGE) == 0);
}

static void *touch_all(void *arg)
{
	struct toucher *t = arg;

	pthread_barrier_wait(&begin);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		in_turns(t, round);
		at_random(t);
		own_area(t, round);
		drop_all(t);
	}
	return NULL;
}

/* --- forks ------------------------------------------------------------------------- */

static char *forker_area;

static void look_and_write(void)
{
	size_t half = OWN_PAGES * PAGE / 2;

	CHECK(matches(forker_area, half, 5));
	CHECK(all_zero(forker_area + half, half));
	fill(forker_area, half, 6);
	CHECK(matches(forker_area, half, 6));
}

static void *fork_often(void *arg)
{
	size_t half = OWN_PAGES * PAGE / 2;

	forker_area = anon(2 * half);
	fill(forker_area, half, 5);
	pthread_barrier_wait(&begin);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (!pid) {
			look_and_write();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(matches(forker_area, half, 5));
	}
	CHECK(munmap(forker_area, 2 * half) == 0);
	return arg;
}

int main(void)
{
	static struct toucher touchers[THREADS];
	pthread_t ids[THREADS], forker;

	shared = anon(SHARED_PAGES * PAGE);
	CHECK(pthread_barrier_init(&begin, NULL, THREADS + 1) == 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		touchers[i].nr = i;
		touchers[i].random = i + 1;
		CHECK(pthread_create(&ids[i], NULL, touch_all, &touchers[i]) == 0);
	}
	CHECK(pthread_create(&forker, NULL, fork_often, NULL) == 0);
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	CHECK(pthread_join(forker, NULL) == 0);
	CHECK(all_zero(shared, SHARED_PAGES * PAGE));
	puts("threads, forks: every byte");
	return 0;
}
