// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copy-on-write: what a write to a write-protected page is, and how many of the pages
 * next to it will be written to as well.
 *
 *	[start ....... end)  x		forward: x, or a little further; pages in between
 *					were private already
 *	x  [start ....... end)		backward
 *
 * Unlike a page that is missing, one that is copied without need costs memory for good.
 * So windows are much smaller than those of fault_around.c, and a stream has to show
 * itself before it gets any.
 */
#include "lib/mm/cow.h"
#include "lib/mm/vm_ops.h"

#define NEAR	   (64 * PAGE_SIZE)
#define SHOW_FIRST 4 /* one page more for each of so many that the stream has shown */

void vma_stat_clear(struct vma_stat *s)
{
	const unsigned int refs = s->refs, misses = s->misses;

	*s = (struct vma_stat){ .refs = refs, .misses = misses };
}

/* Pages of a file are the kernel's to copy (filemap_page_mkwrite()), those of shared
 * memory nobody's. */
static bool ours(const struct vm_area_struct *vma)
{
	const unsigned long mode = VM_UFFD_MISSING | VM_UFFD_WP;

	return vma->policy == POLICY_OWN && (vma->vm_flags & mode) == mode &&
	       !vma_host(vma) && !(vma->vm_flags & VM_MAYSHARE);
}

struct vm_area_struct *cow_next_area(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;

	while ((vma = find_vma(mm, addr)) && (!ours(vma) || !(vma->vm_flags & VM_WRITE)))
		addr = vma->vm_end;
	return vma;
}

bool cow_clamp(struct mm_struct *mm, unsigned long page, unsigned long *start,
	       unsigned long *end)
{
	const struct vm_area_struct *vma = find_vma(mm, page);

	if (READ_ONCE(mm->blind) || !vma || vma->vm_start > page || !ours(vma))
		return false;
	*start = max(*start, vma->vm_start);
	*end = min(*end, vma->vm_end);
	return true;
}

unsigned long cow_bytes(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned long bytes = 0;

	for (unsigned long p = 0; (vma = find_vma(mm, p)); p = vma->vm_end)
		if (vma->policy == POLICY_OWN && vma->vm_flags & VM_UFFD_MISSING &&
		    !vma_host(vma) && !(vma->vm_flags & VM_MAYSHARE))
			bytes += vma->vm_end - vma->vm_start;
	return bytes;
}

/* --- streams ----------------------------------------------------------------------- */

static unsigned long window(struct cow_stream *s)
{
	unsigned long pages = 1 + min(s->shown / SHOW_FIRST, COW_AROUND_MAX - 1UL);

	s->shown += pages;
	return pages << PAGE_SHIFT;
}

static void forward(struct cow_stream *s, struct cow_plan *plan)
{
	plan->end = plan->start + min(window(s), plan->area_end - plan->start);
	s->end = plan->end;
}

static void backward(struct cow_stream *s, struct cow_plan *plan)
{
	plan->start = plan->end - min(window(s), plan->end - plan->area_start);
	s->start = plan->start;
}

static bool goes_on(struct cow_stream *s, struct cow_plan *plan)
{
	unsigned long page = plan->start;
	bool after = page >= s->end && page - s->end < NEAR;
	bool before = page < s->start && s->start - page <= NEAR;

	if (s->start == s->end || (!after && !before))
		return false;
	/* What was left out may have been private, or not wanted: go on with less. */
	if (page != s->end && page + PAGE_SIZE != s->start)
		s->shown /= 2;
	if (after)
		forward(s, plan);
	else
		backward(s, plan);
	return true;
}

static struct cow_stream *new_stream(struct cow_streams *streams,
				     const struct cow_plan *plan)
{
	struct cow_stream *s = &streams->s[0];

	for (int i = 1; i < NR_COW_STREAMS; i++)
		if ((int)(streams->s[i].used - s->used) < 0)
			s = &streams->s[i];
	*s = (struct cow_stream){ .start = plan->start, .end = plan->end, .shown = 1 };
	return s;
}

void copy_around(struct cow_streams *streams, const struct vm_area_struct *vma,
		 unsigned long addr, struct cow_plan *plan)
{
	struct cow_stream *s = NULL;

	*plan = (struct cow_plan){ .start = addr,
				   .end = addr + PAGE_SIZE,
				   .area_start = vma->vm_start,
				   .area_end = vma->vm_end,
				   .stat = vma->stat };
	for (int i = 0; i < NR_COW_STREAMS && !s; i++)
		if (goes_on(&streams->s[i], plan))
			s = &streams->s[i];
	if (!s)
		s = new_stream(streams, plan);
	s->used = ++streams->clock;
}

enum cow_verdict anon_page_mkwrite(const struct vm_area_struct *vma, unsigned long addr,
				   struct cow_streams *streams, struct cow_plan *plan)
{
	if (!ours(vma))
		return vma->vm_flags & VM_UFFD_PROGRAM ? COW_FOREIGN : COW_STALE;
	copy_around(streams, vma, addr, plan);
	return COW_WINDOW;
}

enum cow_verdict handle_wp_fault(struct mm_struct *mm, unsigned long addr,
				 struct cow_streams *streams, struct cow_plan *plan)
{
	const struct vm_area_struct *vma = find_vma(mm, addr);

	*plan = (struct cow_plan){ .start = addr,
				   .end = addr + PAGE_SIZE,
				   .area_start = addr,
				   .area_end = addr + PAGE_SIZE };
	if (!vma || vma->vm_start > addr || (READ_ONCE(mm->blind) && !vma_host(vma)))
		return COW_STALE;
	return vma_ops(vma)->page_mkwrite(vma, addr, streams, plan);
}
