// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Of what the library would make its pool where programs ask for huge pages: the
 * measurement of lib/reclaim/huge.c, in memory of this process.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "pages.h"
#include "uapi.h"

#define HUGE   (2UL << 20)
#define ROUNDS 3

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since 5.14 */
#endif

struct trial {
	int uffd, pagemap;
	char *huge, *small, *to; /* ROUNDS, ROUNDS and 2 * ROUNDS times 2 MiB, aligned */
	const char *why;	 /* it cannot be measured */
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* NULL: refused. Never unmapped: the process is about to end. */
static char *map(size_t len, int advice)
{
	char *p = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += -(uintptr_t)p & (HUGE - 1);
	return madvise(p, len, advice) ? NULL : p;
}

static bool is_huge(const struct trial *t, const char *p)
{
	struct page_scan scan = { .start = (uintptr_t)p,
				  .end = (uintptr_t)p + HUGE,
				  .all = PAGE_IS_HUGE };
	struct page_region run = { 0 };

	return pages_scan(t->pagemap, &scan, &run, 1) == 1 && run.end - run.start == HUGE;
}

/* Microseconds; negative: not moved. */
static double time_one(const struct trial *t, char *dst, const char *src)
{
	double begin = now_us();

	for (size_t done = 0; done < HUGE;) {
		struct uffdio_move m = { .dst = (uintptr_t)dst + done,
					 .src = (uintptr_t)src + done,
					 .len = HUGE - done };

		if (ioctl(t->uffd, UFFDIO_MOVE, &m) && m.move <= 0)
			return -1;
		done += (size_t)m.move;
	}
	for (size_t i = 0; i < HUGE; i += 4096)
		((volatile char *)dst)[i] = 1;
	return now_us() - begin;
}

static double median(const double *v)
{
	double least = v[0] < v[1] ? v[0] : v[1], most = v[0] < v[1] ? v[1] : v[0];

	return v[2] < least ? least : v[2] > most ? most : v[2];
}

static bool prepare(struct trial *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	t->why = "no memory";
	t->huge = map(ROUNDS * HUGE, MADV_HUGEPAGE);
	t->small = map(ROUNDS * HUGE, MADV_NOHUGEPAGE);
	t->to = map(2 * ROUNDS * HUGE, MADV_HUGEPAGE);
	if (!t->huge || !t->small || !t->to ||
	    madvise(t->small, ROUNDS * HUGE, MADV_POPULATE_WRITE))
		return false;
	t->why = "the kernel gives no huge pages";
	for (size_t i = 0; i < ROUNDS; i++)
		if (madvise(t->huge + i * HUGE, 4096, MADV_POPULATE_WRITE) ||
		    !is_huge(t, t->huge + i * HUGE))
			return false;
	t->why = "no userfaultfd to move pages with";
	r.range.start = (uintptr_t)t->to;
	r.range.len = 2 * ROUNDS * HUGE;
	return !ioctl(t->uffd, UFFDIO_API, &api) && !ioctl(t->uffd, UFFDIO_REGISTER, &r);
}

static bool measure(struct trial *t, double *huge, double *small)
{
	double h[ROUNDS], s[ROUNDS];

	if (!prepare(t))
		return false;
	t->why = "the kernel does not move pages (Linux 6.8)";
	for (size_t i = 0; i < ROUNDS; i++) {
		h[i] = time_one(t, t->to + 2 * i * HUGE, t->huge + i * HUGE);
		s[i] = time_one(t, t->to + (2 * i + 1) * HUGE, t->small + i * HUGE);
		if (h[i] < 0 || s[i] < 0)
			return false;
	}
	*huge = median(h);
	*small = median(s);
	return true;
}

void check_pool(struct check *c, int uffd)
{
	struct trial t = { .uffd = uffd };
	double huge, small;

	t.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (measure(&t, &huge, &small))
		check_add(c, "pool of huge pages", CHECK_OK, NULL,
			  "%s: 2 MiB are moved and touched in %.0f us huge, %.0f us as "
			  "4 KiB pages",
			  huge <= small ? "huge" : "4k", huge, small);
	else
		check_add(c, "pool of huge pages", CHECK_OK, NULL, "4k: %s", t.why);
	if (t.pagemap >= 0)
		close(t.pagemap);
	close(uffd);
}
