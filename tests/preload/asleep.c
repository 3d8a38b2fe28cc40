// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processes that sleep until they have grown (lib/hook/sleep.c). What a program does is
 * compared by the runner's group preload_woken; here, who sleeps, who wakes, and what is
 * said of it.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASLEEP	     "SHADOWMM_START=auto"
#define ERRNO_ENOSYS 0x00050026 /* SECCOMP_RET_ERRNO | ENOSYS */

static struct capture got;

/* Nobody sleeps before somebody has found libc's sites. */
static void setup(void)
{
	static const char *const names[] = { "first_touch", "looked_at", "fork_data",
					     "thread_storm", NULL };
	const char *argv[] = { "/bin/sh", "-c", ":", NULL };
	const struct how how = { .env = { NULL } };

	scratch_make(names);
	capture(&got, &how, argv);
	cr_assert_eq(got.status, 0);
}

TestSuite(asleep, .init = setup, .fini = scratch_remove, .timeout = 120);

static int times(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

/* Run @script by sh: how many processes slept, and how many managed their memory? */
static void expect(const char *script, int slept, int woke)
{
	const struct how how = { .env = { ASLEEP, "SHADOWMM_VERBOSE=1" } };
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	capture(&got, &how, argv);
	cr_expect(got.status == 0);
	cr_expect(times(got.err, "sleeps until") == slept &&
			  times(got.err, " areas, ") == woke,
		  "%d sleep, %d wake wanted:\n%s", slept, woke, got.err);
}

static const char *script_with(const char *format)
{
	static char script[512];
	const char *program = scratch_path("first_touch");

	snprintf(script, sizeof(script), format, program, program);
	return script;
}

Test(asleep, little_processes)
{
	expect("/bin/true; /bin/true; (:)", 3, 0);
}

Test(asleep, wakes_for_memory)
{
	expect(script_with("%s >/dev/null; /bin/true"), 3, 1);
}

/* It is no exec that begins anew here: the subshell is a copy of one that sleeps. */
Test(asleep, child_of_a_sleeper_wakes)
{
	expect(script_with("x=$(head -c 3000000 /dev/zero | tr '\\0' x); [ ${#x} = "
			   "3000000 ]"),
	       3, 1);
}

Test(asleep, damaged_memory_of_sites)
{
	glob_t found;

	cr_assert_eq(glob(scratch_path("run/shadowmm/sites-*"), 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		cr_assert_eq(truncate(found.gl_pathv[i], 100), 0);
	globfree(&found);
	expect("exec /bin/true", 1, 1); /* sh finds the sites again, true knows them */
}

/* All that woke, and only those, have a line, without differences. */
Test(asleep, verified_once_awake)
{
	const char *path = scratch_path("run/verify");
	char verify[256];
	const struct how how = { .env = { ASLEEP, verify } };
	const char *argv[] = { "/bin/sh", "-c", script_with("%s; %s; /bin/true"), NULL };

	snprintf(verify, sizeof(verify), "SHADOWMM_VERIFY_AT_EXIT=%s", path);
	capture(&got, &how, argv);
	cr_expect(got.status == 0);
	cr_expect_eq(verify_lines(path), 2);
}

static void no_userfaultfd(void)
{
	no_device();
	filter_call(SYS_userfaultfd, ERRNO_ENOSYS);
}

/* The shell sleeps and says nothing; of its children one speaks for all. */
Test(asleep, one_line_for_a_tree)
{
	const struct how how = { .before = no_userfaultfd, .env = { ASLEEP } };
	const char *argv[] = { "/bin/sh", "-c",
			       script_with("%s >/dev/null; (%s >/dev/null); /bin/true"),
			       NULL };

	capture(&got, &how, argv);
	cr_expect(got.status == 0);
	cr_expect(count_lines(got.err) == 1, "%s", got.err);
}

Test(asleep, asked_from_outside)
{
	const struct how how = { .env = { ASLEEP } }, plain = { .plain = true };
	const char *argv[] = { "/bin/sh", "-c", "echo ready; read x; :", NULL };
	const char *tool[] = { scratch_path("shadowmm"), "ps", NULL, NULL };
	char pid[16];
	struct live l;

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	snprintf(pid, sizeof(pid), "%d", (int)l.pid);
	capture(&got, &plain, tool);
	cr_expect(got.status == 0 && strstr(got.out, pid), "%s%s", got.out, got.err);
	tool[1] = "maps";
	tool[2] = pid;
	capture(&got, &plain, tool);
	cr_expect(WEXITSTATUS(got.status) == 1 && strstr(got.err, "--start=now"), "%s%s",
		  got.out, got.err);
	cr_expect(live_end(&l) == 0);
}
