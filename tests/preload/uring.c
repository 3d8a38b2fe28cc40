// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_uring(7) into and out of memory that nobody has touched, or that a fork has shared:
 * buffers that are registered (pinned by the kernel), and plain ones, read by this thread
 * and by a worker of the kernel's. Parent and child see the bytes that are theirs.
 */
#include "tests/preload/cow_wait.h"
#include "tests/preload/ring.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define ENTRIES 8
#define BLOCK	(16 * PAGE)
#define BLOCKS	8

static int file; /* BLOCKS of 'A' + n */

/* One operation on BLOCK bytes of the file at block @n; its result. */
static int submit(uint8_t op, uint8_t flags, char *buf, int n)
{
	const struct io_uring_sqe sqe = { .opcode = op,
					  .flags = flags,
					  .fd = file,
					  .addr = (uintptr_t)buf,
					  .len = BLOCK,
					  .off = (unsigned long)n * BLOCK,
					  .buf_index = 0 };

	return ring_do(&sqe);
}

static bool all(const char *p, char byte)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void say(const char *what, int res, const char *p, char byte)
{
	printf("%s: %s, %s\n", what, res == (int)BLOCK ? "whole" : strerror(-res),
	       all(p, byte) ? "right" : "WRONG");
}

static void make_file(void)
{
	char block[BLOCK];

	file = (int)syscall(__NR_memfd_create, "uring", 0);
	CHECK(file >= 0);
	for (int n = 0; n < BLOCKS; n++) {
		memset(block, 'A' + n, BLOCK);
		CHECK(write(file, block, BLOCK) == (ssize_t)BLOCK);
	}
}

static void untouched(char *mem, const char *fixed)
{
	say("read", submit(IORING_OP_READ, 0, mem, 0), mem, 'A');
	mem += BLOCK;
	say("read by a worker", submit(IORING_OP_READ, IOSQE_ASYNC, mem, 1), mem, 'B');
	mem += BLOCK;
	say("write of nothing", submit(IORING_OP_WRITE, 0, mem, BLOCKS), mem, 0);
	say("read registered", submit(IORING_OP_READ_FIXED, 0, (char *)fixed, 2), fixed,
	    'C');
}

/* In pages that the child has as well. */
static void shared(char *mem, const char *fixed)
{
	say("shared: read", submit(IORING_OP_READ, 0, mem, 4), mem, 'E');
	mem += BLOCK;
	say("shared: read by a worker", submit(IORING_OP_READ, IOSQE_ASYNC, mem, 5), mem,
	    'F');
	mem += BLOCK;
	memset(mem, 'z', BLOCK);
	say("shared: write", submit(IORING_OP_WRITE, IOSQE_ASYNC, mem, BLOCKS + 1), mem,
	    'z');
	say("shared: read registered", submit(IORING_OP_READ_FIXED, 0, (char *)fixed, 6),
	    fixed, 'G');
}

/* Told to look, it finds what was there at the fork. */
static void child_main(const char *mem, const char *fixed, const struct held *h)
{
	stay_held(h);
	printf("child: %d %d %d %d\n", all(mem, 'a'), all(mem + BLOCK, 'a'),
	       all(mem + 2 * BLOCK, 'a'), all(fixed, 'C'));
	fflush(stdout);
	_exit(0);
}

static void fork_and_read(char *mem, const char *fixed)
{
	struct held h;

	memset(mem, 'a', MIB);
	h = fork_held();
	if (h.pid == 0)
		child_main(mem, fixed, &h);
	wait_protected(mem + MIB - PAGE);
	shared(mem, fixed);
	fflush(stdout);
	CHECK(end_held(&h) == 0);
	/* Pinned pages are what the kernel writes to, whoever went away. */
	say("read registered again", submit(IORING_OP_READ_FIXED, 0, (char *)fixed, 7),
	    fixed, 'H');
}

int main(void)
{
	char *mem = anon(4 * MIB), *fixed = mem + 3 * MIB;
	struct iovec iov = { fixed, BLOCK };

	if (!ring_open(ENTRIES))
		return 0;
	make_file();
	/* Before anybody has touched them: the kernel does, and pins them. */
	if (ring_register(IORING_REGISTER_BUFFERS, &iov, 1)) {
		printf("skipped: registering buffers: %s\n", strerror(errno));
		return 0;
	}
	untouched(mem, fixed);
	fork_and_read(mem, fixed);
	return 0;
}
