// SPDX-License-Identifier: LGPL-2.1-or-later
/* Giving up rights in every way, then going on: faults, forks, threads, exec. */
#include "tests/preload/common.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LEN    (2 * MIB)
#define NOBODY 65534

static char *before;

static void grandchild(void)
{
	char *p = anon(LEN);

	CHECK(matches(before, LEN / 2, 1));
	fill(p, LEN, 4);
	CHECK(matches(p, LEN, 4));
}

static void *thread(void *arg)
{
	(void)arg;
	grandchild();
	return NULL;
}

static void go_on(void)
{
	char *p = anon(LEN);
	pthread_t id;

	fill(before + LEN / 2, LEN / 2, 2);
	CHECK(matches(before, LEN / 2, 1) && matches(before + LEN / 2, LEN / 2, 2));
	fill(p, LEN, 3);
	CHECK(matches(p, LEN, 3));
	CHECK(pthread_create(&id, NULL, thread, NULL) == 0 &&
	      pthread_join(id, NULL) == 0);
	in_child("forked", grandchild);
	fflush(stdout);
	show_status("system", system("echo shell"));
}

static void become_nobody(void)
{
	gid_t group = NOBODY;

	SHOW(setgroups(1, &group));
	SHOW(setgid(NOBODY));
	SHOW(setuid(NOBODY));
	SHOW(setuid(0));
	go_on();
}

static void become_nobody_for_a_while(void)
{
	SHOW(setegid(NOBODY));
	SHOW(seteuid(NOBODY));
	fill(before, LEN / 2, 1);
	go_on();
	SHOW(seteuid(0));
	SHOW(setegid(0));
	go_on();
}

/* --- the engine's tasks ------------------------------------------------------------ */

static long status_of(const char *path, const char *key)
{
	char line[256];
	FILE *f = fopen(path, "re");
	long value = -1;

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* Tasks of @pid that are not nobody's. */
static int tasks_of_others(const char *pid)
{
	char path[600];
	struct dirent *d;
	int others = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/task/%s/status", pid, d->d_name);
		others += d->d_name[0] != '.' && status_of(path, "Uid:") != NOBODY &&
			  status_of(path, "Uid:") >= 0;
	}
	if (dir)
		closedir(dir);
	return others;
}

/* Without the library there are no children. */
static int children_of_others(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	char path[300];
	int others = 0;

	CHECK(dir);
	while ((d = readdir(dir))) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", d->d_name);
		if (status_of(path, "PPid:") == getpid())
			others += tasks_of_others(d->d_name);
	}
	closedir(dir);
	return others;
}

/* So that tasks are there that page files, if that is wanted. */
static void map_a_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED && !memcmp(p, "\177ELF", 4));
	CHECK(madvise(p, 16 * PAGE, MADV_WILLNEED) == 0 && close(fd) == 0);
}

static void become_nobody_at_once(void)
{
	map_a_file();
	SHOW(setresgid(NOBODY, NOBODY, NOBODY));
	SHOW(setresuid(NOBODY, NOBODY, NOBODY));
	/* Some may be at a disk, and are not waited for; the suite's timeout ends this.
	 */
	while (children_of_others())
		sched_yield();
	go_on();
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	SHOW(syscall(SYS_capset, &head, none));
	SHOW(setuid(12345));
	go_on();
}

static void no_new_rights(void)
{
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	go_on();
}

static void *thread_with_rights(void *arg)
{
	pthread_barrier_t *barrier = arg;

	grandchild();
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	CHECK(geteuid() == NOBODY);
	grandchild();
	return NULL;
}

/* glibc makes every thread change: a broadcast that must not reach or hang on us. */
static void become_nobody_with_threads(void)
{
	pthread_barrier_t barrier;
	pthread_t ids[4];

	CHECK(pthread_barrier_init(&barrier, NULL, 5) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&ids[i], NULL, thread_with_rights, &barrier) == 0);
	pthread_barrier_wait(&barrier);
	SHOW(setgid(NOBODY));
	SHOW(setuid(NOBODY));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	go_on();
}

int main(void)
{
	before = anon(LEN);
	fill(before, LEN / 2, 1);
	in_child("nobody", become_nobody);
	in_child("nobody for a while", become_nobody_for_a_while);
	in_child("nobody at once", become_nobody_at_once);
	in_child("no capabilities", drop_capabilities);
	in_child("no new rights", no_new_rights);
	in_child("nobody with threads", become_nobody_with_threads);
	become_nobody();
	return 0;
}
