// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A bound on the frames of all files and processes of the session, and what is dropped
 * above it: chunks of frames that any program gets again from the file (C5 to C7 of
 * page_cache.h).
 *
 *	a fault task	fills, and drops as much when there is too much: evict_balance()
 *	lease task	every ten seconds: what nobody uses here makes room for others,
 *			evict_tick()
 *	control task	because somebody says so: evict_drop()
 *
 *	total	|-----------------------------|----|
 *		0			     low  bound, from there down to low
 *
 * Nobody keeps the total, so nobody who is killed can spoil it: it is counted, by what
 * the kernel says of every memfd with frames that the session's links lead to, and
 * between two counts each process adds and subtracts what it does itself.
 *
 * Each process drops only what it has mapped itself. A file that others have too may lose
 * chunks that they need; they are protected by @used, which all of them write.
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/fault.h"
#include "lib/fault/fill.h"
#include "lib/mm/mm.h"
#include "lib/reclaim/reclaim.h"
#include "lib/sys/sys.h"

#define FALLOC_KEEP_SIZE  0x01 /* linux/falloc.h */
#define FALLOC_PUNCH_HOLE 0x02
#define SEEK_TO_DATA	  3 /* linux/fs.h, SEEK_DATA */
#define CLOCK_COARSE	  6 /* CLOCK_MONOTONIC_COARSE */

#define EVICT_AGE_MIN	  8	/* ms; what is younger stays (C7) */
#define EVICT_AGE_IDLE	  20000 /* ms; what is older goes when there is little room */
#define EVICT_CHUNKS	  4	/* at one fault: 300 us each */
#define EVICT_CHUNKS_TICK 32
#define BOUND_MIN	  4096 /* pages, if we choose it */
#define STEP_MIN	  256  /* pages filled between two counts, at least */
#define SEEN_MAX	  256  /* memfds known to be counted; some more count twice */
#define REST_MAX	  8192 /* chunks looked at, at one time */
#define RECENT		  8
#define ASK_MS		  100
#define HELD_MAX	  16 /* settled chunks met, before it is left to the lease task */

/* One engine for each address space; any of its tasks, relaxed. */
static struct {
	struct engine *engine;
	u64 bound; /* pages */
	s64 total; /* pages of all, as counted last, and what we did since */
	u64 fresh; /* pages filled by us since then */
	u32 busy;  /* somebody counts or drops, for which nobody waits */
	bool shrinking;
	unsigned int held; /* chunks met that we have settled; whoever is busy */
	bool full;	   /* there was no memory for frames; the same */
	u64 asked;	   /* when the lease task was asked for help, ms; the same */
	/* The chunks asked for last, in this process. An instruction may need several,
	 * and none may go before all are there, however long reading them takes. */
	u64 recent[RECENT];
	u32 next;
	u64 coin;
} evict;

