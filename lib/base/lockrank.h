/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every lock of the library, in the order in which they may be taken: a task holding a
 * lock may only take locks that stand further down. Checked at run time with
 * --enable-debug (lib/sys/mutex.c).
 *
 * Locks we do not own but run under: glibc's malloc arena and dl_load_lock are held by
 * callers of our hooks, so they stand above all of ours; none of our code takes them.
 */
#ifndef SHADOWMM_BASE_LOCKRANK_H
#define SHADOWMM_BASE_LOCKRANK_H

enum lock_rank {
	LOCK_LIFE,  /* smm.life: start, stop and restart of the engine */
	LOCK_MMAP,  /* mmap_lock: every change of the address space and of the model */
	LOCK_PATCH, /* lock in hook/patch.c: the thunk arena and the text being patched */
	LOCK_NR
};

#endif
