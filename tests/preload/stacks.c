// SPDX-License-Identifier: LGPL-2.1-or-later
/* Stacks: the growing main stack, MAP_GROWSDOWN, thread stacks and their guards. */
#include "tests/preload/common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* Uses about 64 KiB of stack for each level. */
static unsigned int deep(unsigned int levels)
{
	volatile unsigned char frame[64 * KIB];

	for (size_t i = 0; i < sizeof(frame); i += PAGE)
		frame[i] = (unsigned char)levels;
	if (levels)
		deep(levels - 1);
	for (size_t i = 0; i < sizeof(frame); i += PAGE)
		CHECK(frame[i] == (unsigned char)levels);
	return frame[0];
}

static void grows_down(void)
{
	char *area = anon_with(16 * MIB, PROT_NONE, 0), *low = area + 15 * MIB, *p;

	CHECK(munmap(area, 16 * MIB) == 0);
	p = mmap(low, 64 * KIB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	CHECK(p == low);
	fill(p, 64 * KIB, 1);
	for (size_t i = 1; i <= 100; i++)
		*(volatile char *)(p - i * PAGE) = (char)i;
	for (size_t i = 1; i <= 100; i++)
		CHECK(p[-(long)(i * PAGE)] == (char)i);
	CHECK(matches(p, 64 * KIB, 1));
	puts("grows down");
}

static void *use_stack(void *arg)
{
	deep((unsigned int)(unsigned long)arg);
	return NULL;
}

static void thread_stacks(void)
{
	pthread_attr_t attr;
	pthread_t ids[8];

	CHECK(pthread_attr_init(&attr) == 0);
	for (size_t mib = 1; mib <= 8; mib++) {
		CHECK(pthread_attr_setstacksize(&attr, mib * MIB) == 0);
		CHECK(pthread_create(&ids[mib - 1], &attr, use_stack,
				     (void *)(mib * 14)) == 0);
	}
	for (int i = 0; i < 8; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	puts("thread stacks");
}

static void own_stack(void)
{
	pthread_attr_t attr;
	pthread_t id;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstack(&attr, anon(4 * MIB), 4 * MIB) == 0);
	CHECK(pthread_create(&id, &attr, use_stack, (void *)50) == 0);
	CHECK(pthread_join(id, NULL) == 0);
	puts("own stack");
}

static void on_overflow(int sig, siginfo_t *info, void *context)
{
	(void)context;
	_exit(sig == SIGSEGV && info->si_code == SEGV_ACCERR ? 42 : 43);
}

/* Frames smaller than a guard page, so that none steps over it. */
static unsigned int endless(volatile unsigned int *above)
{
	volatile unsigned int frame[256];

	frame[0] = *above + 1;
	if (!frame[0])
		return 0;
	return endless(frame) + frame[0];
}

static void *overflow(void *arg)
{
	volatile unsigned int start = 0;
	stack_t alt = { .ss_sp = anon(64 * KIB), .ss_size = 64 * KIB };

	(void)arg;
	CHECK(sigaltstack(&alt, NULL) == 0);
	endless(&start);
	return NULL;
}

/* Running over the guard of a thread's stack reaches a handler on the other stack. */
static void overflow_thread(void)
{
	struct sigaction sa = { .sa_sigaction = on_overflow,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	pthread_t id;

	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	CHECK(pthread_create(&id, NULL, overflow, NULL) == 0);
	CHECK(pthread_join(id, NULL) == 0);
}

static void overflow_main(void)
{
	deep(1000000);
}

int main(void)
{
	struct rlimit limit = { 8 * MIB, 8 * MIB };

	CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
	deep(100);
	puts("main stack");
	grows_down();
	thread_stacks();
	own_stack();
	in_child("overflow of a thread", overflow_thread);
	in_child("overflow of main", overflow_main);
	return 0;
}
