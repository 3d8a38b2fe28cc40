// SPDX-License-Identifier: LGPL-2.1-or-later
#include <elf.h>

#include "lib/base/string.h"
#include "lib/hook/patch.h"

#define NR_LOADS 16

/*
 * What is needed of a mapped image to look a symbol up. Nothing outside the file-backed
 * parts of its segments is read: an image may be garbage, or not what we think it is.
 */
struct image {
	unsigned long base, bias;
	struct {
		unsigned long start, end;
	} load[NR_LOADS];
	int nr_loads;
	const Elf64_Sym *symtab;
	const char *strtab;
	size_t strsz;
	const u32 *gnu_hash, *hash;
};

static bool readable(const struct image *im, const void *p, size_t n)
{
	const unsigned long at = (unsigned long)p;

	for (int i = 0; i < im->nr_loads; i++) {
		if (at >= im->load[i].start && at < im->load[i].end)
			return n <= im->load[i].end - at;
	}
	return false;
}

static bool valid_header(const Elf64_Ehdr *eh)
{
	return !memcmp(eh->e_ident, ELFMAG, SELFMAG) &&
	       eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_machine == EM_X86_64 &&
	       eh->e_phentsize == sizeof(Elf64_Phdr) && eh->e_phoff % 8 == 0 &&
	       eh->e_phoff <= PAGE_SIZE &&
	       eh->e_phoff + (size_t)eh->e_phnum * sizeof(Elf64_Phdr) <= PAGE_SIZE;
}

static void add_load(struct image *im, const Elf64_Phdr *ph)
{
	const unsigned long start = im->bias + ph->p_vaddr;

	if (im->nr_loads == NR_LOADS || !(ph->p_flags & PF_R) ||
	    start + ph->p_filesz < start)
		return;
	im->load[im->nr_loads].start = start;
	im->load[im->nr_loads++].end = start + ph->p_filesz;
}

/* Fills in the segments; returns the program header of the dynamic section, or NULL. */
static const Elf64_Phdr *read_phdrs(struct image *im)
{
	const Elf64_Ehdr *eh = (const void *)im->base;
	const Elf64_Phdr *ph, *dynamic = NULL;
	bool first = true;

	if (!valid_header(eh))
		return NULL;
	ph = (const void *)(im->base + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			dynamic = &ph[i];
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (first)
			im->bias = im->base - (ph[i].p_vaddr & PAGE_MASK);
		first = false;
		add_load(im, &ph[i]);
	}
	return dynamic;
}

/* The loader relocates these in place, except in the vdso and in read-only sections. */
static const void *dyn_ptr(const struct image *im, unsigned long v)
{
	return (const void *)(v >= im->base ? v : im->bias + v);
}

static bool read_dynamic(struct image *im, const Elf64_Phdr *ph)
{
	const Elf64_Dyn *d = (const void *)(im->bias + ph->p_vaddr);

	for (; readable(im, d, sizeof(*d)) && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			im->symtab = dyn_ptr(im, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			im->strtab = dyn_ptr(im, d->d_un.d_ptr);
			break;
		case DT_STRSZ:
			im->strsz = d->d_un.d_val;
			break;
		case DT_GNU_HASH:
			im->gnu_hash = dyn_ptr(im, d->d_un.d_ptr);
			break;
		case DT_HASH:
			im->hash = dyn_ptr(im, d->d_un.d_ptr);
			break;
		}
	}
	return im->symtab && im->strtab && (unsigned long)im->symtab % 8 == 0 &&
	       readable(im, im->strtab, im->strsz);
}

/* The value of symbol @i if it is a definition of @name, else 0. */
static unsigned long match_symbol(const struct image *im, size_t i, const char *name)
{
	const Elf64_Sym *s = im->symtab + i;
	const size_t len = strlen(name) + 1;
	int type;

	if (!readable(im, s, sizeof(*s)) || s->st_shndx == SHN_UNDEF)
		return 0;
	type = ELF64_ST_TYPE(s->st_info);
	if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE)
		return 0;
	if (s->st_name >= im->strsz || im->strsz - s->st_name < len ||
	    memcmp(im->strtab + s->st_name, name, len) != 0)
		return 0;
	return im->bias + s->st_value;
}

static u32 gnu_hash(const char *name)
{
	u32 h = 5381;

	for (; *name; name++)
		h = h * 33 + (u8)*name;
	return h;
}

/* https://flapenguin.me/elf-dt-gnu-hash: header, bloom filter, buckets, chains. */
static unsigned long lookup_gnu(const struct image *im, const char *name)
{
	const u32 *h = im->gnu_hash, *buckets, *chain;
	const u32 hash = gnu_hash(name);
	u32 nr, first, i;

	if ((unsigned long)h % 4 || !readable(im, h, 16))
		return 0;
	nr = h[0];
	first = h[1];
	buckets = h + 4 + 2UL * h[2];
	if (!nr || !readable(im, buckets, 4UL * nr))
		return 0;
	chain = buckets + nr;
	for (i = buckets[hash % nr]; i >= first; i++) {
		unsigned long value;

		if (!i || !readable(im, chain + (i - first), 4))
			return 0;
		value = (chain[i - first] | 1) == (hash | 1) ? match_symbol(im, i, name)
							     : 0;
		if (value || (chain[i - first] & 1))
			return value;
	}
	return 0;
}

