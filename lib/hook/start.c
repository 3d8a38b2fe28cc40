// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the constructor does, in its order: model, patches, engine. */
#include <asm/resource.h>
#include <linux/auxvec.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/sitecache.h"
#include "lib/hook/start.h"
#include "lib/hook/state.h"
#include "lib/hook/sud.h"
#include "lib/hook/table.h"
#include "lib/sys/procmaps.h"
#include "lib/sys/procstat.h"
#include "lib/sys/sys.h"
#include "lib/sys/thp.h"

#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68
#endif

struct smm smm;

/* Memory for the first areas, in the library's own .bss: a small program's address space
 * gets no further area from us. */
#define BOOT_ARENA (256UL << 10)
static char boot_arena[BOOT_ARENA] __attribute__((aligned(4096)));

/* Executable file mappings found at start; a program has a few dozen. */
#define MAX_TEXTS 512
static struct text {
	unsigned long start, end;
	unsigned long pgoff;
	struct file_id file; /* ino 0: not worth remembering */
} texts[MAX_TEXTS];
static unsigned int nr_texts;

static unsigned long self_start, self_end; /* our own text */
static struct file_id self_file;

#define REMEMBER_FROM                                                     \
	(256UL << 10) /* bytes of text: less is as quickly looked through \
		       */

static unsigned long ldso_base __start_data, phdr __start_data,
	phnum __start_data; /* AT_BASE, AT_PHDR, AT_PHNUM */

static void read_auxv(char **envp)
{
	unsigned long *aux;

	while (*envp)
		envp++;
	for (aux = (unsigned long *)(envp + 1); aux[0] != AT_NULL; aux += 2) {
		if (aux[0] == AT_BASE)
			ldso_base = aux[1];
		else if (aux[0] == AT_PHDR)
			phdr = aux[1];
		else if (aux[0] == AT_PHNUM)
			phnum = aux[1];
	}
}

/* The part of the list that is read stays as it is: what is loaded later comes behind
 * libc, and the loader does not unload what the program was linked with. */
unsigned long start_lookup(const char *name)
{
	return elf_lookup_next(phdr, phnum, name);
}

void start_symbols(char **envp)
{
	read_auxv(envp);
}

/* The fields of /proc/self/stat that no call told us. Constructor, and a wake task: one
 * thread, so the buffer is static, the stack may be small. */
static void read_stat_fields(struct mm_struct *mm)
{
	static char buf[1024];
	unsigned long field[52] = { 0 };
	const char *p = procstat_read("/proc/self/stat", buf, sizeof(buf));

	if (!buf[0])
		return;
	for (int i = 3; p && i < 52; i++) {
		p = procstat_next(p);
		if (p)
			field[i] = parse_ulong(&p, 10);
	}
	mm->start_code = field[26];
	mm->end_code = field[27];
	mm->start_stack = field[28];
	mm->start_data = field[45];
	mm->end_data = field[46];
	mm->start_brk = field[47];
	mm->arg_start = field[48];
	mm->arg_end = field[49];
	mm->env_start = field[50];
	mm->env_end = field[51];
	mm->brk = (unsigned long)sys_brk(0);
}

static bool holds(const struct area_desc *d, unsigned long addr)
{
	return addr >= d->start && addr < d->end;
}

static void note_image(const struct area_desc *d, unsigned long self)
{
	bool ours = holds(d, self);

	if (ours) {
		self_start = d->start;
		self_end = d->end;
		file_id_of(d, &self_file);
	}
	if ((d->vm_flags & VM_ACCESS_FLAGS) != (VM_READ | VM_EXEC) || !d->ino || ours ||
	    nr_texts == MAX_TEXTS)
		return;
	texts[nr_texts] = (struct text){ d->start, d->end, d->pgoff, { .ino = 0 } };
	if (d->end - d->start >= REMEMBER_FROM && !file_id_of(d, &texts[nr_texts].file))
		texts[nr_texts].file.ino = 0;
	nr_texts++;
}

static enum track_reason reason_at_start(const struct area_desc *d)
{
	const unsigned long plain = VM_READ | VM_WRITE;
	bool heap = !strcmp(d->name, "[heap]");

	if (d->name[0] == '[' && !heap)
		return TRACK_SPECIAL;
	if (holds(d, (unsigned long)&smm))
		return TRACK_OURS;
	if (!smm.slept || !smm.engine.opt.own)
		return TRACK_BEFORE_START;
	/* What the program has made while we slept is what we woke for. */
	if ((heap || (!d->name[0] && !d->ino)) &&
	    (d->vm_flags & VM_ACCESS_FLAGS) == plain &&
	    d->end - d->start >= smm.mm.min_own)
		return TRACK_NONE;
	return TRACK_BEFORE_START;
}

