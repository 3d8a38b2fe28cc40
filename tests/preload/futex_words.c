// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * futex(2) calls by which the kernel itself writes to the word: in memory that nobody has
 * touched, and in pages that a fork has made shared; where it may not; and mutexes that
 * inherit priorities. Under the library both kinds of pages are ours.
 */
#include "tests/preload/cow_wait.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13 /* 5.14 */
#endif

#define WORDS 16

static char *mem;    /* a word in each page */
static bool touched; /* it was written to, and then shared by a fork */

static uint32_t *word(int n)
{
	return (uint32_t *)(mem + (size_t)n * PAGE);
}

/* The library may have filled it for a neighbour's sake. */
static void empty(int n)
{
	if (!touched)
		CHECK(madvise(word(n), PAGE, MADV_DONTNEED) == 0);
}

static long futex(uint32_t *a, int op, uint32_t val, unsigned long val2, uint32_t *b,
		  uint32_t val3)
{
	return syscall(SYS_futex, a, op | FUTEX_PRIVATE_FLAG, val, val2, b, val3);
}

/* "name: result (error)", and in which way the word is what it should be. */
static void show(const char *name, long ret, const char *what, bool right)
{
	printf("%s %s: %ld%s%s, %s%s\n", touched ? "shared" : "untouched", name, ret,
	       ret < 0 ? " " : "", ret < 0 ? strerror(errno) : "", right ? "" : "NOT ",
	       what);
}

static uint32_t tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static void wake_op(void)
{
	const uint32_t add = (uint32_t)FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0);
	long ret;

	empty(1);
	ret = futex(word(0), FUTEX_WAKE_OP, 1, 1, word(1), add);
	show("WAKE_OP", ret, "7", *word(1) == 7);
}

static void lock(const char *name, int op, int n)
{
	long ret;

	empty(n);
	ret = futex(word(n), op, 0, 0, NULL, 0);
	show(name, ret, "mine", *word(n) == tid());
	ret = futex(word(n), FUTEX_UNLOCK_PI, 0, 0, NULL, 0);
	show("UNLOCK_PI", ret, "free", *word(n) == 0);
}

/* The word is mine, and its page has been shared meanwhile. */
static void unlock(int n)
{
	long ret;

	empty(n);
	ret = futex(word(n), FUTEX_UNLOCK_PI, 0, 0, NULL, 0);
	show("UNLOCK_PI alone", ret, touched ? "free" : "as it was", *word(n) == 0);
}

static void *wait_requeue(void *arg)
{
	long ret = futex(word(6), FUTEX_WAIT_REQUEUE_PI, 0, 0, word(7), 0);

	show("WAIT_REQUEUE_PI", ret, "mine", (*word(7) & FUTEX_TID_MASK) == tid());
	ret = futex(word(7), FUTEX_UNLOCK_PI, 0, 0, NULL, 0);
	show("UNLOCK_PI after", ret, "free", *word(7) == 0);
	return arg;
}

/* Moves the waiter, who so gets the free lock, as soon as there is one. */
static void cmp_requeue(void)
{
	pthread_t t;
	long ret;

	empty(6);
	empty(7);
	CHECK(pthread_create(&t, NULL, wait_requeue, NULL) == 0);
	while ((ret = futex(word(6), FUTEX_CMP_REQUEUE_PI, 1, 0, word(7), 0)) == 0)
		;
	CHECK(pthread_join(t, NULL) == 0);
	show("CMP_REQUEUE_PI", ret, "free", *word(7) == 0);
}

static void all_words(void)
{
	wake_op();
	lock("LOCK_PI", FUTEX_LOCK_PI, 2);
	lock("LOCK_PI2", FUTEX_LOCK_PI2, 3);
	lock("TRYLOCK_PI", FUTEX_TRYLOCK_PI, 4);
	unlock(5);
	cmp_requeue();
}

static void forbidden(void)
{
	const uint32_t set = (uint32_t)FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0);
	uint32_t *bad = word(WORDS), *near_null = (uint32_t *)8;

	CHECK(mprotect(bad, PAGE, PROT_READ) == 0);
	show("WAKE_OP read-only", futex(word(0), FUTEX_WAKE_OP, 1, 1, bad, set), "0",
	     *bad == 0);
	show("LOCK_PI read-only", futex(bad, FUTEX_LOCK_PI, 0, 0, NULL, 0), "0",
	     *bad == 0);
	CHECK(munmap(bad, PAGE) == 0);
	show("WAKE_OP nowhere", futex(word(0), FUTEX_WAKE_OP, 1, 1, bad, set), "", true);
	show("LOCK_PI nowhere", futex(bad, FUTEX_LOCK_PI, 0, 0, NULL, 0), "", true);
	show("TRYLOCK_PI at 8", futex(near_null, FUTEX_TRYLOCK_PI, 0, 0, NULL, 0), "",
	     true);
	show("LOCK_PI odd", futex((uint32_t *)(mem + 1), FUTEX_LOCK_PI, 0, 0, NULL, 0),
	     "", true);
}

/* --- mutexes ----------------------------------------------------------------------- */

static pthread_mutex_t *mutex;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		CHECK(pthread_mutex_lock(mutex) == 0);
		counter++;
		CHECK(pthread_mutex_unlock(mutex) == 0);
	}
	return arg;
}

static void contend(const char *name)
{
	pthread_t t[3];

	counter = 0;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&t[i], NULL, count, NULL) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	printf("%s mutex: %ld\n", name, counter);
}

static void init_mutex(void)
{
	pthread_mutexattr_t attr;

	mutex = (pthread_mutex_t *)(mem + 8 * PAGE);
	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	CHECK(pthread_mutex_init(mutex, &attr) == 0);
}

/* --- the fork ---------------------------------------------------------------------- */

static void write_words(void)
{
	memset(mem, 0, (WORDS + 1) * PAGE);
	for (int n = 0; n < WORDS; n++)
		mem[(size_t)n * PAGE + 64] = 1; /* no zero pages */
	*word(5) = tid();
	init_mutex();
}

static void share(void)
{
	struct held h = fork_held();

	if (h.pid == 0) {
		stay_held(&h);
		_exit(*word(1) != 0 || *word(2) != 0 || *word(5) != (uint32_t)getppid());
	}
	wait_protected(mem + (WORDS - 1) * PAGE);
	touched = true;
	all_words();
	contend("shared");
	printf("child: %d\n", WEXITSTATUS(end_held(&h)));
}

int main(void)
{
	mem = anon(4 * MIB);
	all_words();
	forbidden();
	CHECK(munmap(mem, 4 * MIB) == 0);
	mem = anon(4 * MIB);
	init_mutex();
	contend("untouched");
	write_words();
	share();
	return 0;
}
