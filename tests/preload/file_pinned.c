// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Buffers in a private mapping of a file that are registered with io_uring, by each of
 * the ways: then somebody opens the file for writing, and the kernel reads into the
 * buffers and writes from them. The mapping shows what it read, and it writes what the
 * mapping shows.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum {
	PAGES = 600,
	LEN = PAGES * 4096,
	BLOCK = 3 * 4096,
	BUFFERS = 3,
};

static char path[64];
static int other; /* a memfd, read from and written to */

static struct {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
} ring;

/* False: refused, and why has been said. */
static bool ring_open(void)
{
	struct io_uring_params *p = &ring.p;
	const int prot = PROT_READ | PROT_WRITE;

	*p = (struct io_uring_params){ 0 };
	ring.fd = (int)syscall(__NR_io_uring_setup, 4, p);
	if (ring.fd < 0) {
		printf("skipped: io_uring_setup: %s\n", strerror(errno));
		return false;
	}
	/* Each of them is smaller than a page. */
	ring.sq = mmap(NULL, PAGE, prot, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.cq = mmap(NULL, PAGE, prot, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.sqes = mmap(NULL, PAGE, prot, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	CHECK(ring.sq != MAP_FAILED && ring.cq != MAP_FAILED && ring.sqes != MAP_FAILED);
	return true;
}

static uint32_t *at(char *base, uint32_t offset)
{
	return (uint32_t *)(base + offset);
}

static int submit(uint8_t op, char *buf, int index)
{
	uint32_t tail = *at(ring.sq, ring.p.sq_off.tail);
	uint32_t slot = tail & *at(ring.sq, ring.p.sq_off.ring_mask);
	uint32_t head = *at(ring.cq, ring.p.cq_off.head);
	struct io_uring_cqe *cqe;

	ring.sqes[slot] = (struct io_uring_sqe){ .opcode = op,
						 .fd = other,
						 .addr = (uintptr_t)buf,
						 .len = BLOCK,
						 .off = 0,
						 .buf_index = (uint16_t)index };
	at(ring.sq, ring.p.sq_off.array)[slot] = slot;
	__atomic_store_n(at(ring.sq, ring.p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	CHECK(syscall(__NR_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL,
		      0) == 1);
	CHECK(__atomic_load_n(at(ring.cq, ring.p.cq_off.tail), __ATOMIC_ACQUIRE) ==
	      head + 1);
	cqe = (struct io_uring_cqe *)(ring.cq + ring.p.cq_off.cqes) +
	      (head & *at(ring.cq, ring.p.cq_off.ring_mask));
	__atomic_store_n(at(ring.cq, ring.p.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}

/* --- the ways to register ---------------------------------------------------------- */

static long by_array(struct iovec *iov)
{
	return syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, iov,
		       BUFFERS);
}

static long by_struct(struct iovec *iov)
{
	struct io_uring_rsrc_register reg = { .nr = BUFFERS, .data = (uintptr_t)iov };

	return syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS2, &reg,
		       sizeof(reg));
}

/* Places are registered first, with nothing in them. */
static long by_update(struct iovec *iov)
{
	struct iovec none[BUFFERS] = { { NULL, 0 } };
	struct io_uring_rsrc_update2 update = { .nr = BUFFERS, .data = (uintptr_t)iov };

	if (by_struct(none))
		return -1;
	return syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS_UPDATE,
		       &update, sizeof(update));
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

	if (!ring_open())
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
	CHECK(munmap(ring.sq, PAGE) == 0 && munmap(ring.cq, PAGE) == 0);
	CHECK(munmap(ring.sqes, PAGE) == 0 && close(ring.fd) == 0);
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
