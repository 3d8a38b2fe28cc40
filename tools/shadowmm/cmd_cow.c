// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm cow: what is still shared since a fork, area by area. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "stacks.h"

const char cmd_cow_options[] =
	"  --json           the reply of the process as it is\n"
	"  --stacks[=N]     who writes to shared pages: sample one write in N (16) from\n"
	"                   now on, and print what has been sampled so far\n"
	"  --stacks=off     print that, and end it\n"
	"  --folded         one line for each stack, for flame graphs\n"
	"  --addresses      do not look for names\n\n"
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

/* --- stacks ------------------------------------------------------------------------ */

struct cow_options {
	int json, folded, addresses;
	bool stacks;
	const char *every; /* of --stacks; NULL: as it is */
};

/* The reply to @command, or NULL, complained. */
static json_t *ask(struct conn *c, const char *command)
{
	json_t *reply = conn_ask(c, command, NULL);

	if (reply && reply_is_error(c, reply)) {
		json_decref(reply);
		reply = NULL;
	}
	return reply;
}

static bool set_sampling(struct conn *c, const char *every)
{
	char command[64];
	json_t *reply;

	snprintf(command, sizeof(command), "cow sample %s", every);
	reply = ask(c, command);
	json_decref(reply);
	return reply != NULL;
}

static void print_stacks(json_t *merged, const struct cow_options *o)
{
	if (o->folded) {
		stacks_print_folded(merged);
	} else if (o->json) {
		json_dumpf(merged, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		stacks_print(merged);
	}
}

static int show_stacks(struct conn *c, const struct cow_options *o)
{
	json_t *reply, *merged;

	if (o->every && !set_sampling(c, o->every))
		return CLI_FAIL;
	reply = ask(c, "cow stacks");
	if (reply && !o->every && !json_num(reply, "every")) {
		json_decref(reply);
		if (!set_sampling(c, "16"))
			return CLI_FAIL;
		reply = ask(c, "cow stacks");
	}
	merged = reply ? stacks_merge(reply, c->pid, !o->addresses) : NULL;
	if (merged)
		print_stacks(merged, o);
	json_decref(reply);
	json_decref(merged);
	return merged ? CLI_OK : CLI_FAIL;
}

static int cow_stacks(pid_t pid, const struct cow_options *o)
{
	struct conn c;
	int status;

	if (!conn_open(&c, pid))
		return CLI_FAIL;
	status = show_stacks(&c, o);
	conn_close(&c);
	return status;
}

/* False: complained. */
static bool good_every(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long n = digits && digits < 8 && !text[digits] ? strtol(text, NULL, 10) : 0;

	if (!strcmp(text, "off") || (n >= 1 && n <= 1000000))
		return true;
	cli_usage("cow: --stacks: %s: not a number of writes: give 1 to 1000000, or off",
		  text);
	return false;
}

static bool parse_options(int argc, char **argv, struct cow_options *o)
{
	const struct option options[] = {
		{ "json", no_argument, &o->json, 1 },
		{ "folded", no_argument, &o->folded, 1 },
		{ "addresses", no_argument, &o->addresses, 1 },
		{ "stacks", optional_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's') {
			o->stacks = true;
			o->every = optarg;
			if (optarg && !good_every(optarg))
				return false;
		} else if (opt) {
			cli_bad_option(argv);
			return false;
		}
	}
	return true;
}

int cmd_cow(int argc, char **argv)
{
	struct cow_options o = { .json = 0 };
	json_t *reply;
	int status;
	pid_t pid;

	if (!parse_options(argc, argv, &o))
		return CLI_USAGE;
	if (argc - optind != 1)
		return cli_usage("cow: %s: say 'shadowmm cow %s'",
				 argc > optind ? "too many arguments"
					       : "argument missing",
				 cli_find("cow")->synopsis);
	if ((o.folded || o.addresses) && !o.stacks)
		return cli_usage("cow: --folded and --addresses say how to print stacks: "
				 "add --stacks");
	if (!cli_parse_pid(argv[optind], &pid))
		return CLI_USAGE;
	if (o.stacks)
		return cow_stacks(pid, &o);
	reply = ask_process(pid, "cow", o.json, &status);
	if (reply && !o.json)
		print_cow(reply);
	json_decref(reply);
	return status;
}
