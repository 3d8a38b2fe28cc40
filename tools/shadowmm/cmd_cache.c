// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * shadowmm cache: which files the library holds, and for whom. Each process is asked for
 * its own; what it shares with others it tells by the number of the frames' file, which
 * is the same for all of them and counted once.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "file_id.h"
#include "pages.h"

const char cmd_cache_options[] =
	"  --drop   drop the frames of FILE, or of all files; programs get them again\n"
	"  --json   one object\n\n"
	"Sizes are in pages. Exits with 1 if nobody holds FILE.\n";

struct cache_query {
	struct file_id file;
	bool one;      /* file is meant */
	json_t *files; /* an object for each memfd of frames */
	long bound;    /* pages; 0: none that is known */
	long dropped;
	unsigned int failed;
};

/* --- merging ----------------------------------------------------------------------- */

static bool is_wanted(const struct cache_query *q, json_t *file)
{
	char dev[24];

	snprintf(dev, sizeof(dev), "%02x:%02x", q->file.major, q->file.minor);
	return !q->one || (json_num(file, "inode") == (long)q->file.inode &&
			   !strcmp(json_str(file, "dev"), dev));
}

static json_t *find_frames(const struct cache_query *q, long frames)
{
	json_t *file;
	size_t i;

	json_array_foreach(q->files, i,
			   file) if (json_num(file, "frames") == frames) return file;
	return NULL;
}

/* What is true of the frames, whoever says it. */
static json_t *new_frames(struct cache_query *q, json_t *file)
{
	static const char *const copied[] = { "file",	"dev",	 "inode", "size",
					      "frames", "pages", "shared" };
	json_t *all = json_object_get(file, "all"), *frames = json_object();

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		json_object_set(frames, copied[i], json_object_get(file, copied[i]));
	json_object_update(frames, all);
	json_object_set_new(frames, "minor", json_integer(0));
	json_object_set_new(frames, "major", json_integer(0));
	json_object_set_new(frames, "processes", json_array());
	json_array_append_new(q->files, frames);
	return frames;
}

static void add(json_t *to, const char *key, json_t *from)
{
	json_object_set_new(to, key,
			    json_integer(json_num(to, key) + json_num(from, key)));
}

static void take_file(struct cache_query *q, pid_t pid, json_t *file)
{
	static const char *const own[] = { "lease",  "mappings", "minor",
					   "major",  "bypassed", "mapped",
					   "filled", "evicted",	 "settled" };
	json_t *frames = find_frames(q, json_num(file, "frames"));
	json_t *process = json_pack("{si}", "pid", (int)pid);

	if (!frames)
		frames = new_frames(q, file);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		json_object_set(process, own[i], json_object_get(file, own[i]));
	add(frames, "minor", file);
	add(frames, "major", file);
	json_array_append_new(json_object_get(frames, "processes"), process);
}

static void take_reply(struct cache_query *q, pid_t pid, json_t *reply)
{
	json_t *file;
	size_t i;

	/* Who has been started later may have been given less; that is what holds. */
	if (json_num(reply, "bound") &&
	    json_array_size(json_object_get(reply, "files")) &&
	    (!q->bound || json_num(reply, "bound") < q->bound))
		q->bound = json_num(reply, "bound");
	q->dropped += json_num(reply, "dropped");
	json_array_foreach(json_object_get(reply, "files"), i,
			   file) if (is_wanted(q, file)) take_file(q, pid, file);
}

/* --- asking ------------------------------------------------------------------------ */

/* A library of before this command. */
static bool is_older(json_t *reply)
{
	return !strncmp(json_str(reply, "error"), "unknown command", 15);
}

static void ask(struct cache_query *q, pid_t pid, int dir_fd, const char *command)
{
	json_t *reply;
	struct conn c;

	if (!conn_open_at(&c, pid, dir_fd))
		return;
	reply = conn_ask(&c, command, NULL);
	if (reply && is_older(reply))
		; /* it has no frames either */
	else if (!reply)
		q->failed += socket_is_live(dir_fd, pid); /* else it has just ended */
	else if (reply_is_error(&c, reply))
		q->failed++;
	else
		take_reply(q, pid, reply);
	json_decref(reply);
	conn_close(&c);
}

