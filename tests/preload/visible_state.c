// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a program can see of itself is as without us. */
#include "tests/preload/common.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	CHECK(closedir(dir) == 0);
	return n - 2;
}

static void descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY), fds[2];

	printf("first descriptor %d\n", fd);
	CHECK(pipe(fds) == 0);
	printf("pipe %d %d, open descriptors %d\n", fds[0], fds[1],
	       entries("/proc/self/fd"));
	CHECK(close(fd) == 0 && close(fds[0]) == 0 && close(fds[1]) == 0);
	SHOW(fcntl(100, F_GETFD));
}

static void *nothing(void *arg)
{
	printf("tasks with a thread %d\n", entries("/proc/self/task"));
	return arg;
}

static void tasks(void)
{
	pthread_t id;

	printf("tasks %d\n", entries("/proc/self/task"));
	printf("main thread %d\n", (int)syscall(SYS_gettid) == getpid());
	CHECK(pthread_create(&id, NULL, nothing, NULL) == 0 &&
	      pthread_join(id, NULL) == 0);
}

static void signals(void)
{
	struct itimerval timer;
	sigset_t set;
	stack_t alt;

	for (int sig = 1; sig < 32; sig++) {
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
			printf("signal %d is not at its default\n", sig);
	}
	CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
	for (int sig = 1; sig < 65; sig++)
		if (sigismember(&set, sig) == 1)
			printf("signal %d is blocked\n", sig);
	CHECK(sigpending(&set) == 0 && !sigismember(&set, SIGCHLD));
	CHECK(sigaltstack(NULL, &alt) == 0);
	printf("alternate stack flags %d\n", alt.ss_flags);
	CHECK(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec == 0);
}

static void task_settings(void)
{
	char name[16];
	cpu_set_t cpus;

	CHECK(prctl(PR_GET_NAME, name, 0, 0, 0) == 0);
	printf("name %s\n", name);
	printf("dumpable %d, subreaper %d, no new privs %d, keepcaps %d\n",
	       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
	       prctl(PR_GET_CHILD_SUBREAPER, name, 0, 0, 0),
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	       prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	printf("cpus %d, policy %d, nice %d\n", CPU_COUNT(&cpus), sched_getscheduler(0),
	       getpriority(PRIO_PROCESS, 0));
	printf("leader of its session %d\n", getsid(0) == getpid());
	printf("umask %o\n", (unsigned int)umask(022));
}

static void limits(void)
{
	for (int what = 0; what < RLIM_NLIMITS; what++) {
		struct rlimit lim;

		CHECK(getrlimit(what, &lim) == 0);
		printf("limit %d: %lu %lu\n", what, lim.rlim_cur, lim.rlim_max);
	}
}

/* errno must not be changed by calls that succeed. */
static void errno_kept(void)
{
	char *p;

	errno = 77;
	p = anon(4 * MIB);
	fill(p, 4 * MIB, 1);
	CHECK(munmap(p, 4 * MIB) == 0);
	printf("errno %d\n", errno);
}

int main(int argc, char **argv)
{
	descriptors();
	tasks();
	signals();
	task_settings();
	limits();
	errno_kept();
	descriptors();
	printf("arguments %d %s\n", argc, strrchr(argv[0], '/') + 1);
	printf("argv is terminated %d\n", argv[argc] == NULL);
	return 0;
}
