// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sleep: most processes are too small, or end too soon, to gain from us. They get no
 * model and no engine, and only those sites of libc are patched whose calls may change
 * that. The first call that makes much new memory, a second task in this address space,
 * or a request that a list of areas read later would not show, wakes the process: the
 * constructor's work is done then, with the address space as it is.
 *
 * A sleeper has one thread, so what follows needs no lock to be safe, and waking patches
 * text that nobody else executes. A fork child of a sleeper sleeps, and finds out when it
 * wakes that it is one: fork's sites are not patched.
 *
 *   hook_syscall -> sleep_syscall -> sleep_end -> wake_task -> start_model
 *                                       |             '------> start_patching
 *                                       '-----> start_engine
 */
#include <asm/stat.h>
#include <linux/mman.h>
#include <linux/seccomp.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/start.h"
#include "lib/hook/state.h"
#include "lib/hook/table.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#define PASS(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

/* The sites that a sleeper needs patched: those of calls that wakes() may say yes to. */
static bool may_wake(int nr)
{
	switch (nr) {
	case -1:  /* syscall() */
	case 435: /* clone3; who creates a thread without it does not wake us */
	case __NR_mmap:
	case __NR_mremap:
	case __NR_brk:
	case __NR_madvise:
	case __NR_mlock:
	case __NR_mlock2:
	case __NR_mlockall:
	case __NR_munlock:
	case __NR_munlockall:
	case __NR_pkey_mprotect:
	case __NR_ioctl:
	case __NR_prctl:
		return true;
	default:
		return false;
	}
}

bool sleep_start(void)
{
	if (!smm.engine.opt.wake_at || !start_sleeping(may_wake))
		return false;
	smm.engine.asleep = true;
	start_say("sleeps until it has %lu KiB of new memory, %lu call sites patched",
		  smm.engine.opt.wake_at >> 10, smm.stat.sites);
	return true;
}

/* --- waking ------------------------------------------------------------------------ */

static void wake_task(void *arg)
{
	bool *ok = arg;

	*ok = start_model() && start_patching();
}

/* The kernel counts the threads among the links (proc_task_getattr()). */
static bool one_thread(void)
{
	struct stat st;

	return !sys_stat("/proc/self/task", &st) && st.st_nlink == 3;
}

/* A child would be the init of a namespace that the program has prepared. */
static bool pidns_prepared(void)
{
	struct stat own, children;

	return sys_stat("/proc/self/ns/pid", &own) ||
	       sys_stat("/proc/self/ns/pid_for_children", &children) ||
	       own.st_ino != children.st_ino;
}

static bool wake_model(void)
{
	struct engine *e = &smm.engine;
	bool ok = false;

	run_aside(e->stack_ctl + sizeof(e->stack_ctl), wake_task, &ok);
	return ok;
}

static void wake_identity(void)
{
	struct fmt f;

	if (!engine_is_ours()) {
		birth_by_fork(&smm.engine.birth);
		smm.engine.owner = (int)sys_getpid();
	}
	if (smm.engine.opt.uid == (u32)sys_geteuid())
		return;
	/* As the engine does when the program becomes another user. */
	smm.engine.opt.uid = (u32)sys_geteuid();
	fmt_init(&f, smm.engine.opt.socket_dir, sizeof(smm.engine.opt.socket_dir));
	fmt_printf(&f, "/tmp/shadowmm-%u", smm.engine.opt.uid);
}

static void wake_up(void)
{
	smm.engine.asleep = false; /* whatever comes of it: once */
	if (pidns_prepared() || !one_thread())
		return;
	wake_identity();
	if (!wake_model())
		return;
	mutex_lock(&smm.mmap_lock);
	start_engine();
	own_range(0, ~0UL & PAGE_MASK);
	mutex_unlock(&smm.mmap_lock);
}

/*
 * A fork child has our memory's copy, a vfork child the memory itself: it reads there
 * what we have just written, under the number of the process that owns it.
 */
static bool is_borrowed(void)
{
	static volatile u64 token;
	u64 seen = 0;

	if (engine_is_ours())
		return false;
	token = __builtin_ia32_rdtsc();
	return !read_process(smm.engine.owner, &seen, (unsigned long)&token,
			     sizeof(seen)) &&
	       seen == token;
}

