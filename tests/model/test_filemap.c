// SPDX-License-Identifier: LGPL-2.1-or-later
/* Faults in files that we page: the cases, and the windows for faults in some order. */
#include <criterion/criterion.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/address_space.h"
#include "lib/mm/anon_vma.h"
#include "lib/mm/fault_around.h"
#include "lib/mm/vm_ops.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"

#define FILE_PAGES 8192UL
#define ASIDE	   (1UL << 20) /* columns */
#define CHUNK	   PAGE_CACHE_CHUNK

static struct mm_struct *mm;
static struct address_space *mapping;
static struct fault_streams streams;
static struct fault_plan plan;
static unsigned char *mapped; /* by page of the file */
static unsigned long major_faults, minor_faults, read_pages;
static unsigned long map_start, map_pgoff; /* pages: of the area, in its file */

/* An area over the pages of the file that is never written nor populated by the call. */
static void map_file(unsigned long column, unsigned long pages, unsigned long pgoff,
		     u64 size)
{
	const struct file_key key = { .ino = 1, .size = size };
	struct mmap_call c = { .addr = AT(column),
			       .len = PAGES(pages),
			       .prot = PROT_READ,
			       .flags = MAP_PRIVATE | MAP_FIXED,
			       .pgoff = pgoff };

	cr_assert_eq(mm_prepare(mm, c.addr, c.len) + mm_prepare_mapping(mm), 0);
	c.file = vma_file_get(mm, 8, 1, 1, "/f");
	mm_mmap(mm, &c);
	mapping = mapping_new(mm, &key);
	mapping->cache = calloc(1, page_cache_size(FILE_PAGES));
	mapping->cache->nr_pages = FILE_PAGES;
	mapping->cache->nr_chunks = FILE_PAGES / CHUNK;
	mm_map_file(mm, c.addr, c.addr + c.len, AT(ASIDE),
		    vma_file_get(mm, 0, 1, MAP_FRAMES, "/memfd:frames (deleted)"),
		    mapping);
	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	mm_set_uffd(mm, c.addr, c.addr + c.len, true);
	map_start = column;
	map_pgoff = pgoff;
}

static void setup(void)
{
	mm = map_new(2);
	memset(&streams, 0, sizeof(streams));
	mapped = calloc(FILE_PAGES, 1);
	major_faults = minor_faults = read_pages = 0;
}

static void teardown(void)
{
	if (mapping)
		free(mapping->cache);
	free(mapped);
	map_destroy(mm);
}

TestSuite(filemap, .init = setup, .fini = teardown, .timeout = 30);

/* --- an engine --------------------------------------------------------------------- */

static unsigned long column_of(unsigned long page)
{
	return map_start + page - map_pgoff;
}

static void cache_set(unsigned long page)
{
	page_cache_bits(mapping->cache)[page / 64] |= 1ULL << page % 64;
}

static void cache_all(void)
{
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		cache_set(i);
}

static enum fault_verdict fault_at(unsigned long page, unsigned int flags,
				   unsigned int fixed)
{
	int token = mm_read_lock(mm);
	enum fault_verdict v = handle_mm_fault(mm, AT(column_of(page)) + 17, flags, fixed,
					       &streams, &plan);

	mm_read_unlock(mm, token);
	return v;
}

/* What every window is, whatever the order of the faults. */
static void check_plan(unsigned long page)
{
	const struct file_plan *p = &plan.file;
	unsigned long n = (p->end - p->start) / PAGE_SIZE, last = p->pgoff + n - 1;
	const struct vm_area_struct *vma = find_vma(mm, p->start);

	cr_assert(p->start < p->end && !((p->start | p->end) & ~PAGE_MASK));
	cr_assert(vma->vm_start <= p->start && p->end <= vma->vm_end);
	cr_assert_eq(p->pgoff, linear_page_index(vma, p->start));
	cr_assert(p->pgoff <= page && page <= last);
	cr_assert_eq(p->pgoff / CHUNK, last / CHUNK);
	cr_assert_lt(last, mapping->nrpages);
	cr_assert_eq(p->mapping, mapping);
	cr_assert_eq(p->stat, vma->stat);
	if (!p->ahead)
		return;
	cr_assert_leq(p->ahead, FILE_AHEAD_MAX);
	cr_assert_lt(last + p->ahead, mapping->nrpages);
	cr_assert(p->end + PAGES(p->ahead) <= vma->vm_end);
}

