// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An area of a file becomes ours, and the kernel's again.
 *
 *	file_convert	[  program's mapping of the file  ]
 *			[  frames, private, registered    ]	the same again, aside
 *
 *	file_give_back	[ frames   W W	 frames	   W   frames ]	W: written to, private
 *			[ file	   W W	 file	   W   file   ]	from aside, W copied there
 *
 * Where that cannot be copied (no memory), it stays in the mapping of the frames, and
 * only what is around it is replaced; if the program drops it later (MADV_DONTNEED),
 * the piece aside takes its place, too.
 *
 * Context: the service task while a hook waits for it, or the lease task; mmap_lock is
 * held. In a fork child, before its engine, a task of the moment; nothing is registered.
 */
#include <linux/mman.h>
#include <linux/resource.h>

#include "lib/base/string.h"
#include "lib/fault/fill.h"
#include "lib/fault/internal.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/aside.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define CHUNK PAGE_CACHE_CHUNK /* pages looked at in one go */

/* linux/mman.h (6.5) */
struct cachestat_range {
	u64 off, len;
};

struct cachestat {
	u64 nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted;
};

static unsigned long prot_of(unsigned long flags)
{
	return (flags & VM_READ ? PROT_READ : 0) | (flags & VM_WRITE ? PROT_WRITE : 0) |
	       (flags & VM_EXEC ? PROT_EXEC : 0);
}

static bool has_engine(const struct engine *e)
{
	return READ_ONCE(e->fault_pid) != 0;
}

/* --- it becomes ours --------------------------------------------------------------- */

/* All that giving it back will take must be there. */
static bool possible(struct engine *e)
{
	long fd;

	if (e->files.why || e->files.lease_tid)
		return !e->files.why;
	fd = pagemap_open_self();
	if (fd < 0)
		e->files.why = "/proc/self/pagemap cannot be read";
	else if (lease_task_start(e))
		e->files.why = "the task for leases could not be started";
	if (fd >= 0)
		sys_close(fd);
	return !e->files.why;
}

/* More than half of it is in the kernel's own cache, which cannot be beaten. */
static bool is_cached(const struct address_space *m, unsigned long pgoff,
		      unsigned long pages)
{
	const struct cachestat_range range = { pgoff << PAGE_SHIFT, pages << PAGE_SHIFT };
	struct cachestat stat = { 0 };

	if (pgoff >= m->nrpages)
		return false;
	pages = min(pages, (unsigned long)m->nrpages - pgoff);
	return !sys_cachestat(m->file_fd, &range, &stat) && stat.nr_cache * 2 > pages;
}

static int reserve(struct engine *e, unsigned long start, unsigned long end)
{
	size_t missing;

	if (e->reserve(start, end - start))
		return -ENOMEM;
	while ((missing = mm_prepare_mapping(e->mm)) != 0)
		if (e->grow(missing))
			return -ENOMEM;
	return 0;
}

/* The mapping that the area will be again, in a place of our own. */
static long map_aside(const struct address_space *m, const struct vm_area_struct *vma,
		      unsigned long start, unsigned long len)
{
	unsigned long pgoff = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);
	unsigned long flags = MAP_PRIVATE | MAP_FIXED;
	long addr = mmap_aside(len, PROT_NONE, MAP_NORESERVE), ret;

	if (IS_ERR_VALUE(addr))
		return addr;
	if (vma->vm_flags & VM_NORESERVE)
		flags |= MAP_NORESERVE;
	if (m->written)
		/* mm/mremap.c: an old length of 0 maps shared pages once more. */
		ret = sys_mremap(start, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, addr);
	else
		ret = sys_mmap(addr, len, prot_of(vma->vm_flags), flags, m->file_fd,
			       pgoff << PAGE_SHIFT);
	if (IS_ERR_VALUE(ret))
		sys_munmap(addr, len);
	return ret;
}

