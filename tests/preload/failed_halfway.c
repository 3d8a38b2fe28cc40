// SPDX-License-Identifier: LGPL-2.1-or-later
/* Calls that fail and change the areas all the same; what they leave is verified. */
#include "tests/preload/common.h"

#include <sys/resource.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define FIXED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

/* The end of what is there is cut off, then the limit is looked at. */
static void cut_by_a_limit(void)
{
	struct rlimit old, rl;
	char *p = anon(64 * KIB);

	CHECK(!getrlimit(RLIMIT_AS, &old));
	rl = old;
	rl.rlim_cur = 1UL << 40;
	CHECK(!setrlimit(RLIMIT_AS, &rl));
	SHOW(mmap(p + 32 * KIB, 1UL << 41, PROT_NONE, FIXED | MAP_NORESERVE, -1, 0) ==
			     MAP_FAILED
		     ? -1
		     : 0);
	CHECK(!setrlimit(RLIMIT_AS, &old));
}

/* Without huge pages the target has gone before the call fails. */
static void unmapped_for_nothing(void)
{
	const size_t huge = 2 * MIB;
	char *p = anon(3 * huge);

	p += -(unsigned long)p % huge;
	mmap(p, huge, PROT_READ, FIXED | MAP_HUGETLB, -1, 0);
	puts("asked for huge pages");
}

/* Ranges that wrap around are refused, with errors that others give half way. */
static void wrapping(void)
{
	char *p = anon(64 * KIB);

	fill(p, 64 * KIB, 1);
	SHOW(mprotect(p + PAGE, -PAGE, PROT_NONE));
	SHOW(madvise(p + PAGE, -PAGE, MADV_DONTFORK));
	CHECK(matches(p, 64 * KIB, 1));
}

static void guards(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	madvise(p + 8 * PAGE, PAGE, MADV_GUARD_INSTALL); /* since 6.13 */
	SHOW(mremap(p + 12 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    p + 4 * PAGE) == MAP_FAILED
		     ? -1
		     : 0);
}

int main(void)
{
	/* This one may have everything read back, which would hide the others. */
	wrapping();
	guards();
	cut_by_a_limit();
	unmapped_for_nothing();
	return 0;
}
