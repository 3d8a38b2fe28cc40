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
/*
 * The same where a refused call is no reason to touch the address ourselves: a signal
 * would end the caller. Context: the engine's tasks but the fault task, which would wait
 * for itself; the others without mmap_lock. 0 or -errno.
 */
int peek_user(void *dst, unsigned long addr, size_t n);

/*
 * The same from, and to, the memory of process @pid, which may be another one. Never by
 * other means than process_vm_readv(2): -EPERM, -ENOSYS, -ESRCH as that says.
 */
int read_process(int pid, void *dst, unsigned long addr, size_t n);
int write_process(int pid, unsigned long addr, const void *src, size_t n);

#endif
