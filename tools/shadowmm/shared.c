// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "shared.h"

/* One page of one process. Equal pages have equal kind, whose and number. */
struct shared_page {
	enum page_name {
		BY_FRAME,
		BY_FILE,
		BY_ANON_VMA,
		BY_NOTHING
	} kind;
	uint32_t whose; /* index of the key, if by file or by anon_vma */
	uint64_t number;
	uint32_t process, area;
	bool exclusive, anon;
};

/* A file ("dev:inode") or a root anon_vma ("pid.born.number"). */
struct shared_key {
	char text[64];
};

/* No page is counted if one cannot be kept: better no answer than a wrong one. */
static void *grow(void *array, size_t size)
{
	void *larger = realloc(array, size);

	if (larger)
		return larger;
	cli_warn("shared: no memory for so many pages");
	exit(CLI_FAIL);
}

static uint32_t key_number(struct shared_set *set, const char *text)
{
	/* Neighbouring areas are often of one file: search backwards. */
	for (size_t i = set->nr_keys; i-- > 0;)
		if (!strcmp(set->key[i].text, text))
			return (uint32_t)i;
	set->key = grow(set->key, (set->nr_keys + 1) * sizeof(*set->key));
	snprintf(set->key[set->nr_keys].text, sizeof(set->key[0].text), "%s", text);
	return (uint32_t)set->nr_keys++;
}

/* --- what an area's pages count as ---------------------------------------------------
 */

struct find_socket {
	pid_t pid;
	bool found;
};

static bool look_for_socket(void *priv, int dir_fd)
{
	struct find_socket *f = priv;

	f->found = socket_is_live(dir_fd, f->pid);
	return !f->found;
}

/* Some have the library and nobody who answers for it, which is no news here. */
static bool answers(pid_t pid)
{
	struct find_socket f = { .pid = pid };
	struct proc_info info;

	if (proc_read(pid, &info) && proc_maps_file(pid, "/libshadowmm.so"))
		socket_dirs_of(info.euid, pid, look_for_socket, &f);
	return f.found;
}

static void ask_areas(struct shared_process *p)
{
	json_t *reply = NULL;
	int status;

	p->known = json_null();
	if (answers(p->pid))
		reply = ask_process(p->pid, "maps", false, &status);
	if (reply)
		p->known = json_incref(json_object_get(reply, "areas"));
	json_decref(reply);
}

static json_t *known_area(const struct shared_process *p, unsigned long start)
{
	size_t low = 0, high = json_array_size(p->known);

	/* They ascend. */
	while (low < high) {
		size_t middle = (low + high) / 2;
		json_t *area = json_array_get(p->known, middle);

		if (strtoul(json_str(area, "end"), NULL, 16) <= start)
			low = middle + 1;
		else if (strtoul(json_str(area, "start"), NULL, 16) > start)
			high = middle;
		else
			return area;
	}
	return NULL;
}

static void find_owner(const struct shared_process *p, struct shared_area *area,
		       const struct memory_fs *fs)
{
	json_t *known = known_area(p, area->line.start),
	       *host = json_object_get(known, "host");

	area->owner = memory_fs_has(fs, &area->line) ? PAGES_SHMEM : PAGES_FILE;
	if (!strcmp(json_str(known, "reason"), "shadowmm"))
		area->owner = PAGES_LIBRARY;
	if (!host)
		return;
	area->owner = PAGES_FILE;
	area->host = strdup(json_str(host, "name"));
}

/* --- one process ------------------------------------------------------------------- */

struct walk {
	struct shared_set *set;
	struct shared_process *process;
	struct shared_area *area;
	int fd;
	long file_key;	/* of the area; -1: not looked for yet */
	json_t *linked; /* of `rmap`, for the area; NULL: not looked for yet */
};

static bool add_area(void *priv, const struct map_line *line)
{
	struct shared_process *p = priv;
	struct shared_area *area;

	p->area = grow(p->area, (p->nr_areas + 1) * sizeof(*p->area));
	area = &p->area[p->nr_areas++];
	*area = (struct shared_area){ .line = *line };
	area->line.name = strdup(line->name);
	return true;
}

