// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Forks of a process that has files mapped. Each sees the file and its own copies, nobody
 * those of another, also when the parent ends first, and when somebody writes to the file
 * at any moment. Where the library pages a file, and the file has not changed for two
 * seconds, the child's engine goes on with the parent's frames.
 *
 * usage: file_fork [uncounted]
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum {
	PAGES = 1200, /* more than two chunks of 2 MiB */
	LEN = PAGES * 4096,
	ROUNDS = 16,
	FIRST = 800, /* pages that the writer changes the first byte of */
	LAST = 810,
};

static char path[80]; /* of the file in use: one of base, base.A, base.B ... */
static char base[64];
static char *bytes; /* of the file */
static bool ours;   /* the library has it */

static void use_file(char letter)
{
	snprintf(path, sizeof(path), "%s.%c", base, letter);
}

static void make_file(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && pwrite(fd, bytes, LEN, 0) == LEN && close(fd) == 0);
}

/* Times are what this is about: nothing is waited for but the clock. */
static void make_old_files(void)
{
	struct timespec now, tick = { 0, 20 * 1000 * 1000 };
	struct stat st;

	for (int i = 0; i <= ROUNDS; i++) {
		use_file((char)('A' + i));
		make_file();
	}
	CHECK(stat(path, &st) == 0);
	do {
		nanosleep(&tick, NULL);
		CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
	} while (now.tv_sec < st.st_ctime + 4);
}

static char *map_file(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED && close(fd) == 0);
	return p;
}

static bool as_file(const char *p, size_t from, size_t to)
{
	return !memcmp(p + from * PAGE, bytes + from * PAGE, (to - from) * PAGE);
}

/* A part of it is read, and some pages are written to. */
static char *used_mapping(void)
{
	char *p = map_file();

	for (size_t i = 0; i < 300; i++)
		CHECK(!memcmp(p + i * PAGE + 1, bytes + i * PAGE + 1, PAGE - 1));
	memset(p + 20 * PAGE, 'p', 3 * PAGE);
	p[700 * PAGE] = 'p';
	return p;
}

static void check_kept(long areas)
{
	if (!ours)
		return;
	CHECK(ASKED("counters", "files_kept") == areas);
	CHECK(areas || ASKED("rss", "frames") == 0);
}

static pid_t fork_to(void (*fn)(char *p), char *p)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fn(p);
		check_verified();
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

static void expect_ended(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		show_status("a child", status);
}

/* --- who inherits ------------------------------------------------------------------ */

static void check_content(char *p)
{
	CHECK(as_file(p, 0, 20) && as_file(p, 23, 700) && as_file(p, 701, PAGES));
	CHECK(p[20 * PAGE] == 'p' && p[23 * PAGE - 1] == 'p' && p[700 * PAGE] == 'p');
	CHECK(!memcmp(p + 700 * PAGE + 1, bytes + 700 * PAGE + 1, PAGE - 1));
}

static void grandchild(char *p)
{
	check_kept(1);
	CHECK(p[5 * PAGE] == 'c' && as_file(p, 6, 20) && as_file(p, 701, 1100));
	memset(p + 6 * PAGE, 'g', PAGE);
	p[1100 * PAGE] = 'g';
}

static void child(char *p)
{
	check_kept(1);
	check_content(p);
	memset(p + 5 * PAGE, 'c', PAGE);
	p[1100 * PAGE] = 'c';
	expect_ended(fork_to(grandchild, p));
	CHECK(p[1100 * PAGE] == 'c' && as_file(p, 6, 20));
}

static void one_after_the_other(void)
{
	char *p = used_mapping();

	for (int i = 0; i < 3; i++) {
		expect_ended(fork_to(child, p));
		check_content(p);
	}
	check_verified();
	CHECK(munmap(p, LEN) == 0);
}

static void young_child(char *p)
{
	check_kept(0);
	check_content(p);
}

/* A write to it now might not show in its times. */
static void of_a_young_file(void)
{
	char *p;

	make_file();
	p = used_mapping();
	expect_ended(fork_to(young_child, p));
	check_content(p);
	CHECK(munmap(p, LEN) == 0);
}

/* It has but parts of what its parent has. */
static void child_of_parts(char *p)
{
	check_kept(2);
	CHECK(as_file(p, 0, 20) && as_file(p, 800, PAGES));
	printf("not inherited: %s\n", touch(p + 400 * PAGE, false));
	CHECK(munmap(p, LEN) == 0);
}

static void child_without(char *p)
{
	check_kept(0);
	printf("none of it: %s\n", touch(p + PAGE, false));
}

static void parts(void)
{
	char *p = used_mapping();

	CHECK(madvise(p + 300 * PAGE, 400 * PAGE, MADV_DONTFORK) == 0);
	expect_ended(fork_to(child_of_parts, p));
	CHECK(madvise(p, LEN, MADV_DONTFORK) == 0);
	expect_ended(fork_to(child_without, p));
	check_content(p);
	CHECK(munmap(p, LEN) == 0);
}

/* mlock() has given it back. */
static void child_of_locked(char *p)
{
	check_kept(0);
	printf("locked: %ld KiB\n", status_number("VmLck"));
	check_content(p);
}

static void locked(void)
{
	char *p = used_mapping();

	CHECK(mlock(p, LEN) == 0);
	expect_ended(fork_to(child_of_locked, p));
	check_content(p);
	CHECK(munmap(p, LEN) == 0);
}

/* --- the parent goes --------------------------------------------------------------- */

