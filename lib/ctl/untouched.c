// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Of the pages that are present where we page, how many has the program not written to?
 * We install zeroes, so a page that is still zero counts: also one that was only read, or
 * written with zeroes. It is an upper estimate, from a sample:
 *
 *	present	1 2 3 4 5 6 7 8 9 ...	one page of every @stratum, chosen at random;
 *	sample	  ^     ^       ^	two strata become one when there is no more room
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#define SAMPLES 1024

static struct sample {
	unsigned long addr[SAMPLES]; /* one of each stratum that is complete */
	unsigned long nr, stratum;
	unsigned long
		filled; /* pages seen of the stratum at @nr, whose choice is @addr */
	unsigned long candidate;
	unsigned long present;
	u64 random;
} sample; /* the control task's */

/* xorshift64 */
static u64 random_next(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void halve(struct sample *s)
{
	for (unsigned long i = 0; i < SAMPLES / 2; i++)
		s->addr[i] = s->addr[2 * i + (random_next(&s->random) >> 63)];
	s->nr = SAMPLES / 2;
	s->stratum *= 2;
}

/* The pages of [start, end) are present. */
static void sample_run(unsigned long start, unsigned long end, void *arg)
{
	struct sample *s = arg;
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	s->present += pages;
	while (pages) {
		unsigned long n = min(pages, s->stratum - s->filled);

		s->filled += n;
		/* Each page of the stratum is the candidate with the same probability. */
		if (random_next(&s->random) % s->filled < n)
			s->candidate =
				start + (random_next(&s->random) % n << PAGE_SHIFT);
		start += n << PAGE_SHIFT;
		pages -= n;
		if (s->filled < s->stratum)
			break;
		s->filled = 0;
		s->addr[s->nr++] = s->candidate;
		if (s->nr == SAMPLES)
			halve(s);
	}
}

/* False: the kernel will not say what is present. */
static bool take_sample(struct mm_struct *mm, struct pagemap *pm)
{
	int token = mm_read_lock_engine(mm);
	struct vm_area_struct *vma;
	struct vma_iter it;
	bool known = true;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		if (vma->vm_flags & VM_UFFD_MISSING && !vma->vm_file && known)
			known = pagemap_walk(pm, vma->vm_start, vma->vm_end, sample_run,
					     &sample);
	mm_read_unlock(mm, token);
	return known;
}

static bool all_zero(const u64 *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i])
			return false;
	return true;
}

/*
 * No section and no lock is held here. A page that went after the sample was taken is
 * left out; one that goes between the last look and the read is answered by the fault
 * task, which needs nothing of ours, and is the program's from then on.
 */
static unsigned long count_zero(struct pagemap *pm, unsigned long *nr)
{
	static u64 page[PAGE_SIZE / sizeof(u64)]; /* the control task's */
	unsigned long zero = 0, looked = 0;

	for (unsigned long i = 0; i < sample.nr; i++) {
		if (!pagemap_present(pm, sample.addr[i]) ||
		    peek_user(page, sample.addr[i], sizeof(page)))
			continue;
		looked++;
		zero += all_zero(page, ARRAY_SIZE(page));
	}
	*nr = looked;
	return zero;
}

static unsigned long square_root(unsigned long n)
{
	unsigned long root = 0;

	while ((root + 1) * (root + 1) <= n)
		root++;
	return root;
}

/* In thousandths: 19 times of 20 a share found by @nr samples is that near the true one,
 * at most 1.96 * sqrt(1/4 / nr). */
static unsigned long error_of(unsigned long nr)
{
	if (sample.stratum == 1)
		return 0; /* every page */
	return nr ? 980 * 32 / max(square_root(nr * 1024), 1UL) : 1000;
}

static void show_estimate(struct reply *r, struct pagemap *pm)
{
	unsigned long nr, zero = count_zero(pm, &nr), error = error_of(nr);

	reply_printf(r, "{\"present\":%lu,\"samples\":%lu,\"zero\":%lu,", sample.present,
		     nr, zero);
	reply_printf(r, "\"pages\":%lu,\"error\":%lu}",
		     nr ? sample.present * zero / nr : 0UL,
		     (sample.present * error + 999) / 1000);
}

void show_untouched(struct reply *r)
{
	struct timespec now = { 0 };
	struct pagemap pm;

	sys_clock_gettime(CLOCK_MONOTONIC, &now);
	memset(&sample, 0, sizeof(sample));
	sample.stratum = 1;
	sample.random = (u64)now.tv_nsec << 20 | 1;
	pagemap_open(&pm, &r->c->scratch);
	reply_printf(r, ",\"untouched\":");
	if (take_sample(r->c->env->mm, &pm))
		show_estimate(r, &pm);
	else
		reply_printf(r, "null");
	pagemap_close(&pm);
}
