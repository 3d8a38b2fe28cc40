// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * shadowmm rmap --file: a page of a file -> every (process, address). A process under the
 * library says itself where it maps the page, since an area that the library pages is in
 * /proc/PID/maps one of a memfd; of others maps says it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "file_id.h"
#include "pages.h"

struct file_query {
	struct file_id file;
	unsigned long page;
	json_t *places, *asked;
	bool incomplete; /* somebody's picture is */
};

/* "yes": of the file; "copy": the process has written to it. */
static const char *present(pid_t pid, unsigned long addr)
{
	uint64_t entry = page_entry(pid, addr);

	if (!page_there(entry))
		return "no";
	return entry & PM_FILE ? "yes" : "copy";
}

static void add_place(struct file_query *q, pid_t pid, unsigned long addr,
		      const char *perms, bool own)
{
	struct proc_info info;
	char text[24];

	if (!proc_read(pid, &info))
		return;
	snprintf(text, sizeof(text), "%08lx", addr);
	json_array_append_new(q->places,
			      json_pack("{si ss* ss ss ss ss}", "pid", (int)pid, "comm",
					info.comm, "addr", text, "perms", perms, "paged",
					own ? "library" : "kernel", "present",
					present(pid, addr)));
}

/* --- who has the library ----------------------------------------------------------- */

static void take_reply(struct file_query *q, pid_t pid, json_t *reply)
{
	json_t *place;
	size_t i;

	q->incomplete |= json_bool(reply, "blind");
	json_array_append_new(q->asked, json_integer(pid));
	json_array_foreach(json_object_get(reply, "places"), i, place)
		add_place(q, pid, strtoul(json_str(place, "addr"), NULL, 16),
			  json_str(place, "perms"), json_bool(place, "own"));
}

static void ask_one(void *priv, pid_t pid, int dir_fd)
{
	struct file_query *q = priv;
	char command[96];
	json_t *reply;
	struct conn c;

	if (!conn_open_at(&c, pid, dir_fd))
		return;
	snprintf(command, sizeof(command), "rmap file %x:%x %lu %lx", q->file.major,
		 q->file.minor, q->file.inode, q->page);
	reply = conn_ask(&c, command, NULL);
	if (reply && !json_object_get(reply, "error"))
		take_reply(q, pid, reply);
	json_decref(reply);
	conn_close(&c);
}

/* --- who has not ------------------------------------------------------------------- */

struct other {
	struct file_query *q;
	pid_t pid;
};

static bool look_in_line(void *priv, const struct map_line *line)
{
	const struct other *o = priv;
	const struct file_id *file = &o->q->file;
	unsigned long at = o->q->page * PAGE_SIZE;

	if (line->inode == file->inode && line->major == file->major &&
	    line->minor == file->minor && at >= line->offset &&
	    at - line->offset < line->end - line->start)
		add_place(o->q, o->pid, line->start + (at - line->offset), line->perms,
			  false);
	return true;
}

static bool was_asked(const struct file_query *q, pid_t pid)
{
	json_t *each;
	size_t i;

	json_array_foreach(q->asked, i,
			   each) if (json_integer_value(each) == pid) return true;
	return false;
}

/* Tasks of the library share the memory of their program. */
static bool is_task_of_ours(pid_t pid)
{
	struct proc_info info;

	return !proc_read(pid, &info) || !strcmp(info.comm, "smm-ctl") ||
	       !strcmp(info.comm, "smm-fault");
}

static void look_at_others(struct file_query *q)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		struct other o = { q, (pid_t)strtol(entry->d_name, NULL, 10) };

		if (o.pid > 0 && !was_asked(q, o.pid) && !is_task_of_ours(o.pid))
			maps_each(o.pid, look_in_line, &o);
	}
	if (dir)
		closedir(dir);
}

/* --- the answer -------------------------------------------------------------------- */

static void print_json(const struct file_query *q, const char *path)
{
	json_t *object =
		json_pack("{ss ss# sI sI sO sb}", "file", path, "dev", "", 0, "inode",
			  (json_int_t)q->file.inode, "page", (json_int_t)q->page,
			  "places", q->places, "incomplete", (int)q->incomplete);
	char dev[24];

	snprintf(dev, sizeof(dev), "%02x:%02x", q->file.major, q->file.minor);
	json_object_set_new(object, "dev", json_string(dev));
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_text(const struct file_query *q)
{
	json_t *p;
	size_t i;

	if (json_array_size(q->places))
		printf("%8s %-16s %16s %-5s %-8s %s\n", "PID", "COMM", "ADDR", "PERMS",
		       "PAGED BY", "PRESENT");
	json_array_foreach(q->places, i, p)
		printf("%8ld %-16s %16s %-5s %-8s %s\n", json_num(p, "pid"),
		       json_str(p, "comm"), json_str(p, "addr"), json_str(p, "perms"),
		       json_str(p, "paged"), json_str(p, "present"));
	if (q->incomplete)
		printf("some process does not know all its areas: there may be more\n");
}

/* Decimal, or hexadecimal with 0x. */
static bool parse_page(const char *text, unsigned long *page)
{
	char *end = NULL;

	errno = 0;
	if (text && text[0] >= '0' && text[0] <= '9')
		*page = strtoul(text, &end, 0);
	return end && !*end && !errno && *page <= ~0UL >> PAGE_SHIFT;
}

int rmap_file(const char *path, const char *page, bool json)
{
	struct file_query q = { .page = 0 };
	int status;

	if (!parse_page(page, &q.page))
		return cli_usage("rmap: --page: %s: not a page number: give one, 0 being "
				 "the first",
				 page);
	if (!file_identify("rmap", path, &q.file))
		return CLI_USAGE;
	if (q.page >= (q.file.size + PAGE_SIZE - 1) / PAGE_SIZE)
		return cli_usage("rmap: --page: %s: beyond the end of %s: give a smaller "
				 "one",
				 page, path);
	q.places = json_array();
	q.asked = json_array();
	sockets_each(geteuid() == 0, ask_one, &q);
	look_at_others(&q);
	if (json)
		print_json(&q, path);
	else
		print_text(&q);
	status = json_array_size(q.places) ? CLI_OK : CLI_FAIL;
	json_decref(q.places);
	json_decref(q.asked);
	return status;
}
