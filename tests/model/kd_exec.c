// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One operation: done by the kernel, then told to the model as the hooks of
 * lib/hook/areas.c tell it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/kd.h"
#include "tests/model/mman.h"

/* --- addresses --------------------------------------------------------------------- */

bool kd_resolve(const struct kd_addr *a, unsigned long *addr)
{
	unsigned long off = (unsigned long)a->off;

	switch ((enum kd_base)a->base) {
	case KD_ABS:
		*addr = off;
		return true;
	case KD_IN_WINDOW:
		*addr = KD_WINDOW + off;
		return true;
	case KD_FROM_BREAK:
		*addr = kd.brk + off;
		return true;
	case KD_OF_IMAGE:
		*addr = kd.base[a->ref % kd.nr_base].start + off;
		return *addr < kd.base[a->ref % kd.nr_base].end;
	case KD_OF_RESULT:
		*addr = (unsigned long)kd.res->ret[a->ref] + off;
		/* Not of calls that return 0 or an error */
		return (unsigned long)kd.res->ret[a->ref] - 1 < ~MAX_ERRNO - 1;
	}
	return false;
}

/*
 * The kernel would change what this process runs on. Ranges that wrap around are refused
 * by every call, but for the page-rounding of mlock.
 */
static bool touches_base(unsigned long addr, unsigned long len)
{
	unsigned long start = addr & PAGE_MASK, end = PAGE_ALIGN(addr + len);

	if (end < start)
		return false;
	for (unsigned int i = 0; i < kd.nr_base; i++)
		if (start < kd.base[i].end && kd.base[i].start < end)
			return true;
	return false;
}

/* --- calls ------------------------------------------------------------------------- */

static long sys_ret(long ret)
{
	return ret == -1 ? -errno : ret;
}

#define CALL(...) sys_ret(syscall(__VA_ARGS__))

/* Where a call that failed half way has left things, nobody can know but the kernel. */
static void resync(void)
{
	kd_compare_areas(true);
	kd.res->count.resyncs += kd.read_back;
}

static struct vma_file *file_of(const struct kd_file *f)
{
	struct vma_file *file = vma_file_get(kd.mm, f->major, f->minor, f->ino, f->name);

#if KD_OPEN_MODES_ARE_KNOWN
	if (f->read_only)
		file->mode = f->seals ? FILE_SEALED : FILE_READONLY;
	file->mode_known = true;
#endif
	return file;
}

static long do_mmap(const struct kd_op *op, unsigned long addr)
{
	const struct kd_file *f = op->fd >= 0 ? &kd_files[op->fd] : NULL;
	bool anonymous = op->flags & MAP_ANONYMOUS;
	struct mmap_call c = { .len = op->len, .prot = op->prot, .flags = op->flags };
	long ret = CALL(SYS_mmap, addr, op->len, op->prot, op->flags, f ? f->fd : -1,
			op->pgoff * PAGE_SIZE);

	if (IS_ERR_VALUE(ret)) {
		c.addr = addr;
		mm_mmap_failed(kd.mm, &c);
		/* The file's mmap() is called when the target has been unmapped. */
		if (op->flags & MAP_FIXED &&
		    (f || op->flags & (MAP_HUGETLB | MAP_SHARED)))
			resync();
		return ret;
	}
	c.addr = (unsigned long)ret;
	c.pgoff = anonymous ? c.addr >> PAGE_SHIFT : op->pgoff;
	if (!anonymous)
		c.file = file_of(f);
	mm_mmap(kd.mm, &c);
	return ret;
}

static long do_mprotect(const struct kd_op *op, unsigned long addr)
{
	int pkey = op->kind == KD_PKEY_MPROTECT ? op->advice : -1;
	long ret = op->kind == KD_MPROTECT
			   ? CALL(SYS_mprotect, addr, op->len, op->prot)
			   : CALL(SYS_pkey_mprotect, addr, op->len, op->prot, pkey);

	if (!ret || ret == -ENOMEM || ret == -EACCES)
		mm_mprotect(kd.mm, addr, op->len, op->prot, pkey);
	return ret;
}

