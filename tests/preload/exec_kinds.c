// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * exec that fails, and the program goes on; exec that succeeds, and the new image finds
 * no child, no SIGCHLD, no descriptor and no data of the old one.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define LEN (2 * MIB)

static void failing(char *p)
{
	char *const none[] = { NULL };
	char *volatile bad = (char *)1;
	char *q;

	SHOW(execv("/nonexistent", none));
	SHOW(execv("/", none));
	SHOW(execv("/etc/passwd", none));
	SHOW(execve(bad, none, none));
	CHECK(matches(p, LEN / 2, 1));
	fill(p + LEN / 2, LEN / 2, 2);
	q = anon(LEN);
	fill(q, LEN, 3);
	CHECK(matches(p + LEN / 2, LEN / 2, 2) && matches(q, LEN, 3));
	puts("going on");
}

/* The new image: SIGCHLD is blocked since before the exec, so it would be pending. */
static int new_image(const char *how)
{
	struct timespec shortly = { 0, 300000000 };
	sigset_t set;
	char *p = anon(LEN);
	int fd;

	fill(p, LEN, 4);
	CHECK(matches(p, LEN, 4));
	errno = 0;
	CHECK(waitpid(-1, NULL, WNOHANG) == -1);
	printf("%s: wait says %s\n", how, strerror(errno));
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	CHECK(sigtimedwait(&set, NULL, &shortly) == -1);
	printf("%s: SIGCHLD: %s\n", how, strerror(errno));
	fd = open("/dev/null", O_RDONLY);
	printf("%s: first descriptor %d\n", how, fd);
	return 0;
}

static void block_sigchld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

static void exec_self(const char *how)
{
	block_sigchld();
	fflush(stdout);
	execl("/proc/self/exe", "exec_kinds", how, (char *)NULL);
	CHECK(!"exec came back");
}

static void at_once(void)
{
	exec_self("at once");
}

static void after_faults(void)
{
	fill(anon(LEN), LEN, 5);
	exec_self("after faults");
}

static void *exec_from_thread(void *arg)
{
	exec_self("from a thread");
	return arg;
}

static void from_thread(void)
{
	pthread_t id;

	CHECK(pthread_create(&id, NULL, exec_from_thread, NULL) == 0);
	pthread_join(id, NULL);
}

static void after_failure(void)
{
	char *const none[] = { NULL };

	SHOW(execv("/nonexistent", none));
	fill(anon(LEN), LEN, 6);
	exec_self("after a failure");
}

/* A child of the program's own is still there after the exec. */
static void with_own_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	fflush(stdout);
	execl("/proc/self/exe", "exec_kinds", "own", (char *)NULL);
}

static int reap_own(void)
{
	int status;

	CHECK(waitpid(-1, &status, 0) > 0);
	show_status("own child after exec", status);
	CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	return 0;
}

int main(int argc, char **argv)
{
	char *p;

	if (argc > 1)
		return strcmp(argv[1], "own") ? new_image(argv[1]) : reap_own();
	p = anon(LEN);
	fill(p, LEN / 2, 1);
	failing(p);
	in_child("exec at once", at_once);
	in_child("exec after faults", after_faults);
	in_child("exec from a thread", from_thread);
	in_child("exec after a failure", after_failure);
	in_child("exec with a child", with_own_child);
	exec_self("program");
	return 1;
}
