// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mappings of files that we page, what the program had in their place, and the way back:
 *
 *	the program's	[FFFFFFFFFFFF]	      ..............
 *	mm_map_file()	[hhhhhhhhhhhh]	      [FFFFFFFFFFFF]	aside
 *	munmap()	[hhhhhh]....	      [FFFFFFFFFFFF]	stays, until there is no h
 *	mm_unmap_file()	[FF][hhhh]....	      ..[FFFFFFFFFF]
 *	mm_next_orphan()[FFFFFF]....	      ......[FFFFFF]	to be unmapped
 *
 * The vma_file of h has a reference for each area; with the last one its host becomes an
 * orphan. The pieces aside carry the host's number, so that what is mapped later where
 * one was moved away from is nobody's.
 */
#include "lib/base/string.h"
#include "lib/mm/address_space.h"
#include "lib/mm/anon_vma.h"
#include "lib/mm/vma.h"

#define CHUNK (256UL << 10)
#define NR_FRAMES \
	2 /* vma_files: of the frames, and of the program if it has no name yet */
#define NR_FILES 2 /* the frames, and the file as mapped by the mapping */

void mapping_caches_init(struct mm_struct *mm)
{
	list_init(&mm->mappings);
	list_init(&mm->orphans);
	kmem_cache_init(&mm->mapping_cache, &mm->arena, "address_space",
			sizeof(struct address_space), 8);
	i_mmap_cache_init(mm);
	kmem_cache_init(&mm->host_cache, &mm->arena, "file_host",
			sizeof(struct file_host), 8);
}

/* What mm_prepare() has reserved stays. */
static size_t reserve(struct kmem_cache *c, size_t n)
{
	n = max(n, c->reserved);
	return kmem_cache_reserve(c, n) ? kmem_cache_missing(c, n) : 0;
}

size_t mm_prepare_mapping(struct mm_struct *mm)
{
	size_t missing;

	if (unlikely(mm->arena.busy))
		return CHUNK;
	missing = reserve(&mm->mapping_cache, 1) + reserve(&mm->host_cache, 1) +
		  reserve(&mm->i_mmap_cache, i_mmap_need(mm, UNMAP_AREAS));
	/* Names of any length; mm_prepare() has looked after the shortest. */
	for (int i = 1; i < NR_FILE_SIZES; i++)
		missing += reserve(&mm->file_cache[i], NR_FILES);
	return missing ? (arena_size_for(missing) + CHUNK - 1) & ~(CHUNK - 1) : 0;
}

/* --- mappings ---------------------------------------------------------------------- */

struct address_space *mapping_new(struct mm_struct *mm, const struct file_key *key)
{
	struct address_space *mapping = kmem_cache_alloc(&mm->mapping_cache);

	if (!mapping)
		return NULL;
	*mapping = (struct address_space){
		.number = ++mm->last_mapping,
		.state = MAPPING_LIVE,
		.key = *key,
		.nrpages = key->size / PAGE_SIZE + (key->size % PAGE_SIZE != 0),
		.file_fd = -1,
		.frames_fd = -1,
		.direct_fd = -1,
		.hold_fd = -1,
		.index_fd = -1,
	};
	list_add_rcu(&mapping->list, &mm->mappings);
	return mapping;
}

static bool same_key(const struct file_key *a, const struct file_key *b)
{
	return a->ino == b->ino && a->major == b->major && a->minor == b->minor &&
	       a->size == b->size && a->mtime == b->mtime && a->ctime == b->ctime &&
	       a->btime == b->btime;
}

struct address_space *mapping_find(struct mm_struct *mm, const struct file_key *key)
{
	const struct list_head *l;

	for (l = rcu_dereference(mm->mappings.next); l != &mm->mappings;
	     l = rcu_dereference(l->next)) {
		struct address_space *mapping = list_entry(l, struct address_space, list);

		if (READ_ONCE(mapping->state) == MAPPING_LIVE && !mapping->written &&
		    same_key(&mapping->key, key))
			return mapping;
	}
	return NULL;
}

void mapping_free(struct mm_struct *mm, struct address_space *mapping)
{
	list_del(&mapping->list);
	mm->nr_written -= mapping->written;
	if (mapping->file)
		vma_file_put(mm, mapping->file);
	kmem_cache_free_rcu(&mm->mapping_cache, &mm->rcu, mapping, &mapping->rcu);
}

