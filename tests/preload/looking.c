// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking at programs under the library: with the tool, from inside with the public
 * functions, with gdb and strace.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct capture got;

static void setup(void)
{
	static const char *const names[] = { "looked_at",   "sharing", "api",
					     "first_touch", "endings", "fault_turns",
					     NULL };

	scratch_make(names);
}

TestSuite(looking, .init = setup, .fini = scratch_remove, .timeout = 120);

/* Run `shadowmm WORDS... PID LAST`; its exit status. */
static int tool(const struct live *l, const char *word, const char *option,
		const char *last)
{
	const struct how plain = { .plain = true };
	const char *argv[6] = { scratch_path("shadowmm"), word };
	char pid[16];
	int n = 2;

	snprintf(pid, sizeof(pid), "%d", (int)l->pid);
	if (option)
		argv[n++] = option;
	argv[n++] = pid;
	argv[n] = last;
	capture(&got, &plain, argv);
	return WEXITSTATUS(got.status);
}

static void start_program(struct live *l, const char *program, const char *env)
{
	const struct how how = { .env = { env } };
	const char *argv[] = { scratch_path(program), NULL };

	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	live_engine_up(l);
}

static void start(struct live *l, const char *env)
{
	start_program(l, "looked_at", env);
}

static long counter(const char *name)
{
	return (long)member(got.out, name);
}

