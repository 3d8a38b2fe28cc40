// SPDX-License-Identifier: LGPL-2.1-or-later
/* `cow --stacks`: which code wrote to shared memory. */
#define _GNU_SOURCE
#include "config.h"
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DIRECT	28 /* pages that cow_writers' "m" writes to, by kind */
#define LIBRARY 14
#define KERNEL	7
#define THREAD	7
#define OTHERS	6 /* samples of stdio and the like, at most */
#define ROW	512

static struct capture got;

static void setup(void)
{
	static const char *const names[] = { "cow_writers", "cow_writers_fp", NULL };

	scratch_make(names);
}

TestSuite(cow_stacks, .init = setup, .fini = scratch_remove, .timeout = 180);

static void start(struct live *l, const char *program, const char *env)
{
	const struct how how = { .env = { "SHADOWMM_COW=own", env } };
	const char *argv[] = { scratch_path(program), NULL };

	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	live_engine_up(l);
}

/* shadowmm cow --stacks @a @b PID */
static void ask(pid_t pid, const char *a, const char *b)
{
	const struct how plain = { .plain = true };
	char text[16];
	const char *argv[] = { scratch_path("shadowmm"), "cow", a, b, text, NULL };

	snprintf(text, sizeof(text), "%d", (int)pid);
	capture(&got, &plain, argv);
	cr_assert(got.status == 0, "%s", got.err);
}

static json_t *stacks_of(pid_t pid, const char *option)
{
	json_t *reply;

	ask(pid, option, "--json");
	reply = json_loads(got.out, 0, NULL);
	cr_assert(reply, "%s", got.out);
	return reply;
}

static long num(json_t *of, const char *name)
{
	return (long)json_integer_value(json_object_get(of, name));
}

static const char *str(json_t *of, const char *name)
{
	const char *s = json_string_value(json_object_get(of, name));

	return s ? s : "";
}

static bool has_frame(json_t *stack, const char *function)
{
	json_t *frame;
	size_t i;

	json_array_foreach(json_object_get(stack, "frames"), i, frame)
	{
		if (!strcmp(str(frame, "function"), function))
			return true;
	}
	return false;
}

/* Of the stacks with that function, @what in sum. */
static long sum(json_t *reply, const char *function, const char *what)
{
	json_t *stack;
	long n = 0;
	size_t i;

	json_array_foreach(json_object_get(reply, "stacks"), i, stack)
	{
		if (!function || has_frame(stack, function))
			n += num(stack, what);
	}
	return n;
}

#ifdef HAVE_LIBDW
static void expect_sum(json_t *reply, const char *function, long want)
{
	long samples = sum(reply, function, "samples"),
	     pages = sum(reply, function, "pages");

	cr_expect(samples == want && pages == want, "%s: %ld samples, %ld pages: %s",
		  function, samples, pages, got.out);
}

static void expect_mixed(json_t *reply)
{
	cr_expect(num(reply, "lost") == 0, "%s", got.out);
	expect_sum(reply, "write_directly", DIRECT);
	expect_sum(reply, "write_by_library", LIBRARY);
	expect_sum(reply, "write_by_kernel", KERNEL);
	expect_sum(reply, "write_in_thread", THREAD);
	cr_expect(sum(reply, NULL, "samples") <=
			  DIRECT + LIBRARY + KERNEL + THREAD + OTHERS,
		  "%s", got.out);
}

/* Down to where the thread began, with lines; the writer has gone on long ago. */
static void expect_whole_stacks(json_t *reply)
{
	json_t *stack, *frame;
	size_t i;

	json_array_foreach(json_object_get(reply, "stacks"), i, stack)
	{
		bool thread = has_frame(stack, "write_in_thread");

		frame = json_array_get(json_object_get(stack, "frames"), 0);
		cr_expect(json_is_true(json_object_get(stack, "complete")), "%s",
			  got.out);
		cr_expect(thread != has_frame(stack, "main"), "%s", got.out);
		if (has_frame(stack, "write_by_kernel"))
			cr_expect(num(stack, "syscall") == 0 &&
				  json_is_integer(json_object_get(stack, "syscall")));
		else
			cr_expect(json_is_null(json_object_get(stack, "syscall")));
		if (strcmp(str(frame, "function"), "write_directly") == 0)
			cr_expect(strstr(str(frame, "file"), "cow_writers.c") &&
				  num(frame, "line") > 0);
	}
}

