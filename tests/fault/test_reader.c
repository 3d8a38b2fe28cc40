// SPDX-License-Identifier: LGPL-2.1-or-later
/* smm-read and the fault tasks, where a file cannot be read as they would like. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/mm/mm.h"
#include "tests/fault/world.h"

#define CHUNK PAGE_CACHE_CHUNK
#define LAST  (FILE_PAGES - 2 * CHUNK)

static void setup(void)
{
	world_make();
	world_open_reader();
}

TestSuite(reader, .init = setup, .fini = world_end, .timeout = 30);

static void read_ahead(unsigned long page, unsigned long count)
{
	reader_ahead(world.e, &world.m, page, count);
	world_run_reader();
	expect_unlocked();
	for (int i = 0; i < READER_SLOTS; i++)
		cr_expect_eq(world.e->files.reader.slot[i].state, SLOT_FREE);
}

/* The task asks for nothing but from the ring. */
static void by_ring(unsigned long page, unsigned long count)
{
	read_ahead(page, count);
	cr_expect_eq(world.reads, 0);
}

Test(reader, by_ring)
{
	by_ring(0, FILE_PAGES);
	expect_pages(0, FILE_PAGES);
}

Test(reader, the_end_of_the_file)
{
	by_ring(2 * CHUNK, LAST);
	expect_pages(2 * CHUNK, LAST);
	cr_expect_not(world.m.direct_failed);
}

/* --- errors of the ring --------------------------------------------------------------
 */

/* Nothing of it is believed; what is asked for next is read by another way. */
static void ring_fails(struct misread how, unsigned long page, unsigned long count)
{
	world.ring = how;
	by_ring(page, count);
	expect_pages(0, 0);
	cr_expect(world.m.direct_failed);
	read_ahead(page, count);
	expect_pages(page, count);
	cr_expect_gt(world.reads, 0);
	cr_expect_eq(world.direct_reads, 0);
}

Test(reader, failing_read)
{
	ring_fails((struct misread){ .error = -EIO }, 0, CHUNK);
}

Test(reader, short_read)
{
	ring_fails((struct misread){ .at_most = CHUNK_BYTES - 512 }, CHUNK, CHUNK);
}

Test(reader, read_of_nothing)
{
	cr_assert_eq(ftruncate(world.m.direct_fd, 0), 0);
	ring_fails((struct misread){ 0 }, 0, CHUNK);
}

/* Two bytes of its last page are missing. */
Test(reader, short_read_at_the_end)
{
	const size_t bytes = FILE_BYTES - 2 * CHUNK_BYTES;

	ring_fails((struct misread){ .at_most = bytes - 2 }, 2 * CHUNK, LAST);
}

/* Of three that are under way the second one fails. */
Test(reader, one_of_three)
{
	world.ring = (struct misread){ .from = CHUNK_BYTES, .once = true, .error = -EIO };
	by_ring(0, FILE_PAGES);
	expect_unlocked();
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		cr_assert_eq(page_cache_test(world.m.cache, i), i / CHUNK != 1);
	read_ahead(0, FILE_PAGES);
	expect_pages(0, FILE_PAGES);
}

Test(reader, no_room_for_frames)
{
	world.miswrite = (struct misread){ .error = -ENOSPC };
	by_ring(0, CHUNK);
	expect_pages(0, 0);
}

/* --- without the ring ----------------------------------------------------------------
 */

Test(reader, ring_that_takes_nothing)
{
	world.ring_refuses = true;
	read_ahead(0, FILE_PAGES);
	expect_pages(0, FILE_PAGES);
}

Test(reader, no_ring)
{
	world.ring_error = -EPERM;
	read_ahead(0, FILE_PAGES);
	expect_pages(0, FILE_PAGES);
	cr_expect_gt(world.direct_reads, 0);
}

Test(reader, no_ring_and_a_failing_read)
{
	world.ring_error = -EPERM;
	world.cached = true;
	world.misread = (struct misread){ .from = CHUNK_BYTES, .error = -EIO };
	read_ahead(0, FILE_PAGES);
	expect_pages(0, CHUNK);
}

Test(reader, no_ring_and_a_slow_read_without_a_lease)
{
	world.ring_error = -EPERM;
	world.lease = false;
	world.misread = (struct misread){ .direct = true, .slow = true };
	read_ahead(0, CHUNK);
	expect_pages(0, 0);
}

