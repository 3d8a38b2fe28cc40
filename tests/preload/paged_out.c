// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that a fork has shared, that may be protected, go to swap and come back by reads
 * and writes on both sides. Where there is no swap they stay, and only the calls are
 * tried.
 */
#include "tests/preload/cow_wait.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* 5.4 */
#endif

#define PAGES 512UL

static char *mem;

static void say_swap(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "r");
	bool any = f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f);

	puts(any ? "there is swap" : "skipped: no swap, pages stay in memory");
	if (f)
		fclose(f);
}

static void page_out(void)
{
	CHECK(madvise(mem, PAGES * PAGE, MADV_PAGEOUT) == 0 || errno == EINVAL);
}

static char byte_of(size_t n)
{
	return (char)(1 + n % 100);
}

/* Of the pages that divide by @every, @add has been added. */
static int wrong(size_t every, char add)
{
	int bad = 0;

	for (size_t n = 0; n < PAGES; n++)
		for (size_t i = 0; i < PAGE; i += 512)
			bad += mem[n * PAGE + i] !=
			       (char)(byte_of(n) + (n % every ? 0 : add));
	return bad;
}

static void change(size_t every, char add)
{
	for (size_t n = 0; n < PAGES; n += every)
		memset(mem + n * PAGE, byte_of(n) + add, PAGE);
}

static int child(const struct held *h)
{
	int bad;

	wait_protected(mem + (PAGES - 1) * PAGE);
	page_out();
	change(5, 7);
	stay_held(h);
	bad = wrong(5, 7);
	page_out();
	return bad + wrong(5, 7);
}

int main(void)
{
	struct held h;

	say_swap();
	mem = anon(PAGES * PAGE);
	change(1, 0);
	h = fork_held();
	if (h.pid == 0)
		_exit(child(&h) != 0);
	wait_protected(mem + (PAGES - 1) * PAGE);
	page_out();
	change(3, 11);
	printf("parent: %d wrong\n", wrong(3, 11));
	page_out();
	printf("again: %d wrong\n", wrong(3, 11));
	printf("child: %d\n", WEXITSTATUS(end_held(&h)));
	page_out();
	change(2, 13);
	CHECK(mem[0] == (char)(byte_of(0) + 13));
	return 0;
}