static long map_frames(const struct address_space *m, const struct vm_area_struct *vma,
		       unsigned long start, unsigned long len)
{
	unsigned long pgoff = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);
	unsigned long flags = (m->written ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED;
	long fd = mapping_frames(m), ret;

	if (fd < 0)
		return fd;
	if (vma->vm_flags & VM_NORESERVE)
		flags |= MAP_NORESERVE;
	ret = sys_mmap(start, len, prot_of(vma->vm_flags), flags, fd,
		       pgoff << PAGE_SHIFT);
	sys_close(fd);
	return IS_ERR_VALUE(ret) ? ret : 0;
}

/* The area at @start, if its file could be ours. */
static const struct vm_area_struct *wanted_area(const struct engine *e,
						unsigned long start)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);

	return vma && vma->vm_start <= start && vma->reason == TRACK_FILE_WANTED ? vma
										 : NULL;
}

/* 0, or -errno and everything is as it was. */
static long replace(struct engine *e, struct address_space *m, unsigned long start,
		    unsigned long end)
{
	struct vma_file *frames = reserve(e, start, end) ? NULL : mapping_file(e, m);
	const struct vm_area_struct *vma = wanted_area(e, start);
	long aside, ret;

	if (!frames)
		return -ENOMEM;
	aside = map_aside(m, vma, start, end - start);
	ret = IS_ERR_VALUE(aside) ? aside : map_frames(m, vma, start, end - start);
	if (!ret) {
		mm_map_file(e->mm, start, end, (unsigned long)aside, frames, m);
		if (mm_next_file(e->mm, start, end))
			return 0;
		/* The model has no memory, against all promises: as if nothing was. */
		sys_mremap(aside, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED,
			   start);
		return -ENOMEM;
	}
	vma_file_put(e->mm, frames);
	if (!IS_ERR_VALUE(aside))
		sys_munmap(aside, end - start);
	return ret;
}

static long convert(struct engine *e, const struct file_name *name, unsigned long start,
		    unsigned long end, enum track_reason *reason)
{
	bool shared = wanted_area(e, start)->vm_flags & VM_MAYSHARE;
	struct address_space *m =
		shared ? shared_open(e, &e->request.wanted, name, reason)
		       : mapping_open(e, &e->request.wanted, name, reason);
	const struct vm_area_struct *vma = wanted_area(e, start);
	unsigned long pgoff;
	long ret;

	if (m && !vma)
		mapping_end(e, m);
	if (!m || !vma)
		return -EPERM;
	pgoff = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);
	if (!shared && e->mm->file_policy == FILES_AUTO &&
	    is_cached(m, pgoff, (end - start) >> PAGE_SHIFT)) {
		*reason = TRACK_FILE_CACHED;
		ret = -EBUSY;
	} else {
		*reason = TRACK_REFUSED;
		ret = replace(e, m, start, end);
	}
	if (!ret)
		settle_range(e, m, start, end);
	if (!ret && register_range(e, start, end)) {
		file_give_back(e, start, end, TRACK_REFUSED);
		file_clean(e);
		return 0;
	}
	if (!ret)
		stat_inc(e->stat->files_ours);
	mapping_end(e, m);
	return ret;
}

long file_convert(struct engine *e, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = wanted_area(e, start);
	enum track_reason reason = TRACK_FILE;
	struct file_name name;
	long ret;

	if (!vma)
		return -EINVAL;
	end = min(end, vma->vm_end);
	file_name_of(vma->vm_file, &name);
	ret = possible(e) ? 0 : -EPERM;
	if (!ret)
		ret = convert(e, &name, start, end, &reason);
	if (ret)
		mm_set_track(e->mm, start, end, reason);
	return ret;
}

/* --- it becomes the kernel's ------------------------------------------------------- */

/*
 * An area goes back in pieces of so many bytes, so that no more of what the program has
 * written to it is there twice at a time. The kernel merges them again: they are parts of
 * one mapping aside, with one anon_vma.
 */
