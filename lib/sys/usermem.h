/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_SYS_USERMEM_H
#define SHADOWMM_SYS_USERMEM_H

#include "lib/base/compiler.h"

/*
 * Copy @n bytes from the application's @addr, as copy_from_user() does: a bad address is
 * -EFAULT, not a signal. May sleep in a page fault that the engine answers, so no lock
 * may be held. Context: application threads. 0 or -errno.
 */
int read_user(void *dst, unsigned long addr, size_t n);
/* The same without the last resort of read_user(): -EFAULT also where a sandbox refuses.
 * Context: besides, the service task, without mmap_lock, and the cow task. */
int read_user_only(void *dst, unsigned long addr, size_t n);

#endif
