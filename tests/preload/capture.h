/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one program with its two outputs kept apart, for tests that say what is to come
 * out instead of comparing with a plain run. Context: a criterion test; failures are
 * cr_assert()s.
 */
#ifndef TESTS_PRELOAD_CAPTURE_H
#define TESTS_PRELOAD_CAPTURE_H

#include <stdbool.h>
#include <sys/types.h>

struct capture {
	int status;	  /* of waitpid() */
	char out[262144]; /* what it wrote, terminated */
	char err[16384];
};

/* How a program is started. Everything may be NULL. */
struct how {
	void (*before)(void); /* in the child, last thing before the exec */
	const char *env[8];   /* "NAME=VALUE", NULL-terminated */
	bool plain;	      /* without the library */
};

/*
 * A directory of its own per test, mode 0755, holding what is needed to run as somebody
 * who may not look into the build tree: the library, the tool, the programs @names
 * (NULL-terminated). Removed by scratch_remove(). What scratch_path() returns stays until
 * the test, a process of its own, ends.
 */
void scratch_make(const char *const *names);
void scratch_remove(void);
const char *scratch_path(const char *name);

/* Run @argv to its end; what has not ended after a minute is killed and fails the test.
 */
void capture(struct capture *c, const struct how *how, const char *const *argv);

/* Start @argv with pipes to its standard input and from both its outputs. */
struct live {
	pid_t pid;
	int in, out, err;
};
void live_start(struct live *l, const struct how *how, const char *const *argv);
/* Send the byte @command, if not 0, and wait for the line @answer. */
void live_command(const struct live *l, char command, const char *answer);
/* Wait until the engine of a program that has closed its standard error is up. */
void live_engine_up(const struct live *l);
/* `shadowmm @command @option PID`, without the library, but after @before; the option and
 * that may be NULL. */
void live_ask(struct capture *c, const struct live *l, const char *command,
	      const char *option, void (*before)(void));
/* Close its input, wait for its end; returns the status. */
int live_end(struct live *l);

/* For how.before; each exits 125 if it does not work. */
void become_nobody(void);
void no_device(void); /* an empty /dev, in a mount namespace of its own */
/* Calls of number @nr get the seccomp action @action. */
void filter_call(int nr, unsigned int action);
/* ioctl(2) with @command does. */
void filter_ioctl(unsigned int command, unsigned int action);
/* pread(2) of @bytes or more does. */
void filter_pread(unsigned int bytes, unsigned int action);

/* The number behind the first "@key": of @json; fails the test if there is none. */
unsigned long member(const char *json, const char *key);
int count_lines(const char *text);
/* Lines of the verify file @path; fails the test if one has differences. */
int verify_lines(const char *path);

#endif
