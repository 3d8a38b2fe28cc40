// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm slabtop: the caches of a process, the largest first, again and again. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

const char cmd_slabtop_options[] =
	"  --delay=SECONDS, -d   time between two tables, 0.01 to 3600; 3\n"
	"  --count=COUNT, -n     end after so many tables\n"
	"  --once                one table, as when the output is no terminal\n";

struct slabtop {
	pid_t pid;
	double delay; /* seconds */
	long count;   /* of tables; 0: until interrupted */
	int once;
	bool clear; /* the screen before each table */
};

static bool parse_number(const char *text, double least, double most, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return end != text && !*end && !errno && *value >= least && *value <= most;
}

static int set_option(struct slabtop *t, int opt, char **argv)
{
	double n;

	switch (opt) {
	case 0:
		return CLI_OK;
	case 'd':
		if (parse_number(optarg, 0.01, 3600, &t->delay))
			return CLI_OK;
		return cli_usage("slabtop: %s: not a delay: give seconds, 0.01 to 3600",
				 optarg);
	case 'n':
		if (parse_number(optarg, 1, 1e9, &n)) {
			t->count = (long)n;
			return CLI_OK;
		}
		return cli_usage("slabtop: %s: not a count: give a number from 1 on",
				 optarg);
	default:
		return cli_bad_option(argv);
	}
}

/* --- one table --------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	long x = json_num(*(json_t *const *)a, "bytes");
	long y = json_num(*(json_t *const *)b, "bytes");

	return (x < y) - (x > y);
}

static void print_cache(json_t *c)
{
	long active = json_num(c, "active"), total = json_num(c, "total");
	char bytes[16];

	printf("%8ld %8ld %3ld%% %8ld %8ld %8ld %8s %s\n", total, active,
	       total ? active * 100 / total : 0, json_num(c, "object_size"),
	       json_num(c, "slabs"), json_num(c, "per_slab"),
	       cli_size((unsigned long)json_num(c, "bytes"), bytes, sizeof(bytes)),
	       json_str(c, "name"));
}

static void print_caches(json_t *caches)
{
	size_t nr = json_array_size(caches);
	json_t **sorted = calloc(nr + 1, sizeof(json_t *));

	if (!sorted)
		return;
	for (size_t i = 0; i < nr; i++)
		sorted[i] = json_array_get(caches, i);
	qsort(sorted, nr, sizeof(json_t *), by_bytes);
	printf("%8s %8s %4s %8s %8s %8s %8s %s\n", "OBJS", "ACTIVE", "USE", "OBJ SIZE",
	       "SLABS", "OBJ/SLAB", "SIZE", "NAME");
	for (size_t i = 0; i < nr; i++)
		print_cache(sorted[i]);
	free(sorted);
}

static bool show_table(const struct slabtop *t, struct conn *c)
{
	json_t *reply = conn_ask(c, "slabinfo", NULL);
	bool ok = reply && !reply_is_error(c, reply);

	if (ok) {
		if (t->clear)
			fputs("\033[H\033[J", stdout);
		slab_print_arena(reply);
		putchar('\n');
		print_caches(json_object_get(reply, "caches"));
		ok = !fflush(stdout);
	}
	json_decref(reply);
	return ok;
}

/* --- again ------------------------------------------------------------------------- */

static void wait_delay(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

static int run_slabtop(const struct slabtop *t)
{
	bool ok = true;
	struct conn c;

	if (!conn_open(&c, t->pid))
		return CLI_FAIL;
	for (long i = 0; ok && (!t->count || i < t->count); i++) {
		if (i) {
			wait_delay(t->delay);
			if (!t->clear)
				putchar('\n');
		}
		ok = show_table(t, &c);
	}
	conn_close(&c);
	return ok ? CLI_OK : CLI_FAIL;
}

int cmd_slabtop(int argc, char **argv)
{
	struct slabtop t = { .delay = 3 };
	const struct option options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		{ "once", no_argument, &t.once, 1 },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "d:n:", options, NULL)) != -1)
		if (set_option(&t, opt, argv))
			return CLI_USAGE;
	if (argc - optind != 1)
		return cli_usage("slabtop: %s: say 'shadowmm slabtop %s'",
				 argc > optind ? "too many arguments"
					       : "argument missing",
				 cli_find(argv[0])->synopsis);
	if (!cli_parse_pid(argv[optind], &t.pid))
		return CLI_USAGE;
	t.clear = isatty(STDOUT_FILENO) && !t.once;
	if (t.once || (!t.clear && !t.count))
		t.count = 1;
	return run_slabtop(&t);
}
