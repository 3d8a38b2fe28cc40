// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The model under a fuzzer: libFuzzer's entry point, or, compiled without libFuzzer, a
 * main() that reads a file or its standard input (AFL). See steps.h.
 *
 * fuzz_model --seeds DIR writes inputs to start from.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/model/steps.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct byte_source src = { .data = data, .len = size };

	if (!size)
		return 0;
	steps_begin(&src);
	while (steps_do(&src))
		;
	return 0;
}

#ifndef SMM_LIBFUZZER
#define MAX_INPUT (1 << 16)
#define SEEDS	  24

static int write_seeds(const char *dir)
{
	static u8 data[4096];
	char path[4096];
	FILE *f;

	for (unsigned int i = 0; i < SEEDS; i++) {
		struct rng r = { .state = i + 1 };
		size_t n = 16U << i % 9;

		for (size_t k = 0; k < n; k++)
			data[k] = (u8)(rng_next(&r) >> 40);
		snprintf(path, sizeof(path), "%s/seed%02u", dir, i);
		f = fopen(path, "w");
		if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static u8 data[MAX_INPUT];
	FILE *f = stdin;

	if (argc == 3 && !strcmp(argv[1], "--seeds"))
		return write_seeds(argv[2]);
	if (argc > 1)
		f = fopen(argv[1], "r");
	if (!f) {
		perror(argv[1]);
		return 1;
	}
	return LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), f));
}
#endif