static void bring_in(unsigned long page)
{
	read_pages += !page_cache_test(mapping->cache, page);
	cache_set(page);
}

/* As the engine does it, reading ahead at once. */
static void touch(unsigned long page)
{
	bool there = page_cache_test(mapping->cache, page);
	const struct file_plan *p = &plan.file;
	unsigned long n;

	if (mapped[page])
		return;
	cr_assert_eq(fault_at(page, there ? FAULT_FLAG_MINOR : 0, 0), FAULT_FILE);
	check_plan(page);
	minor_faults += there;
	major_faults += !there;
	cr_assert(there || p->read || p->end - p->start == PAGE_SIZE);
	n = (p->end - p->start) / PAGE_SIZE;
	bring_in(page);
	for (unsigned long i = p->pgoff; i < p->pgoff + n; i++) {
		if (p->read)
			bring_in(i);
		mapped[i] |= page_cache_test(mapping->cache, i);
	}
	for (unsigned long i = 0; i < p->ahead; i++)
		bring_in(p->pgoff + n + i);
}

static void expect_window(unsigned long page, unsigned int flags, unsigned long from,
			  unsigned long to)
{
	cr_assert_eq(fault_at(page, flags, 0), FAULT_FILE);
	check_plan(page);
	cr_expect(plan.file.pgoff == from &&
			  plan.file.end - plan.file.start == PAGES(to - from),
		  "fault at %lu: %lu, %lu pages, not %lu-%lu", page, plan.file.pgoff,
		  (plan.file.end - plan.file.start) / PAGE_SIZE, from, to);
}

/* --- the cases --------------------------------------------------------------------- */

Test(filemap, the_cases)
{
	map_file(0, 64, 0, PAGES(60) + 1);
	map_mmap(mm, 100, 8, 'F');
	map_mmap(mm, 110, 8, 'S');
	cr_expect_eq(fault_at(0, 0, 0), FAULT_FILE);
	cr_expect_eq(fault_at(60, 0, 0), FAULT_FILE, "a page in part");
	cr_expect_eq(fault_at(61, 0, 0), FAULT_RETRY, "beyond the end");
	cr_expect_eq(fault_at(3, FAULT_FLAG_WRITE, 0), FAULT_RETRY, "not writable");
	cr_expect_eq(fault_at(101, 0, 0), FAULT_STALE, "the kernel's");
	cr_expect_eq(fault_at(111, 0, 0), FAULT_STALE);
	cr_expect_eq(fault_at(90, 0, 0), FAULT_STALE, "no area");
	mm_mprotect(mm, AT(0), PAGES(8), PROT_NONE, -1);
	cr_expect_eq(fault_at(3, 0, 0), FAULT_RETRY);
	mm_mprotect(mm, AT(0), PAGES(8), PROT_READ | PROT_WRITE, -1);
	cr_expect_eq(fault_at(3, FAULT_FLAG_WRITE, 0), FAULT_FILE);
	cr_expect_leq(plan.file.end, AT(8));
}

/* An event says that the kernel has registered it, whatever the model knows. */
Test(filemap, never_zeroes)
{
	map_file(0, 64, 0, PAGES(64));
	mm_set_uffd(mm, AT(0), AT(64), false);
	cr_expect_eq(fault_at(3, 0, 0), FAULT_FILE);
	mm_set_track(mm, AT(0), AT(64), TRACK_FILE_LEFT);
	cr_expect_eq(fault_at(3, 0, 0), FAULT_FILE);
	cr_expect_eq(fault_at(3, FAULT_FLAG_WRITE, 0), FAULT_RETRY);
}

