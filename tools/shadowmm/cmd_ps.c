// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm ps: every address space that the library manages. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "ps.h"

const char cmd_ps_options[] = "  --all      processes of every user (root only)\n"
			      "  -T, --threads  the tasks that share each address space\n"
			      "  --tree     who was forked from, or started by, whom\n"
			      "  --json     an array of objects\n";

/* As ps(1) prints etime: [[dd-]hh:]mm:ss */
static const char *age_text(long s, char *buf, size_t size)
{
	if (s >= 86400)
		snprintf(buf, size, "%ld-%02ld:%02ld:%02ld", s / 86400, s / 3600 % 24,
			 s / 60 % 60, s % 60);
	else if (s >= 3600)
		snprintf(buf, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(buf, size, "%02ld:%02ld", s / 60, s % 60);
	return buf;
}

/* "-" for what only the process could have said. */
static void print_number(json_t *row, const char *key, int width)
{
	if (json_object_get(row, key))
		printf(" %*ld", width, json_num(row, key));
	else
		printf(" %*s", width, "-");
}

static void print_tasks(json_t *row)
{
	json_t *task;
	size_t i;

	json_array_foreach(json_object_get(row, "tasks"), i, task)
		printf("%8s %8ld %-16s %s\n", "", json_num(task, "tid"),
		       json_str(task, "comm"), json_str(task, "state"));
}

static void print_row(json_t *row)
{
	unsigned long rss = (unsigned long)json_num(row, "rss_kib") * 1024;
	char text[32];

	printf("%8ld %8ld %-16s %-6s", json_num(row, "pid"), json_num(row, "ppid"),
	       json_str(row, "comm"), json_str(row, "mode"));
	print_number(row, "areas", 7);
	print_number(row, "own_areas", 7);
	printf(" %8s", cli_size(rss, text, sizeof(text)));
	print_number(row, "faults", 10);
	print_number(row, "users", 5);
	printf(" %11s %s\n",
	       json_object_get(row, "age_s")
		       ? age_text(json_num(row, "age_s"), text, sizeof(text))
		       : "-",
	       json_object_get(row, "born") ? json_str(row, "born") : "-");
	print_tasks(row);
}

static void print_table(json_t *rows)
{
	json_t *row;
	size_t i;

	printf("%8s %8s %-16s %-6s %7s %7s %8s %10s %5s %11s %s\n", "PID", "PPID", "COMM",
	       "MODE", "AREAS", "OWN", "RSS", "FAULTS", "USERS", "AGE", "BORN");
	json_array_foreach(rows, i, row) print_row(row);
}

/* --- the tree ------------------------------------------------------------------------
 */

#define TREE_DEPTH 40 /* deeper ones are not indented further */

static bool is_under(json_t *row, json_t *parent)
{
	json_t *under = json_object_get(row, "under");

	return parent ? json_integer_value(under) == json_num(parent, "pid")
		      : json_is_null(under);
}

/* From @i on, or the size. */
static size_t next_under(json_t *rows, size_t i, json_t *parent)
{
	while (i < json_array_size(rows) && !is_under(json_array_get(rows, i), parent))
		i++;
	return i;
}

/* What is not to be seen from its place in the tree. */
static void print_origin(json_t *row)
{
	json_t *ancestors = json_object_get(row, "ancestors");
	long parent = json_num(json_array_get(ancestors, 0), "pid");
	long starter = json_num(row, "starter"), under = json_num(row, "under");

	if (parent && parent != under)
		printf(" from %ld (gone)", parent);
	else if (json_bool(row, "before_exec"))
		printf(" from %ld before its exec", parent);
	if (starter && starter != under && !proc_alive((pid_t)starter))
		printf(" started by %ld (gone)", starter);
}

static void print_node(json_t *row)
{
	const char *born = json_str(row, "born");

	printf("%s(%ld) %s", json_str(row, "comm"), json_num(row, "pid"),
	       json_str(row, "mode"));
	if (*born)
		printf(" %s", born);
	print_origin(row);
	putchar('\n');
}

/* @prefix: 2 * TREE_DEPTH bytes and the end. What is printed leaves @rows' tree: marked
 * by "shown", so that no circle of reused numbers can hold us. */
static void print_below(json_t *rows, json_t *parent, char *prefix)
{
	size_t len = strlen(prefix), i = next_under(rows, 0, parent), next;
	bool indent = parent && len + 2 < 2 * TREE_DEPTH;

	for (; i < json_array_size(rows); i = next) {
		json_t *row = json_array_get(rows, i);

		next = next_under(rows, i + 1, parent);
		if (json_object_get(row, "shown"))
			continue;
		json_object_set_new(row, "shown", json_true());
		printf("%s%s", prefix,
		       !parent			      ? ""
		       : next < json_array_size(rows) ? "|-"
						      : "`-");
		print_node(row);
		if (indent)
			memcpy(prefix + len, next < json_array_size(rows) ? "| " : "  ",
			       3);
		print_below(rows, row, prefix);
		prefix[len] = '\0';
	}
}

static void print_tree(json_t *rows)
{
	char prefix[2 * TREE_DEPTH + 2] = "";
	json_t *row;
	size_t i;

	print_below(rows, NULL, prefix);
	/* A circle, made of numbers that were reused while we looked. */
	json_array_foreach(rows, i, row) if (!json_object_get(row, "shown"))
		print_node(row);
}

int cmd_ps(int argc, char **argv)
{
	int all = 0, json = 0, threads = 0, tree = 0;
	static char long_threads[] = "--threads";
	const struct option options[] = {
		{ "all", no_argument, &all, 1 },
		{ "json", no_argument, &json, 1 },
		{ "threads", no_argument, &threads, 1 },
		{ "tree", no_argument, &tree, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct ps ps = { .rows = NULL };

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-T"))
			argv[i] = long_threads;
	if (cli_flags(argc, argv, options, 0, 0))
		return CLI_USAGE;
	if (all && geteuid() != 0)
		return cli_usage(
			"ps: --all: only root may see other users: leave it out");
	if (threads && tree)
		return cli_usage("ps: --threads and --tree: say one of them");
	ps.all = all;
	ps.threads = threads;
	ps_collect(&ps);
	if (json) {
		json_dumpf(ps.rows, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (tree) {
		print_tree(ps.rows);
	} else {
		print_table(ps.rows);
	}
	json_decref(ps.rows);
	return ps.failed ? CLI_FAIL : CLI_OK;
}
