// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: files WHAT WAY FILE. Reads one word of each page of FILE, which is mapped
 * privately, and prints nanoseconds of wall time per page.
 *
 * WHAT: cold    in order, the kernel's cache having dropped the file before
 *       warm    in order, the kernel's cache having read it before
 *       random  each page once, in no order; the cache as above
 *       hold    as warm, then waits, with all of it mapped, until its input ends
 *       keep    as cold, and waits likewise
 *       again   in order, the kernel's cache being as it is, and waits
 * WAY:  map     as it is: the kernel's or a preloaded library's
 *       floor   a minimal userfaultfd handler on the faulter's processor
 */
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_RANDOM = 65536, /* pages; enough, where each takes some microseconds */
};

static volatile uint64_t sink;

/* Odd steps through a power of two visit each page once, and those beyond the end are
 * left out; the golden one stays far from where it was lately. */
static size_t read_random(const volatile char *p, size_t pages)
{
	size_t all = 1, n = 0, step;

	while (all < pages)
		all *= 2;
	step = (size_t)((double)all * 0.6180339887) | 1;
	for (size_t i = 0, at = 0; i < all && n < MAX_RANDOM; i++) {
		at = (at + step) & (all - 1);
		if (at >= pages)
			continue;
		sink += *(const volatile uint64_t *)(p + at * PAGE);
		n++;
	}
	return n;
}

static size_t read_in_order(const volatile char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		sink += *(const volatile uint64_t *)(p + i * PAGE);
	return pages;
}

/* What the kernel's cache holds of it is known afterwards. */
static void prepare_cache(int fd, bool cold)
{
	static char bytes[1 << 20];
	ssize_t n;
	off_t at = 0;

	if (cold && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("posix_fadvise");
	while (!cold && (n = pread(fd, bytes, sizeof(bytes), at)) > 0)
		at += n;
}

/*
 * Memory that has been free for some seconds a virtual machine may have to get from its
 * host, which takes 5 to 9 us a page, whoever pages. So there is as much at hand as will
 * be needed: it was just in use.
 */
static void fetch_memory(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, len, MADV_HUGEPAGE);
	for (size_t i = 0; i < len; i += PAGE)
		*(volatile char *)(p + i) = 1;
	munmap(p, len);
}

static void measure(const char *what, bool floor, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool cold = !strcmp(what, "cold") || !strcmp(what, "keep");
	bool random = !strcmp(what, "random");
	double begin;
	struct stat st;
	size_t len, n;
	char *p;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	len = (size_t)st.st_size;
	if (strcmp(what, "again"))
		prepare_cache(fd, cold);
	fetch_memory(len);
	if (floor) {
		pin_to(0);
		p = floor_map(fd, len, 0);
	} else {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	}
	if (p == MAP_FAILED)
		die("mmap");
	begin = now_ns();
	n = random ? read_random(p, len / PAGE) : read_in_order(p, len / PAGE);
	printf("%.2f\n", (now_ns() - begin) / (double)n);
}

int main(int argc, char **argv)
{
	bool hold = argc == 4 && (!strcmp(argv[1], "hold") || !strcmp(argv[1], "keep") ||
				  !strcmp(argv[1], "again"));

	if (argc != 4)
		return 2;
	measure(argv[1], !strcmp(argv[2], "floor"), argv[3]);
	fflush(stdout);
	while (hold && getchar() != EOF)
		continue;
	return 0;
}
