// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Chunks of which every page has a frame are left to the kernel, which maps frames by
 * itself: 16 pages at a fault, or all 512 if they are one huge page, where we need an
 * event and 0.3 us a page (doc/files.md). They are registered for missing pages alone,
 * and nothing is missing: they are settled.
 *
 *	chunk	|  whole  |  whole  |  whole  | in part |  none	  |
 *	area	[ MISSING		      | MISSING MINOR WP  ]
 *	index	[ read lock		      ]			     C8 of page_cache.h
 *
 *	settle_range	file_convert, file_inherit: what is there when it is mapped
 *	settle_fault	filemap_fault: the answer to an event in such a chunk
 *	unsettle_range	file_give_back: it needs write-protection
 *	unsettle_chunk	evict_tick, evict_drop: so that it can be dropped
 *
 * Of what has been read ahead the last chunk is not settled before somebody comes: his
 * fault is what the next reading ahead begins with.
 */
#include <linux/fcntl.h>

#include "lib/fault/fill.h"
#include "lib/fault/internal.h"
#include "lib/mm/mm.h"
#include "lib/sys/mutex.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

/* Each settled piece may make two areas more of one, of which a program may have 65530.
 */
#define AREAS_MAX 8192
#define AHEAD_MAX 32 /* chunks settled at one fault, beside its own */

/* --- the lock ---------------------------------------------------------------------- */

static long chunk_flock(int fd, int cmd, int type, u64 chunk, u64 n, struct flock *l)
{
	*l = (struct flock){ .l_type = (short)type,
			     .l_start = (long)chunk,
			     .l_len = (long)n };
	return sys_fcntl(fd, cmd, l);
}

static bool hold(const struct address_space *m, u64 chunk, u64 n)
{
	struct flock l;

	return !chunk_flock(m->hold_fd, F_OFD_SETLK, F_RDLCK, chunk, n, &l);
}

static void unhold(const struct address_space *m, u64 chunk, u64 n)
{
	struct flock l;

	chunk_flock(m->hold_fd, F_OFD_SETLK, F_UNLCK, chunk, n, &l);
}

bool settle_holds(const struct address_space *m, u64 chunk)
{
	struct flock l;

	/* By another open file description: our own is no less in the way. */
	return chunk_flock(m->index_fd, F_OFD_GETLK, F_WRLCK, chunk, 1, &l) ||
	       l.l_type != F_UNLCK;
}

/* --- chunks ------------------------------------------------------------------------ */

static u64 last_chunk(const struct address_space *m)
{
	return (m->nrpages - 1) / PAGE_CACHE_CHUNK;
}

static bool is_whole(const struct address_space *m, u64 chunk)
{
	u64 first = chunk * PAGE_CACHE_CHUNK;

	/* What has never been asked for need not even get memory for its bits. */
	return chunk <= last_chunk(m) &&
	       READ_ONCE(page_cache_used(m->cache)[chunk]) & ~PAGE_CACHE_DROPPED &&
	       page_cache_resident(m->cache, chunk) ==
		       min(m->nrpages - first, (u64)PAGE_CACHE_CHUNK);
}

static void note_settled(const struct vm_area_struct *vma, void *arg)
{
	const struct vm_area_struct **found = arg;

	if (vma_is_settled(vma))
		*found = vma;
}

/* An area that needs the chunk to stay, or NULL. Caller holds mmap_lock, or is inside
 * mm_read_lock(). */
static const struct vm_area_struct *find_settled(struct address_space *m, u64 chunk)
{
	unsigned long first = chunk * PAGE_CACHE_CHUNK;
	const struct vm_area_struct *found = NULL;

	i_mmap_for_each(m, first, first + PAGE_CACHE_CHUNK - 1, note_settled, &found);
	return found;
}

bool settled_here(struct address_space *m, u64 chunk)
{
	return find_settled(m, chunk) != NULL;
}

/*
 * The first of @n chunks that is not whole, none of which can be dropped any more: C8.
 * One that somebody works at (not he who holds the lock of @mine) need not be whole.
 */
