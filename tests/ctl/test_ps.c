// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm ps: families and tasks, told by canned servers. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "canned.h"

static struct canned c;

static void setup(void)
{
	canned_init(&c);
	unsetenv("LD_PRELOAD");
}

static void teardown(void)
{
	canned_fini(&c);
}

TestSuite(ps, .init = setup, .fini = teardown, .timeout = 60);

static void start(const char *reply)
{
	c.reply = reply;
	canned_start(&c);
}

static void expect(struct result r, int code, const char *out_part)
{
	cr_expect_eq(r.code, code, "exit %d\n%s%s", r.code, r.out, r.err);
	cr_expect(strstr(r.out, out_part) != NULL, "no '%s' in:\n%s", out_part, r.out);
	result_free(&r);
}

/* --- ps --tree: two servers, one of which says whose copy it is -------------------- */

static struct canned second; /* in the directory of the first */

/* Reply of an address space; @ancestors: JSON. */
static char *family_stat(long born_ns, const char *ancestors)
{
	char *text;

	cr_assert(asprintf(&text,
			   "{\"mode\":\"own\",\"born\":\"%s\",\"born_ns\":%ld,"
			   "\"ancestors\":[%s],\"sharers\":[],"
			   "\"mm\":{\"map_count\":20,\"mm_users\":7},"
			   "\"policy\":{\"own\":{\"areas\":5}},"
			   "\"counters\":{\"faults\":33}}\n",
			   *ancestors ? "fork" : "exec", born_ns, ancestors) > 0);
	return text;
}

/* The second one's ancestors: one that is gone, then @pid born at @born_ns. */
static void start_family(long born_ns)
{
	char ancestors[128];

	start(family_stat(5000, ""));
	snprintf(ancestors, sizeof(ancestors),
		 "{\"pid\":1,\"born_ns\":6000},{\"pid\":%d,\"born_ns\":%ld}", c.pid,
		 born_ns);
	second = c;
	second.reply = family_stat(7000, ancestors);
	canned_start(&second);
}

static void stop_second(void)
{
	kill(second.pid, SIGKILL);
	waitpid(second.pid, NULL, 0);
	unlink(second.sock);
}

/* What ps --json says the second belongs below; 0: nothing. */
static json_int_t second_is_under(void)
{
	struct result r = tool("ps", "--json", NULL);
	json_t *rows = json_loads(r.out, 0, NULL), *row;
	json_int_t under = -1;
	size_t i;

	json_array_foreach(rows, i,
			   row) if (json_integer_value(json_object_get(row, "pid")) ==
				    second.pid) under =
		json_integer_value(json_object_get(row, "under"));
	json_decref(rows);
	result_free(&r);
	return under;
}

Test(ps, tree_finds_the_nearest_ancestor_that_is_there)
{
	char want[128];
	struct result r;

	start_family(5000);
	cr_expect_eq(second_is_under(), c.pid);
	r = tool("ps", "--tree", NULL);
	snprintf(want, sizeof(want), "(%d) own exec\n", c.pid);
	cr_expect(strstr(r.out, want) != NULL, "no %s in %s", want, r.out);
	snprintf(want, sizeof(want), "`-test_cli(%d) own fork from 1 (gone)\n",
		 second.pid);
	expect(r, 0, want);
	stop_second();
}

/* The number was given to another process since. */
Test(ps, tree_knows_ancestors_by_birth)
{
	start_family(4999);
	cr_expect_eq(second_is_under(), 0);
	stop_second();
}

Test(ps, shows_users_and_tasks)
{
	char want[64];
	struct result r;

	start(family_stat(0, ""));
	r = tool("ps", NULL);
	expect(r, 0, " 33     7 ");
	r = tool("ps", "--threads", NULL);
	snprintf(want, sizeof(want), "\n         %8d test_cli", c.pid);
	expect(r, 0, want);
	r = tool("ps", "-T", "--json", NULL);
	snprintf(want, sizeof(want), "\"tasks\":[{\"tid\":%d,\"comm\":", c.pid);
	expect(r, 0, want);
	expect(tool("ps", "-T", "--tree", NULL), 2, "");
	expect(tool("ps", "-x", NULL), 2, "");
}
