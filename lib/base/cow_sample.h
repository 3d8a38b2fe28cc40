/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who writes to shared pages: copies of the writers' stacks, for the command-line tool to
 * unwind.
 *
 *	control task --every--> fault task --cow_window.tid--> cow task
 *	     ^------------------------samples------------------------'
 *
 * A fault task chooses, because it sees every such write; the cow task takes the sample
 * while the writer still sleeps in its fault. Reading a stack may itself meet a missing
 * page, which the fault task then answers: that is why it is not the one who reads.
 */
#ifndef SHADOWMM_BASE_COW_SAMPLE_H
#define SHADOWMM_BASE_COW_SAMPLE_H

#include "lib/base/compiler.h"

#define COW_SAMPLES	  64	  /* kept: the newest; a power of two */
#define COW_SAMPLE_STACK  8192	  /* bytes of a stack, from its pointer on */
#define COW_STACKS_EVERY  16	  /* the default of `cow --stacks` */
#define COW_STACKS_SELDOM 1000000 /* the most that `every` may be */

/* The cow task writes, the control task reads; the stacks of the program's own data. */
struct cow_sample {
	/* Its number, from 1 on; 0 while it is being written. Release, after the rest. */
	u32 number;
	u32 tid;
	u32 every;	      /* it stands for so many writes */
	u32 pages;	      /* that this write, with its window, made private */
	int nr;		      /* system call that wrote, or -1: the thread itself */
	u32 len;	      /* bytes of @stack */
	unsigned long page;   /* that was written to */
	unsigned long pc, sp; /* of the thread, in user space */
	u64 stack[COW_SAMPLE_STACK / sizeof(u64)]; /* [sp, sp + len) */
};

struct cow_sampling {
	/* One write in so many, on average; 0: none. Control task; the constructor */
	u32 every;
	u32 first; /* samples up to this number are of an earlier time; control task */
	u32 taken; /* samples so far, release; the cow task */
	u32 lost;  /* chosen, but could not be taken; any of the two tasks */
	/* Why the last one was lost, or NULL; static string. Any of the two tasks */
	const char *why;
	/* Writes until the next one; fault tasks, whose race costs a sample at most */
	u32 gap, random;
	struct cow_sample sample[COW_SAMPLES]; /* number n is in n % COW_SAMPLES */
};

#endif
