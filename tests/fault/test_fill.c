// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames are filled from a file that cannot be read, or not at once, or not in time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "tests/fault/world.h"

#define CHUNK PAGE_CACHE_CHUNK
#define LAST  (FILE_PAGES - 2 * CHUNK) /* pages of the last chunk */
#define RUN   32		       /* pages that are read, and get bits, at once */

TestSuite(fill, .init = world_make, .fini = world_end, .timeout = 30);

static long fill(unsigned long page, unsigned long count)
{
	return fill_chunk(world.e, &world.m, page, page + count);
}

/* --- whole reads ---------------------------------------------------------------------
 */

Test(fill, direct_reads)
{
	cr_expect_eq(fill(CHUNK, CHUNK), 0);
	expect_pages(CHUNK, CHUNK);
	cr_expect_eq(world.direct_reads, world.reads);
}

Test(fill, from_the_cache)
{
	world.cached = true;
	cr_expect_eq(fill(0, CHUNK), 0);
	expect_pages(0, CHUNK);
	cr_expect_eq(world.direct_reads, 0);
}

Test(fill, to_the_end_of_the_file)
{
	cr_expect_eq(fill(2 * CHUNK, LAST), 0);
	expect_pages(2 * CHUNK, LAST);
	cr_expect_not(world.m.direct_failed);
}

/* What has bits stays, and is not read again. */
Test(fill, what_has_no_bit)
{
	cr_expect_eq(fill(40, 10), 0);
	world.misread = (struct misread){ .error = -EIO };
	cr_expect_eq(fill(40, 10), 0);
	world.misread = (struct misread){ 0 };
	cr_expect_eq(fill(0, 100), 0);
	expect_pages(0, 100);
}

/* --- short reads ---------------------------------------------------------------------
 */

Test(fill, short_reads)
{
	world.cached = true;
	world.misread = (struct misread){ .at_most = 1000 };
	cr_expect_eq(fill(2 * CHUNK, LAST), 0);
	expect_pages(2 * CHUNK, LAST);
	cr_expect_gt(world.reads, LAST * 4);
}

Test(fill, short_plain_reads)
{
	world.cached = world.plain = true;
	world.misread = (struct misread){ .at_most = 5000 };
	cr_expect_eq(fill(2 * CHUNK, LAST), 0);
	expect_pages(2 * CHUNK, LAST);
	cr_expect_eq(world.m.drop, DROP_BY_ADVICE);
}

Test(fill, interrupted_read)
{
	world.cached = true;
	world.misread = (struct misread){ .once = true, .error = -EINTR };
	cr_expect_eq(fill(0, 3), 0);
	expect_pages(0, 3);
}

/* Then all by way of the kernel's cache, and never directly again. */
static void direct_fails(struct misread how, unsigned long page, unsigned long count)
{
	world.misread = how;
	world.misread.direct = true;
	cr_expect_eq(fill(page, count), 0);
	expect_pages(page, count);
	cr_expect(world.m.direct_failed);
	cr_expect_eq(world.direct_reads, 1);
	cr_expect_eq(world.stat.file_read_direct, 0);
	cr_expect_eq(world.stat.file_read_buffered, count);
}

Test(fill, short_direct_read)
{
	direct_fails((struct misread){ .at_most = 3 * PAGE_SIZE }, 0, CHUNK);
}

Test(fill, short_direct_read_at_the_end)
{
	direct_fails((struct misread){ .from = FILE_BYTES - 1, .at_most = PAGE_SIZE },
		     2 * CHUNK + 3 * RUN - 20, LAST - 3 * RUN + 20);
}

Test(fill, direct_read_of_nothing)
{
	cr_assert_eq(ftruncate(world.m.direct_fd, 0), 0);
	direct_fails((struct misread){ 0 }, 0, CHUNK);
}

Test(fill, failing_direct_read)
{
	direct_fails((struct misread){ .error = -EIO }, CHUNK, CHUNK);
}

Test(fill, failing_direct_read_into_a_huge_page)
{
	world.huge = true;
	direct_fails((struct misread){ .at_most = CHUNK_BYTES - PAGE_SIZE }, 0, CHUNK);
}

/* --- errors --------------------------------------------------------------------------
 */

/* Of [0, CHUNK) the first @good pages are right, the others have no bits. */
static void fails(long error, unsigned long good)
{
	cr_expect_eq(fill(0, CHUNK), error);
	expect_pages(0, good);
	world.misread = world.miswrite = (struct misread){ 0 };
	cr_expect_eq(fill(0, CHUNK), 0);
	expect_pages(0, CHUNK);
}

Test(fill, failing_read)
{
	world.cached = true;
	world.misread = (struct misread){ .from = 3 * RUN * PAGE_SIZE, .error = -EIO };
	fails(-EIO, 3 * RUN);
}