static long do_madvise(const struct kd_op *op, unsigned long addr)
{
	long ret = CALL(SYS_madvise, addr, op->len, op->advice);

	if (!ret || ret == -ENOMEM || ret == -EINVAL)
		mm_advice(kd.mm, addr, op->len, op->advice);
	return ret;
}

static long do_mlock(const struct kd_op *op, unsigned long addr)
{
	unsigned long flags = op->kind == KD_MUNLOCK ? 0 : VM_LOCKED;
	long ret;

	if (op->kind == KD_MLOCK2) {
		ret = CALL(SYS_mlock2, addr, op->len, op->advice);
		if (op->advice & MLOCK_ONFAULT)
			flags |= VM_LOCKONFAULT;
	} else {
		ret = CALL(flags ? SYS_mlock : SYS_munlock, addr, op->len);
	}
	if (!ret || ret == -ENOMEM || ret == -EAGAIN)
		mm_mlock(kd.mm, addr, op->len, flags);
	return ret;
}

static long do_mlockall(const struct kd_op *op)
{
	bool lock = op->kind == KD_MLOCKALL;
	long ret = lock ? CALL(SYS_mlockall, op->flags) : CALL(SYS_munlockall);

	if (!ret)
		mm_mlockall(kd.mm, lock ? (int)op->flags : 0);
	return ret;
}

static long do_mremap(const struct kd_op *op, unsigned long addr, unsigned long to)
{
	long ret = CALL(SYS_mremap, addr, op->len, op->len2, op->flags, to);

	if (!IS_ERR_VALUE(ret)) {
		mm_mremap(kd.mm, addr, op->len, (unsigned long)ret, op->len2, op->flags);
	} else if (op->flags & MREMAP_FIXED) {
		if (ret != -EINVAL)
			mm_mremap_failed(kd.mm, addr, op->len, to, op->len2, op->flags);
		resync();
	}
	return ret;
}

static long do_brk(unsigned long addr)
{
	unsigned long old = kd.mm->brk;
	long ret = syscall(SYS_brk, addr);

	if ((unsigned long)ret != old)
		mm_brk(kd.mm, (unsigned long)ret);
	return ret;
}

