// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <string.h>

#include "lib/mm/address_space.h"
#include "lib/mm/fault_around.h"
#include "lib/mm/vma.h"
#include "tests/model/steps.h"
#include "tests/model/mman.h"

#define BASE	   0x100000000UL
#define BOOT_BYTES (4 * PAGE_SIZE)
#define POOL_BYTES (1UL << 20)
#define MAX_AREAS  256
#define READERS	   2

struct side {
	struct mm_struct mm;
	char *pool;
	size_t used;
};

static struct side tight, rich;
static struct {
	int token[READERS]; /* of tight; -1: none */
	bool starve;	    /* this step gets no memory */
	char done[256];	    /* the step in words */
} now;

struct step_count step_count;

/* --- bytes ------------------------------------------------------------------------- */

static unsigned int byte(struct byte_source *src)
{
	if (!src->data)
		return (unsigned int)(rng_next(&src->rng) >> 40) & 0xff;
	if (!src->len)
		return 0;
	src->len--;
	return *src->data++;
}

static unsigned int below(struct byte_source *src, unsigned int n)
{
	return byte(src) % n;
}

static unsigned long addr_of(struct byte_source *src)
{
	return BASE + below(src, STEP_PAGES) * PAGE_SIZE;
}

static unsigned long len_of(struct byte_source *src)
{
	return (1 + below(src, 7)) * PAGE_SIZE;
}

/* --- failing ----------------------------------------------------------------------- */

static void print_side(const char *who, struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	fprintf(stderr, "%s: blind %d, %lu areas\n", who, mm->blind, mm->map_count);
	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		fprintf(stderr,
			"  %2ld..%2ld flags %lx pgoff %lx file %lu inexact %x known %x "
			"anon %u %s\n",
			(long)(vma->vm_start - BASE) / (long)PAGE_SIZE,
			(long)(vma->vm_end - BASE) / (long)PAGE_SIZE, vma->vm_flags,
			vma->vm_pgoff, vma->vm_file ? vma->vm_file->ino : 0, vma->inexact,
			vma->known, vma->anon, track_reason_name(vma->reason));
}

static void fail(const char *what)
{
	fprintf(stderr, "step %lu, %s: %s\n", step_count.steps, now.done, what);
	print_side("tight", &tight.mm);
	print_side("rich", &rich.mm);
	fflush(stderr);
	abort();
}

/* --- memory ------------------------------------------------------------------------ */

static void side_begin(struct side *s, size_t boot)
{
	if (!s->pool)
		s->pool = aligned_alloc(PAGE_SIZE, POOL_BYTES);
	mm_init(&s->mm, s->pool, boot);
	s->used = boot;
	s->mm.own_enabled = true;
	s->mm.min_own = 2 * PAGE_SIZE;
	s->mm.start_brk = s->mm.brk = BASE + STEP_PAGES * PAGE_SIZE;
	s->mm.start_stack = BASE - 1;
}

static bool feed(struct side *s, size_t bytes)
{
	if (s->used + bytes > POOL_BYTES)
		return false;
	arena_add(&s->mm.arena, s->pool + s->used, bytes);
	s->used += bytes;
	step_count.fed++;
	return true;
}

/* As little as it takes. */
static void prepare(size_t (*ask)(struct mm_struct *mm, const unsigned long *a),
		    const unsigned long *a)
{
	unsigned int tries = 0;

	if (ask(&rich.mm, a))
		fail("the model with all the memory wants more");
	while (!now.starve && ask(&tight.mm, a)) {
		size_t want = ++tries < 64 ? PAGE_SIZE : ask(&tight.mm, a);

		if (!feed(&tight, want))
			now.starve = true; /* as if the kernel had refused us memory */
	}
}

/* --- the same before and after ----------------------------------------------------- */

struct snapshot {
	unsigned int nr;
	unsigned long map_count, total_vm, locked_vm, data_vm, exec_vm, stack_vm;
	struct vm_area_struct area[MAX_AREAS];
};