Test(fill, failing_read_into_a_huge_page)
{
	world.cached = world.huge = true;
	world.misread = (struct misread){ .error = -EIO };
	fails(-EIO, 0);
}

/* Its first half is there when the second one fails. */
Test(fill, read_that_fails_halfway)
{
	world.cached = world.huge = true;
	world.misread = (struct misread){ .at_most = CHUNK_BYTES / 2, .once = true };
	cr_expect_eq(fill(0, CHUNK), 0);
	expect_pages(0, CHUNK);
	world.misread =
		(struct misread){ .from = CHUNK_BYTES * 2 - PAGE_SIZE, .error = -EIO };
	cr_expect_eq(fill(CHUNK, CHUNK), -EIO);
	expect_pages(0, CHUNK);
}

/* The file is shorter than it was when it became ours. */
Test(fill, file_that_ends_early)
{
	world.cached = true;
	cr_assert_eq(ftruncate(world.m.file_fd, 2 * RUN * PAGE_SIZE + 100), 0);
	cr_expect_eq(fill(0, CHUNK), -EIO);
	expect_pages(0, 2 * RUN);
}

Test(fill, no_room_for_frames)
{
	world.miswrite = (struct misread){ .from = RUN * PAGE_SIZE, .error = -ENOSPC };
	fails(-ENOSPC, RUN);
}

Test(fill, frames_written_in_parts)
{
	world.miswrite = (struct misread){ .at_most = 777 };
	cr_expect_eq(fill(2 * CHUNK, LAST), 0);
	expect_pages(2 * CHUNK, LAST);
}

/* --- the lease -----------------------------------------------------------------------
 */

static void slow(bool lease, long error, unsigned long pages)
{
	world.lease = lease;
	world.misread = (struct misread){ .direct = !world.cached, .slow = true };
	cr_expect_eq(fill(0, CHUNK), error);
	expect_pages(0, pages);
}

Test(fill, slow_under_a_lease)
{
	slow(true, 0, CHUNK);
}

Test(fill, slow_and_the_lease_lost)
{
	slow(false, -EAGAIN, 0);
}

Test(fill, slow_from_the_cache_and_the_lease_lost)
{
	world.cached = true;
	slow(false, -EAGAIN, 0);
}

Test(fill, slow_into_a_huge_page_under_a_lease)
{
	world.huge = true;
	slow(true, 0, CHUNK);
}

Test(fill, slow_into_a_huge_page_and_the_lease_lost)
{
	world.huge = true;
	slow(false, -EAGAIN, 0);
}

/* The first pieces were quick, so they came under the lease. */
Test(fill, slow_at_last)
{
	world.cached = true;
	world.lease = false;
	world.misread = (struct misread){ .from = 2 * RUN * PAGE_SIZE, .slow = true };
	cr_expect_eq(fill(0, CHUNK), -EAGAIN);
	expect_pages(0, 2 * RUN);
}

static char bytes[CHUNK_BYTES];

static void from_memory(long error, unsigned long pages)
{
	cr_assert_eq(read_pages(world.e, &world.m, 0, CHUNK, bytes), 0);
	cr_expect_eq(fill_from(world.e, &world.m, 0, CHUNK, bytes), error);
	expect_pages(0, pages);
}

Test(fill, read_ahead_under_a_lease)
{
	from_memory(0, CHUNK);
}

Test(fill, read_ahead_and_the_lease_lost)
{
	world.lease = false;
	from_memory(-EAGAIN, 0);
}

Test(fill, read_ahead_for_a_huge_page_and_the_lease_lost)
{
	world.huge = true;
	world.lease = false;
	from_memory(-EAGAIN, 0);
}

/* --- chunk.c: the lock ---------------------------------------------------------------
 */

Test(fill, lock_of_the_dead)
{
	u32 *lock = &world.m.cache->lock[1];

	*lock = dead_tid();
	cr_assert(chunk_trylock(world.e, world.m.cache, 1));
	chunk_unlock(world.m.cache, 1);
	*lock = dead_tid();
	cr_assert(chunk_lock(world.e, world.m.cache, 1));
	chunk_unlock(world.m.cache, 1);
	expect_unlocked();
}

Test(fill, lock_of_the_living)
{
	u32 *lock = &world.m.cache->lock[1];

	*lock = (u32)getppid();
	cr_expect_not(chunk_trylock(world.e, world.m.cache, 1));
	cr_expect_not(chunk_lock(world.e, world.m.cache, 1));
	cr_expect(chunk_lock(world.e, world.m.cache, 0));
	cr_expect_eq(*lock & ~(1U << 31), (u32)getppid());
}