/* DT_HASH: its number of chains is the number of symbols, and that is all we use. */
static unsigned long lookup_all(const struct image *im, const char *name)
{
	unsigned long value = 0;

	if ((unsigned long)im->hash % 4 || !readable(im, im->hash, 8))
		return 0;
	for (u32 i = 1; i < im->hash[1] && !value; i++) {
		if (!readable(im, im->symtab + i, sizeof(*im->symtab)))
			break;
		value = match_symbol(im, i, name);
	}
	return value;
}

unsigned long elf_lookup(unsigned long base, const char *name)
{
	struct image im = { .base = base };
	const Elf64_Phdr *dynamic = read_phdrs(&im);

	if (!dynamic || !read_dynamic(&im, dynamic))
		return 0;
	if (im.gnu_hash)
		return lookup_gnu(&im, name);
	return im.hash ? lookup_all(&im, name) : 0;
}

/* --- the loader's list of images ------------------------------------------------------
 * glibc's <link.h>: what a debugger finds through DT_DEBUG of the program. Unlike
 * /proc/self/maps it is there in a chroot without /proc, too.
 */

struct link_map {
	unsigned long l_addr; /* load bias; the base of an image linked to address 0 */
	const char *l_name;
	const Elf64_Dyn *l_ld;
	const struct link_map *l_next;
};

struct r_debug {
	int r_version;
	const struct link_map *r_map;
};

static const struct link_map *link_maps(unsigned long phdr, unsigned long phnum)
{
	const Elf64_Phdr *ph = (const void *)phdr;
	const Elf64_Dyn *dyn = NULL;
	unsigned long bias = 0;

	for (unsigned long i = 0; i < phnum; i++)
		if (ph[i].p_type == PT_PHDR)
			bias = phdr - ph[i].p_vaddr;
	for (unsigned long i = 0; i < phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(bias + ph[i].p_vaddr);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == DT_DEBUG && dyn->d_un.d_ptr)
			return ((const struct r_debug *)dyn->d_un.d_ptr)->r_map;
	return NULL;
}

static unsigned long self_base(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));

	return (unsigned long)__ehdr_start;
}

const char *elf_self_path(unsigned long phdr, unsigned long phnum)
{
	const struct link_map *l = link_maps(phdr, phnum);

	while (l && l->l_addr != self_base())
		l = l->l_next;
	return l ? l->l_name : NULL;
}

static const struct link_map *image_with(unsigned long phdr, unsigned long phnum,
					 const char *name, unsigned long *addr)
{
	const struct link_map *l = link_maps(phdr, phnum);

	/* Bias 0: the program itself, linked to a fixed address. */
	for (*addr = 0; l; l = l->l_next) {
		if (l->l_addr && l->l_addr != self_base())
			*addr = elf_lookup(l->l_addr, name);
		if (*addr)
			return l;
	}
	return NULL;
}

unsigned long elf_lookup_next(unsigned long phdr, unsigned long phnum, const char *name)
{
	unsigned long addr;

	image_with(phdr, phnum, name, &addr);
	return addr;
}

static bool text_of(const Elf64_Phdr *ph, unsigned long phnum, unsigned long bias,
		    struct elf_text *t)
{
	int found = 0;

	for (unsigned long i = 0; i < phnum; i++) {
		if (ph[i].p_type != PT_LOAD || !(ph[i].p_flags & PF_X))
			continue;
		t->start = (bias + ph[i].p_vaddr) & PAGE_MASK;
		t->end = PAGE_ALIGN(bias + ph[i].p_vaddr + ph[i].p_filesz);
		t->pgoff = ph[i].p_offset >> PAGE_SHIFT;
		found++;
	}
	return found == 1;
}

bool elf_text_next(unsigned long phdr, unsigned long phnum, const char *name,
		   struct elf_text *t)
{
	const struct link_map *l;
	const Elf64_Ehdr *eh;
	unsigned long addr;

	l = image_with(phdr, phnum, name, &addr);
	if (!l)
		return false;
	eh = (const void *)l->l_addr; /* image_with() has read its header */
	t->path = l->l_name;
	return text_of((const void *)(l->l_addr + eh->e_phoff), eh->e_phnum, l->l_addr,
		       t);
}

bool elf_text_program(unsigned long phdr, unsigned long phnum, struct elf_text *t)
{
	const Elf64_Phdr *ph = (const void *)phdr;
	unsigned long bias = 0;

	for (unsigned long i = 0; i < phnum; i++)
		if (ph[i].p_type == PT_PHDR)
			bias = phdr - ph[i].p_vaddr;
	t->path = "";
	return text_of(ph, phnum, bias, t);
}
