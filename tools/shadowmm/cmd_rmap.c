// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * shadowmm rmap: page -> every (process, address).
 *
 * Anonymous pages: the process says which anon_vmas its area is linked to; every other
 * one of the family is asked for areas linked to one of them that reach to the same page
 * of it. That is where the page can be. Whether it is there the frame number decides, if
 * we may see it; without, a page that is mapped once is nowhere else, and others may be
 * the same. Pages of files: every process that has the file mapped there.
 */
#include "config.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "file_id.h"
#include "pages.h"

const char cmd_rmap_options[] =
	"  --file PATH --page N   page N of a file, the first being 0, and who maps it\n"
	"  --json                 one object\n\n"
	"Without CAP_SYS_ADMIN a page that is mapped more than once is listed with what\n"
	"may be it (\"maybe\"). Exits with 1 if there is no page at ADDR, or\n"
	"nobody maps that of the file.\n";

struct query {
	pid_t pid;
	unsigned long addr;
	uint64_t entry; /* of the page */
	json_t *area;	/* of `rmap ADDR` */
	unsigned long index;
	struct map_line file;
	json_t *places;
	json_t *asked, *silent; /* who answered; who has the library and did not */
	bool silent_itself;	/* the process asked about has no engine to answer */
	bool forgotten;		/* somebody does not know all its anon_vmas */
	bool failed;
};

/* --- what is there ----------------------------------------------------------------- */

static const char *kind_of(uint64_t entry)
{
	if (!page_there(entry))
		return "none";
	if (entry & PM_ZERO)
		return "zero";
	if (entry & PM_FILE)
		return "file";
	return entry & PM_SWAP ? "swap" : "anon";
}

/* "yes", "maybe", or NULL: it is another one, or none. */
static const char *same_page(const struct query *q, uint64_t entry)
{
	if (!page_there(entry) || entry & PM_ZERO ||
	    (entry ^ q->entry) & (PM_FILE | PM_SWAP))
		return NULL;
	if (page_has_frame(entry) && page_has_frame(q->entry))
		return page_frame(entry) == page_frame(q->entry) ? "yes" : NULL;
	if ((entry | q->entry) & PM_EXCLUSIVE)
		return NULL;
	return entry & PM_FILE ? "yes" : "maybe";
}

static void add_place(struct query *q, pid_t pid, unsigned long addr, const char *same)
{
	struct proc_info info;
	char text[24];

	if (!same || !proc_read(pid, &info))
		return;
	snprintf(text, sizeof(text), "%08lx", addr);
	json_array_append_new(q->places,
			      json_pack("{si ss* ss ss}", "pid", (int)pid, "comm",
					info.comm, "addr", text, "same", same));
}

static void look_at(struct query *q, pid_t pid, unsigned long addr)
{
	if (pid != q->pid || addr != q->addr)
		add_place(q, pid, addr, same_page(q, page_entry(pid, addr)));
}

/* --- anonymous pages --------------------------------------------------------------- */

static bool chains_meet(json_t *a, json_t *b)
{
	json_t *x, *y;
	size_t i, j;

	json_array_foreach(a, i, x)
	{
		json_array_foreach(b, j, y) if (json_equal(x, y)) return true;
	}
	return false;
}

static unsigned long area_start(json_t *area)
{
	return strtoul(json_str(area, "start"), NULL, 16);
}

static void look_in_areas(struct query *q, pid_t pid, json_t *areas)
{
	json_t *chain = json_object_get(q->area, "chain"), *area;
	size_t i;

	json_array_foreach(areas, i, area)
	{
		unsigned long pages = q->index - (unsigned long)json_num(area, "index");

		if (chains_meet(chain, json_object_get(area, "chain")))
			look_at(q, pid, area_start(area) + pages * PAGE_SIZE);
	}
}

static void ask_member(void *priv, pid_t pid, int dir_fd)
{
	struct query *q = priv;
	char command[40];
	json_t *reply;
	struct conn c;

	if (!conn_open_at(&c, pid, dir_fd))
		return;
	snprintf(command, sizeof(command), "rmap index %lx", q->index);
	reply = conn_ask(&c, command, NULL);
	if (reply && !json_object_get(reply, "error")) {
		look_in_areas(q, pid, json_object_get(reply, "areas"));
		q->forgotten |= json_num(reply, "forgotten") || json_bool(reply, "blind");
		json_array_append_new(q->asked, json_integer(pid));
	}
	json_decref(reply);
	conn_close(&c);
}

