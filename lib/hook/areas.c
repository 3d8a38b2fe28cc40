// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls that change areas. Each hook has one shape: take the lock, let the kernel
 * execute the call, and if it succeeded tell the model; then have registered what the
 * model wants to page. A failed call changes nothing, except those that stop half way:
 * there the kernel's list is read back.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/resource.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* since 6.13 */
#endif

#define CALL(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

static long count(long ret)
{
	if (IS_ERR_VALUE(ret))
		stat_inc(smm.stat.calls_failed);
	return ret;
}

/* Guarded by mmap_lock: a hook's own stack may be a small signal stack. */
static char path_buf[4096];

static struct stat st_buf;
static struct statfs fs_buf;

#define SEALS_ON_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define ST_NOEXEC      0x8
#define ANON_INODE_FS  0x09041934
#define SECRETMEM_FS   0x5345434d
#define DMA_BUF_FS     0x444d4142
#define DEV_ZERO       0x105

/* Kinds of file system whose files bring an mmap() of their own, and that are SB_I_NOEXEC
 * whatever their mount says. */
static unsigned int mode_of_fs(long type)
{
	switch (type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case ANON_INODE_FS:
	case DMA_BUF_FS:
		return FILE_DEVICE | FILE_NOEXEC;
	case SECRETMEM_FS:
		return FILE_SECRET | FILE_NOEXEC;
	case HUGETLBFS_MAGIC:
		return FILE_HUGE;
	default:
		return 0;
	}
}

/* A shared mapping may become writable only if the descriptor is. */
static unsigned int mode_shared(int fd, long fs_type)
{
	unsigned int mode = 0;
	long ret = sys_fcntl(fd, F_GETFL, 0);

	if (ret >= 0 && (ret & O_ACCMODE) == O_RDONLY)
		mode |= FILE_READONLY;
	if (fs_type != TMPFS_MAGIC && fs_type != HUGETLBFS_MAGIC)
		return mode;
	ret = sys_fcntl(fd, F_GET_SEALS, 0);
	return ret > 0 && ret & SEALS_ON_WRITE ? mode | FILE_SEALED : mode;
}

/* Shared memory by way of /dev/zero is a file of its own: maps shows that one. */
static bool is_shared_zero(bool shared)
{
	return shared && (st_buf.st_mode & S_IFMT) == S_IFCHR &&
	       st_buf.st_rdev == DEV_ZERO;
}

#define ROOM_FACTOR 4

/*
 * Shared memory of @len bytes, for whose windows there is room (@fs_buf): memfd and
 * anonymous memory have no limit but the machine's. A file system with one must be far
 * from it, or what we bring in ahead might be what somebody else lacks.
 */
static unsigned int mode_shmem(unsigned long len)
{
	const unsigned long size = (unsigned long)fs_buf.f_bsize;

	if (is_shared_zero(true))
		return FILE_SHMEM;
	if (fs_buf.f_type != TMPFS_MAGIC || (st_buf.st_mode & S_IFMT) != S_IFREG)
		return 0;
	if (fs_buf.f_blocks && (unsigned long)fs_buf.f_bavail < len / size * ROOM_FACTOR)
		return 0;
	return FILE_SHMEM;
}

/* Of the descriptor that @st_buf is about. */
static unsigned int mode_of(int fd, bool shared, unsigned long len)
{
	unsigned int mode = 0;

	fs_buf.f_type = 0;
	if (sys_fstatfs(fd, &fs_buf) == 0) {
		mode = mode_of_fs(fs_buf.f_type);
		if (fs_buf.f_flags & ST_NOEXEC)
			mode |= FILE_NOEXEC;
	}
	if ((st_buf.st_mode & S_IFMT) == S_IFCHR)
		mode |= st_buf.st_rdev != DEV_ZERO ? FILE_DEVICE : shared ? 0 : FILE_ZERO;
	return shared ? mode | mode_shared(fd, fs_buf.f_type) | mode_shmem(len) : mode;
}

/*
 * What maps will show for the descriptor of an mmap call. The descriptor stays the
 * program's: it may be closed by another thread at any moment, then the mmap fails too.
 */
static struct vma_file *file_of(const unsigned long *a)
{
	bool shared = a[3] & MAP_SHARED;
	struct vma_file *file;
	char link[32];
	int fd = (int)a[4];
	struct fmt f;
	long n;

