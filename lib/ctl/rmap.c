// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `rmap`: which anon_vmas the areas are linked to. One process knows its own areas only:
 * who shares a page is found by the tool, which asks every process of the family and
 * compares names of anon_vmas (lib/mm/anon_vma.h).
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/mm/page.h"
#include "lib/sys/sys.h"

static void show_chain(struct reply *r, const struct vm_area_struct *vma)
{
	struct anon_id id[ANON_VMA_DEPTH + 1];
	unsigned int n = anon_vma_chain(r->c->env->mm, vma, id);

	reply_printf(r, ",\"chain\":[");
	for (unsigned int i = 0; i < n; i++)
		reply_printf(r, "%s\"%d.%lu.%u\"", i ? "," : "", id[i].mm.pid,
			     (unsigned long)id[i].mm.born, id[i].serial);
	reply_printf(r, "]");
}

static void show_linked(struct reply *r, const struct vm_area_struct *vma, bool first)
{
	reply_printf(r, "%s{\"start\":\"%08lx\",\"end\":\"%08lx\",\"index\":%lu",
		     first ? "" : ",", vma->vm_start, vma->vm_end, vma->vm_pgoff);
	show_chain(r, vma);
	reply_printf(r, "}");
}

static bool wanted(const struct vm_area_struct *vma, const struct rmap_query *q)
{
	unsigned long addr;

	switch (q->by) {
	case RMAP_ADDR:
		return q->what >= vma->vm_start && q->what < vma->vm_end;
	case RMAP_INDEX:
		return vma->anon && vma_address(vma, q->what, &addr);
	default:
		return vma->anon != 0;
	}
}

void show_rmap(struct reply *r, const struct rmap_query *q)
{
	struct mm_struct *mm = r->c->env->mm;
	int token = mm_read_lock_engine(mm);
	struct vm_area_struct *vma;
	struct vma_iter it;
	bool first = true;

	reply_printf(r, "{\"pid\":%d,\"blind\":%s,\"forgotten\":%lu,\"areas\":[",
		     r->c->env->pid, READ_ONCE(mm->blind) ? "true" : "false",
		     READ_ONCE(mm->anon_lost));
	vma_iter_init(&it, mm, q->by == RMAP_ADDR ? q->what : 0);
	vma_for_each (vma, &it) {
		if (q->by == RMAP_ADDR && vma->vm_start > q->what)
			break;
		if (!wanted(vma, q))
			continue;
		show_linked(r, vma, first);
		first = false;
	}
	mm_read_unlock(mm, token);
	reply_printf(r, "]}");
}

/* --- descriptors of pages ---------------------------------------------------------- */

/* 2 MiB around @addr, so that the next question about them is cheap. 0 or -errno. */
static int sync_chunk(const struct ctl_env *env, unsigned long addr, u64 *word)
{
	unsigned long start = addr & -PAGE_CHUNK_SIZE;
	long fd = sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0), n;
	int ret;

	if (fd < 0)
		return (int)fd;
	n = sys_pread(fd, word, PAGE_CHUNK_PAGES * 8, (start >> PAGE_SHIFT) * 8);
	sys_close(fd);
	if (n < 8)
		return n < 0 ? (int)n : -ENXIO;
	ret = page_sync(env->mm, start, word, (size_t)n / 8);
	/* The arena may have no such block, but may grow: once, as for any change. */
	if (ret == -ENOMEM && env->reserve && !env->reserve(0, 0))
		ret = page_sync(env->mm, start, word, (size_t)n / 8);
	return ret;
}

static void show_flag_names(struct reply *r, u32 flags)
{
	static const struct {
		u32 flag;
		const char *name;
	} known[] = {
		{ PG_anon, "anon" },   { PG_copied, "copied" }, { PG_reused, "reused" },
		{ PG_guess, "guess" }, { PG_own, "own" },
	};
	const char *comma = "";

	reply_printf(r, ",\"flags\":[");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!(flags & known[i].flag))
			continue;
		reply_printf(r, "%s\"%s\"", comma, known[i].name);
		comma = ",";
	}
	reply_printf(r, "]");
}

static void show_descriptor(struct reply *r, const struct page *p)
{
	reply_printf(r, "{\"state\":\"%s\"", page_state_name(page_state(p)));
	show_flag_names(r, p->flags);
	reply_printf(r, ",\"refcount\":%u,\"mapcount\":%u,\"index\":%lu", p->refcount,
		     p->mapcount, p->index);
	if (p->flags & PG_anon)
		reply_printf(r, ",\"mapping\":\"%d.%lu.%u\"", p->mapping_pid,
			     (unsigned long)p->mapping_born, p->mapping_serial);
	else
		reply_printf(r, ",\"mapping\":null");
	reply_printf(r, ",\"frame\":%lu}", (unsigned long)p->frame);
}

static void show_synced(struct reply *r, unsigned long addr)
{
	struct mm_struct *mm = r->c->env->mm;
	const struct page *page = page_lookup(mm, addr);

	reply_printf(r, "{\"pid\":%d,\"addr\":\"%08lx\",\"pages\":%lu,\"chunks\":%lu",
		     r->c->env->pid, addr & PAGE_MASK, mm->page_count, mm->page_chunks);
	reply_printf(r, ",\"page\":");
	if (page && page_state(page) != PAGE_NONE)
		show_descriptor(r, page);
	else
		reply_printf(r, "null");
	reply_printf(r, "}");
}

void show_page(struct reply *r, unsigned long addr)
{
	const struct ctl_env *env = r->c->env;
	int ret = ctl_lock(env, &r->c->scratch.smaps);

	if (ret) {
		reply_error(r, "page", "mmap_lock is busy",
			    "the program is in a long call that changes its address "
			    "space; try again");
		return;
	}
	page_reap(env->mm);
	ret = sync_chunk(env, addr, r->c->scratch.words);
	if (!ret)
		show_synced(r, addr);
	mutex_unlock(env->mmap_lock);
	if (ret)
		reply_error(r, "page",
			    ret == -ENOMEM ? "no memory for its descriptor"
					   : "cannot read /proc/self/pagemap",
			    "see that the process may open files and map memory");
}
