// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "ps.h"

#define MAX_PARENTS 64 /* between one row and another */

static long age_s(json_t *stat)
{
	struct timespec now = { 0 };

	if (!json_object_get(stat, "born_ns"))
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec - json_num(stat, "born_ns") / 1000000000;
}

static json_t *row_of(pid_t pid, const struct proc_info *info, const char *mode)
{
	return json_pack("{si si si ss* ss si}", "pid", (int)pid, "ppid", (int)info->ppid,
			 "uid", (int)info->euid, "comm", info->comm, "mode", mode,
			 "rss_kib", (int)(info->rss / 1024));
}

static void say(json_t *row, const char *key, json_t *value)
{
	if (value)
		json_object_set(row, key, value);
}

static json_t *make_row(pid_t pid, const struct proc_info *info, json_t *stat)
{
	json_t *row = row_of(pid, info, json_str(stat, "mode"));
	json_t *mm = json_object_get(stat, "mm");
	json_t *own = json_object_get(json_object_get(stat, "policy"), "own");

	say(row, "areas", json_object_get(mm, "map_count"));
	say(row, "own_areas", json_object_get(own, "areas"));
	say(row, "faults", json_object_get(json_object_get(stat, "counters"), "faults"));
	say(row, "users", json_object_get(mm, "mm_users"));
	say(row, "born", json_object_get(stat, "born"));
	say(row, "born_ns", json_object_get(stat, "born_ns"));
	say(row, "starter", json_object_get(stat, "starter"));
	say(row, "ancestors", json_object_get(stat, "ancestors"));
	say(row, "sharers", json_object_get(stat, "sharers"));
	json_object_set_new(row, "age_s", json_integer(age_s(stat)));
	return row;
}

static void add_process(void *priv, pid_t pid, int dir_fd)
{
	struct ps *ps = priv;
	struct proc_info info;
	json_t *stat = NULL;
	struct conn c;

	if (!proc_read(pid, &info))
		return;
	if (conn_open_at(&c, pid, dir_fd)) {
		stat = conn_ask(&c, "stat", NULL);
		if (stat && !reply_is_error(&c, stat))
			json_array_append_new(ps->rows, make_row(pid, &info, stat));
		else
			ps->failed |= socket_is_live(dir_fd, pid);
		conn_close(&c);
	} else {
		/* One that ended while we looked is no failure. */
		ps->failed |= socket_is_live(dir_fd, pid);
	}
	json_decref(stat);
}

/* --- those that nobody answers for ---------------------------------------------------
 */

static bool holds_pid(json_t *pids, long pid)
{
	json_t *each;
	size_t i;

	json_array_foreach(pids, i,
			   each) if (json_integer_value(each) == pid) return true;
	return false;
}

static json_t *row_with(json_t *rows, long pid)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) if (json_num(row, "pid") == pid) return row;
	return NULL;
}

static bool is_listed(json_t *rows, long pid)
{
	json_t *row;
	size_t i;

	if (row_with(rows, pid))
		return true;
	json_array_foreach(rows, i, row) if (holds_pid(json_object_get(row, "sharers"),
						       pid)) return true;
	return false;
}

/* Its socket would be where we look for sockets. */
static bool same_runtime_dir(pid_t pid)
{
	const char *ours = getenv("XDG_RUNTIME_DIR");
	char theirs[4096] = "";

	proc_getenv(pid, "XDG_RUNTIME_DIR", theirs, sizeof(theirs));
	return !strcmp(ours ? ours : "", theirs);
}

static void add_unserved(struct ps *ps, pid_t pid)
{
	struct proc_info info;

	if (is_listed(ps->rows, pid) || !proc_read(pid, &info) ||
	    (!ps->all && info.euid != geteuid()))
		return;
	if (!strcmp(info.comm, "smm-ctl") || !strcmp(info.comm, "smm-fault"))
		return;
	if ((ps->all || same_runtime_dir(pid)) && proc_maps_file(pid, "/libshadowmm.so"))
		json_array_append_new(ps->rows, row_of(pid, &info, "none"));
}

static void add_all_unserved(struct ps *ps)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0)
			add_unserved(ps, (pid_t)pid);
	}
	closedir(dir);
}

/* --- who belongs below whom ----------------------------------------------------------
 */

/*
 * What @found has now is not @ancestor, but its process had that before an exec: it has
 * lived since before @ancestor was born, and what it has is younger. Nothing was left
 * behind for us to find, which the program might find as well.
 */
static bool was_before_exec(json_t *found, json_t *ancestor)
{
	long born = json_num(ancestor, "born_ns");

	return json_num(found, "pid") == json_num(ancestor, "pid") &&
	       born < json_num(found, "born_ns") &&
	       proc_start_ns((pid_t)json_num(found, "pid")) <= (unsigned long)born;
}

/* @row's ancestor @found, as it is now or as it was before an exec. */
static bool is_ancestor(json_t *row, json_t *found, json_t *ancestor)
{
	if (json_num(found, "born_ns") == json_num(ancestor, "born_ns"))
		return true;
	if (!was_before_exec(found, ancestor))
		return false;
	json_object_set_new(row, "before_exec", json_true());
	/* And that is the image before @found's. */
	json_object_set(found, "was", ancestor);
	return true;
}

static json_t *forked_from(json_t *rows, json_t *row)
{
	json_t *ancestor, *found;
	size_t i;

	json_array_foreach(json_object_get(row, "ancestors"), i, ancestor)
	{
		found = row_with(rows, json_num(ancestor, "pid"));
		if (found && found != row && is_ancestor(row, found, ancestor))
			return found;
	}
	return NULL;
}

/* Processes between may not run under the library. */
static json_t *started_by(json_t *rows, json_t *row)
{
	pid_t pid = (pid_t)json_num(row, "ppid");
	struct proc_info info;

	for (int i = 0; pid > 0 && i < MAX_PARENTS; i++, pid = info.ppid) {
		json_t *found = row_with(rows, pid);

		if (found && found != row)
			return found;
		if (!proc_read(pid, &info))
			break;
	}
	return NULL;
}

static void link_row(json_t *rows, json_t *row)
{
	json_t *parent = forked_from(rows, row);

	if (!parent)
		parent = started_by(rows, row);
	json_object_set_new(row, "under",
			    parent ? json_integer(json_num(parent, "pid")) : json_null());
}

/* --- tasks ---------------------------------------------------------------------------
 */

static void add_task(void *priv, pid_t tid, const char *comm, char state)
{
	char text[2] = { state, '\0' };

	json_array_append_new(priv, json_pack("{si ss* ss}", "tid", (int)tid, "comm",
					      comm, "state", text));
}

static void list_tasks(json_t *row)
{
	json_t *tasks = json_array(), *sharer;
	size_t i;

	proc_tasks((pid_t)json_num(row, "pid"), add_task, tasks);
	json_array_foreach(json_object_get(row, "sharers"), i, sharer)
		proc_tasks((pid_t)json_integer_value(sharer), add_task, tasks);
	json_object_set_new(row, "tasks", tasks);
}

void ps_collect(struct ps *ps)
{
	json_t *row;
	size_t i;

	ps->rows = json_array();
	sockets_each(ps->all, add_process, ps);
	add_all_unserved(ps);
	json_array_foreach(ps->rows, i, row)
	{
		link_row(ps->rows, row);
		if (ps->threads)
			list_tasks(row);
	}
}
