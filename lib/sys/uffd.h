/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * userfaultfd(2). Context: engine tasks, in whose descriptor table @fd is.
 * Everything answers 0 or -errno unless said otherwise.
 */
#ifndef SHADOWMM_SYS_UFFD_H
#define SHADOWMM_SYS_UFFD_H

#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#include "lib/base/compiler.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1 /* 5.11 */
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15) /* 6.7 */
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16) /* 6.8 */
#endif

/*
 * Open and initialise one: /dev/userfaultfd, then the system call. A descriptor that
 * serves user-mode faults only is not accepted: with it a fault inside read(2) would
 * become EFAULT. Returns the descriptor, O_CLOEXEC, blocking; *@features what the kernel
 * offers. Events carry the faulter's thread id where the kernel can (4.14).
 */
int uffd_open(u64 *features);
/* For missing pages and, if @wp, for writes to write-protected ones. */
int uffd_register(int fd, unsigned long start, unsigned long end, bool wp);
/* A private mapping of shared memory: for pages missing in its file, for pages that are
 * there and not mapped yet, and for write-protection. */
int uffd_register_file(int fd, unsigned long start, unsigned long end);
/*
 * One that raises no events: what it write-protects becomes writable at the first write,
 * and pagemap_written() tells which pages those are. Needs no privilege. -EINVAL before
 * 6.7.
 */
int uffd_open_async(void);
/* Any memory but special one; all its pages count as written until uffd_protect(). */
int uffd_register_async(int fd, unsigned long start, unsigned long end);
int uffd_unregister(int fd, unsigned long start, unsigned long end);
/*
 * Install zero pages over [start, end) and wake who waits there. Stops at the first page
 * it cannot install: *@done is the number of bytes installed before it.
 * -EEXIST: that page is present. -ENOENT: no such registered area (any more). -EAGAIN:
 * the address space is changing, try again. -ENOMEM, -ESRCH (the program has gone).
 */
int uffd_zero(int fd, unsigned long start, unsigned long end, unsigned long *done);
/* The same for shared memory, where the kernel makes the pages, and whose users all get
 * them. -ENOMEM: also no room in its file system; -EFAULT: beyond the file's end. */
int uffd_zeropage(int fd, unsigned long start, unsigned long end, unsigned long *done);
/*
 * Map the pages that the file of the area has, as they are, over [start, end), and wake
 * who waits there. *@done as for uffd_zero(); -EEXIST: the page after it is mapped,
 * -EFAULT: the file has none there. Since 5.14 (shared memory).
 */
int uffd_continue(int fd, unsigned long start, unsigned long end, unsigned long *done);
/* One page, private to the program, with the content of ours at @src; as uffd_zero(). */
int uffd_copy(int fd, unsigned long page, const void *src);
/*
 * Pages of [start, end), with the content of those at @src, write-protected; nobody is
 * woken. As uffd_zero(); -EFAULT also where @src cannot be read.
 */
int uffd_copy_protected(int fd, unsigned long start, unsigned long end, unsigned long src,
			unsigned long *done);
/*
 * Move the pages of [src, src + len), anonymous and nobody else's, to @dst, and wake who
 * waits there. *@moved bytes have gone; the answer is about the page after them:
 * -EEXIST (present at @dst), -ENOENT (missing at @src), -EINVAL (areas too different),
 * -EBUSY (shared or pinned), -EAGAIN.
 */
int uffd_move(int fd, unsigned long dst, unsigned long src, unsigned long len,
	      unsigned long *moved);
enum uffd_protect {
	UFFD_LIFT,	/* and wake who waits there */
	UFFD_PROTECT,	/* what is present */
	UFFD_LIFT_ONLY, /* they sleep on */
};
/* 0, or -ENOENT: not all of [start, end) is registered for that (any more). */
int uffd_protect(int fd, unsigned long start, unsigned long end, enum uffd_protect how);
int uffd_wake(int fd, unsigned long start, unsigned long end);

#endif
