/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control server: one Unix stream socket per process through which people look
 * inside (doc/control-protocol.md).
 *
 * Context: the control process, which shares the program's address space and nothing
 * else (own descriptor table, all signals blocked). It maps no memory, as that would
 * change the picture it shows (`verify` and `page` may have to feed the model, under
 * mmap_lock, as any hook), and touches no application memory but a sample of present
 * pages, for `stat untouched`. A client cannot stall it: every descriptor is
 * non-blocking, and a reply that a client does not take at once waits in a memfd of that
 * client.
 */
#ifndef SHADOWMM_CTL_CTL_H
#define SHADOWMM_CTL_CTL_H

#include "shadowmm/commands.h"
#include "lib/base/engine.h"
#include "lib/base/stat.h"
#include "lib/mm/mm.h"
#include "lib/sys/mutex.h"
#include "lib/sys/smaps.h"

#define CTL_MAX_CLIENTS 8
#define CTL_POLLFDS	(1 + CTL_MAX_CLIENTS) /* what ctl_fill_pollfds() may need */
#define CTL_OUT_SIZE	8192
#define CTL_LOCK_MS	1000 /* how long `verify` waits for mmap_lock */

struct pollfd;
struct address_space;

/* What lib/fault does for `cache`; not there in tests of the server. */
struct cache_ops {
	/* Pages: how many there may be, ~0 if any number, and are, of all processes. */
	void (*account)(unsigned long *bound, unsigned long *total);
	/* Drop chunks [*from, *from + max), and go on there. Pages. Holding mmap_lock. */
	unsigned long (*drop)(struct address_space *mapping, u64 *from, unsigned int max);
};

/* What the server shows. Owned by the caller, who may change fields between replies. */
struct ctl_env {
	struct mm_struct *mm;
	struct mutex *mmap_lock;
	/* Memory for the model (engine.h); NULL: there is always enough, as in tests. */
	long (*reserve)(unsigned long start, unsigned long len);
	struct smm_stat *stat;
	const char *dir; /* of the sockets, absolute; its parent exists */
	int pid;	 /* of the program */
	const char *comm;
	const char *mode;     /* "own" or "track" */
	const char *degraded; /* why we run with less than asked for, or NULL */
	int engine_pid;	      /* the control process, 0 if none */
	int fault_pid;	      /* the fault process, 0 if none */
	bool verify_flags;    /* ctl_verify_append() compares all flags */
	/* ctl_verify_append(): set when another has begun to end the engine, and writes
	 * the line; NULL: nobody will. */
	const u32 *overtaken;
	u64 start_time; /* of the library, seconds since the epoch */
	const struct fault_work
		*work;		     /* of FAULT_TASKS_MAX; NULL: no engine that pages */
	const struct cow_state *cow; /* the same */
	struct cow_sampling *sampling; /* the same */
	const struct zero_pool *pool;  /* the same */
	unsigned int pool_pages;       /* enum pool_pages, as the user has it */
	/* That pages, or NULL; and dirty_begin(), lib/fault/dirty.h. */
	struct engine *engine;
	int (*dirty_begin)(struct engine *e);
	const struct cache_ops *cache; /* NULL: no engine that pages */
	const struct mm_birth *birth;  /* NULL: not known, as in tests */
};

struct ctl_client {
	int fd;	      /* -1: free slot */
	int spill_fd; /* memfd with the rest of a reply, -1: none */
	u64 spill_pos, spill_len;
	size_t in_len;
	bool skip_line; /* in an oversize line: drop input up to its newline */
	bool eof;	/* the client will send no more */
	char in[SMM_CTL_LINE_MAX];
};

/* The two ways of counting resident pages fill @words; see pagemap.c. */
union ctl_scratch {
	struct smaps smaps;
	struct cow_sample sample;
	u64 words[1024];
};

/* About 58 KiB; static in the engine. Only the control task touches it. */
struct ctl {
	const struct ctl_env *env;
	int dir_fd, listen_fd;
	int spare_fd;		/* given up to refuse a client when descriptors run out */
	unsigned long dev, ino; /* of our socket's name */
	const char *why;	/* after a failed ctl_open(): what it was about */
	struct ctl_client client[CTL_MAX_CLIENTS];
	union ctl_scratch scratch;
	char out[CTL_OUT_SIZE]; /* the reply being made */
};

/*
 * Make the directory (0700), bind PID.sock in it (0600) and listen. 0 or -errno with
 * c->why set: -EPERM (directory of another user), -ELOOP or -ENOTDIR (a symbolic link
 * or no directory), -EADDRINUSE (a live server of another PID namespace), or what the
 * call failed with. Changes the umask for a moment: the caller's fs_struct must not be
 * shared with the program. @env must outlive @c.
 */
int ctl_open(struct ctl *c, const struct ctl_env *env);
/* Fill @fds with what to wait for, at most @max (CTL_POLLFDS is enough). Returns how
 * many. */
int ctl_fill_pollfds(struct ctl *c, struct pollfd *fds, int max);
/* Act on the events of the @n entries that ctl_fill_pollfds() wrote. Never blocks, but
 * for `verify`, which waits up to CTL_LOCK_MS for mmap_lock. */
void ctl_handle(struct ctl *c, const struct pollfd *fds, int n);
/* Drop every client and remove the socket, if it is still ours. */
void ctl_close(struct ctl *c);

/*
 * Verify, and append "pid comm areas differences\n" to the file @path, then one line
 * "# ..." per difference, with a single O_APPEND write when they fit into it. What keeps
 * us from verifying counts as one difference, so that it is seen.
 * Context: the program's own task at its exit; takes mmap_lock; about 24 KiB of stack.
 * Returns the number of differences, -ECANCELED if env->overtaken, or -errno of the
 * write.
 */
int ctl_verify_append(const struct ctl_env *env, const char *path);

#endif
