// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Frames are filled from the file, what has no bit only:
 *
 *	fill_chunk -> fill_whole   2 MiB at once into a huge page, read to where it is
 *		  '-> fill_run     else 128 KiB at a time, by way of a buffer
 *
 * What the kernel's cache did not have, it need not keep: RWF_DONTCACHE drops what this
 * read brought in, and nothing else. Small files are left there: who starts again soon
 * finds them.
 */
#include "lib/base/string.h"
#include "lib/fault/fill.h"
#include "lib/sys/sys.h"

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* 6.14 */
#endif
#define POSIX_FADV_DONTNEED 4 /* linux/fadvise.h */

#define BUFFER_PAGES	    32
#define DIRECT_MIN	    16 /* pages; fewer are not worth asking what is cached */
#define BUFFERS		    (FAULT_TASKS_MAX + 2) /* the reader, a hook that populates */

/* Bytes on their way; in the second-level cache, mostly. */
static struct fill_buffer {
	char bytes[BUFFER_PAGES * PAGE_SIZE];
} buffers[BUFFERS] __attribute__((aligned(4096)));
static u32 busy[BUFFERS];

void fill_forget(void)
{
	for (unsigned int i = 0; i < BUFFERS; i++)
		__atomic_store_n(&busy[i], 0, __ATOMIC_RELEASE);
}

char *fill_buffer_get(void)
{
	for (unsigned int i = 0;; i = (i + 1) % BUFFERS)
		if (!__atomic_exchange_n(&busy[i], 1, __ATOMIC_ACQUIRE))
			return buffers[i].bytes;
}

void fill_buffer_put(char *bytes)
{
	size_t i = (size_t)(bytes - buffers[0].bytes) / sizeof(buffers[0]);

	__atomic_store_n(&busy[i], 0, __ATOMIC_RELEASE);
}

/* --- the kernel's cache ------------------------------------------------------------- */

/* Of how many of them the kernel has a copy in its own cache; -1: it does not say (before
 * 6.5). */
static long pages_in_cache(const struct address_space *m, unsigned long page,
			   unsigned long n)
{
	const struct {
		u64 off, len;
	} range = { page << PAGE_SHIFT, n << PAGE_SHIFT };
	struct {
		u64 cache, dirty, writeback, evicted, recently_evicted;
	} stat = { 0 };
	long ret = sys_cachestat(m->file_fd, &range, &stat);

	return ret ? -1 : (long)stat.cache;
}

/* We are about to bring in all of it, and nobody will have dropped it for us. */
static bool drop_later(const struct address_space *m, unsigned long page, unsigned long n)
{
	return READ_ONCE(m->drop) == DROP_BY_ADVICE && !pages_in_cache(m, page, n);
}

static void drop(const struct address_space *m, unsigned long page, unsigned long n)
{
	sys_fadvise(m->file_fd, page << PAGE_SHIFT, n << PAGE_SHIFT, POSIX_FADV_DONTNEED);
}

/* --- time -------------------------------------------------------------------------- */

/* Of the time stamp counter, which is cheaper than any clock. If it has jumped, that is a
 * long time. */
#define LONG_AGO (1ULL << 28) /* a tenth of a second */
#define QUICK	 (1ULL << 14) /* 4 to 8 us a page: no disk did that, for a few pages */

static u64 ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static u64 ticks_since(u64 began)
{
	return ticks() - began;
}

/* --- reading and writing ----------------------------------------------------------- */

/* By way of the kernel's cache. */
static long read_some(struct address_space *m, char *buf, size_t size, u64 offset)
{
	const struct {
		void *base;
		size_t len;
	} to = { buf, size };
	long ret;

	if (READ_ONCE(m->drop) != DROP_BY_READ)
		return sys_pread(m->file_fd, buf, size, offset);
	ret = sys_preadv2_at(m->file_fd, &to, 1, offset, RWF_DONTCACHE);
	if (ret != -EOPNOTSUPP && ret != -EINVAL)
		return ret;
	/* Not this kernel's, or not this filesystem's. */
	WRITE_ONCE(m->drop, DROP_BY_ADVICE);
	return sys_pread(m->file_fd, buf, size, offset);
}

bool pages_by_direct(const struct address_space *m, unsigned long page, unsigned long n)
{
	long cached;

	if (n < DIRECT_MIN || m->direct_fd < 0 || READ_ONCE(m->direct_failed))
		return false;
	cached = pages_in_cache(m, page, n);
	return cached >= 0 && (unsigned long)cached * 2 <= n;
}

/*
 * Past the kernel's cache, also to where the frames are. Bytes, whole pages but for the
 * last of the file; 0: it is to be read otherwise.
 *
 * Who is killed meanwhile does not die before the kernel has done with it, but he may
 * lose the lock before (chunk.c), and what comes late comes to pages that another process
 * has filled since, and shows. It is what is there already: the lease ends with our
 * descriptor table, which he still has, and the other one read under a lease of his own.
 * Should the kernel take ours away before (lease-break-time), a writer has come, for whom
 * everybody who shows these frames has left the file.
 */
static size_t read_direct(struct engine *e, struct address_space *m, unsigned long page,
			  unsigned long n, size_t want, char *buf)
{
	long ret;

	if (!pages_by_direct(m, page, n))
		return 0;
	ret = sys_pread(m->direct_fd, buf, n << PAGE_SHIFT, page << PAGE_SHIFT);
	if (ret < (long)want) {
		WRITE_ONCE(m->direct_failed, true);
		return 0;
	}
	stat_add(e->stat->file_read_direct, n);
	return want;
}

