/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one address space of this process as the hooks see it, and the steps they are made
 * of. Context of everything here: application threads, in a hook or the constructor.
 */
#ifndef SHADOWMM_HOOK_STATE_H
#define SHADOWMM_HOOK_STATE_H

#include "lib/base/engine.h"
#include "lib/base/stat.h"
#include "lib/hook/patch.h"
#include "lib/mm/mm.h"
#include "lib/sys/mutex.h"

struct smm {
	struct mm_struct mm;
	struct mutex life;	/* LOCK_LIFE */
	struct mutex mmap_lock; /* LOCK_MMAP */
	struct smm_stat stat;
	struct engine engine;
	void (*control_main)(void *engine);	    /* first code of smm-ctl; main.c */
	void (*serve_without_engine)(void *engine); /* main.c */
	/* Append one line to the file of --verify-at-exit; main.c. */
	void (*verify_at_exit)(struct engine *e);
	unsigned long ldso_start, ldso_end; /* the dynamic loader's text */
	bool active;			    /* hooks keep the model */
	bool slept;			    /* began asleep, sleep.c */
	unsigned long grown;		    /* asleep: bytes of new memory */
	const char *retired; /* why there is to be no engine any more, or NULL */
	bool pool_refused;   /* no room for a pool; not tried again */
	bool ending;	     /* hook_exit(): nobody will touch the memory any more */
	bool pidns_changed; /* the next child would be the first of a new pid namespace */
};

extern struct smm smm;

/*
 * Take mmap_lock with signals blocked and reserve the model's memory for one call over
 * [start, start + len); (0, 0) stands for mmap, munmap or brk of any range. False: there
 * is no model to keep (any more); the lock is held all the same.
 */
bool mmap_write_lock(unsigned long start, unsigned long len);
void mmap_write_unlock(void);
/* Reserve again, for a further call under the same lock. Caller holds mmap_lock. */
bool model_prepare(unsigned long start, unsigned long len);
/* More memory for the model, @need bytes or more. 0 or -errno. Caller holds mmap_lock. */
long arena_grow(size_t need);
/* The same, but a failure changes nothing. 0 or -errno. */
long model_reserve(unsigned long start, unsigned long len);

/*
 * With SHADOWMM_MARK=1, tell strace (tests/coverage) which code is ours: a call that
 * fails and carries @what where a pointer should be.
 */
#define MARK_RANGE   0x736d6d0000000001UL /* [start, end) is text or thunks of ours */
#define MARK_STARTED 0x736d6d0000000002UL /* the constructor is done */
void mark_range(unsigned long start, unsigned long end, unsigned long what);

/* --- processes that are not worth it (yet), hook/sleep.c --------------------------- */

/*
 * Constructor: sleep, if that is wanted and possible. True: nothing else is to be done.
 */
bool sleep_start(void);
/*
 * Model, patches and engine for a process that has slept. True: hooks keep the model. Any
 * application thread, no lock held; a process that has threads, or has given its
 * memory to a vfork child, is left as it is.
 */
bool sleep_end(void);
/* Calls of a process without a model, which may be asleep: as hook_syscall() and
 * hook_clone_before(), which they call again for one that they wake. */
long sleep_syscall(long nr, unsigned long *a, struct site *site);
enum clone_class sleep_clone(long nr, unsigned long *a, struct site *site, u64 flags);

/* --- engine, hook/life.c ---------------------------------------------------------- */

/* Note who and when, in a new image or in a fork child. */
void birth_by_exec(struct mm_birth *b);
void birth_by_fork(struct mm_birth *b);
/* Both take LOCK_LIFE, then LOCK_MMAP; unlock gives both back. */
void life_lock(void);
void life_unlock(void);
/* False: somebody else kept the locks for @ms milliseconds; nothing is held. */
bool life_lock_timeout(unsigned int ms);
/* Caller holds both locks. Does not wait for the engine to be ready. */
void engine_start(void);
/*
 * Run @fn(@arg) to its end in a task that shares our memory but has a copy of the
 * descriptor table, and the stack that ends at @stack_top: where the caller's stack may
 * be small and its table full or watched. The caller waits. Not in a program that must
 * not find a child it does not know of. False: there is no such task.
 */