/* The first userfaultfd stands for ours, the second is the program's. */
static long do_uffd(const struct kd_op *op, unsigned long addr)
{
	struct uffdio_register reg = { .range = { .start = addr, .len = op->len },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	bool on = op->kind == KD_UFFD_REGISTER;
	long ret = on ? CALL(SYS_ioctl, kd.uffd[op->fd], UFFDIO_REGISTER, &reg)
		      : CALL(SYS_ioctl, kd.uffd[op->fd], UFFDIO_UNREGISTER, &reg.range);

	if (ret)
		return ret;
	if (on && op->fd)
		mm_set_track(kd.mm, addr, addr + op->len, TRACK_PROGRAM_UFFD);
	else
		mm_set_uffd(kd.mm, addr, addr + op->len, on);
	return ret;
}

/* An access that answers -EFAULT instead of killing us: the kernel copies a signal set,
 * which is empty, as all memory here is. */
static long do_touch(const struct kd_op *op, unsigned long addr)
{
	return op->kind == KD_WRITE ? CALL(SYS_rt_sigprocmask, SIG_BLOCK, NULL, addr, 8)
				    : CALL(SYS_rt_sigprocmask, SIG_BLOCK, addr, NULL, 8);
}

/* The child goes on with the sequence, the parent becomes the messenger. */
static long do_fork(void)
{
	long pid = CALL(SYS_fork);
	int status;

	if (pid < 0)
		return pid;
	if (pid) {
		while (waitpid((pid_t)pid, &status, 0) < 0)
			if (errno != EINTR)
				_exit(3);
		if (WIFSIGNALED(status))
			kill(getpid(), WTERMSIG(status));
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 2; i++) {
		close(kd.uffd[i]);
		kd.uffd[i] = kd_uffd_open();
	}
	mm_dup(kd.mm);
	if (!kd_compare_open())
		kd_fail("cannot open /proc/self");
	return 0;
}

/* What does no harm to the memory that this process runs on. */
static bool harmless(const struct kd_op *op, unsigned long addr)
{
	static const u8 advices[] = { MADV_NORMAL,     MADV_RANDOM,	 MADV_SEQUENTIAL,
				      MADV_WILLNEED,   MADV_DONTDUMP,	 MADV_DODUMP,
				      MADV_MERGEABLE,  MADV_UNMERGEABLE, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE, MADV_COLD };

	if (op->a.base != KD_OF_IMAGE || addr + op->len < addr)
		return false;
	if (op->kind == KD_MLOCK || op->kind == KD_MLOCK2 || op->kind == KD_MUNLOCK)
		return op->len < KD_WINDOW;
	for (size_t i = 0; i < sizeof(advices); i++)
		if (op->kind == KD_MADVISE && op->advice == advices[i])
			return op->len < KD_WINDOW;
	return false;
}

/* --- one operation ----------------------------------------------------------------- */

static bool allowed(const struct kd_op *op, unsigned long addr, unsigned long to)
{
	switch ((enum kd_kind)op->kind) {
	case KD_MMAP:
		return !(op->flags & MAP_FIXED) || !touches_base(addr, op->len);
	case KD_MREMAP:
		return !touches_base(addr, op->len) &&
		       !(op->flags & MREMAP_FIXED && touches_base(to, op->len2));
	case KD_BRK:
		return addr < kd.mm->start_brk || addr >= kd.brk;
	case KD_MLOCKALL:
		return kd.may_lock_all;
	case KD_UFFD_REGISTER:
	case KD_UFFD_UNREGISTER:
		return kd.uffd[op->fd] >= 0 && !touches_base(addr, op->len);
	case KD_MUNLOCKALL:
	case KD_FORK:
	case KD_READ:
		return true;
	case KD_WRITE:
		return !touches_base(addr, 8);
	default:
		return harmless(op, addr) || !touches_base(addr, op->len);
	}
}

static long do_op(const struct kd_op *op, unsigned long addr, unsigned long to)
{
	switch ((enum kd_kind)op->kind) {
	case KD_MMAP:
		return do_mmap(op, addr);
	case KD_MUNMAP: {
		long ret = CALL(SYS_munmap, addr, op->len);

		if (!ret)
			mm_munmap(kd.mm, addr, op->len);
		return ret;
	}
	case KD_MPROTECT:
	case KD_PKEY_MPROTECT:
		return do_mprotect(op, addr);
	case KD_MADVISE:
		return do_madvise(op, addr);
	case KD_MLOCK:
	case KD_MLOCK2:
	case KD_MUNLOCK:
		return do_mlock(op, addr);
	case KD_MLOCKALL:
	case KD_MUNLOCKALL:
		return do_mlockall(op);
	case KD_MREMAP:
		return do_mremap(op, addr, to);
	case KD_BRK:
		return do_brk(addr);
	case KD_UFFD_REGISTER:
	case KD_UFFD_UNREGISTER:
		return do_uffd(op, addr);
	case KD_FORK:
		return do_fork();
	default:
		return do_touch(op, addr);
	}
}

bool kd_execute(const struct kd_op *op)
{
	unsigned long addr, to;
	long ret;

	kd.res->ret[op->id] = 0;
	if (!kd_resolve(&op->a, &addr) || !kd_resolve(&op->b, &to) ||
	    !allowed(op, addr, to)) {
		kd.res->count.skipped++;
		return false;
	}
	if (mm_prepare(kd.mm, 0, ~0UL))
		kd_fail("no memory for the model");
	ret = do_op(op, addr, to);
	kd.res->ret[op->id] = ret;
	if (IS_ERR_VALUE(ret))
		kd.res->count.refused[op->kind]++;
	else
		kd.res->count.done[op->kind]++;
	return true;
}