static bool import_areas(void)
{
	static struct procmaps p;
	struct area_desc d;
	int ret = procmaps_open(&p);

	if (ret)
		return false;
	while ((ret = procmaps_next(&p, &d)) > 0) {
		note_image(&d, (unsigned long)import_areas);
		while (mm_import(&smm.mm, &d, reason_at_start(&d)))
			if (!model_prepare(0, ~0UL))
				goto out;
	}
out:
	procmaps_close(&p);
	return ret == 0;
}

/* The linker's */
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

/*
 * What the program maps may come to lie beside our data. The kernel would make one area
 * of both, which we would register, and the engine would wait for itself at the first
 * page of its stack that it has not touched yet. Areas that differ in a flag stay two.
 */
static void keep_apart(void)
{
	unsigned long start = PAGE_ALIGN((unsigned long)__bss_start);
	unsigned long len = PAGE_ALIGN((unsigned long)_end) - start;

	if (model_prepare(start, len) && !sys_madvise(start, len, MADV_DONTDUMP))
		mm_madvise(&smm.mm, start, len, MADV_DONTDUMP);
}

#ifdef SMM_DEBUG
static void memory_broken(const char *line)
{
	sys_write(2, line, strlen(line));
	sys_write(2, "\n", 1);
	__builtin_trap();
}
#endif

void start_identity(void)
{
	mutex_init(&smm.life, LOCK_LIFE);
	mutex_init(&smm.mmap_lock, LOCK_MMAP);
	smm.engine.owner = (int)sys_getpid();
	birth_by_exec(&smm.engine.birth);
}

bool start_model(void)
{
	mm_init(&smm.mm, boot_arena, sizeof(boot_arena));
#ifdef SMM_DEBUG
	smm.mm.arena.broken = memory_broken;
#endif
	smm.mm.min_own = smm.engine.opt.min_own;
	smm.mm.track_by_option = !smm.engine.opt.own;
	smm.engine.mm = &smm.mm;
	smm.engine.mmap_lock = &smm.mmap_lock;
	smm.engine.stat = &smm.stat;
	smm.engine.reserve = model_reserve;
	smm.engine.grow = arena_grow;
	smm.mm.file_policy = smm.engine.opt.files;
	/* Where the kernel gives huge pages unasked it is faster than we are. */
	smm.mm.own_shmem = smm.engine.opt.shmem && !thp_shmem_always();
	smm.mm.own_shared_files =
		smm.engine.opt.own && smm.engine.opt.shared_file == SHARED_FILE_OWN;
	smm.mm.id = smm.engine.birth.self;
	read_stat_fields(&smm.mm);
	/* Inherited by exec. */
	smm.mm.merge_any = sys_prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == 1;
	if (!import_areas())
		return false;
	smm.active = true;
	keep_apart();
	return true;
}

static void find_loader(void)
{
	for (unsigned int i = 0; i < nr_texts; i++) {
		if (texts[i].start < ldso_base ||
		    texts[i].start > ldso_base + (1UL << 20))
			continue;
		smm.ldso_start = texts[i].start;
		smm.ldso_end = texts[i].end;
		return;
	}
}

/*
 * --intercept=all. Calls from libc and the loader, whose sites are patched, must not
 * trap: the range that does not is the hull of both and of our own text.
 */
static void start_dispatch(unsigned long in_libc)
{
	unsigned long start = smm.ldso_start, end = smm.ldso_end;

	for (unsigned int i = 0; i < nr_texts; i++) {
		if (in_libc < texts[i].start || in_libc >= texts[i].end)
			continue;
		start = min(start, texts[i].start);
		end = max(end, texts[i].end);
	}
	sud_include_own_text(&start, &end);
	smm.engine.degraded_err = sud_start(start, end, &smm.stat);
	if (smm.engine.degraded_err)
		smm.engine.degraded = "Syscall User Dispatch is not available";
}

/* As patch_range(), with the help of what another process has found out. */
static void patch_text(const struct text *t)
{
	static struct site_list list;
	const struct site_key key = { t->file, self_file, t->pgoff, t->end - t->start };
	const char *dir = smm.engine.opt.socket_dir;
	/* With --intercept=all and shared-file=own other calls are wanted as well. */
	bool remember = t->file.ino && self_file.ino && !hook_wants_more();
	unsigned long refused = smm.stat.sites_refused;

	if (remember && sitecache_load(dir, &key, &list) &&
	    patch_known(t->start, t->end, PROT_READ | PROT_EXEC, list.site,
			(unsigned int)list.nr) == (int)list.nr)
		return;
	if (patch_range(t->start, t->end, PROT_READ | PROT_EXEC) < 0 || !remember ||
	    smm.stat.sites_refused != refused)
		return;
	list = (struct site_list){ .magic = SITECACHE_MAGIC, .key = key };
	list.nr = patch_list(t->start, t->end, list.site, SITES_REMEMBERED);
	if (list.nr < SITES_REMEMBERED)
		sitecache_save(dir, &list);
}

