// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: shared_storm [ROUNDS [SEED]]
 *
 * Threads count upwards in words of their own, all over a shared mapping of a file, while
 * others call msync(), read the file and at last open it. No count may be lost: neither
 * in the mapping nor in the file.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
	WRITERS = 4,
	PAGES = 700,
	STEPS = 6000,
};

static uint32_t (*words)[PAGE / 4];
static uint32_t count[WRITERS][PAGES];
static uint64_t seed;
static int fd;
static atomic_int left;
static const char *path;

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void *writer(void *arg)
{
	size_t me = (size_t)arg, page = 0;
	uint64_t random = seed * WRITERS + me;

	for (int i = 0; i < STEPS; i++) {
		page = next_random(&random) % 8 ? page + 1 : next_random(&random);
		page %= PAGES;
		CHECK(words[page][me] == count[me][page]);
		words[page][me] = ++count[me][page];
	}
	atomic_fetch_sub(&left, 1);
	return NULL;
}

static void *syncer(void *arg)
{
	uint64_t random = seed + 77;
	uint32_t word;

	(void)arg;
	while (atomic_load(&left)) {
		size_t page = next_random(&random) % PAGES;

		CHECK(!msync(words[page], (PAGES - page) * PAGE, MS_ASYNC));
		CHECK(pread(fd, &word, 4, (off_t)(page * PAGE)) == 4);
		/* It may have been counted on meanwhile, not back. */
		CHECK(word <= *(volatile uint32_t *)words[page]);
	}
	return NULL;
}

/* In every second round, before they are ready. */
static void open_it(void)
{
	int again;

	while (seed % 2 && atomic_load(&left) > WRITERS / 2)
		;
	again = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(again >= 0 && !close(again));
}

static void check(const uint32_t (*found)[PAGE / 4])
{
	for (size_t page = 0; page < PAGES; page++)
		for (size_t i = 0; i < WRITERS; i++)
			CHECK(found[page][i] == count[i][page]);
}

static void run(void)
{
	static uint32_t copy[PAGES][PAGE / 4];
	pthread_t thread[WRITERS + 1];

	memset(count, 0, sizeof(count));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && !ftruncate(fd, PAGES * PAGE));
	words = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(words != MAP_FAILED);
	atomic_store(&left, WRITERS);
	for (size_t i = 0; i < WRITERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, writer, (void *)i));
	CHECK(!pthread_create(&thread[WRITERS], NULL, syncer, NULL));
	open_it();
	for (size_t i = 0; i <= WRITERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	check((const void *)words);
	CHECK(!munmap(words, PAGES * PAGE));
	CHECK(pread(fd, copy, sizeof(copy), 0) == (ssize_t)sizeof(copy));
	check((const void *)copy);
	CHECK(!close(fd));
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 12;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	char name[] = "/tmp/shared_storm_XXXXXX";
	int made = mkstemp(name);

	CHECK(made >= 0 && !close(made));
	path = name;
	for (seed = first; seed < first + rounds; seed++)
		run();
	CHECK(!unlink(name));
	printf("%lu rounds from seed %lu\n", (unsigned long)rounds, (unsigned long)first);
	return 0;
}
