// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every advice, on untouched, half populated and populated memory. */
#include "tests/preload/common.h"

#define LEN (2 * MIB)

static void dontneed(void)
{
	char *p = anon(LEN);

	SHOW(madvise(p, LEN, MADV_DONTNEED));
	fill(p, LEN, 1);
	SHOW(madvise(p + PAGE, LEN / 2, MADV_DONTNEED));
	CHECK(matches(p, PAGE, 1));
	CHECK(all_zero(p + PAGE, LEN / 2));
	fill(p + PAGE, LEN / 2, 2);
	CHECK(matches(p + PAGE, LEN / 2, 2));
	for (int i = 0; i < 50; i++) {
		fill(p, 70 * PAGE, 3);
		CHECK(madvise(p, 70 * PAGE, MADV_DONTNEED) == 0);
		CHECK(all_zero(p, 70 * PAGE));
	}
	CHECK(munmap(p, LEN) == 0);
}

/* After MADV_FREE each page is as it was, or zero; a write makes it stay. */
static void lazy_free(void)
{
	char *p = anon(LEN);

	fill(p, LEN, 4);
	SHOW(madvise(p, LEN, MADV_FREE));
	for (size_t i = 0; i < LEN; i += PAGE)
		CHECK(all_zero(p + i, 1) || p[i] == (char)(i * 31 + (i >> 12) * 7 + 4));
	fill(p, LEN, 5);
	CHECK(matches(p, LEN, 5));
	CHECK(munmap(p, LEN) == 0);
}

static void populate(void)
{
	char *p = anon(LEN);

	p[LEN / 2] = 7;
	SHOW(madvise(p, LEN, MADV_POPULATE_READ));
	printf("resident %ld\n", resident_pages(p, LEN));
	SHOW(madvise(p, LEN, MADV_POPULATE_WRITE));
	CHECK(p[LEN / 2] == 7);
	CHECK(munmap(p, LEN) == 0);
	p = anon(LEN);
	SHOW(madvise(p, LEN, MADV_POPULATE_WRITE));
	printf("resident %ld\n", resident_pages(p, LEN));
	CHECK(all_zero(p, LEN));
	CHECK(mprotect(p, LEN, PROT_READ) == 0);
	SHOW(madvise(p, LEN, MADV_POPULATE_WRITE));
	CHECK(mprotect(p, LEN, PROT_NONE) == 0);
	SHOW(madvise(p, LEN, MADV_POPULATE_READ));
	CHECK(munmap(p, LEN) == 0);
	SHOW(madvise(p, LEN, MADV_POPULATE_READ));
}

static void harmless(void)
{
	static const int advice[] = { MADV_NORMAL,     MADV_SEQUENTIAL,	 MADV_RANDOM,
				      MADV_WILLNEED,   MADV_DONTFORK,	 MADV_DOFORK,
				      MADV_MERGEABLE,  MADV_UNMERGEABLE, MADV_DONTDUMP,
				      MADV_DODUMP,     MADV_HUGEPAGE,	 MADV_NOHUGEPAGE,
				      MADV_WIPEONFORK, MADV_KEEPONFORK,	 MADV_COLD,
				      MADV_PAGEOUT };
	char *p = anon(LEN);

	fill(p, LEN / 2, 6);
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		printf("advice %d: ", advice[i]);
		SHOW(madvise(p + 3 * PAGE, LEN / 2, advice[i]));
		CHECK(matches(p, LEN / 2, 6));
	}
	CHECK(all_zero(p + LEN / 2, LEN / 2));
	CHECK(munmap(p, LEN) == 0);
}

static void removed(void)
{
	char *shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	char *p = anon(LEN);

	CHECK(shared != MAP_FAILED);
	fill(shared, LEN, 7);
	SHOW(madvise(shared, LEN, MADV_REMOVE));
	CHECK(all_zero(shared, LEN));
	SHOW(madvise(p, LEN, MADV_REMOVE));
	CHECK(munmap(shared, LEN) == 0 && munmap(p, LEN) == 0);
}

static void refused(void)
{
	char *p = anon(LEN);

	SHOW(madvise(p, LEN, 12345));
	SHOW(madvise(p + 1, LEN, MADV_DONTNEED));
	SHOW(madvise(p, 0, MADV_DONTNEED));
	SHOW(madvise(p, (size_t)-1, MADV_DONTNEED));
	fill(p, LEN, 8);
	CHECK(munmap(p + LEN / 2, PAGE) == 0);
	/* The kernel goes on behind the hole and reports it afterwards. */
	SHOW(madvise(p, LEN, MADV_DONTNEED));
	CHECK(all_zero(p, LEN / 2) && all_zero(p + LEN / 2 + PAGE, LEN / 2 - PAGE));
	if (mlock(p, PAGE) == 0)
		SHOW(madvise(p, PAGE, MADV_DONTNEED));
	CHECK(munmap(p, LEN) == 0);
}

static char *kept, *wiped, *gone;

static void look_from_child(void)
{
	CHECK(matches(kept, LEN, 1));
	CHECK(all_zero(wiped, LEN));
	printf("DONTFORK area in the child: %s\n", touch(gone, false));
	fill(wiped, LEN, 9);
	CHECK(matches(wiped, LEN, 9));
}

static void across_fork(void)
{
	kept = anon(LEN);
	wiped = anon(LEN);
	gone = anon(LEN);
	CHECK(madvise(wiped, LEN, MADV_WIPEONFORK) == 0);
	CHECK(madvise(gone, LEN, MADV_DONTFORK) == 0);
	fill(kept, LEN, 1);
	fill(wiped, LEN, 2);
	fill(gone, LEN, 3);
	in_child("advice over fork", look_from_child);
	CHECK(matches(kept, LEN, 1) && matches(wiped, LEN, 2) && matches(gone, LEN, 3));
}

int main(void)
{
	dontneed();
	lazy_free();
	populate();
	harmless();
	removed();
	refused();
	across_fork();
	return 0;
}
