// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `cow`: what is still shared since a fork. The state of the pages is the kernel's, read
 * now; what became of the others is what the fault tasks counted.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/mm/page.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"

#define FEW_PAGES (4UL << 20) /* of an area that can be read word by word */

/* Pages, in the order of their names. */
struct cow_pages {
	unsigned long shared, private, swapped;
	unsigned long faults, copied, reused, kernel;
	bool unknown; /* the first three */
};

static void count_word(struct cow_pages *c, u64 word)
{
	switch (pagemap_state(word)) {
	case PAGE_SWAPPED:
		c->swapped++;
		break;
	case PAGE_EXCLUSIVE:
		c->private ++;
		break;
	case PAGE_SHARED:
		c->shared++;
		break;
	case PAGE_NONE:
		break;
	}
}

/* The words of [start, end) as far as the buffer goes. Pages read, or -errno; in *@any
 * whether there was one. */
static long count_some(struct cow_pages *c, struct reply *r, int fd, unsigned long start,
		       unsigned long end, bool *any)
{
	u64 *word = r->c->scratch.words;
	long n = pagemap_words(
		fd, start,
		min((end - start) >> PAGE_SHIFT, ARRAY_SIZE(r->c->scratch.words)), word);

	*any = false;
	for (long i = 0; i < n; i++) {
		count_word(c, word[i]);
		*any |= pagemap_state(word[i]) != PAGE_NONE;
	}
	return n;
}

/* Gaps are skipped where the kernel helps; it does not show what is swapped in them. */
static void count_pages(struct cow_pages *c, struct reply *r, int fd, unsigned long start,
			unsigned long end)
{
	bool large = (end - start) >> PAGE_SHIFT > FEW_PAGES, any;

	while (start < end) {
		long n = fd < 0 ? fd : count_some(c, r, fd, start, end, &any);

		if (n <= 0) {
			c->unknown = true;
			return;
		}
		start += (unsigned long)n << PAGE_SHIFT;
		if (any || !large)
			continue;
		if (pagemap_next_present(fd, start, end, &start)) {
			c->unknown = true;
			return;
		}
	}
}

/* The zero page is in many page tables, but that is no sharing. */
static void forget_zero_pages(struct cow_pages *c, int fd, unsigned long start,
			      unsigned long end)
{
	unsigned long zero;

	if (c->shared && !pagemap_zero_pages(fd, start, end, &zero))
		c->shared -= min(c->shared, zero);
}

static void add(struct cow_pages *sum, const struct cow_pages *c)
{
	sum->shared += c->shared;
	sum->private += c->private;
	sum->swapped += c->swapped;
	sum->faults += c->faults;
	sum->copied += c->copied;
	sum->reused += c->reused;
	sum->kernel += c->kernel;
	sum->unknown |= c->unknown;
}

static void show_pages(struct reply *r, const struct cow_pages *c)
{
	if (c->unknown)
		reply_printf(r, "\"shared\":null,\"private\":null,\"swapped\":null,");
	else
		reply_printf(r, "\"shared\":%lu,\"private\":%lu,\"swapped\":%lu,",
			     c->shared, c->private, c->swapped);
	reply_printf(r, "\"faults\":%lu,\"copied\":%lu,\"reused\":%lu,\"kernel\":%lu}",
		     c->faults, c->copied, c->reused, c->kernel);
}

static void read_counters(struct cow_pages *c, const struct vma_stat *s)
{
	c->faults = READ_ONCE(s->cow_faults);
	c->copied = READ_ONCE(s->cow_copied);
	c->reused = READ_ONCE(s->cow_reused);
	c->kernel = READ_ONCE(s->cow_kernel);
}

/* Areas that were one have one set of counters, and each of them shows it. Here it counts
 * once. */
static void add_area(struct cow_pages *sum, const struct cow_pages *c, struct vma_stat *s)
{
	struct cow_pages pages = *c;

	if (s && READ_ONCE(s->listed))
		pages.faults = pages.copied = pages.reused = pages.kernel = 0;
	if (s)
		WRITE_ONCE(s->listed, true);
	add(sum, &pages);
}

static void show_cow_area(struct reply *r, const struct vm_area_struct *vma, int fd,
			  struct cow_pages *sum)
{
	struct cow_pages c = { .shared = 0 };
	char perms[5];

	count_pages(&c, r, fd, vma->vm_start, vma->vm_end);
	forget_zero_pages(&c, fd, vma->vm_start, vma->vm_end);
	if (vma->stat)
		read_counters(&c, vma->stat);
	reply_printf(r, "{\"start\":\"%08lx\",\"end\":\"%08lx\",\"perms\":\"%s\",",
		     vma->vm_start, vma->vm_end, perms_str(vma->vm_flags, perms));
	reply_printf(r, "\"policy\":\"%s\",\"protects\":%s,\"name\":",
		     vma->policy == POLICY_OWN ? "own" : "track",
		     vma->policy == POLICY_OWN && vma->vm_flags & VM_UFFD_WP ? "true"
									     : "false");
	reply_json(r, vma_name(r->c->env->mm, vma));
	reply_printf(r, ",");
	show_pages(r, &c);
	add_area(sum, &c, vma->stat);
}

/* Anonymous memory that fork copies; a file's private pages are the kernel's business. */
static bool is_of_interest(const struct vm_area_struct *vma)
{
	return !(vma->vm_file &&
		 (vma->vm_file->ino || vma->vm_file->major || vma->vm_file->minor)) &&
	       !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB)) &&
	       vma->vm_flags & (VM_MAYWRITE | VM_WRITE);
}

static void list_none(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		if (vma->stat)
			WRITE_ONCE(vma->stat->listed, false);
}

static void show_cow_areas(struct reply *r, int fd, struct cow_pages *sum)
{
	struct mm_struct *mm = r->c->env->mm;
	struct vm_area_struct *vma;
	const char *comma = "";
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		if (!is_of_interest(vma))
			continue;
		reply_printf(r, "%s", comma);
		show_cow_area(r, vma, fd, sum);
		comma = ",";
	}
}

void show_cow(struct reply *r)
{
	const struct ctl_env *env = r->c->env;
	const char *why = env->cow ? READ_ONCE(env->cow->why) : "the kernel pages it all";
	struct cow_pages sum = { .shared = 0 };
	int fd = pagemap_open_self(), token;

	reply_printf(r, "{\"pid\":%d,\"cow\":\"%s\",\"why\":", env->pid,
		     why ? "kernel" : "own");
	reply_json(r, why);
	reply_printf(r, ",\"areas\":[");
	token = mm_read_lock_engine(env->mm);
	list_none(env->mm);
	show_cow_areas(r, fd, &sum);
	mm_read_unlock(env->mm, token);
	reply_printf(r, "],\"total\":{");
	show_pages(r, &sum);
	if (env->sampling) {
		reply_printf(r, ",\"sampling\":{");
		show_sampling(r);
		reply_printf(r, "}");
	}
	reply_printf(r, "}");
	if (fd >= 0)
		sys_close(fd);
}
