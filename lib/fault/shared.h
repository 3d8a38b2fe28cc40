/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared mappings of files that we page and write back (--policy=shared-file=own).
 *
 *	the program's place	[ frames, shared, registered ]
 *	aside			[ the program's own mapping  ]	the way to the file
 *
 * S1. We hold a write lease on the program's open file. So nobody else has the file open:
 *     who opens it, or truncates it by its name, is held up by the kernel until the
 *     areas have been given back. What is in the frames and not in the file can be seen
 *     by nobody but this program, and by who has the very same open file from it.
 * S2. A page of the frames that may differ from the file has its dirty bit. The bit is
 *     set before the page becomes writable, and cleared after the page has been copied to
 *     the file, write-protected all the while (file_leave_begin()). So whoever is killed
 *     when, the bits and the frames tell what is still to be written; one task of the
 *     engine is enough to do it (shared_flush()).
 * S3. The file is written to through the mapping aside: as by the program itself, a write
 *     never makes the file longer, nor does it care about O_APPEND or a file's
 *     privileges; and errors of the disk come from the program's own struct file.
 * S4. There is one area per file, or what is left of one. Before the program maps the
 *     file again, forks, or reads, writes or truncates the file by a descriptor, the
 *     hooks (lib/hook/shared.c) have it written back or given back.
 */
#ifndef SHADOWMM_FAULT_SHARED_H
#define SHADOWMM_FAULT_SHARED_H

#include "lib/fault/filemap.h"

/* As mapping_open(), for a shared mapping. The service task; mmap_lock is held. */
struct address_space *shared_open(struct engine *e, const struct file_wanted *w,
				  const struct file_name *file,
				  enum track_reason *reason);
/* What mapping_end() does besides, for such a mapping. */
void shared_end(struct engine *e, struct address_space *m);

/* A page is missing, or in the frames and not mapped; as filemap_fault(). @flags:
 * FAULT_FLAG_*. */
void shared_fault(struct engine *e, unsigned long page, unsigned int flags,
		  const struct file_plan *plan);
/* A write to the write-protected page at @page. A fault task, inside
 * mm_read_lock_engine(), the page not in a range that is being left. */
void shared_mkwrite(struct engine *e, unsigned long page);

/*
 * Write back what is dirty in [start, end); what could not be written stays dirty. With
 * @report the first -errno that nobody has been told yet, or 0. Holding mmap_lock.
 */
long shared_sync(struct engine *e, unsigned long start, unsigned long end, bool report);
/* The same for a piece of everything, from *@at on, which moves; errors are kept for
 * shared_sync(). False: that was the last. Holding mmap_lock. */
bool shared_write_back(struct engine *e, unsigned long *at);
/*
 * [start, end), part of one area that is being left: if it is a shared mapping, write it
 * back for good. False: it is none. Holding mmap_lock, after file_leave_begin().
 */
bool shared_leave(struct engine *e, unsigned long start, unsigned long end);
/* --- shared_futex.c ------------------------------------------------------------------
 */

/* [start, end), of pages from @first on of @m, shows the file itself from now on: wake
 * who sleeps on a futex there. Holding mmap_lock. */
void shared_wake(struct engine *e, const struct address_space *m, unsigned long start,
		 unsigned long end, unsigned long first);
/* Once more, for those given back lately. The lease task, holding mmap_lock. */
void shared_wake_again(struct engine *e);
/* An engine begins: the descriptors were another's. The first lease task's starter. */
void shared_wake_forget(void);

/* The program is about to be dead, or is: wait for that, and write back what it left. Any
 * task of the engine, without locks. */
void shared_flush(struct engine *e);

#endif
