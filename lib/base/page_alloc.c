// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/page_alloc.h"
#include "lib/base/fmt.h"

enum arena_page_state {
	PAGE_TAIL, /* inside a block */
	PAGE_FREE, /* first of a free block */
	PAGE_USED, /* first of a block that was handed out */
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ .chunks = NULL };
	for (unsigned int i = 0; i < NR_ORDERS; i++)
		list_init(&a->free_area[i].list);
}

void arena_broken(const struct arena *a, const char *where, const char *what,
		  const void *addr)
{
	char line[160];
	struct fmt f;

	if (!a->broken)
		__builtin_trap();
	fmt_init(&f, line, sizeof(line));
	fmt_printf(&f, "shadowmm: %s: %s at 0x%lx", where, what, (unsigned long)addr);
	a->broken(line);
}

/* --- blocks ------------------------------------------------------------------------ */

static size_t block_size(unsigned int order)
{
	return PAGE_SIZE << order;
}

static struct arena_chunk *chunk_of(struct arena_page *page)
{
	return container_of(page - page->index, struct arena_chunk, page[0]);
}

static void block_add(struct arena *a, struct arena_page *page, unsigned int order)
{
	page->state = PAGE_FREE;
	page->order = (u8)order;
	list_add(&page->list, &a->free_area[order].list);
	a->free_area[order].nr++;
}

static void block_del(struct arena *a, struct arena_page *page)
{
	list_del(&page->list);
	a->free_area[page->order].nr--;
	page->state = PAGE_TAIL;
}

/* The free buddy of the block, or NULL. */
static struct arena_page *free_buddy(struct arena_chunk *chunk, struct arena_page *page,
				     unsigned int order)
{
	unsigned long number = (chunk->first + page->index) ^ 1UL << order;
	struct arena_page *buddy;

	/* Wraps below the chunk, and is then too large. */
	if (number - chunk->first >= chunk->nr)
		return NULL;
	buddy = &chunk->page[number - chunk->first];
	return buddy->state == PAGE_FREE && buddy->order == order ? buddy : NULL;
}

/* --- chunks ------------------------------------------------------------------------ */

/* Bytes at the start of a chunk of @size. */
static size_t chunk_overhead(size_t size)
{
	return PAGE_ALIGN(sizeof(struct arena_chunk) +
			  (size >> PAGE_SHIFT) * sizeof(struct arena_page));
}

size_t arena_size_for(size_t bytes)
{
	size_t size = PAGE_ALIGN(bytes);

	return size + chunk_overhead(size + chunk_overhead(size));
}

/* The fewest blocks that cover the chunk: the largest one that fits at each place. */
static void chunk_to_blocks(struct arena *a, struct arena_chunk *chunk)
{
	for (u32 i = 0; i < chunk->nr;) {
		unsigned int order = 0;

		while (order + 1 < NR_ORDERS && i + (2UL << order) <= chunk->nr &&
		       !((chunk->first + i) & ((2UL << order) - 1)))
			order++;
		block_add(a, &chunk->page[i], order);
		i += 1U << order;
	}
}

void arena_add(struct arena *a, void *mem, size_t size)
{
	struct arena_chunk *chunk = mem;
	size_t overhead;

	size &= PAGE_MASK;
	overhead = chunk_overhead(size);
	if (size <= overhead)
		return;
	chunk->base = (char *)mem + overhead;
	chunk->first = (unsigned long)chunk->base >> PAGE_SHIFT;
	chunk->nr = (u32)((size - overhead) >> PAGE_SHIFT);
	for (u32 i = 0; i < chunk->nr; i++)
		chunk->page[i] = (struct arena_page){ .index = i, .state = PAGE_TAIL };
	chunk_to_blocks(a, chunk);
	chunk->next = a->chunks;
	a->chunks = chunk;
	a->nr_chunks++;
	a->total += size;
	a->free += size - overhead;
	a->max_used = max(a->max_used, arena_used(a));
}

/* Chunks grow in proportion to what there is, so there are few, and the newest has most
 * of the pages. */
static struct arena_page *page_of(const struct arena *a, const void *mem)
{
	const unsigned long number = (unsigned long)mem >> PAGE_SHIFT;

	for (struct arena_chunk *c = a->chunks; c; c = c->next)
		if (number - c->first < c->nr)
			return &c->page[number - c->first];
	return NULL;
}

/* --- alloc, free ------------------------------------------------------------------- */

struct arena_page *alloc_block(struct arena *a, unsigned int order)
{
	struct arena_page *page;
	unsigned int o = order;

