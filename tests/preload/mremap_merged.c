// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mremap of what the kernel has as one area because nobody has touched it yet:
 *
 *	[AA]..[CC]	two calls of mmap()
 *	[AABBCC]	and one between them
 *
 * Had both been written to, it would be two. The library sees calls and no writes, but a
 * call that works with one area only tells it. What is left at the end is verified.
 */
#include "tests/preload/common.h"

#include <fcntl.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define PIECES	(6 * PAGE)
#define ROOM	(16 * PAGE)
#define MAYMOVE MREMAP_MAYMOVE
#define FIXED	(MREMAP_MAYMOVE | MREMAP_FIXED)

static const struct kind {
	const char *name;
	int prot, flags;
} kinds[] = {
	{ "anonymous", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS },
	{ "read only", PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS },
	{ "of a file", PROT_READ | PROT_WRITE, MAP_PRIVATE },
	{ "of a file, read only", PROT_READ, MAP_PRIVATE },
	{ "shared", PROT_READ | PROT_WRITE, MAP_SHARED },
};

static const struct kind *kind;
static int file;
static char bytes[ROOM];

/* --- one area ---------------------------------------------------------------------- */

static void piece(char *p, size_t offset, size_t len)
{
	int flags = kind->flags | MAP_FIXED;

	CHECK(mmap(p + offset, len, kind->prot, flags, flags & MAP_ANONYMOUS ? -1 : file,
		   (off_t)offset) == p + offset);
}

/* In the middle of memory that nobody may access, so that it has no other neighbours. */
static char *glued(void)
{
	char *p = anon_with(3 * ROOM, PROT_NONE, MAP_NORESERVE) + ROOM;

	piece(p, 0, 2 * PAGE);
	piece(p, 4 * PAGE, 2 * PAGE);
	piece(p, 2 * PAGE, 2 * PAGE);
	return p;
}

static char *place(void)
{
	return anon_with(3 * ROOM, PROT_NONE, MAP_NORESERVE) + ROOM;
}

/* [p, p + len) shows what [offset, offset + len) did, at first sight. */
static void check(char *p, size_t offset, size_t len)
{
	if (kind->flags & MAP_ANONYMOUS)
		CHECK(all_zero(p, len));
	else
		CHECK(!memcmp(p, bytes + offset, len));
	if (kind->prot & PROT_WRITE && kind->flags & MAP_PRIVATE)
		fill(p, len, 1);
}

/* --- what needs one area ----------------------------------------------------------- */

static void in_place(size_t from)
{
	char *p = glued();

	CHECK(!munmap(p + PIECES, 2 * PAGE));
	CHECK(mremap(p + from, PIECES - from, PIECES - from + 2 * PAGE, 0) == p + from);
	check(p, 0, PIECES + 2 * PAGE);
}

static void up_to_a_neighbour(void)
{
	char *p = glued();

	piece(p, PIECES + 2 * PAGE, 2 * PAGE);
	CHECK(!munmap(p + PIECES, 2 * PAGE));
	CHECK(mremap(p, PIECES, PIECES + 2 * PAGE, 0) == p);
	check(p, 0, PIECES + 4 * PAGE);
}

static void moved(size_t from, size_t len, size_t new_len, int flags)
{
	char *p = glued(), *to = flags & MREMAP_FIXED ? place() : NULL, *q;

	q = mremap(p + from, len, new_len, flags, to);
	CHECK(q != MAP_FAILED && (!to || q == to));
	check(q, from, new_len);
	if (from)
		check(p, 0, from);
	check(p + from + len, from + len, PIECES - from - len);
}

/* Onto the beginning of another one. */
static void over_a_part(void)
{
	char *p = glued(), *q = glued();

	CHECK(mremap(p + PAGE, 4 * PAGE, 5 * PAGE, FIXED, q - PAGE) == q - PAGE);
	check(q - PAGE, PAGE, 5 * PAGE);
	check(q + 4 * PAGE, 4 * PAGE, 2 * PAGE);
	check(p, 0, PAGE);
	check(p + 5 * PAGE, 5 * PAGE, PAGE);
}

