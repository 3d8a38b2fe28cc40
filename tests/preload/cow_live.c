// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A parent whose children share its memory, to be looked at (cow_seen.c): says "ready",
 * then obeys one byte on standard input at a time and answers with a line.
 */
#include "tests/preload/cow_wait.h"

#define LEN (16 * MIB)

static char *mem;
static struct held child;

static const char *fork_child(void)
{
	child = fork_held();
	if (child.pid == 0) {
		stay_held(&child);
		_exit(0);
	}
	wait_protected(mem + LEN - PAGE);
	return "forked";
}

static const char *end_child(void)
{
	CHECK(end_held(&child) == 0);
	return "ended";
}

static const char *run_true(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return "executed";
}

/* Into three areas, which were one. */
static const char *split(void)
{
	CHECK(mprotect(mem + LEN / 4, LEN / 2, PROT_READ) == 0);
	return "split";
}

static const char *obey(int command)
{
	switch (command) {
	case 'f':
		return fork_child();
	case 'a':
		fill(mem, LEN / 2, 2);
		return "first half";
	case 'b':
		fill(mem + LEN / 2, LEN / 2, 2);
		return "second half";
	case 'e':
		return end_child();
	case 's':
		return split();
	case 'x':
		return run_true();
	default:
		return "what?";
	}
}

int main(void)
{
	mem = anon_before_hole(LEN);
	obey_all(mem, LEN, obey);
	return 0;
}