static int told[2]; /* closed when the parent, and its engine, have gone */
static int born[2]; /* the child runs, so its engine has what it needs of the parent's */

static void orphan(char *p)
{
	char byte = 0;

	CHECK(write(born[1], &byte, 1) == 1);
	CHECK(close(told[1]) == 0 && read(told[0], &byte, 1) == 0);
	check_kept(1);
	check_content(p);
	expect_ended(fork_to(child, p));
	CHECK(as_file(p, 700 + 1, PAGES));
}

/* Its parent may be gone before its engine looks: either way the bytes are right. */
static void hasty_orphan(char *p)
{
	check_content(p);
}

static void hasty_parent(char *p)
{
	(void)p;
	fork_to(hasty_orphan, used_mapping());
	_exit(0);
}

static void parent(char *p)
{
	char byte;

	(void)p;
	fork_to(orphan, used_mapping());
	CHECK(read(born[0], &byte, 1) == 1);
	_exit(0);
}

/* The orphan holds the pipe's other end until it has ended. */
static void without_parent(void (*fn)(char *p))
{
	int ended[2];
	char byte;

	CHECK(pipe2(told, O_CLOEXEC) == 0 && pipe2(ended, O_CLOEXEC) == 0);
	CHECK(pipe2(born, O_CLOEXEC) == 0);
	expect_ended(fork_to(fn, NULL));
	CHECK(close(born[0]) == 0 && close(born[1]) == 0);
	CHECK(close(told[0]) == 0 && close(told[1]) == 0 && close(ended[1]) == 0);
	CHECK(read(ended[0], &byte, 1) == 0 && close(ended[0]) == 0);
}

/* --- somebody writes --------------------------------------------------------------- */

static int go[2], done[2];

/* Quick, so that it may be done before a child has begun; it has nothing mapped. */
static void writer(char *p)
{
	char byte;
	int fd;

	(void)p;
	CHECK(close(go[1]) == 0);
	while (read(go[0], &byte, 1) == 1) {
		use_file(byte);
		fd = open(path, O_RDWR | O_CLOEXEC);
		CHECK(fd >= 0);
		for (off_t i = FIRST; i < LAST; i++)
			CHECK(pwrite(fd, &byte, 1, i * 4096) == 1);
		CHECK(close(fd) == 0 && write(done[1], &byte, 1) == 1);
	}
}

static pid_t start_writer(void)
{
	pid_t pid;

	CHECK(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
	pid = fork_to(writer, NULL);
	CHECK(close(go[0]) == 0);
	return pid;
}

static void end_writer(pid_t pid)
{
	CHECK(close(go[1]) == 0);
	expect_ended(pid);
	CHECK(close(done[0]) == 0 && close(done[1]) == 0);
}

static void write_now(char byte)
{
	CHECK(write(go[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1);
}

static void check_written(const char *p, char byte)
{
	CHECK(as_file(p, 23, 700) && as_file(p, LAST, PAGES));
	CHECK(p[20 * PAGE] == 'p' && p[700 * PAGE] == 'p');
	for (size_t i = FIRST; i < LAST; i++)
		CHECK(p[i * PAGE] == byte);
}

static void child_meanwhile(char *p)
{
	check_kept(1);
	check_content(p);
	write_now('A' + ROUNDS);
	check_written(p, 'A' + ROUNDS);
	if (ours)
		CHECK(ASKED("rss", "frames") == 0);
}

static void written_meanwhile(void)
{
	pid_t pid = start_writer();
	char *p = used_mapping();

	expect_ended(fork_to(child_meanwhile, p));
	check_written(p, 'A' + ROUNDS);
	end_writer(pid);
	CHECK(munmap(p, LEN) == 0);
}

/* A child may find the file as it was, or as it is; what it has found, it finds again
 * when the writer is done. */
static void any_child(char *p)
{
	char byte;

	CHECK(read(done[0], &byte, 1) == 1);
	check_written(p, byte);
}

static void written_at_any_moment(void)
{
	pid_t pid;
	char *p, byte;

	pid = start_writer();
	for (int round = 0; round < ROUNDS; round++) {
		byte = (char)('A' + round);
		use_file(byte);
		p = used_mapping();
		/* The frames have what is about to change. */
		CHECK(as_file(p, 701, PAGES));
		CHECK(write(go[1], &byte, 1) == 1);
		for (int spin = 0; spin < round * 1000; spin++)
			__asm__ volatile("pause");
		expect_ended(fork_to(any_child, p));
		check_written(p, byte);
		CHECK(munmap(p, LEN) == 0);
	}
	end_writer(pid);
}

int main(int argc, char **argv)
{
	snprintf(base, sizeof(base), "./of-file-fork.%d", (int)getpid());
	use_file('A');
	bytes = anon(LEN);
	fill(bytes, LEN, 1);
	/* With a library that keeps nothing, say, the bytes must be right all the same.
	 */
	ours = can_ask() && getenv("SHADOWMM_FILES") &&
	       (argc < 2 || strcmp(argv[1], "uncounted") != 0);
	of_a_young_file();
	make_old_files();
	one_after_the_other();
	parts();
	locked();
	without_parent(parent);
	for (int i = 0; i < 10; i++)
		without_parent(hasty_parent);
	written_meanwhile();
	written_at_any_moment();
	puts("done");
	for (int i = 0; i <= ROUNDS; i++) {
		use_file((char)('A' + i));
		CHECK(unlink(path) == 0);
	}
	return 0;
}