long read_pages(struct engine *e, struct address_space *m, unsigned long page,
		unsigned long n, char *buf)
{
	size_t want = min(n << PAGE_SHIFT, m->key.size - (page << PAGE_SHIFT));
	size_t got = read_direct(e, m, page, n, want, buf);

	stat_inc(e->stat->file_reads);
	if (!got)
		stat_add(e->stat->file_read_buffered, n);
	while (got < want) {
		long ret =
			read_some(m, buf + got, want - got, (page << PAGE_SHIFT) + got);

		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			return ret ? ret : -EIO;
		got += (size_t)ret;
	}
	memset(buf + got, 0, (n << PAGE_SHIFT) - got);
	return 0;
}

/* The kernel shows a page to others only when all of it is there. */
static long write_pages(const struct address_space *m, unsigned long page,
			unsigned long n, const char *buf)
{
	size_t want = min(n << PAGE_SHIFT, m->key.size - (page << PAGE_SHIFT)), put = 0;

	while (put < want) {
		long ret = sys_pwrite(m->frames_fd, buf + put, want - put,
				      (page << PAGE_SHIFT) + put);

		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			return ret ? ret : -EIO;
		put += (size_t)ret;
	}
	return 0;
}

/* --- bits -------------------------------------------------------------------------- */

unsigned long next_bit(struct page_cache *c, unsigned long page, unsigned long end,
		       bool is)
{
	while (page < end && page_cache_test(c, page) != is)
		page++;
	return page;
}

void clear_bit(struct address_space *m, unsigned long page)
{
	__atomic_fetch_and(&page_cache_bits(m->cache)[page / 64], ~(1ULL << page % 64),
			   __ATOMIC_SEQ_CST);
}

/*
 * The frames have what the file had when it was read, since @began. That was under our
 * lease if we hold it still: the kernel takes it away from who does not answer for too
 * long (lease-break-time, seconds), because his disk does not, say. Then nobody learns of
 * these bytes.
 */
static long set_bits(struct address_space *m, unsigned long page, unsigned long n,
		     u64 began)
{
	u64 *bits = page_cache_bits(m->cache);

	if (ticks_since(began) > LONG_AGO && !lease_holds(m->file_fd, F_RDLCK))
		return -EAGAIN;
	evict_filled(m, page, n); /* first: a chunk with bits has a time */
	for (unsigned long i = page; i < page + n; i++)
		__atomic_fetch_or(&bits[i / 64], 1ULL << i % 64, __ATOMIC_RELEASE);
	return 0;
}

/* --- filling ----------------------------------------------------------------------- */

static bool is_whole(unsigned long page, unsigned long end)
{
	return page % PAGE_CACHE_CHUNK == 0 && end == page + PAGE_CACHE_CHUNK;
}

/* -ENOBUFS: no huge page, nothing done. */
static long fill_whole(struct engine *e, struct address_space *m, unsigned long page)
{
	char *chunk = frames_chunk(m, page);
	u64 began = ticks();
	long ret;

	if (!chunk)
		return -ENOBUFS;
	ret = read_pages(e, m, page, PAGE_CACHE_CHUNK, chunk);
	frames_chunk_done(chunk);
	return ret ? ret : set_bits(m, page, PAGE_CACHE_CHUNK, began);
}

/* [page, end) has no bits. */
static long fill_run(struct engine *e, struct address_space *m, unsigned long page,
		     unsigned long end)
{
	char *buf = fill_buffer_get();
	long ret = 0;

	while (!ret && page < end) {
		unsigned long n = min(end - page, (unsigned long)BUFFER_PAGES);
		u64 began = ticks();

		ret = read_pages(e, m, page, n, buf);
		WRITE_ONCE(m->quick, ticks_since(began) < n * QUICK);
		if (!ret)
			ret = write_pages(m, page, n, buf);
		if (!ret)
			ret = set_bits(m, page, n, began);
		page += n;
	}
	fill_buffer_put(buf);
	return ret;
}

static long fill_part(struct engine *e, struct address_space *m, unsigned long page,
		      unsigned long end)
{
	bool later = drop_later(m, page, end - page);
	long ret = is_whole(page, end) ? fill_whole(e, m, page) : -ENOBUFS;

	if (ret == -ENOBUFS)
		ret = fill_run(e, m, page, end);
	if (later)
		drop(m, page, end - page);
	return ret;
}

static long copy_run(struct address_space *m, unsigned long page, unsigned long end,
		     const char *bytes)
{
	char *chunk = is_whole(page, end) ? frames_chunk(m, page) : NULL;
	long ret;

	/* By pwrite() all the same: where there is no memory we do not get SIGBUS. */
	ret = write_pages(m, page, end - page, bytes);
	if (chunk)
		frames_chunk_done(chunk);
	return ret ? ret : set_bits(m, page, end - page, 0); /* who knows when */
}

long fill_chunk(struct engine *e, struct address_space *m, unsigned long page,
		unsigned long end)
{
	long ret = 0;

	while (!ret && (page = next_bit(m->cache, page, end, false)) < end) {
		unsigned long stop = next_bit(m->cache, page, end, true);

		ret = fill_part(e, m, page, stop);
		page = stop;
	}
	return ret;
}

long fill_from(struct engine *e, struct address_space *m, unsigned long page,
	       unsigned long end, const char *bytes)
{
	unsigned long first = page;
	long ret = 0;

	while (!ret && (page = next_bit(m->cache, page, end, false)) < end) {
		unsigned long stop = next_bit(m->cache, page, end, true);

		ret = copy_run(m, page, stop, bytes + ((page - first) << PAGE_SHIFT));
		stat_add(e->stat->file_read_direct, stop - page);
		page = stop;
	}
	return ret;
}
