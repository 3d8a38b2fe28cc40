// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared mappings of files that are ours; the rules are in shared.h.
 *
 *	shared_fault	missing -> copied from the mapping aside, write-protected (clean)
 *	shared_mkwrite	the first write since: set the bit, lift the protection
 *	write_back	protect, copy to the mapping aside, clear the bits
 *
 * Pages are copied by the kernel, between the memfd and the mapping aside: where a page
 * of the file cannot be had, because it is beyond the end, the disk is full or broken,
 * that is an error and not a SIGBUS for us.
 */
#include <linux/falloc.h>
#include <linux/poll.h>

#include "lib/base/fmt.h"
#include "lib/fault/fault.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12) /* 5.19 */
#endif
#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif
#define LOCK_EX	     2
#define CHUNK	     PAGE_CACHE_CHUNK /* pages protected, and held up, at a time */
#define PIECE	     32		      /* chunks per turn of shared_write_back() */
#define BREAK_TICKS  2000	      /* milliseconds */
#define DIRTY_AROUND 16		      /* pages: who writes in order writes these next */

/* --- the file becomes ours, and its end --------------------------------------------- */

static bool possible(struct engine *e)
{
	const u64 need = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
			 UFFD_FEATURE_WP_HUGETLBFS_SHMEM;

	return (e->uffd_features & need) == need;
}

/*
 * The very open file that the program has mapped, by its own descriptor: by another one
 * there would be two that have the file open, and no write lease.
 */
static long fetch(const struct engine *e, const struct file_wanted *w)
{
	return sys_pidfd_getfd(e->owner_pidfd, w->fd);
}

/* It may have another process of ours whose mapping it is by now: he gives it back. */
static void break_lease(int fd)
{
	const struct timespec tick = { 0, 1000 * 1000 };
	const u32 none = 0;
	char path[32];
	struct fmt f;
	long again;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/self/fd/%d", fd);
	/* Not to wait without end for somebody who may wait for us. */
	again = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (again >= 0)
		sys_close(again);
	for (int i = 0; i < BREAK_TICKS && sys_fcntl(fd, F_GETSIG, 0); i++)
		sys_futex(&none, FUTEX_WAIT_PRIVATE, 0, &tick);
}

static bool is_plain(int fd)
{
	return !sys_fcntl(fd, F_GETOWN, 0) && !sys_fcntl(fd, F_GETSIG, 0) &&
	       sys_fcntl(fd, F_GETLEASE, 0) == F_UNLCK;
}

/*
 * Two processes that have the same open file could both take the lease, since the kernel
 * sees one holder: one at a time looks whether it is free. 0 or -errno.
 */
static long claim(const struct engine *e, int fd)
{
	long dir = session_make(e), ret;

	ret = dir < 0 ? dir : sys_flock(dir, LOCK_EX);
	if (!ret && !is_plain(fd))
		ret = -EBUSY;
	if (!ret) {
		ret = lease_take(e, fd, F_WRLCK);
		if (ret) {
			sys_fcntl(fd, F_SETSIG, 0);
			sys_fcntl(fd, F_SETOWN, 0);
		}
	}
	if (dir >= 0)
		sys_close(dir);
	if (ret == -EBUSY && sys_fcntl(fd, F_GETSIG, 0) == FAULT_SIGNAL)
		break_lease(fd);
	return ret;
}

static void give_up(int fd)
{
	lease_give(fd);
	sys_fcntl(fd, F_SETSIG, 0);
	sys_fcntl(fd, F_SETOWN, 0);
}

static size_t dirty_size(const struct address_space *m)
{
	return PAGE_ALIGN((m->nrpages + 63) / 64 * 8);
}

