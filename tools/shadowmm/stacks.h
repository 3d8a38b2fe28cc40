/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From copies of stacks to lines of code. */
#ifndef SHADOWMM_CLI_STACKS_H
#define SHADOWMM_CLI_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#define STACKS_FRAMES_MAX 64

/* The top of a thread's stack as it was when the thread wrote. */
struct stack_copy {
	uint64_t pc, sp;
	size_t len; /* bytes from @sp on */
	unsigned char bytes[8192];
};

/* The word at @addr; false: not in the copy. */
bool stack_word(const struct stack_copy *s, uint64_t addr, uint64_t *word);

/* --- text.c: the files that a process has mapped --- */

struct text;

/* NULL: out of memory, or the process has gone. */
struct text *text_open(pid_t pid);
void text_close(struct text *t);
/* The file mapped at @addr and the distance from its first mapping; NULL: none. */
const char *text_module(const struct text *t, uint64_t addr, uint64_t *offset);
enum text_call {
	TEXT_NO_CALL,
	TEXT_CALL,	  /* an indirect call */
	TEXT_CALL_DIRECT, /* to *@target */
};
/* Is there a call instruction before @addr? */
enum text_call text_returns_to(const struct text *t, uint64_t addr, uint64_t *target);

/* --- unwind.c, or unwind_none.c without libdw --- */

struct unwinder;

/* NULL: not to be had. */
struct unwinder *unwinder_open(pid_t pid, const struct text *text);
void unwinder_close(struct unwinder *u);
/*
 * The program counters of the callers, the innermost first; returns how many. *@complete:
 * that is all of them. The second and further ones are those that the call returns to.
 */
size_t unwinder_frames(struct unwinder *u, const struct stack_copy *s, uint64_t *pcs,
		       bool *complete);
/* Add "function", "function_offset", "file", "line" to @frame, as far as they are known.
 */
void unwinder_name(struct unwinder *u, uint64_t pc, json_t *frame);

/* --- stacks.c --- */

/*
 * The reply to `cow stacks`, its samples with the same frames and area merged into
 * "stacks", the one with the most pages first. @names: unwind and name them; otherwise
 * every word of the stack that looks like a return address is a frame. NULL: complained.
 */
json_t *stacks_merge(json_t *reply, pid_t pid, bool names);
void stacks_print(json_t *merged);
/* One line a stack, outermost frame first, as flamegraph.pl reads it; the count is pages.
 */
void stacks_print_folded(json_t *merged);

#endif
