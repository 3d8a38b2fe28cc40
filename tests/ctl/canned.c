// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "canned.h"

void canned_init(struct canned *c)
{
	char cwd[4096];

	*c = (struct canned){ .greeting = GREETING };
	/* Run by hand from the build tree; tests change directory. */
	if (!getenv("top_builddir") && getcwd(cwd, sizeof(cwd)))
		setenv("top_builddir", cwd, 1);
	strcpy(c->base, "/tmp/shadowmm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(c->base));
	snprintf(c->dir, sizeof(c->dir), "%s/shadowmm", c->base);
	cr_assert_eq(mkdir(c->dir, 0700), 0);
	cr_assert_eq(setenv("XDG_RUNTIME_DIR", c->base, 1), 0);
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* One client after the other: the tool has one connection at a time. */
static void canned_serve(const struct canned *c, int listen_fd)
{
	char line[4096], greeting[4096];
	int fd;

	snprintf(greeting, sizeof(greeting), c->greeting ? c->greeting : "", getpid());
	while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
		say(fd, greeting);
		while (recv(fd, line, sizeof(line), 0) > 0)
			say(fd, c->reply ? c->reply : "");
		close(fd);
	}
	_exit(1);
}

static void canned_child(const struct canned *c, int ready)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d.sock", c->dir, getpid());
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 4) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	canned_serve(c, fd);
}

void canned_start(struct canned *c)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	c->pid = fork();
	cr_assert_geq(c->pid, 0);
	if (c->pid == 0)
		canned_child(c, ready[1]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the canned server did not start");
	close(ready[0]);
	snprintf(c->sock, sizeof(c->sock), "%s/%d.sock", c->dir, c->pid);
}

void canned_fini(struct canned *c)
{
	if (c->pid) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		unlink(c->sock);
	}
	free(c->reply_free);
	cr_expect_eq(rmdir(c->dir), 0, "%s is not empty", c->dir);
	cr_expect_eq(rmdir(c->base), 0, "%s is not empty", c->base);
}

static char *fd_text(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1);

	cr_assert_eq(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

static const char *tool_path(char *buf, size_t size)
{
	const char *builddir = getenv("top_builddir");

	snprintf(buf, size, "%s/shadowmm", builddir ? builddir : ".");
	return buf;
}

struct result tool(const char *arg, ...)
{
	const char *argv[32] = { "shadowmm", arg };
	int out = memfd_create("out", MFD_CLOEXEC),
	    err = memfd_create("err", MFD_CLOEXEC);
	int status, n = 1;
	char path[4096];
	va_list ap;
	pid_t pid;

	va_start(ap, arg);
	while (argv[n])
		argv[++n] = va_arg(ap, const char *);
	va_end(ap);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		dup2(out, 1);
		dup2(err, 2);
		execv(tool_path(path, sizeof(path)), (char **)argv);
		_exit(99);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return (struct result){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		.out = fd_text(out),
		.err = fd_text(err),
	};
}

void result_free(struct result *r)
{
	free(r->out);
	free(r->err);
}

char *source_text(const char *path)
{
	const char *srcdir = getenv("top_srcdir");
	char full[4096];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", srcdir ? srcdir : ".", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", full, strerror(errno));
	return fd_text(fd);
}
