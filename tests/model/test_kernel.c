// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The model against the kernel: random calls in a window of our own address space, done
 * by the kernel first and then told to the model; after each the two must agree, in all
 * flags of smaps too, guesses aside. Touching pages makes the guesses wrong in every way
 * there is.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"
#include "tests/model/maps.h"
#include "tests/model/ops.h"

#define WINDOW_BYTES (OPS_PAGES * PAGE_SIZE)
#define FILES	     2

struct world {
	struct mm_struct *mm;
	unsigned long base;
	int files[FILES], maps, uffd;
	unsigned long resolved;
	char text[1 << 19];
};

static struct world w;

/* --- the window -------------------------------------------------------------------- */

static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void world_open(void)
{
	/* A shared page at either end keeps strangers from merging with the window. */
	char *p = mmap(NULL, WINDOW_BYTES + 2 * PAGE_SIZE, PROT_NONE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(p != MAP_FAILED);
	cr_assert(!munmap(p + PAGE_SIZE, WINDOW_BYTES));
	w.base = (unsigned long)p + PAGE_SIZE;
	w.mm = map_new(4);
	w.maps = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	cr_assert_geq(w.maps, 0);
	for (int i = 0; i < FILES; i++) {
		w.files[i] = memfd_create("model", MFD_CLOEXEC);
		cr_assert_geq(w.files[i], 0);
		cr_assert(!ftruncate(w.files[i], 4 * WINDOW_BYTES));
	}
	w.uffd = open_uffd();
	if (w.uffd < 0)
		cr_log_warn("no userfaultfd: registrations are not tested");
}

static void world_close(void)
{
	munmap((void *)(w.base - PAGE_SIZE), WINDOW_BYTES + 2 * PAGE_SIZE);
	map_destroy(w.mm);
	close(w.maps);
	for (int i = 0; i < FILES; i++)
		close(w.files[i]);
	if (w.uffd >= 0)
		close(w.uffd);
}

TestSuite(kernel, .init = world_open, .fini = world_close, .timeout = 60);

/* --- /proc/self/smaps -------------------------------------------------------------- */

/* "VmFlags: rd wr mr" */
static unsigned long parse_flags(const char *line)
{
	unsigned long flags = 0;

#define PARSE_FLAG(flag, name) flags |= strstr(line, " " name " ") ? (flag) : 0;
	SMM_VM_FLAGS(PARSE_FLAG)
#undef PARSE_FLAG
	return flags;
}

static void print_difference(void *priv, const char *what, const struct area_desc *shadow,
			     const struct area_desc *kernel)
{
	(void)priv;
	fprintf(stderr, "  difference: %s\n", what);
	for (int i = 0; i < 2; i++) {
		const struct area_desc *d = i ? kernel : shadow;

		if (d)
			fprintf(stderr, "    %s page %ld to %ld flags %lx pgoff %lx %s\n",
				i ? "kernel" : "shadow",
				(long)(d->start - w.base) / (long)PAGE_SIZE,
				(long)(d->end - w.base) / (long)PAGE_SIZE, d->vm_flags,
				d->pgoff, d->name);
	}
}

static unsigned long verify(bool repair)
{
	struct area_desc d = { 0 }, next;
	struct mm_verify v;
	char *save = NULL;

	cr_assert(maps_read(w.maps, w.text, sizeof(w.text)));
	mm_prepare(w.mm, 0, ~0UL);
	mm_verify_begin(&v, w.mm);
	v.repair = repair;
	v.report = repair ? NULL : print_difference;
	v.all_flags = true;
	for (char *line = strtok_r(w.text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (maps_parse_line(line, &next)) {
			d = next;
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) || d.start < w.base ||
		    d.start >= w.base + WINDOW_BYTES)
			continue;
		d.vm_flags = parse_flags(line);
		mm_verify_area(&v, &d);
	}
	mm_verify_end(&v);
	w.resolved += v.resolved;
	return v.differences;
}

static void clear_window(void)
{
	cr_assert(!munmap((void *)w.base, WINDOW_BYTES));
	cr_assert_eq(mm_prepare(w.mm, w.base, WINDOW_BYTES), 0);
	mm_munmap(w.mm, w.base, WINDOW_BYTES);
}

/* --- calls ------------------------------------------------------------------------- */

static void do_mmap_op(const struct op *op)
{
	struct mmap_call c = op_mmap_call(op, w.base);
	int fd = op->file ? w.files[op->file - 1] : -1;
	struct stat st;

	if (mmap((void *)c.addr, c.len, (int)c.prot, (int)c.flags, fd,
		 (off_t)(c.pgoff * PAGE_SIZE)) == MAP_FAILED)
		return;
	if (fd >= 0) {
		cr_assert(!fstat(fd, &st));
		c.file = vma_file_get(w.mm, major(st.st_dev), minor(st.st_dev), st.st_ino,
				      "/memfd:model (deleted)");
	}
	mm_mmap(w.mm, &c);
}

static bool failed_halfway(long ret, int errnum)
{
	return !ret || errno == ENOMEM || errno == errnum;
}

/* To the end of an area that can grow by @more, whatever the model has there. */
static bool grow(unsigned long old, unsigned long more, unsigned long *old_len)
{
	unsigned long end = w.base + WINDOW_BYTES - more;

	for (*old_len = PAGE_SIZE; old + *old_len <= end; *old_len += PAGE_SIZE)
		if (mremap((void *)old, *old_len, *old_len + more, 0) != MAP_FAILED)
			return true;
	return false;
}

/* In place, the next area that can grow; by a page, if it is to be as long as it is. */
static bool resize(unsigned long *old, unsigned long *old_len, unsigned long *len)
{
	unsigned long more = max(*len, *old_len + PAGE_SIZE) - *old_len;

	if (*len < *old_len)
		return mremap((void *)*old, *old_len, *len, 0) != MAP_FAILED;
	for (; *old < w.base + WINDOW_BYTES; *old += PAGE_SIZE)
		if (grow(*old, more, old_len)) {
			*len = *old_len + more;
			return true;
		}
	return false;
}

static void do_mremap_op(const struct op *op)
{
	unsigned long old = w.base + op->page * PAGE_SIZE,
		      old_len = op->pages * PAGE_SIZE;
	unsigned long to = w.base + op->to * PAGE_SIZE, len = op->to_pages * PAGE_SIZE;
	void *ret;

	if (op->kind == OP_MREMAP_RESIZE)
		ret = resize(&old, &old_len, &len) ? (void *)old : MAP_FAILED;
	else
		ret = mremap((void *)old, old_len, len, (int)op->flags, (void *)to);
	/*
	 * Refused halfway, with the target unmapped or some areas moved. Looking (and
	 * repairing) would not tell what became of registrations: start afresh.
	 */
	if (ret == MAP_FAILED && op->kind == OP_MREMAP_MOVE) {
		verify(true);
		cr_assert_eq(verify(false), 0);
		clear_window();
	} else if (ret != MAP_FAILED)
		mm_mremap(w.mm, old, old_len, (unsigned long)ret, len,
			  op->kind == OP_MREMAP_RESIZE ? 0 : op->flags);
}

static void do_uffd_op(const struct op *op)
{
	struct uffdio_register reg = {
		.range = { .start = w.base + op->page * PAGE_SIZE,
			   .len = op->pages * PAGE_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	unsigned long end = reg.range.start + reg.range.len;

	if (w.uffd < 0)
		return;
	if (op->on ? ioctl(w.uffd, UFFDIO_REGISTER, &reg)
		   : ioctl(w.uffd, UFFDIO_UNREGISTER, &reg.range))
		return;
	mm_set_uffd(w.mm, reg.range.start, end, op->on);
}

/*
 * Write where that works without anybody's help. Shared memory has no anon_vma to gain,
 * and where mremap made it longer than its file there is only a SIGBUS to gain.
 */
static void do_touch_op(const struct op *op)
{
	for (unsigned int i = op->page; i < op->page + op->pages; i++) {
		unsigned long addr = w.base + i * PAGE_SIZE;
		struct vm_area_struct *vma = find_vma_intersection(w.mm, addr, addr + 1);

		if (vma && (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_UFFD_MISSING)) ==
				   VM_WRITE)
			*(volatile char *)addr = 1;
	}
}

static void do_op(const struct op *op)
{
	unsigned long addr = w.base + op->page * PAGE_SIZE, len = op->pages * PAGE_SIZE;

	cr_assert_eq(mm_prepare(w.mm, w.base, WINDOW_BYTES), 0);
	errno = 0;
	switch (op->kind) {
	case OP_MMAP:
		do_mmap_op(op);
		break;
	case OP_MUNMAP:
		cr_assert(!munmap((void *)addr, len));
		mm_munmap(w.mm, addr, len);
		break;
	case OP_MPROTECT:
		if (failed_halfway(mprotect((void *)addr, len, (int)op->prot), EACCES))
			mm_mprotect(w.mm, addr, len, op->prot, -1);
		break;
	case OP_MADVISE:
		if (failed_halfway(madvise((void *)addr, len, op->advice), EINVAL))
			mm_madvise(w.mm, addr, len, op->advice);
		break;
	case OP_MLOCK:
		/* Not libc's: sanitizers replace those by nothing. */
		if (failed_halfway(syscall(op->flags ? SYS_mlock : SYS_munlock, addr,
					   len),
				   EAGAIN))
			mm_mlock(w.mm, addr, len, op->flags);
		break;
	case OP_MREMAP_RESIZE:
	case OP_MREMAP_MOVE:
		do_mremap_op(op);
		break;
	case OP_UFFD:
		do_uffd_op(op);
		break;
	case OP_TOUCH:
	case OP_NR:
		do_touch_op(op);
		break;
	}
}

/* --- tests ------------------------------------------------------------------------- */

/* Locking a registered page would wait for us to fill it. */
static bool op_would_wait(const struct op *op)
{
	unsigned long addr = w.base + op->page * PAGE_SIZE;
	struct vm_area_struct *vma;
	struct vma_iter it;

	if (op->kind != OP_MLOCK && op->kind != OP_MREMAP_RESIZE && op->kind != OP_UFFD)
		return false;
	vma_iter_init(&it, w.mm, addr);
	vma_for_each (vma, &it) {
		if (vma->vm_start >= addr + op->pages * PAGE_SIZE)
			break;
		if (vma->vm_flags & (op->kind == OP_UFFD ? VM_LOCKED : VM_UFFD_MISSING))
			return true;
	}
	return false;
}

static void run(unsigned long seed, unsigned int nr_ops)
{
	struct rng r = { .state = seed };
	const char *err;
	struct op op;

	for (unsigned int i = 0; i < nr_ops; i++) {
		op_random(&r, &op);
		if (op_would_wait(&op))
			continue;
		if (getenv("SMM_TRACE"))
			op_print(stderr, &op);
		do_op(&op);
		err = validate_mm(w.mm);
		if (!err && verify(false))
			err = "shadow and kernel differ";
		if (!err)
			err = validate_mm(w.mm);
		if (err)
			op_print(stderr, &op);
		cr_assert(!err, "SMM_SEED=%#lx, call %u: %s", seed, i, err);
	}
	clear_window();
}

Test(kernel, random_calls)
{
	unsigned long seed = seed_from_env(0x5eed0001);

	for (unsigned long i = 0; i < 12; i++)
		run(seed + i, 250);
	fprintf(stderr, "random_calls: %lu guesses settled\n", w.resolved);
}

/* Close together and of one kind: most neighbours are one, if nobody touched them. */
static void make_alike(struct op *op)
{
	bool resized = op->to_pages != op->pages;

	op->page %= 30;
	op->to %= 30;
	op->pages = 1 + op->pages % 5;
	op->to_pages = resized ? 1 + op->to_pages % 5 : op->pages;
	if (op->kind != OP_MMAP)
		return;
	op->prot = PROT_READ | PROT_WRITE;
	op->flags = MAP_FIXED | MAP_PRIVATE | (op->file ? 0 : MAP_ANONYMOUS);
	op->pgoff = op->page;
}

/* Told nothing between the verifications, the guesses pile up; they must still be marked.
 */
static void run_blind_stretch(unsigned long seed, unsigned int nr_ops, bool alike,
			      bool clear)
{
	struct rng r = { .state = seed };
	struct op op;

	for (unsigned int i = 0; i < nr_ops; i++) {
		op_random(&r, &op);
		if (alike)
			make_alike(&op);
		if (op_would_wait(&op))
			continue;
		if (getenv("SMM_TRACE"))
			op_print(stderr, &op);
		do_op(&op);
		cr_assert(!validate_mm(w.mm), "SMM_SEED=%#lx, call %u: %s", seed, i,
			  validate_mm(w.mm));
	}
	cr_assert_eq(verify(false), 0, "SMM_SEED=%#lx", seed);
	cr_assert_eq(verify(false), 0, "SMM_SEED=%#lx, again", seed);
	if (clear)
		clear_window();
}

Test(kernel, verified_rarely)
{
	unsigned long seed = seed_from_env(0x5eed1001);

	for (unsigned long i = 0; i < 60; i++)
		run_blind_stretch(seed + i, 40, false, true);
}

Test(kernel, of_one_kind_verified_rarely)
{
	unsigned long seed = seed_from_env(0x187a0);

	for (unsigned long i = 0; i < 400; i++)
		run_blind_stretch(seed + i, 40, true, true);
}

/* 0, or a number that says what went wrong: a child must not run Criterion's assertions.
 */
static int child_run(unsigned long seed, unsigned int nr_ops)
{
	struct rng r = { .state = seed };
	struct op op;

	mm_dup(w.mm);
	close(w.maps);
	w.maps = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	w.uffd = -1; /* the descriptor is the parent's address space */
	if (w.maps < 0 || validate_mm(w.mm) || verify(false))
		return 2;
	for (unsigned int i = 0; i < nr_ops; i++) {
		op_random(&r, &op);
		if (op_would_wait(&op) || op.kind == OP_MREMAP_MOVE)
			continue;
		do_op(&op);
		if (validate_mm(w.mm) || verify(false)) {
			op_print(stderr, &op);
			return 3;
		}
	}
	return 0;
}

Test(kernel, a_forked_child)
{
	unsigned long seed = seed_from_env(0x5eed2001);
	int status;

	for (unsigned long i = 0; i < 20; i++) {
		pid_t pid;

		run_blind_stretch(seed + i, 60, false, false);
		pid = fork();
		cr_assert_geq(pid, 0);
		if (!pid)
			_exit(child_run(seed + i, 60));
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0, "SMM_SEED=%#lx: child status %#x", seed + i,
			     status);
		clear_window();
	}
}
