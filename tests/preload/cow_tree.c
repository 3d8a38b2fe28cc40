// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A random tree of processes that write to what they inherited: cow_tree [OPS [SEED]].
 * Every process knows what each of its pages must hold, changes pages in order and at
 * random, by itself and by threads, drops, replaces and moves some, forks, and ends
 * before or after its children. All bytes are checked again and again. OPS operations
 * are done by the whole tree.
 */
#include "tests/preload/common.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#define PAGES 1024UL
#define MOST  50 /* processes at a time */
#define SPARE 256UL
#define DEPTH 12

struct board {
	long ops;
	int processes, bad;
	unsigned int seed;
};

static struct board *board;	  /* shared by all */
static char *mem;		  /* private; page n holds stamp[n] in every word */
static unsigned int stamp[PAGES]; /* 0: never written to, or dropped */
static unsigned int rnd, depth;

static unsigned int next(void)
{
	rnd = rnd * 1664525 + 1013904223;
	return rnd >> 8;
}

static void write_page(size_t n, unsigned int value)
{
	unsigned int *word = (unsigned int *)(mem + n * PAGE);

	for (size_t i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = value;
	stamp[n] = value;
}

static void check_page(size_t n)
{
	const volatile unsigned int *word = (unsigned int *)(mem + n * PAGE);

	for (size_t i = 0; i < PAGE / sizeof(*word); i++) {
		if (word[i] == stamp[n])
			continue;
		printf("page %zu word %zu: %#x, not %#x; seed %u\n", n, i, word[i],
		       stamp[n], board->seed);
		fflush(stdout);
		__atomic_store_n(&board->bad, 1, __ATOMIC_SEQ_CST);
		_exit(1);
	}
}

static void check_all(void)
{
	for (size_t n = 0; n < PAGES; n++)
		check_page(n);
}

static void write_run(void)
{
	size_t at = next() % PAGES, len = 1 + next() % 400;
	unsigned int value = next() | 1;

	for (size_t n = at; n < at + len && n < PAGES; n++)
		write_page(n, value + (unsigned int)n);
}

static void write_some(void)
{
	for (int i = 0; i < 30; i++)
		write_page(next() % PAGES, next() | 1);
}

static void *write_half(void *arg)
{
	size_t first = (size_t)arg;

	for (size_t n = first; n < PAGES; n += 2)
		write_page(n, (unsigned int)(board->seed + n) | 1);
	return NULL;
}

static void write_by_threads(void)
{
	pthread_t t[2];

	for (size_t i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, write_half, (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
}

static void read_into(void)
{
	size_t at = next() % (PAGES - 16);
	unsigned int value = next() | 1;
	static unsigned int text[PAGE / sizeof(unsigned int)];
	int fds[2];

	CHECK(pipe(fds) == 0);
	for (size_t i = 0; i < PAGE / sizeof(*text); i++)
		text[i] = value;
	for (size_t n = at; n < at + 16; n++) {
		CHECK(write(fds[1], text, PAGE) == (ssize_t)PAGE);
		CHECK(read(fds[0], mem + n * PAGE, PAGE) == (ssize_t)PAGE);
		stamp[n] = value;
	}
	CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
}

static void forget(size_t at, size_t len)
{
	memset(stamp + at, 0, len * sizeof(*stamp));
}

static void drop(void)
{
	size_t at = next() % PAGES, len = 1 + next() % 50;

	len = len < PAGES - at ? len : PAGES - at;
	if (next() % 2)
		CHECK(madvise(mem + at * PAGE, len * PAGE, MADV_DONTNEED) == 0);
	else
		CHECK(mmap(mem + at * PAGE, len * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == mem + at * PAGE);
	forget(at, len);
}

/* There and back again, one area of the kernel at a time. */
static void move(void)
{
	size_t at = next() % PAGES;
	char *to = mem + (PAGES + SPARE / 2) * PAGE, *from = mem + at * PAGE;

	CHECK(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, from) == from);
	check_page(at);
}

static void protect(void)
{
	size_t at = next() % (PAGES - 64);

	CHECK(mprotect(mem + at * PAGE, 64 * PAGE, PROT_READ) == 0);
	check_page(at);
	CHECK(mprotect(mem + at * PAGE, 64 * PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void live(void);

static void beget(void)
{
	unsigned int child_rnd = next();
	pid_t pid;

	if (__atomic_add_fetch(&board->processes, 1, __ATOMIC_SEQ_CST) > MOST ||
	    depth >= DEPTH) {
		__atomic_sub_fetch(&board->processes, 1, __ATOMIC_SEQ_CST);
		return;
	}
	pid = fork();
	CHECK(pid >= 0);
	if (pid)
		return;
	depth++;
	rnd = child_rnd;
	check_all();
	live();
	_exit(0);
}

static void operate(void)
{
	switch (next() % 16) {
	case 0:
	case 1:
	case 2:
		beget();
		break;
	case 3:
		drop();
		break;
	case 4:
		move();
		break;
	case 5:
		protect();
		break;
	case 6:
		read_into();
		break;
	case 7:
		check_all();
		break;
	case 8:
		write_by_threads();
		break;
	case 9:
	case 10:
	case 11:
		write_some();
		break;
	default:
		write_run();
	}
}

/* Until the work is done, or it is time to go. The root stays to the end. */
static void live(void)
{
	while (__atomic_sub_fetch(&board->ops, 1, __ATOMIC_SEQ_CST) > 0 &&
	       !__atomic_load_n(&board->bad, __ATOMIC_SEQ_CST)) {
		operate();
		if (depth && next() % 40 == 0)
			break;
	}
	check_all();
	__atomic_sub_fetch(&board->processes, 1, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
	struct timespec now;
	int status;

	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	CHECK(board != MAP_FAILED);
	CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
	board->ops = argc > 1 ? strtol(argv[1], NULL, 10) : 1500;
	board->seed = argc > 2
			      ? (unsigned int)strtoul(argv[2], NULL, 10)
			      : (unsigned int)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
	board->processes = 1;
	rnd = board->seed;
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	mem = anon((PAGES + SPARE) * PAGE);
	live();
	while (wait(&status) > 0)
		if (status)
			board->bad = 1;
	puts(board->bad ? "wrong" : "every byte is right");
	return board->bad;
}
