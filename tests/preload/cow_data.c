/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First writes after a fork: whoever writes, and whatever else happens to the pages that
 * are still shared, parent and child see their own data. Under the library every case
 * begins when the pages are write-protected.
 */
#include "tests/preload/cow_wait.h"

#include <pthread.h>
#include <sys/uio.h>
#include <time.h>

#define LEN   (2 * MIB)
#define PAGES (LEN / PAGE)

static char *mem;

/* A child that keeps its copy of what is there now, and checks it in the end. */
static struct held keeper(unsigned int seed)
{
	struct held c = fork_held();

	if (c.pid == 0) {
		stay_held(&c);
		_exit(matches(mem, LEN, seed) ? 0 : 1);
	}
	return c;
}

static void let_go(const char *what, struct held c)
{
	show_status(what, end_held(&c));
}

static struct held shared_with_child(unsigned int seed)
{
	struct held c;

	fill(mem, LEN, seed);
	c = keeper(seed);
	wait_protected(mem);
	wait_protected(mem + LEN - PAGE);
	return c;
}

/* --- orders of writing ------------------------------------------------------------- */

static void in_order(void)
{
	struct held c = shared_with_child(1);

	for (size_t i = 0; i < PAGES; i++)
		mem[i * PAGE + 7] ^= 0x55;
	for (size_t i = 0; i < PAGES; i++)
		mem[i * PAGE + 7] ^= 0x55;
	CHECK(matches(mem, LEN, 1));
	fill(mem, LEN, 2);
	CHECK(matches(mem, LEN, 2));
	let_go("in order", c);
}

static void backwards(void)
{
	struct held c = shared_with_child(3);

	for (size_t i = PAGES; i-- > 0;)
		mem[i * PAGE] = (char)i;
	for (size_t i = 0; i < PAGES; i++)
		CHECK(mem[i * PAGE] == (char)i);
	let_go("backwards", c);
}

static void at_random(void)
{
	struct held c = shared_with_child(4);
	unsigned int at = 1;

	for (size_t i = 0; i < 4 * PAGES; i++) {
		at = at * 1664525 + 1013904223;
		mem[(at >> 8) % LEN] = (char)at;
	}
	let_go("at random", c);
}

static void in_child_too(void)
{
	struct held c;
	int status;
	pid_t pid;

	c = shared_with_child(5);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		wait_protected(mem);
		wait_protected(mem + LEN - PAGE);
		CHECK(matches(mem, LEN, 5));
		fill(mem, LEN, 6);
		_exit(matches(mem, LEN, 6) ? 0 : 1);
	}
	fill(mem, LEN / 2, 7);
	CHECK(waitpid(pid, &status, 0) == pid);
	show_status("child writes", status);
	CHECK(matches(mem, LEN / 2, 7));
	let_go("in child too", c);
}

/* The other one has gone: nobody needs a copy. */
static void last_one(void)
{
	struct held c = shared_with_child(8);

	let_go("last one", c);
	CHECK(matches(mem, LEN, 8));
	fill(mem, LEN, 9);
	CHECK(matches(mem, LEN, 9));
}

/* --- threads ----------------------------------------------------------------------- */

#define THREADS 4

static void *add_everywhere(void *arg)
{
	size_t offset = (size_t)arg;

	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < PAGES; i++)
			__atomic_fetch_add(&mem[(i * 7 % PAGES) * PAGE + offset], 1,
					   __ATOMIC_RELAXED);
	return NULL;
}

/* No addition is lost while pages are being copied under it. */
static void threads_add(void)
{
	pthread_t t[THREADS];
	struct held c;

	memset(mem, 0, LEN);
	for (int round = 0; round < 3; round++) {
		fflush(stdout);
		c = keeper(0);
		wait_protected(mem + LEN - PAGE);
		for (size_t i = 0; i < THREADS; i++)
			CHECK(pthread_create(&t[i], NULL, add_everywhere,
					     (void *)(i / 2)) == 0);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_join(t[i], NULL) == 0);
		end_held(&c);
	}
	for (size_t i = 0; i < PAGES; i++)
		CHECK(mem[i * PAGE] == 18 && mem[i * PAGE + 1] == 18 &&
		      mem[i * PAGE + 2] == 0);
	puts("threads add");
}

