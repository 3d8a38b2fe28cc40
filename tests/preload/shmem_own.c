// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared memory that is in no file on a disk: holes, ends, duplicates, and who else has
 * it. The same bytes and signals whoever pages it; with SHADOWMM_POLICY=shmem=own it must
 * be us.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define LEN   (2 * MIB)
#define PAGES (LEN / PAGE)

static char *shared;

static char *map(int fd, size_t len)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int file_of(size_t len)
{
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	return fd;
}

/* --- who pages ------------------------------------------------------------------------
 */

static bool is_ours(void)
{
	const char *policy = getenv("SHADOWMM_POLICY");

	return policy && strstr(policy, "shmem=own") && getenv("LD_PRELOAD");
}

/* One touch brings one page or a window; and no window is more than it may be. */
static void windows(char *p)
{
	long n;

	CHECK(all_zero(p + LEN / 2, 1));
	n = resident_pages(p, LEN);
	CHECK(is_ours() ? n > 1 && n <= 64 : n == 1);
	for (size_t i = 0; i < PAGES / 2; i++)
		p[i * PAGE] = 1;
	n = resident_pages(p, LEN);
	CHECK(n > (long)PAGES / 2 && n <= (long)(PAGES / 2 + PAGES / 8 + 64 + 64));
	CHECK(munmap(p, LEN) == 0);
}

static void who_pages(void)
{
	int fd = file_of(LEN), zero = open("/dev/zero", O_RDWR);

	windows(map(-1, LEN));
	windows(map(fd, LEN));
	CHECK(zero >= 0);
	windows(map(zero, LEN));
	CHECK(close(fd) == 0 && close(zero) == 0);
}

/* --- together --------------------------------------------------------------------------
 */

#define ROUNDS	4
#define WORKERS 3

/* All add to one word of every page, in different orders. */
static void add_everywhere(char *p, unsigned int who)
{
	static const size_t step[] = { 1, PAGES - 1, 37, 301 };

	for (size_t i = 0, at = who; i < PAGES; i++, at += step[who % 4])
		__atomic_fetch_add((int *)(p + at % PAGES * PAGE + 8), 1,
				   __ATOMIC_RELAXED);
}

static void *adder(void *p)
{
	add_everywhere(p, 1);
	return NULL;
}

/* Processes and threads at once, in memory nobody has touched. */
static void add_together(char *p)
{
	pthread_t thread;
	pid_t pid[WORKERS];
	int status;

	for (unsigned int i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			add_everywhere(p, i);
			_exit(0);
		}
	}
	CHECK(pthread_create(&thread, NULL, adder, p) == 0);
	add_everywhere(p, 0);
	CHECK(pthread_join(thread, NULL) == 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		CHECK(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
	for (size_t i = 0; i < PAGES; i++)
		CHECK(*(int *)(p + i * PAGE + 8) == WORKERS + 2);
}

static void together(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		int fd = file_of(LEN);
		char *p = map(fd, LEN), *q = map(-1, LEN);

		add_together(p);
		add_together(q);
		CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0 && close(fd) == 0);
	}
}

static void touch_in_child(void)
{
	printf("in the child: %s\n", touch(shared, true));
}

static void not_for_children(void)
{
	shared = map(-1, LEN);
	CHECK(madvise(shared, LEN, MADV_DONTFORK) == 0);
	in_child("MADV_DONTFORK", touch_in_child);
	printf("here: %s\n", touch(shared, true));
	CHECK(munmap(shared, LEN) == 0);
}

/* --- holes and ends
 * ---------------------------------------------------------------------- */

