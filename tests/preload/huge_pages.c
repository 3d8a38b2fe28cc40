// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory for which the program asks huge pages, and everything that cuts one afterwards.
 * The data is compared; that there are huge pages is tests/preload/huge.c's business.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>

#define HUGE (2 * MIB)
#define NR   12
#define LEN  (NR * HUGE)

/* Aligned, with a page before and half a huge page behind that have no room for one. */
static char *advised(void)
{
	char *p = anon(LEN + 2 * HUGE);
	char *at = (char *)(((unsigned long)p + PAGE + HUGE - 1) & ~(HUGE - 1));

	CHECK(madvise(at - PAGE, LEN + PAGE + HUGE / 2, MADV_HUGEPAGE) == 0);
	return at;
}

static void in_order(void)
{
	char *p = advised();

	fill(p - PAGE, LEN + PAGE + HUGE / 2, 1);
	CHECK(matches(p - PAGE, LEN + PAGE + HUGE / 2, 1));
	puts("forward");
	p = advised();
	for (size_t i = NR; i-- > 0;) {
		CHECK(all_zero(p + i * HUGE + MIB, PAGE));
		fill(p + i * HUGE, HUGE, (unsigned int)i);
	}
	for (size_t i = 0; i < NR; i++)
		CHECK(matches(p + i * HUGE, HUGE, (unsigned int)i));
	puts("backward");
	p = advised();
	for (size_t i = 0; i < NR; i++) {
		size_t at = i * 7 % NR * HUGE + i * 37 * PAGE;

		fill(p + at, PAGE, (unsigned int)i);
		CHECK(all_zero(p + at + PAGE, PAGE) && all_zero(p + at - PAGE, PAGE));
	}
	for (size_t i = 0; i < NR; i++)
		CHECK(matches(p + i * 7 % NR * HUGE + i * 37 * PAGE, PAGE,
			      (unsigned int)i));
	puts("here and there");
}

