/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_HOOK_SETXID_H
#define SHADOWMM_HOOK_SETXID_H

/* Find libc's own functions. Before any thread can call them: the constructor. */
void setxid_init(unsigned long (*lookup)(const char *name));

#endif
