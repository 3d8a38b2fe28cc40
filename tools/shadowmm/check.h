/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The probes of `shadowmm check`. Each leaves the process as it found it. */
#ifndef SHADOWMM_CHECK_H
#define SHADOWMM_CHECK_H

#include <stdbool.h>

#include <jansson.h>

enum check_state {
	CHECK_OK,
	CHECK_LIMITED,
	CHECK_NO
};

struct check {
	json_t *list;
	bool paging; /* a userfaultfd that serves faults of system calls as well */
};

/* @remedy may be NULL; @format says what it means. */
void check_add(struct check *c, const char *name, enum check_state state,
	       const char *remedy, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* check_uffd.c: the ways to a userfaultfd, and its features. Sets c->paging. */
void check_userfaultfd(struct check *c);
/* One by any of the ways, without its API chosen yet; -errno. */
int check_uffd_open(void);
/* check_cow.c: copy-on-write by the library. After check_userfaultfd(). */
void check_cow(struct check *c);
/* check_dirty.c: writes to shared files. */
void check_dirty(struct check *c);
/* check_frames.c: where the pages of files are kept. */
void check_frames(struct check *c);
/* check_kernel.c: everything else of the kernel and of this process. */
void check_kernel(struct check *c);

/* check_pool.c: huge pages or small ones in the pool. @uffd: just opened; closed. */
void check_pool(struct check *c, int uffd);

#endif
