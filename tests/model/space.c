// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/maps.h"
#include "tests/model/space.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif

static char arena[96UL << 20] __attribute__((aligned(4096)));
static struct mm_struct model;
static char text[8UL << 20];

long sys(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	 unsigned long e, unsigned long f)
{
	long ret = syscall(nr, a, b, c, d, e, f);

	return ret == -1 ? -(long)errno : ret;
}

static void fail(const char *what)
{
	fprintf(stderr, "space: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* --- facts ------------------------------------------------------------------------- */

static unsigned long read_number(const char *path, unsigned long def)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return def;
	if (read(fd, buf, sizeof(buf) - 1) <= 0)
		fail(path);
	close(fd);
	return strtoul(buf, NULL, 0);
}

static unsigned long soft_limit(int resource, unsigned long *hard)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)resource, &r))
		fail("getrlimit");
	if (hard)
		*hard = r.rlim_max;
	return r.rlim_cur;
}

static void read_caps(struct mm_limits *lim)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		fail("capget");
	lim->cap_ipc_lock = d[0].effective >> CAP_IPC_LOCK & 1;
	lim->cap_sys_rawio = d[0].effective >> CAP_SYS_RAWIO & 1;
}

void space_read_limits(struct space *s)
{
	struct mm_limits *lim = &s->lim;

	lim->as = soft_limit(RLIMIT_AS, NULL);
	lim->data = soft_limit(RLIMIT_DATA, &lim->data_max);
	lim->stack = soft_limit(RLIMIT_STACK, NULL);
	lim->memlock = soft_limit(RLIMIT_MEMLOCK, NULL);
	lim->mdwe = prctl(PR_GET_MDWE, 0, 0, 0, 0) > 0;
	lim->read_implies_exec = personality(0xffffffff) & READ_IMPLIES_EXEC;
	read_caps(lim);
}

/* The kernel rounds a hint up to it. */
static unsigned long probe_min_addr(void)
{
	void *p = mmap((void *)PAGE_SIZE, PAGE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p, PAGE_SIZE))
		fail("mmap");
	return (unsigned long)p;
}

static unsigned long probe_shmem_align(void)
{
	char buf[128] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return 0;
	close(fd);
	return strstr(buf, "[never]") || strstr(buf, "[deny]") ? 0 : 2UL << 20;
}

static void read_system(struct mm_limits *lim)
{
	struct sysinfo info;

	if (sysinfo(&info))
		fail("sysinfo");
	lim->commit_pages =
		(info.totalram + info.totalswap) * info.mem_unit >> PAGE_SHIFT;
	lim->overcommit = (unsigned int)read_number("/proc/sys/vm/overcommit_memory", 0);
	lim->max_map_count = read_number("/proc/sys/vm/max_map_count", 65530);
	lim->mmap_min_addr = read_number("/proc/sys/vm/mmap_min_addr", 4096);
	lim->search_min_addr = probe_min_addr();
	lim->task_size = lim->map_window = (1UL << 47) - PAGE_SIZE;
	lim->stack_guard_gap = 256 * PAGE_SIZE;
	lim->shmem_align = probe_shmem_align();
	lim->thp = !access("/sys/kernel/mm/transparent_hugepage", F_OK);
	lim->topdown = !(personality(0xffffffff) & ADDR_COMPAT_LAYOUT) &&
		       !read_number("/proc/sys/vm/legacy_va_layout", 0);
	lim->randomize = read_number("/proc/sys/kernel/randomize_va_space", 2) &&
			 !(personality(0xffffffff) & ADDR_NO_RANDOMIZE);
	lim->pkeys = 0;
	for (unsigned int i = 0; i < 104; i++)
		if (!syscall(SYS_madvise, NULL, 0UL, i))
			lim->advices[i / 64] |= 1UL << (i % 64);
}

/* --- files ------------------------------------------------------------------------- */

