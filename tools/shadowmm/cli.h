/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands share. An ordinary program: libc and jansson, nothing of lib/. */
#ifndef SHADOWMM_CLI_H
#define SHADOWMM_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

#include "shadowmm/commands.h"

/* Exit codes. `run` ends as env(1) does: 125, 126, 127, or as the command did. */
enum {
	CLI_OK = 0,
	CLI_FAIL = 1,	    /* could not be done, or differences were found */
	CLI_USAGE = 2,	    /* bad input */
	CLI_RUN_SELF = 125, /* run: the library cannot be preloaded */
	CLI_RUN_EXEC = 126, /* run: found, but not executable */
	CLI_RUN_FIND = 127, /* run: not found */
};

struct cli_command {
	const char *name, *synopsis, *help;
	int (*run)(int argc, char **argv);
	const char *options; /* text for `help COMMAND`, or NULL */
};

#define DECLARE_COMMAND(cmd, synopsis, help)  \
	int cmd_##cmd(int argc, char **argv); \
	extern const char cmd_##cmd##_options[];
SMM_CLI_COMMANDS(DECLARE_COMMAND)
#undef DECLARE_COMMAND

const struct cli_command *cli_find(const char *name);
extern const struct cli_command cli_commands[];
extern const size_t cli_nr_commands;

/* --- messages.c --- */

/* "shadowmm: ...\n" on stderr. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As cli_warn(), then returns CLI_USAGE: what, where, what to do. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Complain about the option that getopt_long() has just refused. CLI_USAGE. */
int cli_bad_option(char **argv);
struct option;
/*
 * Parse options that only set their flag, and expect @min to @max arguments from optind
 * on. CLI_OK, or CLI_USAGE having complained.
 */
int cli_flags(int argc, char **argv, const struct option *options, int min, int max);
/* Digits only, 1..2^22 (the kernel's PID_MAX_LIMIT). False: complained. */
bool cli_parse_pid(const char *text, pid_t *pid);
/* Hexadecimal, with or without 0x. False: complained. */
bool cli_parse_addr(const char *text, unsigned long *addr);
/* "12.3M": at most five characters and the unit. Returns @buf. */
const char *cli_size(unsigned long bytes, char *buf, size_t size);

/* --- proc.c: what the kernel says about a process --- */

struct proc_info {
	pid_t ppid;
	uid_t euid;
	char comm[16 + 1];
	char state;	   /* as in /proc/PID/stat: 'R', 'S', 'Z', ... */
	unsigned long rss; /* bytes */
};
/* False: no such process. Unreadable fields are 0. */
bool proc_read(pid_t pid, struct proc_info *info);
/* When @pid started, in nanoseconds of CLOCK_BOOTTIME, rounded down to what the kernel
 * shows (10 ms); ~0 if it cannot be known. */
unsigned long proc_start_ns(pid_t pid);
/* A process that has not ended: not even a zombie. */
bool proc_alive(pid_t pid);
/* Call @fn for every task of @pid until the list ends. */
void proc_tasks(pid_t pid,
		void (*fn)(void *priv, pid_t tid, const char *comm, char state),
		void *priv);
/* True if @pid has a file mapped whose path ends in @suffix. */
bool proc_maps_file(pid_t pid, const char *suffix);
/* A variable of the environment @pid was started with; false: not there, or not for us.
 */
bool proc_getenv(pid_t pid, const char *name, char *value, size_t size);
/* Read a small file of /proc or /sys, without its last newline. False: errno is set. */
bool read_file(const char *path, char *buf, size_t size);

/* --- conn.c: one process' control socket --- */

struct conn {
	pid_t pid;
	int dir_fd; /* where it was found; it may be gone by now, which is no trouble */
	int fd;
	char *buf;
	size_t len, size;
};

#define CONN_TIMEOUT_MS 5000

/* Connect and read the greeting. False: complained on stderr. */
bool conn_open(struct conn *c, pid_t pid);
/*
 * As conn_open(), by the socket "PID.sock" in the directory @dir_fd, which stays open as
 * long as @c. Nothing is said about a process that has ended, or called exec, meanwhile.
 */
bool conn_open_at(struct conn *c, pid_t pid, int dir_fd);
/*
 * One command, one reply; @raw (may be NULL) gets the line as it came, to be freed.
 * NULL: no valid reply, complained. An {"error"} reply is returned like any other.
 */
json_t *conn_ask(struct conn *c, const char *command, char **raw);
void conn_close(struct conn *c);
/* True, and a message, if @reply is {"error": ...}. */
bool reply_is_error(const struct conn *c, json_t *reply);
/*
 * Connect, ask, print the raw reply if @raw, end. Returns the reply or NULL with
 * *@status set: to CLI_OK if all is said (raw), to CLI_FAIL on an error.
 */
json_t *ask_process(pid_t pid, const char *command, bool raw, int *status);
/* All of a subcommand whose arguments are [--json] PID. Its status. */
int ask_and_print(int argc, char **argv, const char *command,
		  void (*print)(json_t *reply));

/* --- sockets.c: where the sockets are --- */

/* Open the socket directory @path if it is a real one that belongs to @uid; -1. */
int socket_dir_open(const char *path, uid_t uid);
/*
 * Call @fn for every directory where sockets of @uid may be, until it returns false.
 * @pid, if not 0: also where this process' environment says.
 */
void socket_dirs_of(uid_t uid, pid_t pid, bool (*fn)(void *priv, int dir_fd), void *priv);
/*
 * Connect to @pid's socket in @dir_fd. The descriptor or -errno.
 */
int socket_connect(int dir_fd, pid_t pid);
/* @pid lives and its socket is in @dir_fd. */
bool socket_is_live(int dir_fd, pid_t pid);
/*
 * Call @fn for every socket of this user (of every user if @all) whose process lives,
 * and remove those whose process is gone.
 */
void sockets_each(bool all, void (*fn)(void *priv, pid_t pid, int dir_fd), void *priv);

/* --- json.c: reading replies; a missing member reads as 0, "" or false --- */

long json_num(json_t *obj, const char *key);
const char *json_str(json_t *obj, const char *key);
bool json_bool(json_t *obj, const char *key);

/* --- area.c: one area of `maps`, `vma` or `verify` --- */

/* The line of /proc/PID/maps, newline included. */
void area_print_kernel(json_t *area);

/* --- slab.c: what `slabinfo` and `slabtop` both print --- */

/* Memory, bytes per area, deferred objects and free blocks of a reply to "slabinfo". */
void slab_print_arena(json_t *reply);

/* --- elf.c --- */

/* Why a preloaded library would not be loaded into @path, or NULL. */
const char *elf_why_not(const char *path);

/* --- library.c --- */

/* Where libshadowmm.so is; false: @path holds the last place looked at. */
bool library_find(char *path, size_t size);

#endif
