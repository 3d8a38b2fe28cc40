// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that the kernel merges (KSM), then a fork, writes on both sides, and the end of
 * merging. Says first whether anything was merged, which is ksmd's business; what follows
 * is the same in any case. ksm_merged.c switches ksmd on.
 */
#include "tests/preload/cow_wait.h"

#define PAGES 512UL
#define KINDS 4

static char *mem;

static char kind(size_t n)
{
	return (char)(1 + n % KINDS);
}

static long merging(void)
{
	FILE *f = fopen("/proc/self/ksm_merging_pages", "r");
	long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* All but one of each kind, as far as ksmd has come. */
static void wait_merged(void)
{
	double end = seconds() + 20;
	long n;

	while ((n = merging()) >= 0 && n < (long)(PAGES / 2) && seconds() < end)
		sched_yield();
	puts(n < 0		     ? "not merged: no /proc/self/ksm_merging_pages"
	     : n < (long)(PAGES / 2) ? "not merged: ksmd took too long"
				     : "merged");
}

/* ksmd takes the protection off a page that it merges later: any will do, or none. */
static void wait_any_protected(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	double end = seconds() + 5;
	unsigned long word[PAGES];
	bool found = false;

	while (under_library() && !found && seconds() < end) {
		CHECK(pread(fd, word, sizeof(word),
			    (off_t)((unsigned long)mem / PAGE * 8)) == sizeof(word));
		for (size_t n = 0; n < PAGES; n++)
			found |= word[n] >> 57 & 1;
		sched_yield();
	}
	CHECK(close(fd) == 0);
}

/* Pages whose number divided by 3 leaves @mine were changed, by @add. */
static int wrong(size_t mine, char add)
{
	int bad = 0;

	for (size_t n = 0; n < PAGES; n++)
		for (size_t i = 0; i < PAGE; i += 64) {
			char want = (char)(kind(n) + (n % 3 == mine ? add : 0));

			bad += mem[n * PAGE + i] != want;
		}
	return bad;
}

static void change(size_t mine, char add)
{
	for (size_t n = mine; n < PAGES; n += 3)
		memset(mem + n * PAGE, kind(n) + add, PAGE);
}

static void child_main(const struct held *h)
{
	change(1, 20);
	stay_held(h);
	CHECK(madvise(mem, PAGES * PAGE, MADV_UNMERGEABLE) == 0);
	_exit(wrong(1, 20) != 0);
}

static void share(void)
{
	struct held h = fork_held();

	if (h.pid == 0)
		child_main(&h);
	wait_any_protected();
	change(0, 40);
	printf("parent: %d wrong\n", wrong(0, 40));
	printf("child: %d\n", WEXITSTATUS(end_held(&h)));
}

int main(void)
{
	mem = anon(PAGES * PAGE);
	if (madvise(mem, PAGES * PAGE, MADV_MERGEABLE)) {
		printf("not merged: MADV_MERGEABLE: %s\n", strerror(errno));
		return 0;
	}
	for (size_t n = 0; n < PAGES; n++)
		memset(mem + n * PAGE, kind(n), PAGE);
	wait_merged();
	printf("before: %d wrong\n", wrong(PAGES, 0));
	share();
	CHECK(madvise(mem, PAGES * PAGE, MADV_UNMERGEABLE) == 0);
	printf("unmerged: %d wrong\n", wrong(0, 40));
	return 0;
}
