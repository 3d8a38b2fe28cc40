/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io_uring(7), as far as reading takes: one task submits and reaps. The rings lie in
 * memory of the caller, since a mapping of the descriptor would be an area that the
 * program did not make. Context: the task that opened it, and nobody else.
 */
#ifndef SHADOWMM_SYS_URING_H
#define SHADOWMM_SYS_URING_H

#include "lib/base/compiler.h"

struct io_uring_sqe;
struct io_uring_cqe;

/* Page-aligned; the kernel holds it until the descriptor is closed. */
struct uring_memory {
	char rings[PAGE_SIZE], sqes[PAGE_SIZE];
};

struct uring {
	int fd;
	u32 *sq_tail, *sq_array, *cq_head, *cq_tail;
	u32 sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct uring_done {
	u64 data;
	long result; /* bytes or -errno */
};

#define URING_ENTRIES 8

/* 0, or -errno: refused, or a kernel before 6.5. */
long uring_open(struct uring *u, struct uring_memory *memory);
/* To be submitted; at most URING_ENTRIES that have not been reaped. */
void uring_read(struct uring *u, int fd, void *buf, u32 bytes, u64 offset, u64 data);
/* The kernel has it, and its file. False: it has not, as if it had never been asked. */
bool uring_submit(struct uring *u);
/* Sleeps until something is done. 0 or -errno, -EINTR among them. */
long uring_wait(struct uring *u);
/* False: nothing (more) is done. */
bool uring_reap(struct uring *u, struct uring_done *done);

#endif
