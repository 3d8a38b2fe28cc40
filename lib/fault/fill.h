/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling of frames (lib/base/page_cache.h). Context: fault tasks and the reader, under
 * the lock of the chunk, unless said otherwise. Pages are those of the file.
 *
 *	chunk.c	  the lock of a chunk
 *	mount.c	  the place for that file
 *	frames.c  the file that the frames are in; huge pages in it
 *	fill.c	  read, copy, set the bits, while somebody waits
 *	reader.c  the same ahead of time, by a task of its own
 */
#ifndef SHADOWMM_FAULT_FILL_H
#define SHADOWMM_FAULT_FILL_H

#include "lib/base/engine.h"
#include "lib/fault/filemap.h"
#include "lib/mm/address_space.h"

#define CHUNK_BYTES (PAGE_CACHE_CHUNK << PAGE_SHIFT)

/* --- chunk.c ----------------------------------------------------------------------- */

/* False: somebody has held it for 100 ms, and lives. */
bool chunk_lock(const struct engine *e, struct page_cache *c, unsigned long chunk);
/* False: somebody alive has it. */
bool chunk_trylock(const struct engine *e, struct page_cache *c, unsigned long chunk);
/* By whoever took it, or has made sure that he will not touch it any more. */
void chunk_unlock(struct page_cache *c, unsigned long chunk);

/* --- mount.c ----------------------------------------------------------------------- */

/* A tmpfs that gives huge pages to who asks for them; a descriptor of its root, or
 * -errno. The service task. */
long frames_mount(void);

/* --- frames.c ---------------------------------------------------------------------- */

/* A new file of @size bytes for frames, or -errno; @name is what maps shows. The service
 * task. */
long frames_open(struct engine *e, const char *name, u64 size);
/* Another process' descriptor @fd is such a file. */
bool frames_fit(int fd, u64 size);
/* A file of ours, or no file: -1, mapped at @addr, a place that is ours; nobody's child
 * inherits it and no dump shows it. mmap_lock is held; 0 or -errno and it is unmapped. */
long map_ours(struct engine *e, int fd, unsigned long addr, size_t size);
void unmap_ours(struct engine *e, unsigned long addr, size_t size);
/* Where huge pages can be: @size bytes that are mapped by nobody, for map_ours(). 0:
 * none. */
unsigned long aligned_place(size_t size);
/* If the frames may have huge pages, a mapping by which they are made; and its end.
 * mmap_lock is held. */
void frames_map(struct engine *e, struct address_space *m);
void frames_unmap(struct engine *e, struct address_space *m);
/* Where the chunk of @page can be written to, all of it being there, of one huge page if
 * possible; NULL: not worth it, or not to be had. No page of it has a bit. */
char *frames_chunk(struct address_space *m, unsigned long page);
void frames_chunk_done(char *chunk);

/* --- fill.c ------------------------------------------------------------------------ */

unsigned long next_bit(struct page_cache *c, unsigned long page, unsigned long end,
		       bool is);
void clear_bit(struct address_space *m, unsigned long page);
/* All of [page, page + n) of the file; zeroes after its end. 0 or -errno. No lock. */
long read_pages(struct engine *e, struct address_space *m, unsigned long page,
		unsigned long n, char *buf);
/* What has no bit in [page, end), of one chunk. 0 or -errno. */
long fill_chunk(struct engine *e, struct address_space *m, unsigned long page,
		unsigned long end);
/* The same from @bytes, which the file has had there while we held our lease. */
long fill_from(struct engine *e, struct address_space *m, unsigned long page,
	       unsigned long end, const char *bytes);
/* [page, page + n) had better be read past the kernel's cache: not even half of it is
 * there, and the file may be read so. No lock. */
bool pages_by_direct(const struct address_space *m, unsigned long page, unsigned long n);
/* A page for one who waits, by no cache: a buffer of one page at least, which nobody else
 * has until it is given back. */
char *fill_buffer_get(void);
void fill_buffer_put(char *buffer);
/* In a fork child buffers may be taken by tasks of its parent. Before anybody fills. */
void fill_forget(void);

/* --- reader.c ---------------------------------------------------------------------- */

/* What the reader needs to read @m ahead. The service task, mmap_lock is held. */
void reader_open(struct engine *e, struct address_space *m);
/* It reads nothing of @m any more, nor copies what it has read. mmap_lock is held. */
void reader_forget(struct engine *e, struct address_space *m);
/* There is no file of ours left: nor buffers, unless the kernel may still be about to
 * write to them; they are for the next file then, or end with the engine. mmap_lock is
 * held. */
void reader_end(struct engine *e);
/* [page, page + n) will be wanted soon. A fault task; no lock. */
void reader_ahead(struct engine *e, struct address_space *m, unsigned long page,
		  unsigned long n);
/* Somebody has come to @page. A fault task; no lock. */
void reader_arrived(struct engine *e, const struct address_space *m, unsigned long page);

#endif
