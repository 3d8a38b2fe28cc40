/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that we page. The kernel has a private mapping of a memfd at the place; the
 * program's own mapping of the file lies aside (lib/mm/address_space.h).
 *
 *	filemap.c    a fault: fill frames from the file (fill.h), map them
 *	mapping.c    a file becomes ours: lease, frames, index; and its end
 *	file_area.c  an area becomes ours, and the kernel's again
 *	populate.c   the task that brings in what the program says it will need
 *	shared.c     shared mappings, written back
 *	lease.c	     the task that waits for somebody who wants to write to a file
 *	chunk.c	     the locks in the index
 *	settle.c     what the kernel maps by itself, since all of it is there
 *	evict.c	     how much may be cached, and what is dropped
 *	session.c    the links by which processes find each other's frames
 *
 * F1. Frames are filled, and mapped, only while we hold a lease and outside of
 *     [leaving_start, leaving_end).
 *     A fork child has its own lease, taken before anything can run in it; what its
 *     parent's engine had is taken over only if the file is as old as C4 of page_cache.h
 *     asks for, so that its times tell of every write before the lease.
 * F2. Who gives an area back sets that range, waits until no fault task is at work that
 *     may not have seen it, write-protects the area, so that no page becomes private any
 *     more, and only then looks which ones are.
 */
#ifndef SHADOWMM_FAULT_FILEMAP_H
#define SHADOWMM_FAULT_FILEMAP_H

#include "lib/base/engine.h"
#include "lib/mm/address_space.h"

/* --- filemap.c: a fault task, between fault_begin() and fault_end() ---------------- */

/* The page at @page is not mapped; @minor: the frames have one. Caller is inside
 * mm_read_lock(). */
void filemap_fault(struct engine *e, unsigned long page, bool minor,
		   const struct file_plan *plan);
/*
 * The window of @plan, of one chunk (file_populate()), is read and mapped as far as that
 * is possible; nobody waits for it. Caller is inside mm_read_lock(), and those who unmap
 * or give back wait for him as for a fault task (engine_wait_range(), F2).
 */
void filemap_populate(struct engine *e, const struct file_plan *plan);
/* Nothing may be installed at @page now; who waits there will be woken. */
bool file_is_leaving(const struct engine *e, unsigned long page);

/* --- evict.c ----------------------------------------------------------------------- */

/* An engine begins to page files. The service task; about 14 KiB of stack. */
void evict_start(struct engine *e);
/* Pages of @chunk were asked for, and are mapped. Holding its lock. A fault task. */
void evict_touch(const struct address_space *mapping, unsigned long chunk);
/* [page, page + n), of one chunk whose lock is held, are about to get their bits.
 * Any task. */
void evict_filled(struct address_space *mapping, unsigned long page, unsigned long n);
/*
 * Drop what is too much; @err is what filling came to: also if there was no memory. A
 * fault task that has answered its event and holds no lock, inside mm_read_lock() and
 * before fault_end(). Takes a millisecond at most.
 */
void evict_balance(struct engine *e, long err);
/* The lease task, now and then, mmap_lock held: make room for others. True: there is more
 * to do, when others have had the lock. */
bool evict_tick(struct engine *e);
/* The control task, mmap_lock held: drop chunks [*from, *from + max) of @mapping, and let
 * *@from go on there. Pages dropped. */
unsigned long evict_drop(struct address_space *mapping, u64 *from, unsigned int max);
/* What is in areas of @mapping could not be given back (C6). mmap_lock held. */
void evict_pin(const struct address_space *mapping);
/* Pages: how many frames there may be, ~0 if any number, and are, of all processes of the
 * session, as they were counted last. Any task. */
void evict_account(unsigned long *bound, unsigned long *total);

/* Most of what may be is in use: nothing of @mapping should be kept from being dropped.
 * Any task that may use its index. */
bool evict_is_tight(const struct address_space *mapping);

/* --- settle.c ----------------------------------------------------------------------- */

/* In [start, end), areas of @mapping that are not registered yet: the chunks that are
 * whole. Who converts an area, or inherits it; mmap_lock held. */
void settle_range(struct engine *e, struct address_space *mapping, unsigned long start,
		  unsigned long end);
/* The answer to a fault at @page, in @chunk, whose lock is held: the kernel is to map it,
 * and who waits has been woken. False: nothing is done. A fault task. */
bool settle_fault(struct engine *e, struct address_space *mapping, unsigned long page,
		  unsigned long chunk);
/* Somebody, also we, needs the chunk to stay (C8). Holding its lock. */
bool settle_holds(const struct address_space *mapping, u64 chunk);
/* We do. Holding mmap_lock, or inside mm_read_lock(). */
bool settled_here(struct address_space *mapping, u64 chunk);
/* All areas of files in [start, end), of @only if it is not NULL, are watched again;
 * false: not all. mmap_lock held. */
bool unsettle_range(struct engine *e, unsigned long start, unsigned long end,
		    const struct address_space *only);
/* This process does not need the chunk to stay any more, if possible. mmap_lock held. */
void unsettle_chunk(struct engine *e, struct address_space *mapping, u64 chunk);

