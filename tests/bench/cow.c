/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the first write to a page costs after a fork.
 *
 *	cow {seq | random} MIB [WAIT_MS | floor]
 *
 * Fills MIB mebibytes, forks a child that waits, lets WAIT_MS pass (the library protects
 * pages a while after the fork), and writes once to every page. Prints microseconds:
 * those of the fork call, and per page of the first and of a second round. With "floor"
 * a handler in the program itself, on the same processor and with nothing else to do,
 * makes the copies by userfaultfd: the least that page by page can cost.
 */
#include "tests/bench/bench.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t *order_of(size_t pages, int shuffled)
{
	size_t *order = malloc(pages * sizeof(*order));
	unsigned int seed = 1;

	if (!order)
		exit(1);
	for (size_t i = 0; i < pages; i++)
		order[i] = i;
	for (size_t i = pages - 1; shuffled && i > 0; i--) {
		size_t j = (size_t)rand_r(&seed) % (i + 1), other = order[i];

		order[i] = order[j];
		order[j] = other;
	}
	return order;
}

static double rewrite(volatile char *p, const size_t *order, size_t pages)
{
	double begin = now_ns();

	for (size_t i = 0; i < pages; i++)
		p[order[i] * PAGE]++;
	return (now_ns() - begin) / 1e3 / (double)pages;
}

static pid_t waiting_child(int *hold, double *took)
{
	double begin;
	int fds[2];
	pid_t pid;
	char c;

	if (pipe(fds))
		exit(1);
	begin = now_ns();
	pid = fork();
	*took = (now_ns() - begin) / 1e3;
	if (pid < 0)
		exit(1);
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	close(fds[0]);
	*hold = fds[1];
	return pid;
}

/* --- floor ------------------------------------------------------------------------- */

static void *handler(void *arg)
{
	static char copy[PAGE] __attribute__((aligned(4096)));
	int fd = *(int *)arg;
	struct uffd_msg msg;

	while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		unsigned long page = msg.arg.pagefault.address & ~(PAGE - 1);
		struct uffdio_copy c = {
			.dst = page,
			.src = (unsigned long)copy,
			.len = PAGE,
		};

		memcpy(copy, (void *)page, PAGE);
		if (madvise((void *)page, PAGE, MADV_DONTNEED) ||
		    ioctl(fd, UFFDIO_COPY, &c))
			die("UFFDIO_COPY");
	}
	return NULL;
}

static void start_handler(char *p, size_t len)
{
	static int fd;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (unsigned long)p, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect w = {
		.range = { (unsigned long)p, len },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	cpu_set_t one;
	pthread_t t;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	fd = (int)syscall(SYS_userfaultfd, 0);
	if (fd < 0 || sched_setaffinity(0, sizeof(one), &one) ||
	    ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &r) ||
	    ioctl(fd, UFFDIO_WRITEPROTECT, &w) || pthread_create(&t, NULL, handler, &fd))
		die("userfaultfd");
}

int main(int argc, char **argv)
{
	size_t pages = (argc > 2 ? strtoul(argv[2], NULL, 10) : 64) << 8;
	int shuffled = argc > 1 && !strcmp(argv[1], "random"), hold;
	size_t *order = order_of(pages, shuffled);
	double took, first, second;
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (p == MAP_FAILED)
		return 1;
	no_huge_pages();
	memset(p, 1, pages * PAGE);
	pid = waiting_child(&hold, &took);
	if (argc > 3 && !strcmp(argv[3], "floor"))
		start_handler(p, pages * PAGE);
	usleep(1000 * (argc > 3 ? (useconds_t)atoi(argv[3]) : 200));
	first = rewrite(p, order, pages);
	second = rewrite(p, order, pages);
	printf("fork %.0f us, first write %.3f us, second %.3f us\n", took, first,
	       second);
	close(hold);
	waitpid(pid, NULL, 0);
	exit(0); /* and the handler */
}
