/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls we want to see: one table, from which the lookup, the names and the
 * documentation's list are made.
 *
 * msync changes no mapping, but makes pages clean (hook/dirty.c); newer glibc issues it
 * from a shared cancellation stub, where it is not seen.
 */
#ifndef SHADOWMM_HOOK_TABLE_H
#define SHADOWMM_HOOK_TABLE_H

#include "lib/base/compiler.h"

/* What a call is to the thunks; also baked into the code of the syscall() thunk. */
#define CALL_MM	    1	/* address space */
#define CALL_CLONE  2	/* may return twice, and on another stack */
#define CALL_SIGNAL 4	/* wanted under Syscall User Dispatch only: sud.c */
#define CALL_CRED   8	/* credentials and namespaces, which the engine must follow */
#define CALL_TASK   16	/* ends or replaces the program */
#define CALL_BEFORE 32	/* looked at, then executed by the site itself: hook_before() */
#define CALL_EXIT   64	/* ends one task: counted without touching its stack */
#define CALL_FUTEX  128 /* wanted of syscall() only, and by its operation: futex.c */
/* Use a file by its descriptor: looked at, as CALL_BEFORE, where shared mappings of files
 * are ours; otherwise not wanted (shared.c). */
#define CALL_FILE 256

/* Operations of futex(2), by bit, that write to the word, and return at once or may
 * sleep: WAKE_OP, UNLOCK_PI, TRYLOCK_PI, CMP_REQUEUE_PI; LOCK_PI, WAIT_REQUEUE_PI,
 * LOCK_PI2. */
#define FUTEX_OPS_WRITE (1U << 5 | 1U << 7 | 1U << 8 | 1U << 12)
#define FUTEX_OPS_SLEEP (1U << 6 | 1U << 11 | 1U << 13)
#define FUTEX_OP_BITS	0x7f /* without FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME */

/* X(name, class) */
#define HOOK_CALLS(X)                       \
	X(mmap, CALL_MM)                    \
	X(munmap, CALL_MM)                  \
	X(mremap, CALL_MM)                  \
	X(mprotect, CALL_MM)                \
	X(pkey_mprotect, CALL_MM)           \
	X(madvise, CALL_MM)                 \
	X(process_madvise, CALL_MM)         \
	X(brk, CALL_MM)                     \
	X(mlock, CALL_MM)                   \
	X(mlock2, CALL_MM)                  \
	X(mlockall, CALL_MM)                \
	X(munlock, CALL_MM)                 \
	X(munlockall, CALL_MM)              \
	X(mincore, CALL_MM)                 \
	X(msync, CALL_BEFORE)               \
	X(shmat, CALL_MM)                   \
	X(shmdt, CALL_MM)                   \
	X(remap_file_pages, CALL_MM)        \
	X(io_setup, CALL_MM)                \
	X(io_destroy, CALL_MM)              \
	X(io_uring_register, CALL_MM)       \
	X(map_shadow_stack, CALL_MM)        \
	X(mseal, CALL_MM)                   \
	X(mbind, CALL_MM)                   \
	X(set_mempolicy_home_node, CALL_MM) \
	X(userfaultfd, CALL_MM)             \
	X(ioctl, CALL_MM)                   \
	X(prctl, CALL_MM)                   \
	X(clone, CALL_CLONE)                \
	X(clone3, CALL_CLONE)               \
	X(fork, CALL_CLONE)                 \
	X(vfork, CALL_CLONE)                \
	X(wait4, CALL_BEFORE)               \
	X(waitid, CALL_BEFORE)              \
	X(prlimit64, CALL_BEFORE)           \
	X(execve, CALL_TASK)                \
	X(execveat, CALL_TASK)              \
	X(exit_group, CALL_TASK)            \
	X(exit, CALL_EXIT)                  \
	X(futex, CALL_FUTEX)                \
	X(setuid, CALL_CRED)                \
	X(setgid, CALL_CRED)                \
	X(setreuid, CALL_CRED)              \
	X(setregid, CALL_CRED)              \
	X(setresuid, CALL_CRED)             \
	X(setresgid, CALL_CRED)             \
	X(setgroups, CALL_CRED)             \
	X(setfsuid, CALL_CRED)              \
	X(setfsgid, CALL_CRED)              \
	X(capset, CALL_CRED)                \
	X(unshare, CALL_CRED)               \
	X(setns, CALL_CRED)                 \
	X(seccomp, CALL_CRED)               \
	X(rt_sigaction, CALL_SIGNAL)        \
	X(rt_sigprocmask, CALL_SIGNAL)      \
	X(read, CALL_FILE)                  \
	X(pread64, CALL_FILE)               \
	X(readv, CALL_FILE)                 \
	X(preadv, CALL_FILE)                \
	X(preadv2, CALL_FILE)               \
	X(write, CALL_FILE)                 \
	X(pwrite64, CALL_FILE)              \
	X(writev, CALL_FILE)                \
	X(pwritev, CALL_FILE)               \
	X(pwritev2, CALL_FILE)              \
	X(sendfile, CALL_FILE)              \
	X(copy_file_range, CALL_FILE)       \
	X(splice, CALL_FILE)                \
	X(ftruncate, CALL_FILE)             \
	X(fallocate, CALL_FILE)             \
	X(fsync, CALL_FILE)                 \
	X(fdatasync, CALL_FILE)             \
	X(sync_file_range, CALL_FILE)       \
	X(syncfs, CALL_FILE)                \
	X(sync, CALL_FILE)                  \
	X(fcntl, CALL_FILE)                 \
	X(lseek, CALL_FILE)                 \
	X(sendmsg, CALL_FILE)               \
	X(io_uring_setup, CALL_FILE)

#define HOOK_NR_MAX 512

/* CALL_* by number; 0 for a call we do not want under any circumstances. */
extern const u16 hook_calls[HOOK_NR_MAX];

/* The classes wanted at present: all but CALL_SIGNAL until hook_want_signals(), and
 * CALL_FILE. */
unsigned int hook_wanted_classes(void);
/* Also see the calls that could block SIGSYS. Constructor, before any patch_range(). */
void hook_want_signals(void);
/* Also see the calls that use a file. Constructor, as above. */
void hook_want_files(void);
/* Some calls are wanted that are not always: what is remembered of sites is not all. */
bool hook_wants_more(void);
/* The CALL_* class of @nr if it is wanted, else 0. Any task. */
unsigned int hook_class(long nr);
/* "mmap" for __NR_mmap; NULL for a call that is not in the table. */
const char *hook_call_name(long nr);

#endif
