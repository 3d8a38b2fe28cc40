// SPDX-License-Identifier: LGPL-2.1-or-later
/* The memory descriptor: memory for changes, changes, readers. */
#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

#define CHUNK	   (256UL << 10)
#define REAP_BATCH 32 /* objects */

void mm_init(struct mm_struct *mm, void *boot_mem, size_t boot_size)
{
	*mm = (struct mm_struct){ .mm_users = 1, .mm_count = 1 };
	arena_init(&mm->arena);
	arena_add(&mm->arena, boot_mem, boot_size);
	kmem_cache_init(&mm->vma_cache, &mm->arena, "vm_area_struct",
			sizeof(struct vm_area_struct), 8);
	kmem_cache_init(&mm->node_cache, &mm->arena, "vma_node", sizeof(struct vma_node),
			64);
	kmem_cache_init(&mm->stat_cache, &mm->arena, "vma_stat", sizeof(struct vma_stat),
			8);
	list_init(&mm->page_lru);
	kmem_cache_init(&mm->anon_vma_cache, &mm->arena, "anon_vma",
			sizeof(struct anon_vma), 8);
	file_caches_init(mm);
	mapping_caches_init(mm);
}

/* --- reserve ----------------------------------------------------------------------- */

struct reserve {
	struct kmem_cache *cache;
	size_t objects;
};

#define NR_RESERVES 5
#define NR_FILES    4 /* that a change may make */

/*
 * The worst case of a call over @n areas. Areas: each is replaced once and may be made
 * again elsewhere (mremap), plus two splits and two neighbours at either place. Nodes:
 * leaves hold at least NODE_MIN areas, so those over the range and their parents are
 * fewer than n/2; each end of a range copies one path, with siblings and splits.
 */
static void reserve_for(struct mm_struct *mm, size_t n, struct reserve r[NR_RESERVES])
{
	size_t depth = mm->root ? mm->root->level + 2U : 2;

	r[0] = (struct reserve){ &mm->vma_cache, 2 * n + 16 };
	r[1] = (struct reserve){ &mm->node_cache, n / 2 + 16 * depth };
	r[2] = (struct reserve){ &mm->stat_cache, n + 4 };
	r[3] = (struct reserve){ &mm->file_cache[0], NR_FILES };
	/* mm_prepare_mapping() looks after the first. */
	r[4] = (struct reserve){ &mm->i_mmap_cache, mm->nr_hosts
							    ? i_mmap_need(mm, n)
							    : mm->i_mmap_cache.reserved };
}

static size_t try_reserve(struct mm_struct *mm, size_t n)
{
	struct reserve r[NR_RESERVES];
	size_t missing = 0;

	reserve_for(mm, n, r);
	for (int i = 0; i < NR_RESERVES; i++)
		if (kmem_cache_reserve(r[i].cache, r[i].objects))
			missing += kmem_cache_missing(r[i].cache, r[i].objects);
	return missing;
}

/* 0 after reserving everything, or the bytes that are missing. */
static size_t mm_reserve(struct mm_struct *mm, size_t n)
{
	size_t missing;

	if (unlikely(mm->arena.busy))
		return PAGE_SIZE;
	missing = try_reserve(mm, n);
	if (!missing)
		return 0;
	rcu_reap(&mm->rcu);
	arena_shrink(&mm->arena);
	return try_reserve(mm, n);
}

size_t mm_count_areas(const struct mm_struct *mm, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;
	size_t n = 0;

	if (end - start >= 1UL << 47)
		return mm->map_count;
	for (vma = tree_find(mm->root, start); vma && vma->vm_start < end;
	     vma = tree_find(mm->root, vma->vm_end))
		n++;
	return n;
}

bool mm_short_of_memory(struct mm_struct *mm, size_t areas)
{
	return mm_reserve(mm, areas) != 0;
}

/*
 * What anon_vma_fork() takes, one for each area at most. Reserved with everything else
 * that may happen to all areas, so fork needs no rule of its own; these are blank slabs,
 * which cost address space only.
 */
