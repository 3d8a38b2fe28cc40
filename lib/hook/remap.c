// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mremap(2). What is one area for the program may be several in the kernel because of us:
 *
 *	registered and not	[uuuuuuuu|......]	released before the call
 *	with pages of two	[AAAAAAAA|BBBBBB]	not merged by the kernel any more:
 *	anon_vmas					mremap_parts(), if it refuses
 *
 * Context: application threads; takes mmap_lock.
 */
#include <linux/mman.h>

#include "lib/hook/state.h"
#include "lib/mm/mm.h"
#include "lib/sys/sys.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* 5.7 */
#endif

#define CALL(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

static bool any_registered(unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	bool found = false;

	while (!found && (vma = find_vma_intersection(&smm.mm, start, end))) {
		found = vma->vm_flags & (VM_UFFD_MISSING | VM_UFFD_TRACK);
		start = vma->vm_end;
	}
	return found;
}

/* [start, end) is of more than one area, as far as the model knows. */
static bool crosses_areas(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = find_vma_intersection(&smm.mm, start, end);

	return vma && vma->vm_end < end;
}

static bool release_for_mremap(unsigned long start, unsigned long end)
{
	if (smm.mm.blind || !any_registered(start, end))
		return false;
	engine_request(ENGINE_RELEASE, start, end, 0);
	return true;
}

/*
 * One area for the program may be two in the kernel, registered and not: the range is
 * given back before, and what deserves it is registered once more afterwards. Not only
 * when the kernel refuses: remap_move() answers -EFAULT at the first registered area it
 * meets, and has moved those before it by then. Where it moves nothing unless it moves
 * all (no new address given), an -EFAULT may be tried again, should the model have seen
 * one area where the kernel has two.
 */