static void holes(void)
{
	int fd = file_of(LEN);
	char *p = map(fd, LEN);

	fill(p, LEN, 1);
	CHECK(madvise(p + LEN / 4, LEN / 4, MADV_REMOVE) == 0);
	printf("removed: %ld pages\n", resident_pages(p, LEN));
	CHECK(all_zero(p + LEN / 4, LEN / 4) && matches(p, LEN / 4, 1));
	fill(p + LEN / 4, LEN / 4, 2);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LEN / 4) == 0);
	p[PAGE + 5] = 'x';
	CHECK(p[PAGE + 5] == 'x' && all_zero(p, PAGE) &&
	      all_zero(p + 2 * PAGE, LEN / 4 - 2 * PAGE));
	CHECK(matches(p + LEN / 4, LEN / 4, 2));
	CHECK(madvise(p, LEN, MADV_DONTNEED) == 0);
	CHECK(p[PAGE + 5] == 'x' && matches(p + LEN / 4, LEN / 4, 2));
	CHECK(munmap(p, LEN) == 0 && close(fd) == 0);
}

static void ends(void)
{
	int fd = file_of(10 * PAGE + 100);
	char *p = map(fd, LEN);
	struct stat st;

	printf("inside: %s\n", touch(p + 3 * PAGE, true));
	printf("the last: %s\n", touch(p + 10 * PAGE, true));
	printf("beyond: %s\n", touch(p + 11 * PAGE, true));
	printf("far beyond: %s\n", touch(p + LEN - PAGE, false));
	p[10 * PAGE + 3000] = 'x';
	CHECK(ftruncate(fd, LEN) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)LEN);
	/* What was written behind the end may stay or go: the same, natively. */
	fill(p + 11 * PAGE, LEN - 11 * PAGE, 1);
	CHECK(ftruncate(fd, 20 * PAGE) == 0);
	CHECK(matches(p + 11 * PAGE, 9 * PAGE, 1));
	printf("cut off: %s\n", touch(p + 20 * PAGE, true));
	CHECK(ftruncate(fd, LEN) == 0 && all_zero(p + 20 * PAGE, LEN - 20 * PAGE));
	CHECK(munmap(p, LEN) == 0 && close(fd) == 0);
}

#define RACES 200

static int race_fd;

static void *cutter(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		CHECK(ftruncate(race_fd, PAGE) == 0 && ftruncate(race_fd, LEN) == 0);
	return NULL;
}

/* Whatever is there is zero, and whoever faults gets a page or SIGBUS. */
static void cut_while_touched(void)
{
	pthread_t thread;
	int stop = 0;
	char *p, b;

	race_fd = file_of(LEN);
	p = map(race_fd, LEN);
	CHECK(pthread_create(&thread, NULL, cutter, &stop) == 0);
	for (size_t i = 0; i < RACES; i++) {
		const char *what = touch(p + (i * 7 % PAGES) * PAGE, false);

		CHECK(!strcmp(what, "ok") || !strcmp(what, "BUS_ADRERR"));
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	CHECK(pthread_join(thread, NULL) == 0 && ftruncate(race_fd, LEN) == 0);
	CHECK(all_zero(p, LEN) && pread(race_fd, &b, 1, LEN - 1) == 1 && b == 0);
	CHECK(munmap(p, LEN) == 0 && close(race_fd) == 0);
}

/* --- descriptors
 * ------------------------------------------------------------------------- */

static void sealed(void)
{
	int fd = file_of(LEN);
	char *p = map(fd, LEN), *q;

	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	p[5 * PAGE] = 'p';
	SHOW(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED
		     ? -1
		     : 0);
	q = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED && q[5 * PAGE] == 'p' && all_zero(q + 6 * PAGE, PAGE));
	SHOW(mprotect(q, LEN, PROT_READ | PROT_WRITE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK(munmap(p, LEN) == 0);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK(all_zero(q + 100 * PAGE, 100 * PAGE) && munmap(q, LEN) == 0);
	CHECK(close(fd) == 0);
}

static void other_descriptors(void)
{
	int fd = file_of(LEN), only;
	char *p = map(fd, LEN), *q, *private, path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	only = open(path, O_RDONLY);
	CHECK(only >= 0);
	SHOW(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, only, 0) == MAP_FAILED
		     ? -1
		     : 0);
	q = mmap(NULL, LEN, PROT_READ, MAP_SHARED, only, 0);
	private = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(q != MAP_FAILED && private != MAP_FAILED);
	CHECK(all_zero(q, LEN / 2) && all_zero(private, LEN / 2));
	fill(p, LEN, 1);
	CHECK(matches(q, LEN, 1) && matches(private, LEN, 1));
	fill(private, LEN, 2);
	CHECK(matches(p, LEN, 1) && matches(q, LEN, 1) && matches(private, LEN, 2));
	printf("read only: %s\n", touch(q, true));
	CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0 && munmap(private, LEN) == 0);
	CHECK(close(fd) == 0 && close(only) == 0);
}

