// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: areas SHADOWMM COUNT, run under the library. Makes COUNT areas, in no order:
 * every other one is large enough to be registered, those between are not accessible. Has
 * SHADOWMM print what the library's own memory is then, and again when one in sixty is
 * left.
 */
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define STRIDE (256UL << 10)
#define LARGE  (128UL << 10)

static unsigned long next_random(void)
{
	static unsigned long state = 42;

	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return state >> 33;
}

static void shuffle(unsigned int *order, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	for (unsigned int i = n; --i;) {
		unsigned int j = (unsigned int)(next_random() % (i + 1)), tmp = order[i];

		order[i] = order[j];
		order[j] = tmp;
	}
}

static void print_slabinfo(char *tool)
{
	char pid[16], command[] = "slabinfo", quiet[] = "SHADOWMM_DISABLE=1";
	char *argv[] = { tool, command, pid, NULL }, *envp[] = { quiet, NULL, NULL };
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char runtime[256];
	pid_t child;
	int status;

	if (dir) {
		snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s", dir);
		envp[1] = runtime;
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (posix_spawn(&child, tool, NULL, NULL, argv, envp) ||
	    waitpid(child, &status, 0) != child || status)
		die(tool);
}

int main(int argc, char **argv)
{
	unsigned int n = argc == 3 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	unsigned int *order;
	char *base;

	n /= 2;
	if (n < 60)
		return 2;
	order = malloc(n * sizeof(*order));
	base = mmap(NULL, n * STRIDE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!order || base == MAP_FAILED)
		die("memory");
	shuffle(order, n);
	for (unsigned int i = 0; i < n; i++)
		if (mmap(base + order[i] * STRIDE, LARGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			die("mmap");
	print_slabinfo(argv[1]);
	shuffle(order, n);
	for (unsigned int i = 0; i < n - n / 60; i++)
		if (munmap(base + order[i] * STRIDE, STRIDE))
			die("munmap");
	puts("");
	fflush(stdout);
	print_slabinfo(argv[1]);
	return 0;
}
