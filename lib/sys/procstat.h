/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of /proc/PID/stat and /proc/PID/task/TID/stat, numbered from 1 (proc(5)).
 * Context: any task; enters the kernel to read, keeps nothing, uses the caller's buffer
 * only. Its size decides what is seen: 512 bytes hold the fields of a thread up to 39,
 * all 52 with addresses of 20 digits want 1,024.
 */
#ifndef SHADOWMM_SYS_PROCSTAT_H
#define SHADOWMM_SYS_PROCSTAT_H

#include "lib/base/compiler.h"

#define PROCSTAT_PARENT	   4
#define PROCSTAT_PROCESSOR 39

/* What the file begins with, NUL-terminated in @buf, "" on an error. Returns where the
 * fields begin, just before number 3: after the name, which may contain anything. NULL
 * if there is none. */
const char *procstat_read(const char *path, char *buf, size_t size);
/* From @s, as procstat_read() or this returned it, to the text of the next field; NULL at
 * the end. The fields are 3, 4 and so on. */
const char *procstat_next(const char *s);
/* Field @number, 3 or more, of @path; NULL if it is not there. */
const char *procstat_field(const char *path, unsigned int number, char *buf, size_t size);

#endif