/* The kernel's, whatever they are called; there may be none. */
static void other_kinds(void)
{
	int huge = memfd_create("huge", MFD_HUGETLB);
	int secret = (int)syscall(447 /* memfd_secret */, 0);
	char *p;

	if (secret >= 0 && ftruncate(secret, LEN) == 0) {
		p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
		printf("secret: %s\n", p == MAP_FAILED ? "none" : touch(p, true));
	}
	if (huge >= 0 && ftruncate(huge, LEN) == 0) {
		p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, huge, 0);
		printf("huge: %s\n", p == MAP_FAILED ? "none" : touch(p, true));
	}
}

/* --- system calls
 * ------------------------------------------------------------------------ */

static void in_calls(void)
{
	char *p = map(-1, LEN), *q = map(-1, LEN), line[] = "0123456789";
	struct iovec from = { line, 10 }, to = { p + 300 * PAGE - 5, 10 };
	int pipes[2];

	CHECK(pipe(pipes) == 0 && write(pipes[1], line, 10) == 10);
	CHECK(read(pipes[0], p + 50 * PAGE - 3, 10) == 10);
	CHECK(memcmp(p + 50 * PAGE - 3, line, 10) == 0 && all_zero(p, 50 * PAGE - 3));
	CHECK(write(pipes[1], q + 70 * PAGE - 3, 10) == 10);
	CHECK(read(pipes[0], line, 10) == 10 && all_zero(line, 10));
	CHECK(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 10);
	CHECK(all_zero(p + 299 * PAGE, 2 * PAGE));
	/* Wakes who waits on the first word, and adds 5 to the second. */
	CHECK(syscall(SYS_futex, q, FUTEX_WAKE_OP, 1, 1, q + 400 * PAGE,
		      FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)) == 0);
	CHECK(*(int *)(q + 400 * PAGE) == 5);
	CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0);
	CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

static void advice(void)
{
	char *p = map(-1, LEN);

	CHECK(mlock(p + 10 * PAGE, 10 * PAGE) == 0);
	CHECK(resident_pages(p + 10 * PAGE, 10 * PAGE) == 10);
	CHECK(munlock(p + 10 * PAGE, 10 * PAGE) == 0);
	SHOW(madvise(p + 100 * PAGE, 20 * PAGE, MADV_POPULATE_WRITE));
	CHECK(resident_pages(p + 100 * PAGE, 20 * PAGE) == 20);
	SHOW(madvise(p + 200 * PAGE, 20 * PAGE, MADV_POPULATE_READ));
	CHECK(resident_pages(p + 200 * PAGE, 20 * PAGE) == 20);
	CHECK(all_zero(p, LEN));
	SHOW(madvise(p, LEN / 2, MADV_HUGEPAGE));
	fill(p, LEN, 1);
	SHOW(madvise(p, LEN, MADV_NOHUGEPAGE));
	SHOW(madvise(p, LEN, MADV_RANDOM));
	CHECK(matches(p, LEN, 1));
	CHECK(munmap(p, LEN) == 0);
}

/* --- areas
 * ------------------------------------------------------------------------------- */

static void duplicated(void)
{
	char *p = map(-1, LEN), *q;

	p[PAGE] = 1;
	q = mremap(p, 0, LEN, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q[PAGE] == 1 && all_zero(q + LEN / 2, LEN / 2));
	fill(q, LEN / 2, 2);
	fill(p + LEN / 2, LEN / 2, 3);
	CHECK(matches(p, LEN / 2, 2) && matches(q + LEN / 2, LEN / 2, 3));
	CHECK(munmap(p, LEN) == 0 && matches(q, LEN / 2, 2));
	CHECK(munmap(q, LEN) == 0);
}

