// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: floor BATCH. The least a userfaultfd handler can cost: one first-touch pass over
 * 1 GiB, a blocking reader on the same CPU, BATCH pages (1..512) for each fault.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int uffd;
static char *zeros;
static unsigned long base, batch;

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void *serve(void *arg)
{
	struct uffd_msg msg;

	pin();
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		unsigned long page = (msg.arg.pagefault.address - base) / PAGE;
		struct uffdio_copy copy = { .dst = base + page / batch * batch * PAGE,
					    .src = (unsigned long)zeros,
					    .len = batch * PAGE };

		if (ioctl(uffd, UFFDIO_COPY, &copy))
			die("UFFDIO_COPY");
	}
	return arg;
}

static void open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		die("userfaultfd");
	if (ioctl(uffd, UFFDIO_API, &api))
		die("UFFDIO_API");
}

int main(int argc, char **argv)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t id;

	batch = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (batch < 1 || batch > 512 || (GIB / PAGE) % batch)
		return 2;
	no_huge_pages();
	pin();
	zeros = map_anonymous(batch * PAGE);
	touch_all(zeros, batch * PAGE);
	open_uffd();
	base = (unsigned long)map_anonymous(GIB);
	reg.range.start = base;
	reg.range.len = GIB;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	if (pthread_create(&id, NULL, serve, NULL))
		die("pthread_create");
	printf("%.0f\n", touch_all((char *)base, GIB));
	return 0;
}