	while (o < NR_ORDERS && !a->free_area[o].nr)
		o++;
	if (o >= NR_ORDERS)
		return NULL;
	page = list_first_entry(&a->free_area[o].list, struct arena_page, list);
	block_del(a, page);
	/* The upper halves stay: pages are handed out from below. */
	while (o-- > order)
		block_add(a, page + (1UL << o), o);
	page->state = PAGE_USED;
	page->order = (u8)order;
	a->free -= block_size(order);
	a->max_used = max(a->max_used, arena_used(a));
	return page;
}

void *block_address(struct arena_page *page)
{
	return chunk_of(page)->base + (size_t)page->index * PAGE_SIZE;
}

void *alloc_pages(struct arena *a, unsigned int order)
{
	struct arena_page *page = alloc_block(a, order);

	return page ? block_address(page) : NULL;
}

#ifdef SMM_DEBUG
static bool free_is_wrong(struct arena *a, const struct arena_page *page, const void *mem,
			  unsigned int order)
{
	const char *what = NULL;

	if (!page || (unsigned long)mem & ~PAGE_MASK)
		what = "not a page of this arena";
	else if (page->state != PAGE_USED)
		what = "double free";
	else if (page->order != order)
		what = "freed with another order";
	if (what)
		arena_broken(a, "pages", what, mem);
	return what != NULL;
}
#else
static inline bool free_is_wrong(struct arena *a, const struct arena_page *page,
				 const void *mem, unsigned int order)
{
	(void)a;
	(void)page;
	(void)mem;
	(void)order;
	return false;
}
#endif

void free_block(struct arena *a, struct arena_page *page)
{
	struct arena_chunk *chunk = chunk_of(page);
	unsigned int order = page->order;
	struct arena_page *buddy;

	a->free += block_size(order);
	page->state = PAGE_TAIL;
	for (; order + 1 < NR_ORDERS; order++) {
		buddy = free_buddy(chunk, page, order);
		if (!buddy)
			break;
		block_del(a, buddy);
		page = min(page, buddy);
	}
	block_add(a, page, order);
}

void free_pages(struct arena *a, void *mem, unsigned int order)
{
	struct arena_page *page = page_of(a, mem);

	if (!free_is_wrong(a, page, mem, order))
		free_block(a, page);
}

/* --- validate ---------------------------------------------------------------------- */

static const char *validate_block(struct arena_chunk *chunk, struct arena_page *page)
{
	const unsigned long number = chunk->first + page->index;

	if (page->state != PAGE_FREE && page->state != PAGE_USED)
		return "a page belongs to no block";
	if (page->order >= NR_ORDERS)
		return "a block of no known order";
	if (number & ((1UL << page->order) - 1))
		return "a block is not aligned to its size";
	if (page->index + (1UL << page->order) > chunk->nr)
		return "a block reaches beyond its chunk";
	if (page->state == PAGE_FREE && page->order + 1 < NR_ORDERS &&
	    free_buddy(chunk, page, page->order))
		return "two free buddies are not one block";
	return NULL;
}

/* Blocks cover the chunk without a gap. Adds to @free[] what is free. */
static const char *validate_chunk(struct arena_chunk *chunk, size_t free[NR_ORDERS])
{
	for (u32 i = 0; i < chunk->nr; i += 1U << chunk->page[i].order) {
		const char *err = validate_block(chunk, &chunk->page[i]);

		if (chunk->page[i].index != i)
			return "a descriptor does not know its place";
		if (err)
			return err;
		if (chunk->page[i].state == PAGE_FREE)
			free[chunk->page[i].order]++;
	}
	return NULL;
}

static const char *validate_free_area(const struct free_area *area, unsigned int order,
				      size_t nr)
{
	struct list_head *pos;
	size_t listed = 0;

	list_for_each (pos, &area->list) {
		const struct arena_page *page = list_entry(pos, struct arena_page, list);

		if (page->state != PAGE_FREE || page->order != order)
			return "a block is on the wrong list";
		if (listed++ == nr)
			break;
	}
	return listed == nr && area->nr == nr ? NULL : "a free block is on no list";
}

const char *validate_arena(const struct arena *a)
{
	size_t free[NR_ORDERS] = { 0 }, bytes = 0, chunks = 0;

	for (struct arena_chunk *c = a->chunks; c; c = c->next) {
		const char *err = validate_chunk(c, free);

		if (err)
			return err;
		chunks++;
	}
	for (unsigned int o = 0; o < NR_ORDERS; o++) {
		const char *err = validate_free_area(&a->free_area[o], o, free[o]);

		if (err)
			return err;
		bytes += free[o] * block_size(o);
	}
	if (chunks != a->nr_chunks)
		return "wrong number of chunks";
	return bytes == a->free ? NULL : "wrong number of free bytes";
}
