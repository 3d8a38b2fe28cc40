// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `rmap`: which anon_vmas the areas are linked to. One process knows its own areas only:
 * who shares a page is found by the tool, which asks every process of the family and
 * compares names of anon_vmas (lib/mm/anon_vma.h).
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/mm/anon_vma.h"

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
