// SPDX-License-Identifier: LGPL-2.1-or-later
/* Mappings placed over others, wholly and in part. */
#include "tests/preload/common.h"

#include <fcntl.h>

#define LEN (2 * MIB)

static char *map_at(void *addr, size_t len, int flags, int fd)
{
	return mmap(addr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, fd, 0);
}

static void anonymous_over_anonymous(void)
{
	char *p = anon(LEN);

	fill(p, LEN, 1);
	CHECK(map_at(p + LEN / 4, LEN / 2, MAP_ANONYMOUS | MAP_FIXED, -1) == p + LEN / 4);
	CHECK(matches(p, LEN / 4, 1));
	CHECK(all_zero(p + LEN / 4, LEN / 2));
	CHECK(map_at(p, LEN, MAP_ANONYMOUS | MAP_FIXED, -1) == p);
	CHECK(all_zero(p, LEN));
	for (int i = 0; i < 100; i++) {
		char *at = p + (i * 37 % 400) * PAGE;

		CHECK(map_at(at, 40 * PAGE, MAP_ANONYMOUS | MAP_FIXED, -1) == at);
		CHECK(all_zero(at, 40 * PAGE));
		fill(at, 40 * PAGE, (unsigned int)i);
	}
	CHECK(munmap(p, LEN) == 0);
	puts("anonymous");
}

static void file_over_anonymous(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	char *p = anon(LEN), *content = anon(LEN);

	fill(content, LEN, 2);
	CHECK(fd >= 0 && write(fd, content, LEN) == (ssize_t)LEN);
	fill(p, LEN, 3);
	CHECK(map_at(p, LEN / 2, MAP_FIXED, fd) == p);
	CHECK(matches(p, LEN / 2, 2));
	fill(p, LEN / 2, 4);
	CHECK(map_at(p + LEN / 4, LEN / 4, MAP_ANONYMOUS | MAP_FIXED, -1) == p + LEN / 4);
	CHECK(matches(p, LEN / 4, 4) && all_zero(p + LEN / 4, LEN / 4));
	CHECK(close(fd) == 0 && munmap(p, LEN) == 0);
	puts("file");
}

static void noreplace(void)
{
	char *p = anon(LEN);
	int flags = MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	fill(p, LEN, 5);
	SHOW(map_at(p + PAGE, PAGE, flags, -1) == MAP_FAILED ? -1 : 0);
	CHECK(matches(p, LEN, 5));
	CHECK(munmap(p + LEN / 2, LEN / 2) == 0);
	SHOW(map_at(p + LEN / 2 - PAGE, LEN / 2, flags, -1) == MAP_FAILED ? -1 : 0);
	CHECK(map_at(p + LEN / 2, LEN / 2, flags, -1) == p + LEN / 2);
	CHECK(all_zero(p + LEN / 2, LEN / 2));
	CHECK(munmap(p, LEN) == 0);
}

/* Unmapping over several areas and holes at once. */
static void unmap_many(void)
{
	char *p = anon_with(LEN, PROT_NONE, 0);

	for (size_t i = 0; i < LEN; i += 4 * PAGE)
		CHECK(map_at(p + i, 2 * PAGE, MAP_ANONYMOUS | MAP_FIXED, -1) == p + i);
	for (size_t i = 0; i < LEN; i += 16 * PAGE)
		fill(p + i, 2 * PAGE, 6);
	CHECK(munmap(p + PAGE, LEN - 2 * PAGE) == 0);
	CHECK(matches(p, PAGE, 6));
	printf("unmapped: %s\n", touch(p + LEN / 2, false));
	CHECK(munmap(p, LEN) == 0);
	SHOW(munmap(p, LEN)); /* nothing there: no error */
}

/* A hole that the program makes stays one until the program fills it, however much memory
 * of its own the library needs meanwhile. */
static void hole_is_kept(void)
{
	size_t len = 64 * MIB;
	char *hole = anon(len), *p = anon_with(len, PROT_NONE, 0);

	CHECK(munmap(hole, len) == 0);
	for (size_t i = 0; i < len; i += 2 * PAGE)
		CHECK(mprotect(p + i, PAGE, PROT_READ) == 0);
	CHECK(map_at(hole, len, MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1) == hole);
	fill(hole, 8 * MIB, 7);
	CHECK(munmap(hole, len) == 0 && munmap(p, len) == 0);
	puts("hole");
}

int main(void)
{
	hole_is_kept();
	anonymous_over_anonymous();
	file_over_anonymous();
	noreplace();
	unmap_many();
	return 0;
}
