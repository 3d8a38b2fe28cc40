/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole address space of this process as a model, and the facts the predictions need.
 * For a child that makes no call of libc which might map memory: everything is static.
 */
#ifndef TESTS_MODEL_SPACE_H
#define TESTS_MODEL_SPACE_H

#include "lib/mm/check.h"

#define SPACE_FILES 8

struct space_file {
	int fd;
	struct file_facts facts;
	unsigned int major, minor;
	unsigned long ino;
	const char *name; /* as maps shows it */
};

struct space {
	struct mm_struct *mm;
	struct mm_limits lim;
	struct check_env env;
	struct space_file file[SPACE_FILES];
	unsigned int nr_files;
	int maps, status;
	unsigned long resolved; /* guesses settled */
};

/* Read /proc/self into the model. The stack will not grow any more. Exits on failure. */
void space_open(struct space *s);
/* The limits that setrlimit() and prctl() change. */
void space_read_limits(struct space *s);
/* Give up every capability of this process. */
void space_drop_caps(struct space *s);
/* Make @fd known, so that its areas' facts are; its number. @name: as maps shows it. */
unsigned int space_add_file(struct space *s, int fd, const char *name);
/* Differences between the model and /proc/self/maps, which are printed, and 1 more if
 * VmSize, VmData, VmStk or VmLck differ. */
unsigned long space_verify(struct space *s, bool repair);

/* Nothing is locked: what VmLck still shows is locked_lost. */
void space_adopt_locked(struct space *s);

/* System calls without libc: the result or -errno. */
long sys(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	 unsigned long e, unsigned long f);
#define SYS1(nr, a)    sys(nr, (unsigned long)(a), 0, 0, 0, 0, 0)
#define SYS2(nr, a, b) sys(nr, (unsigned long)(a), (unsigned long)(b), 0, 0, 0, 0)
#define SYS3(nr, a, b, c) \
	sys(nr, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), 0, 0, 0)

/* Run @child(arg) in a forked process; true if it returned 0. */
bool space_fork(int (*child)(void *arg), void *arg);

#endif
