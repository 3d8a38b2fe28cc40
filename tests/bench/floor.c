// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/floor.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static char zeros[PAGE] __attribute__((aligned(PAGE)));

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void answer_zero(int uffd, uintptr_t address)
{
	struct uffdio_copy copy = {
		.dst = address,
		.src = (uintptr_t)zeros,
		.len = PAGE,
	};

	if (ioctl(uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		die("UFFDIO_COPY");
}

static void answer_minor(int uffd, uintptr_t address)
{
	struct uffdio_continue c = { .range = { address, PAGE } };

	if (ioctl(uffd, UFFDIO_CONTINUE, &c) && errno != EEXIST)
		die("UFFDIO_CONTINUE");
}

static void *serve(void *arg)
{
	int uffd = (int)((intptr_t)arg >> 16);
	struct uffd_msg msg;

	pin_to((int)((intptr_t)arg & 0xffff));
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		uintptr_t address = msg.arg.pagefault.address & ~(PAGE - 1);

		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR)
			answer_minor(uffd, address);
		else
			answer_zero(uffd, address);
	}
	return NULL;
}

static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0) /* which is enough here, and allowed to everybody */
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		die("userfaultfd");
	if (ioctl(uffd, UFFDIO_API, &api))
		die("UFFDIO_API");
	return uffd;
}

static void start(char *base, size_t len, int cpu, unsigned long long mode)
{
	struct uffdio_register reg = { .mode = mode };
	int uffd = open_uffd();
	pthread_t id;

	*(volatile char *)zeros = 0;
	reg.range.start = (uintptr_t)base;
	reg.range.len = len;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	if (pthread_create(&id, NULL, serve, (void *)((intptr_t)uffd << 16 | cpu)))
		die("pthread_create");
}

void floor_start(char *base, size_t len, int cpu)
{
	start(base, len, cpu, UFFDIO_REGISTER_MODE_MISSING);
}

static void copy_file(int to, int from, size_t len)
{
	static char bytes[1 << 20];
	ssize_t n;

	for (size_t at = 0; at < len; at += (size_t)n) {
		n = pread(from, bytes, sizeof(bytes), (off_t)at);
		if (n <= 0 || pwrite(to, bytes, (size_t)n, (off_t)at) != n)
			die("copying the file");
	}
}

char *floor_map(int fd, size_t len, int cpu)
{
	int frames = memfd_create("floor", MFD_CLOEXEC);
	char *p;

	if (frames < 0 || ftruncate(frames, (off_t)len))
		die("memfd_create");
	copy_file(frames, fd, len);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, frames, 0);
	if (p == MAP_FAILED)
		die("mmap");
	start(p, len, cpu, UFFDIO_REGISTER_MODE_MINOR);
	return p;
}