static u64 now_ms(void)
{
	struct timespec now = { 0, 0 };

	sys_clock_gettime(CLOCK_COARSE, &now);
	return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

static u64 name_of(const struct address_space *m, unsigned long chunk)
{
	return (u64)(unsigned long)m * 0x9e3779b97f4a7c15ULL + chunk + 1;
}

/* A bound of 0, for tests: everything goes at once, so that of what an instruction needs
 * some may go as well. Chance ends that. */
static bool coin(void)
{
	u64 x = __atomic_fetch_add(&evict.coin, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED);

	return (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL >> 63;
}

static bool is_recent(const struct address_space *m, unsigned long chunk)
{
	for (int i = 0; i < RECENT; i++)
		if (READ_ONCE(evict.recent[i]) == name_of(m, chunk))
			return true;
	return false;
}

/* Whether it was dropped once. */
static bool set_time(struct page_cache *c, unsigned long chunk)
{
	u32 *used = &page_cache_used(c)[chunk];
	u32 dropped = READ_ONCE(*used) & PAGE_CACHE_DROPPED;

	WRITE_ONCE(*used, PAGE_CACHE_TIME(now_ms()) | dropped);
	return dropped;
}

void evict_touch(const struct address_space *m, unsigned long chunk)
{
	set_time(m->cache, chunk);
	if (!is_recent(m, chunk))
		WRITE_ONCE(evict.recent[__atomic_fetch_add(&evict.next, 1,
							   __ATOMIC_RELAXED) %
					RECENT],
			   name_of(m, chunk));
}

void evict_filled(struct address_space *m, unsigned long page, unsigned long n)
{
	stat_add(m->filled, n);
	stat_add(m->cache->filled, n);
	if (set_time(m->cache, page / PAGE_CACHE_CHUNK))
		stat_add(m->cache->refilled, n);
	__atomic_fetch_add(&evict.total, (s64)n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&evict.fresh, n, __ATOMIC_RELAXED);
}

/* --- counting ---------------------------------------------------------------------- */

struct count {
	u64 pages;
	unsigned int nr;
};

static u64 seen[SEEN_MAX]; /* whoever is busy */

/* Memfds are all on one file system, huge frames on one of each process (frames.c). */
static bool is_seen(struct count *c, const struct statx *x)
{
	u64 file = file_number(x);

	for (unsigned int i = 0; i < c->nr; i++)
		if (seen[i] == file)
			return true;
	if (c->nr < SEEN_MAX)
		seen[c->nr++] = file;
	return false;
}

/* "PID INDEX FRAMES"; the number may be another process's by now. */
static bool count_link(const char *name, const char *text, void *arg)
{
	struct count *c = arg;
	const char *p = text;
	int pid = (int)parse_ulong(&p, 10), frames;
	struct statx x;
	char path[40];
	struct fmt f;

	(void)name;
	p += *p == ' ';
	parse_ulong(&p, 10);
	p += *p == ' ';
	frames = (int)parse_ulong(&p, 10);
	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/fd/%d", pid, frames);
	if (!sys_statx(AT_FDCWD, path, 0, STATX_INO | STATX_BLOCKS | STATX_NLINK, &x) &&
	    !x.stx_dev_major && !x.stx_nlink && !is_seen(c, &x))
		c->pages += x.stx_blocks / (PAGE_SIZE / 512);
	return false;
}

/* Our own as well, for whom there may be no directory. */
static void count_own(const struct engine *e, struct count *c)
{
	const struct list_head *l;
	struct statx x;

	for (l = rcu_dereference(e->mm->mappings.next); l != &e->mm->mappings;
	     l = rcu_dereference(l->next)) {
		const struct address_space *m = list_entry(l, struct address_space, list);

		if (!__atomic_load_n(&m->evictable, __ATOMIC_SEQ_CST) ||
		    sys_statx(m->frames_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BLOCKS,
			      &x))
			continue;
		if (!is_seen(c, &x))
			c->pages += x.stx_blocks / (PAGE_SIZE / 512);
	}
}

static void count_all(const struct engine *e)
{
	struct count c = { .pages = 0 };

	__atomic_store_n(&evict.fresh, 0, __ATOMIC_RELAXED);
	count_own(e, &c);
	session_each(e, CACHE_LINK, count_link, &c);
	__atomic_store_n(&evict.total, (s64)c.pages, __ATOMIC_RELAXED);
}

static bool above(u64 pages)
{
	return __atomic_load_n(&evict.total, __ATOMIC_RELAXED) > (s64)pages;
}

/* --- dropping ---------------------------------------------------------------------- */

static void clear_chunk(struct page_cache *c, unsigned long chunk)
{
	u64 first = chunk * (PAGE_CACHE_CHUNK / 64), words = (c->nr_pages + 63) / 64;
	u64 *bits = page_cache_bits(c), end = min(first + PAGE_CACHE_CHUNK / 64, words);

	for (u64 i = first; i < end; i++)
		__atomic_store_n(&bits[i], 0, __ATOMIC_SEQ_CST);
	WRITE_ONCE(page_cache_used(c)[chunk], PAGE_CACHE_DROPPED);
}

/* Nothing of the chunk may go: C6, C8. Holding its lock. */
static bool must_stay(struct address_space *m, struct page_cache *c, u64 chunk)
{
	/* In this order: who cannot watch a chunk again pins it, and then may end. */
	if (!settle_holds(m, chunk))
		return __atomic_load_n(&c->pinned, __ATOMIC_SEQ_CST);
	/* What others keep is as if it had just been asked for, so that a walk goes on to
	 * what may be dropped. */
	if (settled_here(m, chunk))
		evict.held++;
	else
		set_time(c, chunk);
	return true;
}

/* Pages dropped; 0 if somebody is at work there, or needs them. */
static unsigned long drop_chunk(struct address_space *m, struct page_cache *c,
				unsigned long chunk)
{
	const unsigned long len = PAGE_CACHE_CHUNK << PAGE_SHIFT;
	unsigned long n = 0;

	if (!chunk_trylock(evict.engine, c, chunk))
		return 0;
	if (!must_stay(m, c, chunk)) {
		n = page_cache_resident(c, chunk);
		clear_chunk(c, chunk); /* first: C5 */
		if (sys_fallocate(m->frames_fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
				  chunk * len, len))
			WRITE_ONCE(evict.bound, ~0UL); /* no use in trying */
	}
	chunk_unlock(c, chunk);
	stat_add(m->dropped, n);
	stat_add(c->evicted, n);
	__atomic_fetch_sub(&evict.total, (s64)n, __ATOMIC_RELAXED);
	return n;
}

/* What a walk may do, and has done. */
struct shrink {
	u64 low; /* pages; until there are no more than that */
	unsigned int
		max; /* chunks; with @unsettle also those that another process keeps */
	unsigned int dropped;
	u64 now;
	struct engine *unsettle; /* what is settled here may go, too: mmap_lock is held */
};

static bool go_on(const struct shrink *s)
{
	return above(s->low) && s->max && (s->unsettle || evict.held < HELD_MAX);
}

static unsigned long drop_settled(struct address_space *m, struct page_cache *c,
				  const struct shrink *s, u64 chunk)
{
	if (s->unsettle)
		unsettle_chunk(s->unsettle, m, chunk);
	return drop_chunk(m, c, chunk);
}

static bool may_stay(const struct address_space *m, unsigned long chunk)
{
	return READ_ONCE(evict.bound) ? is_recent(m, chunk) : coin();
}

/* One round over one file. False: done. */
static bool shrink_mapping(struct address_space *m, struct page_cache *c,
			   struct shrink *s, u32 age)
{
	struct evict_scan scan = {
		.hand = m->evict_hand, .left = c->nr_chunks, .now = s->now, .age = age
	};
	u64 chunk;

	while (go_on(s) && evict_next(c, &scan, &chunk)) {
		bool dropped;

		if (may_stay(m, chunk))
			continue;
		dropped = drop_settled(m, c, s, chunk) != 0;
		s->dropped += dropped;
		s->max -= dropped || s->unsettle;
	}
	m->evict_hand = scan.hand;
	return go_on(s);
}

static struct page_cache *evictable(const struct address_space *m)
{
	return __atomic_load_n(&m->evictable, __ATOMIC_SEQ_CST)
		       ? __atomic_load_n(&m->cache, __ATOMIC_SEQ_CST)
		       : NULL;
}

static bool shrink_all(const struct engine *e, struct shrink *s, u32 age)
{
	const struct list_head *l;

	for (l = rcu_dereference(e->mm->mappings.next); l != &e->mm->mappings;
	     l = rcu_dereference(l->next)) {
		struct address_space *m = list_entry(l, struct address_space, list);
		struct page_cache *c = evictable(m);

		if (c && !shrink_mapping(m, c, s, age))
			return false;
	}
	return true;
}

/* The oldest first, and nothing younger than @least. True: stopped by s->max. */
static bool shrink(const struct engine *e, struct shrink *s, u32 least)
{
	static const u32 ages[] = { 600000, 60000, 8000, 1000, 128, EVICT_AGE_MIN };

	s->now = now_ms();
	evict.held = 0;
	for (size_t i = 0; i < ARRAY_SIZE(ages) && ages[i] > least; i++)
		if (!shrink_all(e, s, ages[i]))
			return !s->max;
	shrink_all(e, s, least);
	return !s->max;
}

/*
 * Frames without a bit: somebody was killed while he filled or dropped them (C1, C5).
 * They are counted, but no age leads to them.
 */
static void drop_rest(struct address_space *m, struct page_cache *c, struct shrink *s)
{
	const long len = PAGE_CACHE_CHUNK << PAGE_SHIFT;
	long chunk = 0, at;

	for (int i = 0; i < REST_MAX && s->max; i++) {
		at = sys_lseek(m->frames_fd, chunk * len, SEEK_TO_DATA);
		if (at < 0)
			return;
		chunk = at / len;
		if (!page_cache_resident(c, (u64)chunk)) {
			drop_chunk(m, c, (unsigned long)chunk);
			s->max--;
		}
		chunk++;
	}
}

static void drop_all_rests(const struct engine *e, struct shrink *s)
{
	const struct list_head *l;

	list_for_each (l, &e->mm->mappings) {
		struct address_space *m = list_entry(l, struct address_space, list);
		struct page_cache *c = evictable(m);

		if (c)
			drop_rest(m, c, s);
	}
}

static bool get_busy(void)
{
	return !__atomic_exchange_n(&evict.busy, 1, __ATOMIC_ACQUIRE);
}

static void put_busy(void)
{
	__atomic_store_n(&evict.busy, 0, __ATOMIC_RELEASE);
}

/* --- when -------------------------------------------------------------------------- */

static bool is_bounded(void)
{
	return READ_ONCE(evict.bound) != ~0UL;
}

/* Where dropping ends that has begun. */
static u64 low_mark(u64 bound)
{
	return bound - bound / 16;
}

static void balance(const struct engine *e)
{
	u64 bound = READ_ONCE(evict.bound);
	struct shrink s = { .low = low_mark(bound), .max = EVICT_CHUNKS };

	if (__atomic_load_n(&evict.fresh, __ATOMIC_RELAXED) >
	    max(bound / 16, (u64)STEP_MIN))
		count_all(e);
	evict.shrinking |= above(bound);
	if (evict.shrinking)
		shrink(e, &s, bound ? EVICT_AGE_MIN : 0);
	evict.shrinking &= above(s.low);
}

/* What is settled only he can make room of who may take mmap_lock. */
static bool wants_help(bool full)
{
	u64 now = now_ms();

	if (!evict.held || now - evict.asked < ASK_MS)
		return false;
	evict.asked = now;
	evict.full |= full;
	return true;
}

void evict_balance(struct engine *e, long err)
{
	struct shrink s = { .max = EVICT_CHUNKS };
	bool full = err == -ENOMEM || err == -ENOSPC, ask;

	if (!full &&
	    (!is_bounded() || (!above(READ_ONCE(evict.bound)) && !evict.shrinking &&
			       READ_ONCE(evict.fresh) < STEP_MIN)))
		return;
	if (!get_busy())
		return;
	evict.held = 0;
	if (full)
		shrink(e, &s, EVICT_AGE_MIN);
	else
		balance(e);
	ask = wants_help(full);
	put_busy();
	if (ask)
		sys_tgkill(e->fault_pid, e->files.lease_tid, FAULT_SIGNAL);
}

bool evict_is_tight(const struct address_space *m)
{
	u64 bound = READ_ONCE(evict.bound), most = bound - bound / 4;

	/* What others have filled since we counted, of this file at least. */
	return bound != ~0ULL &&
	       (above(most) ||
		READ_ONCE(m->cache->filled) > READ_ONCE(m->cache->evicted) + most);
}

/* Ours if the user does not say: a quarter of what there is, and no more than half of
 * what could be had if there were no frames. */
static u64 bound_now(const struct engine *e)
{
	u64 quarter, half;

	if (e->opt.cache != CACHE_AUTO)
		return e->opt.cache == CACHE_UNLIMITED ? ~0UL
						       : e->opt.cache >> PAGE_SHIFT;
	quarter = memory_limit() / 4;
	half = (memory_available() +
		((u64)__atomic_load_n(&evict.total, __ATOMIC_RELAXED) << PAGE_SHIFT)) /
	       2;
	quarter = min(quarter, half) >> PAGE_SHIFT;
	return max(quarter, (u64)BOUND_MIN);
}

void evict_start(struct engine *e)
{
	evict.engine = e;
	evict.busy = 0;
	count_all(e); /* also removes what the killed left */
	evict.shrinking = evict.full = false;
	evict.asked = 0;
	WRITE_ONCE(evict.bound, bound_now(e));
	evict.fresh = ~0UL >> 1; /* count before anything is done */
}

bool evict_tick(struct engine *e)
{
	struct shrink s = { .max = EVICT_CHUNKS_TICK, .unsettle = e };
	bool more;

	if (list_empty(&e->mm->mappings) || (!is_bounded() && !READ_ONCE(evict.full)) ||
	    !get_busy())
		return false;
	count_all(e);
	WRITE_ONCE(evict.bound, bound_now(e));
	s.low = evict.full ? 0 : evict.bound - evict.bound / 8;
	more = above(s.low) &&
	       shrink(e, &s,
		      evict.full || above(evict.bound) ? EVICT_AGE_MIN : EVICT_AGE_IDLE);
	more &= !evict.full && s.dropped;
	evict.full = false;
	if (above(s.low))
		drop_all_rests(e, &s);
	put_busy();
	return more;
}

unsigned long evict_drop(struct address_space *m, u64 *from, unsigned int max)
{
	const struct shrink s = { .unsettle = evict.engine };
	struct page_cache *c = evictable(m);
	u64 end = (m->nrpages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;
	unsigned long n = 0;

	for (; max && *from < end; max--, ++*from)
		if (c && page_cache_resident(c, *from))
			n += drop_settled(m, c, &s, *from);
	return n;
}

void evict_pin(const struct address_space *m)
{
	struct page_cache *c = m->cache;

	if (c)
		__atomic_store_n(&c->pinned, 1, __ATOMIC_SEQ_CST);
}

void evict_account(unsigned long *bound, unsigned long *total)
{
	s64 pages = __atomic_load_n(&evict.total, __ATOMIC_RELAXED);

	*bound = READ_ONCE(evict.bound);
	*total = pages > 0 ? (unsigned long)pages : 0;
}
