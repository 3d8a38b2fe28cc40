// SPDX-License-Identifier: LGPL-2.1-or-later
/* Advice about huge pages, before and after the first touch. */
#include "tests/preload/common.h"

#define LEN (16 * MIB)

static char *aligned(size_t len)
{
	char *p = anon(len + 2 * MIB);

	return (char *)(((unsigned long)p + 2 * MIB - 1) & ~(2 * MIB - 1));
}

static void advised(const char *what, int first, int second)
{
	char *p = aligned(LEN);

	CHECK(madvise(p, LEN, first) == 0);
	fill(p, LEN / 2, 1);
	CHECK(madvise(p, LEN, second) == 0);
	CHECK(matches(p, LEN / 2, 1) && all_zero(p + LEN / 2, LEN / 2));
	fill(p, LEN, 2);
	CHECK(matches(p, LEN, 2));
	CHECK(mprotect(p + MIB, PAGE, PROT_READ) == 0);
	CHECK(madvise(p + 3 * MIB, MIB, MADV_DONTNEED) == 0);
	CHECK(matches(p, 3 * MIB, 2) && all_zero(p + 3 * MIB, MIB));
	CHECK(munmap(p, LEN) == 0);
	puts(what);
}

static void collapsed(void)
{
	char *p = aligned(LEN);

	for (size_t i = 0; i < LEN; i += 3 * PAGE)
		fill(p + i, PAGE, 3);
	/* The kernel may have no huge page to give: the data is what counts. */
	(void)madvise(p, LEN, MADV_COLLAPSE);
	for (size_t i = 0; i < LEN; i += 3 * PAGE)
		CHECK(matches(p + i, PAGE, 3));
	CHECK(all_zero(p + PAGE, 2 * PAGE));
	puts("collapse");
}

static char *inherited;

static void child(void)
{
	CHECK(matches(inherited, LEN, 4));
	fill(inherited, LEN, 5);
	CHECK(matches(inherited, LEN, 5));
}

int main(void)
{
	advised("huge from the start", MADV_HUGEPAGE, MADV_HUGEPAGE);
	advised("huge later", MADV_NORMAL, MADV_HUGEPAGE);
	advised("no longer huge", MADV_HUGEPAGE, MADV_NOHUGEPAGE);
	collapsed();
	inherited = aligned(LEN);
	CHECK(madvise(inherited, LEN, MADV_HUGEPAGE) == 0);
	fill(inherited, LEN, 4);
	in_child("child", child);
	CHECK(matches(inherited, LEN, 4));
	return 0;
}
