/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thunks: the code a patched site jumps to, generated into arenas.
 *
 * Thunks that execute a syscall instruction themselves (those of clone-like calls and of
 * syscall()) are always in our own text, so that every call we make comes from one range
 * of addresses: Syscall User Dispatch lets one range through, and tests look for it.
 *
 * Context: constructor or a hook, LOCK_PATCH held.
 */
#ifndef SHADOWMM_HOOK_THUNK_H
#define SHADOWMM_HOOK_THUNK_H

#define THUNK_ARENA_SIZE 32768
/* What sud.c puts on the program's stack besides the return address: a struct site and
 * the red zone. */
#define SUD_FRAME 144

#ifndef __ASSEMBLER__

#include "lib/base/compiler.h"
#include "lib/hook/patch.h"

void thunk_init(void);
/*
 * Generate the thunk of @s, within reach of a jump from the site if @jump. Sets
 * s->thunk. 0; -ENOSPC if the arenas are full or out of reach; or what text_open() says.
 */
int thunk_make(struct site *s, bool jump);
/* The address of a jump to @to within reach of @from: @to itself or a stub. 0: none. */
unsigned long thunk_stub(unsigned long from, unsigned long to);
/* End of a batch: all arenas executable and not writable again. 0 or -errno. */
int thunk_seal(void);
/* True if @addr lies in our text or in an arena. Any context. */
bool thunk_owns(unsigned long addr);
/* [*start, *end): our executable segment, whole pages. */
void thunk_own_text(unsigned long *start, unsigned long *end);

/* The displacement of a jump at @from (5 bytes) to @to. False: out of reach. */
bool thunk_displacement(unsigned long from, unsigned long to, int *rel32);

/* entry.S */
extern const char thunk_entry_call[], thunk_entry_signal[], thunk_entry_before[],
	thunk_entry_clone_before[], thunk_entry_clone_after[], thunk_entry_clone_child[];
extern char thunk_arena[], thunk_arena_end[];

#endif
#endif
