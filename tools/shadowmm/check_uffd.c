// SPDX-License-Identifier: LGPL-2.1-or-later
/* userfaultfd(2): the three ways to get one, and what it can do. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "uapi.h"

#define REMEDY_DEVICE                                                      \
	"setfacl -m u:USER:rw /dev/userfaultfd, or for good a udev rule: " \
	"KERNEL==\"userfaultfd\", GROUP=\"uffd\", MODE=\"0660\""
#define REMEDY_SYSCALL                                                              \
	"sysctl vm.unprivileged_userfaultfd=1, or setcap cap_sys_ptrace+ep on the " \
	"program; in a container allow userfaultfd in the seccomp profile"

static int uffd_by_device(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd, err;

	if (dev < 0)
		return -errno;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	err = errno;
	close(dev);
	return fd < 0 ? -err : fd;
}

static int uffd_by_syscall(int flags)
{
	long fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | flags);

	return fd < 0 ? -errno : (int)fd;
}

int check_uffd_open(void)
{
	int fd = uffd_by_device();

	return fd >= 0 ? fd : uffd_by_syscall(0);
}

/* The features granted when asking for @features; -errno. Closes @fd. */
static long uffd_features(int fd, unsigned long features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	long ret = ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : (long)api.features;

	close(fd);
	return ret;
}

static void check_device(struct check *c, int fd)
{
	if (fd >= 0)
		check_add(c, "/dev/userfaultfd", CHECK_OK, NULL, "may be opened");
	else if (fd == -ENOENT)
		check_add(c, "/dev/userfaultfd", CHECK_NO,
			  "run Linux 6.1 or later with CONFIG_USERFAULTFD, or allow the "
			  "call",
			  "not there");
	else
		check_add(c, "/dev/userfaultfd", CHECK_NO, REMEDY_DEVICE, "%s",
			  strerror(-fd));
}

static void check_call(struct check *c, int fd)
{
	if (fd >= 0)
		check_add(c, "userfaultfd()", CHECK_OK, NULL, "allowed");
	else if (fd == -ENOSYS)
		check_add(
			c, "userfaultfd()", CHECK_NO,
			"run a kernel with CONFIG_USERFAULTFD, or allow the call in the "
			"container's seccomp profile",
			"the kernel does not have it");
	else
		check_add(c, "userfaultfd()", CHECK_NO, REMEDY_SYSCALL, "%s",
			  strerror(-fd));
}

static void check_user_mode(struct check *c, int fd)
{
	if (fd >= 0)
		close(fd);
	if (fd < 0)
		check_add(c, "userfaultfd user-mode-only", CHECK_NO, REMEDY_SYSCALL, "%s",
			  strerror(-fd));
	else if (c->paging)
		check_add(c, "userfaultfd user-mode-only", CHECK_OK, NULL,
			  "allowed, not needed");
	else
		check_add(c, "userfaultfd user-mode-only", CHECK_LIMITED, REMEDY_DEVICE,
			  "allowed, but read(2) into untouched memory would fail: not "
			  "used");
}

static void check_sysctl(struct check *c)
{
	char text[32];

	if (!read_file("/proc/sys/vm/unprivileged_userfaultfd", text, sizeof(text)))
		return;
	if (text[0] == '1')
		check_add(c, "unprivileged_userfaultfd", CHECK_OK, NULL,
			  "1: everybody may");
	else
		check_add(c, "unprivileged_userfaultfd",
			  c->paging ? CHECK_OK : CHECK_LIMITED,
			  c->paging ? NULL : "sysctl vm.unprivileged_userfaultfd=1",
			  "0: only with CAP_SYS_PTRACE or through /dev/userfaultfd");
}

static void check_features(struct check *c, long features)
{
	if (features < 0) {
		check_add(c, "UFFDIO_API", CHECK_NO, "run a kernel of 4.11 or later",
			  "%s", strerror((int)-features));
		c->paging = false;
		return;
	}
#define CHECK_FEATURE(bit, feature, kernel)                                    \
	if (features & 1L << (bit))                                            \
		check_add(c, "UFFD_FEATURE_" feature, CHECK_OK, NULL, "here"); \
	else                                                                   \
		check_add(c, "UFFD_FEATURE_" feature, CHECK_NO,                \
			  "run Linux " kernel " or later", "not in this kernel");
	SMM_UFFD_FEATURES(CHECK_FEATURE)
#undef CHECK_FEATURE
}

/* The kernel lists EVENT_FORK for everybody, but grants it to few. */
static void check_event_fork(struct check *c, int fd)
{
	long ret = uffd_features(fd, UFFD_FEATURE_EVENT_FORK);

	if (ret >= 0)
		check_add(c, "fork events", CHECK_OK, NULL, "granted");
	else
		check_add(c, "fork events", CHECK_LIMITED,
			  "setcap cap_sys_ptrace+ep on the program, or run as root",
			  "%s: children of fork take their memory over in another way",
			  strerror((int)-ret));
}

void check_userfaultfd(struct check *c)
{
	int dev = uffd_by_device(), call = uffd_by_syscall(0);
	int any = dev >= 0 ? dev : call;

	c->paging = any >= 0;
	check_device(c, dev);
	check_call(c, call);
	if (dev >= 0 && call >= 0)
		close(call);
	check_user_mode(c, uffd_by_syscall(UFFD_USER_MODE_ONLY));
	check_sysctl(c);
	if (any < 0)
		return;
	check_features(c, uffd_features(any, 0));
	any = check_uffd_open();
	if (any >= 0)
		check_event_fork(c, any);
	any = check_uffd_open();
	if (any >= 0)
		check_pool(c, any);
}