/* --- what happens meanwhile ----------------------------------------------------------
 */

static void lose_lease(void)
{
	world.lease = false;
}

Test(reader, lease_lost_meanwhile)
{
	world.while_reading = lose_lease;
	by_ring(0, CHUNK);
	expect_pages(0, 0);
	cr_expect_not(world.m.direct_failed);
}

/* The lock is nobody's at once; the next holder's bytes stay. */
static void give_back(void)
{
	world.while_reading = NULL;
	reader_forget(world.e, &world.m);
	expect_unlocked();
	cr_assert(chunk_trylock(world.e, world.m.cache, 0));
	cr_expect_eq(fill_chunk(world.e, &world.m, 0, 5), 0);
	chunk_unlock(world.m.cache, 0);
}

Test(reader, file_given_back_meanwhile)
{
	world.while_reading = give_back;
	read_ahead(0, FILE_PAGES);
	expect_pages(0, 5);
}

Test(reader, chunk_of_somebody)
{
	u32 *lock = world.m.cache->lock;

	lock[0] = (u32)getppid();
	lock[1] = dead_tid();
	reader_ahead(world.e, &world.m, 0, 2 * CHUNK);
	world_run_reader();
	cr_expect_eq(lock[0], (u32)getppid());
	cr_expect_eq(lock[1], 0);
	expect_pages(CHUNK, CHUNK);
}

/* --- a fault (filemap.c) -------------------------------------------------------------
 */

#define AREA 0x7f0000000000UL

/* The window is [page - 64, page + 64), in one chunk. */
static void fault(unsigned long page)
{
	const struct file_plan plan = { .mapping = &world.m,
					.start = AREA + (page - 64) * PAGE_SIZE,
					.end = AREA + (page + 64) * PAGE_SIZE,
					.pgoff = page - 64,
					.read = true };

	filemap_fault(world.e, AREA + page * PAGE_SIZE, false, &plan);
	expect_unlocked();
}

static void expect_copy(unsigned long page)
{
	static char want[PAGE_SIZE];

	world.misread = (struct misread){ 0 };
	cr_assert_eq(read_pages(world.e, &world.m, page, 1, want), 0);
	cr_expect(world.was_copied && !memcmp(want, world.copied, PAGE_SIZE));
	cr_expect_eq(world.woken, 1);
	cr_expect_eq(world.troubles, 0);
}

Test(reader, fault_in_a_file_that_cannot_be_read_directly)
{
	world.misread = (struct misread){ .direct = true, .error = -EIO };
	fault(100);
	expect_pages(36, 128);
	cr_expect_eq(world.continued, 128);
	cr_expect_eq(world.troubles, 0);
}

/* It is to be given back, and nobody woken before. */
Test(reader, fault_in_a_file_that_cannot_be_read)
{
	world.cached = true;
	world.misread = (struct misread){ .error = -EIO };
	fault(100);
	expect_pages(0, 0);
	cr_expect_eq(world.troubles, 1);
	cr_expect_eq(world.m.state, MAPPING_LEAVING);
	cr_expect_not(world.was_copied);
	cr_expect_eq(world.woken + world.continued, 0);
}

/* What is before the bad place is mapped, and serves if the page is there. */
Test(reader, fault_before_a_bad_place)
{
	world.cached = true;
	world.misread = (struct misread){ .from = 110 * PAGE_SIZE, .error = -EIO };
	fault(80);
	expect_pages(16, 64);
	cr_expect_eq(world.continued, 64);
	expect_copy(80);
}

Test(reader, fault_well_before_a_bad_place)
{
	world.cached = true;
	world.misread = (struct misread){ .from = 110 * PAGE_SIZE, .error = -EIO };
	fault(78);
	expect_pages(14, 64 + 32);
	cr_expect_not(world.was_copied);
	cr_expect_eq(world.continued, 64 + 32);
	cr_expect_eq(world.troubles, 0);
}

Test(reader, fault_and_the_lease_lost)
{
	world.cached = true;
	world.lease = false;
	world.misread = (struct misread){ .slow = true };
	fault(100);
	expect_pages(0, 0);
	cr_expect_eq(world.continued, 0);
	expect_copy(100);
}
