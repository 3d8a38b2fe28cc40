// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which pages of shared files are written to (lib/fault/dirty.h), from the hooks' side.
 * Context: application threads holding mmap_lock, unless said otherwise. Nothing is asked
 * of the engine, and no call costs more, while nothing is tracked.
 */
#include <linux/mman.h>

#include "lib/hook/state.h"

void track_range(unsigned long start, unsigned long end)
{
	unsigned long s, t;

	if (mm_next_to_track(&smm.mm, start, end, &s, &t) &&
	    model_prepare(start, end - start))
		engine_request(ENGINE_TRACK, start, end, 0);
}

bool track_hold(unsigned long start, unsigned long end)
{
	return smm.mm.track_dirty && mm_next_tracked(&smm.mm, start, end) &&
	       !engine_request(ENGINE_TRACK_HOLD, start, end, 0);
}

void track_moved(unsigned long start, unsigned long end, unsigned long old_end)
{
	/* Where it has grown in place it is registered, but not protected. */
	if (old_end < end && model_prepare(old_end, end - old_end))
		engine_request(ENGINE_TRACK_ANEW, old_end, end, 0);
	if (model_prepare(start, end - start))
		engine_request(ENGINE_TRACK_MOVED, start, end, 0);
}

/*
 * Before the call: what is written while it is under way may or may not be in it, and
 * counts. MS_ASYNC writes nothing back (since 2.6.19). Takes mmap_lock.
 */
void track_msync(const unsigned long *a)
{
	unsigned long end = a[0] + PAGE_ALIGN(a[1]);

	/* A glance without the lock, for the many who are not tracked. */
	if (!READ_ONCE(smm.mm.track_dirty) || !(a[2] & MS_SYNC) || a[0] & ~PAGE_MASK ||
	    end <= a[0])
		return;
	if (mmap_write_lock(a[0], a[1]) && mm_next_tracked(&smm.mm, a[0], end))
		engine_request(ENGINE_TRACK_ANEW, a[0], end, 0);
	mmap_write_unlock();
}

void track_forget(void)
{
	smm.engine.dirty = (struct dirty_state){ .begun = 0 };
	WRITE_ONCE(smm.mm.track_dirty, smm.engine.opt.shared_file == SHARED_FILE_DIRTY);
}
