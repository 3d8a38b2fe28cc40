// SPDX-License-Identifier: LGPL-2.1-or-later
/* Copy-on-write by our own hand (--cow=own), and who writes (--cow-stacks): tried out on
 * a page of our own. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "uapi.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif

#define PAGE	   4096UL
#define PM_UFFD_WP (1ULL << 57) /* of /proc/PID/pagemap */

struct verdict {
	const char *why; /* NULL: it is possible */
	const char *remedy;
};

static const struct verdict possible;

/* @fd is open, and @page its own. */
static struct verdict try_protection(int fd, void *page)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = { .range = { (uintptr_t)page, PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING |
					       UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range,
					  .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	if (ioctl(fd, UFFDIO_API, &api) < 0)
		return (struct verdict){ "no write-protection by userfaultfd",
					 "run Linux 5.7 or later" };
	memset(page, 1, 1);
	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ||
	    ioctl(fd, UFFDIO_WRITEPROTECT, &wp) < 0)
		return (struct verdict){ "userfaultfd protects no anonymous memory",
					 "run a kernel with "
					 "CONFIG_HAVE_ARCH_USERFAULTFD_WP" };
	return possible;
}

/* That the library can see of a page whether it is protected. */
static struct verdict try_pagemap(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;
	ssize_t n = -1;

	if (fd >= 0) {
		n = pread(fd, &word, sizeof(word),
			  (off_t)((uintptr_t)page / PAGE * sizeof(word)));
		close(fd);
	}
	if (n != sizeof(word))
		return (struct verdict){ "/proc/self/pagemap cannot be read",
					 "mount /proc" };
	if (!(word & PM_UFFD_WP))
		return (struct verdict){ "/proc/self/pagemap does not show what is "
					 "protected",
					 "run Linux 5.13 or later" };
	return possible;
}

static struct verdict try_page(int fd, char *page)
{
	struct verdict v = try_protection(fd, page);

	if (!v.why)
		v = try_pagemap(page);
	/* The other page: nobody would answer for this one. */
	if (!v.why && madvise(page + PAGE, PAGE, MADV_POPULATE_WRITE) < 0)
		v = (struct verdict){ "no MADV_POPULATE_WRITE",
				      "run Linux 5.14 or later" };
	return v;
}

static struct verdict try_cow(const struct check *c)
{
	struct verdict v = { "no userfaultfd",
			     "one of the remedies for userfaultfd above" };
	char *page;
	int fd;

	fd = c->paging ? check_uffd_open() : -1;
	if (fd < 0)
		return v;
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED) {
		v = (struct verdict){ strerror(errno), "raise the limits below" };
	} else {
		v = try_page(fd, page);
		munmap(page, 2 * PAGE);
	}
	close(fd);
	return v;
}

/* A child asks for its parent's, as the engine does for the program's. 0 or errno. */
static int ask_for_parent(void)
{
	char path[64], text[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)getppid(),
		 (int)getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) < 0)
		return errno;
	return 0;
}

static int stacks_error(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(ask_for_parent() & 0xff);
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void check_stacks(struct check *c, bool cow)
{
	char yama[16] = "";
	int err = stacks_error();

	if (read_file("/proc/sys/kernel/yama/ptrace_scope", yama, sizeof(yama)))
		yama[strcspn(yama, "\n")] = '\0';
	if (!cow)
		check_add(c, "cow --stacks", CHECK_NO, "as for own copy-on-write",
			  "the library sees no first writes");
	else if (!err)
		check_add(c, "cow --stacks", CHECK_OK, NULL, "possible%s%s",
			  *yama ? ", kernel.yama.ptrace_scope is " : "", yama);
	else if (err == ENOENT)
		check_add(c, "cow --stacks", CHECK_NO,
			  "run a kernel with CONFIG_HAVE_ARCH_TRACEHOOK, mount /proc",
			  "no /proc/PID/syscall: all samples are lost");
	else
		check_add(c, "cow --stacks", CHECK_LIMITED,
			  *yama && *yama != '0'
				  ? "sysctl kernel.yama.ptrace_scope=0, or "
				    "setcap cap_sys_ptrace+ep on the program"
				  : "setcap cap_sys_ptrace+ep on the program",
			  "%s%s%s: first writes are counted, but all samples are lost",
			  strerror(err), *yama ? ", kernel.yama.ptrace_scope is " : "",
			  yama);
}

void check_cow(struct check *c)
{
	struct verdict v = try_cow(c);

	if (v.why)
		check_add(c, "own copy-on-write", CHECK_NO, v.remedy,
			  "%s: --cow=own leaves it to the kernel", v.why);
	else
		check_add(c, "own copy-on-write", CHECK_OK, NULL,
			  "--cow=own works, without fork events and CAP_SYS_PTRACE");
	check_stacks(c, !v.why);
}
