// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mappings of files that we page (lib/fault/filemap.h), from the hooks' side: which ones
 * are asked for, and which calls need them to be the kernel's before.
 *
 * Context: application threads holding mmap_lock, unless said otherwise.
 */
#include <linux/mman.h>

#include "lib/hook/state.h"
#include "lib/mm/address_space.h"
#include "lib/sys/sys.h"

#ifndef MAP_SYNC
#define MAP_SYNC 0x80000 /* persistent memory: stores are to be there at once */
#endif

static bool any_file(unsigned long start, unsigned long end)
{
	return smm.active && mm_next_file(&smm.mm, start, end);
}

/* Another thread may be reading what MAP_FIXED has just replaced, before it can be
 * registered; and what is populated by the call has all its pages. */
static bool may_be_ours(const unsigned long *a)
{
	if (a[3] & (MAP_POPULATE | MAP_LOCKED | MAP_SYNC))
		return false;
	/* The open file is fetched from the program, not from a vfork child. */
	if (a[3] & MAP_SHARED && !engine_is_ours())
		return false;
	return !(a[3] & MAP_FIXED) || READ_ONCE(smm.mm.mm_users) == 1;
}

void file_map(unsigned long addr, const unsigned long *a)
{
	const struct vm_area_struct *vma = find_vma(&smm.mm, addr);
	unsigned long end = addr + PAGE_ALIGN(a[1]);

	if (!vma || vma->vm_start > addr || vma->reason != TRACK_FILE_WANTED ||
	    !may_be_ours(a) || memory_limited() ||
	    (a[3] & MAP_SHARED && !shared_alone(addr, end)) ||
	    !model_prepare(addr, end - addr))
		return;
	smm.engine.request.wanted =
		(struct file_wanted){ .tid = (int)sys_gettid(), .fd = (int)a[4] };
	engine_request(ENGINE_FILE_MAP, addr, end, 0);
}

void file_back(unsigned long start, unsigned long end)
{
	if (any_file(start, end))
		engine_request(ENGINE_FILE_BACK, start, end, TRACK_FILE_LEFT);
}

/*
 * MADV_GUARD_INSTALL. Guard markers are in the page tables of the area, so they would be
 * gone once it is given back; and where pages are write-protected they cannot be had: the
 * kernel takes the page, leaves a marker of the protection, finds that, and begins again
 * without end.
 */
void file_guard(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;
	unsigned long at = start;

	file_back(start, end);
	for (; (vma = mm_next_tracked(&smm.mm, at, end)); at = vma->vm_end) {
		unsigned long from = max(at, vma->vm_start);

		if (engine_request(ENGINE_RELEASE, from, min(end, vma->vm_end), 0))
			break;
		vma = find_vma(&smm.mm, from);
	}
	/* The engine has used up what the hook had reserved. */
	model_prepare(start, end - start);
}

void file_tidy(void)
{
	if (unlikely(smm.active && !list_empty(&smm.mm.orphans)))
		engine_request(ENGINE_FILE_CLEAN, 0, 0, 0);
}

/*
 * MADV_DONTNEED where the engine does not answer faults any more: what the program had
 * written to and drops would show the frames, which nobody fills. Takes mmap_lock.
 */
static bool unserved(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;

	while ((vma = mm_next_file(&smm.mm, start, end))) {
		if (!(vma->vm_flags & VM_UFFD_MISSING))
			return true;
		start = vma->vm_end;
	}
	return false;
}

void file_dropped(unsigned long start, unsigned long end)
{
	/* A glance without the lock: such areas do not come by themselves. */
	if (!READ_ONCE(smm.active) || !READ_ONCE(smm.mm.nr_hosts))
		return;
	if (mmap_write_lock(start, end - start) && unserved(start, end))
		engine_request(ENGINE_FILE_DROP, start, end, TRACK_FILE_LEFT);
	mmap_write_unlock();
}

void file_willneed(unsigned long start, unsigned long end)
{
	if (!READ_ONCE(smm.active) || !READ_ONCE(smm.mm.nr_hosts) || !engine_is_ours())
		return;
	if (mmap_write_lock(0, 0) && any_file(start, end))
		engine_request(ENGINE_FILE_POPULATE, start, end, 0);
	mmap_write_unlock();
}

/* Without /proc/self/pagemap nobody could tell any more what the program has written to.
 */
void file_stop(void)
{
	if (!READ_ONCE(smm.active) || !engine_is_ours())
		return;
	mmap_write_lock(0, 0);
	file_back(0, ~0UL & PAGE_MASK);
	smm.mm.file_policy = FILES_KERNEL;
	smm.mm.own_shared_files = false;
	mmap_write_unlock();
}

/* Without an engine, or with one that does not page: nothing is registered. */
static void back_without_engine(struct engine *e)
{
	e->request.op = ENGINE_FILE_BACK;
	e->request.start = 0;
	e->request.end = ~0UL & PAGE_MASK;
	e->request.reason = TRACK_FILE_LEFT;
	if (!run_aside(e->stack_service + sizeof(e->stack_service),
		       smm.serve_without_engine, e))
		smm.serve_without_engine(e);
}

/* A fork child: nothing is registered, nobody else runs. */
void file_forked(void)
{
	struct engine *e = &smm.engine;

	if (!any_file(0, ~0UL) && list_empty(&smm.mm.orphans))
		return;
	if (smm.mm.blind ||
	    engine_request(ENGINE_FILE_INHERIT, 0, ~0UL & PAGE_MASK, 0) == -ESRCH)
		back_without_engine(e);
}
