// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm stat: the memory descriptor and what was counted. */
#include "config.h"

#include <elf.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

const char cmd_stat_options[] = "  --json   the reply of the process as it is\n";

static void print_start(json_t *reply)
{
	time_t start = (time_t)json_num(reply, "start_time");
	char text[64];
	struct tm tm;

	if (localtime_r(&start, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		printf("%-16s %s\n", "started", text);
}

static void print_fault_events(json_t *events)
{
	json_t *number;
	size_t i;

	printf("%-16s", "fault events");
	json_array_foreach(events, i, number)
		printf(" %lld", (long long)json_integer_value(number));
	puts(json_array_size(events) ? "" : " 0");
}

static void print_process(json_t *reply)
{
	const char *degraded = json_str(reply, "degraded");

	printf("%-16s %ld\n", "pid", json_num(reply, "pid"));
	printf("%-16s %s\n", "comm", json_str(reply, "comm"));
	printf("%-16s %s\n", "mode", json_str(reply, "mode"));
	printf("%-16s %s\n", "degraded", *degraded ? degraded : "no");
	printf("%-16s %ld\n", "engine pid", json_num(reply, "engine_pid"));
	printf("%-16s %ld\n", "fault pid", json_num(reply, "fault_pid"));
	print_fault_events(json_object_get(reply, "fault_events"));
	print_start(reply);
}

static void print_words(json_t *words)
{
	json_t *word;
	size_t i;

	if (!json_array_size(words))
		printf(" none");
	json_array_foreach(words, i, word) printf(" %s", json_string_value(word));
	putchar('\n');
}

static void print_value(json_t *value)
{
	if (json_is_array(value))
		print_words(value);
	else if (json_is_string(value))
		printf(" %s\n", json_string_value(value));
	else if (json_is_boolean(value))
		printf(" %s\n", json_is_true(value) ? "yes" : "no");
	else
		printf(" %lld\n", (long long)json_integer_value(value));
}

/* The members of an object in the order in which they came. */
static void print_object(const char *title, json_t *obj)
{
	const char *key;
	json_t *value;

	printf("\n%s\n", title);
	json_object_foreach(obj, key, value)
	{
		printf("  %-14s", key);
		print_value(value);
	}
}

static void print_tally(const char *title, json_t *obj)
{
	const char *key;
	json_t *value;

	printf("\n%-16s %8s %10s\n", title, "areas", "size");
	json_object_foreach(obj, key, value)
	{
		char size[32];

		if (json_num(value, "areas"))
			printf("  %-14s %8ld %10s\n", key, json_num(value, "areas"),
			       cli_size((unsigned long)json_num(value, "bytes"), size,
					sizeof(size)));
	}
}

static void print_slab(json_t *slab)
{
	json_t *cache;
	size_t i;

	printf("\n%-16s %8s %8s %8s %8s\n", "slab", "size", "active", "free", "pages");
	json_array_foreach(slab, i, cache)
		printf("  %-14s %8ld %8ld %8ld %8ld\n", json_str(cache, "name"),
		       json_num(cache, "size"), json_num(cache, "active"),
		       json_num(cache, "free"), json_num(cache, "pages"));
}

/* getauxval(3) */
static const char *auxv_name(long type)
{
	static const struct {
		long type;
		const char *name;
	} names[] = {
#define NAME(type) { AT_##type, "AT_" #type }
		NAME(EXECFD),
		NAME(PHDR),
		NAME(PHENT),
		NAME(PHNUM),
		NAME(PAGESZ),
		NAME(BASE),
		NAME(FLAGS),
		NAME(ENTRY),
		NAME(NOTELF),
		NAME(UID),
		NAME(EUID),
		NAME(GID),
		NAME(EGID),
		NAME(CLKTCK),
		NAME(PLATFORM),
		NAME(HWCAP),
		NAME(SECURE),
		NAME(BASE_PLATFORM),
		NAME(RANDOM),
		NAME(HWCAP2),
		NAME(EXECFN),
		NAME(SYSINFO),
		NAME(SYSINFO_EHDR),
		NAME(MINSIGSTKSZ),
		{ 27, "AT_RSEQ_FEATURE_SIZE" },
		{ 28, "AT_RSEQ_ALIGN" },
		{ 29, "AT_HWCAP3" },
		{ 30, "AT_HWCAP4" },
#undef NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}

static void print_auxv(json_t *auxv)
{
	json_t *pair;
	size_t i;

	printf("\nsaved auxv\n");
	json_array_foreach(auxv, i, pair)
	{
		long type = (long)json_integer_value(json_array_get(pair, 0));
		const char *name = auxv_name(type);
		char number[32];

		snprintf(number, sizeof(number), "%ld", type);
		printf("  %-20s %s\n", name ? name : number,
		       json_string_value(json_array_get(pair, 1)));
	}
}

static void print_stat(json_t *reply)
{
	print_process(reply);
	print_object("mm", json_object_get(reply, "mm"));
	if (json_is_object(json_object_get(reply, "rss")))
		print_object("rss", json_object_get(reply, "rss"));
	if (json_array_size(json_object_get(reply, "auxv")))
		print_auxv(json_object_get(reply, "auxv"));
	print_tally("policy", json_object_get(reply, "policy"));
	print_tally("track reason", json_object_get(reply, "reason"));
	print_object("counters", json_object_get(reply, "counters"));
	if (json_is_object(json_object_get(reply, "pool")))
		print_object("pool", json_object_get(reply, "pool"));
	if (json_is_object(json_object_get(reply, "untouched")))
		print_object("untouched", json_object_get(reply, "untouched"));
	if (json_is_object(json_object_get(reply, "dirty")))
		print_object("dirty", json_object_get(reply, "dirty"));
	print_object("arena", json_object_get(reply, "arena"));
	print_slab(json_object_get(reply, "slab"));
}

int cmd_stat(int argc, char **argv)
{
	return ask_and_print(argc, argv, "stat untouched", print_stat);
}
