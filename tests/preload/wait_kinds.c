// SPDX-License-Identifier: LGPL-2.1-or-later
/* The program has the children it made, and no others, whichever way it asks. */
#include "tests/preload/common.h"

#include <signal.h>
#include <sys/resource.h>

#ifndef __WALL
#define __WALL 0x40000000
#endif

static volatile sig_atomic_t chld;

static void on_chld(int sig)
{
	(void)sig;
	chld++;
}

static void nobody_to_wait_for(const char *when)
{
	siginfo_t info;

	printf("%s\n", when);
	SHOW(waitpid(-1, NULL, 0));
	SHOW(waitpid(-1, NULL, WNOHANG));
	SHOW(waitpid(0, NULL, WNOHANG));
	SHOW(wait3(NULL, WNOHANG, NULL));
	SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_ALL, 0, &info, WSTOPPED | WCONTINUED | WEXITED | WNOHANG));
}

static void one_child(void)
{
	struct rusage usage;
	sigset_t block, old;
	int status;
	pid_t pid;

	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
	pid = fork();
	if (pid == 0) {
		fill(anon(4 * MIB), 4 * MIB, 1);
		_exit(21);
	}
	CHECK(wait4(-1, &status, 0, &usage) == pid);
	show_status("child", status);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	printf("SIGCHLD %d times\n", (int)chld);
	CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
	CHECK(usage.ru_maxrss >= 4096);
}

static void ignored_children(void)
{
	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	for (int i = 0; i < 5; i++) {
		if (fork() == 0)
			_exit(0);
	}
	CHECK(waitpid(-1, NULL, 0) == -1); /* returns when all have ended */
	printf("ignored children: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_chld, .sa_flags = SA_RESTART };

	/* Of its own, because the engine is a child in the kernel's eyes: "wall". */
	if (argc > 1) {
		(void)argv;
		SHOW(waitpid(-1, NULL, WNOHANG | __WALL));
		return 0;
	}
	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	nobody_to_wait_for("at the start");
	fill(anon(8 * MIB), 8 * MIB, 1);
	nobody_to_wait_for("after faults");
	one_child();
	nobody_to_wait_for("after a child");
	in_child("children of a child", (void (*)(void))one_child);
	ignored_children();
	return 0;
}