static void left_behind(size_t from, size_t len, int flags)
{
	char *p = glued(), *to = flags & MREMAP_FIXED ? place() : NULL, *q;

	/* Of a shared mapping since 6.17 or so, if at all. */
	if (kind->flags & MAP_SHARED)
		return;
	q = mremap(p + from, len, len, flags | MAYMOVE | MREMAP_DONTUNMAP, to);
	CHECK(q != MAP_FAILED && (!to || q == to));
	check(q, from, len);
	check(p, 0, PIECES);
}

/* --- what does not ----------------------------------------------------------------- */

static void cut(void)
{
	char *p = glued();

	CHECK(mremap(p + PAGE, 5 * PAGE, 2 * PAGE, 0) == p + PAGE);
	CHECK(mremap(p + PAGE, 2 * PAGE, 3 * PAGE, 0) == p + PAGE);
	check(p, 0, 4 * PAGE);
}

/* The pages must not move with it, nor be taken for one with the others. */
static void refused(void)
{
	char *p = glued();

	CHECK(mremap(p + PAGE, 3 * PAGE, 4 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap(p + PAGE, PIECES, PIECES + PAGE, MAYMOVE) == MAP_FAILED &&
	      errno == EFAULT);
	check(p, 0, PIECES);
}

/* --- locks, which go with the whole source of MREMAP_DONTUNMAP --------------------- */

static void lock_all(char *p, size_t len)
{
	/* Without touching it. */
	CHECK(!mlock2(p, len, MLOCK_ONFAULT));
}

/* All of what the library may take for the first of two areas. */
static void locked_as_one(void)
{
	char *p = glued(), *q;

	lock_all(p, PIECES);
	q = mremap(p, 4 * PAGE, 4 * PAGE, MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED);
	lock_all(p, 4 * PAGE);
	check(p, 0, PIECES);
	CHECK(!munmap(q, 4 * PAGE));
}

/* Two areas, because both were written to before they met. */
static void locked_as_two(void)
{
	char *p = place(), *q;

	piece(p, 0, PIECES);
	CHECK(!munmap(p + 2 * PAGE, 2 * PAGE));
	p[0] = p[4 * PAGE] = 1;
	piece(p, 2 * PAGE, 2 * PAGE);
	lock_all(p, PIECES);
	q = mremap(p + PAGE, PAGE, PAGE, MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED);
	CHECK(all_zero(p + PAGE, 3 * PAGE) && p[0] == 1 && p[4 * PAGE] == 1);
	CHECK(!munmap(q, PAGE));
}

static void all_of_it(void)
{
	in_place(0);
	in_place(PAGE);
	in_place(3 * PAGE);
	up_to_a_neighbour();
	moved(0, PIECES, PIECES + PAGE, MAYMOVE);
	moved(PAGE, 4 * PAGE, 5 * PAGE, MAYMOVE);
	moved(PAGE, 4 * PAGE, 5 * PAGE, FIXED);
	moved(0, PIECES, 3 * PAGE, FIXED);
	moved(PAGE, 4 * PAGE, 4 * PAGE, FIXED);
	moved(0, PIECES, PIECES, FIXED);
	over_a_part();
	left_behind(0, PIECES, 0);
	left_behind(PAGE, 4 * PAGE, 0);
	left_behind(PAGE, 4 * PAGE, MREMAP_FIXED);
	cut();
	refused();
	puts(kind->name);
}

/* What the parent has mapped is grown here. */
static char *inherited;

static void as_child(void)
{
	CHECK(mremap(inherited + PAGE, 5 * PAGE, 7 * PAGE, 0) == inherited + PAGE);
	check(inherited, 0, PIECES + 2 * PAGE);
	all_of_it();
}

int main(void)
{
	file = open("merged", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(file >= 0 && !unlink("merged"));
	fill(bytes, sizeof(bytes), 7);
	CHECK(write(file, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		kind = &kinds[i];
		all_of_it();
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		kind = &kinds[i];
		inherited = glued();
		CHECK(!munmap(inherited + PIECES, 2 * PAGE));
		in_child("child", as_child);
	}
	kind = &kinds[0];
	locked_as_one();
	locked_as_two();
	return 0;
}
