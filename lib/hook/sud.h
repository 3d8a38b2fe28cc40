/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Syscall User Dispatch (`--intercept=all`): the kernel sends SIGSYS for every system
 * call made from outside one range of addresses, so that calls whose number is in a
 * register at the site (JITs, Go's generic path) are seen too.
 * Documentation/admin-guide/syscall-user-dispatch.rst in the kernel's sources.
 */
#ifndef SHADOWMM_HOOK_SUD_H
#define SHADOWMM_HOOK_SUD_H

#include "lib/base/compiler.h"
#include "lib/base/stat.h"

/*
 * Widen [*start, *end) so that it contains our text. The caller puts in the hull of libc
 * and ld.so, whose sites are patched: the calls we do not want then cost nothing.
 */
void sud_include_own_text(unsigned long *start, unsigned long *end);
/*
 * Take SIGSYS and let calls from [start, end) through, those from elsewhere to us.
 * Constructor, after hook_want_signals() and patch_range() of libc and ld.so. 0 or
 * -errno: not in this kernel (before 5.11), nothing has changed.
 */
int sud_start(unsigned long start, unsigned long end, struct smm_stat *stat);
/* Dispatch is not inherited: again in every new thread and process, by the child hook.
 * 0, also if sud_start() was never called, or -errno. */
int sud_arm(void);
bool sud_active(void);

/*
 * rt_sigaction and rt_sigprocmask, called by thunks: executes the call, but SIGSYS stays
 * unblocked (a trap while it is blocked kills the program) and its handler ours; the
 * program reads back the action that it set. Other arguments as hook_syscall().
 */
struct site;
long sud_signal_call(long nr, unsigned long *args, struct site *site);

#endif