static void take(struct mm_struct *mm, struct snapshot *s)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	s->nr = 0;
	s->map_count = mm->map_count;
	s->total_vm = mm->total_vm;
	s->locked_vm = mm->locked_vm;
	s->data_vm = mm->data_vm;
	s->exec_vm = mm->exec_vm;
	s->stack_vm = mm->stack_vm;
	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		if (s->nr < MAX_AREAS)
			s->area[s->nr++] = *vma;
}

static bool same_name(const struct vma_file *a, const struct vma_file *b)
{
	if (!a || !b)
		return a == b;
	return a->ino == b->ino && !strcmp(a->name, b->name);
}

/* @exact: one model at two moments, so also the same objects. */
static bool same_area(const struct vm_area_struct *a, const struct vm_area_struct *b,
		      bool exact)
{
	return a->vm_start == b->vm_start && a->vm_end == b->vm_end &&
	       a->vm_flags == b->vm_flags && a->vm_pgoff == b->vm_pgoff &&
	       a->policy == b->policy && a->reason == b->reason &&
	       a->inexact == b->inexact && a->known == b->known && !a->anon == !b->anon &&
	       !a->stat == !b->stat &&
	       (exact ? a->vm_file == b->vm_file && a->stat == b->stat
		      : same_name(a->vm_file, b->vm_file));
}

static bool same(const struct snapshot *a, const struct snapshot *b, bool exact)
{
	if (a->nr != b->nr || a->map_count != b->map_count ||
	    a->total_vm != b->total_vm || a->locked_vm != b->locked_vm ||
	    a->data_vm != b->data_vm || a->exec_vm != b->exec_vm ||
	    a->stack_vm != b->stack_vm)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		if (!same_area(&a->area[i], &b->area[i], exact))
			return false;
	return true;
}

/* --- calls ------------------------------------------------------------------------- */

/* Arguments of a step, for both models. */
struct step {
	void (*call)(struct mm_struct *mm, const struct step *s);
	size_t (*ask)(struct mm_struct *mm, const unsigned long *a);
	unsigned long a[6];
	unsigned int ino; /* mmap: of the file, or 0 */
	const char *name;
};

static size_t ask_range(struct mm_struct *mm, const unsigned long *a)
{
	return mm_prepare(mm, a[0], a[1]);
}

static size_t ask_all(struct mm_struct *mm, const unsigned long *a)
{
	(void)a;
	return mm_prepare(mm, 0, ~0UL);
}

static size_t ask_unmap(struct mm_struct *mm, const unsigned long *a)
{
	(void)a;
	return mm_prepare_unmap(mm);
}

static size_t ask_mremap(struct mm_struct *mm, const unsigned long *a)
{
	return mm_prepare_mremap(mm, a[0], max(a[1], PAGE_SIZE), a[2], a[3]);
}

static void call_mmap(struct mm_struct *mm, const struct step *s)
{
	struct mmap_call c = { .addr = s->a[0],
			       .len = s->a[1],
			       .prot = s->a[2],
			       .flags = s->a[3],
			       .pgoff = s->a[4] };

	if (s->ino) {
		c.file = vma_file_get(mm, 1, 2, s->ino, "/file");
		if (!c.file) { /* the hook's lib/hook/areas.c does without the model */
			mm->blind = true;
			return;
		}
	}
	mm_mmap(mm, &c);
}

static void step_mmap(struct byte_source *src, struct step *s)
{
	static const unsigned long types[] = { MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE,
					       MAP_SHARED, MAP_DROPPABLE };
	static const unsigned long extra[] = {
		0, 0, 0, MAP_NORESERVE, MAP_STACK, MAP_GROWSDOWN, MAP_LOCKED, MAP_POPULATE
	};
	unsigned int bits = byte(src);

	s->a[2] = bits & 7;
	s->a[3] = MAP_FIXED | types[below(src, ARRAY_SIZE(types))] |
		  extra[below(src, ARRAY_SIZE(extra))];
	if (bits & 0x60) {
		s->a[3] |= MAP_ANONYMOUS;
	} else {
		s->ino = 1 + (bits >> 7);
		s->a[4] = bits & 8 ? (s->a[0] - BASE) >> PAGE_SHIFT : below(src, 32);
	}
	*s = (struct step){ call_mmap,
			    ask_unmap,
			    { s->a[0], s->a[1], s->a[2], s->a[3], s->a[4] },
			    s->ino,
			    "mmap" };
}