/* --- every process ----------------------------------------------------------------- */

/* Tasks of the library share the memory of their program. */
static bool is_task_of_ours(pid_t pid)
{
	struct proc_info info;

	return !proc_read(pid, &info) || !strcmp(info.comm, "smm-ctl") ||
	       !strcmp(info.comm, "smm-fault");
}

static void each_process(struct query *q, void (*fn)(struct query *q, pid_t pid))
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && !is_task_of_ours(pid))
			fn(q, pid);
	}
	if (dir)
		closedir(dir);
}

static bool holds(json_t *pids, pid_t pid)
{
	json_t *each;
	size_t i;

	json_array_foreach(pids, i,
			   each) if (json_integer_value(each) == pid) return true;
	return false;
}

/* A process with the library that nobody answers for: fork keeps addresses, so the same
 * one is tried. */
static void guess_silent(struct query *q, pid_t pid)
{
	if (holds(q->asked, pid) || (pid == q->pid && !q->silent_itself) ||
	    !proc_maps_file(pid, "/libshadowmm.so"))
		return;
	json_array_append_new(q->silent, json_integer(pid));
	look_at(q, pid, q->addr);
}

/* --- pages of files ---------------------------------------------------------------- */

struct file_search {
	struct query *q;
	pid_t pid;
	unsigned long offset; /* of the page, in the file */
};

static bool look_in_line(void *priv, const struct map_line *line)
{
	const struct file_search *s = priv;
	const struct map_line *file = &s->q->file;

	if (line->inode == file->inode && line->major == file->major &&
	    line->minor == file->minor && s->offset >= line->offset &&
	    s->offset - line->offset < line->end - line->start)
		look_at(s->q, s->pid, line->start + (s->offset - line->offset));
	return true;
}

static void look_in_file(struct query *q, pid_t pid)
{
	struct file_search s = { .q = q, .pid = pid };

	s.offset = q->addr - q->file.start + q->file.offset;
	maps_each(pid, look_in_line, &s);
}

static bool find_line(void *priv, const struct map_line *line)
{
	struct query *q = priv;

	if (q->addr < line->start || q->addr >= line->end)
		return true;
	q->file = *line;
	return false;
}

/* --- the answer -------------------------------------------------------------------- */

static bool can_connect(void *priv, int dir_fd)
{
	struct query *q = priv;
	int fd = socket_connect(dir_fd, q->pid);

	if (fd >= 0)
		close(fd);
	q->silent_itself = fd < 0;
	return fd < 0;
}

/* It has the library, but no engine that could answer. */
static bool is_silent(struct query *q)
{
	struct proc_info info;

	if (!proc_read(q->pid, &info) || !proc_maps_file(q->pid, "/libshadowmm.so"))
		return false;
	q->silent_itself = true;
	socket_dirs_of(info.euid, q->pid, can_connect, q);
	return q->silent_itself;
}

/* The area at the address, as the process has it. False: complained. */
static bool ask_area(struct query *q)
{
	char command[40];
	json_t *reply;
	int status;

	if (is_silent(q)) {
		q->area = json_object();
		return true;
	}
	snprintf(command, sizeof(command), "rmap %lx", q->addr);
	reply = ask_process(q->pid, command, false, &status);
	if (!reply)
		return false;
	q->area = json_incref(json_array_get(json_object_get(reply, "areas"), 0));
	q->forgotten = json_num(reply, "forgotten") || json_bool(reply, "blind");
	json_decref(reply);
	if (!q->area) {
		cli_warn("process %d: %lx: no area contains it", q->pid, q->addr);
		return false;
	}
	q->index = (unsigned long)json_num(q->area, "index") +
		   ((q->addr - area_start(q->area)) >> PAGE_SHIFT);
	return true;
}

/* Who maps the page, as long as it stays the one it was. */
static void find_places(struct query *q)
{
	json_array_clear(q->places);
	json_array_clear(q->asked);
	json_array_clear(q->silent);
	add_place(q, q->pid, q->addr, "yes");
	if (q->entry & PM_FILE)
		each_process(q, look_in_file);
	else if (!(q->entry & PM_EXCLUSIVE)) {
		if (!q->silent_itself)
			sockets_each(geteuid() == 0, ask_member, q);
		each_process(q, guess_silent);
	}
}

#define TRIES 5 /* while the program writes to the page */

