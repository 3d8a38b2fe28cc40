/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credentials of the engine's tasks: each has its own, as any task in Linux has. */
#ifndef SHADOWMM_SYS_CREDS_H
#define SHADOWMM_SYS_CREDS_H

#include "lib/base/engine.h"

/* Take over engine.creds, as far as this task may. Any task of the engine. */
void creds_take(const struct engine *e);
/* The same if they have changed since @seen, which is the caller's own: a task that
 * nobody waits for, before it does anything else and whenever it is woken. */
void creds_follow(const struct engine *e, u32 *seen);

#endif
