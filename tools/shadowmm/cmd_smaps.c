// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm smaps: /proc/PID/smaps, with our flags, and behind each area what we know. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

const char cmd_smaps_options[] =
	"  --dirty  track writes to shared mappings of files "
	"from now on\n"
	"  --json   the reply of the process as it is\n\n"
	"The lines are those of /proc/PID/smaps, but VmFlags is "
	"what the library believes;\n"
	"an area that is several in the kernel has their sums, "
	"one that is part of a larger\n"
	"one no numbers. Behind VmFlags follow the pages in "
	"memory by kind, as the program\n"
	"sees them, the file that an area stands for, Policy, "
	"Reason, Faults, Populated\n"
	"(pages) and Guesses: what of the area the library is "
	"not sure of; and, once writes\n"
	"are tracked, Dirty: pages written to since msync(2), or "
	"since that began.\n"
	"Exits with 1 if no area contains ADDR.\n";

#define VALUE_END 24 /* column; fs/proc/task_mmu.c, __show_smap() */

static bool has_no_unit(const char *key)
{
	return !strcmp(key, "THPeligible") || !strcmp(key, "ProtectionKey");
}

static void print_numbers(json_t *kernel)
{
	const char *key;
	json_t *value;

	json_object_foreach(kernel, key, value)
	{
		int n = printf("%s:", key);

		printf("%*lld%s\n", n < VALUE_END ? VALUE_END - n : 0,
		       (long long)json_integer_value(value),
		       has_no_unit(key) ? "" : " kB");
	}
}

static void print_words(const char *title, json_t *words)
{
	json_t *word;
	size_t i;

	printf("%s ", title);
	json_array_foreach(words, i, word) printf("%s ", json_string_value(word));
	putchar('\n');
}

/* As of /proc/PID/status, and as the program sees them. */
static void print_rss(json_t *rss)
{
	static const struct {
		const char *title, *key;
	} kinds[] = {
		{ "RssAnon:", "anon" },
		{ "RssFile:", "file" },
		{ "RssShmem:", "shmem" },
	};

	for (size_t i = 0; json_is_object(rss) && i < sizeof(kinds) / sizeof(*kinds); i++)
		printf("%s%*ld kB\n", kinds[i].title,
		       VALUE_END - (int)strlen(kinds[i].title),
		       json_num(rss, kinds[i].key) * 4);
}

static void print_area(json_t *area)
{
	json_t *host = json_object_get(area, "host");

	area_print_kernel(area);
	print_numbers(json_object_get(area, "kernel"));
	print_words("VmFlags:", json_object_get(area, "flags"));
	print_rss(json_object_get(area, "rss"));
	if (host)
		printf("Frames of:      %s\n", json_str(host, "name"));
	printf("Policy:         %s\n", json_str(area, "policy"));
	if (*json_str(area, "reason"))
		printf("Reason:         %s\n", json_str(area, "reason"));
	printf("Faults:         %8ld\n", json_num(area, "faults"));
	printf("Populated:      %8ld\n", json_num(area, "populated"));
	if (json_is_integer(json_object_get(area, "dirty")))
		printf("Dirty:          %8ld\n", json_num(area, "dirty"));
	if (json_array_size(json_object_get(area, "guesses")))
		print_words("Guesses:       ", json_object_get(area, "guesses"));
}

static void print_smaps(json_t *reply)
{
	json_t *area;
	size_t i;

	if (json_bool(reply, "blind"))
		cli_warn("process %ld: the library has lost track of its address space",
			 json_num(reply, "pid"));
	json_array_foreach(json_object_get(reply, "areas"), i, area) print_area(area);
}

static int show(pid_t pid, const char *addr, json_t *reply, bool raw)
{
	if (!raw)
		print_smaps(reply);
	if (!addr || json_array_size(json_object_get(reply, "areas")))
		return CLI_OK;
	cli_warn("process %d: %s: no area contains it", pid, addr);
	return CLI_FAIL;
}

int cmd_smaps(int argc, char **argv)
{
	int dirty = 0, json = 0, status;
	const struct option options[] = {
		{ "dirty", no_argument, &dirty, 1 },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	char command[48];
	const char *text;
	unsigned long addr;
	json_t *reply;
	pid_t pid;

	if (cli_flags(argc, argv, options, 1, 2) || !cli_parse_pid(argv[optind], &pid))
		return CLI_USAGE;
	text = argv[optind + 1];
	if (text && !cli_parse_addr(text, &addr))
		return CLI_USAGE;
	snprintf(command, sizeof(command), "smaps%s", dirty ? " dirty" : "");
	if (text)
		snprintf(command + strlen(command), sizeof(command) - strlen(command),
			 " %lx", addr);
	reply = ask_process(pid, command, json, &status);
	if (reply)
		status = show(pid, text, reply, json);
	json_decref(reply);
	return status;
}