bool run_aside(void *stack_top, void (*fn)(void *arg), void *arg);
/* End the engine and reap it. Caller holds both locks; the process is its owner. */
void engine_stop(void);
/* The program is about to do something that it could not, or could see, with an engine
 * beside it: end the engine for the rest of this image's life. Takes both locks. */
void engine_retire(const char *why);
/*
 * Have the service task do @op over [start, end) and wait for it. Caller holds mmap_lock.
 * Returns the task's answer, or -ESRCH if there is no engine to ask.
 */
long engine_request(enum engine_op op, unsigned long start, unsigned long end,
		    int reason);
/* This process owns the engine: it is not a vfork child borrowing the memory. */
bool engine_is_ours(void);
/*
 * Wait until no fault task installs anything in [start, end), which has been unmapped
 * (and the model knows) or is about to be emptied. Otherwise a late page could appear
 * where the program must find none (an area of its own userfaultfd, mincore()). The fault
 * tasks wait for nobody.
 */
void engine_wait_range(unsigned long start, unsigned long end);
/* There are no fault tasks any more, or not yet. */
void engine_forget_work(struct engine *e);
/* Register what the model wants registered, or tracked, in [start, end). Caller holds
 * mmap_lock. */
void own_range(unsigned long start, unsigned long end);
/*
 * The program is about to use @bytes more of our memory: map the pool if that pays.
 * Caller holds mmap_lock; the engine is ready.
 */
void pool_provide(unsigned long bytes);
/*
 * The program has asked for huge pages in as many bytes. True: they are ours to give, as
 * the user wants; false: the kernel's. Caller holds mmap_lock.
 */
bool pool_takes_huge(unsigned long bytes);
/* The engine should look at what is shared since a fork: with @child (a pid), or with our
 * parent (0). Does not wait. Caller holds both locks. */
void cow_forked(int child);
/* An engine starts: nothing is protected. */
void cow_forget(void);
/* What we map counts against a limit of the program, as RLIMIT_AS. */
bool memory_limited(void);
/* --- which pages of shared files are written to, hook/dirty.c; caller holds mmap_lock -
 */

/* Areas of [start, end) that should be tracked: nothing in them is dirty yet. */
void track_range(unsigned long start, unsigned long end);
/* mremap() of [start, end) is to come. True: say track_moved() after it, done or not. */
bool track_hold(unsigned long start, unsigned long end);
/* What was there is at [start, end) now, perhaps longer than it was; of that what follows
 * @old_end is new. */
void track_moved(unsigned long start, unsigned long end, unsigned long old_end);
/* msync() with these arguments is to come. Takes mmap_lock. */
void track_msync(const unsigned long *a);
/* There is no engine (any more, or yet), so nothing is tracked. */
void track_forget(void);

/* --- files that we page, hook/files.c; caller holds mmap_lock ---------------------- */

/* The mmap() call @a has returned @addr: have it paged by us, if that is wanted. */
void file_map(unsigned long addr, const unsigned long *a);
/* A call is to come that such areas cannot bear: they are the kernel's before it. */
void file_back(unsigned long start, unsigned long end);
/* End what belonged to areas that have gone. */
void file_tidy(void);
/* [start, end) has been dropped by MADV_DONTNEED. Takes mmap_lock. */
void file_dropped(unsigned long start, unsigned long end);
/* MADV_WILLNEED for [start, end). Takes mmap_lock; does not wait for what is read. */
void file_willneed(unsigned long start, unsigned long end);
/* From now on no file is ours, since it could not be given back: the process is about to
 * become undumpable, to have hardly any descriptors, or a limit of memory. Takes
 * mmap_lock. */
void file_stop(void);
/* MADV_GUARD_INSTALL is to come for [start, end). */
void file_guard(unsigned long start, unsigned long end);
/* In a fork child, after its engine was started and before anything else. Caller holds
 * both locks. */