/* The kernel itself marks the mutex of a thread that dies. */
static pthread_barrier_t barrier;

static void *die_with_mutex(void *mutex)
{
	CHECK(pthread_mutex_lock(mutex) == 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void robust_mutex(void)
{
	pthread_mutex_t *m = (pthread_mutex_t *)(mem + 100 * PAGE);
	struct timespec end;
	pthread_mutexattr_t attr;
	struct held c;
	pthread_t t;
	int ret;

	memset(mem, 0, LEN);
	CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	CHECK(pthread_create(&t, NULL, die_with_mutex, m) == 0);
	pthread_barrier_wait(&barrier);
	c = fork_held();
	if (c.pid == 0) {
		stay_held(&c);
		_exit(0);
	}
	wait_protected(mem + 99 * PAGE);
	wait_protected(mem + LEN - PAGE);
	pthread_barrier_wait(&barrier);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(clock_gettime(CLOCK_REALTIME, &end) == 0);
	end.tv_sec += 20;
	ret = pthread_mutex_timedlock(m, &end);
	puts(ret == EOWNERDEAD ? "robust mutex" : "robust mutex: not told");
	CHECK(end_held(&c) == 0);
}

/* --- writes by the kernel ---------------------------------------------------------- */

static void in_system_calls(void)
{
	struct held c = shared_with_child(10);
	char text[3 * PAGE];
	struct iovec v[2] = { { mem + 5 * PAGE - 10, 20 }, { mem + 99 * PAGE, PAGE } };
	int fds[2];

	fill(text, sizeof(text), 11);
	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], text, sizeof(text)) == sizeof(text));
	CHECK(read(fds[0], mem + PAGE / 2, 2 * PAGE) == 2 * PAGE);
	CHECK(readv(fds[0], v, 2) == (ssize_t)(PAGE));
	CHECK(!memcmp(mem + PAGE / 2, text, 2 * PAGE));
	CHECK(!memcmp(mem + 5 * PAGE - 10, text + 2 * PAGE, 20));
	CHECK(!memcmp(mem + 99 * PAGE, text + 2 * PAGE + 20, PAGE - 20));
	CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
	CHECK(getcwd(mem + 200 * PAGE, PAGE) == mem + 200 * PAGE);
	let_go("in system calls", c);
}

/* Memory that a device writes to, or a pipe refers to, must stay the program's page. */
static void pinned(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600), direct, fds[2];
	char path[64], old = mem[0];
	struct iovec v = { mem, PAGE };
	struct held c;

	CHECK(fd >= 0);
	CHECK(pwrite(fd, mem, LEN, 0) == (ssize_t)LEN);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_RDWR | O_DIRECT);
	if (direct < 0)
		direct = open(path, O_RDWR);
	fill(mem, LEN, 12);
	CHECK(pwrite(fd, mem, LEN, 0) == (ssize_t)LEN);
	c = shared_with_child(13);
	CHECK(pread(direct, mem + 64 * PAGE, LEN / 2, 64 * PAGE) == (ssize_t)LEN / 2);
	CHECK(matches(mem, 64 * PAGE, 13));
	CHECK(pwrite(direct, mem, LEN, 0) == (ssize_t)LEN);
	fill(mem, LEN, 14);
	CHECK(pread(direct, mem, LEN, 0) == (ssize_t)LEN);
	CHECK(matches(mem, 64 * PAGE, 13));
	let_go("direct", c);

	c = shared_with_child(15);
	old = mem[0];
	CHECK(pipe(fds) == 0);
	CHECK(vmsplice(fds[1], &v, 1, 0) == (ssize_t)PAGE);
	memset(mem, ~old, 8 * PAGE);
	CHECK(read(fds[0], mem + LEN / 2, PAGE) == (ssize_t)PAGE);
	CHECK(mem[LEN / 2] == old);
	CHECK(close(fds[0]) == 0 && close(fds[1]) == 0 && close(fd) == 0);
	CHECK(close(direct) == 0);
	let_go("spliced", c);
}

