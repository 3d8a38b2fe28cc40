/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct page: what is known of one page in memory.
 *
 * The array is brought up to date when somebody asks (page_sync(), for `page` of the
 * control socket), from the kernel's page tables as /proc/PID/pagemap shows them, and by
 * nobody else. Not by the fault task, not by the hooks of munmap() or fork(), because
 *  - most pages come and go without an event of ours: every `track` area, the kernel's
 *    own copies after fork, swap, migration. An array kept by events would be wrong;
 *  - the fault task takes no lock and so cannot take a chunk from the arena, and to write
 *    512 descriptors is 32 KiB for each window of 2 MiB, as much as the page tables;
 *  - an array that nobody asks for costs nothing, not even memory.
 * So a descriptor may be old. It says for what it was made (anon_id and index), and the
 * next page_sync() compares that with the area it finds: what was unmapped, moved or
 * mapped again meanwhile becomes PAGE_NONE first, without a hook in those calls.
 *
 * States, in @flags (PG_STATE). The arrows are all that page_step() does:
 *
 *	           seen, mapped once                   seen, mapped more than once
 *	  NONE ------------------------> EXCLUSIVE   NONE --------> SHARED
 *	           another maps it too (fork)
 *	  EXCLUSIVE ---------------------------> SHARED
 *	           the others are gone, same frame          (the last reference is reused)
 *	  SHARED ------------------------------> EXCLUSIVE  + PG_reused
 *	           another frame                            (copy on write)
 *	  SHARED ------------------------------> EXCLUSIVE  + PG_copied
 *	           frames are hidden: one of both           (+ PG_guess)
 *	  EXCLUSIVE, SHARED <------ swap ------> SWAPPED
 *	  any -- gone, or its area is another --> NONE      (MADV_DONTNEED, munmap(), ...)
 *
 * A copy belongs to its area's own anon_vma, what was reused stays with the one it was
 * made for until then; if nobody can say, mapping is a guess (PG_guess).
 *
 * mapcount is this process's share: 1 while the page is mapped here. The sum over
 * processes is a question to the family (`shadowmm rmap`). refcount: 1 of the array, 1 of
 * the mapping; there is room for whoever holds a page while it is written to a file.
 *
 * Locks: mmap_lock for everything here.
 */
#ifndef SHADOWMM_MM_PAGE_H
#define SHADOWMM_MM_PAGE_H

#include "lib/base/list.h"
#include "lib/mm/anon_vma.h"

#define PAGE_CHUNK_PAGES 512 /* descriptors come for 2 MiB of address space at a time */
#define PAGE_CHUNK_SIZE	 (PAGE_CHUNK_PAGES * PAGE_SIZE)
#define PAGE_CHUNK_ORDER 3

/* Bits of /proc/PID/pagemap. */
#define PAGEMAP_FRAME	  ((1ULL << 55) - 1)
#define PAGEMAP_EXCLUSIVE (1ULL << 56)
#define PAGEMAP_UFFD_WP	  (1ULL << 57) /* since 5.13; of a page in swap as well */
#define PAGEMAP_FILE	  (1ULL << 61)
#define PAGEMAP_SWAP	  (1ULL << 62)
#define PAGEMAP_PRESENT	  (1ULL << 63)

enum page_state {
	PAGE_NONE,
	PAGE_EXCLUSIVE,
	PAGE_SHARED,
	PAGE_SWAPPED
};

/* Of one page. Migration looks like swap, and may say EXCLUSIVE as well. */
static inline enum page_state pagemap_state(u64 word)
{
	if (word & PAGEMAP_SWAP)
		return PAGE_SWAPPED;
	if (!(word & PAGEMAP_PRESENT))
		return PAGE_NONE;
	return word & PAGEMAP_EXCLUSIVE ? PAGE_EXCLUSIVE : PAGE_SHARED;
}

/* Copy-on-write wants the page protected. */
static inline bool pagemap_to_protect(u64 word)
{
	return pagemap_state(word) == PAGE_SHARED && !(word & PAGEMAP_UFFD_WP);
}

/* It is in memory, and the next write to it is ours to answer. */
static inline bool pagemap_protected(u64 word)
{
	return !(word & PAGEMAP_SWAP) && word & PAGEMAP_PRESENT && word & PAGEMAP_UFFD_WP;
}

#define PG_STATE  0x3u	/* enum page_state */
#define PG_anon	  0x4u	/* has an anon_vma; otherwise it is a page of a file */
#define PG_copied 0x8u	/* a copy that a write made of a shared page */
#define PG_reused 0x10u /* was shared until the others let go of it */
#define PG_guess  0x20u /* mapping, copied or reused are not sure */
#define PG_own	  0x40u /* in an area that we page */

struct page {
	u32 flags;
	u16 refcount;
	u16 mapcount;
	/* The anon_vma, flat: parent and child have no common pointers. */
	int mapping_pid;
	u32 mapping_serial;
	u64 mapping_born;
	unsigned long index;  /* linear_page_index() */
	u64 frame;	      /* or place in swap; 0: hidden from us */
	struct list_head lru; /* mm->page_lru, newest first; while mapped */
};

struct page_chunk {
	struct page page[PAGE_CHUNK_PAGES];
};

static inline enum page_state page_state(const struct page *page)
{
	return (enum page_state)(page->flags & PG_STATE);
}

/* "none", "exclusive", ... */
const char *page_state_name(enum page_state state);

/* The descriptor of the page at @addr as it was at the last page_sync(), or NULL. */
struct page *page_lookup(struct mm_struct *mm, unsigned long addr);
/*
 * The pagemap of @n pages from @start on, inside one chunk, is @word now; areas are those
 * of the model. A chunk is made when a page of it is in memory. 0, or -ENOMEM: nothing
 * changed; PAGE_CHUNK_NEED bytes of arena help.
 */
int page_sync(struct mm_struct *mm, unsigned long start, const u64 *word, size_t n);
#define PAGE_CHUNK_NEED (sizeof(struct page_chunk) + 3 * PAGE_SIZE)
/* Drop what was unmapped or moved since, and give back the chunks that are empty then. */
void page_reap(struct mm_struct *mm);
/* What is wrong with descriptors, list or counts, or NULL. */
const char *validate_pages(struct mm_struct *mm);

#endif
