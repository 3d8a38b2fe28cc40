// SPDX-License-Identifier: LGPL-2.1-or-later
/* The kernel's areas, by PROCMAP_QUERY or from maps, VmFlags from smaps; against ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/model/kd.h"
#include "tests/model/maps.h"

#define USER_END (1UL << 47) /* [vsyscall] is above */

/* --- the kernel's list ------------------------------------------------------------- */

/* linux/fs.h since 6.11 */
struct procmap_query {
	u64 size, query_flags, query_addr;
	u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	u32 dev_major, dev_minor, vma_name_size, build_id_size;
	u64 vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY	 _IOWR('f', 17, struct procmap_query)
#define COVERING_OR_NEXT 0x10

static char text[1 << 18];

bool kd_compare_open(void)
{
	static const char *const path[] = { "/proc/self/maps", "/proc/self/smaps",
					    "/proc/self/status" };
	int *fd[] = { &kd.maps, &kd.smaps, &kd.status };

	for (int i = 0; i < 3; i++) {
		if (*fd[i] > 0)
			close(*fd[i]);
		*fd[i] = open(path[i], O_RDONLY | O_CLOEXEC);
		if (*fd[i] < 0)
			return false;
	}
	return true;
}

/* 1, 0 at the end, -errno. The name lives until the next call. */
static int query_next(unsigned long addr, struct area_desc *d)
{
	static char name[256];
	struct procmap_query q = { .size = sizeof(q),
				   .query_flags = COVERING_OR_NEXT,
				   .query_addr = addr,
				   .vma_name_addr = (u64)name,
				   .vma_name_size = sizeof(name) };

	name[0] = '\0';
	if (ioctl(kd.maps, PROCMAP_QUERY, &q))
		return errno == ENOENT ? 0 : -errno;
	if (!q.vma_name_size)
		name[0] = '\0';
	*d = (struct area_desc){ .start = q.vma_start,
				 .end = q.vma_end,
				 .vm_flags = q.vma_flags & 15, /* the same bits */
				 .pgoff = q.vma_offset >> PAGE_SHIFT,
				 .major = q.dev_major,
				 .minor = q.dev_minor,
				 .ino = q.inode,
				 .name = name };
	return 1;
}

static void read_all(int fd)
{
	if (!maps_read(fd, text, sizeof(text)))
		kd_fail("cannot read /proc/self");
}

typedef void visit_area(void *priv, const struct area_desc *d);

static void for_each_line(visit_area *visit, void *priv)
{
	char *save = NULL;
	struct area_desc d;

	read_all(kd.maps);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (maps_parse_line(line, &d) && d.start < USER_END)
			visit(priv, &d);
}

static void for_each_kernel_area(visit_area *visit, void *priv)
{
	static bool no_query;
	struct area_desc d;
	int ret = no_query ? -ENOTTY : query_next(0, &d);

	if (ret < 0) {
		no_query = true;
		for_each_line(visit, priv);
		return;
	}
	for (; ret > 0; ret = query_next(d.end, &d))
		visit(priv, &d);
}

/* --- start ------------------------------------------------------------------------- */

static void import_one(void *priv, const struct area_desc *d)
{
	const char *stack = "[stack]";

	(void)priv;
	if (kd.nr_base == ARRAY_SIZE(kd.base) || mm_prepare(kd.mm, 0, ~0UL) ||
	    mm_import(kd.mm, d, d->name[0] == '[' ? TRACK_SPECIAL : TRACK_BEFORE_START)) {
		kd_fail("cannot import");
		return;
	}
	kd.base[kd.nr_base].start = d->start;
	kd.base[kd.nr_base++].end = d->end;
	if (!strcmp(d->name, stack)) /* and what it may grow into */
		kd.base[kd.nr_base - 1].start -= 8UL << 20;
}

/* Field numbers of proc(5), from 1; after the name, which may contain anything. */
static void read_stat(void)
{
	unsigned long field[52] = { 0 };
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), i = 3;
	char *save = NULL, *p;

