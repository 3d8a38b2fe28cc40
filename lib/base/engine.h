/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the program's hooks and the engine's tasks share.
 *
 * Two processes share the program's address space and nothing else with it:
 *
 *   program ---clone(VM)---> smm-ctl     control task: socket, watches the others
 *      '------(by smm-ctl)-> smm-fault   fault task:   answers userfaultfd events; there
 *                                                      may be several
 *                                        service task: registers ranges for hooks
 *
 * Both are children of the program (CLONE_PARENT), with no exit signal, so that the
 * program's wait() does not see them and a hook can end and reap them. They share one
 * descriptor table of their own; the userfaultfd is open only there.
 *
 * Fail-stop: smm-ctl polls a pidfd of smm-fault; the service task sleeps on @mailbox,
 * which the kernel clears and wakes when smm-ctl dies (CLONE_CHILD_CLEARTID). Whoever
 * is left kills the program, unless @stopping says that the end was asked for.
 *
 * Data only; each field names its writer.
 */
#ifndef SHADOWMM_BASE_ENGINE_H
#define SHADOWMM_BASE_ENGINE_H

#include "lib/base/area.h"
#include "lib/base/compiler.h"
#include "lib/base/cow.h"
#include "lib/base/cow_sample.h"
#include "lib/base/dirty.h"
#include "lib/base/files.h"
#include "lib/base/mm_id.h"
#include "lib/base/pool.h"
#include "lib/base/stat.h"

struct mm_struct;
struct mutex;

enum engine_state {
	ENGINE_OFF,	 /* not started, or stopped */
	ENGINE_STARTING, /* cloned; what it can do is not known yet */
	ENGINE_READY,	 /* serves faults and requests */
	ENGINE_CONTROL,	 /* control socket only: no userfaultfd */
};

/* Values of the mailbox word, a futex. */
enum mailbox_state {
	MAILBOX_DEAD = 0, /* written by the kernel when smm-ctl ends */
	MAILBOX_IDLE = 1,
	MAILBOX_POSTED = 2,
};

/* What a hook that holds mmap_lock may ask of the service task. The task then acts under
 * the lock in the hook's stead: it may change the model. */
enum engine_op {
	ENGINE_REGISTER, /* every area in [start, end) that the model wants registered */
	ENGINE_UNREGISTER, /* what is registered in [start, end) becomes track, @reason */
	ENGINE_RELEASE,	   /* the same, but the areas stay ours to register again */
	ENGINE_IMPORT,	   /* what the kernel calls the files of areas in [start, end) */
	ENGINE_RESYNC,	   /* verify the whole model and repair it */
	ENGINE_POOL_START, /* fill the pool before anything is asked of it */
	ENGINE_POOL_STOP,  /* nobody uses the pool any more: it may be unmapped */
	ENGINE_CREDS,	   /* every engine task takes over @creds */
	ENGINE_FILE_MAP,   /* page the file mapping [start, end), of @wanted, ourselves */
	ENGINE_FILE_BACK,  /* areas of files in [start, end) are the kernel's, @reason */
	ENGINE_FILE_DROP,  /* and show the file, without what was written to it */
	ENGINE_FILE_CLEAN, /* end what belongs to areas of files that have gone */
	ENGINE_TRACK,	   /* writes to shared files in [start, end), from now on */
	ENGINE_TRACK_ANEW, /* they have been written back: all are clean */
	ENGINE_TRACK_HOLD, /* remember what is dirty: mremap() loses it */
	ENGINE_TRACK_MOVED,   /* that is at @start now */
	ENGINE_FILE_UNLINK,   /* nobody is to find what we share any more */
	ENGINE_FILE_INHERIT,  /* of a fork child: those that its parent had stay ours */
	ENGINE_FILE_POPULATE, /* areas of files in [start, end) will be read soon */
	ENGINE_SHARED_SYNC,   /* write back shared mappings of files in [start, end); the
			       * answer is an error of that, if @reason is not 0 */
	ENGINE_FORKED,	      /* look at cow.forks; nobody waits for the answer */
};

#define ENGINE_MAX_GROUPS 64

