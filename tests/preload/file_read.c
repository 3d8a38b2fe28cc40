// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: file_read [live]. A file of some windows is read in every order, with the kernel
 * having it in its cache and not: whole, and left in the middle while what was read ahead
 * is still under way: unmapped, forked, opened for writing. Every word is compared.
 *
 * live: reads it once, in order; says "ready", and goes on when its input ends.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/stat.h>

#define LEN   (24 * MIB + 1234)
#define PAGES ((LEN + PAGE - 1) / PAGE)

static char path[64];

static uint64_t word_at(size_t at)
{
	return (at + 1) * 0x9e3779b97f4a7c15;
}

static void make_file(void)
{
	static uint64_t words[64 * KIB / 8];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	for (size_t at = 0; at < LEN; at += sizeof(words)) {
		size_t n = LEN - at < sizeof(words) ? LEN - at : sizeof(words);

		for (size_t i = 0; i < sizeof(words) / 8; i++)
			words[i] = word_at(at + i * 8);
		CHECK(write(fd, words, n) == (ssize_t)n);
	}
	CHECK(fsync(fd) == 0 && close(fd) == 0);
}

static void drop_from_cache(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	CHECK(close(fd) == 0);
}

static void bring_to_cache(void)
{
	static char bytes[MIB];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		continue;
	CHECK(close(fd) == 0);
}

static char *map_it(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;

	CHECK(fd >= 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && close(fd) == 0);
	return p;
}

/* After the end there are zeroes, to the end of the page. */
static void check_page(const char *p, size_t page)
{
	for (size_t at = page * PAGE; at < (page + 1) * PAGE; at += 8) {
		uint64_t want = word_at(at), got;

		memcpy(&got, p + at, 8);
		if (at + 8 > LEN)
			want = at < LEN ? want & ((1ULL << (LEN - at) * 8) - 1) : 0;
		if (got != want)
			fprintf(stderr, "%#zx: %#lx\n", at, (unsigned long)got);
		CHECK(got == want);
	}
}

/* --- orders ------------------------------------------------------------------------ */

static void forwards(const char *p)
{
	for (size_t i = 0; i < PAGES; i++)
		check_page(p, i);
}

static void backwards(const char *p)
{
	for (size_t i = PAGES; i-- > 0;)
		check_page(p, i);
}

static void here_and_there(const char *p)
{
	for (size_t i = 0, page = 0; i < PAGES; i++) {
		page = (page + 3877) % PAGES;
		check_page(p, page);
	}
}

static void two_ends(const char *p)
{
	for (size_t i = 0; i < PAGES / 2; i++) {
		check_page(p, i);
		check_page(p, PAGES / 2 + i);
	}
}

static void *second_half(void *p)
{
	for (size_t i = PAGES / 2; i < PAGES; i++)
		check_page(p, i);
	return NULL;
}

static void by_threads(const char *p)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, second_half, (void *)p) == 0);
	for (size_t i = 0; i < PAGES / 2; i++)
		check_page(p, i);
	CHECK(pthread_join(thread, NULL) == 0);
}

static const struct order {
	const char *name;
	void (*read)(const char *p);
	int advice;
} orders[] = {
	{ "forwards", forwards, MADV_NORMAL },
	{ "forwards, as announced", forwards, MADV_SEQUENTIAL },
	{ "forwards, against its word", forwards, MADV_RANDOM },
	{ "backwards", backwards, MADV_NORMAL },
	{ "here and there", here_and_there, MADV_NORMAL },
	{ "here and there, as announced", here_and_there, MADV_RANDOM },
	{ "in two places", two_ends, MADV_NORMAL },
	{ "by two threads", by_threads, MADV_NORMAL },
};

static void in_order(const struct order *o, const char *state)
{
	char *p = map_it();

	CHECK(madvise(p, LEN, o->advice) == 0);
	o->read(p);
	CHECK(munmap(p, LEN) == 0);
	printf("%s, %s: every word\n", o->name, state);
}

/* --- left in the middle ------------------------------------------------------------- */

static void some(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		check_page(p, i);
}

static void unmapped(size_t pages)
{
	char *p = map_it();

	some(p, pages);
	CHECK(munmap(p, LEN) == 0);
}

static void forked(size_t pages)
{
	char *p = map_it();
	int status;
	pid_t pid;

	some(p, pages);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		forwards(p);
		_exit(0);
	}
	forwards(p);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(munmap(p, LEN) == 0);
}

/* Whoever reads on sees the new bytes, where nothing had been written before. */
static void written_to(size_t pages)
{
	char *p = map_it();
	uint64_t old, new = 42;
	int fd;

	some(p, pages);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	for (size_t page = 0; page < PAGES; page += 7) {
		CHECK(pread(fd, &old, 8, (off_t)(page * PAGE)) == 8);
		CHECK(pwrite(fd, &new, 8, (off_t)(page * PAGE)) == 8);
		CHECK(*(volatile uint64_t *)(p + page * PAGE) == new);
		CHECK(pwrite(fd, &old, 8, (off_t)(page * PAGE)) == 8);
		CHECK(*(volatile uint64_t *)(p + page * PAGE) == old);
	}
	CHECK(fsync(fd) == 0 && close(fd) == 0);
	forwards(p);
	CHECK(munmap(p, LEN) == 0);
}

static const struct end {
	const char *name;
	void (*fn)(size_t pages);
} ends[] = {
	{ "unmapped", unmapped },
	{ "forked", forked },
	{ "written to", written_to },
};

static void left_in_the_middle(const struct end *end)
{
	for (size_t pages = 1; pages < PAGES; pages = pages * 2 + 5) {
		drop_from_cache();
		end->fn(pages);
	}
	printf("%s in the middle: every word\n", end->name);
}

static int live(void)
{
	char *p;

	drop_from_cache();
	p = map_it();
	forwards(p);
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	CHECK(munmap(p, LEN) == 0 && unlink(path) == 0);
	return 0;
}

static void all_in(const char *directory)
{
	snprintf(path, sizeof(path), "%s/of-file-read.%d", directory, (int)getpid());
	make_file();
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		drop_from_cache();
		in_order(&orders[i], "not in the kernel's cache");
		bring_to_cache();
		in_order(&orders[i], "in the kernel's cache");
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		left_in_the_middle(&ends[i]);
	CHECK(unlink(path) == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "live")) {
		strcpy(path, "of-file-read");
		make_file();
		return live();
	}
	puts("in this directory");
	all_in(".");
	puts("in memory");
	if (!access("/dev/shm", W_OK))
		all_in("/dev/shm");
	else
		puts("skipped: no /dev/shm");
	return 0;
}
