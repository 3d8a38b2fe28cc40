// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * smm-read: files are read ahead of those who touch them, by a task that nobody waits for
 * but by the lock of a chunk.
 *
 *	reader_ahead	a fault task says what will be wanted, if a slot is free
 *	start		what the kernel's cache has is copied from there at once;
 *			else io_uring reads it, past that cache, into a buffer of
 *			ours, several at a time
 *	finish		the bytes are copied to the frames, the bits set, the lock
 *			given back
 *
 * The kernel never reads into the frames by itself. It may still be about to when we have
 * been killed, somebody else has taken over the lock of the chunk, and our lease is gone:
 * what comes then comes into our buffer, which nobody will look at.
 *
 * A file that is given back must not wait for a slow disk, and mmap_lock not either:
 * reader_forget() takes a slot away from the kernel's read (READING -> DROPPED) together
 * with the lock of its chunk. Only the short steps are waited for (BUSY).
 *
 * Without io_uring (a filter, io_uring_disabled, before 6.5) the task reads as a fault
 * task would, one chunk after the other.
 */
#include "lib/base/fmt.h"
#include "lib/fault/fault.h"
#include "lib/fault/fill.h"
#include "lib/mm/mm.h"
#include "lib/sys/creds.h"
#include "lib/sys/sys.h"
#include "lib/sys/uring.h"

#define O_DIRECT_ 040000 /* asm-generic/fcntl.h */
#define AT_ONCE	  3	 /* reads; one is copied while the disk has the others */

static struct uring_memory ring_memory __attribute__((aligned(4096)));

/* What the task knows and nobody else. */
struct reading {
	struct engine *e;
	struct reader *r;
	struct uring ring;
	bool has_ring;
	unsigned int in_flight; /* READING and DROPPED */
};

