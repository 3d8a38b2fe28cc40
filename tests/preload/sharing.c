// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tasks that share the address space come and go on command, as in looked_at.c; every
 * answer is given when /proc shows the tasks that there ought to be.
 */
#include "tests/preload/ask.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define THREADS 5

extern char **environ;

static sem_t go;
static pthread_t ids[THREADS];
static char *path;

/* Until the kernel has reaped every thread that ended: pthread_join() returns earlier. */
static void wait_for_tasks(int want)
{
	for (int n = 0; n != want; sched_yield()) {
		DIR *dir = opendir("/proc/self/task");

		CHECK(dir);
		n = 0;
		for (struct dirent *d; (d = readdir(dir));)
			n += d->d_name[0] != '.';
		closedir(dir);
	}
}

static void *wait_in_thread(void *arg)
{
	sem_wait(&go);
	return arg;
}

static void *nothing(void *arg)
{
	return arg;
}

static void start_threads(void)
{
	CHECK(sem_init(&go, 0, 0) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&ids[i], NULL, wait_in_thread, NULL) == 0);
}

static void join_threads(void)
{
	for (int i = 0; i < THREADS; i++)
		sem_post(&go);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	wait_for_tasks(1);
}

static void detached_threads(void)
{
	pthread_attr_t detached;
	pthread_t id;

	CHECK(pthread_attr_init(&detached) == 0);
	CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(pthread_create(&id, &detached, nothing, NULL) == 0);
	wait_for_tasks(1);
}

/* No site to patch, and no word to libc: the task is gone. */
static void *raw_exit(void *arg)
{
	static volatile long number = SYS_exit;
	long nr = number;

	__asm__ volatile("nop; nop; nop; nop; nop; syscall"
			 : "+a"(nr)
			 : "D"(0L)
			 : "rcx", "r11", "memory");
	return arg;
}

static void unseen_exit(void)
{
	pthread_t id;

	CHECK(pthread_create(&id, NULL, raw_exit, NULL) == 0);
	CHECK(pthread_join(id, NULL) == 0);
	wait_for_tasks(1);
}

static int shared_main(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static int shared_end(void *arg)
{
	(void)arg;
	return 0;
}

static pid_t shared_child(int (*fn)(void *))
{
	static char stack[2][64 * KIB] __attribute__((aligned(64)));
	static int used;
	pid_t pid = clone(fn, stack[used ^= 1] + 64 * KIB, CLONE_VM | SIGCHLD, NULL);

	CHECK(pid > 0);
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
}

static void failing_clone(void)
{
	/* CLONE_SIGHAND wants CLONE_VM, CLONE_THREAD wants CLONE_SIGHAND. */
	CHECK(syscall(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0) == -1);
	CHECK(syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0) == -1);
}

static void by_vfork(void)
{
	char *argv[] = { (char *)"true", NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		execv("/nonexistent", argv);
		execv("/bin/true", argv);
		_exit(1);
	}
	reap(pid);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	reap(pid);
	CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0);
	reap(pid);
	CHECK(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ) == ENOENT);
}

static int orphan_pipe[2];

/* A grandchild by fork, whose parent ends; it lives until the pipe is closed. */
static void start_orphan(void)
{
	int ready[2];
	char byte;

	CHECK(pipe(orphan_pipe) == 0 && pipe(ready) == 0);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		close(orphan_pipe[1]);
		wait_for_engine();
		CHECK(write(ready[1], "", 1) == 1);
		CHECK(read(orphan_pipe[0], &byte, 1) == 0);
		_exit(0);
	}
	close(orphan_pipe[0]);
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	CHECK(wait(NULL) > 0);
}

/* As its subreaper we hear of its end. */
static void end_orphan(void)
{
	close(orphan_pipe[1]);
	CHECK(wait(NULL) > 0);
}

static FILE *far_child;

/* This program again, started by a shell that does not run under the library. */
static void start_far_child(void)
{
	char command[1024], byte;
	int ready[2];

	snprintf(command, sizeof(command), "LD_PRELOAD='%s' '%s' again >&9; exit",
		 getenv("LD_PRELOAD"), path);
	CHECK(pipe(ready) == 0 && dup2(ready[1], 9) == 9 && close(ready[1]) == 0);
	unsetenv("LD_PRELOAD");
	far_child = popen(command, "w");
	CHECK(far_child && close(9) == 0);
	CHECK(read(ready[0], &byte, 1) == 1 && byte == 'r');
	close(ready[0]);
}

static void retire(void)
{
	CHECK(waitpid(-1, NULL, __WALL | WNOHANG) == -1 && errno == ECHILD);
}

static void *exec_in_thread(void *arg)
{
	char *argv[] = { path, (char *)"again", NULL };

	execv(path, argv);
	return arg;
}

static const char *obey(int command)
{
	static pid_t child;
	pthread_t id;

	switch (command) {
	case 't':
		start_threads();
		return "threads";
	case 'j':
		join_threads();
		return "joined";
	case 'd':
		detached_threads();
		return "detached";
	case 'r':
		unseen_exit();
		return "unseen exit";
	case 'c':
		child = shared_child(shared_main);
		return "child";
	case 'k':
		CHECK(kill(child, SIGKILL) == 0);
		reap(child);
		return "killed";
	case 'n':
		reap(shared_child(shared_end));
		return "ended";
	case 'f':
		failing_clone();
		return "failed";
	case 'v':
		by_vfork();
		return "vfork";
	case 'o':
		CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
		start_orphan();
		return "orphan";
	case 'q':
		end_orphan();
		return "orphan ended";
	case 'p':
		start_far_child();
		return "far child";
	case 'x':
		CHECK(pclose(far_child) == 0);
		return "far child ended";
	case 'w':
		retire();
		return "retired";
	case 'e':
		CHECK(pthread_create(&id, NULL, exec_in_thread, NULL) == 0);
		pthread_join(id, NULL);
		return "no exec";
	default:
		return "what?";
	}
}

int main(int argc, char **argv)
{
	char byte;

	path = argv[0];
	if (argc > 1)
		wait_for_engine();
	close(2); /* as in looked_at.c */
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) == 1) {
		puts(obey(byte));
		fflush(stdout);
	}
	return 0;
}
