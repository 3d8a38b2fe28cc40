/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Read /proc/self/maps line by line without libc.
 * Context: any task that shares the address space; one reader per struct procmaps.
 */
#ifndef SHADOWMM_SYS_PROCMAPS_H
#define SHADOWMM_SYS_PROCMAPS_H

#include "lib/base/area.h"
#include "lib/base/compiler.h"

struct procmaps {
	int fd;
	size_t pos, end;
	bool eof;
	char buf[8192 + 1]; /* holds the longest line: a path of PATH_MAX, escaped */
};

/* 0 or -errno. */
int procmaps_open(struct procmaps *p);
/* The same for another file of lines. */
int procmaps_open_file(struct procmaps *p, const char *path);
/* The next line, NUL-terminated in @p until the next call. 1, 0 at the end, -errno. */
int procmaps_line(struct procmaps *p, char **line);
/*
 * The next area. d->name points into @p and lives until the next call; octal escapes
 * are undone. Returns 1, 0 at the end, or -errno.
 */
int procmaps_next(struct procmaps *p, struct area_desc *d);
void procmaps_close(struct procmaps *p);
/* Parse one NUL-terminated line (modified in place). False if it is malformed. */
bool procmaps_parse_line(char *line, struct area_desc *d);

#endif
