// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A random tree of forks, three deep, whose processes write to some pages of what they
 * inherited, move and cut it. Writes a file with "PID START PAGES" for each piece of
 * memory, says "ready" when everybody holds still, and ends with its standard input.
 *
 *	rmap_tree SEED FILE
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <poll.h>

#define PAGES	   24
#define DEPTH	   3
#define MAX_PIECES 4
#define MAX_PROCS  64

struct piece {
	char *start;
	size_t pages;
};

static struct table {
	int nr; /* atomic */
	struct process {
		int pid;
		int pieces;
		struct piece piece[MAX_PIECES];
	} process[MAX_PROCS];
} * table;

static struct piece piece[MAX_PIECES];
static int pieces;
static unsigned long state;

static unsigned long random_below(unsigned long n)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (state >> 33) % n;
}

static void write_some(void)
{
	for (int i = 0; i < pieces; i++)
		for (size_t p = 0; p < piece[i].pages; p++)
			if (!random_below(4))
				piece[i].start[p * PAGE] = (char)random_below(100);
}

/* Cut the end off a piece and move it elsewhere. */
static void move_some(void)
{
	struct piece *from = &piece[random_below((unsigned long)pieces)];
	size_t n = 1 + random_below(4);
	char *end, *to;

	if (pieces == MAX_PIECES || from->pages <= n)
		return;
	end = from->start + (from->pages - n) * PAGE;
	to = anon(n * PAGE);
	CHECK(mremap(end, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	from->pages -= n;
	piece[pieces++] = (struct piece){ to, n };
}

static void change(void)
{
	struct piece *some = &piece[random_below((unsigned long)pieces)];

	write_some();
	if (!random_below(3))
		move_some();
	if (!random_below(3)) {
		CHECK(!mprotect(some->start, PAGE, PROT_READ));
		write(-1, some->start, 1);
		CHECK(!mprotect(some->start, PAGE, PROT_READ | PROT_WRITE));
	}
	if (!random_below(4))
		CHECK(!madvise(some->start, PAGE, MADV_DONTNEED));
}

static void note_pieces(void)
{
	int i = __atomic_fetch_add(&table->nr, 1, __ATOMIC_SEQ_CST);

	CHECK(i < MAX_PROCS);
	table->process[i].pid = getpid();
	table->process[i].pieces = pieces;
	memcpy(table->process[i].piece, piece, sizeof(piece));
}

static void print_table(const char *path)
{
	FILE *file = fopen(path, "w");

	CHECK(file);
	for (int i = 0; i < table->nr; i++)
		for (int j = 0; j < table->process[i].pieces; j++)
			fprintf(file, "%d %lx %zu\n", table->process[i].pid,
				(unsigned long)table->process[i].piece[j].start,
				table->process[i].piece[j].pages);
	CHECK(!fclose(file));
}

static void hold_still(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
	while (wait(NULL) > 0)
		;
}

/* Returns in the root only; everybody else says through @up that its subtree is there. */
static void grow(int depth, int up)
{
	unsigned long children = depth ? 1 + random_below(3) : 0;
	int pipes[2];
	char c;

	CHECK(!pipe(pipes));
	change();
	for (unsigned long i = 0; i < children; i++) {
		unsigned long seed = random_below(~0U);

		if (!fork()) {
			state = seed;
			grow(depth - 1, pipes[1]);
			_exit(0);
		}
		CHECK(read(pipes[0], &c, 1) == 1);
		change();
	}
	note_pieces();
	/* The engine has its own copy of standard error once it has registered something,
	 * and keeps that until its socket is there. */
	anon(MIB);
	close(2);
	if (up < 0)
		return;
	CHECK(write(up, "", 1) == 1);
	hold_still();
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	state = strtoul(argv[1], NULL, 0);
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(table != MAP_FAILED);
	piece[pieces++] = (struct piece){ anon(PAGES * PAGE), PAGES };
	fill(piece[0].start, PAGES / 2 * PAGE, 1);
	grow(DEPTH, -1);
	print_table(argv[2]);
	puts("ready");
	fflush(stdout);
	hold_still();
	return 0;
}