static void ask_for_files(void *priv, pid_t pid, int dir_fd)
{
	ask(priv, pid, dir_fd, "cache");
}

static void ask_to_drop(void *priv, pid_t pid, int dir_fd)
{
	struct cache_query *q = priv;
	char command[80] = "cache drop";

	if (q->one)
		snprintf(command, sizeof(command), "cache drop %x:%x %lu", q->file.major,
			 q->file.minor, q->file.inode);
	ask(q, pid, dir_fd, command);
}

/* --- printing ---------------------------------------------------------------------- */

static long total_pages(const struct cache_query *q)
{
	json_t *file;
	long pages = 0;
	size_t i;

	json_array_foreach(q->files, i, file) pages += json_num(file, "pages");
	return pages;
}

static void print_file(json_t *f)
{
	json_t *processes = json_object_get(f, "processes"), *p;
	size_t i;

	printf("%9ld %9ld %9ld %9ld %9ld %9ld %9ld  ",
	       (json_num(f, "size") + (long)PAGE_SIZE - 1) / (long)PAGE_SIZE,
	       json_num(f, "pages"), json_num(f, "minor"), json_num(f, "major"),
	       json_num(f, "filled"), json_num(f, "evicted"), json_num(f, "refilled"));
	printf("%s%s%s\n", json_str(f, "file"),
	       json_bool(f, "shared") ? "" : " (not shared: changed lately)",
	       json_bool(f, "pinned") ? " (pinned)" : "");
	json_array_foreach(processes, i, p) printf(
		"%11s%ld, lease %s: %ld minor, %ld major, %ld filled, %ld settled\n",
		"process ", json_num(p, "pid"), json_str(p, "lease"),
		json_num(p, "minor"), json_num(p, "major"), json_num(p, "filled"),
		json_num(p, "settled"));
}

static void print_text(const struct cache_query *q)
{
	json_t *file;
	size_t i;

	printf("%9s %9s %9s %9s %9s %9s %9s  %s\n", "SIZE", "CACHED", "MINOR", "MAJOR",
	       "FILLED", "EVICTED", "REFILLED", "FILE");
	json_array_foreach(q->files, i, file) print_file(file);
	printf("%ld pages of %zu files", total_pages(q), json_array_size(q->files));
	if (q->bound)
		printf("; at most %ld", q->bound);
	putchar('\n');
}

static void print_json(const struct cache_query *q)
{
	json_t *object =
		json_pack("{so sI sO}", "bound",
			  q->bound ? json_integer(q->bound) : json_null(), "pages",
			  (json_int_t)total_pages(q), "files", q->files);

	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_dropped(const struct cache_query *q, bool json)
{
	printf(json ? "{\"dropped\":%ld}\n" : "%ld pages dropped\n", q->dropped);
}

static int run(struct cache_query *q, bool drop, bool json)
{
	sockets_each(geteuid() == 0, drop ? ask_to_drop : ask_for_files, q);
	if (drop)
		print_dropped(q, json);
	else if (json)
		print_json(q);
	else
		print_text(q);
	if (q->failed)
		return CLI_FAIL;
	return drop || !q->one || json_array_size(q->files) ? CLI_OK : CLI_FAIL;
}

int cmd_cache(int argc, char **argv)
{
	int json = 0, drop = 0, status;
	const struct option options[] = {
		{ "drop", no_argument, &drop, 1 },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	struct cache_query q = { .bound = 0 };

	if (cli_flags(argc, argv, options, 0, 1))
		return CLI_USAGE;
	q.one = optind < argc;
	if (q.one && !file_identify("cache", argv[optind], &q.file))
		return CLI_USAGE;
	q.files = json_array();
	status = run(&q, drop, json);
	json_decref(q.files);
	return status;
}