/* --- session.c ---------------------------------------------------------------------- */

#define CACHE_LINK "cache-"

/* The directory, or -errno. */
long session_dir(const struct engine *e);
/* The same, made if it is not there yet. */
long session_make(const struct engine *e);
/* The same, locked unless somebody has the lock for 100 ms: closing it unlocks. */
long session_lock(const struct engine *e);
/* Call @fn for each link whose name begins with @stem, until it returns true; remove
 * those whose process has ended. @text: where the link leads. */
typedef bool session_fn(const char *name, const char *text, void *arg);
bool session_each(const struct engine *e, const char *stem, session_fn *fn, void *arg);

/* --- mapping.c: the service task, or who gives back; mmap_lock is held -------------- */

/* What the program's mapping is of: a copy, since the model changes under way. */
struct file_name {
	u32 major, minor;
	u64 ino;
	char last[160]; /* the last part of its path, as much as fits */
};

/* Of the program's descriptor @w, which should be @file. A mapping without a reference
 * may be left, see mapping_end(). NULL: *@reason says why the kernel is to page it.
 * Areas found before are not good any more afterwards. */
struct address_space *mapping_open(struct engine *e, const struct file_wanted *w,
				   const struct file_name *file,
				   enum track_reason *reason);
/* With @fd, which was opened last, there are descriptors left for a file and for what
 * else may need some (FILES_SPARE). */
bool mapping_has_room(int fd);
/* @fd is @file, a regular file that is not empty: its key. */
bool mapping_key(int fd, const struct file_name *file, struct file_key *key);
/* A memfd called @name and @suffix, of @size bytes for ever. A descriptor, or -errno. */
long mapping_memfd(const char *name, const char *suffix, u64 size);
void file_name_of(const struct vma_file *file, struct file_name *name);
/* In a fork child: descriptors and a lease of its own for @m, whose areas show @frames.
 * False: the file may have changed, or its parent's engine has gone. */
bool mapping_inherit(struct engine *e, struct address_space *m,
		     const struct vma_file *frames);
/* If nobody refers to it: give the lease back and close everything. */
void mapping_end(struct engine *e, struct address_space *mapping);
/* The program ends: nobody is to find what it shared. The service task; if the program
 * was killed, the control task. */
void mapping_unlink_all(const struct engine *e);
/* A descriptor of the frames that no other mapping has, so that areas do not merge. */
int mapping_frames(const struct address_space *mapping);
/* The vma_file of @fd, one of ours, as maps shows it. NULL: no memory. */
struct vma_file *mapping_file_of(struct engine *e, int fd);
/* The vma_file of the frames as maps shows them. NULL: no memory. */
struct vma_file *mapping_file(struct engine *e, const struct address_space *mapping);

/* --- file_area.c: the same ---------------------------------------------------------- */

/* The area that begins at @start becomes ours, if it can. */
long file_convert(struct engine *e, unsigned long start, unsigned long end);
/* Areas of files in [start, end) are the kernel's again, for @reason. */
void file_give_back(struct engine *e, unsigned long start, unsigned long end,
		    enum track_reason reason);
/* All areas of @mapping, which is then MAPPING_LEFT, or gone; the lease is given back. */
void file_leave(struct engine *e, struct address_space *mapping);
/* [start, end) has been dropped by the program, or is about to be: what is there of files
 * that are the kernel's again shall show the file again. */
void file_drop(struct engine *e, unsigned long start, unsigned long end);
/* Each fault task has answered the event that it was at, if any. */
void file_wait_for_tasks(const struct engine *e);
/* In a fork child: the areas that its parent had stay ours, if they can; the others are
 * given back. */
void file_inherit(struct engine *e);
/* From here to file_leave_end() nothing is installed in [start, end), and no protection
 * lifted: who faults there waits. One range at a time: holding mmap_lock. */
void file_leave_begin(struct engine *e, unsigned long start, unsigned long end);
void file_leave_end(struct engine *e, unsigned long start, unsigned long end);
/* Hosts that lost their last area: end what belongs to them. */
void file_clean(struct engine *e);

/* --- populate.c --------------------------------------------------------------------- */

/* Areas of files in [start, end) will be read soon (MADV_WILLNEED). Does not wait for
 * that. 0 or -errno: nobody will do it. The service task. */
long populate_later(struct engine *e, unsigned long start, unsigned long end);

/* --- lease.c ----------------------------------------------------------------------- */

/* There is a task that answers when somebody wants to write. 0 or -errno. The service
 * task. */
long lease_task_start(struct engine *e);
/* A lease on @fd, F_RDLCK or F_WRLCK, whose breaking that task will hear of. 0 or -errno,
 * also where a lease keeps not everybody from writing. */
long lease_take(const struct engine *e, int fd, int type);
void lease_give(int fd);
/* Nobody has asked for it back. */
bool lease_holds(int fd, int type);
/* The fault task met a file that it cannot read: to be given back. */
void lease_trouble(struct engine *e, struct address_space *mapping);

#endif