static json_t *ask_chains(struct shared_process *p)
{
	json_t *reply;
	int status;

	if (p->chains)
		return p->chains;
	p->chains = json_null();
	if (!proc_maps_file(p->pid, "/libshadowmm.so"))
		return p->chains;
	reply = ask_process(p->pid, "rmap", false, &status);
	if (reply)
		p->chains = json_incref(json_object_get(reply, "areas"));
	json_decref(reply);
	return p->chains;
}

/* What the process says of the area that holds @addr; null if nothing. */
static json_t *linked_area(struct walk *w, unsigned long addr)
{
	json_t *area;
	size_t i;

	if (w->linked && (json_is_null(w->linked) ||
			  strtoul(json_str(w->linked, "end"), NULL, 16) > addr))
		return w->linked;
	w->linked = json_null();
	json_array_foreach(ask_chains(w->process), i, area)
	{
		if (strtoul(json_str(area, "start"), NULL, 16) <= addr &&
		    strtoul(json_str(area, "end"), NULL, 16) > addr)
			w->linked = area;
	}
	return w->linked;
}

static void name_by_file(struct walk *w, struct shared_page *page, unsigned long addr)
{
	const struct map_line *line = &w->area->line;
	char text[64];

	if (w->file_key < 0) {
		snprintf(text, sizeof(text), "%x:%x:%lu%.32s", line->major, line->minor,
			 line->inode, line->inode ? "" : line->name);
		w->file_key = key_number(w->set, text);
	}
	page->kind = BY_FILE;
	page->whose = (uint32_t)w->file_key;
	page->number = (addr - line->start + line->offset) >> PAGE_SHIFT;
}

static void name_by_anon_vma(struct walk *w, struct shared_page *page, unsigned long addr)
{
	json_t *linked = linked_area(w, addr), *chain = json_object_get(linked, "chain");
	const char *root =
		json_string_value(json_array_get(chain, json_array_size(chain) - 1));

	if (!root)
		return;
	page->kind = BY_ANON_VMA;
	page->whose = key_number(w->set, root);
	page->number =
		(uint64_t)json_num(linked, "index") +
		((addr - strtoul(json_str(linked, "start"), NULL, 16)) >> PAGE_SHIFT);
}

/* Counts of a page that nobody else can have are final; others are sorted later. */
static void add_page(struct walk *w, unsigned long addr, uint64_t entry)
{
	struct shared_page page = {
		.kind = BY_NOTHING,
		.number = w->set->nr_pages, /* like no other */
		.process = (uint32_t)(w->process - w->set->process),
		.area = (uint32_t)(w->area - w->process->area),
		.exclusive = entry & PM_EXCLUSIVE,
		.anon = !(entry & PM_FILE),
	};

	if (page_has_frame(entry)) {
		page.kind = BY_FRAME;
		page.number = page_frame(entry);
	} else if (entry & PM_FILE) {
		name_by_file(w, &page, addr);
	} else if (!page.exclusive) {
		name_by_anon_vma(w, &page, addr);
	}
	if (w->set->nr_pages == w->set->room) {
		w->set->room = w->set->room * 2 + 4096;
		w->set->page = grow(w->set->page, w->set->room * sizeof(*w->set->page));
	}
	w->set->page[w->set->nr_pages++] = page;
}

static void add_run(void *priv, unsigned long start, const uint64_t *entry, size_t n)
{
	struct walk *w = priv;

	for (size_t i = 0; i < n; i++) {
		if (entry[i] & PM_SWAP)
			w->process->swap++;
		else if (entry[i] & PM_PRESENT && !(entry[i] & PM_ZERO))
			add_page(w, start + i * PAGE_SIZE, entry[i]);
	}
}

/* The kernel's own pages, in nobody's resident set; [vdso] is in it. */
static bool is_special(const struct map_line *line)
{
	return line->start >= 1UL << 63 || !strncmp(line->name, "[vvar", 5);
}