static u64 whole_until(struct engine *e, struct address_space *m, u64 chunk, u64 n,
		       u64 mine)
{
	u64 end = chunk + n;
	bool whole = true;

	for (; chunk < end && whole; chunk += whole) {
		if (chunk != mine && !chunk_trylock(e, m->cache, chunk))
			break;
		whole = is_whole(m, chunk);
		if (chunk != mine)
			chunk_unlock(m->cache, chunk);
	}
	return chunk;
}

/* How many of @n chunks stay from now on; the lock of @mine is held. */
static u64 hold_whole(struct engine *e, struct address_space *m, u64 chunk, u64 n,
		      u64 mine)
{
	u64 whole;

	if (!hold(m, chunk, n))
		return 0;
	whole = whole_until(e, m, chunk, n, mine) - chunk;
	for (u64 i = whole; i < n; i++)
		if (!settled_here(m, chunk + i))
			unhold(m, chunk + i, 1);
	return whole;
}

/* --- areas ------------------------------------------------------------------------- */

/* Where the kernel has two areas, with different anon_vmas, the model may have one. */
static void doubt_merged(struct engine *e, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = find_vma(e->mm, start);

	if ((vma->vm_start < start || vma->vm_end > end) &&
	    !e->reserve(start, end - start))
		mm_doubt(e->mm, start, end);
}

/* [start, end), of one area, whose chunks stay. */
static bool settle_piece(struct engine *e, struct address_space *m, unsigned long start,
			 unsigned long end)
{
	bool registered = find_vma(e->mm, start)->vm_flags & VM_UFFD_MISSING;

	if (e->reserve(start, end - start))
		return false;
	/* A mode can be added to a registration, but not taken from it. Who waits there
	 * is woken, and finds his page. */
	if ((registered && uffd_unregister(e->uffd, start, end)) ||
	    uffd_register(e->uffd, start, end, false)) {
		/* A part of it may not be registered; it stays, so there is no harm yet.
		 */
		if (registered && uffd_register_file(e->uffd, start, end))
			lease_trouble(e, m);
		mm_doubt(e->mm, start, end);
		return false;
	}
	mm_set_settled(e->mm, start, end);
	doubt_merged(e, start, end);
	stat_inc(e->stat->files_settled);
	return true;
}

static u64 chunk_at(const struct vm_area_struct *vma, unsigned long addr)
{
	return (vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT)) /
	       PAGE_CACHE_CHUNK;
}

/* Where the chunk begins in @vma; behind the last one, the end: what lies beyond the end
 * of the file is not worth an area of its own. */
static unsigned long chunk_start(const struct address_space *m,
				 const struct vm_area_struct *vma, u64 chunk)
{
	u64 page = chunk * PAGE_CACHE_CHUNK;

	if (chunk > last_chunk(m))
		return vma->vm_end;
	if (page <= vma->vm_pgoff)
		return vma->vm_start;
	return min(vma->vm_end, vma->vm_start + ((page - vma->vm_pgoff) << PAGE_SHIFT));
}

/* [start, end) of @vma, which has @n chunks, or as much of its beginning as is whole. */
static bool settle_run(struct engine *e, struct address_space *m,
		       const struct vm_area_struct *vma, unsigned long start,
		       unsigned long end, u64 mine)
{
	u64 chunk = chunk_at(vma, start), n = chunk_at(vma, end - 1) - chunk + 1;
	unsigned long stop;

	n = min(n, last_chunk(m) - chunk + 1);
	n = hold_whole(e, m, chunk, n, mine);
	stop = chunk_start(m, vma, chunk + n);
	return n && settle_piece(e, m, start, min(end, stop));
}

static bool is_possible(const struct engine *e, const struct address_space *m)
{
	return m->hold_fd >= 0 && !m->written && m->state == MAPPING_LIVE &&
	       !READ_ONCE(e->mm->blind) && READ_ONCE(e->mm->map_count) < AREAS_MAX &&
	       !evict_is_tight(m);
}

static bool can_be_settled(const struct vm_area_struct *vma,
			   const struct address_space *m)
{
	return vma_host(vma) && vma_host(vma)->mapping == m &&
	       vma->policy == POLICY_OWN && !vma_is_settled(vma) &&
	       vma->vm_pgoff < m->nrpages;
}

/* How many chunks from @chunk on are whole, by a glance; @most at most. */
static u64 count_whole(const struct address_space *m, u64 chunk, u64 most)
{
	u64 n = 0;

	while (n < most && is_whole(m, chunk + n))
		n++;
	return n;
}

