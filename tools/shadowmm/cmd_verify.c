// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm verify: the library's picture against the kernel's. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

const char cmd_verify_options[] =
	"  --all      every process of this user (of every user for root)\n"
	"  --flags    compare every flag of smaps, not only the rights\n"
	"  --repair   set right what differs\n"
	"  --json     the replies of the processes as they are, one per line\n\n"
	"Exits with 1 if there is a difference or a process did not answer.\n";

struct verify {
	bool repair, flags, raw;
	int status;
};

static void print_side(const char *name, json_t *area, bool flags)
{
	json_t *flag;
	size_t i;

	if (!json_is_object(area))
		return;
	printf("  %s ", name);
	area_print_kernel(area);
	if (!flags)
		return;
	printf("        ");
	json_array_foreach(json_object_get(area, "flags"), i, flag)
		printf(" %s", json_string_value(flag));
	putchar('\n');
}

static void print_list(json_t *reply, bool flags)
{
	json_t *list = json_object_get(reply, "list"), *entry;
	long hidden = json_num(reply, "differences") - (long)json_array_size(list);
	size_t i;

	json_array_foreach(list, i, entry)
	{
		printf("  %s\n", json_str(entry, "what"));
		print_side("shadow", json_object_get(entry, "shadow"), flags);
		print_side("kernel", json_object_get(entry, "kernel"), flags);
	}
	if (hidden > 0)
		printf("  and %ld more\n", hidden);
}

static void print_verify(pid_t pid, json_t *reply, bool flags)
{
	struct proc_info info;

	proc_read(pid, &info);
	printf("%d %s: %ld areas, %ld differences%s, %ld guesses settled\n", pid,
	       info.comm, json_num(reply, "areas"), json_num(reply, "differences"),
	       json_bool(reply, "repair") && json_num(reply, "differences")
		       ? " (repaired)"
		       : "",
	       json_num(reply, "resolved"));
	print_list(reply, flags);
	if (*json_str(reply, "broken"))
		printf("  broken: %s\n", json_str(reply, "broken"));
}

static void judge(struct verify *v, pid_t pid, json_t *reply)
{
	if (json_num(reply, "differences") || *json_str(reply, "broken"))
		v->status = CLI_FAIL;
	if (!v->raw)
		print_verify(pid, reply, v->flags);
}

static const char *command(const struct verify *v)
{
	if (v->flags)
		return v->repair ? "verify flags repair" : "verify flags";
	return v->repair ? "verify repair" : "verify";
}

static void verify_one(void *priv, pid_t pid, int dir_fd)
{
	struct verify *v = priv;
	char *line = NULL;
	json_t *reply = NULL;
	struct conn c;

	if (!conn_open_at(&c, pid, dir_fd)) {
		/* One that ended while we looked is no failure. */
		if (socket_is_live(dir_fd, pid))
			v->status = CLI_FAIL;
		return;
	}
	reply = conn_ask(&c, command(v), &line);
	if (reply && v->raw)
		puts(line);
	if (!reply || reply_is_error(&c, reply))
		v->status = CLI_FAIL;
	else
		judge(v, pid, reply);
	free(line);
	json_decref(reply);
	conn_close(&c);
}

static int verify_pid(struct verify *v, const char *text)
{
	json_t *reply;
	pid_t pid;

	if (!cli_parse_pid(text, &pid))
		return CLI_USAGE;
	reply = ask_process(pid, command(v), v->raw, &v->status);
	if (reply)
		judge(v, pid, reply);
	json_decref(reply);
	return v->status;
}

int cmd_verify(int argc, char **argv)
{
	int all = 0, json = 0, repair = 0, flags = 0;
	const struct option options[] = {
		{ "all", no_argument, &all, 1 },
		{ "json", no_argument, &json, 1 },
		{ "flags", no_argument, &flags, 1 },
		{ "repair", no_argument, &repair, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct verify v = { .status = CLI_OK };

	if (cli_flags(argc, argv, options, 0, 1))
		return CLI_USAGE;
	if (all == (argc > optind))
		return cli_usage("verify: give either the number of a process or --all");
	v.repair = repair;
	v.flags = flags;
	v.raw = json;
	if (!all)
		return verify_pid(&v, argv[optind]);
	sockets_each(geteuid() == 0, verify_one, &v);
	return v.status;
}
