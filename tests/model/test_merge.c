// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Merging, case by case, as the comment above vma_merge_existing_range() and
 * vma_merge_new_range() (mm/vma.c) numbers them. Each is drawn, and done twice at the
 * same addresses: by the kernel and by the model. Both must come out as drawn; where
 * touched pages decide, the model may come out otherwise, but then says so (a guess) and
 * mm_verify_area() settles it.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"

#define R    PROT_READ
#define RW   (PROT_READ | PROT_WRITE)
#define RX   (PROT_READ | PROT_EXEC)
#define LAST AT(MAP_MAX)

static struct mm_struct *mm;
static int file_f, file_g;

static int numbered_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert(!ftruncate(fd, (off_t)PAGES(2 * MAP_MAX)));
	return fd;
}

static void scene_open(void)
{
	void *p = mmap((void *)MAP_BASE, PAGES(MAP_MAX), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	cr_assert_eq(p, (void *)MAP_BASE);
	cr_assert(!munmap(p, PAGES(MAP_MAX)));
	mm = map_new(1);
	file_f = numbered_file("F");
	file_g = numbered_file("G");
}

static void scene_close(void)
{
	munmap((void *)MAP_BASE, PAGES(MAP_MAX));
	map_destroy(mm);
	close(file_f);
	close(file_g);
}

TestSuite(merge, .init = scene_open, .fini = scene_close, .timeout = 20);

/* --- the kernel's drawing ---------------------------------------------------------- */

static char letter_of_line(const char *perms, const char *name)
{
	if (strstr(name, "/memfd:G"))
		return 'G';
	if (strstr(name, "/memfd:F"))
		return perms[1] == 'w' ? 'W' : 'F';
	if (perms[3] == 's')
		return 'S';
	if (perms[2] == 'x')
		return 'X';
	return perms[1] == 'w' ? 'A' : perms[0] == 'r' ? 'R' : 'N';
}

/* Calls @fn for each area of the window. */
static void
each_kernel_area(void (*fn)(const struct area_desc *d, char letter, void *arg), void *arg)
{
	static char text[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char perms[5], *save = NULL;
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct area_desc d = { 0 };
		int at = 0;

		sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &d.start, &d.end, perms,
		       &d.pgoff, &d.major, &d.minor, &d.ino, &at);
		if (d.start < MAP_BASE || d.end > LAST)
			continue;
		d.pgoff >>= PAGE_SHIFT;
		d.name = line + at;
		d.vm_flags = (perms[0] == 'r' ? VM_READ : 0) |
			     (perms[1] == 'w' ? VM_WRITE : 0) |
			     (perms[2] == 'x' ? VM_EXEC : 0) |
			     (perms[3] == 's' ? VM_SHARED : 0);
		fn(&d, letter_of_line(perms, d.name), arg);
	}
}

static void draw_area(const struct area_desc *d, char letter, void *arg)
{
	size_t from = (d->start - MAP_BASE) / PAGE_SIZE,
	       to = (d->end - MAP_BASE) / PAGE_SIZE;
	char *out = arg;

	if (from && out[from - 1] == letter)
		letter = (char)tolower(letter);
	for (size_t i = from; i < to; i++)
		out[i] = letter;
}

static const char *kernel_drawing(void)
{
	static char out[MAP_MAX + 1];
	size_t len = MAP_MAX;

	memset(out, ' ', MAP_MAX);
	each_kernel_area(draw_area, out);
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return out;
}

/* --- calls, twice ------------------------------------------------------------------ */

static void ready(void)
{
	cr_assert_eq(mm_prepare(mm, MAP_BASE, PAGES(MAP_MAX)), 0);
}

