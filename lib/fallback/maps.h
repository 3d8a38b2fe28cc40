/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's areas, as the kernel tells them: by the PROCMAP_QUERY ioctl (Linux 6.11),
 * else by the text of /proc/thread-self/maps, read in small pieces. thread-self, because
 * the first thread may have ended.
 *
 * Context: any thread or signal handler of a program that is not preloaded; less than
 * 1 KiB of stack, errno untouched. Everything returns -errno.
 */
#ifndef SHADOWMM_FALLBACK_MAPS_H
#define SHADOWMM_FALLBACK_MAPS_H

#define SHADOWMM_FALLBACK /* we are the fallback */
#include "shadowmm/shadowmm.h"

/* A file of /proc, character by character. */
struct text {
	int fd;
	int err;  /* -errno of the read that failed, or 0 */
	int next; /* the next character, or -1 at the end */
	unsigned int pos, len;
	char buf[512];
};

/* 0 or -errno; the first character is in t->next. */
int smm_text_open(struct text *t, const char *path);
void smm_text_close(struct text *t);
/* On to the next character. */
void smm_text_skip(struct text *t);
/* Reads the digits at t->next. */
unsigned long smm_text_number(struct text *t, unsigned int base);
/* On to the character @c, or to the end. */
void smm_text_skip_to(struct text *t, int c);

/* Where the name of an area goes: cut to @size - 1 bytes, not terminated. */
struct name {
	char *buf;
	unsigned long size;
	unsigned long len; /* without the cut */
};

/* The next line of maps. 1, 0 at the end, or -errno. @name may be NULL. */
int smm_maps_line(struct text *t, struct shadowmm_vma *vma, struct name *name);

#define MAPS_PATH "/proc/thread-self/maps"

/*
 * One query on @fd, which is open on MAPS_PATH: the first area that ends above @addr.
 * 0, -ENOENT, or -ENOTTY if the kernel does not know the ioctl; -ENAMETOOLONG: @name is
 * too small. @name may be NULL.
 */
int smm_maps_query(int fd, unsigned long addr, struct shadowmm_vma *vma,
		   struct name *name);
/* The same; [vsyscall], which maps shows last and is nobody's area, is found as well. */
int smm_maps_query_or_gate(int fd, unsigned long addr, struct shadowmm_vma *vma,
			   struct name *name);
#define IS_GATE(addr) ((long)(addr) < 0)
/* The first area that ends above @addr, with either. 0 or -errno. */
int smm_maps_find(unsigned long addr, struct shadowmm_vma *vma, struct name *name);

#endif