static enum file_kind kind_of_fd(int fd, const struct stat *st)
{
	struct statfs fs;

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(1, 5) ? KIND_ZERO : KIND_DEVICE;
	if (fstatfs(fd, &fs))
		fail("fstatfs");
	switch (fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
		return KIND_THP;
	case TMPFS_MAGIC:
		return KIND_SHMEM;
	default:
		return KIND_UNKNOWN;
	}
}

unsigned int space_add_file(struct space *s, int fd, const char *name)
{
	struct space_file *f = &s->file[s->nr_files];
	int mode = fcntl(fd, F_GETFL);
	struct stat st;

	if (mode < 0 || fstat(fd, &st) || s->nr_files == SPACE_FILES)
		fail(name);
	mode &= O_ACCMODE;
	*f = (struct space_file){
		.fd = fd,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.ino = st.st_ino,
		.name = name,
		.facts = { .kind = kind_of_fd(fd, &st),
			   .readable = mode != O_WRONLY,
			   .writable = mode != O_RDONLY,
			   .regular = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode),
			   .no_mmap = S_ISDIR(st.st_mode) || S_ISFIFO(st.st_mode),
			   .size = S_ISREG(st.st_mode) ? (unsigned long)st.st_size
						       : ~0UL },
	};
	f->facts.map_sync = f->facts.kind == KIND_THP && S_ISREG(st.st_mode);
	return s->nr_files++;
}

static bool area_file(void *priv, const struct vma_file *file, struct file_facts *facts)
{
	struct space *s = priv;

	for (unsigned int i = 0; i < s->nr_files; i++) {
		const struct space_file *f = &s->file[i];

		if (f->ino != file->ino || f->major != file->major ||
		    f->minor != file->minor)
			continue;
		*facts = f->facts;
		return true;
	}
	return false;
}

/* --- /proc/self -------------------------------------------------------------------- */

static void read_all(int fd)
{
	if (!maps_read(fd, text, sizeof(text)))
		fail("/proc/self");
}

static const struct {
	char name[3];
	unsigned long flag;
} vm_flag[] = {
	{ "mr", VM_MAYREAD },	  { "mw", VM_MAYWRITE },  { "me", VM_MAYEXEC },
	{ "ms", VM_MAYSHARE },	  { "gd", VM_GROWSDOWN }, { "pf", VM_PFNMAP },
	{ "lo", VM_LOCKED },	  { "io", VM_IO },	  { "sr", VM_SEQ_READ },
	{ "rr", VM_RAND_READ },	  { "dc", VM_DONTCOPY },  { "de", VM_DONTEXPAND },
	{ "lf", VM_LOCKONFAULT }, { "ac", VM_ACCOUNT },	  { "nr", VM_NORESERVE },
	{ "ht", VM_HUGETLB },	  { "sf", VM_SYNC },	  { "wf", VM_WIPEONFORK },
	{ "dd", VM_DONTDUMP },	  { "hg", VM_HUGEPAGE },  { "nh", VM_NOHUGEPAGE },
	{ "mg", VM_MERGEABLE },
};

static unsigned long parse_flags(const char *line)
{
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(vm_flag) / sizeof(vm_flag[0]); i++)
		if (strstr(line, vm_flag[i].name))
			flags |= vm_flag[i].flag;
	return flags;
}

static void import_area(struct space *s, struct area_desc *d, unsigned long flags)
{
	struct vm_area_struct *vma;

	d->vm_flags |= flags;
	if (mm_prepare(s->mm, d->start, d->end - d->start) ||
	    mm_import(s->mm, d, TRACK_BEFORE_START))
		fail("mm_import");
	vma = find_vma(s->mm, d->start);
	vma->vm_flags = d->vm_flags;
	/* This process is forked: what its parent touched merges with nothing. */
	vma->known = (vma->known & (u8)~VMA_UNSURE_FLAGS) | VMA_INHERITED;
}

static void import_smaps(struct space *s)
{
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	struct area_desc d = { 0 }, next;
	char *save = NULL;

	if (fd < 0)
		fail("smaps");
	read_all(fd);
	close(fd);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (maps_parse_line(line, &next))
			d = next;
		else if (!strncmp(line, "VmFlags:", 8) && d.start < s->lim.task_size)
			import_area(s, &d, parse_flags(line + 8));
	}
}