	if (sys_fstat(fd, &st_buf))
		return NULL;
	fmt_init(&f, link, sizeof(link));
	fmt_printf(&f, "/proc/self/fd/%d", fd);
	n = sys_readlink(link, path_buf, sizeof(path_buf) - 1);
	path_buf[n > 0 ? n : 0] = '\0';
	/* The kernel's dev_t in its user-space encoding, new_encode_dev() */
	if (is_shared_zero(shared))
		file = vma_file_get(&smm.mm, 0, 1, 0, "/dev/zero (deleted)");
	else
		file = vma_file_get(&smm.mm, (st_buf.st_dev >> 8) & 0xfff,
				    (st_buf.st_dev & 0xff) |
					    ((st_buf.st_dev >> 12) & 0xfff00),
				    st_buf.st_ino, path_buf);
	if (!file)
		return NULL;
	file->mode = (u8)mode_of(fd, shared, a[1]);
	file->mode_known = true;
	return file;
}

/* Huge pages round up what is mapped of their file. */
static unsigned long mapped_len(const unsigned long *a, const struct vma_file *file)
{
	unsigned long huge = (unsigned long)st_buf.st_blksize;

	if (!file || !(file->mode & FILE_HUGE))
		return a[1];
	return (a[1] + huge - 1) & ~(huge - 1);
}

/* Memory that has no descriptor but a file in the kernel's eyes: ask for its name. */
static void import_range(unsigned long start, unsigned long end)
{
	if (model_prepare(start, end - start))
		engine_request(ENGINE_IMPORT, start, end, 0);
}

/*
 * The kernel has unmapped the target before it asks the file (vms_clean_up_area), which
 * for memory without a descriptor is one of its own.
 */
static void model_mmap_failed(const unsigned long *a, long err)
{
	const struct mmap_call c = { .addr = a[0], .len = a[1], .flags = a[3] };
	const unsigned long plain = MAP_PRIVATE | MAP_ANONYMOUS;
	bool file = (a[3] & (plain | MAP_HUGETLB)) != plain;

	if (!(a[3] & MAP_FIXED) || err == -EBADF || err == -EACCES)
		return;
	mm_mmap_failed(&smm.mm, &c);
	if (file)
		model_resync();
}

static void model_mmap(unsigned long addr, const unsigned long *a, struct vma_file *file)
{
	const struct mmap_call c = {
		.addr = addr,
		.len = mapped_len(a, file),
		.prot = a[2],
		.flags = a[3],
		.pgoff = file ? a[5] >> PAGE_SHIFT : addr >> PAGE_SHIFT,
		.file = file,
	};
	bool nameless = file ? !file->ino : a[3] & (MAP_SHARED | MAP_HUGETLB);

	mm_mmap(&smm.mm, &c);
	if (a[3] & MAP_FIXED)
		engine_wait_range(addr, addr + PAGE_ALIGN(a[1]));
	if (nameless)
		import_range(addr, addr + PAGE_ALIGN(a[1]));
	own_range(addr, addr + PAGE_ALIGN(a[1]));
}

/*
 * Code that the dynamic loader maps is patched before anything can run in it. Other
 * callers' executable mappings are their own business (they may compare or relocate it).
 */
static void patch_loaded(unsigned long addr, const unsigned long *a)
{
	const unsigned long want = PROT_READ | PROT_EXEC;
	unsigned long len = PAGE_ALIGN(a[1]);
	struct stat st;

	if ((a[2] & (want | PROT_WRITE)) != want || (a[3] & MAP_ANONYMOUS) ||
	    sys_fstat((int)a[4], &st) || (unsigned long)st.st_size <= a[5])
		return;
	/* The loader reserves room for all segments with its first mapping, which may
	 * reach past the end of the file: there is nothing but SIGBUS. */
	len = min(len, PAGE_ALIGN((unsigned long)st.st_size - a[5]));
	patch_range(addr, addr + len, a[2]);
}

long hook_mmap(unsigned long *a, bool from_loader)
{
	bool model = mmap_write_lock(0, 0);
	struct vma_file *file = NULL;
	long ret;

	if (model && !(a[3] & MAP_ANONYMOUS))
		file = file_of(a);
	if (model && file)
		shared_back_file(file);
	if (model && a[3] & MAP_FIXED)
		shared_back(a[0], a[0] + PAGE_ALIGN(a[1]));
	ret = count(CALL(__NR_mmap, a));
	if (model && !IS_ERR_VALUE(ret))
		model_mmap((unsigned long)ret, a, file);
	else if (file)
		vma_file_put(&smm.mm, file);
	/* What the loader maps is code and its data. */
	if (model && !IS_ERR_VALUE(ret) && file && !from_loader)
		file_map((unsigned long)ret, a);
	if (model && IS_ERR_VALUE(ret))
		model_mmap_failed(a, ret);
	if (from_loader && !IS_ERR_VALUE(ret))
		patch_loaded((unsigned long)ret, a);
	mmap_write_unlock();
	return ret;
}

