// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files that we page, done to the kernel and told to the model: after every step the
 * areas of /proc/self/maps and the counters are those of the model.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/mm/address_space.h"
#include "tests/model/ops.h"
#include "tests/model/space.h"

#define FILE_PAGES 64UL
#define STEPS	   400
#define KEPT	   (FILE_PAGES + 2) /* with an inaccessible page at either end */

static struct world {
	struct space s;
	struct rng rng;
	int file, again,
		frames;	    /* descriptors: the program's, the mapping's, the memfd */
	unsigned long addr; /* of the file's page 0 */
	struct address_space *mapping;
} w;

static void fail(const char *what)
{
	fprintf(stderr, "files: %s\n", what);
	_exit(98);
}

static unsigned long kernel(const char *what, long ret)
{
	if (ret < 0 && ret >= -4095)
		fail(what);
	return (unsigned long)ret;
}

static void prepare(unsigned long start, unsigned long len)
{
	if (mm_prepare(w.s.mm, start, len) || mm_prepare_mapping(w.s.mm))
		fail("mm_prepare");
}

static struct vma_file *file_of(int fd)
{
	char path[64], name[256];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0 || fstat(fd, &st))
		fail(path);
	name[n] = '\0';
	return vma_file_get(w.s.mm, major(st.st_dev), minor(st.st_dev), st.st_ino, name);
}

static unsigned long map(unsigned long addr, unsigned long pages, unsigned long prot,
			 unsigned long flags, int fd, unsigned long pgoff)
{
	return kernel("mmap", sys(SYS_mmap, addr, pages * PAGE_SIZE, prot, flags,
				  (unsigned long)fd, pgoff * PAGE_SIZE));
}

static int reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int new_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)(FILE_PAGES * PAGE_SIZE)))
		fail(name);
	return fd;
}

static void map_program(unsigned long prot)
{
	struct mmap_call c = { .len = FILE_PAGES * PAGE_SIZE,
			       .prot = prot,
			       .flags = MAP_PRIVATE | (w.addr ? MAP_FIXED : 0) };

	c.addr = map(w.addr, FILE_PAGES, prot, c.flags, w.file, 0);
	prepare(c.addr, c.len);
	c.file = file_of(w.file);
	mm_mmap(w.s.mm, &c);
	w.addr = c.addr;
}

/* --- steps ------------------------------------------------------------------------- */

static unsigned long prot_of(unsigned long flags)
{
	return flags & VM_ACCESS_FLAGS; /* the same bits */
}

static void convert(unsigned long start, unsigned long end, unsigned long prot)
{
	unsigned long pgoff = (start - w.addr) / PAGE_SIZE;
	unsigned long pages = (end - start) / PAGE_SIZE, aside;
	struct mmap_call c = { .len = KEPT * PAGE_SIZE,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			       .force = TRACK_OURS };
	int frames = reopen(w.frames);

	aside = c.addr = map(0, KEPT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	prepare(c.addr, c.len);
	mm_mmap(w.s.mm, &c);
	aside += PAGE_SIZE;
	map(aside, pages, prot, MAP_PRIVATE | MAP_FIXED, w.again, pgoff);
	map(start, pages, prot, MAP_PRIVATE | MAP_FIXED, frames, pgoff);
	prepare(start, end - start);
	mm_map_file(w.s.mm, start, end, aside, file_of(frames), w.mapping);
	close(frames);
}

static void give_back(const struct vm_area_struct *vma, unsigned long start,
		      unsigned long end)
{
	unsigned long from = file_aside(vma, start), len = end - start;

	unsigned long prot = prot_of(vma->vm_flags);

	kernel("mprotect", sys(SYS_mprotect, from, len, prot, 0, 0, 0));
	prepare(from, len);
	mm_mprotect(w.s.mm, from, len, prot, -1);
	kernel("mremap",
	       sys(SYS_mremap, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, start, 0));
	prepare(start, len);
	mm_unmap_file(w.s.mm, start, end, TRACK_FILE_LEFT);
}

static void unmap(unsigned long start, unsigned long len)
{
	kernel("munmap", SYS2(SYS_munmap, start, len));
	prepare(start, len);
	mm_munmap(w.s.mm, start, len);
}

static void end_orphans(void)
{
	struct address_space *mapping;
	unsigned long at, len;

	while (mm_next_orphan(w.s.mm, &at, &len, &mapping))
		if (len)
			unmap(at, len);
}

static void touch(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = find_vma(w.s.mm, start);

	if (vma && vma->vm_start <= start && vma->vm_flags & VM_WRITE)
		for (; start < min(end, vma->vm_end); start += PAGE_SIZE)
			*(volatile char *)start = 1; /* so that it has an anon_vma */
}

static void protect(unsigned long start, unsigned long len)
{
	unsigned long prot = PROT_READ | (rng_below(&w.rng, 2) ? PROT_WRITE : 0);

	sys(SYS_mprotect, start, len, prot, 0, 0, 0);
	prepare(start, len);
	mm_mprotect(w.s.mm, start, len, prot, -1);
}

static void step(void)
{
	unsigned int page = rng_below(&w.rng, FILE_PAGES - 1);
	unsigned long start = w.addr + page * PAGE_SIZE, end;
	const struct vm_area_struct *vma =
		find_vma_intersection(w.s.mm, start, start + 1);

	end = start + (1 + rng_below(&w.rng, min(12U, FILE_PAGES - page))) * PAGE_SIZE;
	switch (rng_below(&w.rng, 8)) {
	case 0:
	case 1:
		if (vma && vma_host(vma))
			give_back(vma, start, min(end, vma->vm_end));
		break;
	case 2:
	case 3:
		if (vma && !vma_host(vma))
			convert(start, min(end, vma->vm_end), prot_of(vma->vm_flags));
		break;
	case 4:
		unmap(start, min(end - start, 3 * PAGE_SIZE));
		break;
	case 5:
	case 6:
		protect(start, end - start);
		break;
	default:
		touch(start, end);
		break;
	}
	end_orphans();
}

/* --- runs -------------------------------------------------------------------------- */

static void world_open(void)
{
	const struct file_key key = { .ino = 1, .size = FILE_PAGES * PAGE_SIZE };

	w.file = new_file("data");
	w.again = reopen(w.file);
	w.frames = new_file("frames");
	space_open(&w.s);
	prepare(0, PAGE_SIZE);
	w.mapping = mapping_new(w.s.mm, &key);
}

static void check(int i)
{
	const char *err = validate_mm(w.s.mm);

	if (err)
		fail(err);
	if (space_verify(&w.s, false)) {
		fprintf(stderr, "files: seed %#lx, step %d\n", *(unsigned long *)&w.rng,
			i);
		_exit(97);
	}
}

static int run(void *arg)
{
	w.rng.state = *(unsigned long *)arg;
	world_open();
	map_program(PROT_READ);
	check(-2);
	convert(w.addr, w.addr + FILE_PAGES * PAGE_SIZE, PROT_READ);
	check(-1);
	for (int i = 0; i < STEPS; i++) {
		if (i % 100 == 99)
			map_program(PROT_READ | PROT_WRITE);
		step();
		check(i);
	}
	fprintf(stderr, "files: %lu guesses settled in %d steps\n", w.s.resolved, STEPS);
	return 0;
}

Test(files_kernel, the_model_is_the_kernel, .timeout = 60)
{
	unsigned long seed = seed_from_env(0xf17e5);

	for (int i = 0; i < 4; i++, seed++)
		cr_expect(space_fork(run, &seed), "SMM_SEED=%#lx", seed);
}
