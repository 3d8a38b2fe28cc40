// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every refusal that the model predicts, made to happen: for each call the error we want,
 * the one predicted and the one the kernel gives are the same. In forked children,
 * without capabilities where they would let the call pass.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/space.h"
#include "tests/model/mman.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED	(MAP_SHARED | MAP_ANONYMOUS)
#define RW	(PROT_READ | PROT_WRITE)
#define TASK	((1UL << 47) - PAGE_SIZE)
#define ANY	1L /* no particular answer is wanted */

static struct space s;
static int wrong, checked;
static unsigned long at; /* a free place, far from everything */
static unsigned long reach;

TestSuite(errors, .timeout = 60);

static void compare(const char *what, long want, long predicted, long got)
{
	checked++;
	if (predicted == got && (want == ANY || got == want))
		return;
	wrong++;
	space_verify(&s, false);
	fprintf(stderr, "  %s: wanted %ld, predicted %ld, got %ld\n", what, want,
		predicted, got);
}

static int finish(const char *name)
{
	fprintf(stderr, "%s: %d calls, %d wrong\n", name, checked, wrong);
	return wrong != 0;
}

/* --- the calls --------------------------------------------------------------------- */

#define SYS6(nr, a, b, c, d, e, f)                                          \
	sys(nr, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), \
	    (unsigned long)(d), (unsigned long)(e), (unsigned long)(f))

#define MMAP(want, addr, len, prot, flags)                           \
	compare("mmap " #addr " " #len " " #prot " " #flags, want,   \
		check_mmap(&s.env, addr, len, prot, flags, NULL, 0), \
		mmap_and_undo(addr, len, prot, flags, -1, 0))
#define MMAP_FILE(want, n, addr, len, prot, flags, off)                            \
	compare("mmap file " #n " " #len " " #prot " " #flags " " #off, want,      \
		check_mmap(&s.env, addr, len, prot, flags, &s.file[n].facts, off), \
		mmap_and_undo(addr, len, prot, flags, s.file[n].fd, off))
#define MUNMAP(want, addr, len)                                                  \
	compare("munmap " #addr " " #len, want, check_munmap(&s.env, addr, len), \
		SYS2(SYS_munmap, addr, len))
#define MREMAP(want, addr, old, new, flags, to)                             \
	compare("mremap " #addr " " #old " " #new " " #flags " " #to, want, \
		check_mremap(&s.env, addr, old, new, flags, to),            \
		SYS6(SYS_mremap, addr, old, new, flags, to, 0))
#define MPROTECT(want, addr, len, prot)                              \
	compare("mprotect " #addr " " #len " " #prot, want,          \
		check_mprotect(&s.env, addr, len, prot, -1, &reach), \
		SYS3(SYS_mprotect, addr, len, prot))
#define MADVISE(want, addr, len, advice)                          \
	compare("madvise " #addr " " #len " " #advice, want,      \
		check_madvise(&s.env, addr, len, advice, &reach), \
		SYS3(SYS_madvise, addr, len, advice))
#define MLOCK(want, addr, len, flags)                          \
	compare("mlock2 " #addr " " #len " " #flags, want,     \
		check_mlock(&s.env, addr, len, flags, &reach), \
		SYS3(SYS_mlock2, addr, len, flags))
#define MSYNC(want, addr, len, flags)                     \
	compare("msync " #addr " " #len " " #flags, want, \
		check_msync(&s.env, addr, len, flags),    \
		SYS3(SYS_msync, addr, len, flags))
#define MINCORE(want, addr, len)                                                   \
	compare("mincore " #addr " " #len, want, check_mincore(&s.env, addr, len), \
		SYS3(SYS_mincore, addr, len, vec))
