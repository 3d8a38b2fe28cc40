// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	err = errno;
	close(fd);
	errno = err;
	if (n < 0)
		return false;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return true;
}

static bool proc_file(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return read_file(path, buf, size);
}

bool proc_getenv(pid_t pid, const char *name, char *value, size_t size)
{
	char path[64], *line = NULL;
	size_t room = 0, len = strlen(name);
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getdelim(&line, &room, '\0', file) > 0) {
		found = !strncmp(line, name, len) && line[len] == '=';
		if (found)
			snprintf(value, size, "%s", line + len + 1);
	}
	free(line);
	fclose(file);
	return found;
}

bool proc_read(pid_t pid, struct proc_info *info)
{
	char buf[4096], *p;
	unsigned long pages;
	unsigned int ruid, euid;
	int ppid;

	*info = (struct proc_info){ .comm = "?" };
	if (!proc_file(pid, "status", buf, sizeof(buf)))
		return false;
	p = strstr(buf, "\nState:");
	if (p)
		sscanf(p, "\nState: %c", &info->state);
	p = strstr(buf, "\nPPid:");
	if (p && sscanf(p, "\nPPid: %d", &ppid) == 1)
		info->ppid = ppid;
	p = strstr(buf, "\nUid:");
	if (p && sscanf(p, "\nUid: %u %u", &ruid, &euid) == 2)
		info->euid = euid;
	if (proc_file(pid, "statm", buf, sizeof(buf)) &&
	    sscanf(buf, "%*u %lu", &pages) == 1)
		info->rss = pages * (unsigned long)sysconf(_SC_PAGESIZE);
	proc_file(pid, "comm", info->comm, sizeof(info->comm));
	return true;
}

unsigned long proc_start_ns(pid_t pid)
{
	unsigned long ticks;
	char buf[1024], *p;

	if (!proc_file(pid, "stat", buf, sizeof(buf)) || !(p = strrchr(buf, ')')))
		return ~0UL;
	/* The 22nd field; the comm was the second. */
	if (sscanf(p,
		   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
		   "%*d %*d %*d %*d %lu",
		   &ticks) != 1)
		return ~0UL;
	return ticks * (1000000000UL / (unsigned long)sysconf(_SC_CLK_TCK));
}

bool proc_alive(pid_t pid)
{
	struct proc_info info;

	return proc_read(pid, &info) && info.state != 'Z' && info.state != 'X';
}

/* The comm and the state of one task, from its stat: "1 (a) b) S ..." */
static bool read_task(const char *path, char *comm, size_t size, char *state)
{
	char buf[512], *open, *close;

	if (!read_file(path, buf, sizeof(buf)))
		return false;
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || close < open || strlen(close) < 3)
		return false;
	*close = '\0';
	snprintf(comm, size, "%s", open + 1);
	*state = close[2];
	return true;
}

void proc_tasks(pid_t pid,
		void (*fn)(void *priv, pid_t tid, const char *comm, char state),
		void *priv)
{
	char path[64], comm[32], state;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL) {
		long tid = strtol(entry->d_name, NULL, 10);

		snprintf(path, sizeof(path), "/proc/%d/task/%ld/stat", pid, tid);
		if (tid > 0 && read_task(path, comm, sizeof(comm), &state))
			fn(priv, (pid_t)tid, comm, state);
	}
	closedir(dir);
}

bool proc_maps_file(pid_t pid, const char *suffix)
{
	char path[64], *line = NULL;
	size_t room = 0, len = strlen(suffix);
	bool found = false;
	ssize_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && (n = getline(&line, &room, file)) > 0) {
		n -= line[n - 1] == '\n';
		found = (size_t)n > len && !strncmp(line + n - len, suffix, len);
	}
	free(line);
	fclose(file);
	return found;
}