static void call_mmap_failed(struct mm_struct *mm, const struct step *s)
{
	struct mmap_call c = { .addr = s->a[0], .len = s->a[1], .flags = MAP_FIXED };

	mm_mmap_failed(mm, &c);
}

static void call_munmap(struct mm_struct *mm, const struct step *s)
{
	mm_munmap(mm, s->a[0], s->a[1]);
}

static void call_mprotect(struct mm_struct *mm, const struct step *s)
{
	mm_mprotect(mm, s->a[0], s->a[1], s->a[2], (int)s->a[3] - 1);
}

static void call_madvise(struct mm_struct *mm, const struct step *s)
{
	mm_advice(mm, s->a[0], s->a[1], (int)s->a[2]);
}

static void call_mlock(struct mm_struct *mm, const struct step *s)
{
	mm_mlock(mm, s->a[0], s->a[1], s->a[2]);
}

static void call_mlockall(struct mm_struct *mm, const struct step *s)
{
	mm_mlockall(mm, (int)s->a[2]);
}

static void call_mremap(struct mm_struct *mm, const struct step *s)
{
	mm_mremap(mm, s->a[0], s->a[1], s->a[2], s->a[3], s->a[4]);
}

static void call_mremap_failed(struct mm_struct *mm, const struct step *s)
{
	mm_mremap_failed(mm, s->a[0], s->a[1], s->a[2], s->a[3], s->a[4]);
}

/* As the kernel accepts it: the target does not overlap the source. */
static void step_mremap(struct byte_source *src, struct step *s)
{
	unsigned int bits = byte(src);

	s->call = bits & 0x80 ? call_mremap_failed : call_mremap;
	s->ask = ask_mremap;
	s->name = bits & 0x80 ? "mremap, failed" : "mremap";
	s->a[2] = bits & 1 ? s->a[0] : addr_of(src);
	s->a[3] = bits & 2 ? s->a[1] : len_of(src);
	if (!(bits & 0x3c))
		s->a[1] = 0;
	s->a[4] = MREMAP_MAYMOVE | MREMAP_FIXED;
	if (s->a[2] == s->a[0])
		s->a[4] = 0;
	else if (s->a[2] < s->a[0] + s->a[1] && s->a[0] < s->a[2] + s->a[3])
		s->a[2] = BASE + 2 * STEP_PAGES * PAGE_SIZE;
	if (s->a[4] && bits & 0x40 && s->a[1]) {
		s->a[4] |= MREMAP_DONTUNMAP;
		s->a[3] = s->a[1];
	}
	if (!s->a[1] && s->a[2] == s->a[0])
		s->a[1] = PAGE_SIZE;
}

/* brk() keeps a page away from what it meets on its way up. */
static void call_brk(struct mm_struct *mm, const struct step *s)
{
	if (s->a[2] < mm->brk ||
	    !find_vma_intersection(mm, PAGE_ALIGN(mm->brk), s->a[2] + 2 * PAGE_SIZE))
		mm_brk(mm, s->a[2]);
}

static void call_uffd(struct mm_struct *mm, const struct step *s)
{
	mm_set_uffd(mm, s->a[0], s->a[0] + s->a[1], s->a[2]);
}

static void call_track(struct mm_struct *mm, const struct step *s)
{
	mm_set_track(mm, s->a[0], s->a[0] + s->a[1], (enum track_reason)s->a[2]);
}

