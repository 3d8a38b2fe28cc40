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

static void *serve(void *arg)
{
	int uffd = (int)((intptr_t)arg >> 16);
	struct uffd_msg msg;

	pin_to((int)((intptr_t)arg & 0xffff));
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_copy copy = {
			.dst = msg.arg.pagefault.address & ~(PAGE - 1),
			.src = (uintptr_t)zeros,
			.len = PAGE,
		};

		if (ioctl(uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
			die("UFFDIO_COPY");
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

void floor_start(char *base, size_t len, int cpu)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
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
