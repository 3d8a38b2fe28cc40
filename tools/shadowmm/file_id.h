/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file, by what /proc/PID/maps calls it. */
#ifndef SHADOWMM_FILE_ID_H
#define SHADOWMM_FILE_ID_H

#include <stdbool.h>

struct file_id {
	unsigned int major, minor;
	unsigned long inode, size; /* bytes */
};

/*
 * The file at @path. On some file systems stat(2) and maps name different devices: then
 * it is the latter, if the file can be mapped. False: complained, as @command.
 */
bool file_identify(const char *command, const char *path, struct file_id *id);

/* cmd_rmap_file.c: `rmap --file PATH --page N`. An exit code. */
int rmap_file(const char *path, const char *page, bool json);

#endif