/* --- hosts ------------------------------------------------------------------------- */

/* 0 means none. */
static u32 host_id(struct mm_struct *mm)
{
	if (!++mm->last_host)
		mm->last_host = 1;
	return mm->last_host;
}

static struct file_host *host_new(struct mm_struct *mm, struct address_space *mapping,
				  const struct vm_area_struct *vma, unsigned long aside)
{
	struct file_host *host = kmem_cache_alloc(&mm->host_cache);

	if (!host)
		return NULL;
	*host = (struct file_host){ .mapping = mapping,
				    .file = file_ref(mapping->file),
				    .aside = aside,
				    .first = vma->vm_pgoff,
				    .nr = vma_pages(vma),
				    .id = host_id(mm),
				    .unmapped = aside };
	mapping->refs++;
	mm->nr_hosts++;
	return host;
}

static void host_free(struct mm_struct *mm, struct file_host *host)
{
	list_del(&host->orphan);
	vma_file_put(mm, host->file);
	host->mapping->refs--;
	mm->nr_hosts--;
	kmem_cache_free_rcu(&mm->host_cache, &mm->rcu, host, &host->rcu);
}

void host_orphaned(struct mm_struct *mm, struct file_host *host)
{
	list_add(&host->orphan, &mm->orphans);
}

/* What is left of the mapping aside of @host: the first piece that was not told yet. */
static bool next_piece(struct mm_struct *mm, struct file_host *host, unsigned long *start,
		       unsigned long *len)
{
	unsigned long end = host->aside + (host->nr << PAGE_SHIFT);
	const struct vm_area_struct *vma;

	while ((vma = tree_find(mm->root, host->unmapped)) && vma->vm_start < end) {
		*start = max(host->unmapped, vma->vm_start);
		host->unmapped = min(vma->vm_end, end);
		*len = host->unmapped - *start;
		if (vma->aside == host->id)
			return true;
		if (host->unmapped == end)
			break;
	}
	return false;
}

bool mm_next_orphan(struct mm_struct *mm, unsigned long *aside, unsigned long *len,
		    struct address_space **mapping)
{
	struct file_host *host;

	if (list_empty(&mm->orphans))
		return false;
	host = list_first_entry(&mm->orphans, struct file_host, orphan);
	*mapping = host->mapping;
	if (next_piece(mm, host, aside, len))
		return true;
	*aside = *len = 0;
	host_free(mm, host);
	return true;
}

unsigned long file_aside(const struct vm_area_struct *vma, unsigned long addr)
{
	const struct file_host *host = vma->vm_file->host;
	unsigned long page = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);

	return host->aside + ((page - host->first) << PAGE_SHIFT);
}

struct vm_area_struct *mm_next_file(struct mm_struct *mm, unsigned long addr,
				    unsigned long limit)
{
	struct vm_area_struct *vma;

	if (!READ_ONCE(mm->nr_hosts))
		return NULL;
	/* A program's range may end before it begins. */
	while (addr < limit && (vma = find_vma(mm, addr)) && vma->vm_start < limit) {
		if (vma_host(vma))
			return vma;
		addr = vma->vm_end;
	}
	return NULL;
}

/* --- there ------------------------------------------------------------------------- */

/* The file of the program once more, since in the kernel it is another struct file: what
 * comes back merges with other such pieces, and with nothing else. */
static struct vma_file *mapping_file(struct mm_struct *mm, struct address_space *mapping,
				     struct vma_file *file)
{
	if (mapping->file)
		return mapping->file;
	if (mapping->written) { /* the program's own struct file, moved aside */
		mapping->file = file_ref(file);
		return mapping->file;
	}
	mapping->file = vma_file_get(mm, file->major, file->minor, file->ino, file->name);
	if (!mapping->file)
		return NULL;
	mapping->file->mode = file->mode;
	mapping->file->mode_known = file->mode_known;
	mapping->file->single = true;
	return mapping->file;
}

/* What mmap() with the protection of @vma makes. @file: the reference passes. */
static struct vm_area_struct *new_mapping(struct vma_txn *t,
					  const struct vm_area_struct *vma,
					  unsigned long start, struct vma_file *file)
{
	const unsigned long kept = VM_ACCESS_FLAGS | VM_MAY_ACCESS | VM_NORESERVE |
				   VM_MERGEABLE | VM_SHARED | VM_MAYSHARE;
	struct vm_area_struct *area = vma_new(t);

	area->vm_start = start;
	area->vm_end = start + (vma->vm_end - vma->vm_start);
	area->vm_flags = vma->vm_flags & kept;
	area->vm_flags |= account_flag(area->vm_flags);
	area->vm_pgoff = vma->vm_pgoff;
	area->vm_file = file;
	return area;
}

