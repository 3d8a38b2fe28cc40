/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A random test of mapped files: what each page of a range of addresses must show, and
 * the files behind it, kept in a model beside the real thing.
 *
 * All of it is of one thread. A forked child has a copy of the model and goes on with it.
 * Every check ends the program if the model and the memory differ.
 */
#ifndef TESTS_PRELOAD_FILE_RANDOM_H
#define TESTS_PRELOAD_FILE_RANDOM_H

#include "tests/preload/common.h"

#include <stdint.h>
#include <sys/types.h>

/* Far below whatever the kernel places by itself, so that its holes stay holes. */
#define ARENA	    0x100000000000UL
#define ARENA_PAGES 2560UL
#define MAX_SIZE    (6 * MIB) /* of a file */

enum {
	NAMES = 3,
	OBJECTS = 10, /* files that have a name, or are mapped only */
	ANON = -1,    /* instead of an object */
};

/* A file. Its bytes beyond @size are 0. */
struct object {
	unsigned char bytes[MAX_SIZE + 4096];
	size_t size, dirty; /* bytes from 0 that may be other than 0 */
};

struct name {
	char path[96];
	int object;
	int writer; /* descriptor that is open for writing all the time, or -1 */
};

/* A page of the arena. Pages of the same @id lie in the same area of the kernel. */
struct page {
	uint32_t id; /* 0: nothing is mapped */
	uint32_t pgoff;
	int16_t object;
	uint8_t prot;
	bool shared, may_write, locked;
	bool copied; /* private, and written to since */
};

/* What becomes of a file. By whom: this process, a child of it, or a process that has
 * nothing mapped. */
enum change_kind {
	PWRITE,
	FTRUNCATE,
	TRUNCATE,
	OPEN_TRUNC,
	APPEND,
	PUNCH,
	REWRITE, /* O_TRUNC, then as many bytes as before */
	CHANGES,
};
struct change {
	enum change_kind kind;
	int name;
	size_t offset, len; /* of TRUNCATE: the new size is offset */
	uint64_t seed;	    /* of the bytes */
};

struct file_test {
	uint64_t random, hash;
	uint64_t seed; /* of the sequence */
	unsigned long op;
	bool in_child;
	struct name name[NAMES];
	struct page page[ARENA_PAGES];
	uint32_t last_id;
};

extern struct file_test test;
extern struct object objects[OBJECTS];

/* --- file_random.c --- */
uint64_t next_random(void);
size_t pick(size_t n); /* 0 .. n - 1 */
/* One line about this operation, printed if something is wrong later; part of the hash.
 */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Say it, with the history of the sequence, and exit(1). */
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define WANT(cond)                                                        \
	do {                                                              \
		if (!(cond))                                              \
			wrong("not so: %s (%s)", #cond, strerror(errno)); \
	} while (0)
void do_operation(void);

/* --- file_random_model.c --- */
/* The bytes that page @i shows if it can be read. */
const unsigned char *bytes_of(size_t i);
bool inside_file(const struct page *p); /* or anonymous, or copied: no SIGBUS */
bool readable(size_t i);
bool writable(size_t i);
/* Pages from @i on, at most @max, that are as @like(page) wants, or of one area. */
size_t run_of(size_t i, size_t max, bool (*like)(size_t i));
size_t same_area(size_t i, size_t max);
/* The model's part: each page that is written to becomes a copy. */
void model_copy(size_t i);
void model_store(size_t i, size_t offset, const void *bytes, size_t len);
void forget_pages(size_t i, size_t n);
/* Areas of their own from now on; each stays one area where it was one. */
void new_ids(size_t i, size_t n);
void move_pages(size_t from, size_t to, size_t n);
void *at(size_t i);
/* Compare with the memory, faults included. */
void check_page(size_t i);
void check_pages(size_t i, size_t n);
void check_arena(void);
/* Write @len bytes by the processor; or find the fault that is expected. */
void write_page(size_t i);

/* --- file_random_files.c --- */
void start_helper(void);
void begin_files(void);
void end_files(void);
/* Of a process that was killed. */
void remove_files_of(pid_t pid);
int open_name(int name, int flags);
/* A new file takes the name; the old one lives on while it is mapped. False: no room. */
bool replace_file(int name, bool unlink_first);
void random_change(struct change *c);
void do_change(const struct change *c);
void model_change(const struct change *c);
/* Any of the three does it, and the model knows. */
void change_file(const struct change *c);
void random_bytes(void *to, size_t len, uint64_t seed);

#endif
