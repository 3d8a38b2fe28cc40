/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of the constructor. Context: before the program's code, one thread; or, in a
 * process that slept, the task that wakes it, with one thread that waits for it.
 */
#ifndef SHADOWMM_HOOK_START_H
#define SHADOWMM_HOOK_START_H

#include "lib/base/compiler.h"

/*
 * Read SHADOWMM_* from @envp. An unusable value is reported in one line and ends the
 * process with status 2. False: SHADOWMM_DISABLE is set.
 */
bool start_options(char **envp);
/* Read the auxiliary vector behind @envp. Always, whatever else is done. */
void start_symbols(char **envp);
/* The function @name of the first image behind us that has one, or 0. Any thread. */
unsigned long start_lookup(const char *name);
/* With SHADOWMM_VERBOSE, a line about this process on standard error. */
void start_say(const char *format, ...) __attribute__((format(__printf__, 1, 2)));
/* Locks, and who we are. First of all. */
void start_identity(void);
/*
 * Instead of the steps below, which then follow when the process wakes (sleep.c): patch
 * only those sites of libc for whose number @wakes is true. False: what is known of the
 * files is not enough to be sure that nothing else could make such a call.
 */
bool start_sleeping(bool (*wakes)(int nr));
/* Import /proc/self/maps. False: cannot. */
bool start_model(void);
/* Patch every executable mapping that exists. False: nothing could be patched. */
bool start_patching(void);
/* Caller holds both locks of the model. */
void start_engine(void);

#endif
