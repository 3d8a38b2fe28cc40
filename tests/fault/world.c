// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fault/fault.h"
#include "lib/mm/mm.h"
#include "lib/sys/creds.h"
#include "lib/sys/uffd.h"
#include "lib/sys/uring.h"
#include "tests/fault/world.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

#define SECOND	(1ULL << 31)
#define GARBAGE 0xee

struct world world;

static char expected[FILE_PAGES * PAGE_SIZE];
static char *frames, *buffers;
static unsigned long long now;
static struct mm_struct fake_mm;

/* --- the file ----------------------------------------------------------------------- */

static int file_of(const char *name, const char *bytes, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	cr_assert(fd >= 0 && !ftruncate(fd, (off_t)size));
	cr_assert(!bytes || write(fd, bytes, size) == (ssize_t)size);
	return fd;
}

static void make_file(void)
{
	for (size_t i = 0; i + 8 <= FILE_BYTES; i += 8) {
		u64 word = (i + 1) * 0x9e3779b97f4a7c15;

		memcpy(expected + i, &word, 8);
	}
	world.m.file_fd = file_of("file", expected, FILE_BYTES);
	world.m.direct_fd = file_of("direct", expected, FILE_BYTES);
	world.m.frames_fd = file_of("frames", NULL, FILE_BYTES);
	frames = mmap(NULL, FILE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      world.m.frames_fd, 0);
	cr_assert(frames != MAP_FAILED);
}

static void make_index(void)
{
	struct page_cache *c = calloc(1, page_cache_size(FILE_PAGES));

	cr_assert(c);
	c->nr_pages = FILE_PAGES;
	c->nr_chunks = (FILE_PAGES + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;
	world.m.cache = c;
}

static long no_reserve(unsigned long start, unsigned long len)
{
	(void)start;
	(void)len;
	return 0;
}

void world_make(void)
{
	memset(&world, 0, sizeof(world));
	now = SECOND;
	world.lease = true;
	world.e = calloc(1, sizeof(*world.e));
	cr_assert(world.e);
	world.e->mm = &fake_mm;
	world.e->stat = &world.stat;
	world.e->reserve = no_reserve;
	world.e->service_tid = (int)gettid();
	world.m.key.size = FILE_BYTES;
	world.m.nrpages = FILE_PAGES;
	world.m.drop = DROP_BY_READ;
	make_file();
	make_index();
}

void world_end(void)
{
	munmap(frames, FILE_PAGES * PAGE_SIZE);
	close(world.m.file_fd);
	close(world.m.direct_fd);
	close(world.m.frames_fd);
	free(world.m.cache);
	free(world.e);
	free(buffers);
	buffers = NULL;
}

void expect_pages(unsigned long page, unsigned long count)
{
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		cr_assert_eq(page_cache_test(world.m.cache, i),
			     i >= page && i < page + count, "the bit of page %lu", i);
	cr_assert(!memcmp(frames + page * PAGE_SIZE, expected + page * PAGE_SIZE,
			  count * PAGE_SIZE));
}

void expect_unlocked(void)
{
	for (u64 i = 0; i < world.m.cache->nr_chunks; i++)
		cr_expect_eq(world.m.cache->lock[i], 0, "chunk %lu", (unsigned long)i);
}

u32 dead_tid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return (u32)pid;
}

/* --- system calls ------------------------------------------------------------------- */

unsigned long long world_ticks(void)
{
	return now;
}

/* 0 or -errno; @size as much as may be moved. */
static long told(struct misread *t, u64 offset, size_t *size)
{
	struct misread as = *t;

	if (offset + *size <= as.from)
		return 0;
	if (as.once)
		*t = (struct misread){ 0 };
	if (as.slow)
		now += SECOND;
	if (as.at_most && *size > as.at_most)
		*size = as.at_most;
	return as.error;
}

