// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A preloadable library with nothing but the patch layer: it counts the calls it sees
 * and passes them on. For trying interception alone on real programs.
 *
 * Environment: PATCH_COUNT_FILE, a file of counters shared by the whole process tree
 * (u64 calls[512], made large enough by the caller); PATCH_COUNT_MODE, letters: "a" patch
 * every mapped module, "s" Syscall User Dispatch, "w" write through /proc/self/mem;
 * PATCH_COUNT_LOG, a file to which each process appends "pid start end sites refused us".
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/sud.h"
#include "lib/hook/table.h"
#include "lib/hook/text.h"
#include "lib/hook/thunk.h"
#include "lib/sys/procmaps.h"
#include "lib/sys/sys.h"

#define VM_EXEC_BIT 4 /* include/linux/mm.h */

static struct smm_stat stat;
static u64 private_calls[HOOK_NR_MAX];
static u64 *calls = private_calls;

static void count(long nr)
{
	if (nr >= 0 && nr < HOOK_NR_MAX)
		__atomic_fetch_add(&calls[nr], 1, __ATOMIC_RELAXED);
}

void patch_note_mapping(unsigned long addr, unsigned long len, unsigned long prot)
{
	(void)addr;
	(void)len;
	(void)prot;
}

long hook_syscall(long nr, unsigned long *a, struct site *site)
{
	long ret;

	(void)site;
	count(nr);
	ret = sys_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (nr == __NR_mmap && (a[2] & PROT_EXEC) && !(a[3] & MAP_ANONYMOUS) &&
	    !IS_ERR_VALUE(ret))
		patch_range((unsigned long)ret, PAGE_ALIGN((unsigned long)ret + a[1]),
			    a[2]);
	return ret;
}

enum clone_class hook_clone_before(long nr, unsigned long *args, struct site *site)
{
	unsigned long flags = args[0];

	(void)site;
	count(nr);
	if (nr == __NR_clone3)
		flags = args[0] ? ((const struct clone_args *)args[0])->flags : 0;
	if (nr == __NR_fork)
		flags = 0;
	if (nr == __NR_vfork)
		flags = CLONE_VM | CLONE_VFORK;
	if (!(flags & CLONE_VM))
		return CLONE_CLASS_FORK;
	return flags & CLONE_THREAD ? CLONE_CLASS_THREAD : CLONE_CLASS_VM;
}

/* The numbers 500.. are free in the kernel's table: what came back from clone calls. */
int *hook_mm_users(void)
{
	static int users;

	return &users;
}

int hook_before(long nr, unsigned long *args, struct site *site)
{
	(void)nr, (void)args, (void)site;
	return 0;
}

void hook_clone_after(long nr, enum clone_class cls, long ret)
{
	(void)nr;
	count(ret < 0 ? 503 : 504 + (long)cls);
}

void hook_clone_child(long nr, enum clone_class cls)
{
	(void)nr;
	count(500 + (long)cls);
	if (cls == CLONE_CLASS_FORK)
		patch_fork_child();
	sud_arm();
}

static const char *get_env(char **envp, const char *name)
{
	const size_t n = strlen(name);

	for (; *envp; envp++) {
		if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
			return *envp + n + 1;
	}
	return "";
}

static void share_counters(const char *path)
{
	long fd = sys_open(path, O_RDWR | O_CLOEXEC, 0);
	long at;

	if (fd < 0)
		return;
	at = sys_mmap(0, sizeof(private_calls), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      0);
	if (!IS_ERR_VALUE(at))
		calls = (u64 *)at;
	sys_close(fd);
}

static void write_log(const char *path, unsigned long us)
{
	unsigned long start, end;
	char line[160];
	struct fmt f;
	long fd = sys_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	thunk_own_text(&start, &end);
	fmt_init(&f, line, sizeof(line));
	fmt_printf(&f, "%ld %lx %lx %lu %lu %lu\n", sys_getpid(), start, end, stat.sites,
		   stat.sites_refused, us);
	sys_write(fd, f.buf, f.len);
	sys_close(fd);
}

static bool is_glibc(const struct area_desc *d)
{
	return str_has_suffix(d->name, "/libc.so.6") ||
	       str_has_suffix(d->name, "/ld-linux-x86-64.so.2");
}

/* Patches the modules; widens [*start, *end) to hold libc and ld.so. */
static void patch_modules(bool all, unsigned long *start, unsigned long *end)
{
	static struct procmaps maps;
	struct area_desc d;

	if (procmaps_open(&maps))
		return;
	while (procmaps_next(&maps, &d) > 0) {
		if (!(d.vm_flags & VM_EXEC_BIT) || d.name[0] != '/' ||
		    thunk_owns(d.start))
			continue;
		if (is_glibc(&d)) {
			*start = min(*start, d.start);
			*end = max(*end, d.end);
		} else if (!all) {
			continue;
		}
		patch_range(d.start, d.end, PROT_READ | PROT_EXEC);
	}
	procmaps_close(&maps);
}

static unsigned long now_us(void)
{
	struct timespec ts;

	sys_clock_gettime(1, &ts); /* CLOCK_MONOTONIC */
	return (unsigned long)(ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

__attribute__((constructor)) static void start_counting(int argc, char **argv,
							char **envp)
{
	const char *mode = get_env(envp, "PATCH_COUNT_MODE");
	unsigned long start = -1UL, end = 0, t = now_us();

	(void)argc;
	(void)argv;
	share_counters(get_env(envp, "PATCH_COUNT_FILE"));
	text_refuse_mprotect = strchr(mode, 'w') != NULL;
	if (strchr(mode, 's'))
		hook_want_signals();
	if (patch_init(&stat))
		return;
	patch_modules(strchr(mode, 'a') != NULL, &start, &end);
	if (strchr(mode, 's')) {
		sud_include_own_text(&start, &end);
		sud_start(start, end, &stat);
	}
	write_log(get_env(envp, "PATCH_COUNT_LOG"), now_us() - t);
}
