// SPDX-License-Identifier: LGPL-2.1-or-later
/* A conversation with one process (doc/control-protocol.md). Nothing waits for ever. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"

#define REPLY_MAX (1UL << 30) /* bytes; a million areas with long names stay below */

static void complain(const struct conn *c, const char *what)
{
	if (c->dir_fd >= 0 && !socket_is_live(c->dir_fd, c->pid))
		return;
	cli_warn("process %d: control socket: %s: see whether the process is stopped, "
		 "then try again",
		 c->pid, what);
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, CONN_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static bool grow(struct conn *c)
{
	size_t size = c->size ? 2 * c->size : 65536;
	char *buf;

	if (c->size - c->len > 1)
		return true;
	buf = size <= REPLY_MAX ? realloc(c->buf, size) : NULL;
	if (!buf)
		return false;
	c->buf = buf;
	c->size = size;
	return true;
}

/* What went wrong while reading one more piece, or NULL. */
static const char *read_more(struct conn *c)
{
	ssize_t n;

	if (!grow(c))
		return "the reply is too long";
	if (!wait_for(c->fd, POLLIN))
		return "no answer within 5 seconds";
	n = recv(c->fd, c->buf + c->len, c->size - c->len - 1, 0);
	if (n < 0)
		return strerror(errno);
	if (n == 0)
		return "closed before it answered";
	c->len += (size_t)n;
	return NULL;
}

/* The next line, to be freed; NULL: complained. */
static char *read_line(struct conn *c)
{
	size_t seen = 0, rest;
	char *newline, *line;

	while (!(newline = c->len > seen ? memchr(c->buf + seen, '\n', c->len - seen)
					 : NULL)) {
		const char *trouble;

		seen = c->len;
		trouble = read_more(c);
		if (trouble) {
			complain(c, trouble);
			return NULL;
		}
	}
	*newline = '\0';
	line = c->buf;
	rest = c->len - (size_t)(newline + 1 - c->buf);
	c->buf = malloc(rest + 65536);
	if (!c->buf) {
		free(line);
		complain(c, "out of memory");
		return NULL;
	}
	memcpy(c->buf, newline + 1, rest);
	c->len = rest;
	c->size = rest + 65536;
	return line;
}

static json_t *read_reply(struct conn *c, char **raw)
{
	char *line = read_line(c);
	json_t *reply = line ? json_loads(line, 0, NULL) : NULL;

	if (line && !json_is_object(reply)) {
		complain(c, "the answer is no JSON object");
		json_decref(reply);
		reply = NULL;
	}
	if (raw)
		*raw = reply ? line : NULL;
	if (!raw || !reply)
		free(line);
	return reply;
}

static bool greeting_ok(struct conn *c)
{
	json_t *hello = read_reply(c, NULL);
	bool ok = hello != NULL;

	if (ok && reply_is_error(c, hello)) {
		ok = false;
	} else if (ok && json_num(hello, "protocol") != SMM_CTL_PROTOCOL) {
		complain(c, "speaks another protocol version: use the shadowmm of its "
			    "library");
		ok = false;
	}
	json_decref(hello);
	return ok;
}

/* Who bound the name need not be the owner of the directory if that was once open. */
static bool peer_is(int fd, uid_t uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == uid || cred.uid == 0);
}

static bool conn_start(struct conn *c, pid_t pid, int fd, int dir_fd)
{
	*c = (struct conn){ .pid = pid, .fd = fd, .dir_fd = dir_fd };
	if (greeting_ok(c))
		return true;
	conn_close(c);
	return false;
}

bool conn_open_at(struct conn *c, pid_t pid, int dir_fd)
{
	int fd = socket_connect(dir_fd, pid);

	if (fd >= 0)
		return conn_start(c, pid, fd, dir_fd);
	if (socket_is_live(dir_fd, pid))
		cli_warn("process %d: control socket: cannot connect: %s", pid,
			 strerror(-fd));
	return false;
}