static const char *kernel_maps(const struct live *l)
{
	static char text[262144];
	char path[64];
	size_t used = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)l->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(fd >= 0);
	while ((n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	text[used] = '\0';
	return text;
}

Test(looking, maps)
{
	struct live l;

	start(&l, NULL);
	cr_expect(tool(&l, "maps", "--plain", NULL) == 0, "%s", got.err);
	cr_expect_str_eq(got.out, kernel_maps(&l));
	live_command(&l, 'n', "new memory");
	cr_expect(tool(&l, "maps", "--plain", NULL) == 0, "%s", got.err);
	cr_expect_str_eq(got.out, kernel_maps(&l));
	cr_expect(live_end(&l) == 0);
}

Test(looking, stat)
{
	struct live l;
	long faults;

	start(&l, NULL);
	cr_expect(tool(&l, "stat", "--json", NULL) == 0, "%s", got.err);
	cr_expect(strstr(got.out, "\"mode\":\"own\",\"degraded\":null"), "%s", got.out);
	/* Half of 4 MiB was written, in windows of at most 64 pages. */
	faults = counter("faults");
	cr_expect(faults >= 8 && counter("pages_zeroed") >= 512, "%s", got.out);
	cr_expect(counter("drift") == 0);
	live_command(&l, 'n', "new memory");
	cr_expect(tool(&l, "stat", "--json", NULL) == 0, "%s", got.err);
	cr_expect(counter("faults") > faults);
	cr_expect(live_end(&l) == 0);
}

/* What `stat` estimates, after @command has made @written of the pages not untouched.
 * The error it states is that of 19 in 20; twice that is of 1 in 10,000. */
static void expect_untouched(char command, const char *answer, long written,
			     const char *env)
{
	struct live l;
	long truth;

	start(&l, env);
	live_command(&l, command, answer);
	cr_expect(tool(&l, "stat", "--json", NULL) == 0, "%s", got.err);
	/* Half of the 4 MiB was written before; the heap has some pages too. */
	truth = counter("present") - 512 - written;
	cr_log_info("%ld of %ld, estimate %ld +- %ld by %ld\n", truth, counter("present"),
		    counter("pages"), counter("error"), counter("samples"));
	cr_expect(counter("pages") <= truth + 2 * counter("error"));
	cr_expect(counter("pages") >= truth - 2 * counter("error") - 16);
	cr_expect(counter("samples") <= 1024 &&
		  counter("error") * 16 < counter("present"));
	cr_expect(live_end(&l) == 0);
}

Test(looking, untouched_all_touched)
{
	expect_untouched('a', "all pages", 16384, NULL);
}

Test(looking, untouched_every_4th_touched)
{
	expect_untouched('4', "every 4th page", 4096, "SHADOWMM_FAULT_AROUND=64");
}

Test(looking, untouched_one_touched)
{
	expect_untouched('1', "one page", 1, NULL);
}

Test(looking, vma)
{
	struct live l;

	start(&l, NULL);
	cr_expect(tool(&l, "vma", NULL, "200000001000") == 0, "%s", got.err);
	cr_expect(strstr(got.out, "200000000000-200000300000 rw-p"), "%s", got.out);
	cr_expect(tool(&l, "vma", NULL, "1fffffffffff") == 1, "%s", got.out);
	cr_expect(tool(&l, "verify", NULL, NULL) == 0, "%s", got.out);
	cr_expect(strstr(got.out, " 0 differences"), "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

Test(looking, drift_found_and_repaired)
{
	struct live l;

	start(&l, NULL);
	live_command(&l, 'd', "drifted");
	cr_expect(tool(&l, "vma", NULL, "210000000000") == 1, "%s", got.out);
	cr_expect(tool(&l, "verify", NULL, NULL) == 1, "%s", got.out);
	cr_expect(strstr(got.out, " 1 differences"), "%s", got.out);
	/* Like diff: what was found decides, repaired or not. */
	cr_expect(tool(&l, "verify", "--repair", NULL) == 1, "%s", got.out);
	cr_expect(tool(&l, "verify", NULL, NULL) == 0, "%s", got.out);
	cr_expect(tool(&l, "vma", NULL, "210000000000") == 0, "%s", got.out);
	cr_expect(tool(&l, "maps", "--plain", NULL) == 0, "%s", got.err);
	cr_expect_str_eq(got.out, kernel_maps(&l));
	live_command(&l, 'u', "used");
	live_command(&l, 'n', "new memory");
	cr_expect(tool(&l, "stat", "--json", NULL) == 0 && counter("drift_repaired") == 1,
		  "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

/* The same call is no drift where dispatch sees it. */
Test(looking, no_drift_with_dispatch)
{
	struct live l;

	start(&l, "SHADOWMM_INTERCEPT=all");
	live_command(&l, 'd', "drifted");
	cr_expect(tool(&l, "verify", NULL, NULL) == 0, "%s", got.out);
	cr_expect(tool(&l, "vma", NULL, "210000000000") == 0, "%s", got.out);
	live_command(&l, 'u', "used");
	cr_expect(tool(&l, "stat", "--json", NULL) == 0 && counter("sud_traps") > 0);
	cr_expect(live_end(&l) == 0);
}

/* --- fault tasks ------------------------------------------------------------------- */

static long times_helped(const struct live *l)
{
	cr_expect(tool(l, "stat", "--json", NULL) == 0, "%s", got.err);
	return counter("fault_helped");
}

static bool one_fault_task(void)
{
	const char *events = strstr(got.out, "\"fault_events\":[");

	cr_assert(events);
	events = strchr(events, '[') + 1;
	return strtol(events, NULL, 10) > 0 &&
	       events[strspn(events, "0123456789")] == ']';
}

/* The second comes for two threads, goes for one, and comes again. */
Test(looking, fault_tasks_come_and_go)
{
	cpu_set_t all;
	struct live l;

	cr_assert(sched_getaffinity(0, sizeof(all), &all) == 0);
	if (CPU_COUNT(&all) < 2)
		cr_skip("needs two processors");
	start_program(&l, "fault_turns", "SHADOWMM_FAULT_AROUND=1");
	live_command(&l, 'o', "one thread");
	cr_expect(times_helped(&l) == 0 && one_fault_task(), "%s", got.out);
	for (int i = 1; i <= 3; i++) {
		live_command(&l, 't', "two threads");
		cr_expect(times_helped(&l) == i && !one_fault_task(), "%s", got.out);
		live_command(&l, 'o', "one thread");
		cr_expect(times_helped(&l) == i, "%s", got.out);
	}
	cr_expect(live_end(&l) == 0);
}

/* --- tasks ------------------------------------------------------------------------- */

/* What `stat` says, at a quiet moment, and how often /proc had to correct it so far. */
static void expect_users(const struct live *l, int users, int settled)
{
	cr_expect(tool(l, "stat", "--json", NULL) == 0, "%s", got.err);
	cr_expect(counter("mm_users") == users, "%ld users, not %d", counter("mm_users"),
		  users);
	cr_expect(counter("users_settled") == settled, "%ld corrections, not %d",
		  counter("users_settled"), settled);
	cr_expect(counter("mm_count") == 4); /* and smm-ctl, smm-fault's two tasks */
}

static void share(const char *env)
{
	struct live l;

	start_program(&l, "sharing", env);
	expect_users(&l, 1, 0);
	live_command(&l, 't', "threads");
	expect_users(&l, 6, 0);
	live_command(&l, 'j', "joined");
	expect_users(&l, 1, 0);
	live_command(&l, 'd', "detached");
	live_command(&l, 'f', "failed");
	live_command(&l, 'v', "vfork");
	live_command(&l, 'n', "ended");
	expect_users(&l, 1, 0);
	live_command(&l, 't', "threads");
	live_command(&l, 'c', "child");
	expect_users(&l, 7, 0);
	cr_expect(!strstr(got.out, "\"sharers\":[]"), "%s", got.out);
	live_command(&l, 'k', "killed");
	expect_users(&l, 6, 1);
	cr_expect(strstr(got.out, "\"sharers\":[]") != NULL, "%s", got.out);
	live_command(&l, 'e', "ready");
	expect_users(&l, 1, 0);
	cr_expect(live_end(&l) == 0);
}

Test(looking, tasks_are_counted)
{
	share(NULL);
}

Test(looking, tasks_are_counted_with_dispatch)
{
	share("SHADOWMM_INTERCEPT=all");
}

Test(looking, tasks_whose_end_was_not_seen)
{
	struct live l;

	start_program(&l, "sharing", NULL);
	live_command(&l, 'r', "unseen exit");
	live_command(&l, 'r', "unseen exit");
	expect_users(&l, 1, 1);
	expect_users(&l, 1, 1);
	cr_expect(live_end(&l) == 0);
}

/* --- the list of all --------------------------------------------------------------- */

/* Run `shadowmm ps OPTION`; its output is in got. */
static void list(const char *option)
{
	const struct how plain = { .plain = true };
	const char *argv[] = { scratch_path("shadowmm"), "ps", option, NULL };

	capture(&got, &plain, argv);
	cr_expect(got.status == 0, "%#x %s", got.status, got.err);
}

static void expect_listed(const char *format, int pid)
{
	char want[128];

	snprintf(want, sizeof(want), format, pid);
	cr_expect(strstr(got.out, want) != NULL, "no %s in %s", want, got.out);
}

Test(looking, ps_shows_threads_and_sharers)
{
	struct live l;

	start_program(&l, "sharing", NULL);
	live_command(&l, 't', "threads");
	live_command(&l, 'c', "child");
	list("-T");
	expect_listed("%8d ", (int)l.pid);
	cr_expect(count_lines(got.out) == 1 + 1 + 7, "%s", got.out);
	live_command(&l, 'k', "killed");
	list(NULL);
	cr_expect(count_lines(got.out) == 1 + 1, "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

Test(looking, ps_shows_who_was_forked_from_whom)
{
	struct live l;

	start_program(&l, "sharing", NULL);
	live_command(&l, 'o', "orphan");
	list("--tree");
	expect_listed("sharing(%d) own exec\n`-sharing(", (int)l.pid);
	/* Its parent has ended: it hangs on its parent's parent. */
	cr_expect(strstr(got.out, " own fork from ") && strstr(got.out, " (gone)\n"),
		  "%s", got.out);
	live_command(&l, 'q', "orphan ended");
	list("--tree");
	cr_expect(count_lines(got.out) == 1, "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

/* A shell without the library stands between the two. */
Test(looking, ps_tree_passes_over_strangers)
{
	struct live l;

	start_program(&l, "sharing", NULL);
	live_command(&l, 'p', "far child");
	list("--tree");
	cr_expect(count_lines(got.out) == 2, "%s", got.out);
	expect_listed("sharing(%d) own exec\n`-sharing(", (int)l.pid);
	live_command(&l, 'x', "far child ended");
	cr_expect(live_end(&l) == 0);
}

Test(looking, ps_shows_a_program_whose_engine_retired)
{
	struct live l;

	start_program(&l, "sharing", NULL);
	live_command(&l, 'w', "retired");
	list(NULL);
	expect_listed("%8d ", (int)l.pid);
	cr_expect(strstr(got.out, " none ") != NULL, "%s", got.out);
	cr_expect(live_end(&l) == 0);
	list(NULL);
	cr_expect(count_lines(got.out) == 1, "%s", got.out);
}

/* --- from inside ------------------------------------------------------------------- */

Test(looking, api)
{
	const struct how plain = { .plain = true }, under = { 0 };
	const char *argv[] = { scratch_path("api"), NULL };

	capture(&got, &plain, argv);
	cr_expect(got.status == 0 && !strcmp(got.out, "not preloaded\n"), "%s%s", got.out,
		  got.err);
	capture(&got, &under, argv);
	cr_expect(got.status == 0 && !strcmp(got.out, "0.1.0\n"), "%#x %s%s", got.status,
		  got.out, got.err);
}

/* --- debuggers --------------------------------------------------------------------- */

static bool installed(const char *program)
{
	const struct how plain = { .plain = true };
	const char *argv[] = { program, "--version", NULL };

	capture(&got, &plain, argv);
	return got.status == 0;
}

/* Its first words are a run to the end, its last a stack with the program's names. */
Test(looking, gdb)
{
	const struct how plain = { .plain = true };
	char set[300];
	const char *argv[] = { "gdb",	    "-nx", "-batch", "-ex",
			       set,	    "-ex", "run",    "-ex",
			       "run abort", "-ex", "bt",     scratch_path("endings"),
			       NULL };

	if (!installed("gdb"))
		cr_skip_test("gdb is not installed");
	snprintf(set, sizeof(set), "set environment LD_PRELOAD %s",
		 scratch_path("libshadowmm.so"));
	capture(&got, &plain, argv);
	cr_expect(got.status == 0, "%#x %s%s", got.status, got.out, got.err);
	cr_expect(strstr(got.out, " exited "), "%s%s", got.out, got.err);
	cr_expect(strstr(got.out, "received signal SIGABRT") &&
			  strstr(got.out, " in main ("),
		  "%s%s", got.out, got.err);
}

Test(looking, strace_of_a_program_under)
{
	const struct how plain = { .plain = true };
	char set[300];
	const char *argv[] = {
		"strace", "-f", "-o", "trace", "-E", set, scratch_path("first_touch"),
		NULL
	};
	const char *alone[] = { scratch_path("first_touch"), NULL };
	static struct capture want;

	if (!installed("strace"))
		cr_skip_test("strace is not installed");
	snprintf(set, sizeof(set), "LD_PRELOAD=%s", scratch_path("libshadowmm.so"));
	capture(&want, &plain, alone);
	capture(&got, &plain, argv);
	cr_expect(got.status == 0, "%#x %s", got.status, got.err);
	cr_expect_str_eq(got.out, want.out);
}

Test(looking, strace_itself_under)
{
	const struct how under = { 0 };
	const char *argv[] = {
		"strace", "-f", "-o", "trace", "/bin/echo", "hello", NULL
	};

	if (!installed("strace"))
		cr_skip_test("strace is not installed");
	capture(&got, &under, argv);
	cr_expect(got.status == 0, "%#x %s", got.status, got.err);
	cr_expect_str_eq(got.out, "hello\n");
}