long hook_munmap(unsigned long *a)
{
	bool model = mmap_write_lock(0, 0);
	long ret;

	if (model)
		shared_back(a[0], a[0] + PAGE_ALIGN(a[1]));
	ret = count(CALL(__NR_munmap, a));

	if (model && !ret) {
		mm_munmap(&smm.mm, a[0], a[1]);
		engine_wait_range(a[0], a[0] + PAGE_ALIGN(a[1]));
	}
	mmap_write_unlock();
	return ret;
}

static long protect(long nr, unsigned long *a, int pkey)
{
	bool model = mmap_write_lock(a[0], a[1]);
	long ret = count(CALL(nr, a));
	/* It may have stopped half way: at a hole, at a file's mode, at a seal, which the
	 * model sees; or at a limit, or at once (PR_SET_MDWE): have the kernel's list
	 * looked at. */
	bool refused = ret == -EACCES || ret == -EPERM,
	     halfway = refused || ret == -ENOMEM;

	if (model && (!ret || halfway) &&
	    (!refused || mm_mprotect_refused(&smm.mm, a[0], a[1], a[2])))
		mm_mprotect(&smm.mm, a[0], a[1], a[2], pkey);
	if (model && !ret && (a[2] & PROT_WRITE))
		own_range(a[0], a[0] + PAGE_ALIGN(a[1]));
	if (model && halfway)
		model_resync();
	mmap_write_unlock();
	return ret;
}

long hook_mprotect(unsigned long *a)
{
	return protect(__NR_mprotect, a, -1);
}

long hook_pkey_mprotect(unsigned long *a)
{
	return protect(__NR_pkey_mprotect, a, (int)a[3]);
}

bool advice_changes_areas(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_GUARD_INSTALL:
		return true;
	default:
		return false;
	}
}

/* It is done to the file, or refused because of what file it is. */
static bool advice_needs_file(int advice)
{
	return advice == MADV_REMOVE || advice == MADV_FREE || advice == MADV_COLLAPSE ||
	       advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE;
}

static bool advice_drops(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED ||
	       advice == MADV_REMOVE;
}

/*
 * Pages come and go without the list of areas noticing, and MADV_POPULATE_WRITE waits for
 * our own fault task: no lock. What the caller drops must stay dropped: a fault of his
 * that is answered already may still be followed by further pages.
 */
void advice_before(unsigned long start, unsigned long end, int advice)
{
	if (advice_drops(advice))
		engine_wait_range(start, end);
	/* Before the call, which then reads what is the kernel's; if it is refused, that
	 * was for nothing. */
	if (advice == MADV_WILLNEED)
		file_willneed(start & PAGE_MASK, end);
	if (advice_needs_file(advice))
		shared_back_all();
}

bool advice_is_ours(int advice)
{
	return advice == MADV_WILLNEED || advice_drops(advice) ||
	       advice_needs_file(advice);
}

void advice_after(unsigned long start, unsigned long end, int advice)
{
	if (advice_drops(advice))
		file_dropped(start, end);
}

static long advise_pages(unsigned long *a)
{
	unsigned long end = PAGE_ALIGN(a[0] + a[1]);
	long ret;

	advice_before(a[0], end, (int)a[2]);
	ret = count(CALL(__NR_madvise, a));
	if (!ret || ret == -ENOMEM)
		advice_after(a[0], end, (int)a[2]);
	return ret;
}

/* Huge pages of shared memory are the kernel's, where it has any. */
static void shmem_huge_advised(unsigned long start, unsigned long end)
{
	const struct vm_area_struct *vma;

	for (; (vma = find_vma_intersection(&smm.mm, start, end)); start = vma->vm_end) {
		unsigned long from = max(vma->vm_start, start),
			      to = min(vma->vm_end, end);

		if (vma_is_shmem(vma) && vma->policy == POLICY_OWN &&
		    model_prepare(from, to - from))
			engine_request(ENGINE_UNREGISTER, from, to, TRACK_HUGE);
	}
}

static void huge_advised(unsigned long start, unsigned long end)
{
	if (smm.mm.own_shmem)
		shmem_huge_advised(start, end);
	if (pool_takes_huge(end - start))
		own_range(start, end);
	else if (model_prepare(start, end - start))
		engine_request(ENGINE_UNREGISTER, start, end, TRACK_HUGE);
}

