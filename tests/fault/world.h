/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One file that is paged, and all that lib/fault's reading of it meets: a real file and
 * real frames, in memory; the rest as the test tells it. Everything runs in the one
 * thread of the test.
 */
#ifndef TESTS_FAULT_WORLD_H
#define TESTS_FAULT_WORLD_H

#include "lib/fault/fill.h"

/* Three chunks, the last of which ends within a page. */
#define FILE_PAGES (2 * PAGE_CACHE_CHUNK + 100)
#define FILE_BYTES (FILE_PAGES * PAGE_SIZE - 1234)

/* What a system call on the file does instead of what it would. */
struct misread {
	bool direct;	/* of the descriptor for direct reads; else of the other */
	bool once;	/* the first one only */
	bool slow;	/* takes a second */
	u64 from;	/* only where bytes from here on are wanted */
	long error;	/* -errno, nothing read */
	size_t at_most; /* bytes */
};

struct world {
	struct engine *e;
	struct address_space m;
	struct smm_stat stat;
	struct misread misread;
	bool cached;		 /* the kernel has all of it in its cache */
	bool lease;		 /* is held */
	bool huge;		 /* frames can be had in huge pages */
	bool plain;		 /* no RWF_DONTCACHE */
	struct misread miswrite; /* to the frames; of this the errors and @at_most */

	/* The ring: why there is none; it takes nothing; what it makes of a read. */
	long ring_error;
	bool ring_refuses;
	struct misread ring;
	void (*while_reading)(void);

	/* What has come of it. */
	unsigned int reads, direct_reads, advised; /* system calls */
	unsigned int troubles, woken, continued;   /* the areas' */
	char copied[PAGE_SIZE];			   /* to the program alone, if it was */
	bool was_copied;
};

extern struct world world;

/* Anew. The engine's tasks are this one. */
void world_make(void);
void world_end(void);
/* The file is paged by way of the reader's services; and the reader runs until it has
 * nothing to do. */
void world_open_reader(void);
void world_run_reader(void);

/* @count pages from @page on have bits, and what the file has there; and no others have.
 */
void expect_pages(unsigned long page, unsigned long count);
/* Nobody has a lock. */
void expect_unlocked(void);
/* Of a process that has just gone. */
u32 dead_tid(void);

/* What calls.h makes of system calls and of the time stamp counter. */
long world_call(long nr, unsigned long a, unsigned long b, unsigned long c,
		unsigned long d, unsigned long e, unsigned long f);
unsigned long long world_ticks(void);

#endif
