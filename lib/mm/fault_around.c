// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Streams of faults (the idea of mm/readahead.c, without a file):
 *
 *	[start ....... end)x		forward: x is the page after what was installed
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

/* True if the fault belongs to @s. */
static bool stream_goes_on(struct fault_stream *s, const struct vm_area_struct *vma,
			   struct fault_plan *plan)
{
	unsigned long page = plan->start;

	if (s->start == s->end)
		return false;
	if (page == s->end) {
		forward(s, vma, plan);
		s->last = plan->end - PAGE_SIZE;
	} else if (page + PAGE_SIZE == s->start) {
		backward(s, vma, plan);
		s->last = plan->start;
	} else if (s->stride && page == s->last + s->stride) {
		strided(s, vma, plan);
	} else {
		return false;
	}
	return true;
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

static struct fault_stream *least_recently_used(struct fault_streams *streams)
{
	struct fault_stream *s = &streams->s[0];

	for (int i = 1; i < NR_STREAMS; i++)
		if ((int)(streams->s[i].used - s->used) < 0)
			s = &streams->s[i];
	return s;
}

static struct fault_stream *new_stream(struct fault_streams *streams,
				       const struct vm_area_struct *vma,
				       struct fault_plan *plan)
{
	unsigned long stride = stride_from(streams, vma, plan->start);
	struct fault_stream *s = least_recently_used(streams);

	*s = (struct fault_stream){ .stride = stride };
	begin_here(s, vma, plan);
	if (vma->stat && vma->stat->misses < MISSES_MAX)
		vma->stat->misses++;
	return s;
}

static struct fault_stream *stream_near(struct fault_streams *streams,
					const struct vm_area_struct *vma,
					struct fault_plan *plan)
{
	unsigned long page = plan->start;

	for (int i = 0; i < NR_STREAMS; i++) {
		struct fault_stream *s = &streams->s[i];

		if (s->start == s->end || page + NEAR < s->start || page >= s->end + NEAR)
			continue;
		s->stride = page - s->last;
		s->hits = 0;
		begin_here(s, vma, plan);
		return s;
	}
	return NULL;
}

void fault_around(struct fault_streams *streams, const struct vm_area_struct *vma,
		  unsigned long addr, struct fault_plan *plan)
{
	struct fault_stream *s = NULL;

	*plan = (struct fault_plan){ .start = addr,
				     .end = addr + PAGE_SIZE,
				     .stat = vma->stat };
	for (int i = 0; i < NR_STREAMS && !s; i++)
		if (stream_goes_on(&streams->s[i], vma, plan))
			s = &streams->s[i];
	if (s)
		went_on(vma);
	else
		s = stream_near(streams, vma, plan);
	if (!s)
		s = new_stream(streams, vma, plan);
	s->used = ++streams->clock;
}