static void call_doubt(struct mm_struct *mm, const struct step *s)
{
	mm_doubt(mm, s->a[0], s->a[0] + s->a[1]);
}

/* --- files that we page ------------------------------------------------------------ */

#define ASIDE	 (BASE + 1024 * PAGE_SIZE)
#define MAPPINGS 3

static struct address_space *mapping_of(struct mm_struct *mm, unsigned long ino)
{
	const struct file_key key = { .ino = ino, .size = STEP_PAGES / 2 * PAGE_SIZE };
	struct address_space *mapping = mapping_find(mm, &key);

	return mapping ? mapping : mapping_new(mm, &key);
}

static size_t ask_file(struct mm_struct *mm, const unsigned long *a)
{
	size_t missing = mm_prepare(mm, a[0], a[1]);

	return missing ? missing : mm_prepare_mapping(mm);
}

/* The part of the area at a[0] that the range has becomes ours. */
static void call_map_file(struct mm_struct *mm, const struct step *s)
{
	const struct vm_area_struct *vma = find_vma(mm, s->a[0]);
	struct address_space *mapping;
	struct vma_file *frames;

	if (!vma || vma->vm_start > s->a[0] || !vma->vm_file || !vma->vm_file->ino ||
	    vma_host(vma) || vma->vm_flags & VM_MAYSHARE)
		return;
	mapping = mapping_of(mm, s->a[3]);
	frames = mapping ? vma_file_get(mm, 0, 1, 77, "/memfd:frames (deleted)") : NULL;
	if (!frames || mm_short_of_memory(mm, UNMAP_AREAS) || mm_prepare_mapping(mm)) {
		if (frames)
			vma_file_put(mm, frames);
		mm->blind = true; /* the engine leaves it to the kernel */
		return;
	}
	step_count.files++;
	mm_map_file(mm, s->a[0], min(vma->vm_end, s->a[0] + s->a[1]),
		    ASIDE + s->a[2] * PAGE_SIZE, frames, mapping);
}

static void call_unmap_file(struct mm_struct *mm, const struct step *s)
{
	const struct vm_area_struct *vma = mm_next_file(mm, s->a[0], s->a[0] + s->a[1]);

	if (vma)
		mm_unmap_file(mm, max(vma->vm_start, s->a[0]),
			      min(vma->vm_end, s->a[0] + s->a[1]), TRACK_FILE_LEFT);
}

static void step_file(struct byte_source *src, struct step *s)
{
	unsigned int bits = byte(src);

	s->a[2] = byte(src) % STEP_PAGES;
	s->a[3] = 1 + bits % MAPPINGS;
	s->ask = ask_file;
	s->call = bits & 0x30 ? call_map_file : call_unmap_file;
	s->name = bits & 0x30 ? "map file" : "unmap file";
}

struct found {
	const struct vm_area_struct *prev;
	unsigned long first, last, nr;
};

static void found_area(const struct vm_area_struct *vma, void *arg)
{
	struct found *f = arg;
	unsigned long last = vma->vm_pgoff + vma_pages(vma) - 1;

	if (vma->vm_pgoff > f->last || last < f->first)
		fail("i_mmap_for_each: an area that does not have the pages");
	if (f->prev && f->prev->vm_pgoff > vma->vm_pgoff)
		fail("i_mmap_for_each: out of order");
	f->prev = vma;
	f->nr++;
}

/* The interval tree and a look at every area find as many; the rest validate_mm() saw. */
static void look_up_pages(struct byte_source *src, struct mm_struct *mm)
{
	struct address_space *mapping = mapping_of(mm, 1 + below(src, MAPPINGS));
	struct found f = { .first = below(src, 64) };
	struct vm_area_struct *vma;
	struct vma_iter it;

	f.last = f.first + below(src, 16);
	if (!mapping)
		return;
	i_mmap_for_each(mapping, f.first, f.last, found_area, &f);
	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		if (vma_host(vma) && vma_host(vma)->mapping == mapping &&
		    vma->vm_pgoff <= f.last && vma->vm_pgoff + vma_pages(vma) > f.first)
			f.nr--;
	step_count.pages += f.prev != NULL;
	if (f.nr)
		fail("i_mmap_for_each");
}

