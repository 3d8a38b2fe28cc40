/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Write to memory that is mapped executable and not writable.
 *
 * Context: constructor or a hook, LOCK_PATCH held.
 */
#ifndef SHADOWMM_HOOK_TEXT_H
#define SHADOWMM_HOOK_TEXT_H

#include "lib/base/compiler.h"

struct text_window {
	unsigned long start, end; /* whole pages */
	unsigned long prot;	  /* to go back to */
	int fd; /* of /proc/self/mem, or -1: the pages are writable now */
	bool open;
};

/*
 * Make [start, end), mapped with @prot, writable for text_write(). The pages stay
 * executable all the time: the code that changes them, or mprotect itself, may live
 * there. The whole of an area is best given: the kernel accounts an area that was made
 * writable once differently (VM_ACCOUNT), and could not merge the parts of one again.
 * 0 or -errno.
 */
int text_open(struct text_window *w, unsigned long start, unsigned long end,
	      unsigned long prot);
/* 0 or -errno. [addr, addr + len) lies in the window. */
int text_write(struct text_window *w, unsigned long addr, const void *buf, size_t len);
/* Back to the protection it had. 0 or -errno. A window that is not open is left alone. */
int text_close(struct text_window *w);

/* Tests: behave as if the kernel refused writable and executable memory. */
extern bool text_refuse_mprotect;

#endif