struct engine_creds {
	u32 ruid, euid, suid, rgid, egid, sgid;
	u32 cap[3]
	       [2]; /* effective, permitted, inheritable; as capget(2) v3 orders them */
	int nr_groups; /* -1: too many to carry */
	u32 groups[ENGINE_MAX_GROUPS];
};

#define POOL_AUTO	(~0UL)
#define CACHE_AUTO	(~0UL)
#define CACHE_UNLIMITED (~0UL - 1)

/* What happens to shared mappings of files, beside that they are followed. */
enum shared_file_policy {
	SHARED_FILE_TRACK,  /* the kernel's; it tells which pages were written to since
			       msync(2), once somebody has asked */
	SHARED_FILE_DIRTY,  /* the same from the beginning */
	SHARED_FILE_KERNEL, /* the kernel's alone */
	SHARED_FILE_OWN,    /* paged, and written back, by us */
};

struct engine_options {
	bool own;		   /* page eligible areas ourselves */
	bool shmem;		   /* and shared memory without a file on a disk */
	u8 shared_file;		   /* enum shared_file_policy */
	bool cow;		   /* and decide on the copies after a fork */
	u8 files;		   /* and files: enum file_policy (lib/mm/mm.h) */
	unsigned long cache;	   /* bytes of frames, or CACHE_AUTO, CACHE_UNLIMITED */
	bool quiet, verbose, mark; /* SHADOWMM_QUIET, _VERBOSE, _MARK */
	bool verify_flags;	   /* SHADOWMM_VERIFY_FLAGS: at exit, by smaps */
	unsigned long
		wake_at;    /* bytes of new memory that end the sleep; 0: do not sleep */
	bool intercept_all; /* Syscall User Dispatch */
	unsigned int fault_tasks; /* 1..FAULT_TASKS_MAX; 0: as many as pay */
	unsigned int around;	  /* pages, 1..512; 0: adaptive */
	unsigned long pool;	  /* bytes of the pool, or POOL_AUTO; 0: none */
	unsigned int pool_pages;  /* enum pool_pages */
	unsigned long min_own;	  /* bytes */
	char verify_at_exit[512]; /* path or "" */
	u32 uid;		  /* effective, when @socket_dir was chosen */
	char socket_dir[96];
};

#define MM_ANCESTORS 8

/* Hooks: the constructor, and a fork child before its first own instruction. */
struct mm_birth {
	struct mm_id self;
	int starter; /* born by exec: the process' parent then, which may end; else 0 */
	/*
	 * Whose copy it is by fork, nearest first; they may have ended. None: born by
	 * exec. Nothing is handed on across exec, since the program could see what is;
	 * `shadowmm ps` finds the image before by its process: the same number, and born
	 * after the process was.
	 */
	u32 nr_ancestors;
	struct mm_id ancestor[MM_ANCESTORS];
};

#define ENGINE_STACK_CTL     (96 * 1024)
#define ENGINE_STACK_FAULT   (16 * 1024)
#define ENGINE_STACK_SERVICE (32 * 1024)
#define ENGINE_STACK_POOL    (16 * 1024)
#define ENGINE_STACK_COW     (16 * 1024)
#define ENGINE_STACK_LEASE   (32 * 1024)
#define ENGINE_STACK_READ    (16 * 1024)

#define FAULT_TASKS_MAX	     4

/* And the populate task (lib/fault/populate.c), the last one. */
#define FAULT_WORK_MAX (FAULT_TASKS_MAX + 1)

/* What one fault task says of itself; on a cache line that only it writes often. */
struct fault_work {
	u32 seq; /* odd while it answers an event; counts events twice */
	unsigned long busy_start, busy_end; /* where, while odd */
	u32 started;			    /* there is such a task, or will be */
	int tid;			    /* kernel, at clone; 0: it has none yet */
	unsigned long events;		    /* answered */
	u32 creds_done;			    /* engine.creds_seq that it runs with */
	u32 parked; /* a futex; 1: it is to sleep there. fault_team.changing */
} __attribute__((aligned(64)));