static long do_pread(int fd, void *buf, size_t size, u64 offset)
{
	bool direct = fd == world.m.direct_fd;
	long ret = 0;

	world.reads++;
	world.direct_reads += direct;
	if (direct == world.misread.direct)
		ret = told(&world.misread, offset, &size);
	if (ret)
		return ret;
	ret = pread(fd, buf, size, (off_t)offset);
	return ret < 0 ? -errno : ret;
}

static long do_preadv2(int fd, const struct iovec *iov, u64 offset)
{
	return world.plain ? -EOPNOTSUPP
			   : do_pread(fd, iov->iov_base, iov->iov_len, offset);
}

static long do_pwrite(int fd, const void *buf, size_t size, u64 offset)
{
	long ret = told(&world.miswrite, offset, &size);

	if (ret)
		return ret;
	ret = pwrite(fd, buf, size, (off_t)offset);
	return ret < 0 ? -errno : ret;
}

static long do_cachestat(const u64 range[2], u64 stat[5])
{
	stat[0] = world.cached ? range[1] / PAGE_SIZE : 0;
	return 0;
}

static long do_statx(struct statx *x)
{
	x->stx_mask = STATX_DIOALIGN;
	x->stx_dio_mem_align = x->stx_dio_offset_align = 512;
	return 0;
}

static jmp_buf asleep;

static long do_futex(unsigned long addr, unsigned long op, unsigned long val,
		     unsigned long timeout)
{
	long ret;

	if (addr == (unsigned long)&world.e->files.reader.bell &&
	    op == FUTEX_WAIT_PRIVATE)
		longjmp(asleep, 1);
	ret = syscall(SYS_futex, addr, op, val, timeout, 0, 0);
	return ret < 0 ? -errno : ret;
}

long world_call(long nr, unsigned long a, unsigned long b, unsigned long c,
		unsigned long d, unsigned long e, unsigned long f)
{
	long ret;

	switch (nr) {
	case SYS_pread64:
		return do_pread((int)a, (void *)b, c, d);
	case SYS_preadv2:
		return do_preadv2((int)a, (const struct iovec *)b, d);
	case SYS_pwrite64:
		return do_pwrite((int)a, (const void *)b, c, d);
	case SYS_cachestat:
		return do_cachestat((const u64 *)b, (u64 *)c);
	case SYS_statx:
		return do_statx((struct statx *)e);
	case SYS_openat:
		return dup(world.m.direct_fd);
	case SYS_futex:
		return do_futex(a, b, c, d);
	case SYS_fadvise64:
		world.advised++;
		return 0;
	case SYS_prctl:
		return 0;
	default:
		ret = syscall(nr, a, b, c, d, e, f);
		return ret < 0 ? -errno : ret;
	}
}

/* --- the ring ----------------------------------------------------------------------- */

static struct {
	int fd;
	void *buf;
	size_t bytes;
	u64 offset, data;
} asked[URING_ENTRIES];
static unsigned int nr_asked, nr_done;

long uring_open(struct uring *u, struct uring_memory *memory)
{
	(void)u;
	(void)memory;
	nr_asked = nr_done = 0;
	return world.ring_error;
}

void uring_read(struct uring *u, int fd, void *buf, u32 bytes, u64 offset, u64 data)
{
	(void)u;
	asked[nr_asked % URING_ENTRIES].fd = fd;
	asked[nr_asked % URING_ENTRIES].buf = buf;
	asked[nr_asked % URING_ENTRIES].bytes = bytes;
	asked[nr_asked % URING_ENTRIES].offset = offset;
	asked[nr_asked % URING_ENTRIES].data = data;
	nr_asked++;
	memset(buf, GARBAGE, bytes);
}

bool uring_submit(struct uring *u)
{
	(void)u;
	nr_asked -= world.ring_refuses;
	return !world.ring_refuses;
}

long uring_wait(struct uring *u)
{
	(void)u;
	if (world.while_reading)
		world.while_reading();
	return 0;
}