static long map_dirty(struct engine *e, struct address_space *m)
{
	const unsigned long prot = PROT_READ | PROT_WRITE;
	const unsigned long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	static const int advice[] = { MADV_DONTFORK, MADV_DONTDUMP };
	size_t size = dirty_size(m);
	long addr = mmap_aside(size, prot, MAP_NORESERVE);

	if (IS_ERR_VALUE(addr))
		return addr;
	if (e->reserve((unsigned long)addr, size)) {
		sys_munmap(addr, size);
		return -ENOMEM;
	}
	mm_mmap_ours(e->mm, (unsigned long)addr, size, prot, flags, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
		if (!e->reserve((unsigned long)addr, size) &&
		    !sys_madvise(addr, size, advice[i]))
			mm_madvise(e->mm, (unsigned long)addr, size, advice[i]);
	m->dirty = (u64 *)addr;
	return 0;
}

static struct address_space *make(struct engine *e, int fd, const struct file_key *key,
				  const char *name)
{
	struct address_space *m = mapping_new(e->mm, key);

	if (!m)
		return NULL;
	m->written = true;
	e->mm->nr_written++;
	m->frames_fd = (int)mapping_memfd(name, "", key->size);
	if (m->frames_fd >= 0 && !map_dirty(e, m)) {
		m->file_fd = fd;
		return m;
	}
	if (m->frames_fd >= 0)
		sys_close(m->frames_fd);
	mapping_free(e->mm, m);
	return NULL;
}

struct address_space *shared_open(struct engine *e, const struct file_wanted *w,
				  const struct file_name *file, enum track_reason *reason)
{
	struct address_space *m = NULL;
	struct file_key key;
	long fd;

	*reason = TRACK_REFUSED;
	fd = possible(e) ? fetch(e, w) : -ENOSYS;
	if (fd < 0)
		return NULL;
	*reason = TRACK_FILE_OPEN;
	if (mapping_has_room((int)fd) && mapping_key((int)fd, file, &key) &&
	    !claim(e, (int)fd)) {
		/* Not before the lease is the size sure to stay. */
		*reason = TRACK_REFUSED;
		if (mapping_key((int)fd, file, &key))
			m = make(e, (int)fd, &key, file->last);
		if (!m)
			give_up((int)fd);
	}
	if (!m)
		sys_close(fd);
	return m;
}

void shared_end(struct engine *e, struct address_space *m)
{
	unsigned long addr = (unsigned long)m->dirty;
	size_t size = dirty_size(m);

	file_wait_for_tasks(e);
	__atomic_store_n(&m->dirty, NULL, __ATOMIC_SEQ_CST);
	if (addr && !e->reserve(addr, size) && !sys_munmap(addr, size))
		mm_munmap(e->mm, addr, size);
	give_up(m->file_fd);
}

/* --- bits --------------------------------------------------------------------------- */

static bool is_dirty(const struct address_space *m, unsigned long page)
{
	return __atomic_load_n(&m->dirty[page / 64], __ATOMIC_ACQUIRE) >> page % 64 & 1;
}

static void set_dirty(struct engine *e, struct address_space *m, unsigned long page)
{
	const u64 bit = 1ULL << page % 64;

	if (!(__atomic_fetch_or(&m->dirty[page / 64], bit, __ATOMIC_SEQ_CST) & bit))
		stat_inc(e->stat->shared_dirtied);
}

static void clear_dirty(struct address_space *m, unsigned long page, unsigned long end)
{
	for (; page < end; page++)
		__atomic_fetch_and(&m->dirty[page / 64], ~(1ULL << page % 64),
				   __ATOMIC_SEQ_CST);
}

/* The first page of [page, end) whose bit is as @is, or @end. */
static unsigned long next_page(const struct address_space *m, unsigned long page,
			       unsigned long end, bool is)
{
	const u64 none = is ? 0 : ~0ULL;

	while (page < end && is_dirty(m, page) != is) {
		if (!(page % 64) && m->dirty[page / 64] == none)
			page += 64;
		else
			page++;
	}
	return min(page, end);
}

/* --- faults ------------------------------------------------------------------------- */

static unsigned long page_at(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* Without what is being left. */
static void clip(const struct engine *e, unsigned long page, unsigned long *start,
		 unsigned long *end)
{
	unsigned long at = page;

	while (at > *start && !file_is_leaving(e, at - PAGE_SIZE))
		at -= PAGE_SIZE;
	*start = at;
	for (at = page + PAGE_SIZE; at < *end && !file_is_leaving(e, at);)
		at += PAGE_SIZE;
	*end = at;
}

/* [start, end) is about to be written to, and is there, or will be as the file is. */
static void make_dirty(struct engine *e, const struct vm_area_struct *vma,
		       struct address_space *m, unsigned long start, unsigned long end)
{
	for (unsigned long at = start; at < end; at += PAGE_SIZE)
		set_dirty(e, m, page_at(vma, at));
	/* A failure: the area has gone, and its protection with it. */
	if (uffd_protect(e->uffd, start, end, UFFD_LIFT))
		uffd_wake(e->uffd, start, end);
}

/* The area is still what it was when the verdict was given. */
static bool still_ours(const struct vm_area_struct *vma, unsigned long page)
{
	return vma && vma->vm_start <= page && vma_host(vma) &&
	       vma_host(vma)->mapping->written;
}

void shared_mkwrite(struct engine *e, unsigned long page)
{
	const struct vm_area_struct *vma = find_vma(e->mm, page);
	unsigned long number, start = page, end = page + PAGE_SIZE;
	struct address_space *m;

	if (!still_ours(vma, page)) {
		uffd_wake(e->uffd, page, end);
		return;
	}
	m = vma_host(vma)->mapping;
	number = page_at(vma, page);
	if (vma->stat)
		stat_inc(vma->stat->faults);
	/* What is not there yet gets its bit for nothing: it is written back as it was
	 * read, or not at all (copy_frames()). */
	if (page > vma->vm_start && is_dirty(m, number - 1)) {
		end = min(page + DIRTY_AROUND * PAGE_SIZE, vma->vm_end);
		end = min(end, page + ((m->nrpages - number) << PAGE_SHIFT));
		clip(e, page, &start, &end);
	}
	make_dirty(e, vma, m, page, end);
}

/* The page cannot be had from here. The kernel shall say so, or have it. */
static void install_failed(struct engine *e, struct address_space *m, unsigned long page,
			   int ret)
{
	if (ret == -EFAULT || ret == -ENOMEM)
		lease_trouble(e, m);
	else /* -ENOENT: the area has gone; -ESRCH */
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
}

/* Clean pages of [start, end), the one of the fault first. What that one got. */
static int install(struct engine *e, const struct vm_area_struct *vma, unsigned long page,
		   unsigned long start, unsigned long end)
{
	unsigned long src = file_aside(vma, start), done;
	int ret;

	/* In one go, where copying would meet one page after the other. */
	sys_madvise(src, end - start, MADV_POPULATE_READ);
	ret = uffd_copy_protected(e->uffd, page, end, src + (page - start), &done);
	if (done)
		ret = 0;
	if (!ret && start < page)
		uffd_copy_protected(e->uffd, start, page, src, &done);
	/* The file's own pages are not counted for the program twice. */
	sys_madvise(src, end - start, MADV_DONTNEED);
	return ret;
}

static void minor_fault(struct engine *e, const struct vm_area_struct *vma,
			struct address_space *m, unsigned long page)
{
	unsigned long done;

	/* Mapped anew, it is no more protected. */
	set_dirty(e, m, page_at(vma, page));
	if (uffd_continue(e->uffd, page, page + PAGE_SIZE, &done))
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
	stat_inc(m->minor);
}

void shared_fault(struct engine *e, unsigned long page, unsigned int flags,
		  const struct file_plan *plan)
{
	const struct vm_area_struct *vma = find_vma(e->mm, page);
	struct address_space *m = plan->mapping;
	unsigned long start = plan->start, end = plan->end;
	int ret;

	if (!still_ours(vma, page)) {
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
		return;
	}
	if (m->state == MAPPING_LEFT)
		lease_trouble(e, m);
	if (m->state != MAPPING_LIVE || file_is_leaving(e, page))
		return;
	if (plan->stat)
		stat_inc(plan->stat->faults);
	if (flags & FAULT_FLAG_MINOR) {
		minor_fault(e, vma, m, page);
		return;
	}
	stat_inc(m->major);
	clip(e, page, &start, &end);
	ret = install(e, vma, page, start, end);
	if (ret && ret != -EEXIST)
		install_failed(e, m, page, ret);
	else if (flags & FAULT_FLAG_WRITE)
		make_dirty(e, vma, m, page, page + PAGE_SIZE);
	else
		uffd_wake(e->uffd, page, page + PAGE_SIZE);
}

/* --- writing back ------------------------------------------------------------------- */

/*
 * Why the page at @offset of the file could not be written; the copy only knows that. 0:
 * it is beyond the end by now, so nobody wants it.
 */
static long why_not(const struct address_space *m, u64 offset)
{
	struct statx x;
	long ret;

	if (sys_statx(m->file_fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) ||
	    offset >= x.stx_size)
		return 0;
	ret = sys_fallocate(m->file_fd, FALLOC_FL_KEEP_SIZE, offset, PAGE_SIZE);
	return ret == -ENOSPC || ret == -EDQUOT ? ret : -EIO;
}

/* Bytes [offset, end) of the frames to the file, by way of @aside. 0 or -errno. */
static long copy_out(const struct address_space *m, unsigned long aside, u64 offset,
		     u64 end)
{
	end = min(end, m->key.size);
	while (offset < end) {
		long n = sys_pread(m->frames_fd, aside, end - offset, offset);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return why_not(m, offset);
		offset += (u64)n;
		aside += (unsigned long)n;
	}
	return 0;
}

/* The same of pages [page, end), but what the frames do not have: a hole would be
 * zeroes, and nobody has written there. */
static long copy_frames(const struct address_space *m, unsigned long aside,
			unsigned long page, unsigned long end)
{
	u64 from = page << PAGE_SHIFT, base = from, to = end << PAGE_SHIFT;
	long ret = 0, data, hole;

	for (; !ret && from < to; from = (u64)hole) {
		data = sys_lseek(m->frames_fd, from, SEEK_DATA);
		if (data < 0 || (u64)data >= to)
			return data < 0 && data != -ENXIO ? data : 0;
		hole = sys_lseek(m->frames_fd, data, SEEK_HOLE);
		if (hole < 0)
			return hole;
		ret = copy_out(m, aside + ((u64)data - base), (u64)data,
			       min((u64)hole, to));
	}
	return ret;
}

/*
 * Dirty pages of [page, end), the first of which is at @aside, in one chunk. They are
 * write-protected, or nobody writes any more.
 */
static void write_pages(struct engine *e, struct address_space *m, unsigned long aside,
			unsigned long page, unsigned long end)
{
	unsigned long first = page, stop;

	while ((page = next_page(m, page, end, true)) < end) {
		long ret;

		stop = next_page(m, page, end, false);
		ret = copy_frames(m, aside + ((page - first) << PAGE_SHIFT), page, stop);
		if (ret) {
			m->written_error = (int)ret;
			stat_inc(e->stat->shared_errors);
		} else {
			clear_dirty(m, page, stop);
			stat_add(e->stat->shared_written, stop - page);
		}
		page = stop;
	}
	sys_madvise(aside, (end - first) << PAGE_SHIFT, MADV_DONTNEED);
}

/* Is there anything to be written in [start, end) of @vma? Then from where on. */
static bool find_dirty(const struct vm_area_struct *vma, unsigned long *start,
		       unsigned long end)
{
	const struct address_space *m = vma_host(vma)->mapping;
	unsigned long page = page_at(vma, *start);
	unsigned long stop = min(page_at(vma, end - 1) + 1, (unsigned long)m->nrpages);
	unsigned long dirty = page < stop ? next_page(m, page, stop, true) : stop;

	*start += (dirty - page) << PAGE_SHIFT;
	return dirty < stop;
}

static struct vm_area_struct *next_written(struct engine *e, unsigned long at,
					   unsigned long limit)
{
	struct vm_area_struct *vma = NULL;

	while (at < limit && (vma = mm_next_file(e->mm, at, limit)) &&
	       !(vma_host(vma)->mapping->written && vma_host(vma)->mapping->dirty))
		at = vma->vm_end;
	return at < limit ? vma : NULL;
}

/* Up to a chunk, from the first dirty page on, is written back and stays ours. */
static void write_chunk(struct engine *e, const struct vm_area_struct *vma,
			unsigned long start, unsigned long end)
{
	struct address_space *m = vma_host(vma)->mapping;
	unsigned long page = page_at(vma, start), aside = file_aside(vma, start);
	unsigned long stop = min(page_at(vma, end - 1) + 1, (unsigned long)m->nrpages);

	file_leave_begin(e, start, end);
	/* Not registered any more: what is written next shows nowhere. So it stays
	 * dirty. */
	if (!uffd_protect(e->uffd, start, end, UFFD_PROTECT))
		write_pages(e, m, aside, page, stop);
	file_leave_end(e, start, end);
}

/* From *@at on, at most @chunks. False: there is no more. */
static bool write_some(struct engine *e, unsigned long *at, unsigned long limit,
		       unsigned int chunks)
{
	struct vm_area_struct *vma;

	while (chunks && (vma = next_written(e, *at, limit))) {
		unsigned long start = max(*at, vma->vm_start);
		unsigned long end = min(limit, vma->vm_end);

		*at = end;
		if (!find_dirty(vma, &start, end))
			continue;
		*at = min(end, start + (CHUNK << PAGE_SHIFT));
		write_chunk(e, vma, start, *at);
		chunks--;
	}
	return !chunks;
}

bool shared_write_back(struct engine *e, unsigned long *at)
{
	return write_some(e, at, ~0UL & PAGE_MASK, PIECE);
}

long shared_sync(struct engine *e, unsigned long start, unsigned long end, bool report)
{
	unsigned long at = start;
	struct vm_area_struct *vma;
	long ret = 0;

	while (write_some(e, &at, end, PIECE))
		;
	for (at = start; report && (vma = next_written(e, at, end)); at = vma->vm_end) {
		struct address_space *m = vma_host(vma)->mapping;

		ret = ret ? ret : m->written_error;
		m->written_error = 0;
	}
	return ret;
}

bool shared_leave(struct engine *e, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = next_written(e, start, end);
	struct address_space *m;
	unsigned long stop;

	if (!vma || vma->vm_start > start)
		return false;
	m = vma_host(vma)->mapping;
	stop = min(page_at(vma, end - 1) + 1, (unsigned long)m->nrpages);
	/* Not registered, or no engine: then nobody is held up who writes meanwhile. */
	uffd_protect(e->uffd, start, end, UFFD_PROTECT);
	if (page_at(vma, start) < stop)
		write_pages(e, m, file_aside(vma, start), page_at(vma, start), stop);
	return true;
}

/* --- the program is dead --------------------------------------------------------------
 */

static void wait_for_end(const struct engine *e)
{
	struct pollfd p = { .fd = e->owner_pidfd, .events = POLLIN };

	while (sys_poll(&p, 1, -1) == -EINTR)
		;
}

void shared_flush(struct engine *e)
{
	const struct vm_area_struct *vma;
	unsigned long at = 0;

	if (!READ_ONCE(e->mm->nr_written))
		return;
	wait_for_end(e);
	while ((vma = next_written(e, at, ~0UL & PAGE_MASK))) {
		struct address_space *m = vma_host(vma)->mapping;
		unsigned long first = vma->vm_pgoff;
		unsigned long end =
			min(page_at(vma, vma->vm_end - 1) + 1, (unsigned long)m->nrpages);

		at = vma->vm_end;
		if (first < end)
			write_pages(e, m, file_aside(vma, vma->vm_start), first, end);
	}
}
