/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_BASE_AREA_H
#define SHADOWMM_BASE_AREA_H

/* An area as someone else describes it: a line of /proc/PID/maps, a test's drawing. */
struct area_desc {
	unsigned long start, end;
	unsigned long vm_flags; /* VM_READ.. VM_SHARED at least */
	unsigned long pgoff;	/* pages */
	unsigned int major, minor;
	unsigned long ino;
	const char *name; /* "" for none; not kept */
};

#endif
