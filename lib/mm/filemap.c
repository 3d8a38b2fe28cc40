// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Windows of faults in files (mm/filemap.c, mm/readahead.c). A page whose bit is set in
 * the index (page_cache.h) needs only to be mapped, which costs next to nothing; one that
 * is not has to be read, which costs time and memory.
 *
 *	chunk	|	:	:	:	|  PAGE_CACHE_CHUNK pages of the file
 *	minor	|	[---x---]	:	|  16 pages, aligned; each
 *	again	|	[-------x-------]	|  further fault in the chunk doubles that
 *	major	|	[-----x----]	:	|  32 pages, aligned: read around
 *	in order|	[xxxx)[xxxxxxxx)[x------|  doubles, minor or major
 *					 '- - - >  ahead: the next window, not waited for
 *
 * A window ends with its chunk, which is what the engine locks, with the area and with
 * the file. Who jumps about in what is not cached gets his page alone after MISSES_MAX
 * windows that no fault came after, or at once if he says so (MADV_RANDOM); but while
 * the kernel has it in its cache the window grows with the faults in a chunk, up to 64
 * pages.
 */
#include "lib/mm/address_space.h"
#include "lib/mm/vm_ops.h"

#define MAP_FIRST  16  /* pages: fault_around_bytes */
#define READ_FIRST 32  /* pages: VM_READAHEAD_PAGES */
#define QUICK_MAX  64  /* pages: of what is not cached by us, but by the kernel */
#define MISSES_MAX 100 /* MMAP_LOTSAMISS */
#define SKIP	   (8 * PAGE_SIZE) /* of such a gap a stream takes no notice */

/* --- bounds ------------------------------------------------------------------------ */

static unsigned long page_at(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* Where the area has the file's page, which may be before it begins: a number only. */
static unsigned long addr_of(const struct vm_area_struct *vma, unsigned long page)
{
	return vma->vm_start + ((page - vma->vm_pgoff) << PAGE_SHIFT);
}

static struct address_space *mapping_of(const struct vm_area_struct *vma)
{
	return vma->vm_file->host->mapping;
}

/* The pages of the chunk of @page that the area and the file have: [*first, *end). */
static void chunk_bounds(const struct vm_area_struct *vma, unsigned long page,
			 unsigned long *first, unsigned long *end)
{
	unsigned long chunk = page - page % PAGE_CACHE_CHUNK;

	*first = max(chunk, vma->vm_pgoff);
	*end = min(chunk + PAGE_CACHE_CHUNK, vma->vm_pgoff + vma_pages(vma));
	*end = min(*end, (unsigned long)mapping_of(vma)->nrpages);
}

/* [first, end) of the file, cut to what @page may have in one window. */
static void set_window(const struct vm_fault *vmf, unsigned long page,
		       unsigned long first, unsigned long end)
{
	struct file_plan *plan = &vmf->plan->file;
	unsigned long least, most;

	chunk_bounds(vmf->vma, page, &least, &most);
	plan->pgoff = max(first, least);
	plan->start = addr_of(vmf->vma, plan->pgoff);
	plan->end = addr_of(vmf->vma, min(end, most));
}

static void aligned_window(const struct vm_fault *vmf, unsigned int pages)
{
	unsigned long page = page_at(vmf->vma, vmf->address), first = page - page % pages;

	set_window(vmf, page, first, first + pages);
}

static bool is_cached(const struct address_space *mapping, unsigned long page)
{
	struct page_cache *cache = READ_ONCE(mapping->cache);

	return cache && page_cache_test(cache, page);
}

/* What follows the window, if the first or the last page of it is still to be read. */
static void look_ahead(const struct vm_fault *vmf, unsigned long pages)
{
	struct file_plan *plan = &vmf->plan->file;
	unsigned long page = plan->pgoff + ((plan->end - plan->start) >> PAGE_SHIFT);
	unsigned long end = min(vmf->vma->vm_pgoff + vma_pages(vmf->vma),
				(unsigned long)plan->mapping->nrpages);

	if (page >= end)
		return;
	end = min(end, page + pages);
	if (!is_cached(plan->mapping, page) || !is_cached(plan->mapping, end - 1))
		plan->ahead = end - page;
}

/* --- faults in one chunk ----------------------------------------------------------- */

/* How many there were before this one, as far as it is remembered. */
static unsigned int faults_before(struct fault_streams *streams, unsigned long addr)
{
	u32 block = (u32)(addr / (PAGE_CACHE_CHUNK * PAGE_SIZE));
	struct fault_block *b = &streams->block[block % NR_FAULT_BLOCKS];

	if (b->block != block)
		*b = (struct fault_block){ .block = block };
	if (b->faults < 255)
		b->faults++;
	return b->faults - 1U;
}

/* --- windows ----------------------------------------------------------------------- */

static void growing_window(const struct vm_fault *vmf, unsigned int most)
{
	unsigned int more = min(faults_before(vmf->streams, vmf->address), 5U);

	aligned_window(vmf, min((unsigned int)MAP_FIRST << more, most));
}

static void filemap_map_pages(struct vm_fault *vmf)
{
	growing_window(vmf, FAULT_AROUND_MAX);
}

/* do_sync_mmap_readahead() */
static void read_around(const struct vm_fault *vmf)
{
	struct vma_stat *stat = vmf->vma->stat;
	bool alone = stat && stat->misses >= MISSES_MAX;

	vmf->plan->file.read = true;
	if (alone && READ_ONCE(mapping_of(vmf->vma)->quick)) {
		growing_window(vmf, QUICK_MAX);
		return;
	}
	if (stat && !alone)
		stat->misses++;
	aligned_window(vmf, alone ? 1 : READ_FIRST);
}

/* @so_far: pages of the stream. */
static void forward(const struct vm_fault *vmf, unsigned int pages, unsigned long so_far)
{
	unsigned long page = page_at(vmf->vma, vmf->address);

	set_window(vmf, page, page, page + pages);
	if (vmf->vma->vm_flags & VM_SEQ_READ)
		so_far = FILE_AHEAD_MAX;
	so_far = max((unsigned long)pages, so_far);
	look_ahead(vmf, min(so_far, FILE_AHEAD_MAX));
	vmf->plan->file.read = true;
}

static void backward(const struct vm_fault *vmf, unsigned int pages)
{
	unsigned long page = page_at(vmf->vma, vmf->address);

	set_window(vmf, page, page + 1 - min((unsigned long)pages, page + 1), page + 1);
	vmf->plan->file.read = true;
}

/* --- streams ----------------------------------------------------------------------- */

static bool is_after(const struct fault_stream *s, unsigned long addr)
{
	return addr >= s->end && addr < s->end + SKIP;
}

static bool in_order(const struct fault_stream *s, unsigned long addr)
{
	return s->start != s->end && (is_after(s, addr) || addr + PAGE_SIZE == s->start);
}

/* Twice as much as the last time, at either end. */
static void go_on(const struct vm_fault *vmf, struct fault_stream *s)
{
	const struct file_plan *plan = &vmf->plan->file;
	struct vma_stat *stat = vmf->vma->stat;

	s->window = max(s->window, MAP_FIRST / 2U);
	s->window = min(2 * s->window, (unsigned int)FAULT_AROUND_MAX);
	if (vmf->vma->vm_flags & VM_SEQ_READ)
		s->window = FAULT_AROUND_MAX;
	if (stat && stat->misses)
		stat->misses--;
	if (is_after(s, vmf->address)) {
		forward(vmf, s->window, (s->end - s->start) >> PAGE_SHIFT);
		s->end = plan->end;
	} else {
		backward(vmf, s->window);
		s->start = plan->start;
	}
}

static void begin(struct vm_fault *vmf, struct fault_stream *s, bool major)
{
	const struct file_plan *plan = &vmf->plan->file;

	if (vmf->vma->vm_flags & VM_SEQ_READ)
		forward(vmf, FAULT_AROUND_MAX, 0);
	else if (major)
		read_around(vmf);
	else
		filemap_map_pages(vmf);
	*s = (struct fault_stream){ .start = plan->start, .end = plan->end };
	s->window = (unsigned int)((s->end - s->start) >> PAGE_SHIFT);
}

/*
 * A stream that has gone on unseen, through what is settled: the fault is where that
 * ends, and the stream was last seen in it.
 */
static struct fault_stream *unseen(const struct vm_fault *vmf)
{
	const struct vm_area_struct *vma = vmf->vma;
	struct vm_area_struct *prev;

	tree_find_prev(rcu_dereference(vmf->mm->root), vma->vm_start, &prev);
	if (!prev || prev->vm_end != vma->vm_start || !vma_is_settled(prev) ||
	    vma_host(prev) != vma_host(vma) || vmf->address - vma->vm_start >= SKIP)
		return NULL;
	for (int i = 0; i < NR_STREAMS; i++) {
		struct fault_stream *s = &vmf->streams->s[i];

		if (s->start == s->end || s->end < prev->vm_start ||
		    s->end > vmf->address)
			continue;
		s->end = vmf->address;
		return s;
	}
	return NULL;
}

static void next_in_stream(struct vm_fault *vmf, bool major)
{
	struct fault_streams *streams = vmf->streams;
	struct fault_stream *s = stream_find(streams, vmf->address, in_order);
	bool found;

	if (!s)
		s = unseen(vmf);
	found = s != NULL;

	if (!s)
		s = stream_least_recently_used(streams);
	stream_remember(streams, s, vmf->vma->stat);
	if (found)
		go_on(vmf, s);
	else
		begin(vmf, s, major);
	s->used = ++streams->clock;
}

/* --- faults ------------------------------------------------------------------------ */

static void choose_window(struct vm_fault *vmf)
{
	unsigned long page = page_at(vmf->vma, vmf->address);
	bool major = !(vmf->flags & FAULT_FLAG_MINOR) ||
		     !is_cached(mapping_of(vmf->vma), page);

	if (vmf->fixed) {
		aligned_window(vmf, min(vmf->fixed, (unsigned int)FAULT_AROUND_MAX));
		vmf->plan->file.read = major;
	} else if (!(vmf->vma->vm_flags & VM_RAND_READ)) {
		next_in_stream(vmf, major);
	} else if (major) {
		aligned_window(vmf, 1);
	} else {
		filemap_map_pages(vmf);
	}
}

static bool filemap_access(const struct vm_fault *vmf)
{
	return access_allowed(vmf) &&
	       page_at(vmf->vma, vmf->address) < mapping_of(vmf->vma)->nrpages;
}

static enum fault_verdict filemap_fault(struct vm_fault *vmf)
{
	if (!vma_host(vmf->vma))
		return FAULT_STALE; /* the program's own mapping, by now */
	/* Whether it is registered the kernel knew best. Zeroes are never right here. */
	if (!filemap_access(vmf))
		return FAULT_RETRY;
	*vmf->plan = (struct fault_plan){ .file = { .mapping = mapping_of(vmf->vma),
						    .stat = vmf->vma->stat } };
	choose_window(vmf);
	return FAULT_FILE;
}

static void filemap_populate(const struct vm_area_struct *vma, unsigned long addr,
			     unsigned long end, struct file_plan *plan)
{
	struct fault_plan whole = {
		.file = { .mapping = mapping_of(vma), .stat = vma->stat, .read = true }
	};
	const struct vm_fault vmf = { .vma = vma, .address = addr, .plan = &whole };
	unsigned long page = page_at(vma, addr);

	set_window(&vmf, page, page, page + ((end - addr) >> PAGE_SHIFT));
	*plan = whole.file;
}

bool file_populate(struct mm_struct *mm, unsigned long addr, unsigned long limit,
		   struct file_plan *plan)
{
	const struct vm_area_struct *vma;

	for (; (vma = mm_next_file(mm, addr, limit)); addr = vma->vm_end) {
		unsigned long from = max(addr, vma->vm_start);

		if (page_at(vma, from) >= mapping_of(vma)->nrpages)
			continue;
		vma_ops(vma)->populate(vma, from, min(limit, vma->vm_end), plan);
		return true;
	}
	return false;
}

/* The kernel copies the page, and knows it from the file's. */
static enum cow_verdict filemap_page_mkwrite(const struct vm_area_struct *vma,
					     unsigned long addr,
					     struct cow_streams *streams,
					     struct cow_plan *plan)
{
	(void)addr;
	(void)streams;
	(void)plan;
	return vma_host(vma) || !(vma->vm_flags & VM_UFFD_PROGRAM) ? COW_STALE
								   : COW_FOREIGN;
}

static void filemap_open(struct vma_txn *t, struct vm_area_struct *vma)
{
	if (vma_host(vma))
		i_mmap_insert(t, vma);
}

static void filemap_close(struct vma_txn *t, struct vm_area_struct *vma)
{
	if (vma_host(vma))
		i_mmap_remove(t, vma);
}

const struct vm_operations filemap_vm_ops = {
	.open = filemap_open,
	.close = filemap_close,
	.fault = filemap_fault,
	.map_pages = filemap_map_pages,
	.page_mkwrite = filemap_page_mkwrite,
	.access = filemap_access,
	.populate = filemap_populate,
};
