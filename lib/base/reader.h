/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read ahead of files: shared by the fault tasks, who ask, and smm-read. */
#ifndef SHADOWMM_BASE_READER_H
#define SHADOWMM_BASE_READER_H

#include "lib/base/compiler.h"
#include "lib/base/page_cache.h"

struct address_space;

#define READER_SLOTS 4 /* of a chunk each (lib/base/page_cache.h) */
#define READER_BYTES (READER_SLOTS * PAGE_CACHE_CHUNK << PAGE_SHIFT)

/*
 *	      fault task		 smm-read
 *	FREE -----------> CLAIMED -> QUEUED --------> BUSY ---------> FREE
 *					:		 |  ^
 *					:		 v  :
 *					:	       READING		the kernel reads
 *					v		 :
 *				       FREE		 v		reader_forget()
 *						      DROPPED -----> FREE
 */
enum reader_slot_state {
	SLOT_FREE,
	SLOT_CLAIMED, /* the fault task writes the fields */
	SLOT_QUEUED,
	SLOT_BUSY,    /* smm-read is at it, and will not be long: to be waited for */
	SLOT_READING, /* into our buffer; smm-read has the chunk's lock */
	SLOT_DROPPED, /* the same, without the lock: nobody wants it any more */
};

struct reader_slot {
	u32 state;
	u32 unused; /* read ahead, and nobody has come there yet */
	u32 number; /* of the request; the oldest is served first */
	struct address_space *mapping;
	unsigned long page, end; /* of the file, in one chunk */
};

struct reader {
	int tid;  /* the service task; 0: there is none. Negative: -errno, none to be had
		   */
	u32 bell; /* futex: 1 if something may have been asked for */
	u32 number;
	unsigned long buffers; /* one of a chunk for each slot; 0: read by smaller ones */
	u32 trimming; /* the reader is giving their memory back: they are to stay */
	struct reader_slot slot[READER_SLOTS];
};

#endif
