/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library counts, one line per counter: the struct, `stat`'s JSON and the
 * manual are made from this list. Relaxed atomics; any task may increment.
 */
#ifndef SHADOWMM_BASE_STAT_H
#define SHADOWMM_BASE_STAT_H

#include "lib/base/compiler.h"

/* X(name, "what it counts") */
#define SMM_COUNTERS(X)                                                          \
	X(calls, "address-space calls intercepted")                              \
	X(calls_failed, "of these, refused by the kernel")                       \
	X(sites, "system-call sites patched")                                    \
	X(sites_refused, "sites found that could not be patched")                \
	X(sud_traps, "calls caught by Syscall User Dispatch")                    \
	X(faults, "page faults served")                                          \
	X(faults_write, "of these, writes")                                      \
	X(fault_helped, "times another fault task came to help")                 \
	X(faults_stale, "faults whose area had changed meanwhile")               \
	X(pages_zeroed, "zero pages installed")                                  \
	X(pool_moved, "of these, moved from the pool of zeroed pages")           \
	X(pool_filled, "pages zeroed for the pool")                              \
	X(pool_given_back, "of these, given back unused")                        \
	X(huge_moved, "huge pages given to the program whole")                   \
	X(huge_filled, "huge pages zeroed for the pool")                         \
	X(huge_given_back, "of these, given back unused")                        \
	X(huge_missed, "faults that would have got one, and none ready")         \
	X(huge_tables, "faults whose place has a page table already")            \
	X(copy_exist, "pages found present when installing")                     \
	X(copy_again, "installations that had to be tried again")                \
	X(copy_failed, "installations the kernel refused")                       \
	X(cow_faults, "first writes to pages shared since a fork")               \
	X(cow_copied, "of these and their neighbours, pages copied")             \
	X(cow_reused, "of these, found shared with nobody any more")             \
	X(cow_kernel, "of these, left to the kernel")                            \
	X(cow_passes, "times shared pages were looked for after a fork")         \
	X(cow_skipped, "forks whose child had gone or executed by then")         \
	X(cow_protected, "shared pages write-protected")                         \
	X(files_ours, "mappings of files that became ours")                      \
	X(files_kept, "areas of files that stayed ours in a fork child")         \
	X(files_left, "pieces of these given back to the kernel")                \
	X(files_settled, "times whole chunks of these were left to the kernel")  \
	X(files_unsettled, "times they were watched again")                      \
	X(files_stuck, "pieces that could not be given back")                    \
	X(shared_dirtied, "pages of shared mappings that became dirty")          \
	X(shared_written, "of these, written back to their files")               \
	X(shared_errors, "pieces of these that could not be written")            \
	X(file_reads, "reads of files for which somebody waited, or might have") \
	X(file_read_buffered, "pages read by way of the kernel's cache")         \
	X(file_read_direct, "pages read past it")                                \
	X(file_ahead, "windows of files read ahead")                             \
	X(file_ahead_used, "of these, found in time by a fault")                 \
	X(file_ahead_unused, "of these, never found by one")                     \
	X(files_advised, "ranges of files brought in on advice")                 \
	X(registered, "ranges registered with userfaultfd")                      \
	X(register_failed, "registrations the kernel refused")                   \
	X(unregistered, "ranges given back to the kernel")                       \
	X(dirty_tracked, "areas whose writes are tracked")                       \
	X(forks, "children with an address space of their own")                  \
	X(vforks, "children sharing the address space")                          \
	X(threads, "threads started")                                            \
	X(users_settled, "times mm_users was corrected from /proc")              \
	X(cred_changes, "changes of credentials followed by the engine")         \
	X(drift, "differences from /proc/self/maps found")                       \
	X(drift_repaired, "of these, repaired")                                  \
	X(resyncs, "times the shadow was rebuilt from the kernel's list")        \
	X(lock_stolen, "locks taken over from a task that died")                 \
	X(requests, "control commands answered")                                 \
	X(bad_requests, "control commands refused")

struct smm_stat {
#define SMM_COUNTER_FIELD(name, text) unsigned long name;
	SMM_COUNTERS(SMM_COUNTER_FIELD)
#undef SMM_COUNTER_FIELD
};

#define stat_add(counter, n) __atomic_fetch_add(&(counter), (n), __ATOMIC_RELAXED)
#define stat_inc(counter)    stat_add(counter, 1)

#endif
