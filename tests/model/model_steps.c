// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The generator alone against the model: STEPS steps (default 200000) from SEED on, in
 * JOBS processes, a fresh pair of models every EPISODE steps. Built with sanitizers by
 * make check-model-steps.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/steps.h"

#define MAX_JOBS 16
#define EPISODE	 400

static unsigned long env(const char *name, unsigned long def)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : def;
}

static void run(unsigned long episodes, unsigned long seed)
{
	for (unsigned long i = 0; i < episodes; i++) {
		struct byte_source src = { .rng = { (seed + i) * 0x9e3779b97f4a7c15UL |
						    1 } };

		if (getenv("VERBOSE"))
			fprintf(stderr, "SEED=%lu\n", seed + i);
		steps_begin(&src);
		for (int k = 0; k < EPISODE; k++)
			steps_do(&src);
	}
}

static double seconds(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void print(const struct step_count *c, unsigned long jobs, double took)
{
	struct step_count t = { 0 };

	for (unsigned long i = 0; i < jobs; i++) {
		t.steps += c[i].steps;
		t.starved += c[i].starved;
		t.unchanged += c[i].unchanged;
		t.complete += c[i].complete;
		t.fed += c[i].fed;
		t.repairs += c[i].repairs;
		t.files += c[i].files;
		t.pages += c[i].pages;
	}
	printf("%lu steps in %.1f s, %.0f per second: %lu complete, %lu without memory "
	       "of "
	       "which %lu left all as it was; %lu repairs; memory given %lu times; "
	       "%lu conversions of files, whose pages were found %lu times\n",
	       t.steps, took, (double)t.steps / took, t.complete, t.starved, t.unchanged,
	       t.repairs, t.fed, t.files, t.pages);
}

int main(void)
{
	unsigned long steps = env("STEPS", 200000), seed = env("SEED", 1);
	unsigned long jobs = env("JOBS", 1), each;
	struct step_count *counts = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double begin = seconds();
	int status, failed = 0;

	jobs = min(jobs, (unsigned long)MAX_JOBS);
	jobs += !jobs;
	each = (steps / EPISODE + jobs) / jobs;
	printf("model_steps: STEPS=%lu SEED=%lu JOBS=%lu\n", steps, seed, jobs);
	fflush(stdout);
	for (unsigned long i = 0; i < jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 2;
		if (!pid) {
			run(each, seed + i * each);
			counts[i] = step_count;
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	print(counts, jobs, seconds() - begin);
	printf("%s\n", failed ? "0 passed, 1 failed" : "1 passed, 0 failed");
	return failed != 0;
}