/* What the kernel splits a huge page for. */
static void cut(void)
{
	char *p = advised(), *moved;

	fill(p, LEN, 2);
	CHECK(madvise(p + MIB, 3 * PAGE, MADV_DONTNEED) == 0);
	CHECK(madvise(p + 3 * HUGE, HUGE, MADV_DONTNEED) == 0);
	CHECK(mprotect(p + HUGE + PAGE, PAGE, PROT_READ) == 0);
	puts(touch(p + HUGE + PAGE, true));
	CHECK(munmap(p + 2 * HUGE + 5 * PAGE, PAGE) == 0);
	puts(touch(p + 2 * HUGE + 5 * PAGE, false));
	CHECK(matches(p, MIB, 2) && all_zero(p + MIB, 3 * PAGE));
	CHECK(matches(p, MIB, 2) && all_zero(p + 3 * HUGE, HUGE));
	fill(p + MIB, 3 * PAGE, 3);
	fill(p + 3 * HUGE, HUGE, 3);
	CHECK(matches(p + MIB, 3 * PAGE, 3) && matches(p + 3 * HUGE, HUGE, 3));
	moved = mremap(p + 4 * HUGE, HUGE, 4 * HUGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	fill(moved + HUGE, 3 * HUGE, 4);
	CHECK(matches(moved + HUGE, 3 * HUGE, 4));
	moved = mremap(p + 5 * HUGE + MIB, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       moved + 8 * PAGE);
	CHECK(moved != MAP_FAILED);
	fill(moved, HUGE, 5);
	CHECK(matches(moved, HUGE, 5));
	puts(touch(p + 5 * HUGE + MIB, true));
	CHECK(madvise(p + 7 * HUGE, 2 * HUGE, MADV_NOHUGEPAGE) == 0);
	CHECK(madvise(p + 7 * HUGE, 3 * HUGE, MADV_DONTNEED) == 0);
	fill(p + 7 * HUGE, 3 * HUGE, 6);
	CHECK(matches(p + 7 * HUGE, 3 * HUGE, 6));
	puts("cut");
}

/* Some of it has page tables when the advice comes. */
static void late(void)
{
	char *p = anon(LEN);

	fill(p + 3 * MIB, 3 * MIB, 1);
	CHECK(madvise(p, LEN, MADV_HUGEPAGE) == 0);
	CHECK(madvise(p + 4 * MIB, PAGE, MADV_DONTNEED) == 0);
	CHECK(all_zero(p + 4 * MIB, PAGE));
	fill(p, LEN, 7);
	CHECK(matches(p, LEN, 7));
	(void)madvise(p, LEN, MADV_COLLAPSE);
	CHECK(matches(p, LEN, 7));
	puts("late");
}

static char *shared;

static void grandchild(void)
{
	CHECK(matches(shared + HUGE, HUGE, 9) && matches(shared + MIB, PAGE, 10));
	fill(shared + HUGE, HUGE, 11);
	fill(shared + (NR - 1) * HUGE, HUGE, 12);
	CHECK(matches(shared + HUGE, HUGE, 11));
	CHECK(matches(shared + (NR - 1) * HUGE, HUGE, 12));
}

static void child(void)
{
	char *p;

	CHECK(matches(shared, (NR - 1) * HUGE, 9));
	fill(shared + MIB, PAGE, 10);
	CHECK(matches(shared, MIB, 9) && matches(shared + MIB, PAGE, 10));
	p = advised();
	fill(p, LEN, 13);
	in_child("grandchild", grandchild);
	CHECK(matches(p, LEN, 13) && matches(shared + HUGE, HUGE, 9));
	CHECK(all_zero(shared + (NR - 1) * HUGE, HUGE));
}

static void same(void)
{
	CHECK(matches(shared, LEN, 14));
}

static void forked(void)
{
	shared = advised();
	fill(shared, (NR - 1) * HUGE, 9);
	in_child("child", child);
	CHECK(matches(shared, (NR - 1) * HUGE, 9));
	fill(shared, LEN, 14);
	in_child("child again", same);
	CHECK(matches(shared, LEN, 14));
}

static void *toucher(void *arg)
{
	char *p = arg;

	for (size_t i = 0; i < NR; i++) {
		CHECK(all_zero(p + i * HUGE, PAGE));
		fill(p + i * HUGE, PAGE, (unsigned int)i);
	}
	return NULL;
}

#define AT_ONCE 4

/* Each has its pages in every huge page; all want it at the same time. */
static void threads(void)
{
	pthread_t id[AT_ONCE];
	char *p = advised();

	for (size_t i = 0; i < AT_ONCE; i++)
		CHECK(pthread_create(&id[i], NULL, toucher, p + i * 99 * PAGE) == 0);
	for (size_t i = 0; i < AT_ONCE; i++)
		CHECK(pthread_join(id[i], NULL) == 0);
	for (size_t i = 0; i < AT_ONCE; i++)
		for (size_t j = 0; j < NR; j++)
			CHECK(matches(p + i * 99 * PAGE + j * HUGE, PAGE,
				      (unsigned int)j));
	puts("threads");
}

static void from_kernel(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *p = advised(), head[4];

	CHECK(fd >= 0 && read(fd, p + HUGE - 2, 4) == 4);
	memcpy(head, p + HUGE - 2, 4);
	CHECK(!memcmp(head, "\177ELF", 4));
	CHECK(all_zero(p + 2 * HUGE, HUGE));
	/* Refused in a test of tests/preload/huge.c. */
	(void)madvise(p + 4 * HUGE, 2 * HUGE, MADV_POPULATE_WRITE);
	CHECK(all_zero(p + 4 * HUGE, 2 * HUGE));
	CHECK(mlock(p + 7 * HUGE, HUGE) == 0 && munlock(p + 7 * HUGE, HUGE) == 0);
	CHECK(mlockall(MCL_CURRENT) == 0 && munlockall() == 0);
	p = advised();
	fill(p, LEN, 15);
	CHECK(matches(p, LEN, 15));
	close(fd);
	puts("kernel");
}

/* --- to be looked at --------------------------------------------------------------- */

#define MANY (32 * HUGE)

static char *live_area(void)
{
	char *p = anon(MANY + HUGE);

	return (char *)(((unsigned long)p + HUGE - 1) & ~(HUGE - 1));
}

/* KiB of huge pages in the whole process. */
static long anon_huge(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "AnonHugePages:", 14))
			kib = strtol(line + 14, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* One byte per huge page from @p on. */
static void touch_each(char *p)
{
	for (size_t i = 0; i < MANY; i += HUGE)
		((volatile char *)p)[i + MIB] = 1;
}

static void obey(int command)
{
	static char *p;

	switch (command) {
	case 'm':
		p = live_area();
		puts("mapped");
		break;
	case 'a':
		p = live_area();
		CHECK(madvise(p, MANY, MADV_HUGEPAGE) == 0);
		puts("advised");
		break;
	case 't':
		touch_each(p);
		puts("touched");
		break;
	case 'w':
		fill(p, MANY, 1);
		CHECK(matches(p, MANY, 1));
		puts("written");
		break;
	case 'e': /* a page table in every place, and nothing in it */
		for (size_t i = 0; i < MANY; i += HUGE) {
			CHECK(madvise(p + i, HUGE, MADV_NOHUGEPAGE) == 0);
			p[i] = 1;
			CHECK(madvise(p + i, PAGE * 256, MADV_DONTNEED) == 0);
			CHECK(madvise(p + i + 256 * PAGE, PAGE * 256, MADV_DONTNEED) ==
			      0);
		}
		CHECK(madvise(p, MANY, MADV_HUGEPAGE) == 0);
		puts("tables");
		break;
	case 'd':
		CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
		puts("disabled");
		break;
	case 's':
		printf("%ld\n", resident_pages(p, MANY));
		break;
	default:
		printf("%ld\n", anon_huge());
	}
	fflush(stdout);
}

static void live(void)
{
	char byte;

	/* As looked_at.c. */
	CHECK(mprotect((void *)PAGE, PAGE, PROT_READ) == -1 && errno == ENOMEM);
	CHECK(close(2) == 0);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) == 1)
		obey(byte);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		live();
		return 0;
	}
	in_order();
	cut();
	late();
	forked();
	threads();
	from_kernel();
	return 0;
}
