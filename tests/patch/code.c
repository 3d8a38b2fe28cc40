// SPDX-License-Identifier: LGPL-2.1-or-later
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/hook/thunk.h"
#include "tests/patch/code.h"

#define FAR_AWAY 0x100000000000UL

struct code code_new_at(unsigned long addr, size_t pages)
{
	const size_t len = (pages + 2) * PAGE_SIZE;
	void *at = mmap((void *)(addr - PAGE_SIZE), len, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct code c = { addr, pages * PAGE_SIZE, (uint8_t *)addr };

	if (at == MAP_FAILED)
		return (struct code){ 0 };
	cr_assert_eq(mprotect((void *)addr, c.size, PROT_READ | PROT_WRITE), 0);
	memset((void *)addr, 0xcc, c.size);
	return c;
}

struct code code_new(enum where where, size_t pages)
{
	unsigned long at =
		where == FAR ? FAR_AWAY : (unsigned long)thunk_arena & PAGE_MASK;

	for (int i = 0; i < 1000; i++) {
		struct code c;

		at -= 16UL << 20;
		c = code_new_at(at, pages);
		if (c.size)
			return c;
	}
	cr_assert_fail("no room for code");
	return (struct code){ 0 };
}

void code_bytes(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->p, bytes, n);
	c->p += n;
}

uint8_t *code_site(struct code *c, int nr)
{
	uint8_t *at = c->p;

	CODE(c, 0xb8);
	code_bytes(c, &nr, 4);
	CODE(c, 0x0f, 0x05);
	return at;
}

uint8_t *code_site7(struct code *c, int nr)
{
	uint8_t *at = c->p;

	CODE(c, 0x48, 0xc7, 0xc0);
	code_bytes(c, &nr, 4);
	CODE(c, 0x0f, 0x05);
	return at;
}

void code_jmp(struct code *c, const void *to)
{
	CODE(c, 0xff, 0x25, 0, 0, 0, 0);
	code_bytes(c, &to, sizeof(to));
}

uint8_t *code_syscall_function(struct code *c)
{
	uint8_t *at = c->p;

	CODE(c, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca,
	     0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05,
	     0xc3);
	return at;
}

void code_finish(struct code *c)
{
	cr_assert_eq(mprotect((void *)c->start, c->size, PROT_READ | PROT_EXEC), 0);
}

int code_patch(struct code *c)
{
	code_finish(c);
	return patch_range(c->start, c->start + c->size, PROT_READ | PROT_EXEC);
}

void code_free(struct code *c)
{
	munmap((void *)(c->start - PAGE_SIZE), c->size + 2 * PAGE_SIZE);
}

unsigned long jmp_target(const uint8_t *site)
{
	int32_t rel;

	if (site[0] != 0xe9)
		return 0;
	memcpy(&rel, site + 1, 4);
	return (unsigned long)site + 5 + (long)rel;
}
