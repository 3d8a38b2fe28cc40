/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lookups on one CPU, with and without a writer that maps and unmaps on another one.
 */
#ifndef TESTS_BENCH_CONTEST_H
#define TESTS_BENCH_CONTEST_H

struct contest {
	/* Do @n lookups of areas chosen at random from @areas; abort() if one is wrong.
	 */
	void (*look_up)(unsigned long n);
	/* Map something and unmap it again. */
	void (*change)(void);
};

/* A number below @n, a new one each time, without a division. */
static inline unsigned long random_below(unsigned long *seed, unsigned long n)
{
	*seed = *seed * 6364136223846793005UL + 1442695040888963407UL;
	return (*seed >> 32) * n >> 32;
}

/*
 * Rounds without and with the writer alternate. Prints three lines: nanoseconds a lookup
 * without it, with it (medians of the rounds), and changes a second of the writer.
 */
void contest_run(const struct contest *c);
/* Prints nanoseconds for a change, the median of several rounds. */
void contest_changes(const struct contest *c);

#endif
