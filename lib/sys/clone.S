/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <asm/unistd.h>

#define CLONE_UNTRACED 0x00800000 /* linux/sched.h, which is not for assembly */

	.text
	.globl	sys_clone_task
	.hidden	sys_clone_task
	.type	sys_clone_task, @function
/* rdi flags, rsi stack top, rdx parent_tid, rcx child_tid, r8 fn, r9 arg */
sys_clone_task:
	/* The child starts with nothing but its registers and its stack: put what it
	 * needs on that stack. */
	andq	$-16, %rsi
	subq	$16, %rsi
	movq	%r8, 0(%rsi)
	movq	%r9, 8(%rsi)
	movq	%rcx, %r10
	orl	$CLONE_UNTRACED, %edi	/* a debugger of the program is not told */
	xorl	%r8d, %r8d
	movl	$__NR_clone, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	xorl	%edi, %edi
	movl	$__NR_exit, %eax
	syscall
	hlt
	.size	sys_clone_task, .-sys_clone_task

	.globl	sys_restorer
	.hidden	sys_restorer
	.type	sys_restorer, @function
sys_restorer:
	movl	$__NR_rt_sigreturn, %eax
	syscall
	hlt
	.size	sys_restorer, .-sys_restorer

	.section .note.GNU-stack,"",@progbits
