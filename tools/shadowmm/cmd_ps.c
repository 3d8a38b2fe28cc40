// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm ps: every process with a socket. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

const char cmd_ps_options[] = "  --all    processes of every user (root only)\n"
			      "  --json   an array of objects\n";

struct list {
	json_t *rows;
	bool failed; /* a process did not answer */
};

static json_t *make_row(pid_t pid, const struct proc_info *info, json_t *stat)
{
	json_t *own = json_object_get(json_object_get(stat, "policy"), "own");
	json_t *counters = json_object_get(stat, "counters");

	return json_pack("{si si si ss* ss si si si si}", "pid", (int)pid, "ppid",
			 (int)info->ppid, "uid", (int)info->euid, "comm", info->comm,
			 "mode", json_str(stat, "mode"), "areas",
			 (int)json_num(json_object_get(stat, "mm"), "map_count"),
			 "own_areas", (int)json_num(own, "areas"), "rss_kib",
			 (int)(info->rss / 1024), "faults",
			 (int)json_num(counters, "faults"));
}

static void add_process(void *priv, pid_t pid, int dir_fd)
{
	struct list *list = priv;
	struct proc_info info;
	struct conn c;
	json_t *stat = NULL;

	if (!proc_read(pid, &info))
		return;
	if (conn_open_at(&c, pid, dir_fd)) {
		stat = conn_ask(&c, "stat", NULL);
		if (stat && !reply_is_error(&c, stat))
			json_array_append_new(list->rows, make_row(pid, &info, stat));
		else
			list->failed = true;
		conn_close(&c);
	} else {
		/* One that ended while we looked is no failure. */
		list->failed |= proc_read(pid, &info);
	}
	json_decref(stat);
}

static void print_table(json_t *rows)
{
	json_t *row;
	size_t i;

	printf("%8s %8s %-16s %-6s %7s %7s %8s %10s\n", "PID", "PPID", "COMM", "MODE",
	       "AREAS", "OWN", "RSS", "FAULTS");
	json_array_foreach(rows, i, row)
	{
		char rss[32];

		printf("%8ld %8ld %-16s %-6s %7ld %7ld %8s %10ld\n", json_num(row, "pid"),
		       json_num(row, "ppid"), json_str(row, "comm"),
		       json_str(row, "mode"), json_num(row, "areas"),
		       json_num(row, "own_areas"),
		       cli_size((unsigned long)json_num(row, "rss_kib") * 1024, rss,
				sizeof(rss)),
		       json_num(row, "faults"));
	}
}

int cmd_ps(int argc, char **argv)
{
	int all = 0, json = 0;
	const struct option options[] = {
		{ "all", no_argument, &all, 1 },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct list list = { .rows = NULL };

	if (cli_flags(argc, argv, options, 0, 0))
		return CLI_USAGE;
	if (all && geteuid() != 0)
		return cli_usage(
			"ps: --all: only root may see other users: leave it out");
	list.rows = json_array();
	sockets_each(all, add_process, &list);
	if (json) {
		json_dumpf(list.rows, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_table(list.rows);
	}
	json_decref(list.rows);
	return list.failed ? CLI_FAIL : CLI_OK;
}
