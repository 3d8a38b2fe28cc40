/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Syscall User Dispatch (sud.c) needs from patch.c. */
#ifndef SHADOWMM_HOOK_PATCH_SITE_H
#define SHADOWMM_HOOK_PATCH_SITE_H

/*
 * A thunk in our own text for the clone-like call @nr at @addr, whose site is not
 * patched. 0: none could be made. Takes LOCK_PATCH. Any task, also a signal handler.
 */
unsigned long patch_call_thunk(unsigned long addr, int nr);

#endif