static void find_page(struct query *q)
{
	for (int i = 0; i < TRIES; i++) {
		q->entry = page_entry(q->pid, q->addr);
		if (!page_there(q->entry) || q->entry & PM_ZERO)
			return;
		find_places(q);
		if (page_entry(q->pid, q->addr) == q->entry)
			return;
	}
	cli_warn("process %d: %lx: the page changes while it is looked at", q->pid,
		 q->addr);
	q->failed = true;
}

static json_t *answer(const struct query *q)
{
	uint64_t entry = q->entry;
	bool frame = page_has_frame(entry);
	long mapcount = page_mapcount(entry);
	char addr[24];

	snprintf(addr, sizeof(addr), "%08lx", q->addr);
	return json_pack(
		"{si ss ss so sb so sI sO* sO sO sb}", "pid", (int)q->pid, "addr", addr,
		"page", kind_of(entry), "frame",
		frame ? json_integer((json_int_t)(entry & PM_FRAME)) : json_null(),
		"exclusive", (entry & PM_EXCLUSIVE) != 0, "mapcount",
		mapcount >= 0 ? json_integer(mapcount) : json_null(), "index",
		(json_int_t)q->index, "chain", json_object_get(q->area, "chain"),
		"places", q->places, "silent", q->silent, "incomplete", q->forgotten);
}

static void print_doubts(const struct query *q, long mapcount)
{
	long missing = mapcount - (long)json_array_size(q->places);

	if (mapcount > 0 && missing > 0)
		printf("mapped %ld times more by processes that do not run under the "
		       "library, or forgot whom they come from\n",
		       missing);
	if (json_array_size(q->silent))
		printf("%zu processes of the library have nobody to ask: tried at the "
		       "same address\n",
		       json_array_size(q->silent));
	if (q->forgotten)
		printf("some process lacks memory to know its ancestors: there may be "
		       "more\n");
}

static void print_answer(const struct query *q)
{
	json_t *place;
	size_t i;

	printf("page      %s", kind_of(q->entry));
	if (page_has_frame(q->entry))
		printf(" %llx", (unsigned long long)(q->entry & PM_FRAME));
	printf("%s\n", q->entry & PM_EXCLUSIVE ? ", mapped once" : "");
	if (!json_array_size(q->places))
		return;
	printf("%8s %-16s %16s %s\n", "PID", "COMM", "ADDR", "SAME");
	json_array_foreach(q->places, i, place)
		printf("%8ld %-16s %16s %s\n", json_num(place, "pid"),
		       json_str(place, "comm"), json_str(place, "addr"),
		       json_str(place, "same"));
	print_doubts(q, page_mapcount(q->entry));
}

static int run_query(struct query *q, bool json)
{
	int fd = pages_open(q->pid);
	json_t *object;

	if (fd < 0) {
		cli_warn("process %d: /proc/%d/pagemap: %s: only who may trace a process "
			 "sees its pages",
			 q->pid, q->pid, strerror(-fd));
		return CLI_FAIL;
	}
	close(fd);
	maps_each(q->pid, find_line, q);
	find_page(q);
	if (json) {
		object = answer(q);
		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(object);
	} else {
		print_answer(q);
	}
	return page_there(q->entry) && !q->failed ? CLI_OK : CLI_FAIL;
}

static int run_address(char **argv, bool json)
{
	struct query q = { .places = NULL };
	int status = CLI_FAIL;

	if (!cli_parse_pid(argv[0], &q.pid) || !cli_parse_addr(argv[1], &q.addr))
		return CLI_USAGE;
	q.addr &= -PAGE_SIZE;
	q.places = json_array();
	q.asked = json_array();
	q.silent = json_array();
	if (ask_area(&q))
		status = run_query(&q, json);
	json_decref(q.area);
	json_decref(q.places);
	json_decref(q.asked);
	json_decref(q.silent);
	return status;
}

enum {
	OPT_FILE = 256,
	OPT_PAGE,
};

int cmd_rmap(int argc, char **argv)
{
	const char *file = NULL, *page = NULL;
	int json = 0, opt;
	const struct option options[] = {
		{ "file", required_argument, NULL, OPT_FILE },
		{ "page", required_argument, NULL, OPT_PAGE },
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == OPT_FILE)
			file = optarg;
		else if (opt == OPT_PAGE)
			page = optarg;
		else if (opt)
			return cli_bad_option(argv);
	}
	if (!file != !page || argc - optind != (file ? 0 : 2))
		return cli_usage("rmap: say 'shadowmm rmap %s'",
				 cli_find("rmap")->synopsis);
	return file ? rmap_file(file, page, json) : run_address(argv + optind, json);
}
