// SPDX-License-Identifier: LGPL-2.1-or-later
/* What else of the kernel and of this process matters to the library. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "pages.h"
#include "uapi.h"

#define CAP_SYS_PTRACE 19 /* linux/capability.h */

/* A hexadecimal or decimal field of /proc/self/status; 0 if it is missing. */
static unsigned long status_field(const char *key, int base)
{
	char text[8192], *p;

	if (!read_file("/proc/self/status", text, sizeof(text)))
		return 0;
	p = strstr(text, key);
	return p ? strtoul(p + strlen(key), NULL, base) : 0;
}

static void check_ptrace(struct check *c)
{
	if (status_field("\nCapEff:", 16) >> CAP_SYS_PTRACE & 1)
		check_add(c, "CAP_SYS_PTRACE", CHECK_OK, NULL, "held");
	else
		check_add(
			c, "CAP_SYS_PTRACE", CHECK_LIMITED,
			"run as root, or setcap cap_sys_ptrace+ep on the program",
			"not held: no fork events, no userfaultfd() without the sysctl");
}

static void check_seccomp(struct check *c)
{
	static const char *const mode[] = { "off", "strict", "filter" };
	unsigned long n = status_field("\nSeccomp:", 10);

	if (n == 0)
		check_add(c, "seccomp", CHECK_OK, NULL, "off");
	else
		check_add(
			c, "seccomp", CHECK_LIMITED,
			"allow userfaultfd, prctl, clone and memfd_create in the profile",
			"%s: calls that the library needs may be refused",
			n < 3 ? mode[n] : "unknown");
}

static void check_mdwe(struct check *c)
{
	int bits = prctl(PR_GET_MDWE, 0L, 0L, 0L, 0L);

	if (bits > 0 && (bits & PR_MDWE_REFUSE_EXEC_GAIN))
		check_add(c, "memory-deny-write-execute", CHECK_LIMITED,
			  "clear MemoryDenyWriteExecute= of the service",
			  "on: code is patched through /proc/self/mem");
	else
		check_add(c, "memory-deny-write-execute", CHECK_OK, NULL, "off");
}

static void check_dispatch(struct check *c)
{
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L) == 0)
		check_add(c, "syscall user dispatch", CHECK_OK, NULL,
			  "here: --intercept=all works");
	else
		check_add(c, "syscall user dispatch", CHECK_LIMITED,
			  "run Linux 5.11 or later", "%s: --intercept=all does not work",
			  strerror(errno));
}

static void check_pagemap_scan(struct check *c)
{
	struct page_region run;
	struct page_scan scan = { .start = (uintptr_t)&run & -PAGE_SIZE,
				  .end = ((uintptr_t)&run & -PAGE_SIZE) + PAGE_SIZE };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0) {
		check_add(c, "pagemap", CHECK_LIMITED, "mount /proc",
			  "%s: no resident pages in maps", strerror(errno));
		return;
	}
	ret = pages_scan(fd, &scan, &run, 1);
	close(fd);
	if (ret >= 0)
		check_add(c, "PAGEMAP_SCAN", CHECK_OK, NULL, "here");
	else
		check_add(c, "PAGEMAP_SCAN", CHECK_LIMITED, "run Linux 6.7 or later",
			  "%s: resident pages of very large areas are not counted",
			  strerror(-ret));
}

static void check_procmap_query(struct check *c)
{
	struct procmap_query q = { .size = sizeof(q), .query_addr = (unsigned long)&q };
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), ret, err;

	if (fd < 0) {
		check_add(c, "/proc/self/maps", CHECK_NO, "mount /proc",
			  "%s: the library cannot start", strerror(errno));
		return;
	}
	ret = ioctl(fd, PROCMAP_QUERY, &q);
	err = errno;
	close(fd);
	if (ret == 0)
		check_add(c, "PROCMAP_QUERY", CHECK_OK, NULL, "here");
	else
		check_add(c, "PROCMAP_QUERY", CHECK_LIMITED, "run Linux 6.11 or later",
			  "%s: the list of areas is read as text", strerror(err));
}

static void check_thp(struct check *c)
{
	char text[128], *mode;

	if (!read_file("/sys/kernel/mm/transparent_hugepage/enabled", text,
		       sizeof(text))) {
		check_add(c, "transparent huge pages", CHECK_OK, NULL,
			  "not in this kernel");
		return;
	}
	mode = strchr(text, '[');
	if (mode)
		mode[strcspn(mode, "]")] = '\0';
	check_add(c, "transparent huge pages", CHECK_OK, NULL, "%s",
		  mode ? mode + 1 : text);
}

void check_kernel(struct check *c)
{
	check_ptrace(c);
	check_seccomp(c);
	check_mdwe(c);
	check_dispatch(c);
	check_pagemap_scan(c);
	check_procmap_query(c);
	check_thp(c);
}
