/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library says of the calling program, which asks its own control socket. Run
 * plain, the program has nobody to ask. Context: one thread; nothing is mapped but by
 * the first question.
 */
#ifndef TESTS_PRELOAD_ASK_H
#define TESTS_PRELOAD_ASK_H

#include "tests/preload/common.h"

/* There is a library. Waits for its engine, and exits if none comes. */
bool can_ask(void);
/* Like that, if there is a library, and leave it alone again. */
void wait_for_engine(void);
/* The reply to @command, without newline: good until the next question. */
const char *ask(const char *command);
/* Of `stat`: the number behind the last of @names, each looked for behind the one before,
 * as "counters", "faults". The list ends with NULL. 0 if there is nobody to ask. */
long asked(const char *const *names);
#define ASKED(...) asked((const char *const[]){ __VA_ARGS__, NULL })
/* The shadow and the kernel's list are equal, flags included; exits if not. */
void check_verified(void);

/* All of a file of /proc: good until the next call. */
char *read_proc(const char *path);
/* What is behind "@key:" for the area of /proc/self/smaps that contains @p, or NULL: good
 * until the next call of these. */
const char *smaps_line(const void *p, const char *key);
/* The number behind "@key:" for the area of /proc/self/smaps that contains @p; -1. */
long smaps_number(const void *p, const char *key);
/* VmFlags has @flag, "lo" say, for the area that contains @p. */
bool smaps_flag(const void *p, const char *flag);
/* A number of /proc/self/status. */
long status_number(const char *key);
/* Lines of /proc/self/maps that overlap [p, p + len). */
int areas_in(const void *p, size_t len);

#endif
