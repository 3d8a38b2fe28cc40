// SPDX-License-Identifier: LGPL-2.1-or-later
/* Calls that end or transform the process: exec, exit, credentials, sandboxes. */
#include <asm/resource.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/wait.h>

#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/state.h"
#include "lib/hook/table.h"
#include "lib/sys/clone.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#define PASS(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

/* How long the end of a program waits for a thread that holds mmap_lock in a call that
 * the kernel does not finish (a mapping on a dead network file system). */
#define END_TIMEOUT_MS 2000

static void engine_restart(void)
{
	life_lock();
	if (smm.active && !smm.engine.ctl_pid) {
		engine_start();
		own_range(0, ~0UL & PAGE_MASK);
	}
	life_unlock();
}

static bool engine_end(void)
{
	if (!life_lock_timeout(END_TIMEOUT_MS))
		return false;
	engine_stop();
	life_unlock();
	return true;
}

/* execvp() tries every directory of PATH: do not stop the engine for a file that is
 * not there. */
static bool exec_will_fail(long nr, const unsigned long *a)
{
	long dir = nr == __NR_execveat ? (int)a[0] : AT_FDCWD;
	unsigned long path = nr == __NR_execveat ? a[1] : a[0];
	long ret;

	if (nr == __NR_execveat && (a[4] & AT_EMPTY_PATH))
		return false;
	ret = sys_faccessat(dir, path, 0);
	return ret == -ENOENT || ret == -ENOTDIR;
}

/*
 * The new image must find no child and get no signal of ours: the engine ends, and is
 * reaped, before. A vfork child leaves it to its owner.
 */
long hook_exec(long nr, unsigned long *a)
{
	long ret;

	if (exec_will_fail(nr, a))
		return PASS(nr, a);
	if (!engine_is_ours()) {
		mmput(&smm.mm); /* the address space that it borrows */
		ret = PASS(nr, a);
		mmget(&smm.mm);
		return ret;
	}
	engine_end();
	ret = PASS(nr, a);
	engine_restart();
	return ret;
}

int *hook_mm_users(void)
{
	return &smm.mm.mm_users;
}

static void verify_task(void *engine)
{
	smm.verify_at_exit(engine);
}

/*
 * --verify-at-exit reads the kernel's list in a task of its own: the exiting thread's
 * stack may be small, and its descriptor table full or watched.
 */
static void verify_at_exit(void)
{
	static char stack[48 * 1024] __attribute__((aligned(64)));

	if (!smm.engine.opt.verify_at_exit[0])
		return;
	run_aside(stack + sizeof(stack), verify_task, &smm.engine);
}

/*
 * To give areas of files back would take as long as copying what was written to them, for
 * nobody: there is no other thread, and the lock, which is kept, holds signals off.
 */
static void engine_end_alone(void)
{
	if (!life_lock_timeout(END_TIMEOUT_MS))
		return;
	smm.ending = true;
	engine_stop();
}

static bool is_alone(void)
{
	return READ_ONCE(smm.mm.mm_users) == 1 && !READ_ONCE(smm.mmap_lock.borrowers);
}

/*
 * The engine ends before the program does: as long as it lives the address space does,
 * and the program's file would still be busy when its parent wants to replace it.
 */
void hook_exit(int code)
{
	if (READ_ONCE(smm.active) && engine_is_ours()) {
		verify_at_exit();
		if (is_alone())
			engine_end_alone();
		else
			engine_end();
	} else {
		mmput(&smm.mm);
	}
	for (;;)
		sys_exit_group(code);
}

static void creds_of_program(struct engine_creds *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 }, { 0 } };

	memset(c, 0, sizeof(*c));
	sys_getresuid(&c->ruid, &c->euid, &c->suid);
	sys_getresgid(&c->rgid, &c->egid, &c->sgid);
	sys_capget(&head, caps);
	for (int i = 0; i < 2; i++) {
		c->cap[0][i] = caps[i].effective;
		c->cap[1][i] = caps[i].permitted;
		c->cap[2][i] = caps[i].inheritable;
	}
	c->nr_groups = (int)sys_getgroups(ENGINE_MAX_GROUPS, c->groups);
}

/* Guarded by mmap_lock; too big for a signal stack. */
static struct engine_creds fresh_creds;

/*
 * A privileged engine must not stay behind a program that gave its privileges up. Its
 * tasks change their own credentials rather than being replaced: the userfaultfd that
 * privilege opened stays open, as any descriptor does across setuid().
 */
void creds_changed(void)
{
	struct engine *e = &smm.engine;
	long ret = 0;

	if (!READ_ONCE(smm.active) || !engine_is_ours())
		return;
	mmap_write_lock(0, 0);
	creds_of_program(&fresh_creds);
	if (memcmp(&fresh_creds, &e->creds, sizeof(fresh_creds)) != 0) {
		stat_inc(smm.stat.cred_changes);
		file_back(0, ~0UL & PAGE_MASK);
		smm.mm.file_policy = FILES_KERNEL;
		smm.mm.own_shared_files = false;
		memcpy(&e->creds, &fresh_creds, sizeof(fresh_creds));
		ret = engine_request(ENGINE_CREDS, 0, 0, 0);
	}
	mmap_write_unlock();
	if (ret && engine_end())
		engine_restart();
}

