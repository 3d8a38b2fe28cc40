// SPDX-License-Identifier: LGPL-2.1-or-later
/* Faults the kernel takes on behalf of a system call, on untouched memory. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

/* Untouched memory; large enough to be paged by us in either configuration. */
static char *fresh(void)
{
	return anon(1 * MIB);
}

static void pipes(void)
{
	char *from = fresh(), *to = fresh();
	int fds[2];

	CHECK(pipe((int *)fresh()) == 0);
	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], from + 5, 3 * PAGE) == 3 * PAGE);
	CHECK(read(fds[0], to + 100, 3 * PAGE) == 3 * PAGE);
	CHECK(all_zero(to, 1 * MIB));
	fill(from, 4 * PAGE, 1);
	CHECK(write(fds[1], from, 4 * PAGE) == 4 * PAGE);
	to = fresh();
	CHECK(read(fds[0], to, 4 * PAGE) == 4 * PAGE);
	CHECK(matches(to, 4 * PAGE, 1));
	CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
	puts("pipe");
}

static void files(void)
{
	char *to = fresh();
	struct stat *st = (struct stat *)fresh();
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK(fd >= 0);
	CHECK(read(fd, to + PAGE - 2, 8000) == 8000);
	CHECK(memcmp(to + PAGE - 2, "\177ELF", 4) == 0);
	CHECK(pread(fd, fresh() + 123, 5000, 0) == 5000);
	CHECK(fstat(fd, st) == 0 && S_ISREG(st->st_mode));
	CHECK(close(fd) == 0);
	fd = open("/dev/zero", O_RDONLY);
	CHECK(read(fd, fresh(), 1 * MIB) == (ssize_t)MIB);
	CHECK(close(fd) == 0);
	puts("files");
}

static void sockets(void)
{
	char *from = fresh(), *to = fresh();
	struct msghdr *msg = (struct msghdr *)fresh();
	struct iovec *iov = (struct iovec *)(fresh() + PAGE - sizeof(*iov));
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)fresh()) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK(send(fds[0], from, 2 * PAGE, 0) == 2 * PAGE);
	CHECK(recv(fds[1], to + 77, 2 * PAGE, MSG_WAITALL) == 2 * PAGE);
	/* An iovec array of which the second element lies on an untouched page. */
	iov[0] = (struct iovec){ fresh(), 100 };
	iov[1] = (struct iovec){ fresh() + 5 * PAGE, PAGE };
	msg->msg_iov = iov;
	msg->msg_iovlen = 2;
	CHECK(sendmsg(fds[0], msg, 0) == 100 + PAGE);
	CHECK(readv(fds[1], iov, 2) == 100 + PAGE);
	CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
	puts("sockets");
}

static void information(void)
{
	struct utsname *name = (struct utsname *)(fresh() + 4000);
	struct timespec *now = (struct timespec *)fresh();
	char *cwd = fresh() + PAGE - 1;
	sigset_t *set = (sigset_t *)fresh();
	struct pollfd *fds = (struct pollfd *)fresh();

	CHECK(uname(name) == 0 && strcmp(name->sysname, "Linux") == 0);
	CHECK(getcwd(cwd, 8000) == cwd && cwd[0] == '/');
	CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now) == 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, set) == 0);
	CHECK(poll(fds + 1000, 1, 0) >= 0);
	CHECK(getrandom(fresh(), 1 * MIB, 0) == (ssize_t)MIB);
	CHECK(readlink("/proc/self/exe", fresh() + 10, 4000) > 0);
	puts("information");
}

static void futexes(void)
{
	struct timespec shortly = { 0, 1000000 };
	int *word = (int *)fresh();

	CHECK(syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0) == -1 &&
	      errno == EAGAIN);
	word = (int *)fresh();
	CHECK(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &shortly, NULL, 0) == -1);
	CHECK(errno == ETIMEDOUT);
	CHECK(syscall(SYS_futex, fresh(), FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
	puts("futex");
}

static void by_page(void)
{
	struct iovec local = { fresh() + 10, 3 * PAGE },
		     remote = { fresh() + 99, 3 * PAGE };
	char *from = fresh();
	struct iovec pages = { from, 4 * PAGE };
	int fds[2];

	CHECK(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 3 * PAGE);
	CHECK(all_zero(local.iov_base, 3 * PAGE));
	remote.iov_base = fresh();
	fill(local.iov_base, 3 * PAGE, 9);
	CHECK(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 3 * PAGE);
	CHECK(matches(remote.iov_base, 3 * PAGE, 9));
	CHECK(pipe(fds) == 0);
	CHECK(vmsplice(fds[1], &pages, 1, 0) == 4 * PAGE);
	CHECK(read(fds[0], fresh() + 1, 4 * PAGE) == 4 * PAGE);
	puts("by page");
}

/*
 * The kernel resolves no userfaultfd fault for /proc/PID/mem: on an untouched page it
 * answers EIO. So this promises no more than that what was touched is reached.
 */
static void memory_file(void)
{
	char *p = fresh();
	int fd = open("/proc/self/mem", O_RDWR);

	CHECK(fd >= 0);
	fill(p, 2 * PAGE, 1);
	CHECK(pwrite(fd, "hello", 6, (off_t)(p + PAGE - 3)) == 6);
	CHECK(strcmp(p + PAGE - 3, "hello") == 0);
	CHECK(close(fd) == 0);
	puts("/proc/self/mem");
}

/* The kernel reports a bad buffer as before. */
static void bad_buffers(void)
{
	char *p = fresh();
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], "x", 1) == 1);
	CHECK(munmap(p, MIB) == 0);
	SHOW(read(fds[0], p, 1));
	SHOW(write(fds[1], p, 1));
	p = anon_with(MIB, PROT_READ, 0);
	SHOW(read(fds[0], p, 1));
	p = anon_with(MIB, PROT_NONE, 0);
	SHOW(uname((struct utsname *)p));
	SHOW(read(fds[0], fresh(), 1));
}

int main(void)
{
	pipes();
	files();
	sockets();
	information();
	futexes();
	by_page();
	memory_file();
	bad_buffers();
	return 0;
}
