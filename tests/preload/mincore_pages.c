// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mincore: touched pages are resident. Around a fault up to 64 pages may be, beyond that
 * none is; on the kernel's side a huge page could do the same, so they are refused here.
 */
#include "tests/preload/common.h"

#define LEN    (8 * MIB)
#define WINDOW (64 * PAGE)

static long rss_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, resident;

	CHECK(f && fscanf(f, "%ld %ld", &size, &resident) == 2);
	CHECK(fclose(f) == 0);
	return resident * 4;
}

int main(void)
{
	char *p = anon(LEN);
	long before;

	CHECK(madvise(p, LEN, MADV_NOHUGEPAGE) == 0);
	printf("untouched: %ld\n", resident_pages(p, LEN));
	p[LEN / 2] = 1;
	printf("touched page: %ld\n", resident_pages(p + LEN / 2, PAGE));
	printf("window before: %ld\n", resident_pages(p, LEN / 2 - WINDOW));
	printf("window behind: %ld\n",
	       resident_pages(p + LEN / 2 + WINDOW, LEN / 2 - WINDOW));
	CHECK(madvise(p, LEN, MADV_DONTNEED) == 0);
	printf("given back: %ld\n", resident_pages(p, LEN));
	before = rss_kib();
	fill(p, LEN, 1);
	printf("all: %ld\n", resident_pages(p, LEN));
	/* The kernel batches its counters: 64 pages per CPU and kind. */
	CHECK(rss_kib() - before > (long)(LEN / KIB) - 2048);
	CHECK(rss_kib() - before < (long)(LEN / KIB) + 2048);
	SHOW(mincore(p, 0, (unsigned char *)p));
	CHECK(munmap(p + PAGE, PAGE) == 0);
	SHOW(resident_pages(p, LEN));
	return 0;
}
