// SPDX-License-Identifier: LGPL-2.1-or-later
/* The code of another process, read from the files it has mapped: that needs no more
 * rights than /proc/PID/maps does. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stacks.h"

#define CALL_MAX 7 /* bytes of the longest call instruction we look for */

struct text_map {
	uint64_t start, end, offset;
	uint64_t base; /* where the first mapping of the file starts */
	bool exec;
	char *path;
	int fd; /* -1: not opened; -2: cannot be */
};

struct text {
	struct text_map *map;
	size_t nr, size;
};

static bool add_map(struct text *t, const struct text_map *m, const char *path)
{
	struct text_map *last = t->nr ? &t->map[t->nr - 1] : NULL;

	if (t->nr == t->size) {
		size_t size = t->size ? 2 * t->size : 64;
		void *map = realloc(t->map, size * sizeof(*t->map));

		if (!map)
			return false;
		t->map = map;
		t->size = size;
		last = t->nr ? &t->map[t->nr - 1] : NULL;
	}
	t->map[t->nr] = *m;
	t->map[t->nr].path = strdup(path);
	t->map[t->nr].base = last && !strcmp(last->path, path) ? last->base : m->start;
	return t->map[t->nr++].path != NULL;
}

static void read_maps(struct text *t, FILE *f)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		struct text_map m = { .fd = -1 };
		char perms[5];
		int at = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
			   &m.start, &m.end, perms, &m.offset, &at) < 4 ||
		    !at || (line[at] != '/' && line[at] != '['))
			continue;
		line[strcspn(line, "\n")] = '\0';
		m.exec = perms[2] == 'x';
		if (!add_map(t, &m, line + at))
			break;
	}
	free(line);
}

struct text *text_open(pid_t pid)
{
	struct text *t = calloc(1, sizeof(*t));
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = t ? fopen(path, "re") : NULL;
	if (!f) {
		free(t);
		return NULL;
	}
	read_maps(t, f);
	fclose(f);
	return t;
}

void text_close(struct text *t)
{
	for (size_t i = 0; t && i < t->nr; i++) {
		if (t->map[i].fd >= 0)
			close(t->map[i].fd);
		free(t->map[i].path);
	}
	if (t)
		free(t->map);
	free(t);
}

static struct text_map *find(const struct text *t, uint64_t addr)
{
	size_t low = 0, high = t->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr >= t->map[mid].end)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->nr && addr >= t->map[low].start ? &t->map[low] : NULL;
}

const char *text_module(const struct text *t, uint64_t addr, uint64_t *offset)
{
	const struct text_map *m = find(t, addr);

	if (!m)
		return NULL;
	*offset = addr - m->base;
	return m->path;
}

/* The @n bytes before @addr. */
static bool read_before(const struct text *t, uint64_t addr, unsigned char *bytes,
			size_t n)
{
	struct text_map *m = find(t, addr - 1);

	if (!m || !m->exec || m->path[0] != '/' || addr - n < m->start)
		return false;
	if (m->fd == -1)
		m->fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (m->fd < 0)
		m->fd = -2;
	return m->fd >= 0 &&
	       pread(m->fd, bytes, n, (off_t)(addr - n - m->start + m->offset)) ==
		       (ssize_t)n;
}

/* call r/m64 (FF /2) that is @n bytes long, a REX prefix not counted: does it end here?
 * Intel's manual, volume 2, table 2-2. */
static bool is_indirect_call(const unsigned char *p, int n)
{
	unsigned int mod = p[1] >> 6, rm = p[1] & 7;
	int want = 2;

	if (p[0] != 0xff || (p[1] >> 3 & 7) != 2)
		return false;
	if (mod != 3 && rm == 4)
		want++; /* SIB */
	if (mod == 1)
		want++;
	if (mod == 2 || (mod == 0 && rm == 5))
		want += 4;
	return n == want;
}

enum text_call text_returns_to(const struct text *t, uint64_t addr, uint64_t *target)
{
	unsigned char b[CALL_MAX];
	int32_t rel;

	if (!read_before(t, addr, b, sizeof(b)))
		return TEXT_NO_CALL;
	if (b[CALL_MAX - 5] == 0xe8) {
		memcpy(&rel, b + CALL_MAX - 4, sizeof(rel));
		*target = addr + (uint64_t)(int64_t)rel;
		return TEXT_CALL_DIRECT;
	}
	for (int n = 2; n <= CALL_MAX; n++)
		if (is_indirect_call(b + CALL_MAX - n, n))
			return TEXT_CALL;
	return TEXT_NO_CALL;
}
