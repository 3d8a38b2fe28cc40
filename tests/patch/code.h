/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machine code in a mapping of its own, for tests of the patch layer. */
#ifndef SHADOWMM_TESTS_PATCH_CODE_H
#define SHADOWMM_TESTS_PATCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/hook/patch.h"

struct code {
	unsigned long start;
	size_t size;
	uint8_t *p; /* where the next byte goes */
};

enum where {
	NEAR, /* within a jump of our text */
	FAR,  /* more than 2 GiB away */
};

/* Writable pages filled with int3, with an inaccessible page on either side. */
struct code code_new(enum where where, size_t pages);
/* The same, at @addr exactly. */
struct code code_new_at(unsigned long addr, size_t pages);
void code_bytes(struct code *c, const void *bytes, size_t n);
#define CODE(c, ...)                                      \
	do {                                              \
		const uint8_t bytes_[] = { __VA_ARGS__ }; \
		code_bytes(c, bytes_, sizeof(bytes_));    \
	} while (0)
/* mov $nr,%eax; syscall. Returns where it begins. */
uint8_t *code_site(struct code *c, int nr);
/* mov $nr,%rax; syscall. */
uint8_t *code_site7(struct code *c, int nr);
/* jmp to anywhere, no register used. */
void code_jmp(struct code *c, const void *to);
/* glibc's syscall(), with the kernel's answer as its result. */
uint8_t *code_syscall_function(struct code *c);
/* Executable, no longer writable. */
void code_finish(struct code *c);
/* code_finish() and patch_range() of all of it. */
int code_patch(struct code *c);
void code_free(struct code *c);

/* Where the jmp at @site leads, or 0 if there is none. */
unsigned long jmp_target(const uint8_t *site);

#endif
