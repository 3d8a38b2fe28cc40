// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * elfutils' libdwfl on a stack that was copied. Of the registers only the program counter
 * and the stack pointer are known, which is enough as long as the unwind tables count
 * from the stack pointer. Code that counts from the frame pointer needs %rbp; it has not
 * changed since, so its value is found where such a frame must be: the first pair of
 * words that is a saved %rbp and an address behind a call of the very function.
 */
#include "config.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "stacks.h"

enum {
	RBP = 6,
	RSP = 7,
	RIP = 16
}; /* DWARF numbers, System V ABI for AMD64 */

#define FRAME_MAX 4096 /* bytes of a frame to look through for its saved %rbp */

struct unwinder {
	Dwfl *dwfl;
	const struct text *text;
	const struct stack_copy *stack;
	uint64_t rbp;
	bool have_rbp;
	uint64_t *pcs;
	size_t nr;
};

static char *debuginfo_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.debuginfo_path = &debuginfo_path,
};

/* --- what libdwfl asks ---------------------------------------------------------------
 */

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	bool first = !*thread;

	*thread = arg;
	return first ? dwfl_pid(dwfl) : 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	(void)dwfl;
	(void)tid;
	*thread = arg;
	return true;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	const struct unwinder *u = arg;
	uint64_t word;

	(void)dwfl;
	if (!stack_word(u->stack, addr, &word))
		return false;
	*result = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwinder *u = arg;
	const Dwarf_Word sp = u->stack->sp, pc = u->stack->pc, rbp = u->rbp;

	return dwfl_thread_state_registers(thread, RSP, 1, &sp) &&
	       dwfl_thread_state_registers(thread, RIP, 1, &pc) &&
	       (!u->have_rbp || dwfl_thread_state_registers(thread, RBP, 1, &rbp));
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

struct unwinder *unwinder_open(pid_t pid, const struct text *text)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->text = text;
	u->dwfl = dwfl_begin(&callbacks);
	if (u->dwfl && dwfl_linux_proc_report(u->dwfl, pid) == 0 &&
	    dwfl_report_end(u->dwfl, NULL, NULL) == 0 &&
	    dwfl_attach_state(u->dwfl, NULL, pid, &thread_callbacks, u))
		return u;
	unwinder_close(u);
	return NULL;
}

void unwinder_close(struct unwinder *u)
{
	if (u && u->dwfl)
		dwfl_end(u->dwfl);
	free(u);
}

/* --- %rbp ----------------------------------------------------------------------------
 */

/* No unwind table covers @pc, or it counts from %rbp. */
static bool counts_from_rbp(Dwarf_CFI *cfi, Dwarf_Addr pc)
{
	Dwarf_Frame *frame;
	Dwarf_Op *op;
	size_t nr;
	bool yes;

	if (!cfi || dwarf_cfi_addrframe(cfi, pc, &frame))
		return true;
	yes = dwarf_frame_cfa(frame, &op, &nr) == 0 && nr >= 1 &&
	      (op[0].atom == DW_OP_breg0 + RBP ||
	       (op[0].atom == DW_OP_bregx && op[0].number == RBP));
	free(frame);
	return yes;
}

/* The caller of the outermost frame found cannot be known without %rbp. */
static bool needs_rbp(struct unwinder *u)
{
	uint64_t pc = u->nr ? u->pcs[u->nr - 1] - (u->nr > 1) : 0;
	Dwfl_Module *mod = pc ? dwfl_addrmodule(u->dwfl, pc) : NULL;
	Dwarf_Addr bias = 0, debug_bias = 0;
	Dwarf_CFI *cfi;

	if (!mod)
		return false;
	cfi = dwfl_module_eh_cfi(mod, &bias);
	if (!counts_from_rbp(cfi, pc - bias))
		return false;
	cfi = dwfl_module_dwarf_cfi(mod, &debug_bias);
	return counts_from_rbp(cfi, pc - debug_bias);
}

