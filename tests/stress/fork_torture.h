// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Random trees of processes in which each knows every byte that it should see.
 *
 * What a process should see (struct view) lies in a shared mapping of a memfd, which no
 * copy-on-write reaches: every block of 256 bytes has a stamp, and its bytes follow from
 * the stamp and its place. Stamp 0 are zeros. A parent fills in the view of a child
 * before the fork; from then on each process changes only its own.
 *
 * Who is forked by whom at which operation, and what each process does, follows from the
 * seed; what runs at the same time does not.
 */
#ifndef FORK_TORTURE_H
#define FORK_TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE	   4096UL
#define BLOCK	   256UL
#define BLOCKS	   (PAGE / BLOCK)
#define PAGE_WORDS (PAGE / sizeof(uint64_t))
#define PROCESSES  64
#define PAGES	   512 /* of an area, at most */
#define HOTS	   2
#define HOT_PAGES  32
#define HOT_STRIDE 64 /* words between two that the thread writes */
#define HOT_WORDS  (HOT_PAGES * PAGE_WORDS / HOT_STRIDE)
#define LOG	   8192

enum kind {
	PLAIN,
	HUGE,
	SMALL,
	COMMON,
	HEAP,
	STATIC,
	AREAS
};

/* What an operation is; also the bits of --ops-mask and what the history calls it. */
enum what {
	STORE,
	READ,
	SEQUENCE,
	CHECK_SOME,
	PROTECT,
	DISCARD,
	UNMAP,
	MOVE,
	ADVISE,
	BREAK,
	COLLAPSE,
	SPAWN,
	VFORK,
	THREADS,
	REFUSED,
	WHATS,
	FORK = WHATS,
	START,
	LAST_CHECK,
	HOW_MANY
};

/* enum page_state bits */
#define HOLE	 1
#define RDONLY	 2
#define DONTFORK 4
#define WIPE	 8

struct page {
	uint32_t stamp[BLOCKS];
	uint8_t state;
};

struct area {
	unsigned long start;
	uint32_t pages;
	struct page page[PAGES];
};

struct hot {
	unsigned long start;
	_Atomic uint64_t written; /* by the thread, the last one that is complete */
	uint64_t at_fork;	  /* of the parent's, before fork */
	bool running;
};

struct entry {
	uint32_t op, stamp;
	uint16_t page, pages;
	uint8_t what, area, block, blocks;
};

enum ending {
	EXIT,
	EXEC,
	KILL,
	ENDINGS
};

/* Follows from the seed. */
struct plan {
	int parent;	  /* -1: the first of the tree */
	uint32_t fork_at; /* operation of the parent */
	enum ending ending;
	bool waits; /* for its children, before it ends */
	int by;	    /* 0 fork(), 1 the system call, 2 clone() */
};

struct process {
	struct plan plan;
	pid_t pid;
	_Atomic int begun, ended;
	uint64_t rng;
	uint32_t op, serial;
	uint32_t logged, log_at_fork; /* entries; log_at_fork: of the parent */
	_Atomic int what;
	struct area area[AREAS];
	struct hot hot[HOTS];
	struct entry log[LOG];
	/* Source of read(2): an offset of the memfd. */
	uint64_t source[4 * PAGE_WORDS], hot_source[HOTS];
};

enum sabotage {
	NOTHING,
	DROP,
	STALE,
	LEAK,
	SABOTAGES
};

struct parameters {
	uint64_t seed;
	uint32_t processes, operations;
	uint32_t mask;	/* of enum what that are done */
	uint32_t areas; /* of enum kind that are used */
	uint32_t hots;
	enum sabotage sabotage;
};

struct arena {
	struct parameters with;
	_Atomic int failed; /* 0, 1 (report is being written), 2 */
	char report[16384];
	size_t report_len;
	struct process process[PROCESSES];
};

/* Shared by all processes of the test; @memory is the memfd that it maps. */
extern struct arena *arena;
extern int memory;
/* The calling process, after it was forked. */
extern struct process *me;

static inline int index_of(const struct process *p)
{
	return (int)(p - arena->process);
}

/* --- fork_torture_view.c: what should be there, and what is ------------------------ */

uint64_t next_random(uint64_t *state);
unsigned int pick(unsigned int n); /* 0 to n - 1, of the calling process */
uint64_t word_of(uint32_t stamp, size_t word);
/* Writes what @blocks from @block of @page hold under @stamp into @to. */
void content(uint64_t *to, uint32_t stamp, unsigned int page, unsigned int block,
	     unsigned int blocks);
/* In the COMMON area every block has one process that may write it. */
bool writes_block(enum kind kind, unsigned int page, unsigned int block);
void check_pages(enum kind kind, unsigned int page, unsigned int pages);
void check_everything(void);
/* The view of @child, as the kernel's fork would make it of ours; before the fork. */
void inherit(struct process *child);
void note(enum what what, enum kind kind, unsigned int page, unsigned int pages,
	  unsigned int block, unsigned int blocks, uint32_t stamp);
const char *what_name(int what);
const char *kind_name(int kind);
/* Ends the process; the first of all that call it writes the report. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the process if another one has failed. */
void stop_if_failed(void);

/* --- fork_torture_ops.c: what a process does --------------------------------------- */

void make_areas(void);
void start_signals(void);
void do_operation(void);
void sabotage(void);
void leak(void);

/* --- fork_torture_hot.c: threads that write while another one forks
 * ------------------------ */

void make_hots(void);
void start_threads(void);
void stop_threads(void);
/* First of all in a child: what the parent's threads wrote at most until now. */
void inherit_hots(const struct process *parent);

#endif
