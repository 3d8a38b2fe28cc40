// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm cow: what is still shared since a fork, area by area. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>

#include "cli.h"

const char cmd_cow_options[] =
	"  --json   the reply of the process as it is\n\n"
	"Columns, in pages: shared with other processes, private, in swap; first writes "
	"that "
	"the\n"
	"library saw, pages it had copied, found shared no more, left to the kernel.\n";

static void print_count(json_t *of, const char *key, int width)
{
	json_t *n = json_object_get(of, key);

	if (json_is_integer(n))
		printf("%*ld ", width, (long)json_integer_value(n));
	else
		printf("%*s ", width, "-");
}

static void print_counts(json_t *of)
{
	print_count(of, "shared", 9);
	print_count(of, "private", 9);
	print_count(of, "swapped", 7);
	print_count(of, "faults", 9);
	print_count(of, "copied", 9);
	print_count(of, "reused", 9);
	print_count(of, "kernel", 9);
}

static void print_cow(json_t *reply)
{
	json_t *area;
	size_t i;

	if (*json_str(reply, "why"))
		printf("# copied by the kernel: %s\n", json_str(reply, "why"));
	printf("%9s %9s %7s %9s %9s %9s %9s %s\n", "SHARED", "PRIVATE", "SWAP", "FAULTS",
	       "COPIED", "REUSED", "KERNEL", "AREA");
	json_array_foreach(json_object_get(reply, "areas"), i, area)
	{
		print_counts(area);
		printf("%s-%s %s %s%s%s\n", json_str(area, "start"),
		       json_str(area, "end"), json_str(area, "perms"),
		       json_str(area, "policy"), *json_str(area, "name") ? " " : "",
		       json_str(area, "name"));
	}
	print_counts(json_object_get(reply, "total"));
	puts("total");
}

int cmd_cow(int argc, char **argv)
{
	int json = 0, status;
	const struct option options[] = {
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	json_t *reply;
	pid_t pid;

	if (cli_flags(argc, argv, options, 1, 1) || !cli_parse_pid(argv[optind], &pid))
		return CLI_USAGE;
	reply = ask_process(pid, "cow", json, &status);
	if (reply && !json)
		print_cow(reply);
	json_decref(reply);
	return status;
}
