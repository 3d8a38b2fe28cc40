// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm maps: our columns first, of fixed width, then the kernel's line as it is. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>

#include "cli.h"

const char cmd_maps_options[] =
	"  --header  print the names of the columns first\n"
	"  --plain   print exactly what /proc/PID/maps prints\n"
	"  --json    the reply of the process as it is\n\n"
	"Columns: policy (why the kernel pages the area), resident pages, faults that "
	"the\n"
	"library served, then the line of /proc/PID/maps, from column 44 on.\n";

/* Columns must not hold blanks. */
static void join_words(char *s)
{
	for (; *s; s++)
		if (*s == ' ')
			*s = '-';
}

static void print_ours(json_t *area)
{
	char policy[64], resident[32] = "-";

	if (*json_str(area, "reason") && json_str(area, "policy")[0] == 't')
		snprintf(policy, sizeof(policy), "track:%s", json_str(area, "reason"));
	else
		snprintf(policy, sizeof(policy), "%s", json_str(area, "policy"));
	join_words(policy);
	if (json_is_integer(json_object_get(area, "resident")))
		snprintf(resident, sizeof(resident), "%ld", json_num(area, "resident"));
	printf("%-20.20s %10s %10ld ", policy, resident, json_num(area, "faults"));
}

static void print_maps(json_t *reply, bool plain, bool header)
{
	json_t *area;
	size_t i;

	if (json_bool(reply, "blind"))
		cli_warn("process %ld: the library has lost track of its address space",
			 json_num(reply, "pid"));
	if (header)
		printf("%-20s %10s %10s %s\n", "POLICY", "RESIDENT", "FAULTS",
		       "ADDRESS           PERMS OFFSET DEV INODE NAME");
	json_array_foreach(json_object_get(reply, "areas"), i, area)
	{
		if (!plain)
			print_ours(area);
		area_print_kernel(area);
	}
}

int cmd_maps(int argc, char **argv)
{
	int plain = 0, json = 0, header = 0, status;
	const struct option options[] = {
		{ "header", no_argument, &header, 1 },
		{ "plain", no_argument, &plain, 1 },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	json_t *reply;
	pid_t pid;

	if (cli_flags(argc, argv, options, 1, 1) || !cli_parse_pid(argv[optind], &pid))
		return CLI_USAGE;
	if (plain + json + header > 1)
		return cli_usage(
			"maps: --header, --plain, --json: give only one of them");
	reply = ask_process(pid, "maps", json, &status);
	if (reply && !json)
		print_maps(reply, plain, header);
	json_decref(reply);
	return status;
}
