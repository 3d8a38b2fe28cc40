// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every way to end; the argument says which. Nothing of ours may stay behind. */
#include "tests/preload/common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#define LEN (4 * MIB)

static void *forever(void *arg)
{
	for (;;) {
		char *p = anon(LEN);

		fill(p, LEN, 1);
		munmap(p, LEN);
	}
	return arg;
}

static void *late(void *arg)
{
	char *p = anon(LEN);

	CHECK(pthread_join(*(pthread_t *)arg, NULL) == 0); /* main has left */
	fill(p, LEN, 2);
	CHECK(matches(p, LEN, 2));
	puts("thread outlived main");
	exit(3);
}

static void threads_at_work(void)
{
	pthread_t id;

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&id, NULL, forever, NULL) == 0);
}

static void main_leaves(void)
{
	static pthread_t self;
	pthread_t id;

	self = pthread_self();
	CHECK(pthread_create(&id, NULL, late, &self) == 0);
	pthread_exit(NULL);
}

static void *exit_here(void *arg)
{
	exit((int)(long)arg);
}

static void from_thread(void)
{
	pthread_t id;

	CHECK(pthread_create(&id, NULL, exit_here, (void *)9L) == 0);
	pthread_join(id, NULL);
}

static void at_exit(void)
{
	char *p = anon(LEN);

	fill(p, LEN, 3);
	printf("atexit %d\n", matches(p, LEN, 3));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";

	fill(anon(LEN), LEN, 1);
	printf("%s\n", how);
	CHECK(atexit(at_exit) == 0);
	fflush(stdout);
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		raise(SIGSEGV);
	if (!strcmp(how, "threads-exit")) {
		threads_at_work();
		exit(5);
	}
	if (!strcmp(how, "threads-kill")) {
		threads_at_work();
		raise(SIGKILL);
	}
	if (!strcmp(how, "main-leaves"))
		main_leaves();
	if (!strcmp(how, "from-thread"))
		from_thread();
	if (!strcmp(how, "_exit"))
		_exit(7);
	if (!strcmp(how, "raw-exit"))
		syscall(SYS_exit, 8);
	if (!strcmp(how, "raw-exit-group"))
		syscall(SYS_exit_group, 8);
	return 4;
}
