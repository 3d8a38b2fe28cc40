// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the sockets are. A process puts its socket into $XDG_RUNTIME_DIR/shadowmm, or
 * /tmp/shadowmm-UID; its environment need not be ours, so every place is looked at.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define PATH_SIZE 4096

int socket_dir_open(const char *path, uid_t uid)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	/* In /tmp anybody may have made it. */
	if (fstat(fd, &st) == 0 && st.st_uid == uid)
		return fd;
	close(fd);
	return -1;
}

/* False: @fn wants no more. */
static bool visit(const char *path, uid_t uid, bool (*fn)(void *priv, int dir_fd),
		  void *priv)
{
	int fd = socket_dir_open(path, uid);
	bool more;

	if (fd < 0)
		return true;
	more = fn(priv, fd);
	close(fd);
	return more;
}

/* $XDG_RUNTIME_DIR/shadowmm of @runtime, which is not the usual place looked at anyway.
 */
static bool visit_runtime(const char *runtime, uid_t uid,
			  bool (*fn)(void *priv, int dir_fd), void *priv)
{
	char path[PATH_SIZE];

	if (!runtime || runtime[0] != '/' || !strncmp(runtime, "/run/user/", 10))
		return true;
	snprintf(path, sizeof(path), "%s/shadowmm", runtime);
	return visit(path, uid, fn, priv);
}

void socket_dirs_of(uid_t uid, pid_t pid, bool (*fn)(void *priv, int dir_fd), void *priv)
{
	char path[PATH_SIZE];

	if (pid && proc_getenv(pid, "XDG_RUNTIME_DIR", path, sizeof(path)) &&
	    !visit_runtime(path, uid, fn, priv))
		return;
	if (!visit_runtime(getenv("XDG_RUNTIME_DIR"), uid, fn, priv))
		return;
	snprintf(path, sizeof(path), "/run/user/%u/shadowmm", uid);
	if (!visit(path, uid, fn, priv))
		return;
	snprintf(path, sizeof(path), "/tmp/shadowmm-%u", uid);
	visit(path, uid, fn, priv);
}

int socket_connect(int dir_fd, pid_t pid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = CONN_TIMEOUT_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	/* Through /proc: no limit on the path's length, and no other directory. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%d.sock", dir_fd,
		 pid);
	/* A server that never accepts would let connect() wait for ever. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

bool socket_is_live(int dir_fd, pid_t pid)
{
	char name[32];

	snprintf(name, sizeof(name), "%d.sock", pid);
	return proc_alive(pid) && faccessat(dir_fd, name, F_OK, 0) == 0;
}

struct each {
	void (*fn)(void *priv, pid_t pid, int dir_fd);
	void *priv;
};

/* "123.sock" -> 123, anything else -> 0. */
static pid_t socket_name_pid(const char *name)
{
	char *end;
	long pid = name[0] >= '1' && name[0] <= '9' ? strtol(name, &end, 10) : 0;

	return pid > 0 && pid < 1L << 30 && !strcmp(end, ".sock") ? (pid_t)pid : 0;
}

/*
 * Nobody listens and the process is gone. The directory may be shared with another PID
 * namespace, whose live servers we can connect to but not find by number.
 */
static bool socket_is_stale(int dir_fd, pid_t pid)
{
	int fd;

	if (kill(pid, 0) == 0 || errno != ESRCH)
		return false;
	fd = socket_connect(dir_fd, pid);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

/* "cache-...PID" (lib/fault/mapping.c) of a process that has gone. One in another PID
 * namespace that loses its link goes on without being found. */
static bool link_is_stale(const char *name)
{
	const char *dot = strrchr(name, '.');
	long pid;

	if (strncmp(name, "cache-", 6) != 0 || !dot)
		return false;
	pid = strtol(dot + 1, NULL, 10);
	return pid > 0 && pid < 1L << 30 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool each_in_dir(void *priv, int dir_fd)
{
	struct each *each = priv;
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	while ((entry = readdir(dir)) != NULL) {
		pid_t pid = socket_name_pid(entry->d_name);

		if ((pid && socket_is_stale(dir_fd, pid)) || link_is_stale(entry->d_name))
			unlinkat(dir_fd, entry->d_name, 0);
		else if (pid)
			each->fn(each->priv, pid, dir_fd);
	}
	closedir(dir);
	return true;
}

/* Every directory PARENT/PREFIX<uid>SUFFIX, as its owner's. */
static void each_of_all(const char *parent, const char *prefix, const char *suffix,
			struct each *each)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;
	char path[PATH_SIZE];

	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL) {
		const char *digits = entry->d_name + strlen(prefix);
		char *end;
		unsigned long uid;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		uid = strtoul(digits, &end, 10);
		if (*digits < '0' || *digits > '9' || *end)
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", parent, entry->d_name, suffix);
		visit(path, (uid_t)uid, each_in_dir, each);
	}
	closedir(dir);
}

void sockets_each(bool all, void (*fn)(void *priv, pid_t pid, int dir_fd), void *priv)
{
	struct each each = { fn, priv };

	if (!all) {
		socket_dirs_of(geteuid(), 0, each_in_dir, &each);
		return;
	}
	visit_runtime(getenv("XDG_RUNTIME_DIR"), geteuid(), each_in_dir, &each);
	each_of_all("/run/user", "", "/shadowmm", &each);
	each_of_all("/tmp", "shadowmm-", "", &each);
}