static void moved(void)
{
	int fd = file_of(2 * LEN);
	char *p = map(fd, LEN), *room = anon_with(4 * LEN, PROT_NONE, 0);

	p[PAGE] = 1;
	p = mremap(p, LEN, 2 * LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	CHECK(p == room && p[PAGE] == 1 && all_zero(p + LEN, LEN));
	fill(p, 2 * LEN, 4);
	/* Several areas, and one of them not for writing. */
	CHECK(mprotect(p + LEN, 16 * PAGE, PROT_READ) == 0);
	room = mremap(p, 2 * LEN, 2 * LEN, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * LEN);
	if (room != MAP_FAILED) /* since 6.17 */
		p = room;
	printf("moved: %s\n", touch(p + LEN, true));
	CHECK(matches(p, 2 * LEN, 4));
	p = mremap(p, LEN, PAGE, 0);
	CHECK(p != MAP_FAILED && matches(p, PAGE, 4));
	printf("cut off: %s\n", touch(p + PAGE, false));
	CHECK(close(fd) == 0);
}

static void cut(void)
{
	char *p = map(-1, LEN);

	CHECK(mprotect(p + 50 * PAGE, 10 * PAGE, PROT_NONE) == 0);
	CHECK(mprotect(p + 70 * PAGE, 10 * PAGE, PROT_READ) == 0);
	CHECK(munmap(p + 90 * PAGE, 10 * PAGE) == 0);
	p[45 * PAGE] = 1;
	printf("none: %s\n", touch(p + 50 * PAGE, false));
	printf("read: %s\n", touch(p + 70 * PAGE, true));
	CHECK(all_zero(p + 70 * PAGE, 10 * PAGE));
	printf("gone: %s\n", touch(p + 90 * PAGE, true));
	CHECK(mmap(p + 90 * PAGE, 10 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 90 * PAGE);
	CHECK(mprotect(p, LEN, PROT_READ | PROT_WRITE) == 0);
	CHECK(all_zero(p + 46 * PAGE, LEN - 46 * PAGE));
	fill(p, LEN, 5);
	CHECK(matches(p, LEN, 5) && munmap(p, LEN) == 0);
}

/* --- no room
 * ------------------------------------------------------------------------------ */

#define SMALL "size=64m"

/* A file system that is full when the page is wanted. */
static void full(void)
{
	static char block[MIB];
	char dir[] = "/tmp/smm-full.XXXXXX", name[64];
	int fd, filler;
	char *p;

	memset(block, 1, sizeof(block));
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		printf("full: no mount name space: %s\n", strerror(errno));
		return;
	}
	CHECK(mkdtemp(dir));
	CHECK(mount("none", dir, "tmpfs", 0, SMALL) == 0);
	snprintf(name, sizeof(name), "%s/mapped", dir);
	fd = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && ftruncate(fd, LEN) == 0);
	p = map(fd, LEN);
	printf("not full: %s\n", touch(p, true));
	snprintf(name, sizeof(name), "%s/filler", dir);
	filler = open(name, O_RDWR | O_CREAT, 0600);
	while (write(filler, block, sizeof(block)) > 0)
		;
	SHOW((int)write(filler, block, 1));
	printf("there: %s\n", touch(p, true));
	printf("full: %s\n", touch(p + LEN - PAGE, true));
	printf("full: %s\n", touch(p + LEN - 2 * PAGE, false));
	CHECK(ftruncate(filler, 0) == 0);
	printf("room: %s\n", touch(p + LEN - PAGE, true));
	fill(p, LEN, 6);
	CHECK(matches(p, LEN, 6));
	/* Mapped to the end, so that the library's picture of it is looked at. */
	CHECK(close(fd) == 0 && close(filler) == 0);
	CHECK(umount2(dir, MNT_DETACH) == 0 && rmdir(dir) == 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	who_pages();
	together();
	not_for_children();
	holes();
	ends();
	cut_while_touched();
	sealed();
	other_descriptors();
	other_kinds();
	in_calls();
	advice();
	duplicated();
	moved();
	cut();
	full();
	return 0;
}
