/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paging of files: what the engine's tasks share, and what a hook asks for. */
#ifndef SHADOWMM_BASE_FILES_H
#define SHADOWMM_BASE_FILES_H

#include "lib/base/compiler.h"
#include "lib/base/reader.h"

#define POPULATE_QUEUE 16

/* Ranges that the program has said it will need: a queue of the populate task. */
struct populate_state {
	struct {
		unsigned long start, end;
	} range[POPULATE_QUEUE];
	u32 put;   /* service task */
	u32 bell;  /* a futex: 1 if there may be something */
	u32 taken; /* populate task */
	int tid;   /* of the task; service task */
};

struct file_state {
	/* Where areas are being given back: nothing is installed there, and who faults
	 * there is woken in the end. Whoever gives back, with mmap_lock. */
	unsigned long leaving_start, leaving_end;
	int lease_tid; /* of the task that answers to leases; the service task */
	u32 settling;  /* a fault task has mmap_lock, and may change the model */
	struct populate_state populate;
	int mount; /* of the files that frames are in; 0: not tried. The service task */
	struct reader reader;
	const char *why; /* files cannot be ours, or NULL; static string */
};

/* Descriptors (RLIMIT_NOFILE) that the first file must find, and those from which on
 * there is no further one: to give back takes some, and so do links and clients. */
#define FILES_DESCRIPTORS 64
#define FILES_SPARE	  24

/* Of a program's mapping; a hook, with mmap_lock. */
struct file_wanted {
	int tid, fd; /* of the thread that mapped it, in its own descriptor table */
};

#endif
