// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared mappings of files that we page (lib/fault/shared.h), from the hooks' side. What
 * the program has written is in our frames, and in the file only when it has been
 * written back. Others cannot have the file open; but the program has it, and so have its
 * children, by the same open file. So before
 *
 *	it reads the file by a descriptor	what is dirty is written back
 *	msync, fsync				the same, and errors are told
 *	it writes to it, maps it once more,
 *	forks, sends descriptors away		the areas are given back
 *
 * Context: application threads. Takes mmap_lock, unless said otherwise.
 */
#include <asm/stat.h>
#include <linux/mman.h>

#include "lib/hook/state.h"
#include "lib/mm/address_space.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#define EVERYWHERE (~0UL & PAGE_MASK)

static bool any_written(void)
{
	return unlikely(READ_ONCE(smm.mm.nr_written)) && READ_ONCE(smm.active);
}

struct file_no {
	u32 major, minor;
	u64 ino; /* 0: any file */
};

static bool is_file(const struct address_space *m, const struct file_no *no)
{
	return m->written &&
	       (!no->ino || (m->key.ino == no->ino && m->key.major == no->major &&
			     m->key.minor == no->minor));
}

/* The next area of ours that shows it. Holding mmap_lock. */
static struct vm_area_struct *next_of(const struct file_no *no, unsigned long at,
				      unsigned long limit)
{
	struct vm_area_struct *vma = NULL;

	while (at < limit && (vma = mm_next_file(&smm.mm, at, limit)) &&
	       !is_file(vma_host(vma)->mapping, no))
		at = vma->vm_end;
	return at < limit ? vma : NULL;
}

/* --- for the hooks of areas; mmap_lock is held ----------------------------------------
 */

static void give_back(const struct file_no *no, unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;
	bool any = false;

	for (unsigned long at = start; (vma = next_of(no, at, end));) {
		unsigned long from = max(at, vma->vm_start);

		at = min(end, vma->vm_end);
		any |= !engine_request(ENGINE_FILE_BACK, from, at, TRACK_FILE_LEFT);
	}
	/* The engine has used up what the hook had reserved. */
	if (any)
		model_prepare(0, ~0UL);
}

void shared_back(unsigned long start, unsigned long end)
{
	const struct file_no any = { 0 };

	if (any_written() && start < end)
		give_back(&any, start, end);
}

void shared_back_file(const struct vma_file *file)
{
	const struct file_no no = { file->major, file->minor, file->ino };

	if (any_written() && file->ino)
		give_back(&no, 0, EVERYWHERE);
}

bool shared_alone(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma = find_vma(&smm.mm, start);
	const struct vma_file *file = vma ? vma->vm_file : NULL;
	const struct vm_area_struct *other;
	struct vma_iter it;

	if (!file || vma->vm_start != start || vma->vm_end != end)
		return false;
	vma_iter_init(&it, &smm.mm, 0);
	vma_for_each (other, &it) {
		const struct file_host *host = vma_host(other);
		const struct vma_file *f = host ? host->file : other->vm_file;

		if (other != vma && f && f->ino == file->ino && f->major == file->major &&
		    f->minor == file->minor)
			return false;
	}
	return true;
}

/* --- for calls that use descriptors ---------------------------------------------------
 */

void shared_back_all(void)
{
	if (!any_written())
		return;
	mmap_write_lock(0, 0);
	shared_back(0, EVERYWHERE);
	mmap_write_unlock();
}

/* The file of @fd, if there is an area of ours that shows it. */
static bool file_of_fd(int fd, struct file_no *no)
{
	const struct list_head *l;
	bool found = false;
	struct stat st;
	int token;

	if (sys_fstat(fd, &st) || (st.st_mode & S_IFMT) != S_IFREG)
		return false;
	*no = (struct file_no){
		.major = (st.st_dev >> 8) & 0xfff,
		.minor = (st.st_dev & 0xff) | ((st.st_dev >> 12) & 0xfff00),
		.ino = st.st_ino,
	};
	token = mm_read_lock(&smm.mm);
	for (l = rcu_dereference(smm.mm.mappings.next); l != &smm.mm.mappings && !found;
	     l = rcu_dereference(l->next))
		found = is_file(list_entry(l, struct address_space, list), no);
	mm_read_unlock(&smm.mm, token);
	return found;
}

/* The first error that is to be told; without @report there is none. */
static int write_back(const struct file_no *no, bool report)
{
	const struct vm_area_struct *vma;
	long ret = 0, err;

	mmap_write_lock(0, 0);
	for (unsigned long at = 0; (vma = next_of(no, at, EVERYWHERE));) {
		unsigned long from = vma->vm_start;

		at = vma->vm_end;
		err = engine_request(ENGINE_SHARED_SYNC, from, at, report);
		ret = ret ? ret : err == -ESRCH ? 0 : err;
	}
	mmap_write_unlock();
	return (int)ret;
}

