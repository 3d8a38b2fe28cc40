/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_SYS_SOCKPATH_H
#define SHADOWMM_SYS_SOCKPATH_H

#include "lib/base/engine.h"

/*
 * Remove the control socket of @e by its path: for those who end smm-ctl, which then
 * cannot do it itself. Context: any task. A path that is not there (any more) is fine.
 */
void socket_unlink(const struct engine *e);

#endif