static void map(unsigned int column, unsigned int pages, char kind)
{
	int prot = strchr("RFG", kind) ? R : kind == 'X' ? RX : kind == 'N' ? 0 : RW;
	int fd = strchr("FW", kind) ? file_f : kind == 'G' ? file_g : -1;
	int flags = (kind == 'S' ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED |
		    (fd < 0 ? MAP_ANONYMOUS : 0);

	cr_assert_neq(mmap((void *)AT(column), PAGES(pages), prot, flags, fd,
			   fd < 0 ? 0 : (off_t)PAGES(column)),
		      MAP_FAILED);
	map_mmap(mm, column, pages, kind);
}

static void draw(const char *drawing)
{
	for (unsigned int i = 0, n; drawing[i]; i += n) {
		for (n = 1; drawing[i + n] == drawing[i];)
			n++;
		if (drawing[i] != ' ')
			map(i, n, drawing[i]);
	}
}

static void protect(unsigned int column, unsigned int pages, int prot)
{
	ready();
	cr_assert(!mprotect((void *)AT(column), PAGES(pages), prot));
	mm_mprotect(mm, AT(column), PAGES(pages), (unsigned long)prot, -1);
}

static void advise(unsigned int column, unsigned int pages, int advice)
{
	ready();
	cr_assert(!madvise((void *)AT(column), PAGES(pages), advice));
	mm_advice(mm, AT(column), PAGES(pages), advice);
}

static void lock(unsigned int column, unsigned int pages, bool on)
{
	ready();
	cr_assert(!syscall(on ? SYS_mlock : SYS_munlock, AT(column), PAGES(pages)));
	mm_mlock(mm, AT(column), PAGES(pages), on ? VM_LOCKED : 0);
}

static void move(unsigned int column, unsigned int pages, unsigned int to)
{
	ready();
	cr_assert_neq(mremap((void *)AT(column), PAGES(pages), PAGES(pages),
			     MREMAP_MAYMOVE | MREMAP_FIXED, (void *)AT(to)),
		      MAP_FAILED);
	mm_mremap(mm, AT(column), PAGES(pages), AT(to), PAGES(pages),
		  MREMAP_MAYMOVE | MREMAP_FIXED);
}

/* In place, or to @to. */
static void resize(unsigned int column, unsigned int pages, unsigned int new_pages,
		   unsigned int to)
{
	unsigned long flags = to == column ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED;

	ready();
	cr_assert_eq(mremap((void *)AT(column), PAGES(pages), PAGES(new_pages),
			    (int)flags, (void *)AT(to)),
		     (void *)AT(to));
	mm_mremap(mm, AT(column), PAGES(pages), AT(to), PAGES(new_pages), flags);
}

/* The kernel alone: the model is told of calls only. */
static void touch(unsigned int column)
{
	*(volatile char *)AT(column) = 1;
}

static void verify_one(const struct area_desc *d, char letter, void *arg)
{
	struct area_desc k = *d;

	if (strchr("FWG", letter)) { /* the files as map_mmap() has them */
		k.major = 8;
		k.minor = 1;
		k.ino = letter == 'G' ? 2 : 1;
		k.name = letter == 'G' ? "/g" : "/f";
	}
	mm_verify_area(arg, &k);
}

/* The guesses as the kernel has them; nothing else may differ. */
static void settle(void)
{
	struct mm_verify v;

	ready();
	mm_verify_begin(&v, mm);
	each_kernel_area(verify_one, &v);
	mm_verify_end(&v);
	cr_assert_eq(v.differences, 0, "kernel \"%s\"", kernel_drawing());
}

/* The model knew it. */
#define EXPECT_BOTH(drawing)                                 \
	do {                                                 \
		cr_assert_str_eq(kernel_drawing(), drawing); \
		EXPECT_MAP(mm, drawing);                     \
		settle();                                    \
		EXPECT_MAP(mm, drawing);                     \
	} while (0)
/* Touched pages decided; the model may have guessed otherwise. */
#define EXPECT_SETTLED(drawing)                              \
	do {                                                 \
		cr_assert_str_eq(kernel_drawing(), drawing); \
		settle();                                    \
		EXPECT_MAP(mm, drawing);                     \
	} while (0)

/* --- a new area between two (mmap) ------------------------------------------------- */

Test(merge, case_1_joins_both_sides)
{
	draw("RR  RR");
	map(2, 2, 'R');
	EXPECT_SETTLED("RRRRRR");
}

Test(merge, case_2_extends_the_left)
{
	draw("RR  XX");
	map(2, 2, 'R');
	EXPECT_SETTLED("RRRRXX");
}

Test(merge, case_3_extends_the_right)
{
	draw("XX  RR");
	map(2, 2, 'R');
	EXPECT_SETTLED("XXRRRR");
}

Test(merge, case_1_needs_both_ends_to_meet)
{
	draw("RR   RR");
	map(2, 2, 'R');
	EXPECT_SETTLED("RRRR RR");
	map(4, 1, 'R');
	EXPECT_SETTLED("RRRRRRR");
}

/* --- a part of an area changes (mprotect) ------------------------------------------ */

Test(merge, case_0_in_the_middle_merges_nothing)
{
	draw("AAAAAA");
	protect(2, 2, R);
	EXPECT_BOTH("AARRAA");
}

Test(merge, case_4_the_right_takes_the_end_of_the_left)
{
	draw("AAAARRRR");
	protect(2, 2, R);
	EXPECT_SETTLED("AARRRRRR");
}

Test(merge, case_5_the_left_takes_the_start_of_the_right)
{
	draw("RRRRAAAA");
	protect(4, 2, R);
	EXPECT_SETTLED("RRRRRRAA");
}

Test(merge, case_6_both_sides_take_it_whole)
{
	draw("RRAARR");
	protect(2, 2, R);
	EXPECT_SETTLED("RRRRRR");
}

Test(merge, case_7_the_left_takes_it_whole)
{
	draw("RRAAXX");
	protect(2, 2, R);
	EXPECT_SETTLED("RRRRXX");
}

Test(merge, case_8_the_right_takes_it_whole)
{
	draw("XXAARR");
	protect(2, 2, R);
	EXPECT_SETTLED("XXRRRR");
}

/* --- variations: flags ------------------------------------------------------------- */

Test(merge, an_invisible_flag_keeps_apart_until_it_goes)
{
	static const struct {
		int on, off;
		const char *drawing;
	} pairs[] = {
		{ MADV_DONTFORK, MADV_DOFORK, "AADDAA" },
		{ MADV_DONTDUMP, MADV_DODUMP, "AAaaAA" },
		{ MADV_WIPEONFORK, MADV_KEEPONFORK, "AAaaAA" },
		{ MADV_RANDOM, MADV_NORMAL, "AAaaAA" },
		{ MADV_SEQUENTIAL, MADV_NORMAL, "AAaaAA" },
		{ MADV_MERGEABLE, MADV_UNMERGEABLE, "AAaaAA" },
	};

	draw("AAAAAA");
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		advise(2, 2, pairs[i].on);
		cr_assert_str_eq(kernel_drawing(), "AAaaAA");
		EXPECT_MAP(mm, pairs[i].drawing);
		advise(2, 2, pairs[i].off);
		EXPECT_BOTH("AAAAAA");
	}
}