/* --- other calls on pages that are shared ------------------------------------------ */

static void protections(void)
{
	struct held c = shared_with_child(16);

	CHECK(mprotect(mem, LEN, PROT_READ) == 0);
	printf("read only: read %s, write %s\n", touch(mem, false), touch(mem, true));
	CHECK(mprotect(mem, LEN / 2, PROT_NONE) == 0);
	printf("none: %s\n", touch(mem + PAGE, false));
	CHECK(mprotect(mem, LEN, PROT_READ | PROT_WRITE) == 0);
	CHECK(matches(mem, LEN, 16));
	fill(mem, LEN, 17);
	CHECK(matches(mem, LEN, 17));
	let_go("protections", c);
}

static void dropped(void)
{
	struct held c = shared_with_child(18);
	const size_t a = 10 * PAGE, n = 20 * PAGE;

	CHECK(madvise(mem + a, n, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < 10; i++)
		mem[i * PAGE] = 'x'; /* up to the hole */
	CHECK(resident_pages(mem + a, n) == 0);
	mem[a - 1] = 'y';
	CHECK(all_zero(mem + a, n));
	fill(mem + a, n, 19);
	CHECK(matches(mem + a, n, 19));
	CHECK(madvise(mem + LEN / 2, LEN / 2, MADV_FREE) == 0);
	fill(mem + LEN / 2, LEN / 2, 20);
	CHECK(matches(mem + LEN / 2, LEN / 2, 20));
	let_go("dropped", c);
}

static void replaced(void)
{
	struct held c = shared_with_child(21);
	char *q = mem + LEN / 4;

	mem[LEN / 4 - PAGE] = 1;
	CHECK(mmap(q, LEN / 4, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == q);
	CHECK(resident_pages(q, LEN / 4) == 0);
	CHECK(all_zero(q, LEN / 4));
	fill(q, LEN / 4, 22);
	CHECK(munmap(mem + LEN / 2, LEN / 2) == 0);
	CHECK(mmap(mem + LEN / 2, LEN / 2, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem + LEN / 2);
	CHECK(all_zero(mem + LEN / 2, LEN / 2));
	fill(mem + LEN / 2, LEN / 2, 23);
	CHECK(matches(q, LEN / 4, 22) && matches(mem + LEN / 2, LEN / 2, 23));
	let_go("replaced", c);
}

static void moved(void)
{
	struct held c = shared_with_child(24);
	char *to = anon(2 * LEN), *q;

	q = mremap(mem, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(q == to);
	CHECK(matches(q, LEN, 24));
	fill(q, LEN / 2, 25);
	CHECK(matches(q, LEN / 2, 25));
	CHECK(mremap(q, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, mem) == mem);
	CHECK(matches(mem, LEN / 2, 25));
	fill(mem, LEN, 26);
	CHECK(matches(mem, LEN, 26));
	CHECK(munmap(to, 2 * LEN) == 0);
	let_go("moved", c);
}

static void locked(void)
{
	struct held c = shared_with_child(27);

	CHECK(mlock(mem, 64 * PAGE) == 0);
	fill(mem, 128 * PAGE, 28);
	CHECK(matches(mem, 128 * PAGE, 28));
	CHECK(munlock(mem, 64 * PAGE) == 0);
	let_go("locked", c);
	CHECK(mlock(mem, 64 * PAGE) == 0);
	c = shared_with_child(29);
	fill(mem, 128 * PAGE, 30);
	CHECK(matches(mem, 128 * PAGE, 30));
	CHECK(munlock(mem, 64 * PAGE) == 0);
	let_go("locked before", c);
}

static void huge(void)
{
	char *p = anon(3 * 2 * MIB), *old = mem;
	struct held c;

	mem = (char *)(((unsigned long)p + 2 * MIB - 1) & ~(2 * MIB - 1));
	fill(mem, LEN, 31);
	madvise(mem, LEN, MADV_COLLAPSE);
	c = shared_with_child(31);
	fill(mem + LEN / 2, 4 * PAGE, 32);
	CHECK(matches(mem, LEN / 2, 31) && matches(mem + LEN / 2, 4 * PAGE, 32));
	fill(mem, LEN, 33);
	CHECK(matches(mem, LEN, 33));
	let_go("huge", c);
	c = shared_with_child(34);
	let_go("huge, alone", c);
	fill(mem, LEN, 35);
	CHECK(matches(mem, LEN, 35));
	CHECK(munmap(p, 3 * 2 * MIB) == 0);
	mem = old;
}

/* --- kinds of inheritance ---------------------------------------------------------- */

static void kinds(void)
{
	char *wiped = anon(LEN), *kept = anon(LEN), *alone = anon(LEN);
	char *shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	int status;
	pid_t pid;

	CHECK(shared != MAP_FAILED);
	CHECK(madvise(wiped, LEN, MADV_WIPEONFORK) == 0);
	CHECK(madvise(kept, LEN, MADV_WIPEONFORK) == 0);
	CHECK(madvise(kept, LEN, MADV_KEEPONFORK) == 0);
	CHECK(madvise(alone, LEN, MADV_DONTFORK) == 0);
	fill(wiped, LEN, 36);
	fill(kept, LEN, 37);
	fill(alone, LEN, 38);
	fill(shared, LEN, 39);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		wait_protected(kept + LEN - PAGE);
		CHECK(all_zero(wiped, LEN) && matches(kept, LEN, 37));
		fill(wiped, LEN, 40);
		fill(kept, LEN, 41);
		fill(shared, LEN, 42);
		_exit(matches(wiped, LEN, 40) && matches(kept, LEN, 41) ? 0 : 1);
	}
	wait_protected(kept + LEN - PAGE);
	fill(wiped, LEN / 2, 43);
	fill(alone, LEN / 2, 44);
	CHECK(waitpid(pid, &status, 0) == pid);
	show_status("kinds", status);
	CHECK(matches(wiped, LEN / 2, 43) && matches(kept, LEN, 37));
	CHECK(matches(alone, LEN / 2, 44) && matches(shared, LEN, 42));
	CHECK(munmap(wiped, LEN) == 0 && munmap(kept, LEN) == 0);
	CHECK(munmap(alone, LEN) == 0 && munmap(shared, LEN) == 0);
}

/* Generations, each forked while the one before is still being protected. */
static void chain(unsigned int depth)
{
	unsigned int seed = 50 + depth;
	int status;
	pid_t pid;

	fill(mem, LEN, seed);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(matches(mem, LEN, seed));
		if (depth < 6)
			chain(depth + 1);
		_exit(0);
	}
	for (size_t i = 0; i < PAGES; i += 3)
		mem[i * PAGE] ^= 1;
	if (depth % 2)
		_exit(0); /* before its child */
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	for (size_t i = 0; i < PAGES; i += 3)
		mem[i * PAGE] ^= 1;
	CHECK(matches(mem, LEN, seed));
}

/* The engine ends while pages are protected. */
static void without_engine(void)
{
	struct held c = shared_with_child(60);

	CHECK(waitpid(c.pid, NULL, WNOHANG | __WALL) == 0);
	fill(mem, LEN, 61);
	CHECK(matches(mem, LEN, 61));
	let_go("without engine", c);
}

int main(void)
{
	mem = anon(LEN);
	in_order();
	backwards();
	at_random();
	in_child_too();
	last_one();
	threads_add();
	robust_mutex();
	in_system_calls();
	pinned();
	protections();
	dropped();
	replaced();
	moved();
	locked();
	huge();
	kinds();
	chain(0);
	puts("chain");
	without_engine();
	return 0;
}
