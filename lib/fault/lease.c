// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Leases (fcntl(2), F_SETLEASE): the kernel holds up who opens a file for writing, or
 * truncates it, until we have given our read lease back, and tells us by a signal. A task
 * of its own waits for that signal: it stays pending until the task asks, so none is
 * lost, and nobody waits for the task but that writer.
 *
 * Context: lease_task() takes mmap_lock as a hook would.
 */
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/signal.h>

#include "lib/fault/fault.h"
#include "lib/fault/fill.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/creds.h"
#include "lib/sys/mutex.h"
#include "lib/sys/sys.h"

/* Not in the oldest linux/magic.h, or nowhere */
#define LUSTRE_FS   0x0bd00bd0
#define OCFS2_FS    0x7461636f
#define ORANGEFS_FS 0x20030528
#define SMB1_FS	    0xff534d42
#define SMB2_FS	    0xfe534d42
#define VBOX_FS	    0x786f4256

/*
 * What others write to a file of these comes from another machine, or another process,
 * past the kernel's leases, which it grants all the same (generic_setlease()). Those that
 * are not here refuse leases (NFSv3, Ceph, GFS2) or are told of writers (NFSv4).
 */
static bool changes_unseen(int fd)
{
	struct statfs fs = { .f_type = 0 };

	if (sys_fstatfs(fd, &fs))
		return true;
	switch ((u32)fs.f_type) {
	case FUSE_SUPER_MAGIC: /* virtiofs as well */
	case V9FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case AFS_FS_MAGIC:
	case CODA_SUPER_MAGIC:
	case LUSTRE_FS:
	case OCFS2_FS:
	case ORANGEFS_FS:
	case SMB1_FS:
	case SMB2_FS:
	case VBOX_FS:
		return true;
	default:
		return false;
	}
}

/* The owner first: the kernel would take the process, and SIGIO. */
long lease_take(const struct engine *e, int fd, int type)
{
	const struct f_owner_ex owner = { F_OWNER_TID, e->files.lease_tid };
	long ret = changes_unseen(fd) ? -EINVAL : sys_fcntl(fd, F_SETOWN_EX, &owner);

	if (!ret)
		ret = sys_fcntl(fd, F_SETSIG, FAULT_SIGNAL);
	return ret ? ret : sys_fcntl(fd, F_SETLEASE, type);
}

void lease_give(int fd)
{
	sys_fcntl(fd, F_SETLEASE, F_UNLCK);
}

bool lease_holds(int fd, int type)
{
	/* While it is being broken: what it is to become. */
	return sys_fcntl(fd, F_GETLEASE, 0) == type;
}

void lease_trouble(struct engine *e, struct address_space *m)
{
	__atomic_store_n(&m->state, MAPPING_LEAVING, __ATOMIC_SEQ_CST);
	sys_tgkill(e->fault_pid, e->files.lease_tid, FAULT_SIGNAL);
}

/* A mapping that is to be left (again). Caller holds mmap_lock. */
static struct address_space *lost(const struct engine *e)
{
	struct list_head *pos;

	list_for_each (pos, &e->mm->mappings) {
		struct address_space *m = list_entry(pos, struct address_space, list);

		if (m->state == MAPPING_LEAVING ||
		    (m->state == MAPPING_LIVE &&
		     !lease_holds(m->file_fd, m->written ? F_WRLCK : F_RDLCK)))
			return m;
	}
	return NULL;
}

static void wait_for_signal(void)
{
	/* Belt and braces: a writer is held up for lease-break-time, 45 s, at most. */
	const struct timespec tick = { 10, 0 };
	const u64 set = 1ULL << (FAULT_SIGNAL - 1);

	sys_rt_sigtimedwait(&set, NULL, &tick);
}

/* A piece at a time: hooks wait for mmap_lock. */
static void write_back(struct engine *e)
{
	bool more = READ_ONCE(e->mm->nr_written);

	for (unsigned long at = 0; more;) {
		mutex_lock(e->mmap_lock);
		more = shared_write_back(e, &at);
		mutex_unlock(e->mmap_lock);
	}
}

static void lease_task(void *arg)
{
	struct engine *e = arg;
	struct address_space *m;
	bool more = false;
	u32 creds = e->creds_start;

	sys_prctl(PR_SET_NAME, "smm-lease", 0, 0, 0);
	for (;;) {
		if (!more)
			wait_for_signal();
		creds_follow(e, &creds);
		mutex_lock(e->mmap_lock);
		while ((m = lost(e)))
			file_leave(e, m);
		shared_wake_again(e);
		more = evict_tick(e);
		mutex_unlock(e->mmap_lock);
		write_back(e);
	}
}

long lease_task_start(struct engine *e)
{
	long tid;

	if (e->files.lease_tid)
		return 0;
	evict_start(e);
	fill_forget();
	shared_wake_forget();
	tid = engine_task(e->stack_lease + sizeof(e->stack_lease), lease_task, e);
	if (tid < 0)
		return tid;
	e->files.lease_tid = (int)tid;
	return 0;
}