/* The sites of @t, if an earlier process has left them. */
static bool known_sites(const struct elf_text *t, struct site_list *list)
{
	struct site_key key = { .pgoff = t->pgoff, .len = t->end - t->start };
	const char *path = t->path[0] ? t->path : "/proc/self/exe";
	const char *self = elf_self_path(phdr, phnum);

	return self && file_id(path, &key.text) && file_id(self, &key.library) &&
	       sitecache_load(smm.engine.opt.socket_dir, &key, list);
}

static bool text_has_sites(const struct elf_text *t)
{
	static struct site_list list;

	if (t->end - t->start < REMEMBER_FROM)
		return patch_any(t->start, t->end);
	return !known_sites(t, &list) || list.nr;
}

/* Patch the calls of libc that could wake a sleeper, if libc's sites are known and the
 * program's own text has none. */
static bool patch_known_libc(bool (*wakes)(int nr))
{
	static struct site_list list __start_data;
	struct elf_text t;
	unsigned int n = 0;

	if (!elf_text_program(phdr, phnum, &t) || text_has_sites(&t) ||
	    !elf_text_next(phdr, phnum, "_exit", &t) || !known_sites(&t, &list))
		return false;
	for (unsigned int i = 0; i < list.nr; i++)
		if (wakes(list.site[i].nr))
			list.site[n++] = list.site[i];
	return n && !patch_init(&smm.stat) &&
	       patch_known(t.start, t.end, PROT_READ | PROT_EXEC, list.site, n) == (int)n;
}

bool start_sleeping(bool (*wakes)(int nr))
{
	smm.slept = patch_known_libc(wakes);
	return smm.slept;
}

/*
 * What a program does to a file by its descriptor must be seen, or its mappings stay the
 * kernel's. Newer glibc makes such calls from one place, with the number in a register.
 */
static bool file_calls_seen(unsigned long in_libc)
{
	static const int needed[] = { __NR_read,     __NR_write,    __NR_pread64,
				      __NR_pwrite64, __NR_readv,    __NR_writev,
				      __NR_msync,    __NR_fsync,    __NR_fdatasync,
				      __NR_fcntl,    __NR_ftruncate };
	static struct site_place sites[SITES_REMEMBERED];
	unsigned int n = 0, found = 0;

	for (unsigned int i = 0; i < nr_texts; i++)
		if (in_libc >= texts[i].start && in_libc < texts[i].end)
			n = patch_list(texts[i].start, texts[i].end, sites,
				       SITES_REMEMBERED);
	for (size_t k = 0; k < ARRAY_SIZE(needed); k++)
		for (unsigned int i = 0; i < n; i++)
			if (sites[i].nr == needed[k]) {
				found++;
				break;
			}
	if (found < ARRAY_SIZE(needed))
		start_say("shared mappings of files stay the kernel's: not all calls "
			  "of libc that use files can be seen");
	return found == ARRAY_SIZE(needed);
}

bool start_patching(void)
{
	unsigned long exit_func;

	if (patch_init(&smm.stat) || patch_writable())
		return false;
	if (smm.engine.opt.intercept_all)
		hook_want_signals();
	if (smm.mm.own_shared_files)
		hook_want_files();
	find_loader();
	mmap_write_lock(0, 0);
	for (unsigned int i = 0; i < nr_texts; i++)
		patch_text(&texts[i]);
	exit_func = start_lookup("_exit");
	if (smm.mm.own_shared_files && !file_calls_seen(exit_func))
		smm.mm.own_shared_files = false;
	if (exit_func)
		patch_function(exit_func, (unsigned long)hook_exit);
	mmap_write_unlock();
	mark_range(self_start, self_end, MARK_RANGE);
	if (smm.engine.opt.intercept_all)
		start_dispatch(exit_func);
	return true;
}

void start_say(const char *format, ...)
{
	char line[160];
	__builtin_va_list ap;
	struct fmt f;

	if (!smm.engine.opt.verbose)
		return;
	fmt_init(&f, line, sizeof(line));
	fmt_printf(&f, "shadowmm: process %d: ", smm.engine.owner);
	__builtin_va_start(ap, format);
	fmt_vprintf(&f, format, ap);
	__builtin_va_end(ap);
	fmt_char(&f, '\n');
	sys_write(2, f.buf, f.len);
}

/* Root and CAP_SYS_RESOURCE are not bound by the limit; being root is all we look at. */
static bool nproc_too_low(void)
{
	unsigned long limit[2];

	return sys_geteuid() && !sys_getrlimit(RLIMIT_NPROC, limit) &&
	       nproc_is_low(limit[0]);
}

void start_engine(void)
{
	if (nproc_too_low())
		smm.retired = "RLIMIT_NPROC leaves no room for the engine";
	start_say("%lu areas, %lu call sites patched, %lu not", smm.mm.map_count,
		  smm.stat.sites, smm.stat.sites_refused);
	engine_start();
	mark_range(0, 0, MARK_STARTED);
}
