// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/preload/ring.h"

#include <stdint.h>
#include <sys/syscall.h>

static struct {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	size_t sq_len, cq_len, sqes_len;
	struct io_uring_params p;
} ring;

static void *map_ring(size_t len, unsigned long offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       ring.fd, (off_t)offset);

	CHECK(p != MAP_FAILED);
	return p;
}

bool ring_open(unsigned int entries)
{
	struct io_uring_params *p = &ring.p;

	*p = (struct io_uring_params){ 0 };
	ring.fd = (int)syscall(__NR_io_uring_setup, entries, p);
	if (ring.fd < 0) {
		printf("skipped: io_uring_setup: %s\n", strerror(errno));
		return false;
	}
	ring.sq_len = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	ring.cq_len = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring.sqes_len = p->sq_entries * sizeof(*ring.sqes);
	ring.sq = map_ring(ring.sq_len, IORING_OFF_SQ_RING);
	ring.cq = map_ring(ring.cq_len, IORING_OFF_CQ_RING);
	ring.sqes = map_ring(ring.sqes_len, IORING_OFF_SQES);
	return true;
}

void ring_close(void)
{
	CHECK(munmap(ring.sq, ring.sq_len) == 0 && munmap(ring.cq, ring.cq_len) == 0);
	CHECK(munmap(ring.sqes, ring.sqes_len) == 0 && close(ring.fd) == 0);
}

long ring_register(unsigned int opcode, const void *arg, unsigned int nr)
{
	return syscall(__NR_io_uring_register, ring.fd, opcode, arg, nr);
}

static uint32_t *at(char *base, uint32_t offset)
{
	return (uint32_t *)(base + offset);
}

int ring_do(const struct io_uring_sqe *sqe)
{
	uint32_t tail = *at(ring.sq, ring.p.sq_off.tail);
	uint32_t slot = tail & *at(ring.sq, ring.p.sq_off.ring_mask);
	uint32_t head = *at(ring.cq, ring.p.cq_off.head);
	struct io_uring_cqe *cqe;

	ring.sqes[slot] = *sqe;
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
