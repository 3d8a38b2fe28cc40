// SPDX-License-Identifier: LGPL-2.1-or-later
/* Memory of which few pages are touched, in no order, must not become resident as a
 * whole: at most a quarter more than what was touched. */
#include "tests/preload/common.h"

#include <stdint.h>

#define LEN   (256 * MIB)
#define PAGES (LEN / PAGE)

static uint64_t seed = 1;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* 64 pages more: where a program begins nobody can know that it goes on at random. */
static void expect_few(char *p, size_t len, size_t touched, const char *what)
{
	long resident = resident_pages(p, len);
	bool few = (size_t)resident <= touched + touched / 4 + 64;

	if (!few)
		fprintf(stderr, "%s: %ld pages resident, %zu touched\n", what, resident,
			touched);
	CHECK(few);
}

static void random_pages(size_t percent, const char *what)
{
	char *p = anon(LEN);
	size_t touched = 0;

	CHECK(madvise(p, LEN, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
	for (size_t i = 0; i < PAGES * percent / 100; i++) {
		volatile char *page = p + next_random() % PAGES * PAGE;

		touched += *page == 0;
		*page = 1;
	}
	expect_few(p, LEN, touched, what);
	CHECK(munmap(p, LEN) == 0);
	puts(what);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) | 1;
	random_pages(2, "2 %");
	random_pages(10, "10 %");
	random_pages(50, "50 %");
	return 0;
}
