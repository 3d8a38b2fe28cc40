// SPDX-License-Identifier: LGPL-2.1-or-later
/* unshare of namespaces, which the kernel allows to single-threaded processes only. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sched.h>

#define LEN (2 * MIB)

static char *before;

static void go_on(void)
{
	char *p = anon(LEN);

	fill(before, LEN, 2);
	fill(p, LEN, 3);
	CHECK(matches(before, LEN, 2) && matches(p, LEN, 3));
}

static void user(void)
{
	SHOW(unshare(CLONE_NEWUSER));
	go_on();
	in_child("child", go_on);
}

static void mounts(void)
{
	SHOW(unshare(CLONE_NEWNS));
	SHOW(unshare(CLONE_NEWUTS | CLONE_NEWIPC));
	go_on();
}

static void processes(void)
{
	SHOW(unshare(CLONE_NEWPID));
	go_on();
	in_child("first in its namespace", go_on);
}

/* Not CLONE_VM: the kernel refuses it as long as anyone, our engine, shares the memory.
 */
static void shared_with_threads(void)
{
	SHOW(unshare(CLONE_FILES | CLONE_FS));
	SHOW(unshare(CLONE_SIGHAND));
	SHOW(unshare(CLONE_THREAD));
	go_on();
}

static void entered(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY);

	CHECK(fd >= 0);
	SHOW(setns(fd, CLONE_NEWUSER)); /* one's own: refused */
	SHOW(unshare(CLONE_NEWUSER));
	go_on();
}

int main(void)
{
	before = anon(LEN);
	in_child("user", user);
	in_child("mounts", mounts);
	in_child("processes", processes);
	in_child("shared with threads", shared_with_threads);
	in_child("entered", entered);
	return 0;
}
