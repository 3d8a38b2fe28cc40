/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patching of system-call sites. See doc/interception.md.
 *
 * A site is `mov $N,%eax; syscall` (or `mov $N,%rax`) with an N we want. The mov is
 * replaced by a jmp to a generated thunk; the syscall instruction stays, so code that
 * branches straight to it still works, only unseen.
 *
 * Context: the constructor, and mmap's hook for modules loaded later. Takes LOCK_PATCH.
 */
#ifndef SHADOWMM_HOOK_PATCH_H
#define SHADOWMM_HOOK_PATCH_H

#include "lib/base/compiler.h"
#include "lib/base/stat.h"

/* One patched place. Passed to the handlers so that they can say where a call came from.
 */
struct site {
	unsigned long addr;  /* of the syscall instruction, or see struct scan_match */
	int nr;		     /* system call, or -1: number in a register at run time */
	unsigned long thunk; /* where a jump from the site leads */
};

/* A site as it is remembered between processes. */
struct site_place {
	u32 offset; /* of the syscall instruction, from the start of the text */
	int nr;	    /* as in struct site */
};

/* Prepare the thunk arena, if that has not been done. @stat receives the counts. 0 or
 * -errno. */
int patch_init(struct smm_stat *stat);
/* Find out whether thunks can be written at all. 0 or -errno: nothing can be patched. */
int patch_writable(void);
/*
 * Scan the executable mapping [start, end), readable and mapped with @prot, and patch its
 * sites. Should be a whole area (text_open() in text.h says why). A site that cannot be
 * reached by a jump is counted in sites_refused and left alone. Returns the number of
 * sites patched, or -errno if the text could not be written by any means.
 */
int patch_range(unsigned long start, unsigned long end, unsigned long prot);
/*
 * The same for a text whose @n sites are known. Returns how many of them were there, or
 * had been patched before; if that is not all, scan it. Uses vector registers: for the
 * constructor, which is called like any function, and tasks of our own.
 */
int patch_known(unsigned long start, unsigned long end, unsigned long prot,
		const struct site_place *place, unsigned int n);
/* The sites patched in [start, end), at most @max. Returns how many. */
unsigned int patch_list(unsigned long start, unsigned long end, struct site_place *place,
			unsigned int max);
/* True if there is a site in [start, end). Vector registers as patch_known(). */
bool patch_any(unsigned long start, unsigned long end);
/*
 * Replace the function at @func, for ever, by a jump to @to (same signature). The text
 * around it is mapped PROT_READ | PROT_EXEC. 0 or -errno; -ENOSPC if @to is out of reach.
 * Used for _exit(), whose call sites have their number in a register.
 */
int patch_function(unsigned long func, unsigned long to);
/*
 * In a fork child, before any other task exists: the lock may have been held, and text
 * left writable, by a task that does not exist here.
 */
void patch_fork_child(void);
/*
 * The address of the function or object @name in the ELF image mapped at @base by the
 * dynamic loader, or 0. Any version of it; an indirect function (IFUNC) is not found.
 */
unsigned long elf_lookup(unsigned long base, const char *name);
/*
 * The same in every image that the loader has loaded but our own and one at a fixed
 * address. @phdr, @phnum: AT_PHDR and AT_PHNUM. Constructor only: the list may change.
 */
unsigned long elf_lookup_next(unsigned long phdr, unsigned long phnum, const char *name);
/* The executable segment of a loaded image, whole pages. */
struct elf_text {
	unsigned long start, end;
	unsigned long pgoff; /* of @start in the file, pages */
	const char *path;    /* as the loader knows it; "" for the program */
};
/*
 * That of the first image, in the order of elf_lookup_next(), which defines @name; and
 * that of the program. False: not found, or there are several. elf_self_path(): our own
 * file, as the loader knows it.
 */
bool elf_text_next(unsigned long phdr, unsigned long phnum, const char *name,
		   struct elf_text *t);
const char *elf_self_path(unsigned long phdr, unsigned long phnum); /* or NULL */
bool elf_text_program(unsigned long phdr, unsigned long phnum, struct elf_text *t);
/* True if a call made from @addr came through us (our text or a thunk). For tests. */
bool patch_owns(unsigned long addr);

/* --- implemented by the handlers, called by thunks (hook/entry.S) ------------------- */

/*
 * [addr, addr + len), whole pages, private anonymous memory, was mapped with @prot for
 * thunks or sites. LOCK_PATCH is held: do not take a lock that stands above it.
 */
void patch_note_mapping(unsigned long addr, unsigned long len, unsigned long prot);

/* Which child a clone call will make. Decided before the call: the child of clone3 must
 * not read the parent's clone_args. */
enum clone_class {
	CLONE_CLASS_FORK,   /* a new address space */
	CLONE_CLASS_THREAD, /* CLONE_VM | CLONE_THREAD */
	CLONE_CLASS_VM,	    /* CLONE_VM without CLONE_THREAD: vfork, posix_spawn */
};

/*
 * Every wanted call but those that may return on another stack and those of sud.c. @args:
 * rdi, rsi, rdx, r10, r8, r9. Executes the call, returns what the kernel returned.
 * General registers other than rax, rcx, r11 and all vector registers survive.
 */
long hook_syscall(long nr, unsigned long *args, struct site *site);
/*
 * Calls of class CALL_BEFORE, which the site then executes: cancellation points, where
 * glibc's unwinder must find the thread in glibc's own code. Registers as above. Returns
 * 0, or the -errno that is the call's answer: the site does not execute it then.
 */
int hook_before(long nr, unsigned long *args, struct site *site);
/*
 * clone, clone3, fork, vfork. before: on the caller's stack. after: in the parent, on
 * the caller's stack, @ret from the kernel. child: first code in the child, on the
 * child's stack.
 */
enum clone_class hook_clone_before(long nr, unsigned long *args, struct site *site);
void hook_clone_after(long nr, enum clone_class cls, long ret);
void hook_clone_child(long nr, enum clone_class cls);

/*
 * Where the thunk of exit(2) counts one task less (mm_users). It does so in its own
 * instructions: the stack may belong to somebody else a moment later, or be gone.
 */
int *hook_mm_users(void);

/* True if @nr is a call we want to see wherever it is made. One table, in hook/table.c.
 */
bool hook_wants(long nr);

#endif
