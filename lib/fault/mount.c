// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A tmpfs of our own, with huge=advise, that nobody has mounted anywhere. Who may not
 * mount may do so in a user namespace of his own, where the kernel and the administrator
 * allow it (user_namespaces(7)); the mount outlives the task that was in it.
 *
 *	this process	    a task that is in namespaces of its own, and soon gone
 *	new_mount() EPERM
 *	clone(NEWUSER|NEWNS) --> setgroups, uid_map, gid_map: our ids, as ours
 *	    waits		 new_mount()	descriptors are shared
 *	descriptor	   <---- exit
 *
 * The ids must be mapped, since no file can be made there in the name of others. Never
 * by unshare(2): that is for who has his memory for himself, and makes it undumpable.
 */
#include <linux/sched.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/fill.h"
#include "lib/sys/clone.h"
#include "lib/sys/sys.h"

/* linux/mount.h, which does not go with linux/fcntl.h everywhere */
#define FSOPEN_CLOEXEC	    1
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define FSMOUNT_CLOEXEC	    1
#define MOUNT_ATTR_NOSUID   2

/* Of that task: calls, and a line of text. */
#define TASK_STACK 4096

struct mounting {
	u32 uid, gid; /* as those outside see them */
	long result;
};

static long new_mount(void)
{
	long fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC), ret;

	if (fs < 0)
		return fs;
	ret = sys_fsconfig(fs, FSCONFIG_SET_STRING, "huge", "advise");
	/* As a memfd: no bound but the memory there is. */
	if (!ret)
		ret = sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", "0");
	if (!ret)
		ret = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (!ret)
		ret = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	sys_close(fs);
	return ret;
}

static long put(const char *path, const char *text)
{
	long fd = sys_open(path, O_WRONLY | O_CLOEXEC, 0), ret;

	if (fd < 0)
		return fd;
	ret = sys_write(fd, text, strlen(text));
	sys_close(fd);
	return ret < 0 ? ret : 0;
}

/* "ID ID 1" */
static long map_id(const char *path, u32 id)
{
	char text[40];
	struct fmt f;

	fmt_init(&f, text, sizeof(text));
	fmt_printf(&f, "%lu %lu 1", (unsigned long)id, (unsigned long)id);
	return put(path, text);
}

static void mount_task(void *arg)
{
	struct mounting *m = arg;

	/* Without this nobody without rights may map a group. */
	m->result = put("/proc/self/setgroups", "deny");
	if (!m->result)
		m->result = map_id("/proc/self/uid_map", m->uid);
	if (!m->result)
		m->result = map_id("/proc/self/gid_map", m->gid);
	if (!m->result)
		m->result = new_mount();
}

static long mount_in_namespaces(void)
{
	char stack[TASK_STACK] __attribute__((aligned(16)));
	struct mounting m = { (u32)sys_geteuid(), (u32)sys_getegid(), -EINTR };
	long ret = sys_run_task(CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS,
				stack + sizeof(stack), mount_task, &m);

	return ret ? ret : m.result;
}

/* Behind a filter a call that is not foreseen may be deadly. */
static bool is_filtered(void)
{
	return sys_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

long frames_mount(void)
{
	long fd = is_filtered() ? -EACCES : new_mount();

	return fd == -EPERM ? mount_in_namespaces() : fd;
}
