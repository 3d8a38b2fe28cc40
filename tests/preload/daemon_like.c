// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a daemon does: fork twice, leave the session, close every descriptor; then fault.
 * It reports through shared memory, the only thing it keeps.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

struct report {
	int done; /* futex: 0 until the daemon has filled the rest */
	int data_right, new_right, first_fd, child_right;
};

static struct report *report;
static char *inherited;

#define LEN (2 * MIB)

static void daemon_main(void)
{
	char *p;
	int status = -1;
	pid_t pid;

	CHECK(syscall(SYS_close_range, 0, ~0U, 0) == 0);
	report->first_fd = open("/dev/null", O_RDWR);
	report->data_right =
		matches(inherited, LEN / 2, 1) && all_zero(inherited + LEN / 2, LEN / 2);
	p = anon(LEN);
	fill(p, LEN, 2);
	fill(inherited, LEN, 3);
	report->new_right = matches(p, LEN, 2) && matches(inherited, LEN, 3);
	pid = fork();
	if (pid == 0) {
		p = anon(LEN);
		fill(p, LEN, 4);
		_exit(matches(p, LEN, 4) && matches(inherited, LEN, 3) ? 0 : 1);
	}
	report->child_right = waitpid(pid, &status, 0) == pid && status == 0;
	__atomic_store_n(&report->done, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &report->done, FUTEX_WAKE, 1, NULL, NULL, 0);
	_exit(0);
}

static void double_fork(void)
{
	CHECK(setsid() >= 0);
	umask(0);
	if (fork() == 0)
		daemon_main();
	_exit(0);
}

int main(void)
{
	struct timespec limit = { 20, 0 };

	report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(report != MAP_FAILED);
	inherited = anon(LEN);
	fill(inherited, LEN / 2, 1);
	in_child("first fork", double_fork);
	while (!__atomic_load_n(&report->done, __ATOMIC_SEQ_CST)) {
		long ret =
			syscall(SYS_futex, &report->done, FUTEX_WAIT, 0, &limit, NULL, 0);

		CHECK(ret == 0 || errno == EAGAIN || errno == EINTR);
	}
	printf("data %d, new data %d, child %d, first descriptor %d\n",
	       report->data_right, report->new_right, report->child_right,
	       report->first_fd);
	CHECK(matches(inherited, LEN / 2, 1));
	return 0;
}
