// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file is mapped, partly read and partly written to; then somebody wants to write to
 * it: another process or this one, by every way there is. He gets his descriptor, the
 * mapping shows the new bytes, and the pages written to before stay as they are.
 *
 * open(O_NONBLOCK) may say EWOULDBLOCK for a moment, as it does for any file with a lease
 * (fcntl(2)); it is tried until it does not.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

enum {
	PAGES = 600, /* more than a chunk of 2 MiB */
	LEN = PAGES * 4096,
	LATER = 55 * 4096, /* where the other one writes: nobody has looked there */
	EARLY = 4096,	   /* and there somebody has */
	MINE = 2 * 4096,   /* and there the mapping was written to */
};

struct way {
	const char *name;
	int flags;
	off_t size; /* truncate(2) to it; -1: open(2) with flags */
};
static const struct way ways[] = {
	{ "open for writing", O_WRONLY, -1 },
	{ "open for both", O_RDWR, -1 },
	{ "open to append", O_WRONLY | O_APPEND, -1 },
	{ "open without waiting", O_RDWR | O_NONBLOCK, -1 },
	{ "open and truncate", O_WRONLY | O_TRUNC, -1 },
	{ "truncate", 0, 10 * 4096 + 100 },
	{ "truncate to nothing", 0, 0 },
	{ "grow", 0, LEN + 8192 },
};

static char path[64];

static void make_file(void)
{
	static char bytes[LEN];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	fill(bytes, LEN, 1);
	CHECK(pwrite(fd, bytes, LEN, 0) == LEN);
	CHECK(close(fd) == 0);
}

static char *map_file(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;

	CHECK(fd >= 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && close(fd) == 0);
	/* The first page, the second, and after the third many in order. */
	CHECK(matches(p, 2 * PAGE, 1));
	memset(p + MINE, 'm', PAGE);
	CHECK(matches(p, 2 * PAGE, 1));
	CHECK(p[100 * PAGE] || p[100 * PAGE + 1]);
	return p;
}

static int open_waiting(const struct way *way)
{
	int fd;

	while ((fd = open(path, way->flags | O_CLOEXEC)) < 0 && errno == EWOULDBLOCK)
		sched_yield();
	CHECK(fd >= 0);
	return fd;
}

/* All three places get new bytes, where the file reaches so far. */
static void write_it(int fd)
{
	static const off_t places[] = { EARLY, MINE, LATER };
	char page[PAGE];
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	memset(page, 'n', sizeof(page));
	/* O_APPEND writes where the end is, pwrite() or not. */
	if (fcntl(fd, F_GETFL) & O_APPEND) {
		CHECK(write(fd, page, PAGE) == PAGE);
		return;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (places[i] < st.st_size)
			CHECK(pwrite(fd, page, PAGE, places[i]) == PAGE);
}

static void write_by(const struct way *way)
{
	int fd;

	if (way->size >= 0) {
		CHECK(truncate(path, way->size) == 0);
		return;
	}
	fd = open_waiting(way);
	write_it(fd);
	CHECK(close(fd) == 0);
}

static const char *content(char *p, off_t at)
{
	static char text[64];
	const char *found = touch(p + at, false);
	int byte;

	if (strcmp(found, "ok"))
		return found;
	byte = (unsigned char)p[at];
	for (size_t i = 1; i < PAGE; i++)
		if (byte != (unsigned char)p[at + (off_t)i])
			return matches(p, PAGE, 1) && (p[at + 5] == p[5]) ? "first pages"
									  : "mixed";
	snprintf(text, sizeof(text), "all %d", byte);
	return text;
}

/* What the file is now, page by page, is what the mapping shows where it has no copy. */
static void compare_with_file(char *p)
{
	static char bytes[LEN];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = pread(fd, bytes, LEN, 0);

	CHECK(fd >= 0 && len >= 0 && close(fd) == 0);
	for (off_t at = 0; at < len; at += 4096)
		if (at != MINE)
			CHECK(!memcmp(p + at, bytes + at,
				      (size_t)(len - at < 4096 ? len - at : 4096)));
	printf("%zd bytes as in the file\n", len);
}

static void show(char *p, const char *who, const char *what)
{
	static const off_t places[] = { 0, EARLY, MINE, LATER, LEN - 4096 };

	printf("%s, %s:", who, what);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		printf(" %s", content(p, places[i]));
	putchar('\n');
	compare_with_file(p);
}

/* --- who writes -------------------------------------------------------------------- */

static void in_process(void (*fn)(const struct way *way), const struct way *way)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fn(way);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		show_status("the other one", status);
}