struct search {
	pid_t pid;
	uid_t uid;
	int fd; /* connected, or -errno of the best try */
};

static bool search_dir(void *priv, int dir_fd)
{
	struct search *s = priv;
	int fd = socket_connect(dir_fd, s->pid);

	if (fd >= 0 && !peer_is(fd, s->uid)) {
		close(fd);
		fd = -EPERM;
	}
	if (fd != -ENOENT)
		s->fd = fd;
	return fd < 0;
}

static void complain_no_socket(pid_t pid, const struct proc_info *info, int err)
{
	if (err == -ENOENT && proc_maps_file(pid, "/libshadowmm.so"))
		cli_warn("process %d (%s): not running under shadowmm at present: it is "
			 "asleep, having too "
			 "little memory to gain from us, or runs alone again: 'shadowmm "
			 "run "
			 "--start=now' manages a process from its start",
			 pid, info->comm);
	else if (err == -ENOENT || err == -ECONNREFUSED)
		cli_warn("process %d (%s): not running under shadowmm, or of another "
			 "user: "
			 "start it with 'shadowmm run', see 'shadowmm ps'",
			 pid, info->comm);
	else
		cli_warn("process %d (%s): control socket: cannot connect: %s", pid,
			 info->comm, strerror(-err));
}

bool conn_open(struct conn *c, pid_t pid)
{
	struct search s = { .pid = pid, .fd = -ENOENT };
	struct proc_info info;

	if (!proc_read(pid, &info)) {
		cli_warn("process %d: there is none: see 'shadowmm ps'", pid);
		return false;
	}
	s.uid = info.euid;
	socket_dirs_of(info.euid, pid, search_dir, &s);
	if (s.fd >= 0)
		return conn_start(c, pid, s.fd, -1);
	complain_no_socket(pid, &info, s.fd);
	return false;
}

static bool send_line(struct conn *c, const char *command)
{
	char line[SMM_CTL_LINE_MAX];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	if (len >= (int)sizeof(line) || !wait_for(c->fd, POLLOUT) ||
	    send(c->fd, line, (size_t)len, MSG_NOSIGNAL) != len) {
		complain(c, "does not take a command");
		return false;
	}
	return true;
}

json_t *conn_ask(struct conn *c, const char *command, char **raw)
{
	if (!send_line(c, command))
		return NULL;
	return read_reply(c, raw);
}

void conn_close(struct conn *c)
{
	close(c->fd);
	free(c->buf);
	c->buf = NULL;
	c->fd = -1;
}

bool reply_is_error(const struct conn *c, json_t *reply)
{
	json_t *error = json_object_get(reply, "error");

	if (!error)
		return false;
	cli_warn("process %d: %s", c->pid, json_str(reply, "error"));
	return true;
}

json_t *ask_process(pid_t pid, const char *command, bool raw, int *status)
{
	struct conn c;
	char *line = NULL;
	json_t *reply;

	*status = CLI_FAIL;
	if (!conn_open(&c, pid))
		return NULL;
	reply = conn_ask(&c, command, &line);
	if (reply && raw)
		puts(line);
	if (reply && reply_is_error(&c, reply)) {
		json_decref(reply);
		reply = NULL;
	}
	free(line);
	conn_close(&c);
	if (reply)
		*status = CLI_OK;
	return reply;
}

int ask_and_print(int argc, char **argv, const char *command,
		  void (*print)(json_t *reply))
{
	int json = 0, status;
	const struct option options[] = {
		{ "json", no_argument, &json, 1 },
		{ NULL, 0, NULL, 0 },
	};
	json_t *reply;
	pid_t pid;

	if (cli_flags(argc, argv, options, 1, 1) || !cli_parse_pid(argv[optind], &pid))
		return CLI_USAGE;
	reply = ask_process(pid, command, json, &status);
	if (reply && !json)
		print(reply);
	json_decref(reply);
	return status;
}
