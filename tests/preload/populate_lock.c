// SPDX-License-Identifier: LGPL-2.1-or-later
/* MAP_POPULATE, MAP_LOCKED, mlock and its relatives. */
#include "tests/preload/common.h"

#define LEN (1 * MIB)

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/* KiB that the kernel counts as locked. */
static long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kib) == 1)
			break;
	CHECK(fclose(f) == 0);
	return kib;
}

static void populated(void)
{
	char *p = anon_with(LEN, PROT_READ | PROT_WRITE, MAP_POPULATE);

	printf("MAP_POPULATE resident %ld\n", resident_pages(p, LEN));
	CHECK(all_zero(p, LEN));
	CHECK(munmap(p, LEN) == 0);
	p = anon_with(LEN, PROT_READ, MAP_POPULATE);
	CHECK(all_zero(p, LEN));
	CHECK(munmap(p, LEN) == 0);
	p = anon_with(LEN, PROT_READ | PROT_WRITE, MAP_LOCKED);
	printf("MAP_LOCKED resident %ld\n", resident_pages(p, LEN));
	fill(p, LEN, 1);
	CHECK(matches(p, LEN, 1));
	CHECK(munmap(p, LEN) == 0);
}

static void locked(void)
{
	char *p = anon(LEN);
	long before = locked_kib();

	p[LEN / 2] = 5;
	SHOW(mlock(p, LEN));
	printf("resident %ld, locked %ld KiB\n", resident_pages(p, LEN),
	       locked_kib() - before);
	CHECK(p[LEN / 2] == 5 && p[LEN - 1] == 0);
	SHOW(munlock(p + LEN / 4, LEN / 4));
	printf("locked %ld KiB\n", locked_kib() - before);
	fill(p, LEN, 2);
	CHECK(matches(p, LEN, 2));
	CHECK(munmap(p, LEN) == 0);
	printf("locked %ld KiB\n", locked_kib() - before);
}

static void locked_on_fault(void)
{
	char *p = anon(LEN);
	long before = locked_kib();

	SHOW(mlock2(p, LEN, MLOCK_ONFAULT));
	printf("locked %ld KiB\n", locked_kib() - before);
	p[0] = 1;
	CHECK(resident_pages(p, PAGE) == 1);
	CHECK(all_zero(p + PAGE, LEN - PAGE));
	SHOW(mlock2(p, LEN, 0));
	printf("resident %ld\n", resident_pages(p, LEN));
	SHOW(munlock(p, LEN));
	CHECK(munmap(p, LEN) == 0);
}

static void all_locked(void)
{
	char *before = anon(LEN), *after;

	before[PAGE] = 1;
	SHOW(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	after = anon(LEN);
	fill(after, LEN, 3);
	CHECK(matches(after, LEN, 3) && before[PAGE] == 1 && before[2 * PAGE] == 0);
	SHOW(munlockall());
	SHOW(mlockall(MCL_FUTURE));
	after = anon(LEN);
	printf("resident %ld\n", resident_pages(after, LEN));
	CHECK(all_zero(after, LEN));
	free(malloc(3 * MIB));
	SHOW(munlockall());
	after = anon(LEN);
	fill(after, LEN, 4);
	CHECK(matches(after, LEN, 4));
}

static void refused(void)
{
	char *p = anon(LEN);

	CHECK(munmap(p + LEN / 2, PAGE) == 0);
	SHOW(mlock(p, LEN));
	SHOW(munlock(p, LEN));
	SHOW(mlock2(p, PAGE, 77));
	SHOW(mlockall(0));
	SHOW(mlockall(MCL_ONFAULT));
	CHECK(mprotect(p, LEN / 2, PROT_NONE) == 0);
	SHOW(mlock(p, LEN / 2));
	SHOW(munlock(p, LEN / 2));
}

int main(void)
{
	populated();
	locked();
	locked_on_fault();
	all_locked();
	refused();
	return 0;
}