#define BRK(want, brk) \
	compare("brk " #brk, want, check_brk(&s.env, brk), SYS1(SYS_brk, brk))
#define REMAP(want, addr, len, prot, pgoff)                                \
	compare("remap_file_pages " #addr " " #len " " #pgoff, want,       \
		check_remap_file_pages(&s.env, addr, len, prot, pgoff, 0), \
		SYS6(SYS_remap_file_pages, addr, len, prot, pgoff, 0, 0))

static unsigned char vec[4096];

/* What was asked about is gone again, so that the model need not be told. */
static long mmap_and_undo(unsigned long addr, unsigned long len, unsigned long prot,
			  unsigned long flags, int fd, unsigned long off)
{
	long ret = SYS6(SYS_mmap, addr, len, prot, flags, fd, off);

	if (!IS_ERR_VALUE(ret))
		SYS2(SYS_munmap, ret, len);
	return ret;
}

/* Map for both. */
static unsigned long map(unsigned long addr, unsigned long pages, unsigned long prot,
			 unsigned long flags, int file)
{
	struct mmap_call c = { .addr = addr,
			       .len = pages * PAGE_SIZE,
			       .prot = prot,
			       .flags = flags | MAP_FIXED };
	const struct space_file *f = file < 0 ? NULL : &s.file[file];

	mm_prepare(s.mm, 0, ~0UL);
	if (SYS6(SYS_mmap, addr, c.len, prot, c.flags, f ? f->fd : -1, 0) != (long)addr) {
		perror("mmap");
		_exit(90);
	}
	if (f)
		c.file = vma_file_get(s.mm, f->major, f->minor, f->ino, f->name);
	mm_mmap(s.mm, &c);
	return addr;
}

static void limit(int resource, unsigned long soft)
{
	struct rlimit r;

	getrlimit((__rlimit_resource_t)resource, &r);
	r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &r))
		_exit(91);
	space_read_limits(&s);
}

enum {
	MEMFD,
	READ_ONLY,
	WRITE_ONLY,
	SEALED,
	DIRECTORY,
	PROC,
	ZERO,
	DISK
};

static int reopen(int fd, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, flags | O_CLOEXEC);
}

static void open_files(void)
{
	int memfd = memfd_create("errors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (ftruncate(memfd, 16 * PAGE_SIZE) || ftruncate(sealed, 16 * PAGE_SIZE) ||
	    fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE))
		_exit(92);
	space_add_file(&s, memfd, "/memfd:errors (deleted)");
	space_add_file(&s, reopen(memfd, O_RDONLY), "/memfd:errors (deleted)");
	space_add_file(&s, reopen(memfd, O_WRONLY), "/memfd:errors (deleted)");
	space_add_file(&s, sealed, "/memfd:sealed (deleted)");
	s.file[SEALED].facts.seal_write = true;
	space_add_file(&s, open("/", O_RDONLY | O_CLOEXEC), "/");
	space_add_file(&s, open("/proc/self/status", O_RDONLY | O_CLOEXEC), "/proc");
	s.file[PROC].facts.noexec = s.file[PROC].facts.no_mmap = true;
	s.file[PROC].facts.kind = KIND_PLAIN;
	space_add_file(&s, open("/dev/zero", O_RDWR | O_CLOEXEC), "/dev/zero");
	space_add_file(&s, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "exe");
}

static void begin(void)
{
	open_files();
	space_open(&s);
	space_drop_caps(&s);
	at = (s.lim.mmap_base - (1UL << 41)) & ~((2UL << 20) - 1);
}

/* --- mmap -------------------------------------------------------------------------- */

static int mmap_arguments(void *arg)
{
	(void)arg;
	begin();
	map(at, 4, RW, PRIVATE, -1);
	MMAP(-EINVAL, 0, 0, RW, PRIVATE);
	MMAP(-EINVAL, 0, 4096, RW, MAP_ANONYMOUS);
	MMAP(-EINVAL, 0, 4096, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE);
	MMAP(-EINVAL, 0, 4096, RW, MAP_ANONYMOUS | 5);
	MMAP(-ENOMEM, 0, ~0UL, RW, PRIVATE);
	MMAP(-ENOMEM, 0, TASK + 4096, RW, PRIVATE);
	MMAP(-ENOMEM, 0, TASK, PROT_NONE, PRIVATE | MAP_NORESERVE);
	MMAP(-EBADF, 0, 4096, RW, MAP_PRIVATE);
	MMAP(-EBADF, 0, 0, RW, MAP_PRIVATE);
	MMAP(-EINVAL, at + 1, 4096, RW, PRIVATE | MAP_FIXED);
	MMAP(-ENOMEM, TASK, 4096, RW, PRIVATE | MAP_FIXED);
	MMAP(-ENOMEM, TASK + 1, 4096, RW, PRIVATE | MAP_FIXED);
	MMAP(-EEXIST, at + PAGE_SIZE, 4096, RW, PRIVATE | MAP_FIXED_NOREPLACE);
	MMAP(-EEXIST, at - PAGE_SIZE, 8192, RW, PRIVATE | MAP_FIXED_NOREPLACE);
	MMAP(ANY, at - PAGE_SIZE, 4096, RW, PRIVATE | MAP_FIXED_NOREPLACE);
	MMAP(-EPERM, 0, 4096, RW, PRIVATE | MAP_FIXED);
	MMAP(ANY, 4096, 4096, RW, PRIVATE);
	MMAP(ANY, 1, 4096, RW, PRIVATE);
	MMAP(ANY, at, 4096, RW, PRIVATE);
	MMAP(ANY, TASK - PAGE_SIZE, 4096, RW, PRIVATE);
	MMAP(ANY, TASK - PAGE_SIZE, 8192, RW, PRIVATE);
	MMAP(ANY, TASK + PAGE_SIZE, 8192, RW, PRIVATE);
	MMAP(-EINVAL, 0, 4096, RW, SHARED | MAP_GROWSDOWN);
	MMAP(-EINVAL, 0, 4096, RW, MAP_ANONYMOUS | MAP_DROPPABLE | MAP_GROWSDOWN);
	MMAP(-EINVAL, 0, 4096, RW, MAP_ANONYMOUS | MAP_DROPPABLE | MAP_LOCKED);
	MMAP(ANY, 0, 4096, RW, MAP_ANONYMOUS | MAP_DROPPABLE);
	MMAP(s.lim.overcommit == OVERCOMMIT_GUESS ? -ENOMEM : ANY, 0, 1UL << 45, RW,
	     PRIVATE);
	MMAP(ANY, 0, 1UL << 45, RW, PRIVATE | MAP_NORESERVE);
	return finish("mmap_arguments");
}

