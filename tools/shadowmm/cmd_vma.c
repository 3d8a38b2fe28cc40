// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm vma: one area in full. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

const char cmd_vma_options[] =
	"  --json   the reply of the process as it is\n\n"
	"Exits with 1 if no area contains ADDR (the next one is shown).\n";

static void print_flags(json_t *flags)
{
	json_t *flag;
	size_t i;

	printf("flags     ");
	json_array_foreach(flags, i, flag)
		printf("%s%s", i ? " " : "", json_string_value(flag));
	putchar('\n');
}

static void print_vma(json_t *vma)
{
	unsigned long start = strtoul(json_str(vma, "start"), NULL, 16);
	unsigned long end = strtoul(json_str(vma, "end"), NULL, 16);

	area_print_kernel(vma);
	printf("pages     %lu\n", (end - start) >> 12);
	if (json_is_integer(json_object_get(vma, "resident")))
		printf("resident  %ld\n", json_num(vma, "resident"));
	printf("policy    %s\n", json_str(vma, "policy"));
	if (json_str(vma, "policy")[0] == 't')
		printf("reason    %s\n", json_str(vma, "reason"));
	printf("faults    %ld\n", json_num(vma, "faults"));
	printf("populated %ld\n", json_num(vma, "populated"));
	print_flags(json_object_get(vma, "flags"));
}

static int show(json_t *reply, const char *addr, pid_t pid, bool raw)
{
	json_t *vma = json_object_get(reply, "vma");
	bool contains = json_bool(reply, "contains");

	if (!contains)
		cli_warn("process %d: %s: no area contains it%s", pid, addr,
			 json_is_object(vma) ? ", the next one is shown"
					     : " or lies above it");
	if (json_is_object(vma) && !raw)
		print_vma(vma);
	return contains ? CLI_OK : CLI_FAIL;
}

int cmd_vma(int argc, char **argv)
{
	int json = 0, status;
	const struct option options[] = {
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long addr;
	char command[32];
	json_t *reply;
	pid_t pid;

	if (cli_flags(argc, argv, options, 2, 2) || !cli_parse_pid(argv[optind], &pid) ||
	    !cli_parse_addr(argv[optind + 1], &addr))
		return CLI_USAGE;
	snprintf(command, sizeof(command), "vma %lx", addr);
	reply = ask_process(pid, command, json, &status);
	if (reply)
		status = show(reply, argv[optind + 1], pid, json);
	json_decref(reply);
	return status;
}
