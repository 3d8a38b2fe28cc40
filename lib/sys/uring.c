// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/io_uring.h>

#include "lib/base/string.h"
#include "lib/sys/sys.h"
#include "lib/sys/uring.h"

#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1U << 14) /* 6.5 */
#endif

/* linux/io_uring.h calls them resv2 before 6.5: where the rings are to be. */
#define user_addr resv2

static void find_fields(struct uring *u, struct uring_memory *m,
			const struct io_uring_params *p)
{
	char *rings = m->rings;

	u->sq_tail = (u32 *)(rings + p->sq_off.tail);
	u->sq_array = (u32 *)(rings + p->sq_off.array);
	u->cq_head = (u32 *)(rings + p->cq_off.head);
	u->cq_tail = (u32 *)(rings + p->cq_off.tail);
	u->sq_mask = p->sq_entries - 1;
	u->cq_mask = p->cq_entries - 1;
	u->cqes = (struct io_uring_cqe *)(rings + p->cq_off.cqes);
	u->sqes = (struct io_uring_sqe *)m->sqes;
}

long uring_open(struct uring *u, struct uring_memory *memory)
{
	struct io_uring_params p = {
		/* What is done is told when we ask, not by an interrupt of the task. */
		.flags = IORING_SETUP_NO_MMAP | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
		.sq_off = { .user_addr = (u64)(unsigned long)memory->sqes },
		.cq_off = { .user_addr = (u64)(unsigned long)memory->rings },
	};
	long fd = sys_io_uring_setup(URING_ENTRIES, &p);

	if (fd < 0)
		return fd;
	*u = (struct uring){ .fd = (int)fd };
	find_fields(u, memory, &p);
	return 0;
}

void uring_read(struct uring *u, int fd, void *buf, u32 bytes, u64 offset, u64 data)
{
	u32 tail = *u->sq_tail, i = tail & u->sq_mask;

	u->sqes[i] = (struct io_uring_sqe){ .opcode = IORING_OP_READ,
					    .fd = fd,
					    .addr = (u64)(unsigned long)buf,
					    .len = bytes,
					    .off = offset,
					    .user_data = data };
	u->sq_array[i] = i;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

bool uring_submit(struct uring *u)
{
	long ret;

	do
		ret = sys_io_uring_enter(u->fd, 1, 0, 0);
	while (ret == -EINTR);
	if (ret == 1)
		return true;
	__atomic_store_n(u->sq_tail, *u->sq_tail - 1, __ATOMIC_RELEASE);
	return false;
}

long uring_wait(struct uring *u)
{
	return sys_io_uring_enter(u->fd, 0, 1, IORING_ENTER_GETEVENTS);
}

bool uring_reap(struct uring *u, struct uring_done *done)
{
	u32 head = *u->cq_head;
	const struct io_uring_cqe *c = &u->cqes[head & u->cq_mask];

	if (head == __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*done = (struct uring_done){ .data = c->user_data, .result = c->res };
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
