// SPDX-License-Identifier: LGPL-2.1-or-later
/* Signal handlers that map memory in the middle of calls that do, and leave by a jump. */
#include "tests/preload/common.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#define ENOUGH 300

static volatile sig_atomic_t handled;
static sigjmp_buf escape;

static void map_a_little(void)
{
	volatile char *p = anon(256 * KIB);

	p[100 * KIB] = 1;
	CHECK(p[200 * KIB] == 0);
	CHECK(mprotect((void *)p, PAGE, PROT_READ) == 0);
	CHECK(munmap((void *)p, 256 * KIB) == 0);
}

static void on_alarm(int sig)
{
	(void)sig;
	map_a_little();
	handled++;
}

static void on_alarm_jump(int sig)
{
	(void)sig;
	handled++;
	siglongjmp(escape, 1);
}

static void every_half_millisecond(void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval interval = { { 0, 500 }, { 0, 500 } };

	handled = 0;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
}

static void end_alarms(void)
{
	struct itimerval never = { 0 };

	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(signal(SIGALRM, SIG_IGN) != SIG_ERR);
}

static void one_round(unsigned int seed)
{
	char *p = anon(64 * PAGE);

	fill(p, 64 * PAGE, seed);
	CHECK(mprotect(p + 8 * PAGE, PAGE, PROT_READ) == 0);
	p = mremap(p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(matches(p, 64 * PAGE, seed));
	CHECK(munmap(p, 64 * PAGE) == 0);
}

static void handlers_map(int flags)
{
	every_half_millisecond(on_alarm, flags);
	for (unsigned int i = 0; handled < ENOUGH; i++)
		one_round(i);
	end_alarms();
	puts("handlers that map");
}

/* What the jump abandoned may leak; what follows must work. */
static void handlers_jump(void)
{
	volatile unsigned int rounds = 0;

	every_half_millisecond(on_alarm_jump, SA_RESTART);
	while (handled < ENOUGH) {
		if (sigsetjmp(escape, 1))
			continue;
		for (;;)
			one_round(rounds++);
	}
	end_alarms();
	for (unsigned int i = 0; i < 10; i++)
		one_round(i);
	puts("handlers that jump");
}

static void on_other_stack(void)
{
	stack_t alt = { .ss_sp = anon(64 * KIB), .ss_size = 64 * KIB };

	CHECK(sigaltstack(&alt, NULL) == 0);
	handlers_map(SA_ONSTACK | SA_RESTART);
	alt.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&alt, NULL) == 0);
}

/* errno of the interrupted code must survive our work in the handler's calls. */
static void interrupted_fork(void)
{
	int status;

	every_half_millisecond(on_alarm, SA_RESTART);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			map_a_little();
			_exit(3);
		}
		while (waitpid(pid, &status, 0) != pid)
			CHECK(errno == EINTR);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	}
	end_alarms();
	puts("forks between signals");
}

int main(void)
{
	handlers_map(SA_RESTART);
	on_other_stack();
	handlers_jump();
	interrupted_fork();
	return 0;
}
