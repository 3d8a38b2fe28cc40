// SPDX-License-Identifier: LGPL-2.1-or-later
/* Other ways to a new process: vfork, posix_spawn, system, popen, clone on a stack. */
#include "tests/preload/common.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

static char path[] = "/bin/echo", word[] = "from a child";
static char *const echo[] = { path, word, NULL };

static void show_wait(const char *what, pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	show_status(what, status);
}

static void by_vfork(void)
{
	static volatile int seen;
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		seen = 7;
		execv(echo[0], echo);
		_exit(1);
	}
	show_wait("vfork and exec", pid);
	CHECK(seen == 7);
	fflush(stdout);
	pid = vfork();
	if (pid == 0)
		_exit(5);
	show_wait("vfork and _exit", pid);
	pid = vfork();
	if (pid == 0) {
		execv("/nonexistent", echo);
		_exit(6);
	}
	show_wait("vfork and failing exec", pid);
}

static void by_spawn(void)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	fflush(stdout);
	CHECK(posix_spawn(&pid, echo[0], NULL, NULL, echo, environ) == 0);
	show_wait("posix_spawn", pid);
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addclose(&actions, 1) == 0);
	fflush(stdout);
	CHECK(posix_spawn(&pid, "/bin/true", &actions, NULL, echo, environ) == 0);
	show_wait("posix_spawn with actions", pid);
	printf("posix_spawn of nothing: %s\n",
	       strerror(posix_spawn(&pid, "/nonexistent", NULL, NULL, echo, environ)));
}

static void by_libc(void)
{
	char line[64] = "";
	FILE *f;

	fflush(stdout);
	show_status("system", system("echo from a shell; exit 3"));
	f = popen("echo through a pipe; exit 4", "r");
	CHECK(f && fgets(line, sizeof(line), f));
	printf("popen: %s", line);
	show_status("pclose", pclose(f));
}

static char *shared;

static int clone_main(void *arg)
{
	char *own = anon(MIB);

	fill(own, MIB, 3);
	fill(shared, MIB, 4);
	return matches(own, MIB, 3) ? *(int *)arg : 99;
}

static void by_clone(int flags, const char *what)
{
	char *stack = anon(256 * KIB);
	int code = 12;
	pid_t pid;

	shared = anon(MIB);
	fflush(stdout);
	pid = clone(clone_main, stack + 256 * KIB, flags, &code);
	show_wait(what, pid);
	CHECK((flags & CLONE_VM) ? matches(shared, MIB, 4) : all_zero(shared, MIB));
	CHECK(munmap(stack, 256 * KIB) == 0 && munmap(shared, MIB) == 0);
}

static void by_raw_fork(void)
{
	char *p = anon(MIB);
	pid_t pid;

	fill(p, MIB / 2, 5);
	fflush(stdout);
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		fill(p + MIB / 2, MIB / 2, 6);
		_exit(matches(p, MIB / 2, 5) ? 13 : 99);
	}
	show_wait("raw fork", pid);
	CHECK(all_zero(p + MIB / 2, MIB / 2));
}

int main(void)
{
	by_vfork();
	by_spawn();
	by_libc();
	by_clone(SIGCHLD, "clone");
	by_clone(CLONE_VM | SIGCHLD, "clone sharing memory");
	by_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, "clone sharing memory, waiting");
	by_clone(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD,
		 "clone sharing all");
	by_raw_fork();
	in_child("vfork in a child", by_vfork);
	return 0;
}