Test(filemap, a_blind_shadow_still_knows_files)
{
	map_file(0, 64, 0, PAGES(64));
	mm->blind = true;
	cr_expect_eq(fault_at(3, 0, 0), FAULT_FILE);
	cr_expect(plan.file.start == AT(3) && plan.file.end == AT(4));
	cr_expect_eq(fault_at(70, 0, 0), FAULT_ZERO);
	cr_expect(plan.start == AT(70) && plan.end == AT(71));
}

Test(filemap, in_a_child_nothing_is_cached)
{
	struct page_cache *cache;

	map_file(0, 64, 0, PAGES(64));
	cache_all();
	cache = mapping->cache;
	mm_dup(mm);
	cr_expect_null(mapping->cache);
	cr_expect_eq(mapping->state, MAPPING_LEAVING);
	cr_expect_eq(mapping->frames_fd, -1);
	cr_expect_eq(fault_at(3, FAULT_FLAG_MINOR, 0), FAULT_FILE);
	cr_expect(plan.file.read);
	mapping->cache = cache;
}

Test(filemap, writes_to_protected_pages_are_lifted)
{
	struct cow_streams *none = NULL;
	struct cow_plan cow;

	mm->own_wp = true;
	map_file(0, 64, 0, PAGES(64));
	cr_expect_eq(handle_wp_fault(mm, AT(3), none, &cow), COW_STALE);
	cr_expect(cow.start == AT(3) && cow.end == AT(4));
}

Test(filemap, each_kind_has_its_operations)
{
	map_draw(mm, "AA FF SS UU");
	map_mmap(mm, 20, 2, 'G');
	cr_expect_eq(vma_ops(find_vma(mm, AT(0))), &anon_vm_ops);
	cr_expect_eq(vma_ops(find_vma(mm, AT(3))), &filemap_vm_ops);
	cr_expect_eq(vma_ops(find_vma(mm, AT(6))), &shmem_vm_ops);
	cr_expect_eq(vma_ops(find_vma(mm, AT(9))), &anon_vm_ops);
}

/* --- windows ----------------------------------------------------------------------- */

Test(filemap, minor_windows_begin_as_the_kernel_s)
{
	map_file(0, 4096, 0, PAGES(4096));
	cache_all();
	expect_window(100, FAULT_FLAG_MINOR, 96, 112);
	cr_expect(!plan.file.read && !plan.file.ahead);
	/* further ones in the same 2 MiB */
	expect_window(300, FAULT_FLAG_MINOR, 288, 320);
	expect_window(200, FAULT_FLAG_MINOR, 192, 256);
	expect_window(500, FAULT_FLAG_MINOR, 384, 512);
	expect_window(10, FAULT_FLAG_MINOR, 0, 256);
	expect_window(330, FAULT_FLAG_MINOR, 0, 512);
	expect_window(1000, FAULT_FLAG_MINOR, 992, 1008);
}

Test(filemap, major_windows_read_around)
{
	map_file(0, 4096, 0, PAGES(4096));
	expect_window(100, 0, 96, 128);
	cr_expect(plan.file.read && !plan.file.ahead);
	expect_window(3000, 0, 2976, 3008);
}

/* The kernel says minor, but the page does not count: nobody has filled it (C1). */
Test(filemap, without_its_bit_a_page_is_not_there)
{
	map_file(0, 4096, 0, PAGES(4096));
	expect_window(100, FAULT_FLAG_MINOR, 96, 128);
	cr_expect(plan.file.read);
}

Test(filemap, in_order_windows_double_and_read_ahead)
{
	map_file(0, 4096, 0, PAGES(4096));
	expect_window(0, 0, 0, 32);
	expect_window(32, 0, 32, 96);
	cr_expect_eq(plan.file.ahead, 64);
	expect_window(96, 0, 96, 224);
	expect_window(224, 0, 224, 480);
	cr_expect_eq(plan.file.ahead, 256, "into the next chunk");
	expect_window(480, 0, 480, 512);
	cr_expect_eq(plan.file.ahead, 512);
	expect_window(512, 0, 512, 1024);
	cr_expect_eq(plan.file.ahead, 512);
	expect_window(1024, 0, 1024, 1536);
	cr_expect_eq(plan.file.ahead, 1024, "as much as has been read so far");
	expect_window(1536, 0, 1536, 2048);
	cr_expect_eq(plan.file.ahead, 1536);
	expect_window(2048, 0, 2048, 2560);
	cr_expect_eq(plan.file.ahead, 4096 - 2560, "the end of the file");
}