bool sleep_end(void)
{
	if (!smm.engine.asleep || is_borrowed())
		return READ_ONCE(smm.active);
	mutex_lock(&smm.life);
	if (smm.engine.asleep)
		wake_up();
	mutex_unlock(&smm.life);
	return READ_ONCE(smm.active);
}

/* --- calls ------------------------------------------------------------------------- */

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif

/* What a list of areas, read later, will show in full. */
#define PLAIN_MAP                                                                   \
	(MAP_SHARED_VALIDATE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE |    \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_STACK | MAP_POPULATE | MAP_NONBLOCK | \
	 MAP_32BIT)

static bool grew(unsigned long bytes)
{
	smm.grown += bytes;
	return smm.grown >= smm.engine.opt.wake_at;
}

/* A mapping of a file that we might page. The loader's calls do not come here. */
static bool file_wakes(const unsigned long *a)
{
	bool wanted = (a[3] & MAP_TYPE) == MAP_PRIVATE
			      ? smm.engine.opt.files != FILES_KERNEL
			      : smm.engine.opt.shared_file == SHARED_FILE_OWN;

	return wanted && !(a[3] & MAP_ANONYMOUS) && !(a[2] & PROT_EXEC) &&
	       a[1] >= smm.engine.opt.min_own;
}

/* And shared memory. */
static bool shmem_wakes(const unsigned long *a)
{
	return smm.engine.opt.shmem && (a[3] & MAP_TYPE) != MAP_PRIVATE &&
	       (a[2] & PROT_WRITE) && a[1] >= smm.engine.opt.min_own;
}

static bool mmap_wakes(const unsigned long *a)
{
	const unsigned long kind = MAP_TYPE | MAP_ANONYMOUS;

	if (a[3] & ~(unsigned long)PLAIN_MAP || file_wakes(a) || shmem_wakes(a))
		return true;
	return (a[3] & kind) == (MAP_PRIVATE | MAP_ANONYMOUS) && (a[2] & PROT_WRITE) &&
	       grew(a[1]);
}

static bool brk_wakes(const unsigned long *a)
{
	unsigned long now = (unsigned long)sys_brk(0);

	return a[0] > now && grew(a[0] - now);
}

static bool wakes(long nr, const unsigned long *a)
{
	switch (nr) {
	case __NR_mmap:
		return mmap_wakes(a);
	case __NR_mremap:
		return a[3] & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED) ||
		       (a[2] > a[1] && grew(a[2] - a[1]));
	case __NR_brk:
		return brk_wakes(a);
	case __NR_madvise:
		return advice_changes_areas((int)a[2]);
	case __NR_munmap:
	case __NR_mprotect:
	case __NR_mincore:
	case __NR_shmat:
	case __NR_shmdt:
		return false; /* by syscall(), which has one site for all numbers */
	case __NR_ioctl:
		return ioctl_is_uffd(a[1]);
	case __NR_prctl:
		return prctl_changes_areas(a[0]);
	default:
		return hook_class(nr) == CALL_MM;
	}
}

/* From there on nothing of ours may be tried: it may be deadly. */
static bool is_sandbox(long nr, const unsigned long *a)
{
	return nr == __NR_seccomp || (nr == __NR_prctl && a[0] == PR_SET_SECCOMP);
}

long sleep_syscall(long nr, unsigned long *a, struct site *site)
{
	if (!smm.engine.asleep)
		return PASS(nr, a);
	if (wakes(nr, a) && sleep_end())
		return hook_syscall(nr, a, site);
	if (is_sandbox(nr, a))
		smm.engine.asleep = false;
	return PASS(nr, a);
}

enum clone_class sleep_clone(long nr, unsigned long *a, struct site *site, u64 flags)
{
	bool stays = (flags & (CLONE_VFORK | CLONE_THREAD)) == CLONE_VFORK;

	if ((flags & CLONE_VM) && !stays && sleep_end())
		return hook_clone_before(nr, a, site);
	return CLONE_CLASS_VM; /* nothing to be done afterwards */
}
