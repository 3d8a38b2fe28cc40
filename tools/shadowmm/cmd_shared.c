// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * shadowmm shared: how much memory do cat and tac take together? Not twice 402 pages,
 * but 402 + 402 - 343 = 461, since 343 are the same.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "shared.h"

const char cmd_shared_options[] =
	"  --areas  also each area\n"
	"  --json   one object, areas included\n\n"
	"Pages in memory: HERE nobody else of these processes has, SHARED another has,\n"
	"ONCE (of these) nobody at all maps a second time. By kind: ANON, FILE, SHMEM "
	"as\n"
	"the program sees them, LIBRARY what ours has. Without CAP_SYS_ADMIN, pages\n"
	"that fork shares are known by their anon_vma: at most so many are shared.\n"
	"The processes need not run under the library.\n";

static json_t *counts_json(const struct page_counts *c)
{
	return json_pack("{sI sI sI sI sI sI sI sI sI}", "resident",
			 (json_int_t)c->resident, "here", (json_int_t)c->here, "shared",
			 (json_int_t)c->shared, "once", (json_int_t)c->exclusive,
			 "unsure", (json_int_t)c->unsure, "anon", (json_int_t)c->anon,
			 "file", (json_int_t)c->file, "shmem", (json_int_t)c->shmem,
			 "library", (json_int_t)c->library);
}

static json_t *area_json(const struct shared_area *area)
{
	json_t *object = counts_json(&area->count);
	char start[24], end[24];

	snprintf(start, sizeof(start), "%08lx", area->line.start);
	snprintf(end, sizeof(end), "%08lx", area->line.end);
	json_object_set_new(object, "start", json_string(start));
	json_object_set_new(object, "end", json_string(end));
	json_object_set_new(object, "perms", json_string(area->line.perms));
	/* A name that is no UTF-8 has no JSON string. */
	json_object_set_new(object, "name", json_string_nocheck(area->line.name));
	if (area->host)
		json_object_set_new(object, "host", json_string_nocheck(area->host));
	return object;
}

static json_t *process_json(const struct shared_process *p)
{
	json_t *object = counts_json(&p->count), *areas = json_array();

	for (size_t i = 0; i < p->nr_areas; i++)
		json_array_append_new(areas, area_json(&p->area[i]));
	json_object_set_new(object, "pid", json_integer(p->pid));
	json_object_set_new(object, "comm", json_string_nocheck(p->comm));
	json_object_set_new(object, "swap", json_integer((json_int_t)p->swap));
	json_object_set_new(object, "areas", areas);
	return object;
}

static void print_json(const struct shared_set *set)
{
	json_t *processes = json_array(), *object;

	for (size_t i = 0; i < set->nr; i++)
		json_array_append_new(processes, process_json(&set->process[i]));
	object = json_pack("{sI sI sI so}", "together", (json_int_t)set->together,
			   "common", (json_int_t)set->common, "together_most",
			   (json_int_t)set->most, "processes", processes);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_counts(const struct page_counts *c)
{
	printf(" %8lu %8lu %8lu %8lu", c->resident, c->here, c->shared, c->exclusive);
	printf(" %8lu %8lu %8lu %8lu", c->anon, c->file, c->shmem, c->library);
}

static void print_areas(const struct shared_process *p)
{
	for (size_t i = 0; i < p->nr_areas; i++) {
		const struct shared_area *area = &p->area[i];

		if (!area->count.resident)
			continue;
		printf("%25s", "");
		print_counts(&area->count);
		printf("  %08lx-%08lx %s %s%s%s\n", area->line.start, area->line.end,
		       area->line.perms, area->line.name, area->host ? " = " : "",
		       area->host ? area->host : "");
	}
}

/* 402 + 402 - 343 = 461: what is counted twice is taken off. */
static void print_sum(const struct shared_set *set)
{
	unsigned long sum = 0;

	printf("together  ");
	for (size_t i = 0; i < set->nr; i++) {
		printf("%s%lu", i ? " + " : "", set->process[i].count.resident);
		sum += set->process[i].count.resident;
	}
	printf(" - %lu = %lu pages, %lu of them shared\n", sum - set->together,
	       set->together, set->common);
	if (set->most != set->together)
		printf("or up to  %lu pages: frame numbers need CAP_SYS_ADMIN\n",
		       set->most);
}

static void print_table(const struct shared_set *set, bool areas)
{
	printf("%8s %-16s %8s %8s %8s %8s %8s %8s %8s %8s\n", "PID", "COMM", "RESIDENT",
	       "HERE", "SHARED", "ONCE", "ANON", "FILE", "SHMEM", "LIBRARY");
	for (size_t i = 0; i < set->nr; i++) {
		printf("%8d %-16s", (int)set->process[i].pid, set->process[i].comm);
		print_counts(&set->process[i].count);
		putchar('\n');
		if (areas)
			print_areas(&set->process[i]);
	}
	print_sum(set);
}

/* Each process once. False: complained. */
static bool parse_pids(int argc, char **argv, pid_t *pid, size_t *nr)
{
	*nr = 0;
	for (int i = optind; i < argc; i++) {
		size_t j = 0;

		if (!cli_parse_pid(argv[i], &pid[*nr]))
			return false;
		while (pid[j] != pid[*nr])
			j++;
		*nr += j == *nr;
	}
	return true;
}

int cmd_shared(int argc, char **argv)
{
	int json = 0, areas = 0, status = CLI_USAGE;
	const struct option options[] = {
		{ "areas", no_argument, &areas, 1 },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct shared_set set;
	pid_t *pid;
	size_t nr;

	if (cli_flags(argc, argv, options, 1, argc))
		return CLI_USAGE;
	pid = calloc((size_t)argc, sizeof(*pid));
	if (pid && parse_pids(argc, argv, pid, &nr)) {
		status = shared_collect(&set, pid, nr) ? CLI_OK : CLI_FAIL;
		if (status == CLI_OK && json)
			print_json(&set);
		else if (status == CLI_OK)
			print_table(&set, areas);
		shared_free(&set);
	}
	free(pid);
	return status;
}
