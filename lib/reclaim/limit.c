// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How much memory there may be for us: of a control group, by /proc/self/cgroup
 * (cgroups(7)); of the machine, by sysinfo(2). What cannot be found out is no limit.
 */
#include <linux/sysinfo.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/sys.h"

#define TEXT_MAX 4096

/* The whole of a small file; false: not there. */
static bool read_text(const char *path, char text[TEXT_MAX])
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), n;

	if (fd < 0)
		return false;
	n = sys_read(fd, text, TEXT_MAX - 1);
	sys_close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number after @word in @text, or no limit ("max" is no number). */
static unsigned long number_after(const char *text, const char *word)
{
	const char *line = text;

	while (line && !str_has_prefix(line, word)) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		return ~0UL;
	line += strlen(word);
	return *line >= '0' && *line <= '9' ? parse_ulong(&line, 10) : ~0UL;
}

/* Version 1: one number for the group and all above it. */
static unsigned long limit_v1(const char *group, char text[TEXT_MAX])
{
	char path[512];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/sys/fs/cgroup/memory%s/memory.stat", group);
	return !f.truncated && read_text(path, text)
		       ? number_after(text, "hierarchical_memory_limit ")
		       : ~0UL;
}

/* Version 2: the least of the group's and those above it. Cuts @group up. */
static unsigned long limit_v2(char *group, char text[TEXT_MAX])
{
	unsigned long least = ~0UL;
	char path[512], *slash;
	struct fmt f;

	do {
		fmt_init(&f, path, sizeof(path));
		fmt_printf(&f, "/sys/fs/cgroup%s/memory.max", group);
		if (!f.truncated && read_text(path, text))
			least = min(least, number_after(text, ""));
		slash = strrchr(group, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
	return least;
}

/* The group of the line that contains @key, cut out of @text; NULL: none. */
static char *group_of(char *text, const char *key)
{
	for (char *line = text, *end; *line; line = end + 1) {
		char *colon = strchr(line, ':');

		end = strchr(line, '\n');
		if (!end || !colon)
			return NULL;
		if (str_has_prefix(colon, key)) {
			*end = '\0';
			return colon + strlen(key);
		}
	}
	return NULL;
}

static unsigned long group_limit(void)
{
	char groups[TEXT_MAX], text[TEXT_MAX], *group;

	if (!read_text("/proc/self/cgroup", groups))
		return ~0UL;
	group = group_of(groups, ":memory:");
	if (group)
		return limit_v1(group, text);
	/* The line may have been cut by group_of(): read it again. */
	group = read_text("/proc/self/cgroup", groups) ? group_of(groups, "::") : NULL;
	return group ? limit_v2(group, text) : ~0UL;
}

bool memory_is_limited(void)
{
	struct sysinfo info;

	return !sys_sysinfo(&info) && group_limit() < info.totalram * info.mem_unit;
}

unsigned long memory_limit(void)
{
	struct sysinfo info;
	unsigned long group = group_limit();

	return sys_sysinfo(&info) ? group : min(group, info.totalram * info.mem_unit);
}

unsigned long memory_available(void)
{
	char text[TEXT_MAX];
	const char *p = text;
	unsigned long kib;

	if (!read_text("/proc/meminfo", text))
		return ~0UL >> 1;
	while (p && !str_has_prefix(p, "MemAvailable:"))
		p = (p = strchr(p, '\n')) ? p + 1 : NULL;
	if (!p)
		return ~0UL >> 1;
	p += strlen("MemAvailable:");
	while (*p == ' ')
		p++;
	kib = parse_ulong(&p, 10);
	return kib << 10;
}

unsigned long memory_to_spare(void)
{
	struct sysinfo info;

	return sys_sysinfo(&info) ? 0 : info.freeram * info.mem_unit / 4;
}
