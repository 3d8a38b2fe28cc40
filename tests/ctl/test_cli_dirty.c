// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm smaps --dirty, told by a canned server. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

TestSuite(cli_dirty, .init = setup, .fini = teardown, .timeout = 60);

#define DIRTY_AREA                                                               \
	"{\"start\":\"00400000\",\"end\":\"00404000\",\"perms\":\"rw-s\","       \
	"\"offset\":\"00000000\",\"dev\":\"00:00\",\"inode\":0,\"name\":\"/f\"," \
	"\"policy\":\"track\",\"reason\":\"file\",\"faults\":0,\"populated\":0," \
	"\"flags\":[],\"kernel\":null,\"guesses\":[],\"dirty\":"

static struct result smaps(const char *reply, const char *option)
{
	char pid[16];

	c.reply = reply;
	canned_start(&c);
	snprintf(pid, sizeof(pid), "%d", c.pid);
	return tool("smaps", pid, option, NULL);
}

/* None is something else than not known. */
Test(cli_dirty, none)
{
	struct result r = smaps("{\"pid\":1,\"blind\":false,\"dirty_since_ms\":5,"
				"\"areas\":[" DIRTY_AREA "0}]}\n",
				"--dirty");

	cr_expect_eq(r.code, 0, "%s", r.err);
	cr_expect(strstr(r.out, "Dirty:                 0\n"), "%s", r.out);
	result_free(&r);
}

Test(cli_dirty, not_tracked)
{
	struct result r = smaps("{\"pid\":1,\"blind\":false,\"dirty_since_ms\":null,"
				"\"areas\":[" DIRTY_AREA "null}]}\n",
				NULL);

	cr_expect_eq(r.code, 0, "%s", r.err);
	cr_expect(strstr(r.out, "Populated:") && !strstr(r.out, "Dirty:"), "%s", r.out);
	result_free(&r);
}
