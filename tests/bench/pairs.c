// SPDX-License-Identifier: LGPL-2.1-or-later
/* usage: pairs BYTES COUNT. Nanoseconds for one mmap + munmap without a touch. */
#include "tests/bench/bench.h"

static double measure(size_t len, long count)
{
	double begin = now_ns();

	for (long i = 0; i < count; i++)
		if (munmap(map_anonymous(len), len))
			die("munmap");
	return (now_ns() - begin) / (double)count;
}

int main(int argc, char **argv)
{
	size_t len = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (!len || count < 1)
		return 2;
	measure(len, count / 10 + 1); /* warm up */
	printf("%.1f\n", measure(len, count));
	return 0;
}