static int before_read(unsigned long fd)
{
	struct file_no no;

	return file_of_fd((int)fd, &no) ? write_back(&no, false) : 0;
}

static int before_sync(unsigned long fd)
{
	struct file_no no;

	return file_of_fd((int)fd, &no) ? write_back(&no, true) : 0;
}

static int before_write(unsigned long fd)
{
	struct file_no no;

	if (!file_of_fd((int)fd, &no))
		return 0;
	mmap_write_lock(0, 0);
	give_back(&no, 0, EVERYWHERE);
	mmap_write_unlock();
	return 0;
}

/* From one file to another. */
static int before_copy(unsigned long in, unsigned long out)
{
	before_read(in);
	return before_write(out);
}

/* Those that would see our lease, and whom we have told the kernel to signal. */
static int before_fcntl(const unsigned long *a)
{
	switch ((int)a[1]) {
	case F_SETFL:
	case F_SETOWN:
	case F_GETOWN:
	case F_SETSIG:
	case F_GETSIG:
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_SETLEASE:
	case F_GETLEASE:
		return before_write(a[0]);
	default:
		return 0;
	}
}

/* struct user_msghdr: with descriptors, perhaps. */
static int before_sendmsg(const unsigned long *a)
{
	struct {
		unsigned long name, namelen, iov, iovlen, control, controllen;
		unsigned int flags;
	} msg;

	if (read_user(&msg, a[1], sizeof(msg)) || msg.controllen)
		shared_back_all();
	return 0;
}

/* Files are read and written without a call that we see. */
static int before_uring(void)
{
	shared_back_all();
	smm.mm.own_shared_files = false;
	return 0;
}

int shared_before(long nr, const unsigned long *a)
{
	const struct file_no any = { 0 };

	if (nr == __NR_io_uring_setup && READ_ONCE(smm.active))
		return before_uring();
	if (!any_written())
		return 0;
	switch (nr) {
	case __NR_sendfile:
		return before_copy(a[1], a[0]);
	case __NR_copy_file_range:
	case __NR_splice:
		return before_copy(a[0], a[2]);
	case __NR_fcntl:
		return before_fcntl(a);
	case __NR_sendmsg:
		return before_sendmsg(a);
	case __NR_lseek:
		return a[2] > 2 ? before_read(a[0]) : 0; /* SEEK_DATA, SEEK_HOLE */
	case __NR_sync:
	case __NR_syncfs:
		return write_back(&any, false);
	case __NR_fsync:
	case __NR_fdatasync:
	case __NR_sync_file_range:
		return before_sync(a[0]);
	case __NR_read:
	case __NR_readv:
	case __NR_pread64:
	case __NR_preadv:
	case __NR_preadv2:
		return before_read(a[0]);
	default:
		return before_write(a[0]);
	}
}

/* --- msync ----------------------------------------------------------------------------
 */

/* Where the file itself is, of the first area of ours in [*at, end), which moves. False:
 * there is none. */
static bool next_aside(unsigned long *at, unsigned long end, unsigned long *aside,
		       unsigned long *len)
{
	const struct file_no any = { 0 };
	const struct vm_area_struct *vma;
	unsigned long from;

	mmap_write_lock(0, 0);
	vma = next_of(&any, *at, end);
	if (vma) {
		from = max(*at, vma->vm_start);
		*at = min(end, vma->vm_end);
		*aside = file_aside(vma, from);
		*len = *at - from;
	}
	mmap_write_unlock();
	return vma;
}

/*
 * To the disk, by the program's own mapping, which lies aside: its struct file knows
 * which errors have been told. Without the lock, since that takes long. -ENOMEM: it lies
 * there no more, but in its place, where the site's own call finds it.
 */
static long sync_aside(unsigned long start, unsigned long end)
{
	unsigned long aside, len;
	long ret = 0, err;

	while (next_aside(&start, end, &aside, &len)) {
		err = sys_msync(aside, len, MS_SYNC);
		if (err && err != -ENOMEM && !ret)
			ret = err;
	}
	return ret;
}

int msync_before(const unsigned long *a)
{
	unsigned long end = a[0] + PAGE_ALIGN(a[1]);
	long ret;

	/* What the kernel refuses has no effect. */
	if (!any_written() || a[0] & ~PAGE_MASK || end < a[0] ||
	    a[2] & ~(unsigned long)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
	    (a[2] & MS_ASYNC && a[2] & MS_SYNC))
		return 0;
	mmap_write_lock(0, 0);
	ret = engine_request(ENGINE_SHARED_SYNC, a[0], end, true);
	mmap_write_unlock();
	if (ret == -ESRCH)
		ret = 0;
	if (!ret && a[2] & MS_SYNC)
		ret = sync_aside(a[0], end);
	return (int)ret;
}
