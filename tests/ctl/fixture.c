// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fixture.h"

void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .life = { -1, -1 } };
	strcpy(f->base, "/tmp/shadowmm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(f->base));
	snprintf(f->dir, sizeof(f->dir), "%s/shadowmm", f->base);
	snprintf(f->sock, sizeof(f->sock), "%s/%d.sock", f->dir, getpid());
	mutex_init(&f->lock, LOCK_MMAP);
	fake_reset();
	f->env = (struct ctl_env){
		.mm = &fake_mm,
		.mmap_lock = &f->lock,
		.reserve = fake_reserve,
		.stat = &f->stat,
		.dir = f->dir,
		.pid = getpid(),
		.comm = "a \"test\"",
		.mode = "own",
		.engine_pid = 11,
		.fault_pid = 12,
		.start_time = 1700000000,
	};
}

static struct ctl server_ctl;

static void serve(const struct fixture *f)
{
	struct pollfd fds[CTL_POLLFDS + 1];

	for (;;) {
		int n = ctl_fill_pollfds(&server_ctl, fds, CTL_POLLFDS);

		fds[n] = (struct pollfd){ .fd = f->life[0], .events = POLLIN };
		if (poll(fds, (nfds_t)n + 1, -1) < 0)
			_exit(3);
		if (fds[n].revents)
			break;
		ctl_handle(&server_ctl, fds, n);
	}
	ctl_close(&server_ctl);
	_exit(0);
}

void fixture_serve(struct fixture *f, uid_t uid)
{
	int ready[2];
	char ok = 0;

	cr_assert_eq(pipe(f->life), 0);
	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(chown(f->base, uid, (gid_t)-1), 0);
	f->server = fork();
	cr_assert_geq(f->server, 0);
	if (f->server == 0) {
		close(f->life[1]);
		close(ready[0]);
		if (uid != getuid() && setuid(uid) < 0)
			_exit(4);
		ok = ctl_open(&server_ctl, &f->env) == 0;
		if (write(ready[1], &ok, 1) != 1 || !ok)
			_exit(2);
		serve(f);
	}
	close(f->life[0]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &ok, 1), 1);
	close(ready[0]);
	cr_assert(ok, "ctl_open failed");
}

void fixture_stop(struct fixture *f)
{
	int status;

	if (!f->server)
		return;
	close(f->life[1]);
	cr_assert_eq(waitpid(f->server, &status, 0), f->server);
	f->server = 0;
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "server ended with %#x",
		  status);
}

void fixture_fini(struct fixture *f)
{
	fixture_stop(f);
	unlink(f->sock);
	if (rmdir(f->dir) < 0)
		unlink(f->dir);
	cr_expect_eq(rmdir(f->base), 0, "%s is not empty", f->base);
}

int client_connect(const struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	strcpy(addr.sun_path, f->sock);
	cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0,
		     "connect: %s", strerror(errno));
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

void client_send(int fd, const char *bytes, size_t len)
{
	cr_assert_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len, "send: %s",
		     strerror(errno));
}

char *client_line(int fd)
{
	size_t len = 0, size = 0;
	char *line = NULL;

	for (;;) {
		ssize_t n;

		if (len + 1 >= size)
			line = realloc(line, size = size ? 2 * size : 4096);
		/* Peek, so as not to take more than the line. */
		n = recv(fd, line + len, size - len - 1, MSG_PEEK);
		cr_assert(n >= 0 || errno == ECONNRESET, "recv: %s", strerror(errno));
		if (n <= 0)
			break;
		char *newline = memchr(line + len, '\n', (size_t)n);

		if (newline)
			n = newline + 1 - (line + len);
		cr_assert_eq(recv(fd, line + len, (size_t)n, 0), n);
		len += (size_t)n;
		if (newline) {
			line[len - 1] = '\0';
			return line;
		}
	}
	cr_assert_eq(len, 0, "stream ends within a line");
	free(line);
	return NULL;
}

json_t *client_json(int fd)
{
	char *line = client_line(fd);
	json_error_t err;
	json_t *json;

	cr_assert_not_null(line, "no reply");
	json = json_loads(line, 0, &err);
	cr_assert_not_null(json, "%s in: %.200s", err.text, line);
	free(line);
	return json;
}

json_t *ask(int fd, const char *command)
{
	client_send(fd, command, strlen(command));
	client_send(fd, "\n", 1);
	return client_json(fd);
}

int greeted(const struct fixture *f)
{
	int fd = client_connect(f);

	json_decref(client_json(fd));
	return fd;
}

void expect_error(int fd, const char *command, const char *part)
{
	json_t *reply = ask(fd, command);

	cr_expect_not_null(strstr(text(reply, "error"), part), "%s: %s", command,
			   text(reply, "error"));
	json_decref(reply);
}

const char *text(json_t *json, const char *key)
{
	const char *s = json_string_value(json_object_get(json, key));

	cr_assert_not_null(s, "no string \"%s\"", key);
	return s;
}

long number(json_t *json, const char *key)
{
	json_t *n = json_object_get(json, key);

	cr_assert(json_is_integer(n), "no number \"%s\"", key);
	return (long)json_integer_value(n);
}