/* The function's first address, or 0. */
static uint64_t function_start(struct unwinder *u, uint64_t pc)
{
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, pc);
	GElf_Off offset;
	GElf_Sym sym;

	return mod && dwfl_module_addrinfo(mod, pc, &offset, &sym, NULL, NULL, NULL)
		       ? pc - offset
		       : 0;
}

/* How sure it is that @slot has a saved %rbp and the return address of the function that
 * starts at @function. */
static int likelihood(struct unwinder *u, uint64_t slot, uint64_t function)
{
	const struct stack_copy *s = u->stack;
	uint64_t saved, ret, target = 0;
	enum text_call call;

	if (!stack_word(s, slot, &saved) || !stack_word(s, slot + 8, &ret))
		return 0;
	call = text_returns_to(u->text, ret, &target);
	if (call == TEXT_NO_CALL)
		return 0;
	if (call == TEXT_CALL_DIRECT && function && target == function)
		return 3;
	return saved > slot && saved < slot + (8 << 20) && !(saved & 7) ? 2 : 1;
}

/* The stack pointer in the frame whose program counter came from a return address. */
static uint64_t frame_sp(const struct unwinder *u)
{
	const struct stack_copy *s = u->stack;
	uint64_t word;

	if (u->nr == 1)
		return s->sp;
	for (uint64_t at = s->sp; stack_word(s, at, &word); at += 8)
		if (word == u->pcs[u->nr - 1])
			return at + 8;
	return s->sp + s->len;
}

static bool find_rbp(struct unwinder *u)
{
	uint64_t pc = u->pcs[u->nr - 1] - (u->nr > 1), sp = frame_sp(u);
	uint64_t function = function_start(u, pc);
	int best = 0;

	for (uint64_t slot = sp; slot < sp + FRAME_MAX && best < 3; slot += 8) {
		int found = likelihood(u, slot, function);

		if (found > best) {
			best = found;
			u->rbp = slot;
		}
	}
	u->have_rbp = best > 0;
	return best > 0;
}

/* --- frames --------------------------------------------------------------------------
 */

static int note_frame(Dwfl_Frame *frame, void *arg)
{
	struct unwinder *u = arg;
	Dwarf_Addr pc;
	bool exact;

	if (!dwfl_frame_pc(frame, &pc, &exact) || u->nr == STACKS_FRAMES_MAX)
		return DWARF_CB_ABORT;
	/* Above the first function of a thread there is nothing. */
	if (pc)
		u->pcs[u->nr++] = pc;
	return DWARF_CB_OK;
}

/* To the end, or as far as the registers known permit: libdwfl does not tell these two
 * apart. False: to where the copy ends. */
static bool get_frames(struct unwinder *u)
{
	u->nr = 0;
	return dwfl_getthread_frames(u->dwfl, dwfl_pid(u->dwfl), note_frame, u) == 0;
}

size_t unwinder_frames(struct unwinder *u, const struct stack_copy *s, uint64_t *pcs,
		       bool *complete)
{
	u->stack = s;
	u->pcs = pcs;
	u->have_rbp = false;
	*complete = get_frames(u);
	if (needs_rbp(u)) {
		*complete = false;
		if (find_rbp(u))
			*complete = get_frames(u) && !needs_rbp(u);
	}
	if (!u->nr) {
		pcs[u->nr++] = s->pc;
		*complete = false;
	}
	return u->nr;
}

void unwinder_name(struct unwinder *u, uint64_t pc, json_t *frame)
{
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, pc);
	const char *name, *file;
	GElf_Off offset;
	Dwfl_Line *line;
	GElf_Sym sym;
	int number;

	if (!mod)
		return;
	name = dwfl_module_addrinfo(mod, pc, &offset, &sym, NULL, NULL, NULL);
	if (name) {
		json_object_set_new(frame, "function", json_string(name));
		json_object_set_new(frame, "function_offset",
				    json_integer((json_int_t)offset));
	}
	line = dwfl_module_getsrc(mod, pc);
	file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
	if (file) {
		json_object_set_new(frame, "file", json_string(file));
		json_object_set_new(frame, "line", json_integer(number));
	}
}
