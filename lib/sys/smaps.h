/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Read /proc/self/smaps area by area without libc. The kernel walks every page table for
 * it: milliseconds where maps takes microseconds.
 * Context: any task that shares the address space; one reader per struct smaps.
 */
#ifndef SHADOWMM_SYS_SMAPS_H
#define SHADOWMM_SYS_SMAPS_H

#include "lib/base/area.h"
#include "lib/sys/procmaps.h"

#define SMAPS_MAX_NUMBERS 32
#define SMAPS_KEY_SIZE	  24

/* The lines "Key:   number kB" of one area, in the kernel's order and words. */
struct smaps_number {
	char key[SMAPS_KEY_SIZE]; /* "Rss", ... */
	unsigned long value;	  /* KiB, but for THPeligible and ProtectionKey */
};

struct smaps {
	struct procmaps lines;
	struct smaps_number number[SMAPS_MAX_NUMBERS]; /* of the last area */
	unsigned int nr_numbers;
	char name[4096 + 64];
};

/* 0 or -errno. */
int smaps_open(struct smaps *s);
/*
 * The next area, with all its flags; flags that have no name here are left out. d->name
 * points into @s and lives until the next call. Returns 1, 0 at the end, or -errno.
 */
int smaps_next(struct smaps *s, struct area_desc *d);
void smaps_close(struct smaps *s);
/* What follows "VmFlags:". */
unsigned long smaps_parse_flags(const char *text);

#endif