#define PIECE (64UL << 20)

/* One area on its way back. */
struct leaving {
	int pagemap, mem;	    /* descriptors of /proc/self, or -1 */
	bool drop;		    /* without the program's own pages */
	unsigned long start, aside; /* of the piece */
};

/* Until the task has answered the event that it may be at. */
static void wait_for_task(const struct engine *e, const u32 *counter)
{
	u32 seq = __atomic_load_n(counter, __ATOMIC_SEQ_CST);

	while ((seq & 1) && has_engine(e) &&
	       __atomic_load_n(counter, __ATOMIC_SEQ_CST) == seq)
		sys_sched_yield();
}

void file_wait_for_tasks(const struct engine *e)
{
	for (int i = 0; i < FAULT_WORK_MAX; i++)
		wait_for_task(e, &e->fault[i].seq);
}

void file_leave_begin(struct engine *e, unsigned long start, unsigned long end)
{
	__atomic_store_n(&e->files.leaving_end, end, __ATOMIC_SEQ_CST);
	__atomic_store_n(&e->files.leaving_start, start, __ATOMIC_SEQ_CST);
	/* Pairs with fault_begin(): who is at work now may not have seen it. */
	file_wait_for_tasks(e);
}

void file_leave_end(struct engine *e, unsigned long start, unsigned long end)
{
	__atomic_store_n(&e->files.leaving_start, ~0UL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&e->files.leaving_end, 0, __ATOMIC_SEQ_CST);
	if (has_engine(e))
		uffd_wake(e->uffd, start, end);
}

/*
 * Is the page the program's own? @before and @after: its pagemap word before and after
 * the area was write-protected. That makes a missing page a marker, which looks as if it
 * were swapped out; one that was missing before and is swapped now cannot be.
 */
static bool is_private(u64 before, u64 after)
{
	u64 word = after & PM_PRESENT ? after : before;

	return word & (PM_PRESENT | PM_SWAP) && !(word & PM_FILE);
}

/* Private pages of [start, start + n pages), a bit each. False: not to be found out. */
static bool find_private(struct engine *e, int pagemap, unsigned long start,
			 unsigned long n, u64 *bits)
{
	u64 before[CHUNK], after[CHUNK];

	memset(bits, 0, CHUNK / 8);
	if (pagemap_words(pagemap, start, n, before) != (long)n)
		return false;
	if (has_engine(e))
		uffd_protect(e->uffd, start, start + (n << PAGE_SHIFT), UFFD_PROTECT);
	if (pagemap_words(pagemap, start, n, after) != (long)n)
		return false;
	for (unsigned long i = 0; i < n; i++)
		if (is_private(before[i], after[i]))
			bits[i / 64] |= 1ULL << i % 64;
	return true;
}

static bool test_private(const u64 *bits, unsigned long i)
{
	return bits[i / 64] >> i % 64 & 1;
}

/* The end of the run of equal bits that begins at @i, at most @n. */
static unsigned long run_end(const u64 *bits, unsigned long i, unsigned long n)
{
	bool is = test_private(bits, i);

	while (i < n && test_private(bits, i) == is)
		i++;
	return i;
}

static const struct {
	unsigned long flag;
	int advice;
} replayed[] = {
	{ VM_RAND_READ, MADV_RANDOM },	    { VM_SEQ_READ, MADV_SEQUENTIAL },
	{ VM_DONTCOPY, MADV_DONTFORK },	    { VM_DONTDUMP, MADV_DONTDUMP },
	{ VM_MERGEABLE, MADV_MERGEABLE },   { VM_HUGEPAGE, MADV_HUGEPAGE },
	{ VM_NOHUGEPAGE, MADV_NOHUGEPAGE },
};