static bool slot_move(struct reader_slot *s, u32 from, u32 to)
{
	return __atomic_compare_exchange_n(&s->state, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void slot_set(struct reader_slot *s, u32 to)
{
	__atomic_store_n(&s->state, to, __ATOMIC_SEQ_CST);
}

static unsigned long chunk_of(unsigned long page)
{
	return page / PAGE_CACHE_CHUNK;
}

/* --- the task ---------------------------------------------------------------------- */

static char *buffer_of(const struct reading *t, const struct reader_slot *s)
{
	return (char *)t->r->buffers + (size_t)(s - t->r->slot) * CHUNK_BYTES;
}

/* BUSY -> FREE, and the lock of the chunk given back. */
static void done(struct reader_slot *s, bool read)
{
	__atomic_store_n(&s->unused, read, __ATOMIC_RELAXED);
	chunk_unlock(s->mapping->cache, chunk_of(s->page));
	slot_set(s, SLOT_FREE);
}

/* The kernel has the file before anybody may take the slot away, and the descriptor. */
static bool start_direct(struct reading *t, struct reader_slot *s)
{
	const struct address_space *m = s->mapping;

	if (!t->has_ring || !READ_ONCE(t->r->buffers) ||
	    !pages_by_direct(m, s->page, s->end - s->page))
		return false;
	uring_read(&t->ring, m->direct_fd, buffer_of(t, s),
		   (u32)((s->end - s->page) << PAGE_SHIFT), s->page << PAGE_SHIFT,
		   (u64)(s - t->r->slot));
	if (!uring_submit(&t->ring))
		return false;
	t->in_flight++;
	slot_set(s, SLOT_READING);
	return true;
}

static void start(struct reading *t, struct reader_slot *s)
{
	struct address_space *m = s->mapping;
	unsigned long first;

	/* Somebody fills it himself: a fault task that is waited for. */
	if (!chunk_trylock(t->e, m->cache, chunk_of(s->page))) {
		slot_set(s, SLOT_FREE);
		return;
	}
	first = next_bit(m->cache, s->page, s->end, false);
	if (first == s->end) {
		done(s, false);
		return;
	}
	WRITE_ONCE(s->page, first);
	stat_inc(t->e->stat->file_ahead);
	if (!start_direct(t, s))
		done(s, !fill_chunk(t->e, m, first, s->end));
}

/* READING, or DROPPED meanwhile: then the mapping may be gone. @bytes or -errno. */
static void finish(struct reading *t, struct reader_slot *s, long bytes)
{
	struct address_space *m = s->mapping;
	unsigned long want;
	long ret = -EIO;

	t->in_flight--;
	if (!slot_move(s, SLOT_READING, SLOT_BUSY)) {
		slot_set(s, SLOT_FREE);
		return;
	}
	/* Short at the end of the file only. */
	want = min((s->end - s->page) << PAGE_SHIFT,
		   m->key.size - (s->page << PAGE_SHIFT));
	if (bytes >= 0 && (unsigned long)bytes >= want)
		ret = fill_from(t->e, m, s->page, s->end, buffer_of(t, s));
	else
		WRITE_ONCE(m->direct_failed, true);
	done(s, !ret);
}

static struct reader_slot *oldest_queued(struct reader *r)
{
	struct reader_slot *oldest = NULL;

	for (int i = 0; i < READER_SLOTS; i++) {
		struct reader_slot *s = &r->slot[i];

		if (__atomic_load_n(&s->state, __ATOMIC_SEQ_CST) == SLOT_QUEUED &&
		    (!oldest || (int)(s->number - oldest->number) < 0))
			oldest = s;
	}
	return oldest;
}

static void start_all(struct reading *t)
{
	struct reader_slot *s;

	while (t->in_flight < AT_ONCE && (s = oldest_queued(t->r)))
		if (slot_move(s, SLOT_QUEUED, SLOT_BUSY))
			start(t, s);
}

static void finish_some(struct reading *t)
{
	struct uring_done d;

	while (uring_reap(&t->ring, &d)) {
		finish(t, &t->r->slot[d.data], d.result);
		start_all(t);
	}
}

#define IDLE_SECONDS 1

/* The buffers are not kept for one who has read what he wanted. Pairs with reader_end():
 * either it waits, or there are none; the place may soon be the program's. */
static void trim_buffers(struct reader *r)
{
	unsigned long at;

	__atomic_store_n(&r->trimming, 1, __ATOMIC_SEQ_CST);
	at = __atomic_load_n(&r->buffers, __ATOMIC_SEQ_CST);
	if (at)
		sys_madvise(at, READER_BYTES, MADV_DONTNEED);
	__atomic_store_n(&r->trimming, 0, __ATOMIC_SEQ_CST);
}

static void sleep_until_rung(const struct reading *t)
{
	const struct timespec idle = { IDLE_SECONDS, 0 };
	u32 *bell = &t->r->bell;

	if (sys_futex(bell, FUTEX_WAIT_PRIVATE, 0, &idle) != -ETIMEDOUT)
		return;
	trim_buffers(t->r);
	sys_futex(bell, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static bool is_filtered(void)
{
	return sys_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

/* Pages of its own: an engine that was killed, of this program, may have left a ring
 * there that the kernel has not done with. */
static bool open_ring(struct uring *ring)
{
	return !is_filtered() &&
	       !sys_madvise(&ring_memory, sizeof(ring_memory), MADV_DONTNEED) &&
	       !uring_open(ring, &ring_memory);
}

static void reader_task(void *arg)
{
	struct engine *e = arg;
	struct reading t = { .e = e, .r = &e->files.reader };
	u32 creds = e->creds_start;

	sys_prctl(PR_SET_NAME, "smm-read", 0, 0, 0);
	t.has_ring = open_ring(&t.ring);
	for (;;) {
		__atomic_store_n(&t.r->bell, 0, __ATOMIC_SEQ_CST);
		creds_follow(e, &creds);
		start_all(&t);
		if (t.in_flight) {
			uring_wait(&t.ring);
			finish_some(&t);
		} else {
			sleep_until_rung(&t);
		}
	}
}

/* --- who asks ---------------------------------------------------------------------- */

static struct reader_slot *free_slot(struct reader *r)
{
	for (int i = 0; i < READER_SLOTS; i++)
		if (slot_move(&r->slot[i], SLOT_FREE, SLOT_CLAIMED))
			return &r->slot[i];
	return NULL;
}

/* It is asked for already. */
static bool is_on_its_way(struct reader *r, const struct address_space *m,
			  unsigned long page)
{
	for (int i = 0; i < READER_SLOTS; i++) {
		const struct reader_slot *s = &r->slot[i];

		u32 state = __atomic_load_n(&s->state, __ATOMIC_SEQ_CST);

		if (state != SLOT_FREE && state != SLOT_DROPPED &&
		    READ_ONCE(s->mapping) == m && page >= READ_ONCE(s->page) &&
		    page < READ_ONCE(s->end))
			return true;
	}
	return false;
}

/* False: there is no slot. */
static bool ask(struct engine *e, struct address_space *m, unsigned long page,
		unsigned long end)
{
	struct reader *r = &e->files.reader;
	struct reader_slot *s = free_slot(r);

	if (!s)
		return false;
	if (s->unused)
		stat_inc(e->stat->file_ahead_unused);
	WRITE_ONCE(s->unused, 0);
	WRITE_ONCE(s->mapping, m);
	WRITE_ONCE(s->page, page);
	WRITE_ONCE(s->end, end);
	s->number = __atomic_fetch_add(&r->number, 1, __ATOMIC_RELAXED);
	slot_set(s, SLOT_QUEUED);
	return true;
}

void reader_ahead(struct engine *e, struct address_space *m, unsigned long page,
		  unsigned long n)
{
	struct reader *r = &e->files.reader;
	unsigned long end = page + n, stop;
	bool asked = false;

	for (; page < end; page = stop) {
		stop = min(end, (chunk_of(page) + 1) * PAGE_CACHE_CHUNK);
		if (is_on_its_way(r, m, page) ||
		    next_bit(m->cache, page, stop, false) == stop)
			continue;
		if (!ask(e, m, page, stop))
			break;
		asked = true;
	}
	if (asked)
		bell_ring(&r->bell);
}

void reader_arrived(struct engine *e, const struct address_space *m, unsigned long page)
{
	struct reader *r = &e->files.reader;

	for (int i = 0; i < READER_SLOTS; i++) {
		struct reader_slot *s = &r->slot[i];

		if (READ_ONCE(s->unused) && READ_ONCE(s->mapping) == m &&
		    chunk_of(READ_ONCE(s->page)) == chunk_of(page)) {
			WRITE_ONCE(s->unused, 0);
			stat_inc(e->stat->file_ahead_used);
		}
	}
}

/* --- beginning and end, under mmap_lock ----------------------------------------------
 */

/*
 * Huge pages: a disk is told of memory by the piece, and of 512 small ones in 512 pieces,
 * which took 3.3 us a page instead of 1.3.
 */
static void map_buffers(struct engine *e)
{
	const size_t size = READER_BYTES;
	unsigned long at = aligned_place(size);

	if (!at || map_ours(e, -1, at, size))
		return;
	if (!e->reserve(at, size) && !sys_madvise(at, size, MADV_HUGEPAGE))
		mm_madvise(e->mm, at, size, MADV_HUGEPAGE);
	WRITE_ONCE(e->files.reader.buffers, at);
}

/* Its own description of the file, for reads past the kernel's cache. -1: not to be had.
 */
static int open_direct(int fd)
{
	char path[40];
	struct statx x = { 0 };
	struct fmt f;
	long direct;

	if (sys_statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) ||
	    !(x.stx_mask & STATX_DIOALIGN) || !x.stx_dio_mem_align ||
	    x.stx_dio_mem_align > PAGE_SIZE || x.stx_dio_offset_align > PAGE_SIZE)
		return -1;
	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/self/fd/%d", fd);
	direct = sys_open(path, O_RDONLY | O_CLOEXEC | O_DIRECT_, 0);
	return direct < 0 ? -1 : (int)direct;
}

void reader_open(struct engine *e, struct address_space *m)
{
	struct reader *r = &e->files.reader;

	if (m->key.size < CHUNK_BYTES)
		return;
	m->drop = DROP_BY_READ;
	m->direct_fd = open_direct(m->file_fd);
	if (m->direct_fd >= 0 && !r->buffers && !(e->mm->def_flags & VM_LOCKED))
		map_buffers(e);
	if (!r->tid)
		r->tid = (int)engine_task(e->stack_read + sizeof(e->stack_read),
					  reader_task, e);
}

static void forget_slot(struct reader_slot *s, const struct address_space *m)
{
	for (;;) {
		u32 state = __atomic_load_n(&s->state, __ATOMIC_SEQ_CST);

		if (state == SLOT_FREE || state == SLOT_DROPPED || s->mapping != m)
			return;
		if (state == SLOT_QUEUED && slot_move(s, SLOT_QUEUED, SLOT_FREE))
			return;
		if (state == SLOT_READING && slot_move(s, SLOT_READING, SLOT_DROPPED)) {
			chunk_unlock(m->cache, chunk_of(s->page));
			return;
		}
		sys_sched_yield();
	}
}

void reader_forget(struct engine *e, struct address_space *m)
{
	if (!e->files.reader.tid)
		return;
	/* Who found the file alive may be about to ask. */
	file_wait_for_tasks(e);
	for (int i = 0; i < READER_SLOTS; i++) {
		struct reader_slot *s = &e->files.reader.slot[i];

		forget_slot(s, m);
		if (s->mapping == m)
			WRITE_ONCE(s->unused, 0);
	}
}

/* A read that nobody waits for any more may not have found its pages yet. */
static bool is_in_flight(const struct reader *r)
{
	bool any = false;

	for (int i = 0; i < READER_SLOTS; i++)
		any |= __atomic_load_n(&r->slot[i].state, __ATOMIC_SEQ_CST) ==
		       SLOT_DROPPED;
	return any;
}

void reader_end(struct engine *e)
{
	struct reader *r = &e->files.reader;
	unsigned long at = r->buffers;

	if (!at || is_in_flight(r))
		return;
	__atomic_store_n(&r->buffers, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&r->trimming, __ATOMIC_SEQ_CST))
		sys_sched_yield();
	unmap_ours(e, at, READER_BYTES);
}
