// SPDX-License-Identifier: LGPL-2.1-or-later
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"
#include "tests/model/mman.h"

struct kind {
	char letter;
	unsigned long prot, flags, file;
	unsigned long differs; /* flags beyond the protection by which it is told apart */
};

#define TOLD_BY (VM_UFFD_MISSING | VM_LOCKED | VM_DONTCOPY | VM_SHARED)

static const struct kind kinds[] = {
	{ 'U', PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, VM_UFFD_MISSING },
	{ 'L', PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_LOCKED, 0, VM_LOCKED },
	{ 'D', PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, VM_DONTCOPY },
	{ 'S', PROT_READ | PROT_WRITE, MAP_SHARED, 0, VM_SHARED },
	{ 'T', PROT_READ | PROT_WRITE, MAP_SHARED, 0, VM_SHARED | VM_UFFD_MISSING },
	{ 'F', PROT_READ, MAP_PRIVATE, 1, 0 },
	{ 'G', PROT_READ, MAP_PRIVATE, 2, 0 },
	{ 'H', PROT_READ, MAP_PRIVATE, MAP_FRAMES, 0 },
	{ 'I', PROT_READ, MAP_PRIVATE, MAP_FRAMES, VM_UFFD_MISSING },
	{ 'J', PROT_READ | PROT_WRITE, MAP_PRIVATE, MAP_FRAMES, 0 },
	{ 'W', PROT_READ | PROT_WRITE, MAP_PRIVATE, 1, 0 },
	{ 'A', PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, 0 },
	{ 'R', PROT_READ, MAP_PRIVATE, 0, 0 },
	{ 'N', PROT_NONE, MAP_PRIVATE, 0, 0 },
	{ 'X', PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, 0 },
};

struct mm_struct *map_new(unsigned int mib)
{
	size_t size = (size_t)mib << 20;
	char *mem = aligned_alloc(PAGE_SIZE, size + PAGE_ALIGN(sizeof(struct mm_struct)));
	struct mm_struct *mm = (void *)(mem + size);

	cr_assert(mem != NULL);
	mm_init(mm, mem, size);
	mm->own_enabled = true;
	mm->min_own = PAGE_SIZE;
	return mm;
}

void map_destroy(struct mm_struct *mm)
{
	/* The chunk precedes the struct; a test adds no other. */
	free((char *)mm - mm->arena.total);
}

static const struct kind *kind_of(char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].letter == toupper((unsigned char)letter))
			return &kinds[i];
	cr_assert_fail("no kind '%c'", letter);
	abort();
}

void map_mmap(struct mm_struct *mm, unsigned int column, unsigned int pages, char letter)
{
	const struct kind *k = kind_of(letter);
	struct mmap_call c = {
		.addr = AT(column),
		.len = PAGES(pages),
		.prot = k->prot,
		.flags = k->flags | (k->file ? 0 : MAP_ANONYMOUS) | MAP_FIXED,
		.pgoff = column,
	};

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	if (k->file)
		c.file = vma_file_get(mm, 8, 1, k->file, k->file == 1 ? "/f" : "/g");
	mm_mmap(mm, &c);
	if (k->differs & VM_UFFD_MISSING)
		mm_set_uffd(mm, c.addr, c.addr + c.len, true);
	if (k->differs == VM_DONTCOPY)
		mm_madvise(mm, c.addr, c.len, MADV_DONTFORK);
}

/* Made executable and touched, so that it has an anon_vma of its own, then as it was. */
static void map_mmap_apart(struct mm_struct *mm, unsigned int column, unsigned int pages,
			   char letter)
{
	const struct kind *k = kind_of(letter);

	cr_assert(!k->file && k->flags & MAP_PRIVATE);
	map_mmap(mm, column, pages, letter == 'x' ? 'A' : 'X');
	mm_mprotect(mm, AT(column), PAGES(pages), k->prot, -1);
	if (k->differs == VM_UFFD_MISSING)
		mm_set_uffd(mm, AT(column), AT(column + pages), true);
	if (k->differs == VM_LOCKED)
		mm_mlock(mm, AT(column), PAGES(pages), VM_LOCKED);
	if (k->differs == VM_DONTCOPY)
		mm_madvise(mm, AT(column), PAGES(pages), MADV_DONTFORK);
}

void map_draw(struct mm_struct *mm, const char *drawing)
{
	for (unsigned int i = 0, n; drawing[i]; i += n) {
		for (n = 1; drawing[i + n] == drawing[i];)
			n++;
		if (islower((unsigned char)drawing[i]))
			map_mmap_apart(mm, i, n, drawing[i]);
		else if (drawing[i] != ' ')
			map_mmap(mm, i, n, drawing[i]);
	}
}

static char letter_of(const struct vm_area_struct *vma)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *k = &kinds[i];

		if ((vma->vm_flags & VM_ACCESS_FLAGS) == k->prot &&
		    (vma->vm_flags & TOLD_BY) == k->differs &&
		    (k->differs & VM_SHARED || !vma->vm_file == !k->file) &&
		    (!k->file || vma->vm_file->ino == k->file))
			return k->letter;
	}
	return '!';
}

static char guess_of(const struct vm_area_struct *vma, unsigned long addr)
{
	bool start = addr == vma->vm_start && vma->inexact & VMA_INEXACT_START;

	if (start)
		return vma->inexact & VMA_INEXACT_SPLIT ? '#' : '?';
	return vma->inexact & VMA_INEXACT_SPLIT ? '*' : ' ';
}

static void render(struct mm_struct *mm, bool guesses, char out[MAP_MAX + 1])
{
	struct vm_area_struct *vma, *prev = NULL;
	struct vma_iter it;
	size_t len = 0;

	memset(out, ' ', MAP_MAX);
	vma_iter_init(&it, mm, MAP_BASE);
	vma_for_each (vma, &it) {
		char letter = letter_of(vma);
		size_t from = (vma->vm_start - MAP_BASE) / PAGE_SIZE;

		len = (vma->vm_end - MAP_BASE) / PAGE_SIZE;
		cr_assert_leq(len, MAP_MAX);
		if (prev && prev->vm_end == vma->vm_start && out[from - 1] == letter)
			letter = (char)tolower(letter);
		for (size_t i = from; i < len; i++)
			out[i] = guesses ? guess_of(vma, AT(i)) : letter;
		prev = vma;
	}
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

void map_expect(struct mm_struct *mm, const char *drawing, bool guesses, const char *file,
		int line)
{
	const char *err = validate_mm(mm);
	char got[MAP_MAX + 1];

	render(mm, guesses, got);
	cr_assert(!err, "%s:%d: validate_mm: %s\n  map   \"%s\"", file, line, err, got);
	cr_assert(!strcmp(got, drawing), "%s:%d:\n  got   \"%s\"\n  want  \"%s\"", file,
		  line, got, drawing);
}