static size_t reserve_anon_vmas(struct mm_struct *mm, size_t n)
{
	if (n < mm->map_count || !kmem_cache_reserve(&mm->anon_vma_cache, n))
		return 0;
	return kmem_cache_missing(&mm->anon_vma_cache, n);
}

/* More than is missing, so that the next calls find something left. */
static size_t prepare_areas(struct mm_struct *mm, size_t n)
{
	size_t missing;

	n = max(n, (size_t)UNMAP_AREAS);
	missing = mm_reserve(mm, n);
	if (!missing)
		missing = reserve_anon_vmas(mm, n);
	/* And the file that the caller takes before the change begins. */
	if (!missing && kmem_cache_reserve(&mm->file_cache[0], NR_FILES + 1))
		missing = PAGE_SIZE;
	if (!missing) {
		mm->prepared_txn = mm->txn;
		mm->prepared_areas = n;
		return 0;
	}
	return (arena_size_for(missing) + CHUNK / 2 + CHUNK - 1) & ~(CHUNK - 1);
}

/* A few pages cannot be many areas: no need to look. */
static size_t most_areas(const struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT; /* and perhaps a part of one */

	return pages + 1 < UNMAP_AREAS ? pages + 2 : mm_count_areas(mm, start, end);
}

size_t mm_prepare(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long end = len == ~0UL ? len : range_end(start, len);

	return prepare_areas(mm, most_areas(mm, start, end));
}

size_t mm_prepare_unmap(struct mm_struct *mm)
{
	return prepare_areas(mm, UNMAP_AREAS);
}

size_t mm_prepare_mremap(struct mm_struct *mm, unsigned long old, unsigned long old_len,
			 unsigned long addr, unsigned long len)
{
	return prepare_areas(mm, mremap_areas(mm, old, old_len, addr, len));
}

/* --- changes ----------------------------------------------------------------------- */

bool txn_begin_quiet(struct vma_txn *t, struct mm_struct *mm, unsigned long areas)
{
	bool prepared = mm->prepared_txn == mm->txn && areas <= mm->prepared_areas;

	if (!prepared && mm_reserve(mm, areas)) {
		__atomic_store_n(&mm->blind, true, __ATOMIC_RELAXED);
		return false;
	}
	*t = (struct vma_txn){ .mm = mm, .root = mm->root, .id = ++mm->txn };
	return true;
}

bool txn_begin_areas(struct vma_txn *t, struct mm_struct *mm, unsigned long areas)
{
	if (!txn_begin_quiet(t, mm, areas))
		return false;
	if (mm->fresh_end)
		vma_settle_fresh(t);
	return true;
}

bool txn_begin(struct vma_txn *t, struct mm_struct *mm, unsigned long start,
	       unsigned long end)
{
	return txn_begin_areas(t, mm, mm_count_areas(mm, start, end));
}

void txn_commit(struct vma_txn *t)
{
	struct mm_struct *mm = t->mm;

	mm->hiwater_vm = max(mm->hiwater_vm, mm->total_vm);
	i_mmap_publish(t);
	if (t->root != mm->root) {
		rcu_assign_pointer(mm->root, t->root);
		__atomic_store_n(&mm->seq, mm->seq + 1, __ATOMIC_RELEASE);
	}
	/* Looking for readers costs more than a small change: once for several. */
	if (mm->rcu.nr_deferred >= REAP_BATCH)
		rcu_reap(&mm->rcu);
}

/* --- readers ----------------------------------------------------------------------- */

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	return tree_find(rcu_dereference(mm->root), addr);
}

struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **prev)
{
	return tree_find_prev(rcu_dereference(mm->root), addr, prev);
}

struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	return vma && vma->vm_start < end ? vma : NULL;
}

void vma_iter_init(struct vma_iter *it, struct mm_struct *mm, unsigned long addr)
{
	it->root = rcu_dereference(mm->root);
	it->addr = addr;
}

unsigned long vma_iter_generation(const struct vma_iter *it)
{
	/* Every change copies the path from the root. */
	return it->root ? it->root->txn : 0;
}

struct vm_area_struct *vma_next(struct vma_iter *it)
{
	struct vm_area_struct *vma = tree_find(it->root, it->addr);

	if (vma)
		it->addr = vma->vm_end;
	return vma;
}