static void settle(unsigned long first, unsigned long pages)
{
	cr_assert_eq(mm_prepare(mm, AT(column_of(first)), PAGES(pages)), 0);
	mm_set_settled(mm, AT(column_of(first)), AT(column_of(first + pages)));
}

/* The kernel maps it without telling us where the program has got to. */
Test(filemap, a_stream_goes_on_behind_what_is_settled)
{
	map_file(0, 4096, 0, PAGES(4096));
	expect_window(0, 0, 0, 32);
	expect_window(32, 0, 32, 96);
	settle(0, 512);
	expect_window(512, 0, 512, 640);
	cr_expect_eq(plan.file.ahead, 512);
	settle(512, 1024);
	expect_window(1536, 0, 1536, 1792);
	cr_expect_eq(plan.file.ahead, 1536);
	settle(2048, 512);
	expect_window(2700, 0, 2688, 2720); /* not where that ends */
	cr_expect_eq(plan.file.ahead, 0);
}

/* As at random, but the kernel has it all: what is read is read from memory. */
Test(filemap, cold_for_us_and_quickly_read)
{
	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	find_vma(mm, AT(0))->stat->misses = 100;
	expect_window(100, 0, 100, 101);
	mapping->quick = true;
	expect_window(1100, 0, 1088, 1104);
	cr_expect(plan.file.read && !plan.file.ahead);
	expect_window(1300, 0, 1280, 1312);
	expect_window(1400, 0, 1344, 1408);
	expect_window(1500, 0, 1472, 1536);
	expect_window(3000, 0, 2992, 3008);
	mapping->quick = false;
	expect_window(5000, 0, 5000, 5001);
}

Test(filemap, what_is_cached_is_not_read_ahead)
{
	map_file(0, 4096, 0, PAGES(4096));
	cache_all();
	for (unsigned long i = 0; i < 4096; i++) {
		touch(i);
		cr_assert_eq(plan.file.ahead, 0);
	}
	cr_expect_eq(major_faults, 0);
	cr_expect_lt(minor_faults, 8 + 4096 / 512);
}

Test(filemap, cold_in_order)
{
	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		touch(i);
	cr_expect_eq(read_pages, FILE_PAGES);
	cr_expect_leq(major_faults, 3, "%lu", major_faults);
	cr_expect_lt(minor_faults, 10 + FILE_PAGES / 512);
}

Test(filemap, cold_backwards)
{
	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	for (unsigned long i = FILE_PAGES; i-- > 0;)
		touch(i);
	cr_expect_eq(read_pages, FILE_PAGES);
	cr_expect_lt(major_faults, 10 + FILE_PAGES / 512, "%lu", major_faults);
}

Test(filemap, cold_at_random)
{
	struct rng r = { .state = seed_from_env(0xf11e) };
	unsigned long touched = 0;

	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	for (int i = 0; i < 100; i++)
		touch(rng_below(&r, FILE_PAGES));
	cr_expect_gt(read_pages, 1000);
	read_pages = 0;
	for (int i = 0; i < 1000; i++) {
		unsigned long page = rng_below(&r, FILE_PAGES);

		touched += !mapped[page];
		touch(page);
	}
	/* Chance makes pages neighbours now and then. */
	cr_expect_lt(read_pages, 10 * touched, "%lu of %lu", read_pages, touched);
}

Test(filemap, warm_at_random)
{
	struct rng r = { .state = seed_from_env(0xf11e) };

	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	cache_all();
	for (int i = 0; i < 20000; i++)
		touch(rng_below(&r, FILE_PAGES));
	cr_expect_lt(minor_faults, 10 * FILE_PAGES / CHUNK, "%lu", minor_faults);
}