static bool map_frames(struct vma_txn *t, unsigned long start, unsigned long end,
		       unsigned long at, struct vma_file *frames,
		       struct address_space *mapping)
{
	struct vm_area_struct *vma = txn_find(t, start), *area, *aside;
	struct vma_file *file;
	int edges;

	if (!vma || vma->vm_start > start || vma->vm_end < end || !vma->vm_file ||
	    vma_host(vma))
		return false;
	file = mapping_file(t->mm, mapping, vma->vm_file);
	vma = vma_cut(t, vma, start, end, false, &edges);
	frames->host = file ? host_new(t->mm, mapping, vma, at) : NULL;
	if (!frames->host)
		return false;
	frames->single = true;
	area = new_mapping(t, vma, start, frames);
	area->policy = POLICY_OWN;
	area->reason = TRACK_NONE;
	/* If it is not as fresh as the last call left it, the program may touch it now.
	 */
	if (vma->anon)
		area->anon = anon_new(t->mm);
	aside = new_mapping(t, vma, at, file_ref(file));
	aside->policy = POLICY_TRACK;
	aside->reason = TRACK_OURS;
	aside->aside = frames->host->id;
	vma_unmap_range(t, at, at + (end - start));
	vma_unmap_range(t, start, end);
	vma_insert(t, area);
	vma_merge(t, area, EDGE_BOTH);
	vma_insert(t, aside);
	vma_merge(t, aside, EDGE_BOTH);
	return true;
}

/* What the last call mapped is as untouched as before: we are no call of the program. */
void mm_map_file(struct mm_struct *mm, unsigned long start, unsigned long end,
		 unsigned long aside, struct vma_file *frames,
		 struct address_space *mapping)
{
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, UNMAP_AREAS)) {
		vma_file_put(mm, frames);
		return;
	}
	if (!map_frames(&t, start, end, aside, frames, mapping))
		vma_file_put(mm, frames);
	txn_commit(&t);
}

/* --- and back ---------------------------------------------------------------------- */

/* What lies at @from, editable; a repair (verify.c) may have left something else there,
 * or nothing, but the call that is modelled has moved a mapping of the file. */
static struct vm_area_struct *piece_aside(struct vma_txn *t,
					  const struct vm_area_struct *vma,
					  unsigned long start, unsigned long end)
{
	unsigned long from = file_aside(vma, start), to = from + (end - start);
	struct vm_area_struct *piece = txn_find(t, from);
	struct file_host *host = vma_host(vma);
	int edges;

	if (piece && piece->vm_start <= from && piece->vm_end >= to &&
	    piece->aside == host->id)
		return vma_cut(t, piece, from, to, false, &edges);
	vma_unmap_range(t, from, to);
	piece = new_mapping(t, vma, from, file_ref(host->file));
	piece->vm_end = to;
	piece->vm_pgoff = host->first + ((from - host->aside) >> PAGE_SHIFT);
	vma_insert(t, piece);
	return piece;
}

static void move_back(struct vma_txn *t, struct vm_area_struct *vma, unsigned long start,
		      unsigned long end, enum track_reason reason)
{
	unsigned long from = file_aside(vma, start);
	struct vm_area_struct *piece = piece_aside(t, vma, start, end);

	piece->aside = 0;
	piece->policy = POLICY_TRACK;
	piece->reason = (u8)reason;
	/* Whatever was done to it, nobody has touched it. */
	unlink_anon_vmas(t->mm, piece);
	vma_move(t, from, start, end - start);
	vma_settle_anon(t, start, end);
}

void mm_unmap_file(struct mm_struct *mm, unsigned long start, unsigned long end,
		   enum track_reason reason)
{
	struct vm_area_struct *vma;
	struct vma_txn t;

	if (end <= start || !txn_begin_quiet(&t, mm, UNMAP_AREAS))
		return;
	vma = txn_find(&t, start);
	if (vma && vma->vm_start <= start && vma->vm_end >= end && vma_host(vma))
		move_back(&t, vma, start, end, reason);
	txn_commit(&t);
}
