// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the pages of files can be: tried out as lib/fault/mount.c does it, in a child,
 * since namespaces stay with who has made them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char name[] = "files in huge pages";

/* What the child ends with, beside errno. */
enum {
	BY_MOUNT = 200,
	BY_NAMESPACE,
	FILTERED,
};

static int try_mount(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "huge", "advise", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID) < 0)
		return errno;
	return 0;
}

static int map_id(const char *path, unsigned int id)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && dprintf(fd, "%u %u 1", id, id) > 0 ? 0 : errno;
}

static int try_namespace(void)
{
	const unsigned int uid = geteuid(), gid = getegid();
	int fd, err;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "deny", 4) < 0)
		return errno;
	err = map_id("/proc/self/uid_map", uid);
	if (!err)
		err = map_id("/proc/self/gid_map", gid);
	return err ? err : try_mount();
}

static int try_all(void)
{
	int err;

	/* The library does not try behind a filter, which may kill for it. */
	if (prctl(PR_GET_SECCOMP) > 0)
		return FILTERED;
	err = try_mount();
	if (!err)
		return BY_MOUNT;
	if (err != EPERM)
		return err;
	err = try_namespace();
	return err ? err : BY_NAMESPACE;
}

static void report(struct check *c, int result)
{
	const char *why = strerror(result), *remedy;

	if (result == BY_MOUNT || result == BY_NAMESPACE) {
		check_add(c, name, CHECK_OK, NULL, "on a tmpfs of the library's own%s",
			  result == BY_MOUNT ? "" : ", by a user namespace");
		return;
	}
	if (result == FILTERED) {
		why = "a seccomp filter";
		remedy = "run without it";
	} else if (result == EPERM || result == ENOSPC || result == EACCES) {
		remedy = "allow user namespaces (user.max_user_namespaces, AppArmor)";
	} else {
		remedy = "run Linux 5.2 or later, with transparent huge pages";
	}
	check_add(c, name, CHECK_LIMITED, remedy,
		  "%s: in small pages, slower to fill and to map", why);
}

void check_frames(struct check *c)
{
	pid_t pid = fork();
	int status = 0, result = 0;

	if (!pid)
		_exit(try_all());
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		result = errno;
	else
		result = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	report(c, result);
}