long hook_madvise(unsigned long *a)
{
	bool model;
	long ret;

	if (!advice_changes_areas((int)a[2]))
		return advise_pages(a);
	model = mmap_write_lock(a[0], a[1]);
	if (model && (int)a[2] == MADV_GUARD_INSTALL)
		file_guard(a[0] & PAGE_MASK, PAGE_ALIGN(a[0] + a[1]));
	ret = count(CALL(__NR_madvise, a));
	/* -ENOMEM: there was a hole; what was mapped has been advised. The others: up to
	 * the area that refuses. */
	if (model && (!ret || ret == -ENOMEM || ret == -EINVAL || ret == -EPERM)) {
		mm_advice(&smm.mm, a[0], a[1], (int)a[2]);
		if ((int)a[2] == MADV_HUGEPAGE)
			huge_advised(a[0], a[0] + PAGE_ALIGN(a[1]));
	}
	mmap_write_unlock();
	return ret;
}

long hook_brk(unsigned long *a)
{
	bool model = mmap_write_lock(0, 0);
	unsigned long old = smm.mm.brk, ret = (unsigned long)CALL(__NR_brk, a);

	if (model && ret != old) {
		mm_brk(&smm.mm, ret);
		if (ret < old)
			engine_wait_range(ret, old);
		if (ret > old)
			own_range(old & PAGE_MASK, PAGE_ALIGN(ret));
	}
	mmap_write_unlock();
	return (long)ret;
}

static bool may_lock_all(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 }, { 0 } };

	sys_capget(&head, caps);
	return caps[0].effective & 1U << CAP_IPC_LOCK;
}

/* mlock() was refused before it did anything, as far as we know what is locked. */
static bool over_limit(const unsigned long *a)
{
	unsigned long limit[2];

	return !sys_getrlimit(RLIMIT_MEMLOCK, limit) && !may_lock_all() &&
	       mm_locked_with(&smm.mm, a[0], a[1]) > limit[0] >> PAGE_SHIFT;
}

long hook_mlock(long nr, unsigned long *a)
{
	unsigned long flags = nr == __NR_munlock ? 0 : VM_LOCKED;
	bool model = mmap_write_lock(a[0], a[1]);
	long ret;

	/* Locked pages stay, and mprotect() copies them: frames that are dropped do not.
	 */
	if (model && flags)
		file_back(a[0] & PAGE_MASK, PAGE_ALIGN(a[0] + a[1]));
	ret = count(CALL(nr, a));
	if (nr == __NR_mlock2 && (a[2] & MLOCK_ONFAULT))
		flags |= VM_LOCKONFAULT;
	if (model &&
	    (!ret || ret == -EAGAIN || (ret == -ENOMEM && (!flags || !over_limit(a)))))
		mm_mlock(&smm.mm, a[0], a[1], flags);
	/* A hole, a limit, or pages that could not be had after all was marked: what maps
	 * shows can be set right, the flags of this range stay a guess. */
	if (model && ret == -ENOMEM && model_resync() && flags)
		mm_doubt_flags(&smm.mm, a[0], a[1]);
	mmap_write_unlock();
	return ret;
}

long hook_mlockall(long nr, unsigned long *a)
{
	bool model = mmap_write_lock(0, ~0UL);
	long ret;

	/* Our pages would be locked too, and counted against the program's limit; what
	 * lies aside of files as well. */
	if (model && nr == __NR_mlockall && (a[0] & MCL_CURRENT)) {
		pool_drop();
		file_back(0, ~0UL & PAGE_MASK);
	}
	if (model && nr == __NR_mlockall)
		shared_back(0, ~0UL & PAGE_MASK);
	ret = count(CALL(nr, a));
	if (model && !ret)
		mm_mlockall(&smm.mm, nr == __NR_mlockall ? (int)a[0] : 0);
	mmap_write_unlock();
	return ret;
}

long hook_opaque(long nr, unsigned long *a)
{
	bool model = mmap_write_lock(0, ~0UL);
	long ret;

	/* Who maps over them, or hands them to the kernel's own readers and writers. */
	if (model)
		shared_back(0, ~0UL & PAGE_MASK);
	if (nr == __NR_io_setup)
		smm.mm.own_shared_files = false;
	ret = count(CALL(nr, a));
	if (model && !IS_ERR_VALUE(ret))
		model_resync();
	mmap_write_unlock();
	return ret;
}
