/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of the constructor. Context: before the program's code, one thread. */
#ifndef SHADOWMM_HOOK_START_H
#define SHADOWMM_HOOK_START_H

#include "lib/base/compiler.h"

/*
 * Read SHADOWMM_* from @envp. An unusable value is reported in one line and ends the
 * process with status 2. False: SHADOWMM_DISABLE is set.
 */
bool start_options(char **envp);
/* Read the auxiliary vector behind @envp and find what our exported functions stand in
 * front of. Always, whatever else is done. */
void start_symbols(char **envp);
/* Import /proc/self/maps. False: cannot. */
bool start_model(void);
/* Patch every executable mapping that exists. False: nothing could be patched. */
bool start_patching(void);
void start_engine(void);

#endif
