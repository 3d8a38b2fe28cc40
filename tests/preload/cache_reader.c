// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: cache_reader FILE [OTHER]
 *
 * Maps a private copy of FILE and does what the letters on its standard input say;
 * answers each with a line, "right" if every byte is what it must be.
 *
 *	m map it	r read all		w write to some pages
 *	u unmap it	d drop what was written	f a fork child reads all, and writes
 *	o from here on the other file
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sys/stat.h>

enum {
	EVERY = 10, /* of so many pages one is written to */
};

static struct file {
	int fd;
	size_t len, written; /* bytes; pages, 0: none */
	unsigned char *p;
} files[2], *f = &files[0];

static bool is_written(size_t page)
{
	return f->written && page % EVERY == 3;
}

static bool page_is_right(size_t page)
{
	unsigned char bytes[PAGE];

	CHECK(pread(f->fd, bytes, PAGE, (off_t)(page * PAGE)) == (ssize_t)PAGE);
	if (is_written(page))
		memset(bytes + 100, 'w', 100);
	return !memcmp(f->p + page * PAGE, bytes, PAGE);
}

static bool read_all(void)
{
	for (size_t page = 0; page < f->len / PAGE; page++)
		if (!page_is_right(page))
			return false;
	return true;
}

static void write_some(void)
{
	f->written = 1;
	for (size_t page = 0; page < f->len / PAGE; page++)
		if (is_written(page))
			memset(f->p + page * PAGE + 100, 'w', 100);
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
	f->p = mmap(NULL, f->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, f->fd, 0);
	CHECK(f->p != MAP_FAILED);
	f->written = 0;
}

static bool obey(char c)
{
	switch (c) {
	case 'm':
		map_it();
		return true;
	case 'u':
		return munmap(f->p, f->len) == 0;
	case 'w':
		write_some();
		return true;
	case 'd':
		f->written = 0;
		return madvise(f->p, f->len, MADV_DONTNEED) == 0;
	case 'o':
		f = f == &files[0] ? &files[1] : &files[0];
		return true;
	case 'f':
		return child_is_right();
	default:
		return read_all();
	}
}

static void open_file(struct file *file, const char *path)
{
	struct stat st;

	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(file->fd >= 0 && fstat(file->fd, &st) == 0);
	file->len = (size_t)st.st_size;
}

int main(int argc, char **argv)
{
	char c;

	CHECK(argc == 2 || argc == 3);
	for (int i = 1; i < argc; i++)
		open_file(&files[i - 1], argv[i]);
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