long hook_creds(long nr, unsigned long *a)
{
	long ret = PASS(nr, a);

	if (!IS_ERR_VALUE(ret))
		creds_changed();
	return ret;
}

/*
 * Behind a seccomp filter a hook's own calls may be refused or deadly. From there on the
 * program runs alone: the engine ends, hooks only pass calls on.
 */
static long enter_sandbox(long nr, unsigned long *a)
{
	long ret;

	if (engine_is_ours()) {
		engine_end();
		WRITE_ONCE(smm.active, false);
	}
	ret = PASS(nr, a);
	if (IS_ERR_VALUE(ret) && engine_is_ours()) {
		WRITE_ONCE(smm.active, true);
		engine_restart();
	}
	return ret;
}

long hook_seccomp(unsigned long *a)
{
	if (a[0] == SECCOMP_SET_MODE_STRICT || (a[0] == SECCOMP_SET_MODE_FILTER && a[2]))
		return enter_sandbox(__NR_seccomp, a);
	return PASS(__NR_seccomp, a);
}

long hook_prctl(unsigned long *a)
{
	switch (a[0]) {
	case PR_SET_SECCOMP:
		if (a[1] == SECCOMP_MODE_FILTER && !a[2])
			return PASS(__NR_prctl, a); /* a probe, answered by EFAULT */
		return enter_sandbox(__NR_prctl, a);
	case PR_SET_DUMPABLE:
		if (!a[1])
			file_stop();
		return PASS(__NR_prctl, a);
	default:
		return hook_prctl_mm(a);
	}
}

/*
 * An engine started after unshare(CLONE_NEWPID) would be the init of the new namespace
 * instead of the program's next child. It is not restarted then.
 */
long hook_namespace(long nr, unsigned long *a)
{
	unsigned long flags = nr == __NR_unshare ? a[0] : a[1] ? a[1] : CLONE_NEWPID;
	/* The kernel refuses CLONE_VM to those whose memory somebody shares. */
	bool alone = nr == __NR_unshare && (flags & CLONE_VM) && engine_is_ours();
	long ret;

	if (alone)
		engine_end();
	ret = PASS(nr, a);
	if (!ret && (flags & CLONE_NEWPID))
		smm.pidns_changed = true;
	if (alone)
		engine_restart();
	return ret;
}

/* linux/userfaultfd.h */
#define UFFDIO_API_CMD	      0xc018aa3f
#define UFFDIO_REGISTER_CMD   0xc020aa00
#define UFFDIO_UNREGISTER_CMD 0x8010aa01
#define UFFD_MODE_MISSING     1
#define UFFD_MODE_WP	      2
#define UFFD_MODE_MINOR	      4

/*
 * A program that is about to page memory itself counts on finding exactly the pages
 * missing that it did not touch, or dropped. We install more (windows, and late ones: an
 * event may have been read whose page came with another's window), so we stop.
 */
static void give_back_all(void)
{
	struct vm_area_struct *vma;
	unsigned long start, end;

	smm.mm.own_enabled = false;
	smm.engine.degraded = "the program uses userfaultfd itself";
	for (end = 0; (vma = find_vma(&smm.mm, end));) {
		start = vma->vm_start;
		end = vma->vm_end;
		if (vma->policy == POLICY_OWN && model_prepare(start, end - start))
			engine_request(ENGINE_UNREGISTER, start, end,
				       TRACK_PROGRAM_PAGES);
	}
	engine_wait_range(0, ~0UL);
}

static long hook_uffd_api(unsigned long *a)
{
	bool model = mmap_write_lock(0, 0);
	long ret;

	if (model && smm.mm.own_enabled)
		give_back_all();
	ret = PASS(__NR_ioctl, a);
	mmap_write_unlock();
	return ret;
}

static unsigned long uffd_flags(u64 mode)
{
	return (mode & UFFD_MODE_MISSING ? VM_UFFD_OTHER : 0) |
	       (mode & UFFD_MODE_WP ? VM_UFFD_WP : 0) |
	       (mode & UFFD_MODE_MINOR ? VM_UFFD_MINOR : 0);
}

