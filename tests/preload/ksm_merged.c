// SPDX-License-Identifier: LGPL-2.1-or-later
/* tests/preload/ksm.c with ksmd at work, plain and under the library. */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "/sys/kernel/mm/ksm/run"

static struct capture plain, under;
static int guard = -1; /* its end makes the guardian restore @RUN */
static pid_t guardian;

static bool set_run(const char *value)
{
	FILE *f = fopen(RUN, "w");

	return f && fputs(value, f) >= 0 && fclose(f) == 0;
}

/* Outlives the test if that is killed. */
static void guard_setting(const char *old)
{
	int fds[2];
	char byte;

	cr_assert(pipe(fds) == 0);
	guardian = fork();
	cr_assert(guardian >= 0);
	if (guardian == 0) {
		close(fds[1]);
		while (read(fds[0], &byte, 1) > 0)
			;
		_exit(!set_run(old));
	}
	close(fds[0]);
	guard = fds[1];
}

static void setup(void)
{
	static const char *const names[] = { "ksm", NULL };
	char old[8] = "";
	FILE *f = fopen(RUN, "r");

	if (!f || !fgets(old, sizeof(old), f))
		cr_skip_test("no KSM in this kernel");
	fclose(f);
	if (geteuid())
		cr_skip_test("needs root to switch KSM on");
	guard_setting(old);
	cr_assert(set_run("1"));
	scratch_make(names);
}

static void teardown(void)
{
	int status;

	scratch_remove();
	if (guard < 0)
		return;
	close(guard);
	cr_expect(waitpid(guardian, &status, 0) == guardian && status == 0,
		  "%s has not been restored", RUN);
}

TestSuite(ksm, .init = setup, .fini = teardown, .timeout = 300);

static const char *second_line(const struct capture *c)
{
	const char *end = strchr(c->out, '\n');

	cr_assert(end, "%s%s", c->out, c->err);
	if (strncmp(c->out, "merged", 6) != 0)
		fprintf(stderr, "%.*s\n", (int)(end - c->out), c->out);
	return end + 1;
}

static void same(const char *a, const char *b)
{
	const struct how how = { .env = { "SHADOWMM_QUIET=1", "SHADOWMM_START=now", a,
					  b } };
	const char *argv[] = { scratch_path("ksm"), NULL };

	capture(&under, &how, argv);
	cr_expect(under.status == 0, "%s: %#x", a, under.status);
	cr_expect_str_eq(second_line(&under), second_line(&plain));
	cr_expect_str_eq(under.err, plain.err);
}

Test(ksm, merged_pages_after_a_fork)
{
	const struct how how = { .plain = true };
	const char *argv[] = { scratch_path("ksm"), NULL };

	capture(&plain, &how, argv);
	cr_assert(plain.status == 0, "%#x", plain.status);
	same("SHADOWMM_COW=kernel", NULL);
	same("SHADOWMM_COW=own", NULL);
	same("SHADOWMM_COW=own", "SHADOWMM_MIN_OWN=4096");
}