static void step_madvise(struct byte_source *src, struct step *s)
{
	static const u8 advices[] = { MADV_NORMAL,	MADV_RANDOM,
				      MADV_SEQUENTIAL,	MADV_DONTFORK,
				      MADV_DOFORK,	MADV_MERGEABLE,
				      MADV_HUGEPAGE,	MADV_NOHUGEPAGE,
				      MADV_DONTDUMP,	MADV_DODUMP,
				      MADV_WIPEONFORK,	MADV_KEEPONFORK,
				      MADV_UNMERGEABLE, 102 /* MADV_GUARD_INSTALL */ };

	*s = (struct step){ call_madvise, ask_range, { s->a[0], s->a[1] }, 0, "madvise" };
	s->a[2] = advices[below(src, ARRAY_SIZE(advices))];
}

/* Sometimes what the kernel refuses with an error that may come half way. */
static void odd_range(struct byte_source *src, struct step *s)
{
	switch (below(src, 64)) {
	case 0:
		s->a[1] = ~0UL - byte(src);
		break;
	case 1:
		s->a[0] += byte(src);
		break;
	case 2:
		s->a[1] = 0;
		break;
	default:
		break;
	}
}

static bool step_choose(struct byte_source *src, struct step *s)
{
	static const unsigned long locks[] = { 0, VM_LOCKED, VM_LOCKED | VM_LOCKONFAULT };
	unsigned int kind = below(src, 74);

	*s = (struct step){ .ask = ask_range, .a = { addr_of(src), len_of(src) } };
	if (kind < 16) {
		step_mmap(src, s);
	} else if (kind < 20) {
		*s = (struct step){
			call_munmap, ask_unmap, { s->a[0], s->a[1] }, 0, "munmap"
		};
	} else if (kind < 31) {
		s->call = call_mprotect, s->name = "mprotect";
		s->a[2] = byte(src) & 7;
		s->a[3] = below(src, 16) ? 0 : below(src, 3);
		odd_range(src, s);
	} else if (kind < 38) {
		step_madvise(src, s);
		odd_range(src, s);
	} else if (kind < 42) {
		s->call = call_mlock, s->name = "mlock";
		s->a[2] = locks[below(src, 3)];
		odd_range(src, s);
	} else if (kind == 42) {
		s->call = call_mlockall, s->ask = ask_all, s->name = "mlockall";
		s->a[2] = below(src, 8);
	} else if (kind < 50) {
		step_mremap(src, s);
	} else if (kind < 53) {
		s->call = call_brk, s->ask = ask_unmap, s->name = "brk";
		s->a[2] = BASE + (STEP_PAGES + below(src, 6)) * PAGE_SIZE + below(src, 2);
	} else if (kind < 57) {
		s->call = call_uffd, s->name = "uffd";
		s->a[2] = below(src, 2);
	} else if (kind == 57) {
		s->call = call_track, s->name = "set_track";
		s->a[2] = 1 + below(src, TRACK_NR - 1);
	} else if (kind == 58) {
		s->call = call_doubt, s->name = "doubt";
	} else if (kind == 59) {
		*s = (struct step){ call_mmap_failed,
				    ask_unmap,
				    { s->a[0], s->a[1] },
				    0,
				    "mmap, failed" };
	} else if (kind >= 64) {
		step_file(src, s);
	} else {
		return false;
	}
	return true;
}

/* --- what is no call --------------------------------------------------------------- */

static void toggle_reader(unsigned int i)
{
	if (now.token[i] < 0) {
		now.token[i] = mm_read_lock(&tight.mm);
	} else {
		mm_read_unlock(&tight.mm, now.token[i]);
		now.token[i] = -1;
	}
}