/* --- when it is mapped ------------------------------------------------------------- */

/* The chunk of @vma at @start, and those that follow, up to @end, if they are whole. The
 * address behind what was looked at. */
static unsigned long settle_next(struct engine *e, struct address_space *m,
				 const struct vm_area_struct *vma, unsigned long start,
				 unsigned long end)
{
	u64 chunk = chunk_at(vma, start), n = count_whole(m, chunk, ~0ULL);
	unsigned long stop;

	stop = chunk_start(m, vma, chunk + (n ? n : 1));
	end = min(end, stop);
	if (n)
		settle_run(e, m, vma, start, end, ~0ULL);
	return end;
}

void settle_range(struct engine *e, struct address_space *m, unsigned long start,
		  unsigned long end)
{
	const struct vm_area_struct *vma;

	while (start < end && is_possible(e, m) && READ_ONCE(m->cache->filled) &&
	       (vma = find_vma(e->mm, start)) && vma->vm_start < end) {
		unsigned long stop = min(end, vma->vm_end);

		start = max(start, vma->vm_start);
		start = can_be_settled(vma, m) ? settle_next(e, m, vma, start, stop)
					       : stop;
	}
}

/* --- at a fault -------------------------------------------------------------------- */

static bool settle_around(struct engine *e, struct address_space *m, unsigned long page)
{
	const struct vm_area_struct *vma = find_vma(e->mm, page);
	u64 chunk, n;

	if (!vma || vma->vm_start > page || !can_be_settled(vma, m) ||
	    !(vma->vm_flags & VM_UFFD_MISSING))
		return false;
	chunk = chunk_at(vma, page);
	n = count_whole(m, chunk + 1, AHEAD_MAX);
	if (n && n < AHEAD_MAX && chunk + n < last_chunk(m))
		n--;
	return settle_run(e, m, vma, chunk_start(m, vma, chunk),
			  chunk_start(m, vma, chunk + n + 1), chunk);
}

bool settle_fault(struct engine *e, struct address_space *m, unsigned long page,
		  unsigned long chunk)
{
	bool done;

	/* Only tried for: who has it may be waiting for us. */
	if (!is_possible(e, m) || !is_whole(m, chunk) || !mutex_trylock(e->mmap_lock))
		return false;
	/* Pairs with let_finish(): either we see @stopping, or we are waited for. */
	__atomic_store_n(&e->files.settling, 1, __ATOMIC_SEQ_CST);
	done = !__atomic_load_n(&e->stopping, __ATOMIC_SEQ_CST) &&
	       !file_is_leaving(e, page) && settle_around(e, m, page);
	__atomic_store_n(&e->files.settling, 0, __ATOMIC_SEQ_CST);
	mutex_unlock(e->mmap_lock);
	return done;
}

/* --- and back ---------------------------------------------------------------------- */

static bool unsettle_piece(struct engine *e, unsigned long start, unsigned long end)
{
	if (e->reserve(start, end - start) || uffd_register_file(e->uffd, start, end))
		return false;
	mm_set_uffd(e->mm, start, end, true);
	doubt_merged(e, start, end);
	stat_inc(e->stat->files_unsettled);
	return true;
}

bool unsettle_range(struct engine *e, unsigned long start, unsigned long end,
		    const struct address_space *only)
{
	const struct vm_area_struct *vma;

	for (; (vma = mm_next_file(e->mm, start, end)); start = vma->vm_end) {
		unsigned long from = max(start, vma->vm_start);

		if ((only && vma_host(vma)->mapping != only) || !vma_is_settled(vma))
			continue;
		if (!unsettle_piece(e, from, min(end, vma->vm_end)))
			return false;
		vma = find_vma(e->mm, from);
	}
	return true;
}

void unsettle_chunk(struct engine *e, struct address_space *m, u64 chunk)
{
	const struct vm_area_struct *vma;

	if (m->hold_fd < 0)
		return;
	while ((vma = find_settled(m, chunk)))
		if (!unsettle_piece(e, chunk_start(m, vma, chunk),
				    chunk_start(m, vma, chunk + 1)))
			return;
	unhold(m, chunk, 1);
}