struct engine {
	struct mm_struct *mm;	 /* set once */
	struct mutex *mmap_lock; /* set once */
	/* Give the model memory for a change of [start, start + len). Holding mmap_lock;
	 * 0 or -errno. Set once. */
	long (*reserve)(unsigned long start, unsigned long len);
	/* Give it @bytes more. The same. */
	long (*grow)(size_t bytes);
	struct smm_stat *stat;	   /* set once */
	struct engine_options opt; /* constructor */

	struct mm_birth birth;

	int owner;     /* pid of the program; hooks, under LOCK_LIFE */
	int parent;    /* pid of the program's parent when the engine started; hooks */
	u32 state;     /* enum engine_state, a futex; smm-ctl, and hooks when stopping */
	u32 stopping;  /* hooks: the end of the engine is wanted */
	int ctl_pid;   /* kernel, at clone; 0 none */
	int fault_pid; /* kernel, at clone; 0 none */
	int parent_fault; /* of a fork child: fault_pid of its parent's; hook */
	int service_tid;  /* kernel, at clone: whoever needs it comes later */
	/* No engine until the process has grown; hooks. Read and, @said, written by
	 * engines of its children (ctl/control.c). */
	bool asleep;
	bool said; /* a fork child: its parent has said why, or had nothing to */
	const char *degraded; /* why we run with less, or NULL; static string */
	long degraded_err;    /* -errno that goes with it, or 0 */

	/* Descriptors in the engine's table; smm-ctl */
	int uffd, owner_pidfd, wake_fd;
	u64 uffd_features;

	struct fault_work fault[FAULT_WORK_MAX];
	/*
	 * The sum of fault[].seq when a hook took mmap_lock (fault_seq_sum()). An
	 * installation that comes too late for its area may meet a newer one at the same
	 * place, before it is registered: refused, but the kernel has given the area an
	 * anon_vma by then (mm/userfaultfd.c, find_vma_and_prepare_anon), and will not
	 * merge it.
	 */
	u32 seq_at_lock;

	struct zero_pool pool;
	struct cow_state cow;
	struct file_state files;
	struct dirty_state dirty;

	u32 mailbox; /* enum mailbox_state */
	struct {
		enum engine_op op;
		int reason;
		unsigned long start, end;
		struct file_wanted wanted;
		long result;
	} request; /* owner of the mailbox */
	/* Of the credentials that were asked for last; service task. Those that the
	 * control task runs with; and a futex, for whoever takes them over. */
	u32 creds_seq, creds_ctl, creds_acks;
	u32 creds_start;	   /* creds_seq when the engine was started; hooks */
	struct engine_creds creds; /* hooks */

	char stack_ctl[ENGINE_STACK_CTL] __attribute__((aligned(64)));
	char stack_fault[ENGINE_STACK_FAULT] __attribute__((aligned(64)));
	/* Of the second fault task and the ones after it. */
	char stack_helper[FAULT_TASKS_MAX - 1][ENGINE_STACK_FAULT]
		__attribute__((aligned(64)));
	char stack_service[ENGINE_STACK_SERVICE] __attribute__((aligned(64)));
	char stack_pool[ENGINE_STACK_POOL] __attribute__((aligned(64)));
	char stack_cow[ENGINE_STACK_COW] __attribute__((aligned(64)));
	char stack_lease[ENGINE_STACK_LEASE] __attribute__((aligned(64)));
	char stack_populate[ENGINE_STACK_POOL] __attribute__((aligned(64)));
	char stack_read[ENGINE_STACK_READ] __attribute__((aligned(64)));

	struct cow_sampling sampling; /* last: large, and mostly never touched */
};

/* Each only grows, so two sums are equal only if none of them has. */
static inline u32 fault_seq_sum(const struct engine *e)
{
	u32 sum = 0;

	for (int i = 0; i < FAULT_WORK_MAX; i++)
		sum += __atomic_load_n(&e->fault[i].seq, __ATOMIC_SEQ_CST);
	return sum;
}

/* A fault task is answering an event. */
static inline bool fault_work_busy(const struct engine *e)
{
	bool busy = false;

	for (int i = 0; i < FAULT_WORK_MAX; i++)
		busy |= __atomic_load_n(&e->fault[i].seq, __ATOMIC_SEQ_CST) & 1;
	return busy;
}

#endif
