/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_CTL_CONTROL_H
#define SHADOWMM_CTL_CONTROL_H

#include "lib/base/engine.h"

/* First code of smm-ctl, on engine->stack_ctl. @arg: struct engine. Never returns. */
void control_main(void *arg);
/* Verify and append the line of --verify-at-exit. Context: application thread ending
 * the program, or smm-ctl after its end. Takes mmap_lock. */
void control_verify_at_exit(struct engine *e);

#endif