/* What mprotect and madvise did to the area since, for the piece aside. 0 or -errno. */
static long dress(struct engine *e, unsigned long flags, unsigned long src,
		  unsigned long len)
{
	const struct vm_area_struct *vma = find_vma(e->mm, src);
	unsigned long differ = vma ? vma->vm_flags ^ flags : 0;
	unsigned long pkey = (flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT;
	long ret = 0;

	if (differ & (VM_ACCESS_FLAGS | VM_PKEY_MASK)) {
		ret = pkey ? sys_pkey_mprotect(src, len, prot_of(flags), pkey)
			   : sys_mprotect(src, len, prot_of(flags));
		if (!ret && !e->reserve(src, len))
			mm_mprotect(e->mm, src, len, prot_of(flags),
				    pkey ? (int)pkey : -1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(replayed) && !ret; i++) {
		if (!(differ & flags & replayed[i].flag) || e->reserve(src, len))
			continue;
		if (!sys_madvise(src, len, replayed[i].advice))
			mm_madvise(e->mm, src, len, replayed[i].advice);
	}
	return ret;
}

/* The area stays a mapping of the frames, and nobody knows for how long it is registered:
 * C6 of page_cache.h. */
static void pin(const struct engine *e, unsigned long start)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);

	if (vma && vma->vm_start <= start && vma_host(vma))
		evict_pin(vma_host(vma)->mapping);
}

/* [start, end), nothing of it private, shows the file itself. */
static long swap_piece(struct engine *e, unsigned long start, unsigned long end,
		       enum track_reason reason)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);
	unsigned long src = file_aside(vma, start), flags = vma->vm_flags;
	long ret = e->reserve(start, end - start);

	if (!ret)
		ret = dress(e, flags, src, end - start);
	if (!ret && !e->reserve(src, end - start) && !e->reserve(start, end - start))
		ret = sys_mremap(src, end - start, end - start,
				 MREMAP_MAYMOVE | MREMAP_FIXED, start);
	if (IS_ERR_VALUE(ret)) {
		pin(e, start);
		stat_inc(e->stat->files_stuck);
		return ret;
	}
	mm_unmap_file(e->mm, start, end, reason);
	/* Perhaps it has an anon_vma now, which our neighbours' pages do not have. */
	if (!e->reserve(start, end - start))
		mm_doubt(e->mm, start, end);
	stat_inc(e->stat->files_left);
	return 0;
}

/*
 * The program's own pages, copied to where they will be in the piece aside, whose pages
 * thereby become private as well: then one move replaces all, and the area is in every
 * respect what it would have been without us. Read by way of /proc/self/mem, which fails
 * where a page has gone meanwhile (MADV_DONTNEED) instead of waiting for a fault task.
 */
static bool copy_private(const struct leaving *l, unsigned long from, unsigned long to)
{
	while (from < to) {
		long n = sys_pread(l->mem, (l->aside + (from - l->start)), to - from,
				   from);

		if (n == -EIO || n == 0)
			n = PAGE_SIZE;
		if (n < 0)
			return false;
		from += (unsigned long)n;
	}
	return true;
}

/* Up to CHUNK pages. False: there is something private that cannot be taken along. */
static bool take_along_chunk(struct engine *e, struct leaving *l, unsigned long start,
			     unsigned long end)
{
	unsigned long n = (end - start) >> PAGE_SHIFT, next;
	u64 private[CHUNK / 64];

	if (!find_private(e, l->pagemap, start, n, private))
		return false;
	for (unsigned long i = 0; i < n; i = next) {
		next = run_end(private, i, n);
		if (!test_private(private, i))
			continue;
		if (!copy_private(l, start + (i << PAGE_SHIFT),
				  start + (next << PAGE_SHIFT)))
			return false;
	}
	return true;
}

