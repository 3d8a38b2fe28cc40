/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See probe.h. Between loading the flags and saving them only mov and lea are used:
 * nothing else leaves the flags and the red zone alone.
 */
#define RSP	 32
#define RSI	 48
#define FLAGS	 128
#define RED_ZONE 136
#define XMM	 264

	.bss
	.balign 8
probe_code:	.quad 0
probe_regs:	.quad 0
probe_start:	.quad 0		/* rsp when the code was entered */
probe_home:	.quad 0		/* rsp of probe_run() */
probe_rax:	.quad 0
probe_rsp:	.quad 0

	.text

.macro each_reg op:vararg
	\op 0, %rax
	\op 8, %rcx
	\op 16, %rdx
	\op 24, %rbx
	\op 40, %rbp
	\op 56, %rdi
	\op 64, %r8
	\op 72, %r9
	\op 80, %r10
	\op 88, %r11
	\op 96, %r12
	\op 104, %r13
	\op 112, %r14
	\op 120, %r15
.endm

.macro load offset, reg
	mov	\offset(%rsi), \reg
.endm

.macro save offset, reg
	mov	\reg, \offset(%rax)
.endm

	.globl	probe_run
	.type	probe_run, @function
probe_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, probe_code(%rip)
	mov	%rsi, probe_regs(%rip)
	mov	%rsp, probe_home(%rip)
	sub	RSP(%rsi), %rsp
	mov	%rsp, probe_start(%rip)
	pushq	FLAGS(%rsi)
	popfq
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	XMM + 16 * \n(%rsi), %xmm\n
	mov	RED_ZONE + 8 * \n(%rsi), %rax
	mov	%rax, -128 + 8 * \n(%rsp)
	.endr
	each_reg load
	mov	RSI(%rsi), %rsi
	jmp	*probe_code(%rip)
	.size	probe_run, . - probe_run

	.globl	probe_back
probe_back:
	mov	%rax, probe_rax(%rip)
	mov	probe_regs(%rip), %rax
	each_reg save
	mov	%rsi, RSI(%rax)
	mov	probe_rax(%rip), %rcx
	mov	%rcx, (%rax)
	mov	%rsp, probe_rsp(%rip)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, XMM + 16 * \n(%rax)
	mov	-128 + 8 * \n(%rsp), %rcx
	mov	%rcx, RED_ZONE + 8 * \n(%rax)
	.endr
	pushfq
	popq	FLAGS(%rax)
	mov	probe_rsp(%rip), %rcx
	sub	probe_start(%rip), %rcx
	mov	%rcx, RSP(%rax)
	mov	probe_home(%rip), %rsp
	cld
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
