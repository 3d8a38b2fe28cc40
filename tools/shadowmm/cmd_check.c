// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm check: what this kernel and this user allow, and what to do about the rest. */
#include "config.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "cli.h"

const char cmd_check_options[] = "  --json   an object with the list of checks\n\n"
				 "Exits with 0 if demand paging is possible, with 1 if "
				 "programs can only be followed.\n";

void check_add(struct check *c, const char *name, enum check_state state,
	       const char *remedy, const char *format, ...)
{
	static const char *const state_name[] = { "ok", "limited", "no" };
	char detail[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	json_array_append_new(c->list,
			      json_pack("{ss ss ss so}", "name", name, "state",
					state_name[state], "detail", detail, "remedy",
					remedy ? json_string(remedy) : json_null()));
}

static void check_library(struct check *c)
{
	char path[PATH_MAX];

	if (library_find(path, sizeof(path)))
		check_add(c, "library", CHECK_OK, NULL, "%s", path);
	else
		check_add(c, "library", CHECK_NO,
			  "make install, or set SHADOWMM_LIB to libshadowmm.so",
			  "%s cannot be read: 'shadowmm run' cannot work", path);
}

struct limit {
	int resource;
	const char *name;
	rlim_t enough; /* below it the library may have to do with less */
	const char *meaning;
};

static void check_limit(struct check *c, const struct limit *l)
{
	struct rlimit lim;
	char remedy[96], value[32] = "unlimited";
	bool enough;

	if (getrlimit(l->resource, &lim) < 0)
		return;
	enough = lim.rlim_cur == RLIM_INFINITY || lim.rlim_cur >= l->enough;
	if (lim.rlim_cur != RLIM_INFINITY)
		snprintf(value, sizeof(value), "%lu", (unsigned long)lim.rlim_cur);
	snprintf(remedy, sizeof(remedy), "raise %s to %lu (ulimit, limits.conf(5))",
		 l->name, (unsigned long)l->enough);
	check_add(c, l->name, enough ? CHECK_OK : CHECK_LIMITED, enough ? NULL : remedy,
		  "%s%s%s", value, enough ? "" : ": ", enough ? "" : l->meaning);
}

static void check_limits(struct check *c)
{
	static const struct limit limits[] = {
		{ RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 64 << 10,
		  "the library cannot lock its own memory" },
		{ RLIMIT_NPROC, "RLIMIT_NPROC", 1024,
		  "the engine's processes count too; without room there is no engine" },
		{ RLIMIT_NOFILE, "RLIMIT_NOFILE", 32,
		  "the engine has a table of its own, but of this size" },
		{ RLIMIT_AS, "RLIMIT_AS", 256 << 20,
		  "the library's own memory counts too" },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		check_limit(c, &limits[i]);
}

static void run_checks(struct check *c)
{
	check_userfaultfd(c);
	check_cow(c);
	check_dirty(c);
	check_frames(c);
	check_kernel(c);
	check_limits(c);
	check_library(c);
	if (c->paging)
		check_add(c, "demand-paging", CHECK_OK, NULL,
			  "programs are paged by the library");
	else
		check_add(
			c, "demand-paging", CHECK_NO,
			"one of the remedies for userfaultfd above",
			"programs run in mode track: followed, but paged by the kernel");
}

static void print_table(json_t *list)
{
	json_t *check;
	size_t i;

	json_array_foreach(list, i, check)
	{
		printf("%-7s %-32s %s\n", json_str(check, "state"),
		       json_str(check, "name"), json_str(check, "detail"));
		if (*json_str(check, "remedy"))
			printf("%-7s %-32s -> %s\n", "", "", json_str(check, "remedy"));
	}
}

int cmd_check(int argc, char **argv)
{
	int json = 0;
	const struct option options[] = {
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct check c = { .paging = false };
	json_t *reply;

	if (cli_flags(argc, argv, options, 0, 0))
		return CLI_USAGE;
	c.list = json_array();
	run_checks(&c);
	reply = json_pack("{sb so}", "demand_paging", c.paging, "checks", c.list);
	if (json) {
		json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_table(c.list);
	}
	json_decref(reply);
	return c.paging ? CLI_OK : CLI_FAIL;
}