/* Somebody may write to it, for a moment: we. */
static bool make_writable(struct engine *e, unsigned long src, unsigned long len)
{
	const struct vm_area_struct *vma = find_vma(e->mm, src);
	const unsigned long prot = PROT_READ | PROT_WRITE;

	if (!vma || vma->vm_start > src)
		return false;
	if (vma->vm_flags & VM_WRITE)
		return true;
	if (e->reserve(src, len) || sys_mprotect(src, len, prot))
		return false;
	mm_mprotect(e->mm, src, len, prot, -1);
	return true;
}

/* All pages of [start, end) that are the program's own are in the piece aside. */
static bool take_along(struct engine *e, struct leaving *l, unsigned long start,
		       unsigned long end)
{
	unsigned long stop;

	l->start = start;
	l->aside = file_aside(find_vma(e->mm, start), start);
	if (l->mem < 0 || !make_writable(e, l->aside, end - start))
		return false;
	for (unsigned long at = start; at < end; at = stop) {
		stop = min(end, at + (CHUNK << PAGE_SHIFT));
		if (!take_along_chunk(e, l, at, stop))
			return false;
	}
	return true;
}

/* What cannot be taken along stays, in the mapping of the frames. */
static void leave_some(struct engine *e, const struct leaving *l, unsigned long start,
		       unsigned long end, enum track_reason reason)
{
	unsigned long n = (end - start) >> PAGE_SHIFT, next, from, to;
	u64 private[CHUNK / 64];

	if (!find_private(e, l->pagemap, start, n, private)) {
		pin(e, start);
		stat_inc(e->stat->files_stuck);
		return;
	}
	for (unsigned long i = 0; i < n; i = next) {
		next = run_end(private, i, n);
		from = start + (i << PAGE_SHIFT);
		to = start + (next << PAGE_SHIFT);
		if (!test_private(private, i))
			swap_piece(e, from, to, reason);
		else if (has_engine(e))
			uffd_protect(e->uffd, from, to, UFFD_LIFT);
	}
}

static void give_back_shared(struct engine *e, unsigned long start, unsigned long end,
			     enum track_reason reason)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);
	const struct address_space *m = vma_host(vma)->mapping;
	unsigned long first = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);

	if (!swap_piece(e, start, end, reason))
		shared_wake(e, m, start, end, first);
}

static void give_back_piece(struct engine *e, struct leaving *l, unsigned long start,
			    unsigned long end, enum track_reason reason)
{
	unsigned long stop;

	if ((l->drop || take_along(e, l, start, end)) &&
	    !swap_piece(e, start, end, reason))
		return;
	for (unsigned long at = start; at < end; at = stop) {
		stop = min(end, at + (CHUNK << PAGE_SHIFT));
		leave_some(e, l, at, stop, reason);
	}
}

static void give_back_area(struct engine *e, struct leaving *l, unsigned long start,
			   unsigned long end, enum track_reason reason)
{
	unsigned long stop;

	file_leave_begin(e, start, end);
	if (shared_leave(e, start, end)) {
		give_back_shared(e, start, end, reason);
		file_leave_end(e, start, end);
		return;
	}
	for (unsigned long at = start; at < end; at = stop) {
		stop = min(end, at + PIECE);
		give_back_piece(e, l, at, stop, reason);
		/* Who waits in this piece need not wait for the next. */
		if (has_engine(e))
			uffd_wake(e->uffd, at, stop);
	}
	file_leave_end(e, start, end);
}

static void give_back(struct engine *e, unsigned long start, unsigned long end,
		      const struct address_space *only, bool drop,
		      enum track_reason reason)
{
	struct leaving l = { .pagemap = -1, .mem = -1, .drop = drop };
	const struct vm_area_struct *vma;
	unsigned long from;