void file_forked(void);

/* --- shared mappings of files that we page, hook/shared.c --------------------------- */

/* Those in [start, end) are the kernel's from now on. Caller holds mmap_lock; the model
 * is prepared again, for a call of any range. */
void shared_back(unsigned long start, unsigned long end);
/* The same of what shows @file: before it is mapped once more. */
void shared_back_file(const struct vma_file *file);
/* The same of everything; takes mmap_lock. */
void shared_back_all(void);
/* Before a call that uses a file by its descriptor (CALL_FILE), before msync(2). 0, or
 * the -errno that the call is to answer: what could not be written back. */
int shared_before(long nr, const unsigned long *a);
int msync_before(const unsigned long *a);
/* [start, end) has just been mapped, and nothing else of the program shows that file.
 * Caller holds mmap_lock. */
bool shared_alone(unsigned long start, unsigned long end);

/* There is no pool (a fork child). */
void pool_forget(void);
/* The engine has ended: unmap its pool. Caller holds mmap_lock. */
void pool_unmap(void);
/* End the pool of a living engine; there may be another later. Caller holds mmap_lock. */
void pool_drop(void);
/* A mapping of our own, for the model. Caller holds mmap_lock and has prepared it. */
void note_own_mapping(unsigned long addr, unsigned long len, unsigned long prot,
		      unsigned long flags);
/* The model may be wrong in ways only the kernel's list can tell: compare and repair.
 * Caller holds mmap_lock. False: there is no engine to read the list. */
bool model_resync(void);

/* --- calls, hook/areas.c and others: execute the call, keep the model ------------ */

long hook_mmap(unsigned long *a, bool from_loader);
long hook_munmap(unsigned long *a);
long hook_mremap(unsigned long *a);
long hook_mprotect(unsigned long *a);
long hook_pkey_mprotect(unsigned long *a);
long hook_madvise(unsigned long *a);
long hook_brk(unsigned long *a);
long hook_mlock(long nr, unsigned long *a);
long hook_mlockall(long nr, unsigned long *a);
/* Calls whose effect on the list of areas is read back from the kernel. */
long hook_opaque(long nr, unsigned long *a);
long hook_prctl(unsigned long *a);
/* Those that concern memory: names, KSM, the descriptor's shortcuts; label.c. */
long hook_prctl_mm(unsigned long *a);
long hook_mbind(long nr, unsigned long *a);
long hook_futex(unsigned long *a);
void futex_before(const unsigned long *a);
long hook_home_node(long nr, unsigned long *a);
long hook_mseal(long nr, unsigned long *a);
long hook_process_madvise(long nr, unsigned long *a);
/* This operation of prctl(2) does. */
bool prctl_changes_areas(unsigned long op);
/* This ioctl(2) is one of userfaultfd's that we look at. */
bool ioctl_is_uffd(unsigned long command);
/* This MADV_* changes areas, not only pages. */
bool advice_changes_areas(int advice);
/* Whether and what is to be done before madvise() of pages of [start, end), and when it
 * has worked. Take mmap_lock. */
bool advice_is_ours(int advice);
void advice_before(unsigned long start, unsigned long end, int advice);
void advice_after(unsigned long start, unsigned long end, int advice);
long hook_ioctl(unsigned long *a);
long hook_uring_register(long nr, unsigned long *a);
long hook_exec(long nr, unsigned long *a);
long hook_creds(long nr, unsigned long *a);
long hook_seccomp(unsigned long *a);
long hook_namespace(long nr, unsigned long *a);
/* A user's limit on processes that an engine for every program would soon meet. */
bool nproc_is_low(unsigned long limit);
/* The program is about to set this limit to what its memory holds at @addr. */
void setrlimit_before(int resource, unsigned long addr);
void hook_exit(int code) __attribute__((noreturn));
/* Engine tasks take over the program's credentials. After a successful change. */
void creds_changed(void);

#endif
