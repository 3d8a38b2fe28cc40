// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Streams of faults (the idea of mm/readahead.c, without a file):
 *
 *	[start ....... end)x		forward: x is the page after what was installed,
 *	[start ....... end) x		or little behind: another thread took that one
 *	x[start ....... end)		backward
 *	o    o    o    x		strided: x is as far from the last as that was
 *	[start ....... end)  x		near: the stream goes on from there
 *	[..)      x       [...)		none of them: a new stream
 *
 * A stream that goes on in order doubles its window, up to a quarter of its length. A new
 * one makes the windows with which streams of its area begin smaller: 64 pages, 16, 4, 1.
 */
#include "lib/base/string.h"
#include "lib/mm/fault_around.h"

#define NEAR	    (256 * PAGE_SIZE)
#define SKIP	    (8 * PAGE_SIZE)
#define SKIP_FROM   32	/* pages of a window beside which such a gap is little */
#define STRIDE_MAX  64U /* pages ahead of a strided stream */
#define MISSES_MAX  8
#define FIRST_STACK 2 /* pages: of a thread's stack little is used */

static unsigned long stream_pages(const struct fault_stream *s)
{
	return (s->end - s->start) >> PAGE_SHIFT;
}

static unsigned int next_window(const struct fault_stream *s)
{
	unsigned long most = max(stream_pages(s) / 4, (unsigned long)FAULT_AROUND_FIRST);

	most = min(most, (unsigned long)FAULT_AROUND_MAX);
	return (unsigned int)min(2UL * s->window, most);
}

static void went_on(const struct vm_area_struct *vma)
{
	if (vma->stat && vma->stat->misses)
		vma->stat->misses--;
}

static void forward(struct fault_stream *s, const struct vm_area_struct *vma,
		    struct fault_plan *plan)
{
	unsigned long len;

	s->window = next_window(s);
	len = (unsigned long)s->window << PAGE_SHIFT;
	plan->end = plan->start + min(len, vma->vm_end - plan->start);
	plan->start = max(s->end, vma->vm_start);
	s->end = plan->end;
}

static void backward(struct fault_stream *s, const struct vm_area_struct *vma,
		     struct fault_plan *plan)
{
	unsigned long len;

	s->window = next_window(s);
	len = (unsigned long)s->window << PAGE_SHIFT;
	plan->start = plan->end - min(len, plan->end - vma->vm_start);
	s->start = plan->start;
}

/* Single pages, each a stride from the one before, as far as the area goes. */
static void strided(struct fault_stream *s, const struct vm_area_struct *vma,
		    struct fault_plan *plan)
{
	unsigned int want = min(++s->hits / 4, STRIDE_MAX);
	unsigned long page = plan->start;

	plan->stride = s->stride;
	while (plan->count < want && page + s->stride >= vma->vm_start &&
	       page + s->stride < vma->vm_end) {
		page += s->stride;
		plan->count++;
	}
	s->last = page;
	s->start = page;
	s->end = page + PAGE_SIZE;
	s->window = 1;
}

static bool is_next(const struct fault_stream *s, unsigned long page)
{
	return page == s->end ||
	       (page > s->end && page < s->end + SKIP && s->window >= SKIP_FROM);
}

static bool continues(const struct fault_stream *s, unsigned long page)
{
	return s->start != s->end && (is_next(s, page) || page + PAGE_SIZE == s->start ||
				      (s->stride && page == s->last + s->stride));
}

static void go_on(struct fault_stream *s, const struct vm_area_struct *vma,
		  struct fault_plan *plan)
{
	unsigned long page = plan->start;

	if (is_next(s, page)) {
		forward(s, vma, plan);
		s->last = plan->end - PAGE_SIZE;
	} else if (page + PAGE_SIZE == s->start) {
		backward(s, vma, plan);
		s->last = plan->start;
	} else {
		strided(s, vma, plan);
	}
	went_on(vma);
}

static unsigned int first_window(const struct vm_area_struct *vma)
{
	unsigned int first =
		vma->vm_flags & VM_NOHUGEPAGE ? FIRST_STACK : FAULT_AROUND_FIRST;
	unsigned int misses = vma->stat ? vma->stat->misses : 0;

	first >>= min(2 * misses, 31U);
	return max(first, 1U);
}

/* The stream begins (again) at the page of the fault. */
static void begin_here(struct fault_stream *s, const struct vm_area_struct *vma,
		       struct fault_plan *plan)
{
	unsigned long len;

	s->window = first_window(vma);
	len = (unsigned long)s->window << PAGE_SHIFT;
	plan->end = plan->start + min(len, vma->vm_end - plan->start);
	s->start = s->last = plan->start;
	s->end = plan->end;
}

