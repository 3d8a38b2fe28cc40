// SPDX-License-Identifier: LGPL-2.1-or-later
/* mremap of half populated areas: what was written moves along, what was not is zero. */
#include "tests/preload/common.h"

#define LEN (1 * MIB)

/* Every second run of 16 pages is written. */
static void fill_half(char *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += 32 * PAGE)
		fill(p + i, 16 * PAGE, seed);
}

static bool half_matches(char *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i += 32 * PAGE)
		if (!matches(p + i, 16 * PAGE, seed) ||
		    !all_zero(p + i + 16 * PAGE, 16 * PAGE))
			return false;
	return true;
}

static void grow_and_shrink(void)
{
	char *p = anon(LEN);

	fill_half(p, LEN, 1);
	p = mremap(p, LEN, 4 * LEN, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(half_matches(p, LEN, 1) && all_zero(p + LEN, 3 * LEN));
	fill(p + LEN, 3 * LEN, 2);
	p = mremap(p, 4 * LEN, LEN + PAGE, 0);
	CHECK(p != MAP_FAILED);
	CHECK(half_matches(p, LEN, 1) && matches(p + LEN, PAGE, 2));
	printf("behind the shrunk area: %s\n", touch(p + LEN + PAGE, false));
	p = mremap(p, LEN + PAGE, 2 * LEN, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(matches(p + LEN, PAGE, 2) && all_zero(p + LEN + PAGE, LEN - PAGE));
	CHECK(munmap(p, 2 * LEN) == 0);
	puts("grow and shrink");
}

static void in_place_or_not(void)
{
	char *p = anon(2 * LEN), *q;

	CHECK(munmap(p + LEN, LEN) == 0);
	q = mremap(p, LEN, LEN + LEN / 2, 0);
	CHECK(q == p);
	fill(q, LEN + LEN / 2, 3);
	CHECK(mmap(p + 2 * LEN - LEN / 2, PAGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	SHOW(mremap(p, LEN + LEN / 2, 2 * LEN, 0) == MAP_FAILED ? -1 : 0);
	q = mremap(p, LEN + LEN / 2, 2 * LEN, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	CHECK(matches(q, LEN + LEN / 2, 3) && all_zero(q + LEN + LEN / 2, LEN / 2));
	printf("where it was: %s\n", touch(p, true));
	CHECK(munmap(q, 2 * LEN) == 0 && munmap(p + 2 * LEN - LEN / 2, PAGE) == 0);
}

static void fixed(void)
{
	char *p = anon(LEN), *target = anon(3 * LEN), *q;

	fill_half(p, LEN, 4);
	fill(target, 3 * LEN, 5);
	q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, target + LEN);
	CHECK(q == target + LEN);
	CHECK(matches(target, LEN, 5) && half_matches(q, LEN, 4));
	printf("where it was: %s\n", touch(p, false));
	/* A part out of the middle of an area. */
	q = mremap(target + LEN + LEN / 4, LEN / 2, LEN / 2,
		   MREMAP_MAYMOVE | MREMAP_FIXED, p);
	CHECK(q == p);
	CHECK(half_matches(q, LEN / 2, 4));
	printf("hole: %s\n", touch(target + LEN + LEN / 2, false));
	CHECK(munmap(target, 3 * LEN) == 0 && munmap(q, LEN / 2) == 0);
}

/* Since Linux 6.17 one call may move several areas. */
static void several_areas(void)
{
	char *p = anon(3 * LEN), *target = anon_with(3 * LEN, PROT_NONE, 0), *q;

	fill_half(p, 3 * LEN, 9);
	CHECK(mprotect(p + LEN, LEN, PROT_READ) == 0);
	errno = 0;
	q = mremap(p, 3 * LEN, 3 * LEN, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	show_result("move of three areas", q == MAP_FAILED ? -1 : 0);
	if (q == MAP_FAILED)
		return;
	CHECK(half_matches(q, 3 * LEN, 9));
	printf("read only part: %s\n", touch(q + LEN, true));
	printf("where it was: %s\n", touch(p + LEN, false));
	CHECK(munmap(q, 3 * LEN) == 0);
}

/*
 * Under the library the first part is left to the kernel, which moves it before it
 * refuses the second; who asks again then moves what was left behind over it.
 */
static void middle_ours(void)
{
	char *p = anon(3 * LEN), *target = anon(3 * LEN), *q;

	CHECK(madvise(p, 3 * LEN, MADV_HUGEPAGE) == 0);
	CHECK(mmap(p + LEN, LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + LEN);
	fill_half(p, 3 * LEN, 10);
	errno = 0;
	q = mremap(p, 3 * LEN, 3 * LEN, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   target);
	show_result("three areas and MREMAP_DONTUNMAP", q == MAP_FAILED ? -1 : 0);
	if (q == MAP_FAILED)
		return;
	CHECK(half_matches(q, 3 * LEN, 10) && all_zero(p, 3 * LEN));
	CHECK(munmap(p, 3 * LEN) == 0 && munmap(q, 3 * LEN) == 0);
}

static void dontunmap(void)
{
	char *p = anon(LEN), *q;

	fill_half(p, LEN, 6);
	q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED && q != p);
	CHECK(half_matches(q, LEN, 6) && all_zero(p, LEN));
	fill(p, LEN, 7);
	CHECK(matches(p, LEN, 7) && half_matches(q, LEN, 6));
	CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0);
	puts("dontunmap");
}

static void chain(void)
{
	size_t len = 2 * PAGE;
	char *p = anon(len);

	fill(p, len, 8);
	for (int i = 0; i < 200; i++) {
		size_t next = len + ((i * 37) % 64 + 1) * PAGE;

		if (i % 5 == 4)
			next = 2 * PAGE;
		p = mremap(p, len, next, MREMAP_MAYMOVE);
		CHECK(p != MAP_FAILED);
		CHECK(matches(p, 2 * PAGE, 8));
		if (next > len)
			CHECK(all_zero(p + len, next - len));
		p[next - 1] = p[next - 1];
		len = next;
	}
	CHECK(munmap(p, len) == 0);
	puts("chain");
}

static void refused(void)
{
	char *p = anon(LEN);

	SHOW(mremap(p + 1, LEN, LEN, 0) == MAP_FAILED ? -1 : 0);
	SHOW(mremap(p, LEN, 0, 0) == MAP_FAILED ? -1 : 0);
	SHOW(mremap(p, LEN, LEN, 64) == MAP_FAILED ? -1 : 0);
	SHOW(mremap(p, LEN, LEN, MREMAP_FIXED, p) == MAP_FAILED ? -1 : 0);
	SHOW(mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE) == MAP_FAILED
		     ? -1
		     : 0);
	SHOW(mremap(p, 0, LEN, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	SHOW(mremap(p, LEN, 1UL << 60, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	CHECK(munmap(p, LEN) == 0);
	SHOW(mremap(p, LEN, 2 * LEN, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
}

int main(void)
{
	grow_and_shrink();
	in_place_or_not();
	fixed();
	several_areas();
	middle_ours();
	dontunmap();
	chain();
	refused();
	return 0;
}