static void read_stat(struct mm_struct *mm)
{
	unsigned long field[52] = { 0 };
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char *p;

	if (fd < 0)
		fail("stat");
	read_all(fd);
	close(fd);
	p = strrchr(text, ')');
	for (int i = 3; p && *p && i < 52; i++) {
		p = strchr(p, ' ');
		if (p)
			field[i] = strtoul(++p, NULL, 10);
	}
	mm->start_code = field[26];
	mm->end_code = field[27];
	mm->start_stack = field[28];
	mm->start_data = field[45];
	mm->end_data = field[46];
	mm->start_brk = field[47];
	mm->brk = (unsigned long)syscall(SYS_brk, 0);
}

static __attribute__((noinline)) void grow_stack(void)
{
	volatile char stack[1UL << 20];

	for (size_t i = 0; i < sizeof(stack); i += PAGE_SIZE)
		stack[i] = 1;
}

void space_open(struct space *s)
{
	grow_stack();
	s->maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	s->status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (s->maps < 0 || s->status < 0)
		fail("/proc/self");
	read_system(&s->lim);
	space_read_limits(s);
	s->mm = &model;
	mm_init(s->mm, arena, sizeof(arena));
	read_stat(s->mm);
	import_smaps(s);
	s->env = (struct check_env){ s->mm, &s->lim, area_file, s };
	s->lim.mmap_base = infer_mmap_base(s->mm, &s->lim);
	s->lim.legacy_base = s->lim.task_size / 3;
}

void space_drop_caps(struct space *s)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capset, &h, d))
		fail("capset");
	space_read_limits(s);
}

/* --- comparison -------------------------------------------------------------------- */

static void print_difference(void *priv, const char *what, const struct area_desc *shadow,
			     const struct area_desc *kernel)
{
	(void)priv;
	fprintf(stderr, "  difference: %s\n", what);
	for (int i = 0; i < 2; i++) {
		const struct area_desc *d = i ? kernel : shadow;

		if (d)
			fprintf(stderr, "    %s %lx-%lx flags %lx pgoff %lx %s\n",
				i ? "kernel" : "shadow", d->start, d->end, d->vm_flags,
				d->pgoff, d->name);
	}
}

static unsigned long counter_kib(const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoul(p + strlen(name), NULL, 10) : 0;
}

void space_adopt_locked(struct space *s)
{
	read_all(s->status);
	s->mm->locked_vm = s->mm->locked_lost = counter_kib("VmLck:") / 4;
}

static bool counter_differs(const char *name, unsigned long pages)
{
	unsigned long kib = counter_kib(name);

	if (kib == pages * 4)
		return false;
	fprintf(stderr, "  difference: %s %lu kB, shadow %lu kB\n", name, kib, pages * 4);
	return true;
}

static unsigned long verify_counters(struct space *s)
{
	unsigned long n;

	read_all(s->status);
	n = counter_differs("VmSize:", s->mm->total_vm);
	n += counter_differs("VmLck:", s->mm->locked_vm);
	n += counter_differs("VmData:", s->mm->data_vm);
	return n + counter_differs("VmStk:", s->mm->stack_vm);
}

unsigned long space_verify(struct space *s, bool repair)
{
	struct mm_verify v;
	char *save = NULL;

	read_all(s->maps);
	mm_prepare(s->mm, 0, ~0UL);
	mm_verify_begin(&v, s->mm);
	v.repair = repair;
	v.report = repair ? NULL : print_difference;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct area_desc d;

		if (maps_parse_line(line, &d) && d.start < s->lim.task_size)
			mm_verify_area(&v, &d);
	}
	mm_verify_end(&v);
	s->resolved += v.resolved;
	return v.differences + (repair ? 0 : verify_counters(s));
}

bool space_fork(int (*child)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return false;
	if (!pid)
		_exit(child(arg));
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (status)
		fprintf(stderr, "child ended with status %#x\n", status);
	return !status;
}