static bool collect_process(struct shared_set *set, struct shared_process *p)
{
	struct walk w = { .set = set, .process = p, .fd = pages_open(p->pid) };
	int err = w.fd < 0 ? w.fd : maps_each(p->pid, add_area, p);
	struct memory_fs fs;

	memory_fs_read(p->pid, &fs);
	ask_areas(p);
	for (size_t i = 0; !err && i < p->nr_areas; i++) {
		w.area = &p->area[i];
		find_owner(p, w.area, &fs);
		w.file_key = -1;
		w.linked = NULL;
		if (!is_special(&w.area->line))
			err = pages_each(w.fd, w.area->line.start, w.area->line.end,
					 add_run, &w);
	}
	if (w.fd >= 0)
		close(w.fd);
	if (err)
		cli_warn("process %d: pages: %s: only who may trace a process sees them",
			 p->pid, strerror(-err));
	return !err;
}

/* --- all of them ------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct shared_page *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->whose != y->whose)
		return x->whose < y->whose ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->process < y->process ? -1 : x->process > y->process;
}

static bool same_name(const struct shared_page *a, const struct shared_page *b)
{
	return a->kind == b->kind && a->whose == b->whose && a->number == b->number;
}

static void count_kind(struct page_counts *c, const struct shared_page *page,
		       enum page_owner owner)
{
	if (owner == PAGES_LIBRARY)
		c->library++;
	else if (page->anon)
		c->anon++;
	else if (owner == PAGES_SHMEM)
		c->shmem++;
	else
		c->file++;
}

static void count_page(struct page_counts *c, const struct shared_page *page, bool shared,
		       bool unsure)
{
	c->resident++;
	c->shared += shared;
	c->here += !shared;
	c->exclusive += page->exclusive;
	c->unsure += unsure;
}

/* @n entries of one page, sorted by process. */
static void count_group(struct shared_set *set, const struct shared_page *page, size_t n)
{
	bool shared = page[0].process != page[n - 1].process;
	bool unsure = page->kind == BY_ANON_VMA ||
		      (page->kind == BY_NOTHING && !page->exclusive);

	set->together++;
	set->common += shared;
	set->most += page->kind == BY_ANON_VMA ? n : 1;
	for (size_t i = 0; i < n; i++) {
		struct shared_process *p = &set->process[page[i].process];
		struct shared_area *area = &p->area[page[i].area];

		count_page(&p->count, &page[i], shared, unsure);
		count_page(&area->count, &page[i], shared, unsure);
		count_kind(&p->count, &page[i], area->owner);
		count_kind(&area->count, &page[i], area->owner);
	}
}

static void count_pages(struct shared_set *set)
{
	size_t first = 0;

	if (!set->nr_pages)
		return;
	qsort(set->page, set->nr_pages, sizeof(*set->page), by_name);
	for (size_t i = 1; i <= set->nr_pages; i++) {
		if (i < set->nr_pages && same_name(&set->page[first], &set->page[i]))
			continue;
		count_group(set, &set->page[first], i - first);
		first = i;
	}
}

bool shared_collect(struct shared_set *set, const pid_t *pids, size_t nr)
{
	struct proc_info info;

	*set = (struct shared_set){ .nr = nr };
	set->process = calloc(nr, sizeof(*set->process));
	if (!set->process)
		return false;
	for (size_t i = 0; i < nr; i++) {
		set->process[i].pid = pids[i];
		if (!proc_read(pids[i], &info)) {
			cli_warn("process %d: there is none: see 'shadowmm ps'", pids[i]);
			return false;
		}
		memcpy(set->process[i].comm, info.comm, sizeof(info.comm));
		if (!collect_process(set, &set->process[i]))
			return false;
	}
	count_pages(set);
	return true;
}

void shared_free(struct shared_set *set)
{
	for (size_t i = 0; set->process && i < set->nr; i++) {
		struct shared_process *p = &set->process[i];

		for (size_t j = 0; j < p->nr_areas; j++) {
			free((char *)p->area[j].line.name);
			free(p->area[j].host);
		}
		free(p->area);
		json_decref(p->chains);
		json_decref(p->known);
	}
	free(set->process);
	free(set->page);
	free(set->key);
}