/* How far the page is from the last one that faulted in the same area; 0: no other. */
static unsigned long stride_from(const struct fault_streams *streams,
				 const struct vm_area_struct *vma, unsigned long page)
{
	const struct fault_stream *latest = NULL;

	for (int i = 0; i < NR_STREAMS; i++) {
		const struct fault_stream *s = &streams->s[i];

		if (s->start != s->end && s->last >= vma->vm_start &&
		    s->last < vma->vm_end &&
		    (!latest || (int)(s->used - latest->used) > 0))
			latest = s;
	}
	return latest ? page - latest->last : 0;
}

void stream_remember(struct fault_streams *streams, struct fault_stream *s,
		     const struct vma_stat *stat)
{
	streams->changed = s;
	streams->before = *s;
	streams->misses_before = stat ? stat->misses : 0;
}

void fault_around_undo(struct fault_streams *streams, const struct fault_plan *plan)
{
	if (!streams->changed || plan->turn != streams->clock)
		return;
	*streams->changed = streams->before;
	streams->changed = NULL;
	if (plan->stat)
		plan->stat->misses = streams->misses_before;
}

void fault_around_clamp(struct fault_streams *streams, struct fault_plan *plan,
			unsigned long addr, unsigned long block)
{
	unsigned long start = max(plan->start, block);
	unsigned long end = min(plan->end, block + HUGE_SIZE);
	struct fault_stream *s = streams ? streams->changed : NULL;

	/* Of a strided stream the page of the fault alone. */
	if (s && plan->count) {
		s->start = s->last = addr;
		s->end = addr + PAGE_SIZE;
	} else if (s) {
		s->start = s->start == plan->start ? start : s->start;
		s->end = s->end == plan->end ? end : s->end;
		s->last = addr;
	}
	plan->count = 0;
	plan->start = start;
	plan->end = end;
}

void fault_around_huge(struct fault_streams *streams, const struct fault_plan *plan,
		       unsigned long bytes)
{
	struct fault_stream *s = streams->changed;

	if (!s || plan->turn != streams->clock)
		return;
	s->start = min(s->start, plan->huge_start);
	s->end = max(s->end, plan->huge_start + bytes);
	s->last = plan->start;
}

struct fault_stream *stream_least_recently_used(struct fault_streams *streams)
{
	struct fault_stream *s = &streams->s[0];

	for (int i = 1; i < NR_STREAMS; i++)
		if ((int)(streams->s[i].used - s->used) < 0)
			s = &streams->s[i];
	return s;
}

static void begin_new(struct fault_streams *streams, struct fault_stream *s,
		      const struct vm_area_struct *vma, struct fault_plan *plan)
{
	unsigned long stride = stride_from(streams, vma, plan->start);

	*s = (struct fault_stream){ .stride = stride };
	begin_here(s, vma, plan);
	if (vma->stat && vma->stat->misses < MISSES_MAX)
		vma->stat->misses++;
}

static bool is_near(const struct fault_stream *s, unsigned long page)
{
	return s->start != s->end && page + NEAR >= s->start && page < s->end + NEAR;
}

static void move_to(struct fault_stream *s, const struct vm_area_struct *vma,
		    struct fault_plan *plan)
{
	s->stride = plan->start - s->last;
	s->hits = 0;
	begin_here(s, vma, plan);
}

struct fault_stream *stream_find(struct fault_streams *streams, unsigned long page,
				 bool (*is)(const struct fault_stream *s,
					    unsigned long page))
{
	for (int i = 0; i < NR_STREAMS; i++)
		if (is(&streams->s[i], page))
			return &streams->s[i];
	return NULL;
}

void fault_around(struct fault_streams *streams, const struct vm_area_struct *vma,
		  unsigned long addr, struct fault_plan *plan)
{
	struct fault_stream *ordered = stream_find(streams, addr, continues);
	struct fault_stream *near = ordered ? NULL : stream_find(streams, addr, is_near);
	struct fault_stream *s = ordered ? ordered : near;

	*plan = (struct fault_plan){ .start = addr,
				     .end = addr + PAGE_SIZE,
				     .stat = vma->stat };
	if (!s)
		s = stream_least_recently_used(streams);
	stream_remember(streams, s, vma->stat);
	streams->ahead = ordered && is_next(s, addr) ? stream_pages(s) / 4 : 0;
	if (ordered)
		go_on(s, vma, plan);
	else if (near)
		move_to(s, vma, plan);
	else
		begin_new(streams, s, vma, plan);
	s->used = plan->turn = ++streams->clock;
}
