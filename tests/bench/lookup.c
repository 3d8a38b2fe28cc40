// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ways in which a program finds the area of an address among many of its own: by the
 * preloaded library, and by the kernel.
 *
 * usage: lookup library|ioctl|maps|pair AREAS
 */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "contest.h"
#include "shadowmm/shadowmm.h"

#define BASE   (1UL << 40)
#define STRIDE (4 * PAGE)
#define FIXED  (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE)

/* <linux/fs.h> since 6.11 */
struct smm_procmap_query {
	__u64 size, query_flags, query_addr;
	__u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	__u32 dev_major, dev_minor, vma_name_size, build_id_size;
	__u64 vma_name_addr, build_id_addr;
};
#define SMM_PROCMAP_QUERY _IOWR('f', 17, struct smm_procmap_query)
#define COVERING_OR_NEXT  0x10

static unsigned long areas;
static int maps_fd;

/* Where the kernel puts nothing by itself. */
static void make_areas(void)
{
	for (unsigned long i = 0; i < areas; i++)
		if (mmap((void *)(BASE + i * STRIDE), PAGE, PROT_READ | PROT_WRITE, FIXED,
			 -1, 0) == MAP_FAILED)
			die("mmap");
}

static unsigned long some_area(void)
{
	static unsigned long seed = 1;

	return BASE + random_below(&seed, areas) * STRIDE;
}

static void expect(unsigned long start, unsigned long addr)
{
	if (start != addr) {
		fprintf(stderr, "found an area at %#lx, not %#lx\n", start, addr);
		exit(1);
	}
}

/* --- ways to look up --------------------------------------------------------------- */

static void by_library(unsigned long n)
{
	struct shadowmm_vma vma;

	while (n--) {
		unsigned long addr = some_area();

		if (shadowmm_find_vma(addr, &vma))
			die("shadowmm_find_vma");
		expect(vma.start, addr);
	}
}

static void by_ioctl(unsigned long n)
{
	while (n--) {
		struct smm_procmap_query q = { .size = sizeof(q),
					       .query_flags = COVERING_OR_NEXT,
					       .query_addr = some_area() };

		if (ioctl(maps_fd, SMM_PROCMAP_QUERY, &q))
			die("PROCMAP_QUERY");
		expect(q.vma_start, q.query_addr);
	}
}

/* "start-end ..." of each line in [p, end): the start of the first area that ends above
 * @addr, or 0; *@rest is the first incomplete line. */
static unsigned long parse(const char *p, const char *end, unsigned long addr,
			   const char **rest)
{
	const char *newline;

	for (; (newline = memchr(p, '\n', (size_t)(end - p))) != NULL; p = newline + 1) {
		char *dash;
		unsigned long start = strtoul(p, &dash, 16);

		if (strtoul(dash + 1, NULL, 16) > addr)
			return start;
	}
	*rest = p;
	return 0;
}

static unsigned long parse_maps(unsigned long addr)
{
	static char buffer[256 << 10];
	const char *rest = buffer;
	size_t left = 0;
	ssize_t got;

	if (lseek(maps_fd, 0, SEEK_SET))
		die("lseek");
	while ((got = read(maps_fd, buffer + left, sizeof(buffer) - left)) > 0) {
		const char *end = buffer + left + got;
		unsigned long start = parse(buffer, end, addr, &rest);

		if (start)
			return start;
		left = (size_t)(end - rest);
		memmove(buffer, rest, left);
	}
	return 0;
}

static void by_maps(unsigned long n)
{
	while (n--) {
		unsigned long addr = some_area();

		expect(parse_maps(addr), addr);
	}
}

/* --- main -------------------------------------------------------------------------- */

/* Merges with nothing. */
static void change(void)
{
	void *p = (void *)(BASE + areas / 2 * STRIDE + 2 * PAGE);

	if (mmap(p, PAGE, PROT_READ | PROT_WRITE, FIXED, -1, 0) == MAP_FAILED ||
	    munmap(p, PAGE))
		die("mmap");
}

int main(int argc, char **argv)
{
	struct contest c = { NULL, change };
	const char *what = argc == 3 ? argv[1] : "";

	if (!strcmp(what, "library") && shadowmm_active())
		c.look_up = by_library;
	else if (!strcmp(what, "ioctl"))
		c.look_up = by_ioctl;
	else if (!strcmp(what, "maps"))
		c.look_up = by_maps;
	else if (strcmp(what, "pair"))
		return 2;
	areas = strtoul(argv[2], NULL, 0);
	maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	make_areas();
	if (c.look_up)
		contest_run(&c);
	else
		contest_changes(&c);
	return 0;
}