bool uring_reap(struct uring *u, struct uring_done *done)
{
	unsigned int i = nr_done % URING_ENTRIES;
	size_t size = asked[i].bytes;
	long ret;

	(void)u;
	if (nr_done == nr_asked)
		return false;
	nr_done++;
	ret = told(&world.ring, asked[i].offset, &size);
	if (!ret)
		ret = pread(asked[i].fd, asked[i].buf, size, (off_t)asked[i].offset);
	*done = (struct uring_done){ asked[i].data, ret };
	return true;
}

/* --- the reader's task -------------------------------------------------------------- */

static void (*task)(void *arg);

long engine_task(char *stack_end, void (*fn)(void *arg), struct engine *e)
{
	(void)stack_end;
	(void)e;
	task = fn;
	return 77;
}

void world_open_reader(void)
{
	int direct = world.m.direct_fd;

	reader_open(world.e, &world.m);
	close(direct);
	cr_assert(world.m.direct_fd >= 0 && world.e->files.reader.buffers && task);
}

void world_run_reader(void)
{
	if (!setjmp(asleep))
		task(world.e);
}

void creds_follow(const struct engine *e, u32 *seen)
{
	(void)e;
	(void)seen;
}

/* --- the rest of the engine --------------------------------------------------------- */

bool lease_holds(int fd, int type)
{
	cr_assert(fd == world.m.file_fd && type == F_RDLCK);
	return world.lease;
}

void lease_trouble(struct engine *e, struct address_space *m)
{
	(void)e;
	m->state = MAPPING_LEAVING;
	world.troubles++;
}

void file_wait_for_tasks(const struct engine *e)
{
	(void)e;
}

void evict_filled(struct address_space *m, unsigned long page, unsigned long n)
{
	for (unsigned long i = page; i < page + n; i++)
		cr_assert(!page_cache_test(m->cache, i), "page %lu", i);
}

void evict_touch(const struct address_space *m, unsigned long chunk)
{
	cr_expect_neq(m->cache->lock[chunk], 0);
}

/* Whether the kernel maps what is whole is tests/preload/cache's affair. */
bool settle_fault(struct engine *e, struct address_space *m, unsigned long page,
		  unsigned long chunk)
{
	(void)e;
	(void)m;
	(void)page;
	(void)chunk;
	return false;
}

void evict_balance(struct engine *e, long err)
{
	(void)e;
	(void)err;
}

char *frames_chunk(struct address_space *m, unsigned long page)
{
	(void)m;
	return world.huge ? frames + page * PAGE_SIZE : NULL;
}

void frames_chunk_done(char *chunk)
{
	(void)chunk;
}

unsigned long aligned_place(size_t size)
{
	buffers = aligned_alloc(CHUNK_BYTES, size);
	return (unsigned long)buffers;
}

long map_ours(struct engine *e, int fd, unsigned long addr, size_t size)
{
	(void)e;
	(void)fd;
	(void)addr;
	(void)size;
	return 0;
}

void unmap_ours(struct engine *e, unsigned long addr, size_t size)
{
	(void)e;
	(void)addr;
	(void)size;
}

void mm_madvise(struct mm_struct *mm, unsigned long start, unsigned long len, int advice)
{
	(void)mm;
	(void)start;
	(void)len;
	(void)advice;
}

/* --- the program's area --------------------------------------------------------------
 */

int uffd_continue(int fd, unsigned long start, unsigned long end, unsigned long *done)
{
	(void)fd;
	world.continued += (end - start) / PAGE_SIZE;
	*done = end - start;
	return 0;
}

int uffd_copy(int fd, unsigned long page, const void *src)
{
	(void)fd;
	(void)page;
	memcpy(world.copied, src, PAGE_SIZE);
	world.was_copied = true;
	return 0;
}

int uffd_wake(int fd, unsigned long start, unsigned long end)
{
	(void)fd;
	(void)start;
	(void)end;
	world.woken++;
	return 0;
}