Test(merge, locked_and_unlocked_again)
{
	draw("AAAAAA");
	lock(2, 2, true);
	cr_assert_str_eq(kernel_drawing(), "AAaaAA");
	EXPECT_MAP(mm, "AALLAA");
	lock(2, 2, false);
	/* Locking has touched the middle. */
	EXPECT_BOTH("AAAAAA");
}

Test(merge, account_stays_with_touched_memory)
{
	draw("RRRRAAAA");
	touch(4);
	protect(4, 2, R);
	EXPECT_SETTLED("RRRRrrAA");
}

/* Sticky flags do not keep apart, and the union has them (6.18 with VM_MAYBE_GUARD). */
Test(merge, guard_regions_are_sticky)
{
	draw("AA  ");
	ready();
	if (madvise((void *)AT(0), PAGES(1), 102 /* MADV_GUARD_INSTALL */))
		return; /* before 6.13 */
	mm_advice(mm, AT(0), PAGES(1), 102);
	map(2, 2, 'A');
	EXPECT_BOTH("AAAA");
	cr_assert(find_vma(mm, AT(3))->vm_flags & VM_MAYBE_GUARD);
}

Test(merge, a_seal_keeps_apart)
{
	draw("AAAAAA");
	if (syscall(462 /* mseal */, AT(2), PAGES(2), 0UL))
		return; /* before 6.10; here it cannot be undone but by exit */
	ready();
	mm_mseal(mm, AT(2), PAGES(2));
	EXPECT_BOTH("AAaaAA");
	protect(0, 2, R);
	EXPECT_BOTH("RRAAaa");
	ready();
	cr_assert_eq(mprotect((void *)AT(0), PAGES(6), RW), -1);
	mm_mprotect(mm, AT(0), PAGES(6), RW, -1);
	EXPECT_SETTLED("AAaaAA");
}

/* --- variations: file and offset --------------------------------------------------- */

Test(merge, files_merge_where_the_offset_goes_on)
{
	draw("FF  FF");
	map(2, 2, 'F');
	EXPECT_BOTH("FFFFFF");
}

