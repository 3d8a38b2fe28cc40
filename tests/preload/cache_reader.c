// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: cache_reader FILE
 *
 * Maps a private copy of FILE and does what the letters on its standard input say;
 * answers each with a line, "right" if every byte is what it must be.
 *
 *	m map it	r read all		w write to some pages
 *	u unmap it	d drop what was written	f a fork child reads all, and writes
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sys/stat.h>

enum {
	EVERY = 10, /* of so many pages one is written to */
};

static int fd;
static size_t len, written; /* bytes; pages, 0: none */
static unsigned char *p;

static bool is_written(size_t page)
{
	return written && page % EVERY == 3;
}

static bool page_is_right(size_t page)
{
	unsigned char bytes[PAGE];

	CHECK(pread(fd, bytes, PAGE, (off_t)(page * PAGE)) == (ssize_t)PAGE);
	if (is_written(page))
		memset(bytes + 100, 'w', 100);
	return !memcmp(p + page * PAGE, bytes, PAGE);
}

static bool read_all(void)
{
	for (size_t page = 0; page < len / PAGE; page++)
		if (!page_is_right(page))
			return false;
	return true;
}

static void write_some(void)
{
	written = 1;
	for (size_t page = 0; page < len / PAGE; page++)
		if (is_written(page))
			memset(p + page * PAGE + 100, 'w', 100);
}

static bool child_is_right(void)
{
	pid_t pid = fork();
	bool right;
	int status;

	if (pid == 0) {
		right = read_all();
		write_some();
		_exit(!right || !read_all());
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status == 0;
}

static void map_it(void)
{
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	written = 0;
}

static bool obey(char c)
{
	switch (c) {
	case 'm':
		map_it();
		return true;
	case 'u':
		return munmap(p, len) == 0;
	case 'w':
		write_some();
		return true;
	case 'd':
		written = 0;
		return madvise(p, len, MADV_DONTNEED) == 0;
	case 'f':
		return child_is_right();
	default:
		return read_all();
	}
}

int main(int argc, char **argv)
{
	struct stat st;
	char c;

	CHECK(argc == 2);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	len = (size_t)st.st_size;
	anon(MIB); /* see rmap_exec.c */
	close(2);
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0) {
		puts(obey(c) ? "right" : "wrong");
		fflush(stdout);
	}
	return 0;
}
