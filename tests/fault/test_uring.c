// SPDX-License-Identifier: LGPL-2.1-or-later
/* The kernel's ring: what smm-read is told of reads that fail, and of short ones. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/sys/uring.h"

#define FILE_BYTES 10000

static struct uring_memory memory __attribute__((aligned(4096)));
static struct uring ring = { .fd = -1 };
static char buf[4 * PAGE_SIZE];
static int file = -1;

static void setup(void)
{
	static char bytes[FILE_BYTES];
	long ret = uring_open(&ring, &memory);

	if (ret)
		cr_skip_test("no ring: %s", strerror((int)-ret));
	memset(bytes, 'f', sizeof(bytes));
	file = memfd_create("file", MFD_CLOEXEC);
	cr_assert(file >= 0 && write(file, bytes, sizeof(bytes)) == sizeof(bytes));
}

static void teardown(void)
{
	close(file);
	close(ring.fd);
}

TestSuite(uring, .init = setup, .fini = teardown, .timeout = 30);

static void expect_done(u64 data, long result)
{
	struct uring_done d;

	while (!uring_reap(&ring, &d))
		cr_assert(uring_wait(&ring) == 0);
	cr_expect_eq(d.data, data);
	cr_expect_eq(d.result, result, "%ld", d.result);
}

static void read_gives(int fd, u64 offset, long result)
{
	struct uring_done d;

	uring_read(&ring, fd, buf, sizeof(buf), offset, 7);
	cr_assert(uring_submit(&ring));
	expect_done(7, result);
	cr_expect_not(uring_reap(&ring, &d));
}

Test(uring, short_reads)
{
	read_gives(file, 0, FILE_BYTES);
	cr_expect(buf[0] == 'f' && buf[FILE_BYTES - 1] == 'f' && !buf[FILE_BYTES]);
	read_gives(file, 2 * PAGE_SIZE, FILE_BYTES - 2 * PAGE_SIZE);
	read_gives(file, FILE_BYTES, 0);
}

Test(uring, failing_reads)
{
	int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int writer = open("/dev/null", O_WRONLY | O_CLOEXEC);

	read_gives(directory, 0, -EISDIR);
	read_gives(writer, 0, -EBADF);
	close(writer);
	read_gives(writer, 0, -EBADF);
	close(directory);
	/* And goes on. */
	read_gives(file, 0, FILE_BYTES);
}

/* As if it had never been asked. */
Test(uring, refused)
{
	int saved = dup(ring.fd);
	struct uring_done d;

	cr_assert(saved >= 0 && !close(ring.fd));
	uring_read(&ring, file, buf, sizeof(buf), 0, 1);
	cr_expect_not(uring_submit(&ring));
	cr_assert(dup2(saved, ring.fd) == ring.fd && !close(saved));
	cr_expect_not(uring_reap(&ring, &d));
	uring_read(&ring, file, buf, PAGE_SIZE, 0, 2);
	cr_expect(uring_submit(&ring));
	expect_done(2, PAGE_SIZE);
	cr_expect_not(uring_reap(&ring, &d));
}

/* More than fit at once, one after the other. */
Test(uring, many)
{
	for (int i = 0; i < 10 * URING_ENTRIES; i++)
		read_gives(file, (u64)i, FILE_BYTES - i);
}
