// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Descriptors of pages, in a tree like that of page tables:
 *
 *	mm->page_dir [512] -> page_dir [512] -> page_dir [512] -> page_chunk: 2 MiB
 *	      39..47               30..38             21..29
 */
#include <linux/errno.h>

#include "lib/base/string.h"
#include "lib/mm/page.h"
#include "lib/mm/vma.h"

_Static_assert(sizeof(struct page) <= 64, "a descriptor is at most 64 bytes");
_Static_assert(sizeof(struct page_chunk) <= PAGE_SIZE << PAGE_CHUNK_ORDER, "chunk");

#define DIR_SLOTS 512
#define DIR_BITS  9
#define DIR_TOP	  39 /* lowest bit of an address that chooses in the topmost one */
#define DIR_LAST  21 /* the same of the lowest one */

struct page_dir {
	void *slot[DIR_SLOTS];
};

static void **slot_of(struct page_dir *dir, unsigned long addr, int shift)
{
	return &dir->slot[addr >> shift & (DIR_SLOTS - 1)];
}

static struct page_chunk *find_chunk(struct mm_struct *mm, unsigned long addr)
{
	void *dir = mm->page_dir;

	for (int shift = DIR_TOP; dir && shift >= DIR_LAST; shift -= DIR_BITS)
		dir = *slot_of(dir, addr, shift);
	return dir;
}

static void *take(struct mm_struct *mm, unsigned int order)
{
	void *mem = alloc_pages(&mm->arena, order);

	if (mem)
		memset(mem, 0, PAGE_SIZE << order);
	return mem;
}

/* What @slot holds, made of 2^@order pages if there is nothing. */
static void *fill_slot(struct mm_struct *mm, void **slot, unsigned int order)
{
	if (!*slot)
		*slot = take(mm, order);
	return *slot;
}

/* There is none yet. Directories stay if the chunk is not to be had: the next try finds
 * them. */
static struct page_chunk *make_chunk(struct mm_struct *mm, unsigned long addr)
{
	void **slot = &mm->page_dir;
	struct page_chunk *chunk;

	for (int shift = DIR_TOP; shift >= DIR_LAST; shift -= DIR_BITS) {
		struct page_dir *dir = fill_slot(mm, slot, 0);

		if (!dir)
			return NULL;
		slot = slot_of(dir, addr, shift);
	}
	chunk = fill_slot(mm, slot, PAGE_CHUNK_ORDER);
	mm->page_chunks += chunk != NULL;
	return chunk;
}

struct page *page_lookup(struct mm_struct *mm, unsigned long addr)
{
	struct page_chunk *chunk = find_chunk(mm, addr);

	return chunk ? &chunk->page[addr >> PAGE_SHIFT & (PAGE_CHUNK_PAGES - 1)] : NULL;
}

const char *page_state_name(enum page_state state)
{
	static const char *const name[] = { "none", "exclusive", "shared", "swapped" };

	return name[state];
}

/* --- one page ---------------------------------------------------------------------- */

static void page_drop(struct mm_struct *mm, struct page *page)
{
	if (page_state(page) == PAGE_NONE)
		return;
	list_del(&page->lru);
	mm->page_count--;
	memset(page, 0, sizeof(*page));
}

static void set_mapping(struct page *page, const struct anon_id *id)
{
	page->mapping_pid = id->mm.pid;
	page->mapping_born = id->mm.born;
	page->mapping_serial = id->serial;
	page->flags |= PG_anon;
}

/* The area is still one that may have this page, at this place. */
static bool page_belongs(const struct mm_struct *mm, const struct page *page,
			 const struct vm_area_struct *vma, unsigned long addr)
{
	const struct anon_id id = {
		.mm = { .pid = page->mapping_pid, .born = page->mapping_born },
		.serial = page->mapping_serial,
	};

	return page->index == linear_page_index(vma, addr) &&
	       (!(page->flags & PG_anon) || anon_vma_linked(mm, vma, &id));
}

/* Whose the page is, if nothing is known of its past. */
static void page_adopt(struct mm_struct *mm, struct page *page,
		       const struct vm_area_struct *vma, unsigned long addr, u64 word)
{
	struct anon_id id[ANON_VMA_DEPTH + 1];
	unsigned int n = anon_vma_chain(mm, vma, id);

	page->index = linear_page_index(vma, addr);
	list_add(&page->lru, &mm->page_lru);
	mm->page_count++;
	if (word & PAGEMAP_FILE || !n)
		return;
	/* Shared, so made by an ancestor if there is one; but a child may share it too.
	 */
	set_mapping(page, n > 1 && !(word & PAGEMAP_EXCLUSIVE) ? &id[1] : &id[0]);
	if (n > 1)
		page->flags |= PG_guess;
}

/* SHARED -> EXCLUSIVE: copied, or left over? */
static void page_unshare(struct mm_struct *mm, struct page *page,
			 const struct vm_area_struct *vma, u64 frame)
{
	struct anon_id id[ANON_VMA_DEPTH + 1];
	bool hidden = !frame || !page->frame;

	page->flags &= ~(PG_copied | PG_reused | PG_guess);
	if (hidden)
		page->flags |= PG_guess;
	else
		page->flags |= page->frame == frame ? PG_reused : PG_copied;
	if (page->flags & PG_anon && !(page->flags & PG_reused) &&
	    anon_vma_chain(mm, vma, id))
		set_mapping(page, &id[0]);
}

static void set_state(struct page *page, enum page_state state)
{
	page->flags = (page->flags & ~PG_STATE) | state;
	page->mapcount = state == PAGE_EXCLUSIVE || state == PAGE_SHARED;
	page->refcount = 1 + page->mapcount;
}

