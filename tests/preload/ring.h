/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One io_uring, by the system calls alone: one operation at a time, waited for. Context:
 * one thread.
 */
#ifndef TESTS_PRELOAD_RING_H
#define TESTS_PRELOAD_RING_H

#include "tests/preload/common.h"

#include <linux/io_uring.h>

/* With room for @entries. False: refused, and "skipped: " why has been said. */
bool ring_open(unsigned int entries);
/* Its result: a number of bytes, or -errno. */
int ring_do(const struct io_uring_sqe *sqe);
/* io_uring_register(2) on it. */
long ring_register(unsigned int opcode, const void *arg, unsigned int nr);
void ring_close(void);

#endif
