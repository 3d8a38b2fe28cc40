// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which pages of a shared file are dirty: what the library says must be exactly what the
 * program has written to since msync(2). Plain, nobody is asked. With an argument that
 * is the seed of the random part.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGES 2048U /* some whole page tables */
#define LEN   (PAGES * PAGE)
#define RW    (PROT_READ | PROT_WRITE)

static int fd;
static char *map;	  /* PAGES of the file, in one area or several */
static bool dirty[PAGES]; /* what we have written to */
static volatile char sink;

/* --- the library's side ------------------------------------------------------------ */

static unsigned long number(const char *reply, const char *key, int base)
{
	const char *s = strstr(reply, key);

	CHECK(s);
	return strtoul(s + strlen(key), NULL, base);
}

/* Dirty pages of the areas of [p, p + len), or -1: one of them is not tracked. */
static long dirty_pages(const char *p, size_t len)
{
	const char *end = p + len, *reply;
	char command[64];
	long n = 0;

	while (p < end) {
		snprintf(command, sizeof(command), "smaps %lx", (unsigned long)p);
		reply = ask(command);
		if (strstr(reply, "\"dirty\":null"))
			return -1;
		n += (long)number(reply, "\"dirty\":", 10);
		p = (const char *)number(reply, "\"end\":\"", 16);
	}
	return n;
}

static void expect_pages(const char *what, const char *p, size_t len, long want)
{
	long n = can_ask() ? dirty_pages(p, len) : want;

	if (n == want)
		return;
	printf("%s: %ld dirty pages, not %ld\n", what, n, want);
	exit(1);
}

static void expect(const char *what)
{
	long n = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		n += dirty[i];
	expect_pages(what, map, LEN, n);
}

/* --- what is done ------------------------------------------------------------------ */

static void write_page(unsigned int page)
{
	map[page * PAGE + page % 100]++;
	dirty[page] = true;
}

static void write_pages(unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		write_page(first + i);
}

static void read_pages(unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		sink = map[(first + i) * PAGE];
}

static void sync_pages(unsigned int first, unsigned int n)
{
	CHECK(msync(map + first * PAGE, n * PAGE, MS_SYNC) == 0);
	memset(dirty + first, false, n);
}

static void sync_all(void)
{
	sync_pages(0, PAGES);
}

static char *map_file(void)
{
	char *p = mmap(NULL, LEN, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void by_instructions(void)
{
	expect("nothing");
	read_pages(0, PAGES);
	expect("reading");
	write_page(7);
	write_pages(100, 3);
	write_pages(PAGES - 1, 1);
	expect("writing");
	write_page(7);
	expect("writing again");
	CHECK(fsync(fd) == 0);
	CHECK(msync(map, LEN, MS_ASYNC) == 0);
	expect("fsync() and MS_ASYNC");
	sync_pages(101, 1);
	expect("msync() of a page");
	write_page(101);
	sync_all();
	expect("msync()");
}

static void by_calls(void)
{
	int zero = open("/dev/zero", O_RDONLY);
	char byte = 1;
	struct iovec from = { &byte, 1 }, to = { map + 600 * PAGE, 1 };

	CHECK(zero >= 0 && read(zero, map + 300 * PAGE + 5, 2 * PAGE) == 2 * PAGE);
	memset(dirty + 300, true, 3);
	expect("read()");
	/* By way of the page, not of its address. */
	CHECK(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1);
	dirty[600] = true;
	expect("process_vm_writev()");
	/* Not by this mapping. */
	CHECK(pwrite(fd, &byte, 1, 400 * PAGE) == 1 && map[400 * PAGE] == 1);
	expect("pwrite()");
	CHECK(madvise(map + 500 * PAGE, 4 * PAGE, MADV_POPULATE_READ) == 0);
	expect("MADV_POPULATE_READ");
	CHECK(madvise(map + 500 * PAGE, 4 * PAGE, MADV_POPULATE_WRITE) == 0);
	memset(dirty + 500, true, 4);
	expect("MADV_POPULATE_WRITE");
	CHECK(close(zero) == 0);
	sync_all();
}

static void *write_odd(void *arg)
{
	(void)arg;
	for (unsigned int i = 1; i < 200; i += 2)
		write_page(i);
	return NULL;
}

static void by_threads(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, write_odd, NULL) == 0);
	for (unsigned int i = 200; i < 400; i += 2)
		write_page(i);
	CHECK(pthread_join(thread, NULL) == 0);
	expect("two threads");
	sync_all();
}

