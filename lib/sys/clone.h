/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_SYS_CLONE_H
#define SHADOWMM_SYS_CLONE_H

/*
 * clone(2) for a task that shares our memory, unseen by tracers of the caller: runs
 * @fn(@arg) on the stack that ends at
 * @stack_top and exits (this task only) with 0 when @fn returns. The task borrows the
 * caller's TLS register, so it must not use libc. Returns the id or -errno.
 */
long sys_clone_task(unsigned long flags, void *stack_top, int *parent_tid,
		    unsigned int *child_tid, void (*fn)(void *arg), void *arg);

/*
 * The same with a child that is waited for: 0 when it has ended, or -errno if there is
 * none.
 * @flags: more than CLONE_VM and CLONE_VFORK.
 */
long sys_run_task(unsigned long flags, void *stack_top, void (*fn)(void *arg), void *arg);

/* The sa_restorer that x86-64 requires. */
void sys_restorer(void);

#endif