Test(filemap, two_files_in_turns)
{
	map_file(0, FILE_PAGES, 0, PAGES(FILE_PAGES));
	for (unsigned long i = 0; i < FILE_PAGES / 2; i++) {
		touch(i);
		touch(FILE_PAGES / 2 + i);
	}
	cr_expect_leq(major_faults, 6, "%lu", major_faults);
}

Test(filemap, advice_steers)
{
	map_file(0, 4096, 0, PAGES(4096));
	mm_madvise(mm, AT(0), PAGES(4096), MADV_RANDOM);
	expect_window(100, 0, 100, 101);
	expect_window(101, 0, 101, 102);
	expect_window(102, 0, 102, 103);
	cr_expect_eq(plan.file.ahead, 0);
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(4096)), 0);
	mm_madvise(mm, AT(0), PAGES(4096), MADV_SEQUENTIAL);
	expect_window(1024, 0, 1024, 1536);
	cr_expect_eq(plan.file.ahead, FILE_AHEAD_MAX);
	expect_window(2000, 0, 2000, 2048);
	cr_expect_eq(plan.file.ahead, FILE_AHEAD_MAX);
}

Test(filemap, a_fixed_window)
{
	map_file(0, 4096, 0, PAGES(4096));
	cr_assert_eq(fault_at(100, 0, 8), FAULT_FILE);
	check_plan(100);
	cr_expect(plan.file.start == AT(96) && plan.file.end == AT(104));
	cr_assert_eq(fault_at(100, 0, 4000), FAULT_FILE);
	check_plan(100);
	cr_expect(plan.file.start == AT(0) && plan.file.end == AT(512));
}

/* Borders everywhere: the area begins inside a chunk and ends inside one, at another
 * place in memory than in the file, and the file ends before it. */
Test(filemap, any_order_within_any_bounds)
{
	struct rng r = { .state = seed_from_env(0xb0de) };

	for (int round = 0; round < 60; round++) {
		unsigned long pgoff = rng_below(&r, 3000),
			      pages = 1 + rng_below(&r, 3000);
		unsigned long size =
			PAGES(pgoff + 1 + rng_below(&r, (unsigned int)pages));
		unsigned long page = pgoff;

		teardown();
		setup();
		map_file(rng_below(&r, 2000), pages, pgoff, size - rng_below(&r, 4096));
		for (int i = 0; i < 400; i++) {
			page = rng_below(&r, 4) ? page + rng_below(&r, 12) - 4
						: pgoff + rng_below(&r, (unsigned)pages);
			if (page >= pgoff && page < mapping->nrpages &&
			    page < pgoff + pages)
				touch(page);
			else
				page = pgoff;
		}
		if (round % 3 == 2)
			continue;
		cr_assert_eq(mm_prepare(mm, AT(map_start), PAGES(pages)), 0);
		mm_madvise(mm, AT(map_start), PAGES(pages),
			   round % 3 ? MADV_SEQUENTIAL : MADV_RANDOM);
		for (unsigned long i = pgoff; i < mapping->nrpages && i < pgoff + pages;
		     i += 1 + rng_below(&r, 64))
			touch(i);
	}
}

/* --- before it is touched
 * ---------------------------------------------------------------- */

Test(filemap, populate_in_windows)
{
	struct file_plan p;
	unsigned long at = AT(0), n = 0, windows = 0;

	cr_expect(!file_populate(mm, 0, ~0UL & PAGE_MASK, &p));
	map_file(10, 2000, 100, PAGES(1500));
	map_mmap(mm, 4000, 8, 'F');
	while (file_populate(mm, at, AT(5000), &p)) {
		plan.file = p;
		check_plan(p.pgoff);
		cr_assert(p.read && p.start >= at);
		n += (p.end - p.start) / PAGE_SIZE;
		at = p.end;
		windows++;
	}
	cr_expect_eq(n, 1400);
	cr_expect_eq(windows, 3);
	cr_assert(file_populate(mm, AT(20), AT(30), &p));
	cr_expect(p.start == AT(20) && p.end == AT(30) && p.pgoff == 110);
}
