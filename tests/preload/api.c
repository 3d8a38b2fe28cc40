// SPDX-License-Identifier: LGPL-2.1-or-later
/* <shadowmm/shadowmm.h> from threads and a signal handler, while areas come and go. */
#include "tests/preload/common.h"

#include <pthread.h>
#include <shadowmm/shadowmm.h>
#include <signal.h>
#include <sys/time.h>

#define LEN    (2 * MIB)
#define ROUNDS 1500
#define LOOKS  20000

static char *p;
static volatile sig_atomic_t wrong, handled;

/* The area in the middle never changes, whatever happens to its neighbours. */
static bool right(void)
{
	struct shadowmm_vma vma;
	unsigned long want = (unsigned long)p + LEN;

	if (shadowmm_find_vma(want + 5 * PAGE, &vma))
		return false;
	return vma.start == want && vma.end == want + LEN && (vma.flags & 3) == 1 &&
	       vma.ino == 0;
}

static void on_alarm(int sig)
{
	(void)sig;
	if (!right())
		wrong = 1;
	handled++;
}

static void *look(void *arg)
{
	for (int i = 0; i < LOOKS; i++)
		if (!right())
			wrong = 1;
	return arg;
}

static void *change(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(mmap(p, LEN, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
		p[i % 500 * PAGE] = 1;
		CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
		CHECK(munmap(p, LEN) == 0);
	}
	return arg;
}

static void all_at_once(void)
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

int main(void)
{
	struct shadowmm_vma vma;

	if (!shadowmm_active()) {
		puts("not preloaded");
		return shadowmm_version != NULL;
	}
	p = anon_with(3 * LEN, PROT_NONE, 0);
	CHECK(mprotect(p + LEN, LEN, PROT_READ) == 0);
	CHECK(shadowmm_find_vma(~0UL, &vma) == -ENOENT);
	CHECK(shadowmm_find_vma(0, &vma) == 0 && vma.start > 0);
	CHECK(shadowmm_find_vma((unsigned long)main, &vma) == 0 && vma.ino &&
	      (vma.flags & 5) == 5 && vma.policy == SHADOWMM_POLICY_TRACK);
	CHECK(right());
	all_at_once();
	puts(shadowmm_version());
	return 0;
}