static unsigned int progress;

static void *write_in_order(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < PAGES; i++) {
		map[i * PAGE]++;
		__atomic_store_n(&progress, i + 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* What is written during msync() may count or not; what is after it does. */
static void synced_meanwhile(void)
{
	unsigned int before, after;
	pthread_t thread;
	long n;

	progress = 0;
	CHECK(pthread_create(&thread, NULL, write_in_order, NULL) == 0);
	do {
		before = __atomic_load_n(&progress, __ATOMIC_SEQ_CST);
		CHECK(msync(map, LEN, MS_SYNC) == 0);
		after = __atomic_load_n(&progress, __ATOMIC_SEQ_CST);
	} while (after < PAGES / 2);
	CHECK(pthread_join(thread, NULL) == 0);
	n = can_ask() ? dirty_pages(map, LEN) : (long)(PAGES - after);
	if (n < (long)(PAGES - after) || n > (long)(PAGES - before))
		printf("msync() between pages %u and %u: %ld dirty\n", before, after, n);
	sync_all();
}

/* Pages that go, and page tables with them, are not forgotten. */
static void dropped(void)
{
	write_pages(500, 600);
	CHECK(madvise(map, LEN, MADV_DONTNEED) == 0);
	expect("MADV_DONTNEED");
	read_pages(0, PAGES);
	expect("reading what was dropped");
	sync_all();
	CHECK(madvise(map, LEN, MADV_DONTNEED) == 0);
	expect("MADV_DONTNEED of clean ones");
}

static void protected(void)
{
	write_pages(10, 20);
	CHECK(mprotect(map + 20 * PAGE, 20 * PAGE, PROT_READ) == 0);
	expect("mprotect()");
	write_pages(40, 5);
	expect("beside it");
	CHECK(mprotect(map + 20 * PAGE, 20 * PAGE, RW) == 0);
	write_page(39);
	expect("mprotect() back");
	sync_pages(15, 30);
	expect("msync() over a part");
	sync_all();
}

/* --- areas ------------------------------------------------------------------------- */

static void moved(void)
{
	char *room = anon_with(2 * LEN, PROT_NONE, 0), *p;

	write_pages(3, 4);
	write_pages(1000, 2);
	p = mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	CHECK(p == room);
	map = p;
	expect("moved");
	write_page(2);
	/* One page of three areas, where several may be moved at once (6.17). */
	CHECK(mprotect(map + 5 * PAGE, PAGE, PROT_READ) == 0);
	p = mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room + LEN);
	printf("several areas: %s\n", p == MAP_FAILED ? strerror(errno) : "moved");
	if (p != MAP_FAILED)
		map = p;
	expect("moved in pieces");
	CHECK(mprotect(map + 5 * PAGE, PAGE, RW) == 0);
	write_page(5);
	expect("written to there");
	sync_all();
}

#define HELD_RUNS 256 /* lib/fault/dirty.c */

/* What there is no room to remember counts as dirty up to the last page that is. */
static void moved_in_many_runs(void)
{
	char *room = anon_with(LEN, PROT_NONE, 0);
	const unsigned int last = 2 * (HELD_RUNS - 1), runs = HELD_RUNS + 44;

	for (unsigned int i = 0; i < runs; i++)
		write_page(2 * i);
	expect("many runs");
	map = mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	CHECK(map == room);
	memset(dirty + last, true, 2 * (runs - 1) - last + 1);
	expect("many runs, moved");
	sync_all();
}

static void grown(void)
{
	char *p;

	write_page(PAGES / 2 - 1);
	CHECK(munmap(map + LEN / 2, LEN / 2) == 0);
	p = mremap(map, LEN / 2, LEN, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	map = p;
	expect("grown");
	read_pages(PAGES / 2, PAGES / 2);
	expect("grown and read");
	write_page(PAGES / 2);
	expect("grown and written to");
	p = mremap(map, 0, LEN, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	expect_pages("a duplicate", p, LEN, 0);
	p[PAGE]++;
	expect_pages("a duplicate written to", p, LEN, 1);
	expect("the original");
	CHECK(munmap(p, LEN) == 0);
	p = mmap(map, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(p == map);
	dirty[0] = false;
	expect("a page mapped anew");
	sync_all();
}

/* What was written to the file loses, and may get back: that is no msync(). */
static void cut(void)
{
	write_page(PAGES / 4);
	write_page(PAGES / 2 + 5);
	CHECK(ftruncate(fd, LEN / 2) == 0 && ftruncate(fd, LEN) == 0);
	expect("truncated");
	read_pages(0, PAGES);
	expect("truncated and read");
	sync_all();
	expect("truncated and msync()");
}

static void other_areas(void)
{
	char *private = mmap(NULL, LEN, RW, MAP_PRIVATE, fd, 0);
	char *shared = mmap(NULL, LEN, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(private != MAP_FAILED && shared != MAP_FAILED);
	private[0] = shared[0] = 1;
	expect_pages("private", private, LEN, -1);
	expect_pages("no file", shared, LEN, -1);
	CHECK(munmap(private, LEN) == 0 && munmap(shared, LEN) == 0);
}

static bool from_start(void)
{
	const char *policy = getenv("SHADOWMM_POLICY");

	return policy && strstr(policy, "shared-file=dirty");
}

/* Whose memory is not tracked before it asks, if not from the beginning. */
static void child(void)
{
	can_ask(); /* from here on it has an engine */
	memset(dirty, false, PAGES);
	if (!from_start()) {
		write_page(3);
		expect_pages("a child's", map, LEN, -1);
		dirty[3] = false;
	}
	if (can_ask())
		ask("smaps dirty");
	expect("a child's, tracked");
	write_page(4);
	expect("a child's, written to");
}

static void forked(void)
{
	write_pages(20, 3);
	in_child("child", child);
	expect("the child's writes are its own");
	sync_all();
}

/* --- at random --------------------------------------------------------------------- */

static unsigned int at_random(unsigned int n)
{
	static unsigned long state;

	if (!state)
		state = n * 2654435761UL + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 20) % n;
}

static void one_at_random(char *room[2])
{
	unsigned int first = at_random(PAGES), n = 1 + at_random(PAGES - first);
	unsigned int few = n < 20 ? n : 20;

	switch (at_random(10)) {
	case 0:
		sync_pages(first, n);
		break;
	case 1:
		CHECK(madvise(map + first * PAGE, n * PAGE, MADV_DONTNEED) == 0);
		break;
	case 2:
		CHECK(mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
			     map == room[0] ? room[1] : room[0]) != MAP_FAILED);
		map = map == room[0] ? room[1] : room[0];
		break;
	case 3:
		CHECK(mprotect(map + first * PAGE, n * PAGE, PROT_READ) == 0);
		read_pages(first, n);
		CHECK(mprotect(map + first * PAGE, n * PAGE, RW) == 0);
		break;
	case 4:
	case 5:
		read_pages(first, few);
		break;
	default:
		write_pages(first, few);
	}
}

#define ROUNDS 300

static void random_calls(unsigned int seed)
{
	char *room[2] = { anon_with(LEN, PROT_NONE, 0), anon_with(LEN, PROT_NONE, 0) };
	char what[64];

	at_random(seed);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		one_at_random(room);
		snprintf(what, sizeof(what), "seed %u, round %u", seed, i);
		expect(what);
	}
	sync_all();
}

/* --- the program's own ---------------------------------------------------------------
 */

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define WP_ASYNC (1 << 15)

/* It wants to do the same: then we do not. */
static void own_tracking(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = WP_ASYNC };
	struct uffdio_register reg = { .range = { (unsigned long)map, LEN },
				       .mode = UFFDIO_REGISTER_MODE_WP };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api)) {
		printf("no asynchronous write-protection: %s\n", strerror(errno));
		return;
	}
	SHOW(ioctl(uffd, UFFDIO_REGISTER, &reg));
	expect_pages("the program's own", map, LEN, -1);
	CHECK(close(uffd) == 0);
}

int main(int argc, char **argv)
{
	unsigned int seed = argc > 1 ? (unsigned int)atoi(argv[1]) : 1;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("seed %u\n", seed);
	fd = open("dirty_pages.file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, LEN) == 0);
	map = map_file();
	if (can_ask() && !from_start()) {
		map[0] = map[PAGE] = 1; /* before it began */
		expect_pages("before", map, LEN, -1);
		CHECK(strstr(ask("smaps dirty"), "\"dirty\":0"));
	}
	by_instructions();
	by_calls();
	by_threads();
	synced_meanwhile();
	dropped();
	protected();
	moved();
	moved_in_many_runs();
	grown();
	cut();
	other_areas();
	forked();
	random_calls(seed);
	own_tracking();
	return 0;
}
