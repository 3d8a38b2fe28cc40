/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHADOWMM_SYS_ASIDE_H
#define SHADOWMM_SYS_ASIDE_H

/*
 * mmap() of private anonymous memory for ourselves, in a place where the kernel puts
 * nothing of the program's: far below the libraries. A mapping of ours among the
 * program's could fill a hole that the program has just made and means to fill by
 * MAP_FIXED. @flags: further MAP_*. The address or -errno. Any task; takes no lock.
 */
long mmap_aside(unsigned long size, unsigned long prot, unsigned long flags);

#endif
