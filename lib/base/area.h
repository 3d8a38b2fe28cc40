/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_BASE_AREA_H
#define SHADOWMM_BASE_AREA_H

/* An area as someone else describes it: /proc/PID/maps or smaps, a test's drawing. */
struct area_desc {
	unsigned long start, end;
	unsigned long vm_flags; /* VM_READ.. VM_SHARED ("s") at least */
	unsigned long pgoff;	/* pages */
	unsigned int major, minor;
	unsigned long ino;
	const char *name; /* "" for none; not kept */
};

#endif
