// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: file_random [SEQUENCES [SEED]]
 *        file_random replay SEED [OPERATIONS [LEFT-OUT...]]
 *        file_random shrink SEED
 *        file_random sabotage drop|stale|leak SEED
 *
 * Random sequences of calls, reads and writes on mapped files, each compared with a model
 * of what the kernel shows (file_random.h). One line for each sequence, the same in every
 * run with the same seed. If something is wrong, the operations of the sequence and its
 * seed are printed; `replay` does it again, `shrink` looks for the operations it needs.
 * `sabotage` does what a wrong library would do: loses a private page, changes one, or
 * writes it into the file.
 */
#include "tests/preload/file_random.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

enum {
	SEQUENCES = 100,
	OPERATIONS = 60,
	HANG_SECONDS = 20, /* shrinking only */
};

struct file_test test;
static char history[OPERATIONS + 2][160];
static bool left_out[OPERATIONS];
static const char *sabotage;
static bool harmed; /* in this sequence */

uint64_t next_random(void)
{
	uint64_t x = test.random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

size_t pick(size_t n)
{
	return next_random() % n;
}

void note(const char *format, ...)
{
	char *line = history[test.op];
	size_t used = strlen(line);
	va_list ap;

	if (used)
		used += (size_t)snprintf(line + used, sizeof(history[0]) - used, "; ");
	if (used >= sizeof(history[0]))
		return;
	va_start(ap, format);
	vsnprintf(line + used, sizeof(history[0]) - used, format, ap);
	va_end(ap);
	for (const char *p = line + used; *p; p++)
		test.hash = (test.hash ^ (unsigned char)*p) * 0x100000001b3;
}

void wrong(const char *format, ...)
{
	va_list ap;

	printf("seed %lu, operation %lu%s: ", (unsigned long)test.seed, test.op,
	       test.in_child ? ", in a child" : "");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	for (unsigned long i = 0; i <= test.op && i < OPERATIONS + 1; i++)
		if (history[i][0])
			printf("  %2lu %s\n", i, history[i]);
	fflush(stdout);
	if (!test.in_child)
		end_files();
	_exit(1);
}

static bool is_prey(size_t i)
{
	const struct page *p = &test.page[i];

	return p->copied && p->object != ANON && !p->locked && p->prot & PROT_WRITE &&
	       inside_file(p) &&
	       memcmp(at(i), objects[p->object].bytes + p->pgoff * PAGE, PAGE);
}

/* In the name of whoever is to be tested. */
static void do_harm(size_t i)
{
	const struct page *p = &test.page[i];

	if (!strcmp(sabotage, "drop"))
		WANT(!madvise(at(i), PAGE, MADV_DONTNEED));
	else if (!strcmp(sabotage, "stale"))
		((volatile unsigned char *)at(i))[77] ^= 1;
	for (int n = 0; n < NAMES && !strcmp(sabotage, "leak"); n++)
		if (test.name[n].object == p->object) {
			int fd = open_name(n, O_WRONLY);

			WANT(pwrite(fd, at(i), PAGE, (off_t)(p->pgoff * PAGE)) == PAGE);
			WANT(!close(fd));
		}
	harmed = true;
}

static void look_for_prey(void)
{
	bool due = sabotage && !harmed && test.op >= OPERATIONS / 2;

	for (size_t i = 0; due && !harmed && i < ARENA_PAGES; i++)
		if (is_prey(i))
			do_harm(i);
}

/* What is left out does not change what the others choose. */
static void run_operation(unsigned long op)
{
	test.op = op;
	test.random = test.seed * 0x2545f4914f6cdd1d + op * 0xd1342543de82ef95;
	if (!left_out[op])
		do_operation();
	look_for_prey();
}

static void run_sequence(uint64_t seed, unsigned long operations)
{
	memset(history, 0, sizeof(history));
	harmed = false;
	test.seed = seed;
	test.random = seed;
	test.op = 0;
	begin_files();
	history[0][0] = '\0';
	for (unsigned long op = 0; op < operations; op++)
		run_operation(op);
	test.op = OPERATIONS;
	note("the last look");
	check_arena();
	WANT(!munmap((void *)ARENA, ARENA_PAGES * PAGE));
	forget_pages(0, ARENA_PAGES);
	end_files();
}

static void begin(void)
{
	void *p = mmap((void *)ARENA, ARENA_PAGES * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(p == (void *)ARENA && !munmap(p, ARENA_PAGES * PAGE));
	start_helper();
}

static int run_many(unsigned long sequences, uint64_t seed)
{
	printf("seed %lu\n", (unsigned long)seed);
	begin();
	for (unsigned long i = 0; i < sequences; i++) {
		run_sequence(seed + i, OPERATIONS);
		printf("%lu: %016lx\n", (unsigned long)test.seed,
		       (unsigned long)test.hash);
	}
	return 0;
}

/* Until it is noticed. */
static int run_sabotaged(const char *how, uint64_t seed)
{
	sabotage = how;
	begin();
	for (int i = 0; i < 20; i++)
		run_sequence(seed + (uint64_t)i, OPERATIONS);
	puts("nothing was noticed");
	return 0;
}

/* --- replay, shrink ---------------------------------------------------------------- */

static int replay(int argc, char **argv)
{
	unsigned long operations = argc > 3 ? strtoul(argv[3], NULL, 10) : OPERATIONS;

	CHECK(operations <= OPERATIONS);
	for (int i = 4; i < argc; i++) {
		unsigned long op = strtoul(argv[i], NULL, 10);

		CHECK(op < OPERATIONS);
		left_out[op] = true;
	}
	begin();
	run_sequence(strtoull(argv[2], NULL, 10), operations);
	puts("nothing is wrong");
	return 0;
}

/* Whoever hangs in the library may have all signals blocked. */
static bool ends_well(pid_t pid)
{
	struct timespec limit = { .tv_sec = HANG_SECONDS };
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	CHECK(!sigprocmask(SIG_BLOCK, &child, NULL));
	while (waitpid(pid, &status, WNOHANG) == 0)
		if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN)
			kill(pid, SIGKILL);
	CHECK(!sigprocmask(SIG_UNBLOCK, &child, NULL));
	if (WIFSIGNALED(status))
		remove_files_of(pid);
	return status == 0;
}

/* A process of its own each time, as the first one was. */
static bool still_wrong(const char *seed, unsigned long operations, bool quiet)
{
	char number[OPERATIONS + 1][24];
	char *argv[OPERATIONS + 8] = { (char *)"file_random", (char *)"replay",
				       (char *)seed, number[OPERATIONS] };
	int argc = 4, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	snprintf(number[OPERATIONS], sizeof(number[0]), "%lu", operations);
	for (int i = 0; i < OPERATIONS; i++)
		if (left_out[i]) {
			snprintf(number[i], sizeof(number[0]), "%d", i);
			argv[argc++] = number[i];
		}
	for (int i = 0; !quiet && i < argc; i++)
		printf("%s%c", argv[i], i == argc - 1 ? '\n' : ' ');
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (quiet)
			dup2(null, 1);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	CHECK(!close(null));
	return !ends_well(pid);
}

static int shrink(const char *seed)
{
	unsigned long low = 0, high = OPERATIONS;

	if (!still_wrong(seed, high, true)) {
		printf("seed %s: nothing is wrong\n", seed);
		return 0;
	}
	while (low + 1 < high) {
		unsigned long middle = (low + high) / 2;

		if (still_wrong(seed, middle, true))
			high = middle;
		else
			low = middle;
	}
	for (unsigned long op = high; op-- > 0;) {
		left_out[op] = true;
		left_out[op] = still_wrong(seed, high, true);
	}
	still_wrong(seed, high, false);
	return 1;
}

/* What was wrong once: locks, parts that the kernel did not merge, frames dropped. */
static int run_known(void)
{
	static const uint64_t seeds[] = { 3534,	  198698, 201275,  309277,   311479,
					  401030, 407407, 8000736, 420621413 };

	begin();
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		run_sequence(seeds[i], OPERATIONS);
		printf("%lu: %016lx\n", (unsigned long)test.seed,
		       (unsigned long)test.hash);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "known"))
		return run_known();
	if (argc > 2 && !strcmp(argv[1], "replay"))
		return replay(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "shrink"))
		return shrink(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "sabotage"))
		return run_sabotaged(argv[2], strtoull(argv[3], NULL, 10));
	return run_many(argc > 1 ? strtoul(argv[1], NULL, 10) : SEQUENCES,
			argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
}