static void expect_writers(const char *program)
{
	struct live l;
	json_t *reply;

	start(&l, program, "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'm', "mixed");
	reply = stacks_of(l.pid, "--stacks");
	cr_expect(num(reply, "every") == 1);
	expect_mixed(reply);
	expect_whole_stacks(reply);
	json_decref(reply);
	ask(l.pid, "--stacks", "--folded");
	cr_expect(strstr(got.out, ";main;"), "%s", got.out);
	cr_expect(strstr(got.out, "write_directly 28\n"), "%s", got.out);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

Test(cow_stacks, every_writer_is_named_with_its_share)
{
	expect_writers("cow_writers");
}

Test(cow_stacks, frame_pointers_are_found)
{
	expect_writers("cow_writers_fp");
}

Test(cow_stacks, the_pages_of_a_window_are_its_writers)
{
	struct live l;
	json_t *reply;
	long pages;

	start(&l, "cow_writers", "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'r', "row");
	reply = stacks_of(l.pid, "--stacks");
	pages = sum(reply, "write_directly", "pages");
	/* The last window may reach a little further. */
	cr_expect(pages >= ROW && pages <= ROW * 9 / 8, "%s", got.out);
	cr_expect(sum(reply, "write_directly", "samples") < ROW / 8, "%s", got.out);
	json_decref(reply);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

/* The child of @l that runs the same program. */
static pid_t child_of(const struct live *l)
{
	char path[64], comm[32];
	FILE *f, *g;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)l->pid,
		 (int)l->pid);
	f = fopen(path, "r");
	cr_assert(f);
	while (fscanf(f, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		g = fopen(path, "r");
		cr_assert(g && fgets(comm, sizeof(comm), g));
		fclose(g);
		if (!strcmp(comm, "cow_writers\n"))
			break;
		pid = 0;
	}
	fclose(f);
	cr_assert(pid > 0);
	return pid;
}

Test(cow_stacks, a_childs_samples_are_its_own)
{
	struct live l;
	json_t *reply;

	start(&l, "cow_writers", NULL);
	reply = stacks_of(l.pid, "--stacks=1"); /* the child inherits it */
	cr_expect(num(reply, "taken") == 0, "%s", got.out);
	json_decref(reply);
	live_command(&l, 'f', "forked");
	live_command(&l, 'm', "mixed");
	live_command(&l, 'e', "ended");
	live_command(&l, 'c', "forked");
	reply = stacks_of(child_of(&l), "--stacks");
	expect_sum(reply, "write_in_child", 8);
	cr_expect(sum(reply, "write_directly", "samples") == 0, "%s", got.out);
	json_decref(reply);
	reply = stacks_of(l.pid, "--stacks");
	cr_expect(sum(reply, "write_in_child", "samples") == 0, "%s", got.out);
	expect_mixed(reply);
	json_decref(reply);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}
#endif

/* Without symbols: the addresses, and those of the callers. */
static void expect_addresses(const char *option)
{
	char path[4096];
	json_t *reply, *stack, *frames;
	struct live l;
	size_t i;

	start(&l, "stripped", "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'm', "mixed");
	reply = stacks_of(l.pid, option);
	cr_assert(realpath(scratch_path("stripped"), path));
	cr_expect(sum(reply, "write_directly", "samples") == 0, "%s", got.out);
	stack = json_array_get(json_object_get(reply, "stacks"), 0);
	cr_expect(num(stack, "samples") >= DIRECT / 4, "%s", got.out);
	frames = json_object_get(stack, "frames");
	cr_expect(json_array_size(frames) >= 3, "%s", got.out);
	for (i = 0; i < 2; i++) {
		cr_expect_str_eq(str(json_array_get(frames, i), "module"), path);
		cr_expect(strlen(str(json_array_get(frames, i), "offset")) >= 3);
	}
	json_decref(reply);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

static void strip(void)
{
	const struct how plain = { .plain = true };
	const char *argv[] = { "strip", "-o", scratch_path("stripped"),
			       scratch_path("cow_writers"), NULL };

	capture(&got, &plain, argv);
	cr_assert(got.status == 0, "%s", got.err);
}

Test(cow_stacks, a_stripped_program_gives_addresses)
{
	strip();
	expect_addresses("--stacks");
}

Test(cow_stacks, without_names_what_looks_like_a_return_address_is_shown)
{
	struct live l;

	start(&l, "cow_writers", "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'm', "mixed");
	ask(l.pid, "--stacks", "--addresses");
	cr_expect(strstr(got.out, "/cow_writers+0x"), "%s", got.out);
	cr_expect(!strstr(got.out, "write_directly"), "%s", got.out);
	cr_expect(strstr(got.out, "? ("), "%s", got.out);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

Test(cow_stacks, it_is_off_until_asked_for)
{
	const struct {
		const char *option;
		long every;
	} step[] = { { "--stacks", 16 },
		     { "--stacks=1", 1 },
		     { "--stacks", 1 },
		     { "--stacks=off", 0 } };
	json_t *reply;
	struct live l;

	start(&l, "cow_writers", NULL);
	live_command(&l, 'f', "forked");
	live_command(&l, 'r', "row");
	for (size_t i = 0; i < sizeof(step) / sizeof(*step); i++) {
		reply = stacks_of(l.pid, step[i].option);
		cr_expect(num(reply, "every") == step[i].every, "%s", got.out);
		cr_expect(num(reply, "taken") == 0, "%s", got.out);
		json_decref(reply);
	}
	live_command(&l, 'm', "mixed");
	reply = stacks_of(l.pid, "--stacks");
	cr_expect(num(reply, "every") == 16 && num(reply, "taken") == 0, "%s", got.out);
	json_decref(reply);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

static FILE *control_socket(const struct live *l)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[64];

	snprintf(name, sizeof(name), "run/shadowmm/%d.sock", (int)l->pid);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", scratch_path(name));
	cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fdopen(fd, "r+");
}

/* @command NULL: the greeting. */
static json_t *any_reply(FILE *f, const char *command)
{
	char *line = NULL;
	size_t size = 0;
	json_t *reply;

	if (command)
		cr_assert(dprintf(fileno(f), "%s\n", command) > 0);
	cr_assert(getline(&line, &size, f) > 0);
	reply = json_loads(line, 0, NULL);
	cr_assert(reply, "%s", line);
	free(line);
	return reply;
}

static json_t *control(FILE *f, const char *command)
{
	json_t *reply = any_reply(f, command);

	cr_assert(!json_object_get(reply, "error"), "%s", str(reply, "error"));
	return reply;
}

/* As after a change of user: what the kernel hides from its user, we do not show. */
Test(cow_stacks, nothing_is_shown_of_a_program_that_is_not_dumpable)
{
	struct live l;
	json_t *reply;
	FILE *f;

	start(&l, "cow_writers", "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'm', "mixed");
	live_command(&l, 'd', "hidden");
	f = control_socket(&l);
	json_decref(any_reply(f, NULL));
	reply = any_reply(f, "cow stacks");
	cr_expect(strstr(str(reply, "error"), "not dumpable"), "%s", str(reply, "error"));
	json_decref(reply);
	fclose(f);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

static long lost(pid_t pid)
{
	json_t *reply = stacks_of(pid, "--stacks");
	long n = num(reply, "lost");

	cr_expect(num(reply, "taken") == 0, "%s", got.out);
	json_decref(reply);
	return n;
}

/*
 * What Yama does elsewhere: the kernel shows the engine, now another user's than root's,
 * nothing of a program that changed its user and may not be dumped.
 */
Test(cow_stacks, what_the_kernel_refuses_is_lost_in_one_line)
{
	json_t *reply;
	struct live l;

	if (geteuid())
		cr_skip_test("needs root to become somebody else");
	start(&l, "cow_writers", "SHADOWMM_COW_STACKS=1");
	live_command(&l, 'f', "forked");
	live_command(&l, 'n', "nobody");
	live_command(&l, 'm', "mixed");
	live_command(&l, 'D', "dumpable");
	cr_expect(lost(l.pid) >= DIRECT + LIBRARY + KERNEL + THREAD, "%s", got.out);
	ask(l.pid, "--stacks", "--folded");
	cr_expect_str_empty(got.out);
	ask(l.pid, "--stacks", "--addresses");
	cr_expect(strstr(got.out,
			 " lost (the kernel does not show where a thread sleeps"),
		  "%s", got.out);
	cr_expect(count_lines(got.out) == 2, "the line, and the head: %s", got.out);
	/* It is not for good. */
	live_command(&l, 'r', "row");
	reply = stacks_of(l.pid, "--stacks");
	cr_expect(num(reply, "taken") > 0, "%s", got.out);
	json_decref(reply);
	live_command(&l, 'e', "ended");
	cr_expect(live_end(&l) == 0);
}

/* --- on and off -------------------------------------------------------------------- */

Test(cow_stacks, on_and_off_a_thousand_times_under_load)
{
	long taken = 0;
	struct live l;
	FILE *f;

	start(&l, "cow_writers", NULL);
	f = control_socket(&l);
	json_decref(control(f, NULL));
	live_command(&l, 'L', "loaded");
	for (int i = 0; i < 1000 || taken < 100; i++) {
		json_t *reply;

		json_decref(control(f, i % 2 ? "cow sample 3" : "cow sample 1"));
		reply = control(f, "cow stacks");
		taken += (long)json_array_size(json_object_get(reply, "samples"));
		json_decref(reply);
		json_decref(control(f, "cow sample off"));
	}
	live_command(&l, 'E', "unloaded");
	fclose(f);
	cr_expect(live_end(&l) == 0);
}
