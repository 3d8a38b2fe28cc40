// SPDX-License-Identifier: LGPL-2.1-or-later
/* What `cow` and the counters say about memory that is shared since a fork. */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define HALF 2048 /* pages that one command writes to */

static struct capture got;

static void setup(void)
{
	static const char *const names[] = { "cow_live", NULL };

	scratch_make(names);
}

TestSuite(cow_seen, .init = setup, .fini = scratch_remove, .timeout = 120);

static void start(struct live *l, const char *env)
{
	const struct how how = { .env = { env } };
	const char *argv[] = { scratch_path("cow_live"), NULL };

	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	live_engine_up(l);
}

static void ask(const struct live *l, const char *command)
{
	live_ask(&got, l, command, "--json", NULL);
	cr_assert(got.status == 0, "%s", got.err);
}

/* The last number of that name, which in a reply to `cow` is the sum. */
static long last(const char *name)
{
	const char *at = NULL;
	char key[64];

	snprintf(key, sizeof(key), "\"%s\":", name);
	for (const char *p = got.out; (p = strstr(p, key)); p++)
		at = p;
	cr_assert(at, "no %s in %s", name, got.out);
	return strtol(at + strlen(key), NULL, 10);
}

/* In pages, of the areas that `cow` lists: private, writable once, without a file. */
static void smaps_sums(const struct live *l, long *shared, long *private)
{
	char path[64], line[512], perms[8], name[256], key[32];
	unsigned long ino, kib;
	bool counts = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)l->pid);
	f = fopen(path, "r");
	cr_assert(f);
	*shared = *private = 0;
	while (fgets(line, sizeof(line), f)) {
		name[0] = '\0';
		if (sscanf(line, "%*x-%*x %7s %*x %*s %lu %255s", perms, &ino, name) >= 2)
			counts = perms[3] == 'p' && !ino && strcmp(name, "[vdso]");
		else if (counts && sscanf(line, "%31s %lu kB", key, &kib) == 2)
			*(key[0] == 'S' ? shared : private) +=
				!strcmp(key, "Shared_Dirty:") ||
						!strcmp(key, "Shared_Clean:") ||
						!strcmp(key, "Private_Dirty:") ||
						!strcmp(key, "Private_Clean:")
					? (long)kib / 4
					: 0;
	}
	fclose(f);
}

static bool near(long a, long b)
{
	return labs(a - b) * 100 <= a;
}

static void expect_as_smaps(const struct live *l)
{
	long shared, private;

	smaps_sums(l, &shared, &private);
	ask(l, "cow");
	cr_expect(near(shared, last("shared")), "shared: smaps %ld, cow %ld", shared,
		  last("shared"));
	cr_expect(near(private, last("private")), "private: smaps %ld, cow %ld", private,
		  last("private"));
}

Test(cow_seen, copies_are_counted_and_agree_with_smaps)
{
	struct live l;

	start(&l, "SHADOWMM_COW=own");
	expect_as_smaps(&l);
	live_command(&l, 'f', "forked");
	expect_as_smaps(&l);
	cr_expect(last("shared") >= 2 * HALF && last("copied") == 0, "%s", got.out);
	live_command(&l, 'a', "first half");
	expect_as_smaps(&l);
	cr_expect(last("copied") + last("kernel") >= HALF);
	cr_expect(last("copied") >= HALF * 3 / 4, "by windows: %s", got.out);
	cr_expect(last("faults") < HALF / 4, "by windows: %s", got.out);
	/* The last window may reach into the other half. */
	cr_expect(last("private") >= HALF && last("shared") >= HALF - 64);
	live_command(&l, 'e', "ended");
	expect_as_smaps(&l);
	cr_expect(last("private") >= 2 * HALF, "%s", got.out);
	live_command(&l, 'b', "second half");
	expect_as_smaps(&l);
	cr_expect(last("reused") >= 16, "nobody shares them any more: %s", got.out);
	cr_expect(last("copied") < HALF + 64, "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

Test(cow_seen, areas_that_were_one_count_once)
{
	static const char *const names[] = { "faults", "copied", "reused", "kernel" };
	long before[4];
	struct live l;

	start(&l, "SHADOWMM_COW=own");
	live_command(&l, 'f', "forked");
	live_command(&l, 'a', "first half");
	ask(&l, "cow");
	for (int i = 0; i < 4; i++)
		before[i] = last(names[i]);
	cr_assert(before[1] >= HALF * 3 / 4, "%s", got.out);
	live_command(&l, 's', "split");
	for (int again = 0; again < 2; again++) {
		ask(&l, "cow");
		cr_expect(strstr(got.out, "\"perms\":\"r--p\",\"policy\":\"own\""));
		/* The heap and the stack of the program may be written to meanwhile. */
		for (int i = 0; i < 4; i++)
			cr_expect(labs(last(names[i]) - before[i]) <= 16,
				  "%s: %ld, not %ld", names[i], last(names[i]),
				  before[i]);
	}
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

Test(cow_seen, the_kernel_does_it_if_not_told_otherwise)
{
	struct live l;

	start(&l, NULL);
	live_command(&l, 'f', "forked");
	live_command(&l, 'a', "first half");
	expect_as_smaps(&l);
	cr_expect(strstr(got.out, "\"cow\":\"kernel\",\"why\":\"--cow=kernel\""));
	cr_expect(last("faults") == 0 && last("copied") == 0);
	ask(&l, "stat");
	cr_expect(last("cow_faults") == 0 && last("cow_passes") == 0);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

/* A child that executes something leaves nothing to protect. */
Test(cow_seen, nothing_is_protected_for_a_child_that_executes)
{
	struct timespec now, end;
	struct live l;

	start(&l, "SHADOWMM_COW=own");
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 20;
	do { /* On a loaded machine some children are slow. */
		live_command(&l, 'x', "executed");
		ask(&l, "stat");
		clock_gettime(CLOCK_MONOTONIC, &now);
		cr_assert(now.tv_sec < end.tv_sec, "%s", got.out);
	} while (last("cow_skipped") == 0);
	cr_expect(live_end(&l) == 0);
}