static void readers_leave(void)
{
	for (unsigned int i = 0; i < READERS; i++)
		if (now.token[i] >= 0)
			toggle_reader(i);
}

static bool plan_is_inside(const struct fault_plan *plan, unsigned long addr,
			   const struct vm_area_struct *vma)
{
	unsigned long last = (addr & PAGE_MASK) + plan->count * plan->stride;

	return plan->start <= addr && addr < plan->end && plan->start >= vma->vm_start &&
	       plan->end <= vma->vm_end && last >= vma->vm_start && last < vma->vm_end;
}

static void look_up(struct byte_source *src)
{
	static struct fault_streams streams;
	unsigned long addr = addr_of(src);
	struct vm_area_struct *prev, *vma = find_vma_prev(&tight.mm, addr, &prev);
	struct fault_plan plan;

	if (vma != find_vma(&tight.mm, addr) || (vma && vma->vm_end <= addr) ||
	    (prev && prev->vm_end > addr))
		fail("find_vma");
	if (handle_mm_fault(&tight.mm, addr, byte(src) & 1, below(src, 65), &streams,
			    &plan) != FAULT_ZERO)
		return;
	if (!vma || !plan_is_inside(&plan, addr, vma))
		fail("fault plan");
}

/* A list that some kernel might show, in the window. */
static unsigned int random_list(struct byte_source *src, struct area_desc *d)
{
	unsigned long at = BASE + below(src, 4) * PAGE_SIZE;
	unsigned int nr = 0;

	while (nr < 16 && at < BASE + 2 * STEP_PAGES * PAGE_SIZE) {
		unsigned int bits = byte(src);

		d[nr] = (struct area_desc){ .start = at,
					    .end = at + (1 + bits % 5) * PAGE_SIZE,
					    .vm_flags = bits >> 4,
					    .name = "" };
		if (!(byte(src) & 3)) {
			d[nr].ino = 1 + (bits & 1);
			d[nr].major = 1;
			d[nr].minor = 2;
			d[nr].name = "/file";
			d[nr].pgoff = byte(src) & 1 ? (at - BASE) >> PAGE_SHIFT : 0;
		} else {
			d[nr].vm_flags &= ~VM_SHARED;
		}
		at = d[nr++].end + (byte(src) & 3 ? 0 : PAGE_SIZE);
	}
	return nr;
}

static void print_difference(void *priv, const char *what, const struct area_desc *shadow,
			     const struct area_desc *list)
{
	(void)priv;
	fprintf(stderr, "  %s:", what);
	for (int i = 0; i < 2; i++) {
		const struct area_desc *d = i ? list : shadow;

		if (d)
			fprintf(stderr, " %s %ld..%ld flags %lx pgoff %lx ino %lu",
				i ? "list" : "shadow",
				(long)(d->start - BASE) / (long)PAGE_SIZE,
				(long)(d->end - BASE) / (long)PAGE_SIZE, d->vm_flags,
				d->pgoff, d->ino);
	}
	fprintf(stderr, "\n");
}

static unsigned long verify(struct mm_struct *mm, const struct area_desc *d,
			    unsigned int nr, bool repair)
{
	struct mm_verify v;

	mm_verify_begin(&v, mm);
	v.repair = repair;
	v.report = repair ? NULL : print_difference;
	for (unsigned int i = 0; i < nr; i++)
		mm_verify_area(&v, &d[i]);
	mm_verify_end(&v);
	return v.differences;
}

/* Repair as that list says; a second look must then find nothing to say. */
static void step_repair(struct byte_source *src)
{
	struct area_desc d[16];
	unsigned int nr = random_list(src, d);
	struct side *sides[] = { &tight, &rich };
	bool blind = !below(src, 8);

	snprintf(now.done, sizeof(now.done), "verify with repair, %u areas", nr);
	readers_leave(); /* verify waits for them */
	now.starve = false;
	prepare(ask_all, NULL);
	step_count.repairs++;
	for (int i = 0; i < 2; i++) {
		struct mm_struct *mm = &sides[i]->mm;

		/* As blind as the other was, to forget as much */
		mm->blind = blind;
		verify(mm, d, nr, true);
		while (mm->blind && feed(sides[i], PAGE_SIZE)) {
			blind = true;
			verify(mm, d, nr, true);
		}
		if (mm->blind)
			fail("blind for want of a megabyte");
		if (validate_mm(mm))
			fail(validate_mm(mm));
		if (verify(mm, d, nr, false))
			fail("a repair that does not repair");
	}
}