static long mremap_as_one(unsigned long *a, unsigned long end, bool *released)
{
	long ret;

	if (crosses_areas(a[0], end))
		*released = release_for_mremap(a[0], end);
	ret = CALL(__NR_mremap, a);
	if (*released || ret != -EFAULT || a[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return ret;
	*released = release_for_mremap(a[0], end);
	return *released ? (long)CALL(__NR_mremap, a) : ret;
}

/* --- an area in parts --------------------------------------------------------------- */

/* The same, perhaps opened by us once more. */
static bool same_file(const struct vma_file *a, const struct vma_file *b)
{
	return a == b || (a && b && a->ino == b->ino && a->major == b->major &&
			  a->minor == b->minor);
}

/* Nothing but what we have done to them keeps the two apart. */
static bool is_continued(const struct vm_area_struct *left,
			 const struct vm_area_struct *right)
{
	const unsigned long ours = VM_UFFD_FLAGS | VM_STICKY | VM_ACCOUNT;

	return right && left->vm_end == right->vm_start &&
	       !((left->vm_flags ^ right->vm_flags) & ~ours) &&
	       same_file(left->vm_file, right->vm_file) &&
	       left->vm_pgoff + ((left->vm_end - left->vm_start) >> PAGE_SHIFT) ==
		       right->vm_pgoff;
}

static bool was_ours(const struct vm_area_struct *vma)
{
	return vma->policy == POLICY_OWN || vma->reason == TRACK_FILE_LEFT;
}

static bool any_was_ours(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;

	while ((vma = find_vma_intersection(&smm.mm, start, end))) {
		if (was_ours(vma))
			return true;
		start = vma->vm_end;
	}
	return false;
}

/* The start of the last part of [start, end), one area for the program; 0: it is none, or
 * the kernel would have more than one without us as well. */
static unsigned long last_part(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma, *next;

	/* The model may have merged what the kernel has not: mm_doubt(). */
	if (!any_was_ours(start, end) || !model_resync())
		return 0;
	vma = find_vma(&smm.mm, start);
	if (!vma || vma->vm_start > start)
		return 0;
	for (; vma->vm_end < end; vma = next) {
		next = find_vma(&smm.mm, vma->vm_end);
		if (!is_continued(vma, next))
			return 0;
	}
	return vma->vm_start > start ? vma->vm_start : 0;
}

static long remap_part(unsigned long old, unsigned long old_len, unsigned long len,
		       unsigned long flags, unsigned long to)
{
	long ret;

	if (!model_prepare(0, ~0UL))
		return -ENOMEM;
	ret = sys_mremap(old, old_len, len, flags, to);
	if (IS_ERR_VALUE(ret))
		return ret;
	mm_mremap(&smm.mm, old, old_len, (unsigned long)ret, len, flags);
	engine_wait_range(old, old + old_len);
	return ret;
}

/* The last part, at @last, to where it has room to grow; then what precedes it. */
static long move_parts(unsigned long start, unsigned long end, unsigned long last,
		       unsigned long grow, unsigned long to, bool placed)
{
	const unsigned long flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	const struct vm_area_struct *vma;
	unsigned long len = end - last;
	long ret = remap_part(last, len, len + grow, flags, to + (last - start));

	/* Nothing has moved: a place that was found for it is nobody's again. */
	if (IS_ERR_VALUE(ret) && placed)
		sys_munmap(to, end - start + grow);
	for (unsigned long at = start; !IS_ERR_VALUE(ret) && at < last; at += len) {
		vma = find_vma(&smm.mm, at);
		len = min(vma->vm_end, last) - at;
		ret = remap_part(at, len, len, flags, to + (at - start));
	}
	return IS_ERR_VALUE(ret) ? ret : (long)to;
}

/* The last part of [start, end) once what is behind it has gone; 0: it has not. */
static unsigned long cut_parts(unsigned long start, unsigned long end,
			       unsigned long limit)
{
	if (!model_prepare(end, limit - end) || sys_munmap(end, limit - end))
		return 0;
	mm_munmap(&smm.mm, end, limit - end);
	engine_wait_range(end, limit);
	return max(start, find_vma(&smm.mm, end - 1)->vm_start);
}

/* Anywhere, if it cannot grow where it is. */
static long grow_parts(const unsigned long *a, unsigned long start, unsigned long end,
		       unsigned long last, unsigned long grow)
{
	unsigned long len = end - last;
	long ret = remap_part(last, len, len + grow, 0, 0);

	if (!IS_ERR_VALUE(ret))
		return (long)start;
	if (ret != -ENOMEM || !(a[3] & MREMAP_MAYMOVE))
		return ret;
	ret = sys_mmap(0, end - start + grow, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return IS_ERR_VALUE(ret)
		       ? ret
		       : move_parts(start, end, last, grow, (unsigned long)ret, true);
}

/*
 * After -EFAULT: what the kernel would have done with one area. It grows at its end,
 * where the last part is, or all of it moves. Not in one step, which another thread may
 * see; but the parts are where they belong at any time. -EFAULT if that was right.
 */
static long mremap_parts(const unsigned long *a)
{
	unsigned long start = a[0], len = PAGE_ALIGN(a[1]), new_len = PAGE_ALIGN(a[2]);
	unsigned long end = start + len, last, to = a[4];

	if (start & ~PAGE_MASK || !new_len || a[3] & MREMAP_DONTUNMAP ||
	    (new_len < len && !(a[3] & MREMAP_FIXED)))
		return -EFAULT;
	last = last_part(start, end);
	if (!last)
		return -EFAULT;
	if (!(a[3] & MREMAP_FIXED))
		return grow_parts(a, start, end, last, new_len - len);
	if (to < end && start < to + new_len)
		return -EINVAL;
	if (new_len >= len)
		return move_parts(start, end, last, new_len - len, to, false);
	last = cut_parts(start, start + new_len, end);
	return last ? move_parts(start, start + new_len, last, 0, to, false) : -ENOMEM;
}

static void mremap_tracked(const unsigned long *a, unsigned long addr)
{
	unsigned long end = addr + PAGE_ALIGN(a[2]);

	track_moved(addr, end, addr == a[0] ? addr + PAGE_ALIGN(a[1]) : end);
}

/* The model is told, if it has not been part by part. */
static void mremap_done(const unsigned long *a, unsigned long addr, bool in_parts,
			bool held)
{
	if (!in_parts) {
		mm_mremap(&smm.mm, a[0], a[1], addr, a[2], a[3]);
		engine_wait_range(a[0], a[0] + PAGE_ALIGN(a[1]));
	}
	if (held)
		mremap_tracked(a, addr);
	own_range(addr, addr + PAGE_ALIGN(a[2]));
}

static void mremap_refused(const unsigned long *a, long err, bool in_parts)
{
	if (!in_parts && !(a[3] & MREMAP_FIXED))
		return;
	/* The target may have been unmapped before the call failed. */
	if (!in_parts && err != -EINVAL)
		mm_mremap_failed(&smm.mm, a[0], a[1], a[4], a[2], a[3]);
	model_resync();
}

/* What it shows of the file afterwards must not be ours in another place: a second
 * mapping (no old length), or pages behind a part of the first. */
static void more_of_file(const unsigned long *a)
{
	const struct vm_area_struct *vma = find_vma(&smm.mm, a[0]);

	if (a[2] > a[1] && vma && vma->vm_start <= a[0] && vma->vm_file &&
	    vma->vm_flags & VM_SHARED)
		shared_back_file(vma->vm_file);
}

static long mremap_with_model(unsigned long *a)
{
	unsigned long end = a[0] + max(PAGE_ALIGN(a[1]), PAGE_SIZE);
	bool released = false, in_parts, held;
	long ret;

	file_back(a[0], end);
	more_of_file(a);
	held = a[1] && track_hold(a[0], end);
	if (a[3] & MREMAP_FIXED)
		shared_back(a[4], a[4] + PAGE_ALIGN(a[2]));
	ret = mremap_as_one(a, end, &released);
	in_parts = ret == -EFAULT;
	if (in_parts)
		ret = mremap_parts(a);
	if (!IS_ERR_VALUE(ret)) {
		mremap_done(a, (unsigned long)ret, in_parts, held);
	} else {
		mremap_refused(a, ret, in_parts && ret != -EFAULT);
		if (held)
			track_moved(a[0], end, end);
	}
	if (released || held)
		own_range(a[0], end);
	return ret;
}

long hook_mremap(unsigned long *a)
{
	bool model = mmap_write_lock(0, ~0UL);
	long ret = model ? mremap_with_model(a) : (long)CALL(__NR_mremap, a);

	if (IS_ERR_VALUE(ret))
		stat_inc(smm.stat.calls_failed);
	mmap_write_unlock();
	return ret;
}