static int mmap_files(void *arg)
{
	const unsigned long sync = MAP_SHARED_VALIDATE | 0x80000;

	(void)arg;
	begin();
	MMAP_FILE(-EINVAL, MEMFD, 0, 4096, RW, MAP_PRIVATE, 1);
	MMAP_FILE(-EINVAL, MEMFD, 0, 4096, RW, MAP_PRIVATE | MAP_HUGETLB, 0);
	MMAP_FILE(-EINVAL, MEMFD, 0, 4096, RW, 0, 0);
	MMAP_FILE(-EINVAL, MEMFD, 0, 4096, RW, MAP_DROPPABLE, 0);
	MMAP_FILE(-EINVAL, MEMFD, 0, 4096, RW, MAP_PRIVATE | MAP_GROWSDOWN, 0);
	MMAP_FILE(-EOVERFLOW, MEMFD, 0, 4096, RW, MAP_PRIVATE, PAGE_MASK);
	MMAP_FILE(-EOVERFLOW, MEMFD, 0, 4096, RW, MAP_PRIVATE, 1UL << 63);
	MMAP_FILE(-EOPNOTSUPP, MEMFD, 0, 4096, RW, sync, 0);
	MMAP_FILE(-EOPNOTSUPP, MEMFD, at, 4096, RW,
		  MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, 0);
	MMAP_FILE(ANY, MEMFD, 0, 4096, RW, MAP_SHARED | 0x80000, 0);
	MMAP_FILE(ANY, MEMFD, 0, 4096, RW, MAP_SHARED_VALIDATE | MAP_HUGE_2MB, 0);
	MMAP_FILE(-EACCES, READ_ONLY, 0, 4096, RW, MAP_SHARED, 0);
	MMAP_FILE(ANY, READ_ONLY, 0, 4096, PROT_READ, MAP_SHARED, 0);
	MMAP_FILE(ANY, READ_ONLY, 0, 4096, RW, MAP_PRIVATE, 0);
	MMAP_FILE(-EACCES, WRITE_ONLY, 0, 4096, RW, MAP_SHARED, 0);
	MMAP_FILE(-EACCES, WRITE_ONLY, 0, 4096, PROT_NONE, MAP_PRIVATE, 0);
	MMAP_FILE(-EPERM, SEALED, 0, 4096, RW, MAP_SHARED, 0);
	MMAP_FILE(ANY, SEALED, 0, 4096, PROT_READ, MAP_SHARED, 0);
	MMAP_FILE(ANY, SEALED, 0, 4096, RW, MAP_PRIVATE, 0);
	MMAP_FILE(-ENODEV, DIRECTORY, 0, 4096, PROT_READ, MAP_PRIVATE, 0);
	MMAP_FILE(-EACCES, DIRECTORY, 0, 4096, RW, MAP_SHARED, 0);
	MMAP_FILE(-EPERM, PROC, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	MMAP_FILE(-ENODEV, PROC, 0, 4096, PROT_READ, MAP_PRIVATE, 0);
	MMAP_FILE(ANY, ZERO, 0, 4UL << 20, RW, MAP_PRIVATE, 0);
	MMAP_FILE(ANY, ZERO, 0, 4UL << 20, RW, MAP_SHARED, 0);
	if (s.file[DISK].facts.kind == KIND_UNKNOWN)
		return finish("mmap_files (the test is on an unknown file system)");
	MMAP_FILE(ANY, DISK, 0, 4UL << 20, PROT_READ, MAP_PRIVATE, 0);
	MMAP_FILE(ANY, DISK, 0, (4UL << 20) + 4096, PROT_READ, MAP_PRIVATE, 4096);
	MMAP_FILE(ANY, DISK, 0, (2UL << 20) - 4096, PROT_READ, MAP_PRIVATE, 0);
	MMAP_FILE(ANY, DISK, at, 2UL << 20, PROT_READ, MAP_PRIVATE, 0);
	return finish("mmap_files");
}

static int mmap_limits(void *arg)
{
	(void)arg;
	begin();
	limit(RLIMIT_MEMLOCK, 64 * PAGE_SIZE);
	MMAP(-EAGAIN, 0, 65 * PAGE_SIZE, RW, PRIVATE | MAP_LOCKED);
	MMAP(ANY, 0, 64 * PAGE_SIZE, RW, PRIVATE | MAP_LOCKED);
	limit(RLIMIT_MEMLOCK, PAGE_SIZE - 1);
	MMAP(-EAGAIN, 0, PAGE_SIZE, RW, PRIVATE | MAP_LOCKED);
	limit(RLIMIT_MEMLOCK, 0);
	MMAP(-EPERM, 0, PAGE_SIZE, RW, PRIVATE | MAP_LOCKED);
	limit(RLIMIT_AS, (s.mm->total_vm + 16) * PAGE_SIZE + 5);
	MMAP(ANY, 0, 16 * PAGE_SIZE, PROT_NONE, PRIVATE);
	MMAP(-ENOMEM, 0, 17 * PAGE_SIZE, PROT_NONE, PRIVATE);
	limit(RLIMIT_AS, ~0UL);
	limit(RLIMIT_DATA, (s.mm->data_vm + 16) * PAGE_SIZE);
	MMAP(ANY, 0, 16 * PAGE_SIZE, RW, PRIVATE);
	MMAP(-ENOMEM, 0, 17 * PAGE_SIZE, RW, PRIVATE);
	MMAP(ANY, 0, 17 * PAGE_SIZE, PROT_READ, PRIVATE);
	MMAP(ANY, 0, 17 * PAGE_SIZE, RW, SHARED);
	MMAP(ANY, 0, 17 * PAGE_SIZE, RW, PRIVATE | MAP_GROWSDOWN);
	limit(RLIMIT_DATA, 0);
	MMAP(ANY, 0, 17 * PAGE_SIZE, RW, PRIVATE);
	return finish("mmap_limits");
}

static int mdwe(void *arg)
{
	(void)arg;
	begin();
	map(at, 1, PROT_READ, PRIVATE, -1);
	map(at + PAGE_SIZE, 1, PROT_READ | PROT_EXEC, PRIVATE, -1);
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0)) {
		fprintf(stderr, "mdwe: not in this kernel, nothing tested\n");
		return 0;
	}
	space_read_limits(&s);
	MMAP(-EACCES, 0, 4096, RW | PROT_EXEC, PRIVATE);
	MMAP(ANY, 0, 4096, PROT_READ | PROT_EXEC, PRIVATE);
	MPROTECT(-EACCES, at, 4096, PROT_READ | PROT_EXEC);
	MPROTECT(-EACCES, at + PAGE_SIZE, 4096, RW | PROT_EXEC);
	MPROTECT(0, at + PAGE_SIZE, 4096, PROT_READ | PROT_EXEC);
	return finish("mdwe");
}