static void step_dup(void)
{
	snprintf(now.done, sizeof(now.done), "fork");
	readers_leave();
	mm_dup(&tight.mm);
	mm_dup(&rich.mm);
}

static void check_valid(struct side *s)
{
	const char *err = validate_mm(&s->mm);

	if (err)
		fail(err);
}

/* As the hooks do after each call. */
static void step_orphans(void)
{
	struct side *sides[] = { &tight, &rich };
	struct address_space *mapping;
	unsigned long at, len;

	snprintf(now.done, sizeof(now.done), "end orphans");
	now.starve = false;
	for (;;) {
		prepare(ask_all, NULL);
		if (now.starve || list_empty(&rich.mm.orphans))
			return;
		for (int i = 0; i < 2; i++) {
			struct mm_struct *mm = &sides[i]->mm;

			if (!mm_next_orphan(mm, &at, &len, &mapping))
				fail("an orphan in one of two models");
			if (len)
				mm_munmap(mm, at, len);
			else if (!mapping->refs)
				mapping_free(mm, mapping);
			check_valid(sides[i]);
		}
	}
}

static void other_step(struct byte_source *src)
{
	unsigned int kind = below(src, 20);

	snprintf(now.done, sizeof(now.done), "look");
	if (kind < 6)
		toggle_reader(kind % READERS);
	else if (kind < 13)
		look_up(src);
	else if (kind < 14)
		step_dup();
	else if (kind < 16)
		step_repair(src);
	else if (kind < 18)
		step_orphans();
	look_up_pages(src, &tight.mm);
}

/* --- a step ------------------------------------------------------------------------ */

static void do_call(const struct step *s)
{
	static struct snapshot before, after, twin;

	snprintf(now.done, sizeof(now.done), "%s%s %lx %lx %lx %lx %lx", s->name,
		 now.starve ? " (starved)" : "", s->a[0], s->a[1], s->a[2], s->a[3],
		 s->a[4]);
	step_count.starved += now.starve;
	prepare(s->ask, s->a);
	if (now.starve)
		take(&tight.mm, &before);
	s->call(&tight.mm, s);
	check_valid(&tight);
	if (tight.mm.blind) {
		if (!now.starve)
			fail("blind although it was prepared");
		take(&tight.mm, &after);
		if (!same(&before, &after, true))
			fail("blind, and not as before");
		step_count.unchanged++;
		tight.mm.blind = false;
		/* Facts that no list of areas shows are kept in any case. */
		rich.mm.brk = tight.mm.brk;
		rich.mm.def_flags = tight.mm.def_flags;
		return;
	}
	s->call(&rich.mm, s);
	step_count.complete++;
	if (!now.starve && step_count.steps % 8)
		return;
	check_valid(&rich);
	take(&tight.mm, &after);
	take(&rich.mm, &twin);
	if (!same(&after, &twin, false))
		fail("it matters how much memory there is");
}

void steps_begin(struct byte_source *src)
{
	(void)src;
	readers_leave();
	side_begin(&tight, BOOT_BYTES);
	side_begin(&rich, POOL_BYTES);
	for (int i = 0; i < READERS; i++)
		now.token[i] = -1;
}

bool steps_do(struct byte_source *src)
{
	struct step s;

	if (src->data && !src->len)
		return false;
	step_count.steps++;
	now.starve = !below(src, 8);
	if (step_choose(src, &s))
		do_call(&s);
	else
		other_step(src);
	check_valid(&tight);
	return true;
}
