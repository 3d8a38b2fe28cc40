// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the kernel alone knows of the descriptor: pages by kind, high-water marks, the
 * saved auxiliary vector. Read when somebody asks.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

#define KIB_PER_PAGE (PAGE_SIZE >> 10)

/* Our words for lines of /proc/PID/status. */
static const struct {
	const char *key, *name;
} lines[] = {
	{ "VmPeak:", "hiwater_vm" }, { "VmHWM:", "hiwater_rss" },
	{ "VmRSS:", "rss" },	     { "RssAnon:", "rss_anon" },
	{ "RssFile:", "rss_file" },  { "RssShmem:", "rss_shmem" },
	{ "VmSwap:", "rss_swap" },   { "VmPin:", "pinned_vm" },
	{ "VmPTE:", "pgtables" },
};

static void show_line(struct reply *r, const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *p = line + strlen(lines[i].key);

		if (!str_has_prefix(line, lines[i].key))
			continue;
		while (*p == ' ' || *p == '\t')
			p++;
		reply_printf(r, "\"%s\":%lu,", lines[i].name,
			     parse_ulong(&p, 10) / KIB_PER_PAGE);
	}
}

void show_status(struct reply *r)
{
	struct procmaps *p = &r->c->scratch.smaps.lines;
	char *line;

	if (procmaps_open_file(p, "/proc/self/status"))
		return;
	while (procmaps_line(p, &line) > 0)
		show_line(r, line);
	procmaps_close(p);
}

/* Pairs [type, "value"]; the reader knows their names (AT_*, getauxval(3)). */
void show_auxv(struct reply *r)
{
	u64 *words = r->c->scratch.words;
	long fd = sys_open("/proc/self/auxv", O_RDONLY | O_CLOEXEC, 0), n = 0;

	if (fd >= 0) {
		n = sys_read(fd, words, sizeof(r->c->scratch.words));
		sys_close(fd);
	}
	reply_printf(r, ",\"auxv\":[");
	for (long i = 0; i + 2 <= n / 8 && words[i]; i += 2)
		reply_printf(r, "%s[%lu,\"%08lx\"]", i ? "," : "",
			     (unsigned long)words[i], (unsigned long)words[i + 1]);
	reply_printf(r, "]");
}