Test(errors, mmap)
{
	cr_expect(space_fork(mmap_arguments, NULL));
	cr_expect(space_fork(mmap_files, NULL));
	cr_expect(space_fork(mmap_limits, NULL));
	cr_expect(space_fork(mdwe, NULL));
}

/* --- munmap, mremap ---------------------------------------------------------------- */

static int moving(void *arg)
{
	const unsigned long to = at + (1UL << 30), P = PAGE_SIZE;

	(void)arg;
	begin();
	MUNMAP(-EINVAL, at + 1, P);
	MUNMAP(-EINVAL, at, 0);
	MUNMAP(-EINVAL, TASK + P, P);
	MUNMAP(-EINVAL, at, TASK);
	MUNMAP(0, at, P);
	map(at, 4, RW, PRIVATE, -1);
	map(at + 4 * P, 4, PROT_READ, PRIVATE, -1);
	map(at + 100 * P, 4, RW, SHARED, -1);
	MREMAP(-EINVAL, at, P, P, 8, 0);
	MREMAP(-EINVAL, at + 1, P, P, 0, 0);
	MREMAP(-EINVAL, at, P, 0, 0, 0);
	MREMAP(-EINVAL, at, P, TASK + P, MREMAP_MAYMOVE, 0);
	MREMAP(-EINVAL, at, P, P, MREMAP_FIXED, to);
	MREMAP(-EINVAL, at, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, to + 1);
	MREMAP(-EINVAL, at, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, TASK);
	MREMAP(-EINVAL, at, P, 2 * P, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, to);
	MREMAP(-EINVAL, at, P, P, MREMAP_DONTUNMAP, to);
	MREMAP(-EINVAL, at, 4 * P, 4 * P, MREMAP_FIXED | MREMAP_MAYMOVE, at + P);
	MREMAP(-EINVAL, at, 0, P, MREMAP_MAYMOVE, 0);
	MREMAP(-EFAULT, at + 50 * P, P, P, 0, 0);
	MREMAP(-EFAULT, at + 50 * P, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, to);
	MREMAP(-EFAULT, at + 2 * P, 4 * P, 8 * P, MREMAP_MAYMOVE, 0);
	MREMAP(-ENOMEM, at, 4 * P, 5 * P, 0, 0);
	MREMAP(-ENOMEM, at, 2 * P, 3 * P, 0, 0);
	MREMAP(-ENOMEM, at, 4 * P, 1UL << 46, MREMAP_MAYMOVE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is in that terabyte */
	/* What is cut off is charged, holes and all. */
	map(at + (1UL << 35), 4, RW, PRIVATE, -1);
	MREMAP(ANY, at + (1UL << 35), 1UL << 40, 4 * P, MREMAP_FIXED | MREMAP_MAYMOVE,
	       to);
#endif
	MREMAP((long)at, at, 8 * P, 8 * P, 0, 0);
	MREMAP(-EPERM, at, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, 0);
	limit(RLIMIT_AS, (s.mm->total_vm + 1) * P);
	MREMAP(-ENOMEM, at + 100 * P, 4 * P, 6 * P, 0, 0);
	MREMAP(-ENOMEM, at, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	return finish("moving");
}

static int moving_locked(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	limit(RLIMIT_MEMLOCK, 8 * P);
	map(at, 8, RW, PRIVATE | MAP_LOCKED, -1);
	MREMAP(-EAGAIN, at, 8 * P, 9 * P, MREMAP_MAYMOVE, 0);
	limit(RLIMIT_DATA, s.mm->data_vm * P);
	map(at + 100 * P, 1, PROT_READ, PRIVATE, -1);
	MPROTECT(-ENOMEM, at + 100 * P, P, RW);
	return finish("moving_locked");
}

Test(errors, mremap_and_munmap)
{
	cr_expect(space_fork(moving, NULL));
	cr_expect(space_fork(moving_locked, NULL));
}

/* --- ranges ------------------------------------------------------------------------ */

static int protecting(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	map(at, 4, RW, PRIVATE, -1);
	map(at + 5 * P, 4, RW, PRIVATE, -1);
	MPROTECT(-EINVAL, at + 1, P, RW);
	MPROTECT(0, at, 0, RW);
	MPROTECT(0, at + P, P, RW | 8);
	MPROTECT(-EINVAL, at, P, RW | 0x10);
	MPROTECT(-EINVAL, at, P, RW | PROT_GROWSDOWN | PROT_GROWSUP);
	MPROTECT(-EINVAL, at, P, RW | PROT_GROWSDOWN);
	MPROTECT(-EINVAL, at, P, RW | PROT_GROWSUP);
	MPROTECT(-ENOMEM, at, ~0UL, RW);
	MPROTECT(-ENOMEM, at, PAGE_MASK, RW);
	MPROTECT(-ENOMEM, at + 4 * P, P, RW);
	MPROTECT(-ENOMEM, at - P, 2 * P, RW);
	MPROTECT(-ENOMEM, at, 6 * P, RW);
	cr_assert_eq(reach, at + 4 * P);
	MPROTECT(-ENOMEM, at + 8 * P, 2 * P, RW);
	compare("pkey_mprotect", -EINVAL, check_mprotect(&s.env, at, P, RW, 14, NULL),
		SYS6(SYS_pkey_mprotect, at, P, RW, 14, 0, 0));
	MSYNC(-EINVAL, at + 1, P, MS_SYNC);
	MSYNC(-EINVAL, at, P, 8);
	MSYNC(-EINVAL, at, P, MS_SYNC | MS_ASYNC);
	MSYNC(-ENOMEM, at, PAGE_MASK, MS_SYNC);
	MSYNC(-ENOMEM, at, 6 * P, MS_SYNC);
	MSYNC(-ENOMEM, at, 6 * P, MS_ASYNC);
	MSYNC(-ENOMEM, at + 4 * P, P, MS_SYNC);
	MSYNC(-ENOMEM, TASK, P, MS_SYNC);
	MSYNC(0, at, 4 * P, MS_SYNC);
	MSYNC(0, at + 4 * P, 0, MS_SYNC);
	MINCORE(-EINVAL, at + 1, P);
	MINCORE(-ENOMEM, at, 5 * P);
	MINCORE(-ENOMEM, TASK, P);
	MINCORE(-ENOMEM, ~0UL & PAGE_MASK, P);
	MINCORE(0, at, 3 * P + 1);
	return finish("protecting");
}

static int locking(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	map(at, 4, RW, PRIVATE, -1);
	map(at + 5 * P, 4, PROT_NONE, PRIVATE, -1);
	map(at + 100 * P, 4, RW, PRIVATE | MAP_LOCKED, -1);
	map(at + 200 * P, 20, RW, MAP_SHARED, MEMFD);
	map(at + 300 * P, 1, PROT_NONE, MAP_ANONYMOUS | MAP_DROPPABLE, -1);
	MLOCK(-ENOMEM, at + 300 * P, P, MLOCK_ONFAULT);
	MLOCK(-EINVAL, at, P, 2);
	MLOCK(-ENOMEM, at, -2 * P, MLOCK_ONFAULT);
	MLOCK(-ENOMEM, at + 4 * P, P, 0);
	MLOCK(-ENOMEM, at + 5 * P, P, 0);
	MLOCK(0, at + 5 * P, P, MLOCK_ONFAULT);
	MLOCK(0, at + 200 * P, 16 * P, 0);
	MLOCK(-ENOMEM, at + 200 * P, 17 * P, 0);
	MSYNC(-EBUSY, at + 100 * P, P, MS_INVALIDATE);
	limit(RLIMIT_MEMLOCK, 8 * P);
	MLOCK(-ENOMEM, at + 100 * P, 8 * P + 1, 0);
	compare("munlock", -ENOMEM, check_munlock(&s.env, at + 4 * P, P, &reach),
		SYS2(SYS_munlock, at + 4 * P, P));
	compare("munlock", -EINVAL, check_munlock(&s.env, at, -2 * P, &reach),
		SYS2(SYS_munlock, at, -2 * P));
	compare("mlockall", -EINVAL, check_mlockall(&s.env, 0), SYS1(SYS_mlockall, 0));
	compare("mlockall", -EINVAL, check_mlockall(&s.env, 8), SYS1(SYS_mlockall, 8));
	compare("mlockall", -EINVAL, check_mlockall(&s.env, MCL_ONFAULT),
		SYS1(SYS_mlockall, MCL_ONFAULT));
	compare("mlockall", -ENOMEM, check_mlockall(&s.env, MCL_CURRENT),
		SYS1(SYS_mlockall, MCL_CURRENT));
	limit(RLIMIT_MEMLOCK, 0);
	compare("mlockall", -EPERM, check_mlockall(&s.env, MCL_CURRENT),
		SYS1(SYS_mlockall, MCL_CURRENT));
	MLOCK(-EPERM, at, P, 0);
	return finish("locking");
}

static int advising(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	map(at, 4, RW, PRIVATE, -1);
	map(at + 5 * P, 4, RW, SHARED, -1);
	map(at + 100 * P, 4, RW, PRIVATE | MAP_LOCKED, -1);
	map(at + 200 * P, 4, RW, MAP_ANONYMOUS | MAP_DROPPABLE, -1);
	MADVISE(-EINVAL, at, P, 5);
	MADVISE(-EINVAL, at, P, 200);
	MADVISE(-EINVAL, at, P, -1);
	MADVISE(-EINVAL, at + 1, P, MADV_NORMAL);
	MADVISE(-EINVAL, at, -1UL, MADV_NORMAL);
	MADVISE(-EINVAL, at, PAGE_MASK, MADV_NORMAL);
	MADVISE(0, at, 0, MADV_NORMAL);
	MADVISE(-ENOMEM, at, 6 * P, MADV_NORMAL);
	MADVISE(-ENOMEM, at + 4 * P, P, MADV_WILLNEED);
	MADVISE(-ENOMEM, at + 4 * P, P, MADV_POPULATE_READ);
	MADVISE(-EINVAL, at, P, MADV_REMOVE);
	MADVISE(0, at + 5 * P, P, MADV_REMOVE);
	MADVISE(-EINVAL, at + 100 * P, P, MADV_REMOVE);
	MADVISE(-EINVAL, at + 5 * P, P, MADV_FREE);
	MADVISE(0, at, P, MADV_FREE);
	MADVISE(-EINVAL, at + 100 * P, P, MADV_FREE);
	MADVISE(-EINVAL, at + 100 * P, P, MADV_DONTNEED);
	MADVISE(0, at + 100 * P, P, 24 /* MADV_DONTNEED_LOCKED */);
	MADVISE(-EINVAL, at + 100 * P, P, MADV_COLD);
	MADVISE(-EINVAL, at + 100 * P, P, MADV_PAGEOUT);
	MADVISE(-EINVAL, at + 100 * P, P, 102 /* MADV_GUARD_INSTALL */);
	MADVISE(-EINVAL, at + 5 * P, P, MADV_WIPEONFORK);
	MADVISE(-EINVAL, at, 6 * P, MADV_WIPEONFORK);
	cr_assert_eq(reach, at + 4 * P);
	MADVISE(-EINVAL, at + 200 * P, P, MADV_KEEPONFORK);
	MADVISE(-EINVAL, at + 200 * P, P, MADV_DODUMP);
	MADVISE(0, at, 4 * P, MADV_DOFORK);
	return finish("advising");
}

static int remapping_pages(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	map(at, 4, RW, PRIVATE, -1);
	map(at + 8 * P, 4, RW, MAP_SHARED, MEMFD);
	REMAP(-EINVAL, at, P, 0, 0);
	REMAP(-EINVAL, at + 4 * P, P, 0, 0);
	REMAP(-EINVAL, at + 8 * P, P, 1, 0);
	REMAP(-EINVAL, at + 8 * P, 5 * P, 0, 0);
	REMAP(-EINVAL, at + 8 * P, 100, 0, 0);
	REMAP(-EINVAL, at + 8 * P, P, 0, ~0UL);
	REMAP(-EOVERFLOW, at + 8 * P, P, 0, 1UL << 51);
	REMAP(0, at + 8 * P, P, 0, 2);
	return finish("remapping_pages");
}

Test(errors, ranges)
{
	cr_expect(space_fork(protecting, NULL));
	cr_expect(space_fork(locking, NULL));
	cr_expect(space_fork(advising, NULL));
	cr_expect(space_fork(remapping_pages, NULL));
}

/* --- brk, stacks ------------------------------------------------------------------- */

static int breaking(void *arg)
{
	unsigned long old, top;

	(void)arg;
	begin();
	old = s.mm->brk;
	top = PAGE_ALIGN(old);
	BRK((long)old, 0);
	BRK((long)old, s.mm->start_brk - 1);
	BRK((long)old, TASK);
	BRK((long)old, ~0UL);
	map(top + 8 * PAGE_SIZE, 1, RW, PRIVATE, -1);
	BRK((long)old, top + 8 * PAGE_SIZE);
	BRK((long)old, top + 7 * PAGE_SIZE + 1);
	map(top + 1024 * PAGE_SIZE, 1, RW, PRIVATE, -1);
	mm_prepare_unmap(s.mm);
	SYS2(SYS_munmap, top + 8 * PAGE_SIZE, PAGE_SIZE);
	mm_munmap(s.mm, top + 8 * PAGE_SIZE, PAGE_SIZE);
	map(top + 1024 * PAGE_SIZE, 1, RW, PRIVATE | MAP_GROWSDOWN, -1);
	BRK((long)old, top + 768 * PAGE_SIZE);
	limit(RLIMIT_DATA, old - s.mm->start_brk + s.mm->end_data - s.mm->start_data);
	BRK((long)old, old);
	BRK((long)old, old + 1);
	limit(RLIMIT_DATA, ~0UL);
	limit(RLIMIT_AS, s.mm->total_vm * PAGE_SIZE);
	BRK((long)old, top + 1);
	limit(RLIMIT_AS, ~0UL);
	BRK((long)(top + 767 * PAGE_SIZE), top + 767 * PAGE_SIZE);
	return finish("breaking");
}

/* The child touches @addr: 0, or -EFAULT for a signal. */
static long touch(unsigned long addr)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		*(volatile char *)addr = 1;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -EFAULT;
}

static void stack(const char *what, long want, unsigned long addr)
{
	long predicted = check_stack_growth(&s.env, addr);
	long got = touch(addr);

	compare(what, want, predicted, got ? want : 0);
}

static int growing(void *arg)
{
	const unsigned long P = PAGE_SIZE;

	(void)arg;
	begin();
	map(at + 4096 * P, 2, RW, PRIVATE | MAP_GROWSDOWN, -1);
	limit(RLIMIT_STACK, 1024 * P);
	stack("grows", 0, at + 4096 * P - P);
	stack("to its limit", 0, at + 4098 * P - 1024 * P);
	stack("beyond it", -ENOMEM, at + 4098 * P - 1025 * P);
	map(at + 3500 * P, 1, RW, PRIVATE, -1);
	stack("nothing above that grows", -EFAULT, at + 3499 * P);
	stack("up to the gap", 0, at + (3501 + 256) * P);
	stack("into the gap", -ENOMEM, at + (3501 + 255) * P);
	map(at + 3500 * P, 1, PROT_NONE, PRIVATE, -1);
	stack("no gap to what cannot be touched", 0, at + 3501 * P);
	map(at + 3500 * P, 1, RW, PRIVATE | MAP_GROWSDOWN, -1);
	stack("no gap between stacks", 0, at + 3501 * P);
	limit(RLIMIT_AS, (s.mm->total_vm + 3) * P);
	stack("address space", 0, at + 4093 * P);
	stack("address space is full", -ENOMEM, at + 4092 * P);
	return finish("growing");
}

Test(errors, brk_and_stacks)
{
	cr_expect(space_fork(breaking, NULL));
	cr_expect(space_fork(growing, NULL));
}

/* --- too many areas ---------------------------------------------------------------- */

/* Areas of one page, apart from each other, until there are @count. */
static void fill(unsigned long count, unsigned long start)
{
	for (unsigned long i = 0; s.mm->map_count < count; i++)
		map(start + 2 * i * PAGE_SIZE, 1, PROT_NONE, PRIVATE, -1);
}

static int too_many_areas(void *arg)
{
	const unsigned long P = PAGE_SIZE, far = at + (1UL << 35);

	(void)arg;
	begin();
	if (s.lim.max_map_count > 100000) {
		fprintf(stderr, "too_many_areas: vm.max_map_count is %lu, not tested\n",
			s.lim.max_map_count);
		return 0;
	}
	map(far, 8, RW, PRIVATE, -1);
	fill(s.lim.max_map_count - 5, at);
	MREMAP(-ENOMEM, far, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, far + (1UL << 20));
	fill(s.lim.max_map_count - 3, at + (1UL << 33));
	MREMAP(-ENOMEM, far, P, 16 * P, MREMAP_MAYMOVE, 0);
	fill(s.lim.max_map_count, at + (1UL << 34));
	MUNMAP(-ENOMEM, far + P, P);
	MPROTECT(-ENOMEM, far + P, P, PROT_READ);
	MADVISE(-EAGAIN, far + P, P, MADV_DONTFORK);
	MLOCK(-ENOMEM, far + P, P, 0);
	MMAP(ANY, far + (1UL << 30), P, PROT_READ, PRIVATE | MAP_FIXED);
	fill(s.lim.max_map_count + 1, at + (1UL << 34) + (1UL << 30));
	MMAP(-ENOMEM, far + (1UL << 30), P, PROT_READ, PRIVATE | MAP_FIXED);
	BRK((long)s.mm->brk, s.mm->brk + 4 * P);
	return finish("too_many_areas");
}

Test(errors, too_many_areas)
{
	cr_expect(space_fork(too_many_areas, NULL));
}
