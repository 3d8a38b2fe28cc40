// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Our own memory. Only numbers are read, one after the other while hooks change them:
 * the lists behind them belong to the holder of mmap_lock.
 */
#include "lib/ctl/internal.h"
#include "lib/mm/page.h"

static void show_arena(struct reply *r, const struct arena *a)
{
	const char *comma = "";

	reply_printf(r, ",\"arena\":{\"total\":%lu,\"free\":%lu,\"used\":%lu,",
		     READ_ONCE(a->total), READ_ONCE(a->free), arena_used(a));
	reply_printf(r, "\"max_used\":%lu,\"chunks\":%lu},\"free_blocks\":[",
		     READ_ONCE(a->max_used), READ_ONCE(a->nr_chunks));
	for (int i = 0; i < NR_ORDERS; i++) {
		reply_printf(r, "%s%lu", comma, READ_ONCE(a->free_area[i].nr));
		comma = ",";
	}
	reply_printf(r, "]");
}

static void show_cache(struct reply *r, const struct kmem_cache *c)
{
	size_t slabs = READ_ONCE(c->nr_slabs), partial = READ_ONCE(c->nr_partial);
	size_t empty = READ_ONCE(c->nr_empty), other = partial + empty;

	reply_printf(r, "{\"name\":");
	reply_json(r, c->name ? c->name : "");
	reply_printf(r, ",\"object_size\":%lu,\"size\":%lu,\"order\":%u,\"per_slab\":%u,",
		     c->object_size, c->size, c->order, c->per_slab);
	reply_printf(r, "\"active\":%lu,\"total\":%lu,\"deferred\":%lu,",
		     READ_ONCE(c->nr_active), READ_ONCE(c->capacity),
		     READ_ONCE(c->nr_deferred));
	reply_printf(r, "\"slabs\":%lu,\"full\":%lu,\"partial\":%lu,\"empty\":%lu,",
		     slabs, slabs > other ? slabs - other : 0, partial, empty);
	reply_printf(r, "\"bytes\":%lu}", slabs * slab_size(c));
}

void show_slabinfo(struct reply *r)
{
	const struct mm_struct *mm = r->c->env->mm;
	unsigned long areas = READ_ONCE(mm->map_count);
	const char *comma = "";

	reply_printf(r, "{\"pid\":%d,\"map_count\":%lu,\"bytes_per_area\":%lu",
		     r->c->env->pid, areas, areas ? arena_used(&mm->arena) / areas : 0);
	show_arena(r, &mm->arena);
	reply_printf(r, ",\"rcu\":{\"deferred\":%lu}", READ_ONCE(mm->rcu.nr_deferred));
	reply_printf(r, ",\"page\":{\"pages\":%lu,\"chunks\":%lu,\"bytes\":%lu}",
		     READ_ONCE(mm->page_count), READ_ONCE(mm->page_chunks),
		     READ_ONCE(mm->page_chunks) * sizeof(struct page_chunk));
	reply_printf(r, ",\"caches\":[");
	for (const struct kmem_cache *c = READ_ONCE(mm->arena.caches); c; c = c->next) {
		reply_printf(r, "%s", comma);
		show_cache(r, c);
		comma = ",";
	}
	reply_printf(r, "]}");
}