/* One that has nothing mapped: forked before, and waiting for its turn. */
static void by_another(const struct way *way)
{
	int go[2], status;
	char byte = 1, *p;
	pid_t pid;

	make_file();
	CHECK(pipe2(go, O_CLOEXEC) == 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(close(go[1]) == 0 && read(go[0], &byte, 1) == 1);
		write_by(way);
		_exit(0);
	}
	p = map_file();
	CHECK(write(go[1], &byte, 1) == 1 && waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
	show(p, "another process", way->name);
	CHECK(close(go[0]) == 0 && close(go[1]) == 0 && munmap(p, LEN) == 0);
}

static void by_child(const struct way *way)
{
	char *p;

	make_file();
	p = map_file();
	in_process(write_by, way);
	show(p, "a child", way->name);
	CHECK(munmap(p, LEN) == 0);
}

static void by_itself(const struct way *way)
{
	char *p;

	make_file();
	p = map_file();
	write_by(way);
	show(p, "itself", way->name);
	CHECK(munmap(p, LEN) == 0);
}

static void hold_open(const struct way *way)
{
	char *p;
	int fd;

	make_file();
	fd = open_waiting(way);
	p = map_file();
	write_it(fd);
	show(p, "a file already open", way->name);
	CHECK(munmap(p, LEN) == 0);
	/* Mapped once more when nobody can write to it, and again when somebody can. */
	CHECK(close(fd) == 0);
	make_file();
	p = map_file();
	fd = open_waiting(way);
	write_it(fd);
	show(p, "a file open again", way->name);
	CHECK(close(fd) == 0 && munmap(p, LEN) == 0);
}

/* Two that have it mapped, one of which writes to it; the other must see it. */
static void two_mappings(void)
{
	struct way way = ways[0];
	char *p, *q;

	make_file();
	p = map_file();
	q = map_file();
	memset(p + 300 * PAGE, 'p', PAGE);
	write_by(&way);
	printf("the page of the first mapping: %s\n", content(p, 300 * PAGE));
	memcpy(p + 300 * PAGE, q + 300 * PAGE, PAGE);
	show(p, "first mapping", way.name);
	show(q, "second mapping", way.name);
	CHECK(munmap(p, LEN) == 0 && munmap(q, LEN) == 0);
}

/* The library cannot lease what belongs to somebody else. */
static void become_somebody(const struct way *way)
{
	char *p;

	if (setgid(65534) || setuid(65534))
		_exit(3);
	p = map_file();
	show(p, "somebody else's file", way->name);
	CHECK(open(path, O_WRONLY) == -1 && errno == EACCES);
	CHECK(munmap(p, LEN) == 0);
	fflush(stdout);
}

static void foreign_file(void)
{
	if (getuid() != 0) {
		puts("skipped: only root can become somebody else");
		return;
	}
	make_file();
	CHECK(chmod(".", 0755) == 0);
	in_process(become_somebody, &ways[0]);
}

static void all_in(const char *directory)
{
	snprintf(path, sizeof(path), "%s/of-file-lease.%d", directory, (int)getpid());
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		by_another(&ways[i]);
		by_child(&ways[i]);
		by_itself(&ways[i]);
	}
	hold_open(&ways[0]);
	hold_open(&ways[2]);
	two_mappings();
	foreign_file();
	CHECK(unlink(path) == 0);
}

int main(void)
{
	struct stat st;

	puts("in this directory");
	all_in(".");
	puts("in memory");
	if (!stat("/dev/shm", &st) && !access("/dev/shm", W_OK))
		all_in("/dev/shm");
	else
		puts("skipped: no /dev/shm");
	return 0;
}
