// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * scan_dump FILE...: the sites the scanner finds in an ELF file's executable segments,
 * one line "file-address-in-hex number" each. scan_dump -t: the numbers it looks for.
 * scan_dump -b FILE: microseconds for one scan, the pages being resident.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/hook/patch.h"
#include "lib/hook/scan.h"
#include "lib/hook/table.h"

static void dump(const uint8_t *file, const Elf64_Phdr *ph)
{
	const unsigned long start = (unsigned long)file + ph->p_offset;
	const unsigned long end = start + ph->p_filesz;
	struct scan_match m;

	for (unsigned long pos = start; scan_next(pos, start, end, &m); pos = m.next)
		printf("%lx %d\n", m.addr - start + ph->p_vaddr, m.nr);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void bench(const uint8_t *file, const Elf64_Phdr *ph)
{
	const unsigned long start = (unsigned long)file + ph->p_offset;
	const unsigned long end = start + ph->p_filesz;
	double best = 1e12, first = 0;
	struct scan_match m;

	for (int i = 0; i < 21; i++) {
		double t = now_us();

		for (unsigned long pos = start; scan_next(pos, start, end, &m);)
			pos = m.next;
		t = now_us() - t;
		first = i ? first : t;
		best = t < best ? t : best;
	}
	printf("%lu bytes: first %.0f us, best of 20 %.0f us\n", end - start, first,
	       best);
}

static void each_segment(const char *name,
			 void (*fn)(const uint8_t *, const Elf64_Phdr *))
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *eh;
	const Elf64_Phdr *ph;
	struct stat st;
	uint8_t *file;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", name);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		err(1, "%s", name);
	close(fd);
	eh = (const void *)file;
	ph = (const void *)(file + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
			fn(file, &ph[i]);
	}
	munmap(file, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "-t")) {
		for (int nr = 0; nr < HOOK_NR_MAX; nr++) {
			if (hook_wants(nr))
				printf("%d\n", nr);
		}
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "-b")) {
		each_segment(argv[2], bench);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		each_segment(argv[i], dump);
	return 0;
}