	read_all(fd);
	close(fd);
	p = strrchr(text, ')') + 1;
	for (p = strtok_r(p, " ", &save); p && i < 52; p = strtok_r(NULL, " ", &save))
		field[i++] = strtoul(p, NULL, 10);
	kd.mm->start_stack = field[28];
	kd.mm->start_brk = field[47];
}

bool kd_import(void)
{
	read_stat();
	for_each_kernel_area(import_one, NULL);
	return !kd.res->failed;
}

/* --- areas ------------------------------------------------------------------------- */

static void print_desc(const char *who, const struct area_desc *d)
{
	if (!d)
		return;
	kd_printf("    %s %lx-%lx %c%c%c%c %lx %x:%x %lu %s\n", who, d->start, d->end,
		  d->vm_flags & VM_READ ? 'r' : '-', d->vm_flags & VM_WRITE ? 'w' : '-',
		  d->vm_flags & VM_EXEC ? 'x' : '-', d->vm_flags & VM_SHARED ? 's' : 'p',
		  d->pgoff, d->major, d->minor, d->ino, d->name);
}

static void report(void *priv, const char *what, const struct area_desc *shadow,
		   const struct area_desc *kernel)
{
	(void)priv;
	kd_fail(what);
	print_desc("shadow", shadow);
	print_desc("kernel", kernel);
}

static void verify_one(void *priv, const struct area_desc *d)
{
	mm_verify_area(priv, d);
}

/*
 * A full stop: with guesses settled the two must now be equal, so a second look finds
 * nothing at all.
 */
void kd_compare_areas(bool repair)
{
	struct mm_verify v;

	for (int look = 0; look < (repair ? 2 : 1); look++) {
		if (mm_prepare(kd.mm, 0, ~0UL))
			kd_fail("no memory for the model");
		mm_verify_begin(&v, kd.mm);
		v.repair = repair && !look;
		v.report = v.repair ? NULL : report;
		for_each_kernel_area(verify_one, &v);
		mm_verify_end(&v);
		kd.res->count.settled += v.resolved;
		kd.read_back |= v.repair && v.differences;
	}
	kd.res->count.compared++;
}

/* --- VmFlags ----------------------------------------------------------------------- */

/* fs/proc/task_mmu.c, show_smap_vma_flags() */
static const struct {
	char letters[3];
	unsigned long flag;
} mnemonics[] = {
	{ "rd", VM_READ },	 { "wr", VM_WRITE },	   { "ex", VM_EXEC },
	{ "sh", VM_SHARED },	 { "mr", VM_MAYREAD },	   { "mw", VM_MAYWRITE },
	{ "me", VM_MAYEXEC },	 { "ms", VM_MAYSHARE },	   { "gd", VM_GROWSDOWN },
	{ "pf", VM_PFNMAP },	 { "lo", VM_LOCKED },	   { "io", VM_IO },
	{ "sr", VM_SEQ_READ },	 { "rr", VM_RAND_READ },   { "dc", VM_DONTCOPY },
	{ "de", VM_DONTEXPAND }, { "lf", VM_LOCKONFAULT }, { "ac", VM_ACCOUNT },
	{ "nr", VM_NORESERVE },	 { "ht", VM_HUGETLB },	   { "sf", VM_SYNC },
	{ "wf", VM_WIPEONFORK }, { "dd", VM_DONTDUMP },	   { "hg", VM_HUGEPAGE },
	{ "nh", VM_NOHUGEPAGE }, { "mg", VM_MERGEABLE },   { "um", VM_UFFD_MISSING },
	{ "dp", VM_DROPPABLE },
};

static unsigned long parse_vmflags(const char *s)
{
	unsigned long flags = 0;

	for (; s[0] == ' ' && s[1] > ' '; s += 3)
		for (size_t i = 0; i < ARRAY_SIZE(mnemonics); i++)
			if (s[1] == mnemonics[i].letters[0] &&
			    s[2] == mnemonics[i].letters[1])
				flags |= mnemonics[i].flag;
	return flags;
}

static void print_vmflags(const char *who, unsigned long flags)
{
	kd_printf("    %s", who);
	for (size_t i = 0; i < ARRAY_SIZE(mnemonics); i++)
		if (flags & mnemonics[i].flag)
			kd_printf(" %s", mnemonics[i].letters);
	kd_printf("\n");
}

