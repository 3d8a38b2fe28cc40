// SPDX-License-Identifier: LGPL-2.1-or-later
/* mprotect: splits, merges, PROT_NONE before and after the first touch, keys. */
#include "tests/preload/common.h"

#define LEN (2 * MIB)

static void show_rights(const char *what, char *p)
{
	printf("%s: read %s, ", what, touch(p, false));
	printf("write %s\n", touch(p, true));
}

static void before_first_touch(void)
{
	char *p = anon_with(LEN, PROT_NONE, 0);

	show_rights("none", p);
	CHECK(mprotect(p + LEN / 4, LEN / 4, PROT_READ) == 0);
	CHECK(mprotect(p + LEN / 2, LEN / 4, PROT_READ | PROT_WRITE) == 0);
	show_rights("still none", p);
	show_rights("read", p + LEN / 4);
	show_rights("both", p + LEN / 2);
	show_rights("none again", p + 3 * LEN / 4);
	CHECK(mprotect(p, LEN, PROT_READ | PROT_WRITE) == 0);
	CHECK(p[LEN / 2] == 1 && all_zero(p + LEN / 2 + 1, LEN / 2 - 1));
	fill(p, LEN, 1);
	CHECK(matches(p, LEN, 1));
	CHECK(munmap(p, LEN) == 0);
}

static void splits_and_merges(void)
{
	char *p = anon(LEN);

	fill(p, LEN, 2);
	for (size_t i = 0; i < LEN; i += 2 * PAGE)
		CHECK(mprotect(p + i, PAGE, PROT_READ) == 0);
	show_rights("odd page", p + PAGE);
	show_rights("even page", p + 2 * PAGE);
	for (size_t i = PAGE; i < LEN; i += 2 * PAGE)
		CHECK(mprotect(p + i, PAGE, PROT_READ) == 0);
	CHECK(matches(p, PAGE, 2));
	CHECK(mprotect(p, LEN, PROT_NONE) == 0);
	show_rights("none", p + LEN - 1);
	CHECK(mprotect(p, LEN, PROT_READ | PROT_WRITE) == 0);
	fill(p, LEN, 3);
	CHECK(matches(p, LEN, 3));
	CHECK(munmap(p, LEN) == 0);
}

/* malloc's arenas and garbage collectors: reserve, then commit piece by piece. */
static void reserve_and_commit(void)
{
	char *p = anon_with(256 * MIB, PROT_NONE, MAP_NORESERVE);

	for (size_t i = 0; i < 64; i++) {
		CHECK(mprotect(p + i * MIB, MIB, PROT_READ | PROT_WRITE) == 0);
		fill(p + i * MIB, 3 * PAGE, (unsigned int)i);
	}
	for (size_t i = 0; i < 64; i++)
		CHECK(matches(p + i * MIB, 3 * PAGE, (unsigned int)i));
	show_rights("not committed", p + 64 * MIB);
	CHECK(munmap(p, 256 * MIB) == 0);
}

static void keys(void)
{
	int key = pkey_alloc(0, 0);
	char *p = anon(LEN);

	if (key < 0) {
		/* The same with and without us; the hardware may have none. */
		printf("pkey_alloc: %s\n", strerror(errno));
		SHOW(pkey_mprotect(p, LEN, PROT_READ, -1));
		show_rights("key -1", p);
		return;
	}
	SHOW(pkey_mprotect(p, LEN, PROT_READ | PROT_WRITE, key));
	fill(p, LEN, 4);
	CHECK(matches(p, LEN, 4));
	SHOW(pkey_mprotect(p, LEN, PROT_READ | PROT_WRITE, 0));
	SHOW(pkey_free(key));
	CHECK(matches(p, LEN, 4));
}

static void refused(void)
{
	char *p = anon(LEN);

	SHOW(mprotect(p + 1, PAGE, PROT_READ));
	SHOW(mprotect(p, PAGE, 0x1000));
	SHOW(mprotect(p, 0, PROT_READ));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	CHECK(munmap(p + LEN / 2, PAGE) == 0);
	/* Everything before the hole changes although the call fails. */
	SHOW(mprotect(p, LEN, PROT_READ));
	show_rights("before the hole", p);
	show_rights("behind the hole", p + LEN / 2 + PAGE);
}

int main(void)
{
	before_first_touch();
	splits_and_merges();
	reserve_and_commit();
	keys();
	refused();
	return 0;
}