Test(merge, another_file_does_not)
{
	draw("FF  FF");
	map(2, 2, 'G');
	EXPECT_BOTH("FFGGFF");
}

Test(merge, another_offset_does_not)
{
	struct mmap_call c = { .addr = AT(2),
			       .len = PAGES(2),
			       .prot = R,
			       .flags = MAP_PRIVATE | MAP_FIXED,
			       .pgoff = 9 };

	draw("FF");
	ready();
	cr_assert_neq(mmap((void *)AT(2), PAGES(2), R, MAP_PRIVATE | MAP_FIXED, file_f,
			   (off_t)PAGES(9)),
		      MAP_FAILED);
	c.file = vma_file_get(mm, 8, 1, 1, "/f");
	mm_mmap(mm, &c);
	EXPECT_BOTH("FFff");
}

/* Two descriptors, two struct files: here the modes tell. */
Test(merge, another_mode_does_not)
{
	struct mmap_call c = { .addr = AT(2),
			       .len = PAGES(2),
			       .prot = R,
			       .flags = MAP_SHARED | MAP_FIXED,
			       .pgoff = 2 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_f);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	for (unsigned int i = 0; i < 2; i++) {
		ready();
		cr_assert_neq(mmap((void *)AT(2 * i), PAGES(2), R, MAP_SHARED | MAP_FIXED,
				   i ? fd : file_f, (off_t)PAGES(2 * i)),
			      MAP_FAILED);
		c.addr = AT(2 * i);
		c.pgoff = 2 * i;
		c.file = vma_file_get(mm, 8, 1, 1, "/f");
		c.file->mode_known = true;
		c.file->mode = i ? FILE_READONLY : 0;
		mm_mmap(mm, &c);
	}
	close(fd);
	cr_assert_str_eq(kernel_drawing(), "FFff");
	cr_assert_eq(find_vma(mm, AT(0))->vm_end, AT(2));
	cr_assert(find_vma(mm, AT(0))->vm_flags & VM_MAYWRITE);
	cr_assert_eq(find_vma(mm, AT(2))->vm_flags &
			     (VM_SHARED | VM_MAYWRITE | VM_MAYSHARE),
		     VM_MAYSHARE);
}

Test(merge, shared_memory_by_its_offset)
{
	draw("SSSSSS");
	protect(2, 2, R);
	cr_assert_eq(find_vma(mm, AT(0))->vm_end, AT(2));
	protect(2, 2, RW);
	EXPECT_BOTH("SSSSSS");
}

/* --- variations: anon_vma ---------------------------------------------------------- */

Test(merge, two_touched_neighbours_stay_two)
{
	draw("AAXXAA");
	touch(0);
	touch(4);
	map(2, 2, 'A');
	/* The new area goes to the left: left and right do not go together. */
	EXPECT_BOTH("AAAAaa");
}

Test(merge, one_touched_neighbour_takes_all)
{
	draw("AA  AA");
	touch(0);
	map(2, 2, 'A');
	EXPECT_SETTLED("AAAAAA");
}

Test(merge, two_touched_neighbours_of_a_changed_area)
{
	draw("AARRAA");
	touch(0);
	touch(4);
	protect(2, 2, RW);
	EXPECT_SETTLED("AAAAaa");
}

Test(merge, pieces_of_one_area_find_together)
{
	draw("AAAAAA");
	touch(0);
	touch(5);
	protect(2, 2, PROT_NONE);
	EXPECT_SETTLED("AANNAA");
	protect(2, 2, RW);
	EXPECT_SETTLED("AAAAAA");
}

Test(merge, moved_untouched_memory_merges)
{
	draw("RR  XXRR");
	move(6, 2, 2);
	EXPECT_SETTLED("RRRRXX");
}

Test(merge, moved_touched_memory_keeps_its_offset)
{
	draw("AA  XXAA");
	touch(6);
	move(6, 2, 2);
	EXPECT_SETTLED("AAaaXX");
}

