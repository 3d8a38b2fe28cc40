// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Buffers in a private mapping of a file that are registered with io_uring, by each of
 * the ways: then somebody opens the file for writing, and the kernel reads into the
 * buffers and writes from them. The mapping shows what it read, and it writes what the
 * mapping shows.
 */
#include "tests/preload/ask.h"
#include "tests/preload/ring.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	PAGES = 600,
	LEN = PAGES * 4096,
	BLOCK = 3 * 4096,
	BUFFERS = 3,
};

static char path[64];
static int other; /* a memfd, read from and written to */

static int submit(uint8_t op, char *buf, int index)
{
	const struct io_uring_sqe sqe = { .opcode = op,
					  .fd = other,
					  .addr = (uintptr_t)buf,
					  .len = BLOCK,
					  .off = 0,
					  .buf_index = (uint16_t)index };

	return ring_do(&sqe);
}

/* --- the ways to register ---------------------------------------------------------- */

static long by_array(struct iovec *iov)
{
	return ring_register(IORING_REGISTER_BUFFERS, iov, BUFFERS);
}

static long by_struct(struct iovec *iov)
{
	struct io_uring_rsrc_register reg = { .nr = BUFFERS, .data = (uintptr_t)iov };

	return ring_register(IORING_REGISTER_BUFFERS2, &reg, sizeof(reg));
}

/* Places are registered first, with nothing in them. */
static long by_update(struct iovec *iov)
{
	struct iovec none[BUFFERS] = { { NULL, 0 } };
	struct io_uring_rsrc_update2 update = { .nr = BUFFERS, .data = (uintptr_t)iov };

	if (by_struct(none))
		return -1;
	return ring_register(IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof(update));
}

/* --- a buffer ---------------------------------------------------------------------- */

static char *map_file(void)
{
	static char bytes[LEN];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *p;

	fill(bytes, LEN, 1);
	CHECK(fd >= 0 && pwrite(fd, bytes, LEN, 0) == LEN && close(fd) == 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(fd >= 0 && p != MAP_FAILED && close(fd) == 0);
	CHECK(matches(p, LEN, 1));
	return p;
}

static void put_other(char byte)
{
	char block[BLOCK];

	memset(block, byte, BLOCK);
	CHECK(pwrite(other, block, BLOCK, 0) == BLOCK);
}

static bool all(const char *p, char byte)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* The kernel reads into the buffer, and writes from it. */
static void exchange(const char *what, char *buf, int index)
{
	char block[BLOCK];
	int ret;

	put_other((char)('a' + index));
	ret = submit(IORING_OP_READ_FIXED, buf, index);
	printf("%s %d: read %d %s", what, index, ret,
	       all(buf, (char)('a' + index)) ? "seen" : "LOST");
	memset(buf, 'A' + index, BLOCK);
	ret = submit(IORING_OP_WRITE_FIXED, buf, index);
	CHECK(pread(other, block, BLOCK, 0) == BLOCK);
	printf(", written %d %s\n", ret,
	       all(block, (char)('A' + index)) ? "seen" : "LOST");
}

static void registered(const char *what, long (*way)(struct iovec *iov))
{
	char *p = map_file();
	struct iovec iov[BUFFERS] = {
		{ p + 10 * PAGE, BLOCK },
		{ p + 300 * PAGE + 100, BLOCK },
		{ p + LEN - BLOCK, BLOCK },
	};
	long ret;
	int fd;

	if (!ring_open(4))
		return;
	memset(p + 11 * PAGE, 'x', 10);
	ret = way(iov);
	printf("%s: %s\n", what, ret < 0 ? strerror(errno) : "registered");
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && close(fd) == 0);
	for (int i = 0; ret >= 0 && i < BUFFERS; i++)
		exchange(what, iov[i].iov_base, i);
	CHECK(matches(p, 10 * PAGE, 1));
	check_verified();
	ring_close();
	CHECK(munmap(p, LEN) == 0);
}

int main(void)
{
	snprintf(path, sizeof(path), "./of-file-pinned.%d", (int)getpid());
	other = memfd_create("other", MFD_CLOEXEC);
	CHECK(other >= 0);
	registered("an array", by_array);
	registered("a struct", by_struct);
	registered("an update", by_update);
	CHECK(unlink(path) == 0);
	return 0;
}