static void page_step(struct mm_struct *mm, struct page *page,
		      const struct vm_area_struct *vma, unsigned long addr, u64 word)
{
	enum page_state next = vma ? pagemap_state(word) : PAGE_NONE;
	u64 frame = word & PAGEMAP_FRAME;

	/* A page of a file, copied by a write, is anonymous from then on. */
	if (page_state(page) != PAGE_NONE &&
	    (next == PAGE_NONE || !page_belongs(mm, page, vma, addr) ||
	     (!(page->flags & PG_anon) && vma->anon && !(word & PAGEMAP_FILE))))
		page_drop(mm, page);
	if (next == PAGE_NONE)
		return;
	if (page_state(page) == PAGE_NONE)
		page_adopt(mm, page, vma, addr, word);
	else if (page_state(page) == PAGE_SHARED && next == PAGE_EXCLUSIVE)
		page_unshare(mm, page, vma, frame);
	set_state(page, next);
	page->frame = frame;
	page->flags &= ~PG_own;
	if (vma->policy == POLICY_OWN)
		page->flags |= PG_own;
}

/* --- many -------------------------------------------------------------------------- */

static bool any_there(const u64 *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pagemap_state(word[i]) != PAGE_NONE)
			return true;
	return false;
}

int page_sync(struct mm_struct *mm, unsigned long start, const u64 *word, size_t n)
{
	struct page_chunk *chunk = find_chunk(mm, start);
	const struct vm_area_struct *vma = NULL;
	struct page *page;

	if (!chunk && !any_there(word, n))
		return 0;
	if (!chunk)
		chunk = make_chunk(mm, start);
	if (!chunk)
		return -ENOMEM;
	page = &chunk->page[start >> PAGE_SHIFT & (PAGE_CHUNK_PAGES - 1)];
	for (size_t i = 0; i < n; i++) {
		unsigned long addr = start + i * PAGE_SIZE;

		if (!vma || addr >= vma->vm_end)
			vma = find_vma(mm, addr);
		page_step(mm, &page[i], vma && vma->vm_start <= addr ? vma : NULL, addr,
			  word[i]);
	}
	return 0;
}

typedef const char *chunk_fn(struct mm_struct *mm, unsigned long start, void **slot);

/* Calls @fn for each chunk until it says something; it may free the chunk. */
static const char *each_chunk(struct mm_struct *mm, struct page_dir *dir,
			      unsigned long start, int shift, chunk_fn *fn)
{
	const char *said = NULL;

	for (int i = 0; dir && !said && i < DIR_SLOTS; i++) {
		unsigned long at = start + ((unsigned long)i << shift);

		if (!dir->slot[i])
			continue;
		said = shift == DIR_LAST
			       ? fn(mm, at, &dir->slot[i])
			       : each_chunk(mm, dir->slot[i], at, shift - DIR_BITS, fn);
	}
	return said;
}

/* Drops what is no page of its area any more. Returns how many are left. */
static unsigned int drop_stale(struct mm_struct *mm, unsigned long start,
			       struct page_chunk *chunk)
{
	const struct vm_area_struct *vma = NULL;
	unsigned int left = 0;

	for (unsigned long i = 0; i < PAGE_CHUNK_PAGES; i++) {
		unsigned long addr = start + i * PAGE_SIZE;
		struct page *page = &chunk->page[i];

		if (page_state(page) == PAGE_NONE)
			continue;
		if (!vma || addr >= vma->vm_end)
			vma = find_vma(mm, addr);
		if (vma && vma->vm_start <= addr && page_belongs(mm, page, vma, addr))
			left++;
		else
			page_drop(mm, page);
	}
	return left;
}

static const char *reap_chunk(struct mm_struct *mm, unsigned long start, void **slot)
{
	if (drop_stale(mm, start, *slot))
		return NULL;
	free_pages(&mm->arena, *slot, PAGE_CHUNK_ORDER);
	mm->page_chunks--;
	*slot = NULL;
	return NULL;
}

void page_reap(struct mm_struct *mm)
{
	each_chunk(mm, mm->page_dir, 0, DIR_TOP, reap_chunk);
}

static const char *validate_page(const struct page *page)
{
	bool mapped =
		page_state(page) == PAGE_EXCLUSIVE || page_state(page) == PAGE_SHARED;

	if (page_state(page) == PAGE_NONE)
		return page->flags || page->refcount || page->lru.next
			       ? "descriptor of no page is not empty"
			       : NULL;
	if (page->mapcount != mapped || page->refcount != 1 + page->mapcount)
		return "mapcount or refcount";
	if (!page->lru.next || page->lru.next->prev != &page->lru)
		return "page is in no list";
	if (page->flags & PG_anon && !page->mapping_serial)
		return "anonymous page without an anon_vma";
	return page->flags & PG_copied && page->flags & PG_reused ? "copied and reused"
								  : NULL;
}

static const char *validate_chunk(struct mm_struct *mm, unsigned long start, void **slot)
{
	const struct page_chunk *chunk = *slot;
	const char *err = NULL;

	(void)mm;
	(void)start;
	for (int i = 0; !err && i < PAGE_CHUNK_PAGES; i++)
		err = validate_page(&chunk->page[i]);
	return err;
}

const char *validate_pages(struct mm_struct *mm)
{
	const char *err = each_chunk(mm, mm->page_dir, 0, DIR_TOP, validate_chunk);
	unsigned long n = 0;

	for (struct list_head *l = mm->page_lru.next; l && l != &mm->page_lru;
	     l = l->next)
		n++;
	return !err && n != mm->page_count ? "number of pages" : err;
}
