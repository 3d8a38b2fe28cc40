// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The lock of a chunk, between processes (lib/base/page_cache.h, C2 and C3). Context: any
 * task of the engine.
 */
#include "lib/fault/fill.h"
#include "lib/sys/sys.h"

#define LOCK_WAITED 0x80000000U /* beside the tid: somebody sleeps */
#define LOCK_TICKS  20
#define LOCK_TICK   (5 * 1000 * 1000) /* nanoseconds */

static bool holder_is_dead(u32 lock)
{
	return sys_kill(lock & ~LOCK_WAITED, 0) == -ESRCH;
}

static bool lock_swap(u32 *lock, u32 *old, u32 new)
{
	return __atomic_compare_exchange_n(lock, old, new, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* Not PRIVATE: the other one is another process. */
static void lock_wait(u32 *lock, u32 seen)
{
	const struct timespec tick = { 0, LOCK_TICK };

	if (seen & LOCK_WAITED || lock_swap(lock, &seen, seen | LOCK_WAITED))
		sys_futex(lock, FUTEX_WAIT, seen | LOCK_WAITED, &tick);
}

/*
 * Drepper, "Futexes are tricky", mutex 3, with a tid for the holder: of the service task,
 * whoever of us it is, since we are all killed at once. (The number of the first task
 * lives on until somebody reaps the process, and to ask for one's own is a system call.)
 * Who holds it may be reading from a slow disk, so it is not waited for without end: C3.
 *
 * The service task sleeps, so it is gone at once; a task in the kernel first ends what it
 * is at, one read, write or hole in the frames, without the lock. Bytes that come late
 * are those that are there (read_direct(), fill.c). A late hole takes frames whose bits
 * are set: the next access says so, and the bits go (believe_event(), filemap.c).
 */
bool chunk_lock(const struct engine *e, struct page_cache *c, unsigned long chunk)
{
	u32 *lock = &c->lock[chunk], tid = (u32)e->service_tid, seen = 0;

	if (lock_swap(lock, &seen, tid))
		return true;
	for (int i = 0; i < LOCK_TICKS; i++) {
		seen = __atomic_load_n(lock, __ATOMIC_RELAXED);
		if ((!seen || holder_is_dead(seen)) &&
		    lock_swap(lock, &seen, tid | LOCK_WAITED))
			return true;
		if (seen)
			lock_wait(lock, seen);
	}
	return false;
}

bool chunk_trylock(const struct engine *e, struct page_cache *c, unsigned long chunk)
{
	u32 *lock = &c->lock[chunk], tid = (u32)e->service_tid, seen = 0;

	if (lock_swap(lock, &seen, tid))
		return true;
	return holder_is_dead(seen) && lock_swap(lock, &seen, tid | LOCK_WAITED);
}

void chunk_unlock(struct page_cache *c, unsigned long chunk)
{
	u32 *lock = &c->lock[chunk];

	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) & LOCK_WAITED)
		sys_futex(lock, FUTEX_WAKE, 1, NULL);
}
