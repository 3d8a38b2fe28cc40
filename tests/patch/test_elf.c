// SPDX-License-Identifier: LGPL-2.1-or-later
/* elf_lookup() agrees with dlsym(), and survives images that are damaged. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "lib/hook/patch.h"

TestSuite(elf, .timeout = 20);

static unsigned long base_of(const void *symbol)
{
	Dl_info info;

	cr_assert_neq(dladdr(symbol, &info), 0);
	return (unsigned long)info.dli_fbase;
}

static void check_symbol(unsigned long base, const char *name)
{
	cr_assert_eq(elf_lookup(base, name), (unsigned long)dlsym(RTLD_DEFAULT, name),
		     "%s", name);
}

Test(elf, libc)
{
	static const char *const names[] = { "_exit",  "mmap",	"malloc", "setuid",
					     "fork",   "vfork", "clone",  "syscall",
					     "printf", "qsort", "environ" };
	const unsigned long base = base_of(dlsym(RTLD_DEFAULT, "qsort"));

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		check_symbol(base, names[i]);
	cr_assert_eq(elf_lookup(base, "no_such_function"), 0);
	cr_assert_eq(elf_lookup(base, ""), 0);
	cr_assert_eq(elf_lookup(base, "strlen"), 0,
		     "an indirect function has no address yet");
}

Test(elf, loader)
{
	const struct r_debug *r = dlsym(RTLD_DEFAULT, "_r_debug");

	cr_assert_eq(elf_lookup(r->r_ldbase, "_r_debug"), (unsigned long)r);
}

/* Its pointers are not relocated. */
Test(elf, vdso)
{
	const unsigned long base = getauxval(AT_SYSINFO_EHDR);
	unsigned long at = elf_lookup(base, "__vdso_clock_gettime");

	cr_assert_neq(base, 0);
	cr_assert_gt(at, base);
	cr_assert_lt(at, base + 4 * PAGE_SIZE);
}

static size_t image_size(unsigned long base)
{
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	size_t size = 0;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_vaddr + ph[i].p_memsz > size)
			size = ph[i].p_vaddr + ph[i].p_memsz;
	}
	return PAGE_ALIGN(size);
}

/* A copy of the vdso between inaccessible pages. */
static uint8_t *copy_vdso(size_t *size)
{
	const unsigned long base = getauxval(AT_SYSINFO_EHDR);
	uint8_t *at;

	*size = image_size(base);
	at = mmap(NULL, *size + 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	cr_assert_neq(at, MAP_FAILED);
	at += PAGE_SIZE;
	cr_assert_eq(mprotect(at, *size, PROT_READ | PROT_WRITE), 0);
	memcpy(at, (void *)base, *size);
	return at;
}

/* Everything but the program headers, whose word on what is mapped has to be taken. */
Test(elf, damaged)
{
	size_t size, headers;
	uint8_t *image = copy_vdso(&size);
	const unsigned long base = (unsigned long)image;
	uint8_t *good = malloc(size);

	cr_assert_neq(elf_lookup(base, "__vdso_clock_gettime"), 0);
	memcpy(good, image, size);
	headers = sizeof(Elf64_Ehdr) + ((Elf64_Ehdr *)good)->e_phnum * sizeof(Elf64_Phdr);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		memcpy(image + headers, good + headers, 4096 - headers);
		for (int k = random() % 8; k >= 0; k--)
			image[headers + (size_t)random() % (4096 - headers)] =
				(uint8_t)random();
		elf_lookup(base, "__vdso_clock_gettime");
		elf_lookup(base, "__vdso_getcpu");
	}
	free(good);
}

Test(elf, not_an_image)
{
	size_t size;
	uint8_t *image = copy_vdso(&size);
	Elf64_Ehdr *eh = (Elf64_Ehdr *)image, good = *eh;

	eh->e_ident[1] = 'F';
	cr_assert_eq(elf_lookup((unsigned long)image, "__vdso_time"), 0);
	*eh = good;
	eh->e_machine = EM_386;
	cr_assert_eq(elf_lookup((unsigned long)image, "__vdso_time"), 0);
	*eh = good;
	eh->e_phnum = 0xffff;
	cr_assert_eq(elf_lookup((unsigned long)image, "__vdso_time"), 0);
	*eh = good;
	eh->e_phoff = ~0UL - 7;
	cr_assert_eq(elf_lookup((unsigned long)image, "__vdso_time"), 0);
	memset(image, 0, 4096);
	cr_assert_eq(elf_lookup((unsigned long)image, "__vdso_time"), 0);
}
