/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the generated thunks (thunk.c) enter C.
 *
 * A thunk stands for a syscall instruction, so it must look like one from outside:
 * every general register but rax (result), rcx and r11 (which the instruction destroys)
 * survives, the flags too, and nothing within 128 bytes below the stack pointer is
 * touched, because a leaf function keeps its variables there (the red zone). The thunk
 * has already stepped over those when it calls one of these entries. The vector
 * registers survive because the C code has none (-mgeneral-regs-only).
 */
#include "lib/hook/thunk.h"

#define FLAG_DF 0x400

	.text

/*
 * The program may stand anywhere, with its stack aligned to 8 or not at all; rbp keeps
 * the way back. The six argument registers are pushed so that they form the array that
 * the C functions take, lowest address first. 48 bytes: the alignment holds for the call.
 */
.macro save_args
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	cld			/* C code relies on DF = 0, a system call does not */
.endm

.macro restore_args
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	leave
.endm

/*
 * rax = nr, r11 = site. Result in rax.
 *
 * The flags come back by sahf, not popf, which takes longer than everything else here.
 * sahf leaves the overflow flag, which 0x7f + 1 sets and 0x7f + 0 clears; rcx and r11
 * are ours to use. Only a program that set DF pays for popf.
 */
.macro call_entry name, target
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	16
\name:
	pushfq
	save_args
	mov	%rax, %rdi
	mov	%rsp, %rsi
	mov	%r11, %rdx
	call	\target
	restore_args
	pop	%rcx		/* the flags */
	test	$FLAG_DF, %ecx
	jnz	1f
	mov	%rax, %r11
	mov	%ecx, %eax
	shr	$11, %eax
	and	$1, %al		/* OF */
	mov	%cl, %ah	/* SF, ZF, AF, PF, CF as sahf wants them */
	add	$0x7f, %al
	sahf
	mov	%r11, %rax
	ret
1:	push	%rcx
	popfq
	ret
	.size	\name, . - \name
.endm

	call_entry thunk_entry_call, hook_syscall
	call_entry thunk_entry_signal, sud_signal_call

/*
 * Before a clone-like call. rax = nr, r11 = site; returns the class in rcx, because rax
 * must still hold the number. The frame is gone again when the thunk executes the call:
 * a vfork child runs on this stack and would overwrite whatever the parent left here.
 */
.macro before_entry name, target
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	16
\name:
	pushfq
	push	%rax
	save_args
	mov	%rax, %rdi
	mov	%rsp, %rsi
	mov	%r11, %rdx
	call	\target
	mov	%eax, %ecx
	restore_args
	pop	%rax
	popfq
	ret
	.size	\name, . - \name
.endm

	before_entry thunk_entry_clone_before, hook_clone_before
	before_entry thunk_entry_before, hook_before
/*
 * After it. r11 = nr | class << 16, loaded as a constant by the copy of the code that
 * belongs to the class; rax = what the kernel returned, and stays.
 */
.macro clone_entry name, target
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	16
\name:
	pushfq
	push	%rax
	save_args
	movzwl	%r11w, %edi
	shr	$16, %r11d
	mov	%r11d, %esi
	mov	%rax, %rdx
	call	\target
	restore_args
	pop	%rax
	popfq
	ret
	.size	\name, . - \name
.endm

	clone_entry thunk_entry_clone_after, hook_clone_after
	clone_entry thunk_entry_clone_child, hook_clone_child

/*
 * Syscall User Dispatch (sud.c): the SIGSYS handler lets the trapped call continue here,
 * inside the range that does not trap. It has put below the red zone:
 *	0(%rsp)   the address after the program's syscall instruction
 *	8(%rsp)   16 bytes for a struct site that nobody needs here
 * and `ret` takes all of that away again without touching the flags.
 */
	.globl	sud_plain
	.hidden	sud_plain
	.type	sud_plain, @function
	.balign	16
sud_plain:
	syscall
	ret	$SUD_FRAME
	.size	sud_plain, . - sud_plain

/* A 32-bit call by int $0x80; none of those is wanted. */
	.globl	sud_int80
	.hidden	sud_int80
	.type	sud_int80, @function
	.balign	16
sud_int80:
	int	$0x80
	ret	$SUD_FRAME
	.size	sud_int80, . - sud_int80

	.globl	sud_signal
	.hidden	sud_signal
	.type	sud_signal, @function
	.balign	16
sud_signal:
	call	thunk_entry_signal
	ret	$SUD_FRAME
	.size	sud_signal, . - sud_signal

/* rt_sigreturn finds its frame at rsp, so rsp is the program's own. Also our restorer. */
	.globl	sud_sigreturn
	.hidden	sud_sigreturn
	.type	sud_sigreturn, @function
	.balign	16
sud_sigreturn:
	mov	$15, %eax	/* __NR_rt_sigreturn */
	syscall
	ud2
	.size	sud_sigreturn, . - sud_sigreturn

/*
 * Room for thunks in our own text: the loader maps a preloaded library next to libc and
 * ld.so, within reach of a 32-bit jump. int3 where nothing was generated.
 */
	.section .text.thunk_arena, "ax", @progbits
	.globl	thunk_arena
	.hidden	thunk_arena
	.globl	thunk_arena_end
	.hidden	thunk_arena_end
	.balign	4096
thunk_arena:
	.fill	THUNK_ARENA_SIZE, 1, 0xcc
thunk_arena_end:

	.section .note.GNU-stack, "", @progbits