/* A program that pages memory itself gets the area from us. */
static long hook_uffd_register(unsigned long *a)
{
	struct {
		u64 start, len, mode;
	} range;
	bool model;
	long ret;

	if (read_user(&range, a[2], sizeof(range)))
		return PASS(__NR_ioctl, a);
	model = mmap_write_lock(range.start, range.len);
	if (model) {
		engine_request(ENGINE_UNREGISTER, range.start, range.start + range.len,
			       TRACK_PROGRAM_UFFD);
		engine_wait_range(range.start, range.start + range.len);
	}
	ret = PASS(__NR_ioctl, a);
	if (model && !ret) {
		if (range.mode != UFFD_MODE_MISSING &&
		    model_prepare(range.start, range.len))
			mm_set_program_uffd(&smm.mm, range.start, range.start + range.len,
					    uffd_flags(range.mode));
		model_resync();
	}
	mmap_write_unlock();
	return ret;
}

static long hook_uffd_unregister(unsigned long *a)
{
	struct {
		u64 start, len;
	} range;
	bool model;
	long ret;

	if (read_user(&range, a[2], sizeof(range)))
		return PASS(__NR_ioctl, a);
	model = mmap_write_lock(range.start, range.len);
	ret = PASS(__NR_ioctl, a);
	if (model && !ret)
		mm_set_program_uffd(&smm.mm, range.start, range.start + range.len, 0);
	mmap_write_unlock();
	return ret;
}

bool ioctl_is_uffd(unsigned long command)
{
	return (u32)command == UFFDIO_API_CMD || (u32)command == UFFDIO_REGISTER_CMD ||
	       (u32)command == UFFDIO_UNREGISTER_CMD;
}

/* FICLONE, FICLONERANGE, FIDEDUPERANGE, FS_IOC_FIEMAP: what files consist of. */
static bool ioctl_is_file(u32 command)
{
	return command == 0x40049409 || command == 0x4020940d || command == 0xc0189436 ||
	       command == 0xc020660b;
}

long hook_ioctl(unsigned long *a)
{
	if (unlikely(ioctl_is_file((u32)a[1])))
		shared_back_all();
	if (unlikely((u32)a[1] == UFFDIO_API_CMD))
		return hook_uffd_api(a);
	if (unlikely((u32)a[1] == UFFDIO_REGISTER_CMD))
		return hook_uffd_register(a);
	if (unlikely((u32)a[1] == UFFDIO_UNREGISTER_CMD))
		return hook_uffd_unregister(a);
	return PASS(__NR_ioctl, a);
}

/* Below this many processes per user, two more for each program may be too many. */
#define NPROC_ENOUGH 1024

bool nproc_is_low(unsigned long limit)
{
	return limit < NPROC_ENOUGH;
}

/* What we have mapped for ourselves would count: of a file as much as the program has. */
static void memory_becomes_limited(void)
{
	if (!engine_is_ours())
		return;
	file_stop();
	mmap_write_lock(0, ~0UL);
	pool_drop();
	smm.pool_refused = true; /* also before the limit is there */
	mmap_write_unlock();
}

void setrlimit_before(int resource, unsigned long addr)
{
	unsigned long limit[2];

	if (!READ_ONCE(smm.active) || !addr || read_user(limit, addr, sizeof(limit)))
		return;
	switch (resource) {
	case RLIMIT_NPROC:
		if (nproc_is_low(limit[0]))
			engine_retire("RLIMIT_NPROC leaves no room for the engine");
		break;
	case RLIMIT_NOFILE:
		/* Our own limit stays as it was, but the engines of children have this
		 * one. */
		if (limit[1] < FILES_DESCRIPTORS)
			file_stop();
		break;
	case RLIMIT_AS:
	case RLIMIT_DATA:
		if (limit[0] != RLIM_INFINITY)
			memory_becomes_limited();
		break;
	}
}

/* A process, or any thread of it. */
static bool is_this_process(int pid)
{
	return !pid || !sys_tgkill(sys_getpid(), pid, 0);
}

static bool waits_for_clones(long nr, const unsigned long *a)
{
	unsigned long options = nr == __NR_wait4 ? a[2] : a[3];
	bool any = nr == __NR_wait4 ? (int)a[0] == -1 : a[0] == 0 /* P_ALL */;

	return any && (options & (__WALL | __WCLONE));
}

/*
 * Looks at a call that the site itself then executes (a cancellation point: glibc's
 * unwinder must find the thread in glibc's own code).
 */
int hook_before(long nr, unsigned long *a, struct site *site)
{
	(void)site;
	if (hook_class(nr) == CALL_FILE)
		return shared_before(nr, a);
	if (!READ_ONCE(smm.active) || smm.retired)
		return 0;
	switch (nr) {
	case __NR_wait4:
	case __NR_waitid:
		if (waits_for_clones(nr, a))
			engine_retire("the program waits for every child (__WALL)");
		break;
	case __NR_prlimit64:
		if (a[2] && is_this_process((int)a[0]))
			setrlimit_before((int)a[1], a[2]);
		break;
	case __NR_futex:
		futex_before(a);
		break;
	case __NR_msync:
		stat_inc(smm.stat.calls);
		track_msync(a);
		return msync_before(a);
	default:
		break;
	}
	return 0;
}
