/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of all mm_structs that `shadowmm ps` prints. */
#ifndef SHADOWMM_PS_H
#define SHADOWMM_PS_H

#include <stdbool.h>

#include <jansson.h>

/*
 * One object per address space. What the process says: pid, comm, mode, areas, own_areas,
 * faults, users, born, born_ns, starter, ancestors, sharers; what the kernel says: ppid,
 * uid, rss_kib; and made from both: age_s, under (see below), tasks (with @threads), was
 * (the mm_struct its process had before an exec, if one of its children is there to
 * tell), before_exec (it was forked from that of the row it belongs below).
 *
 * A process that has the library but nobody to answer for it (retired, sandboxed, or
 * just starting) is a row of mode "none" without the members that only it could say.
 *
 * "under": the pid of the row it belongs below, or null: the nearest address space still
 * there of those it was forked from, else the nearest process among its parents.
 */
struct ps {
	bool all, threads;
	json_t *rows;
	bool failed; /* a process that lives did not answer */
};
void ps_collect(struct ps *ps);

#endif
