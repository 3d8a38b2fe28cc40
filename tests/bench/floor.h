/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a userfaultfd handler can cost. */
#ifndef TESTS_BENCH_FLOOR_H
#define TESTS_BENCH_FLOOR_H

#include <stddef.h>

/* The calling thread, from now on, runs on @cpu only. */
void pin_to(int cpu);

/*
 * Registers [@base, @base + @len) with a userfaultfd of its own and starts a thread on
 * @cpu that answers each fault with one page; its faulter should be on that processor as
 * well. Ends the program if userfaultfd is not to be had.
 */
void floor_start(char *base, size_t len, int cpu);

#endif
