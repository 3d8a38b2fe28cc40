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

/*
 * The first @len bytes of file @fd, mapped privately from a memfd that is filled with
 * them before; each fault is answered as above with the one page that lies there.
 */
char *floor_map(int fd, size_t len, int cpu);

#endif