	if (has_engine(e))
		unsettle_range(e, start, end, only);
	while ((vma = mm_next_file(e->mm, start, end))) {
		from = max(start, vma->vm_start);
		start = min(end, vma->vm_end);
		if (only && vma->vm_file->host->mapping != only)
			continue;
		if (vma_is_settled(vma)) { /* no memory: F2 cannot be had */
			pin(e, from);
			stat_inc(e->stat->files_stuck);
			continue;
		}
		if (l.pagemap < 0) {
			l.pagemap = pagemap_open_self();
			l.mem = (int)sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
		}
		give_back_area(e, &l, from, start, reason);
	}
	if (l.pagemap >= 0)
		sys_close(l.pagemap);
	if (l.mem >= 0)
		sys_close(l.mem);
}

void file_give_back(struct engine *e, unsigned long start, unsigned long end,
		    enum track_reason reason)
{
	give_back(e, start, end, NULL, false, reason);
}

void file_drop(struct engine *e, unsigned long start, unsigned long end)
{
	give_back(e, start, end, NULL, true, TRACK_FILE_LEFT);
}

static void wake_areas(struct engine *e, const struct address_space *m)
{
	const struct vm_area_struct *vma;
	unsigned long at = 0;

	while ((vma = mm_next_file(e->mm, at, ~0UL))) {
		at = vma->vm_end;
		if (vma->vm_file->host->mapping == m)
			uffd_wake(e->uffd, vma->vm_start, vma->vm_end);
	}
}

void file_leave(struct engine *e, struct address_space *m)
{
	__atomic_store_n(&m->state, MAPPING_LEAVING, __ATOMIC_SEQ_CST);
	give_back(e, 0, ~0UL & PAGE_MASK, m, false, TRACK_FILE_LEFT);
	reader_forget(e, m);
	lease_give(m->file_fd);
	__atomic_store_n(&m->state, MAPPING_LEFT, __ATOMIC_SEQ_CST);
	/* Who came too late for its piece, and was told to wait. */
	wake_areas(e, m);
	file_clean(e);
}

/* --- fork ------------------------------------------------------------------------- */

static const struct vm_area_struct *area_of(const struct engine *e, unsigned long start,
					    const struct address_space *m)
{
	const struct vm_area_struct *vma;

	while ((vma = mm_next_file(e->mm, start, ~0UL)) &&
	       vma->vm_file->host->mapping != m)
		start = vma->vm_end;
	return vma;
}

/* Where it cannot be registered nobody would fill the frames. */
static bool register_areas(struct engine *e, struct address_space *m)
{
	const struct vm_area_struct *vma;
	unsigned long start, end = 0;

	while ((vma = area_of(e, end, m))) {
		start = vma->vm_start;
		end = vma->vm_end;
		if (vma->policy != POLICY_OWN)
			return false;
		settle_range(e, m, start, end);
		if (register_range(e, start, end))
			return false;
		stat_inc(e->stat->files_kept);
	}
	return true;
}

static void inherit(struct engine *e, struct address_space *m)
{
	const struct vm_area_struct *vma = area_of(e, 0, m);

	if (!vma)
		return;
	/* It is the parent's, and the areas hold it as long as they are there. */
	if (possible(e) && mapping_inherit(e, m, vma->vm_file) && register_areas(e, m))
		return;
	__atomic_store_n(&m->state, MAPPING_LEAVING, __ATOMIC_SEQ_CST);
	give_back(e, 0, ~0UL & PAGE_MASK, m, false, TRACK_FILE_LEFT);
}

void file_inherit(struct engine *e)
{
	struct list_head *pos;

	list_for_each (pos, &e->mm->mappings)
		inherit(e, list_entry(pos, struct address_space, list));
	file_clean(e);
}

/* --- what is left over ------------------------------------------------------------- */

void file_clean(struct engine *e)
{
	struct address_space *m;
	unsigned long aside, len;

	while (mm_next_orphan(e->mm, &aside, &len, &m)) {
		if (!len)
			mapping_end(e, m);
		else if (!e->reserve(aside, len) && !sys_munmap(aside, len))
			mm_munmap(e->mm, aside, len);
	}
}
