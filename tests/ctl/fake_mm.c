// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <string.h>

#include "fake_mm.h"
#include "lib/mm/address_space.h"

struct vma_node {
	size_t nr;
	struct vm_area_struct *area;
};

static struct vma_node node;
static char pages[64 << 10] __attribute__((aligned(PAGE_SIZE)));
struct mm_struct fake_mm;
unsigned long fake_differences;
const char *fake_broken;
long fake_reserve_error;

void fake_reset(void)
{
	free(node.area);
	node = (struct vma_node){ 0 };
	fake_mm = (struct mm_struct){ .root = &node };
	list_init(&fake_mm.mappings);
	arena_init(&fake_mm.arena);
	arena_add(&fake_mm.arena, pages, sizeof(pages));
	kmem_cache_init(&fake_mm.vma_cache, &fake_mm.arena, "vm_area_struct", 80, 8);
	fake_mm.node_cache.name = "vma_node";
	fake_mm.stat_cache.name = "vma_stat";
	fake_differences = 0;
	fake_reserve_error = 0;
	fake_broken = NULL;
}

struct vm_area_struct *fake_add(unsigned long start, unsigned long end,
				unsigned long flags, const char *name)
{
	struct vm_area_struct *vma;

	if (!(node.nr & (node.nr + 1)))
		node.area = realloc(node.area, 2 * (node.nr + 1) * sizeof(*node.area));
	vma = &node.area[node.nr++];
	*vma = (struct vm_area_struct){ .vm_start = start,
					.vm_end = end,
					.vm_flags = flags };
	vma->vm_pgoff = start >> PAGE_SHIFT;
	vma->reason = TRACK_BEFORE_START;
	if (name) {
		vma->vm_file = calloc(1, sizeof(*vma->vm_file) + strlen(name) + 1);
		strcpy(vma->vm_file->name, name);
		vma->vm_pgoff = 1;
		if (name[0] == '/') {
			vma->vm_file->major = 8;
			vma->vm_file->minor = 1;
			vma->vm_file->ino = 42;
		}
	}
	fake_mm.map_count++;
	fake_mm.total_vm += (end - start) >> PAGE_SHIFT;
	return vma;
}

/* No area is paged by us. */
void i_mmap_for_each(struct address_space *mapping, unsigned long first,
		     unsigned long last,
		     void (*fn)(const struct vm_area_struct *vma, void *arg), void *arg)
{
	(void)mapping;
	(void)first;
	(void)last;
	(void)fn;
	(void)arg;
}

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	for (size_t i = 0; i < mm->root->nr; i++)
		if (addr < mm->root->area[i].vm_end)
			return &mm->root->area[i];
	return NULL;
}

/* it->addr is the index here. */
void vma_iter_init(struct vma_iter *it, struct mm_struct *mm, unsigned long addr)
{
	it->root = mm->root;
	it->addr = addr;
}

struct vm_area_struct *vma_next(struct vma_iter *it)
{
	return it->addr < it->root->nr ? &it->root->area[it->addr++] : NULL;
}

const char *vma_name(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	(void)mm;
	return vma->vm_file ? vma->vm_file->name : "";
}

unsigned long vma_smaps_flags(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SMAPS_MASK;
}

const char *track_reason_name(enum track_reason reason)
{
	static const char *const name[TRACK_NR] = {
		"none",	       "before-start", "file",		"shared", "small",
		"short-lived", "huge",	       "special",	"ours",	  "no-engine",
		"refused",     "program-uffd", "program-pages", "option",
	};

	return name[reason];
}

long fake_reserve(unsigned long start, unsigned long len)
{
	(void)start;
	(void)len;
	fake_mm.seq++;
	return fake_reserve_error;
}

void mm_verify_begin(struct mm_verify *v, struct mm_struct *mm)
{
	*v = (struct mm_verify){ .mm = mm };
}

void mm_verify_area(struct mm_verify *v, const struct area_desc *kernel)
{
	v->areas++;
	if (v->differences >= fake_differences)
		return;
	v->differences++;
	if (v->report)
		v->report(v->priv, "missing in shadow", NULL, kernel);
}

void mm_verify_end(struct mm_verify *v)
{
	const struct area_desc shadow = { .start = 0x1000,
					  .end = 0x2000,
					  .name = "a\nb" };

	while (v->differences < fake_differences) {
		v->differences++;
		if (v->report)
			v->report(v->priv, "not in kernel", &shadow, NULL);
	}
	if (v->repair && !v->report)
		fake_differences = 0;
}

const char *validate_mm(struct mm_struct *mm)
{
	(void)mm;
	return fake_broken;
}