/* What the model claims to know of an area's flags. */
static unsigned long known_flags(const struct vm_area_struct *vma)
{
	const unsigned long visible = VM_ACCESS_FLAGS | VM_MAYSHARE;
	unsigned long known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mnemonics); i++)
		known |= mnemonics[i].flag;
	if (vma->known & VMA_UNSURE_FLAGS)
		known = visible;
	if (vma->known & VMA_UNSURE_ACCOUNT)
		known &= ~VM_ACCOUNT;
	if (vma->known & VMA_UNSURE_WHOLE)
		known &= ~VM_WHOLE;
	return known;
}

static void compare_flags(const struct area_desc *d, unsigned long kernel)
{
	const struct vm_area_struct *vma = find_vma(kd.mm, d->start);
	unsigned long shadow;

	kd.lock_unsure |= vma && vma->known & VMA_UNSURE_WHOLE;
	if (!vma || vma->vm_start != d->start || vma->vm_end != d->end)
		return; /* reported before, or a guess that has not been settled */
	shadow = vma->vm_flags;
	if (shadow & VM_UFFD_OTHER)
		shadow |= VM_UFFD_MISSING;
	if (!((shadow ^ kernel) & known_flags(vma)))
		return;
	kd_fail("VmFlags");
	print_desc("at", d);
	print_vmflags("shadow", shadow);
	print_vmflags("kernel", kernel);
}

/* --- counters ---------------------------------------------------------------------- */

static void compare_counter(const char *name, unsigned long shadow)
{
	const char *p = strstr(text, name);
	unsigned long kib = p ? strtoul(p + strlen(name), NULL, 10) : 0;

	if (!p || kib == shadow * (PAGE_SIZE >> 10))
		return;
	kd_fail(name);
	kd_printf("    shadow %lu kB, kernel %lu kB\n", shadow * (PAGE_SIZE >> 10), kib);
}

static void compare_counters(void)
{
	const struct mm_struct *mm = kd.mm;

	read_all(kd.status);
	compare_counter("VmSize:", mm->total_vm);
	compare_counter("VmData:", mm->data_vm);
	compare_counter("VmStk:", mm->stack_vm);
	if (!kd.lock_unsure)
		compare_counter("VmLck:", mm->locked_vm);
}

void kd_compare_smaps(void)
{
	char *save = NULL;
	struct area_desc d = { 0 };

	read_all(kd.smaps);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (line[0] < 'A' || line[0] > 'Z')
			maps_parse_line(line, &d);
		else if (!strncmp(line, "VmFlags:", 8) && d.start < USER_END)
			compare_flags(&d, parse_vmflags(line + 8));
	}
	compare_counters();
	kd.res->count.smaps++;
}

/* --- printing ---------------------------------------------------------------------- */

static bool is_base(unsigned long start, unsigned long end)
{
	for (unsigned int i = 0; i < kd.nr_base; i++)
		if (kd.base[i].start <= start && end <= kd.base[i].end)
			return true;
	return false;
}

static void print_kernel_area(void *priv, const struct area_desc *d)
{
	(void)priv;
	if (!is_base(d->start, d->end))
		print_desc("", d);
}

void kd_print_lists(void)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	kd_printf("  the shadow's areas (flags, guesses, known, anon_vma):\n");
	vma_iter_init(&it, kd.mm, 0);
	vma_for_each (vma, &it)
		if (!is_base(vma->vm_start, vma->vm_end))
			kd_printf("     %lx-%lx %c%c%c%c pgoff %lx %s flags %lx "
				  "inexact %x known %x anon %u\n",
				  vma->vm_start, vma->vm_end,
				  vma->vm_flags & VM_READ ? 'r' : '-',
				  vma->vm_flags & VM_WRITE ? 'w' : '-',
				  vma->vm_flags & VM_EXEC ? 'x' : '-',
				  vma->vm_flags & VM_SHARED ? 's' : 'p', vma->vm_pgoff,
				  vma_name(kd.mm, vma), vma->vm_flags, vma->inexact,
				  vma->known, vma->anon);
	kd_printf("  the kernel's areas:\n");
	for_each_kernel_area(print_kernel_area, NULL);
}
