// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `smaps`: our areas, and for each what the kernel counts in it. Both lists ascend; where
 * the kernel has several areas in one of ours their numbers are added up, where it has a
 * larger one there are none:
 *
 *	ours	[AAAAAAAA][BBBB][CCCC]
 *	kernel	[aaaa][aa][bbbbbbbbbb]
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"

struct kernel_list {
	struct smaps *smaps;
	struct area_desc d; /* the first that was not used */
	bool valid;
};

static bool kernel_next(struct kernel_list *k)
{
	k->valid = k->valid && smaps_next(k->smaps, &k->d) > 0;
	return k->valid;
}

/* Sizes of pages and the like do not add up. */
static bool adds_up(const char *key)
{
	return strcmp(key, "KernelPageSize") != 0 && strcmp(key, "MMUPageSize") != 0 &&
	       strcmp(key, "THPeligible") != 0 && strcmp(key, "ProtectionKey") != 0;
}

/* Of several areas of the kernel that make up one of ours; the keys are always the same.
 */
static void add_numbers(struct smaps_number *sum, unsigned int *nr, const struct smaps *s)
{
	for (unsigned int i = 0; i < s->nr_numbers; i++) {
		if (i >= *nr)
			sum[(*nr)++] = s->number[i];
		else if (adds_up(sum[i].key))
			sum[i].value += s->number[i].value;
	}
}

/* 0: the kernel's areas are not parts of this one. */
static unsigned int numbers_of(struct kernel_list *k, const struct vm_area_struct *vma,
			       struct smaps_number *sum)
{
	unsigned long covered = vma->vm_start;
	unsigned int nr = 0;

	while (k->valid && k->d.end <= vma->vm_start)
		kernel_next(k);
	while (k->valid && k->d.start == covered && k->d.end <= vma->vm_end) {
		add_numbers(sum, &nr, k->smaps);
		covered = k->d.end;
		kernel_next(k);
	}
	return covered == vma->vm_end ? nr : 0;
}

static void show_numbers(struct reply *r, const struct smaps_number *sum, unsigned int nr)
{
	reply_printf(r, ",\"kernel\":");
	if (!nr) {
		reply_printf(r, "null");
		return;
	}
	for (unsigned int i = 0; i < nr; i++) {
		reply_printf(r, "%c", i ? ',' : '{');
		reply_json(r, sum[i].key);
		reply_printf(r, ":%lu", sum[i].value);
	}
	reply_printf(r, "}");
}

static void show_unsure(struct reply *r, const struct vm_area_struct *vma)
{
	const struct {
		bool is;
		const char *name;
	} guess[] = {
		{ vma->known & VMA_UNSURE_FLAGS, "flags" },
		{ vma->known & VMA_UNSURE_ACCOUNT, "ac" },
		{ vma->known & VMA_UNSURE_PGOFF, "pgoff" },
		{ vma->inexact & VMA_INEXACT_START, "start" },
		{ vma->inexact & VMA_INEXACT_SPLIT, "split" },
		{ vma->inexact & VMA_INEXACT_GROWS, "grows" },
	};
	const char *comma = "";

	reply_printf(r, ",\"guesses\":[");
	for (size_t i = 0; i < ARRAY_SIZE(guess); i++) {
		if (!guess[i].is)
			continue;
		reply_printf(r, "%s\"%s\"", comma, guess[i].name);
		comma = ",";
	}
	reply_printf(r, "]");
}

static void show_smaps_area(struct reply *r, const struct vm_area_struct *vma,
			    struct kernel_list *k, struct rss_reader *rss)
{
	static struct smaps_number sum[SMAPS_MAX_NUMBERS]; /* the control task's */
	unsigned int nr = numbers_of(k, vma, sum);

	reply_printf(r, "{");
	show_area_facts(r, vma);
	show_numbers(r, sum, nr);
	show_rss(r, rss, vma);
	show_unsure(r, vma);
	show_dirty_area(r, vma);
	reply_printf(r, "}");
}

static void show_areas(struct reply *r, struct kernel_list *k, struct rss_reader *rss)
{
	struct mm_struct *mm = r->c->env->mm;
	struct vm_area_struct *vma;
	const char *comma = "";
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		reply_printf(r, "%s", comma);
		show_smaps_area(r, vma, k, rss);
		comma = ",";
	}
}

void show_smaps(struct reply *r, bool one, unsigned long addr)
{
	struct mm_struct *mm = r->c->env->mm;
	struct kernel_list k = { .smaps = &r->c->scratch.smaps };
	struct vm_area_struct *vma;
	struct rss_reader rss;
	bool opened;
	int token;

	rss_open(&rss, &r->c->scratch);
	/* Not readable once the program made itself undumpable: then without numbers. */
	opened = smaps_open(k.smaps) == 0;
	k.valid = opened;
	kernel_next(&k);
	token = mm_read_lock_engine(mm);
	reply_printf(r, "{\"pid\":%d,\"blind\":%s,\"dirty_since_ms\":", r->c->env->pid,
		     READ_ONCE(mm->blind) ? "true" : "false");
	show_dirty_since(r);
	reply_printf(r, ",\"areas\":[");
	vma = one ? find_vma(mm, addr) : NULL;
	if (!one)
		show_areas(r, &k, &rss);
	else if (vma && addr >= vma->vm_start)
		show_smaps_area(r, vma, &k, &rss);
	mm_read_unlock(mm, token);
	if (opened)
		smaps_close(k.smaps);
	rss_close(&rss);
	reply_printf(r, "]}");
}