/* As the model cannot know, but by what then goes on with one area only. */
Test(merge, untouched_memory_that_grows_is_one)
{
	static const char kind[] = { 'A', 'R', 'W', 'F' };

	for (size_t i = 0; i < sizeof(kind); i++) {
		unsigned int at = 10 * (unsigned int)i;

		map(at, 2, kind[i]);
		map(at + 3, 2, kind[i]);
		map(at + 2, 1, kind[i]);
	}
	cr_assert_str_eq(kernel_drawing(), "AAAAA     RRRRR     WWWWW     FFFFF");
	EXPECT_MAP(mm, "AAAaa     RRRrr     WWWww     FFFFF");
	resize(1, 4, 6, 1);
	resize(10, 5, 6, 10);
	resize(20, 5, 7, 20);
	resize(30, 5, 6, 30);
	EXPECT_BOTH("AAAAAAA   RRRRRR    WWWWWWW   FFFFFF");
}

Test(merge, untouched_memory_that_moves_and_grows_is_one)
{
	draw("AA AA");
	map(2, 1, 'A');
	resize(1, 3, 4, 8);
	EXPECT_BOTH("A   A   AAAA");
}

/* vma_had_uncowed_parents() */
static int inherited(void)
{
	mm_dup(mm);
	map(2, 2, 'A');
	if (strcmp(kernel_drawing(), "AAaa"))
		return 2;
	settle();
	return find_vma(mm, AT(0))->vm_end == AT(2) && !validate_mm(mm) ? 0 : 3;
}

Test(merge, inherited_touched_memory_merges_with_nothing)
{
	int status;
	pid_t pid;

	draw("AA");
	touch(0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid)
		_exit(inherited());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "status %#x", status);
	map(2, 2, 'A');
	EXPECT_SETTLED("AAAA");
}

/* --- variations: policy and name --------------------------------------------------- */

static bool bind(unsigned int column, unsigned int pages, unsigned int mode)
{
	unsigned long node = 1;

	ready();
	if (syscall(SYS_mbind, AT(column), PAGES(pages), mode, mode ? &node : NULL, 8UL,
		    0))
		return false;
	mm_mbind(mm, AT(column), PAGES(pages), mpol_key(mode, &node, mode != 0));
	return true;
}

Test(merge, policies_keep_apart_and_bring_together)
{
	draw("AAAAAA");
	if (!bind(2, 2, 2 /* MPOL_BIND */))
		return; /* a kernel without NUMA */
	EXPECT_BOTH("AAaaAA");
	cr_assert(bind(0, 2, 2));
	EXPECT_BOTH("AAAAaa");
	cr_assert(bind(4, 2, 2));
	EXPECT_BOTH("AAAAAA");
	cr_assert(bind(2, 2, 3 /* MPOL_INTERLEAVE */));
	EXPECT_BOTH("AAaaAA");
	cr_assert(bind(0, 6, 0));
	EXPECT_BOTH("AAAAAA");
}

/* Kernels may be built without names: the model alone. */
static void name(unsigned int column, unsigned int pages, const char *text)
{
	ready();
	mm_set_anon_name(mm, AT(column), PAGES(pages), text);
}

static const char *name_at(unsigned int column)
{
	return vma_name(mm, find_vma(mm, AT(column)));
}

Test(merge, names_keep_apart_and_bring_together)
{
	map_draw(mm, "AAAAAA");
	name(2, 2, "heap of words");
	EXPECT_MAP(mm, "AAaaAA");
	cr_assert_str_eq(name_at(2), "[anon:heap of words]");
	cr_assert_str_eq(name_at(4), "");
	name(0, 2, "heap of words");
	EXPECT_MAP(mm, "AAAAaa");
	name(4, 2, "another");
	EXPECT_MAP(mm, "AAAAaa");
	name(0, 6, NULL);
	EXPECT_MAP(mm, "AAAAAA");
}

Test(merge, names_survive_splits_moves_and_forks)
{
	map_draw(mm, "AAAAAA    SS FF");
	name(0, 6, "x");
	name(10, 2, "y");
	name(13, 2, "no name for files");
	ready();
	mm_munmap(mm, AT(2), PAGES(2));
	ready();
	mm_mremap(mm, AT(4), PAGES(2), AT(7), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	mm_dup(mm);
	EXPECT_MAP(mm, "AA     AA SS FF");
	cr_assert_str_eq(name_at(0), "[anon:x]");
	cr_assert_str_eq(name_at(7), "[anon:x]");
	cr_assert_str_eq(name_at(10), "[anon_shmem:y]");
	cr_assert_str_eq(name_at(13), "/f");
	ready();
	mm_munmap(mm, AT(0), PAGES(MAP_MAX));
	EXPECT_MAP(mm, "");
}
