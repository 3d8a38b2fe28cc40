/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model: mm_struct, vm_area_struct and what the system calls do to them.
 *
 * Pure: no system call, no libc, no mutable global, no dereference of an application
 * address. Application addresses are unsigned long; ends are exclusive; errors are
 * -errno.
 *
 * Readers (fault handler, control socket, public find_vma) hold a token of
 * mm_read_lock() and never a lock. Areas and tree nodes are immutable once published: a
 * change builds new ones and publishes one new root, so a reader that took the root
 * once sees one consistent snapshot, and a multi-step call (split, remove, insert,
 * merge) is one atomic step.
 *
 * Writers hold mmap_lock across the real system call *and* the model's update, so that
 * the model sees calls in the order the kernel executed them. A writer first calls
 * mm_prepare(): what follows cannot fail for want of memory.
 */
#ifndef SHADOWMM_MM_MM_H
#define SHADOWMM_MM_MM_H

#include "lib/base/area.h"
#include "lib/base/list.h"
#include "lib/base/mm_id.h"
#include "lib/base/pool.h"
#include "lib/base/rcu.h"
#include "lib/base/slab.h"
#include "lib/base/vm_flags.h"

/* Why the kernel, not we, pages an area. The order is that of track_reason_name(). */
enum track_reason {
	TRACK_NONE = 0,	     /* policy is own */
	TRACK_BEFORE_START,  /* mapped before the library was loaded */
	TRACK_FILE,	     /* file mapping */
	TRACK_SHARED,	     /* shared memory */
	TRACK_SMALL,	     /* below the size from which paging it ourselves pays */
	TRACK_STEPS,	     /* reserved, and made writable little by little */
	TRACK_STACK,	     /* a thread's (MAP_STACK): deep, and little of it used */
	TRACK_SHORT_LIVED,   /* areas like it were unmapped before being touched */
	TRACK_HUGE,	     /* the program asked for huge pages */
	TRACK_SPECIAL,	     /* stack, vdso, hugetlbfs, device */
	TRACK_OURS,	     /* the library's own memory */
	TRACK_NO_ENGINE,     /* no userfaultfd, or the engine could not start */
	TRACK_REFUSED,	     /* the kernel refused the registration */
	TRACK_PROGRAM_UFFD,  /* the program registered it with a userfaultfd of its own */
	TRACK_PROGRAM_PAGES, /* the program opened a userfaultfd of its own */
	TRACK_OPTION,	     /* the user asked for track */
	TRACK_FILE_WANTED,   /* file mapping that the engine may page (mm_map_file()) */
	TRACK_FILE_OPEN,     /* its file is open for writing, or cannot be leased */
	TRACK_FILE_CACHED,   /* its file is in the kernel's cache: it has the pages */
	TRACK_FILE_LEFT,     /* it was ours and has been given back */
	TRACK_NR
};

enum vma_policy {
	POLICY_TRACK,
	POLICY_OWN
};

/* Which private mappings of files are TRACK_FILE_WANTED (mm_struct.file_policy). */
enum file_policy {
	FILES_KERNEL,
	FILES_AUTO, /* as OWN here; the engine leaves alone what the kernel has cached */
	FILES_OWN
};

/*
 * What the flags of a file's mappings depend on, as far as a descriptor shows it
 * (mmap_flags(), lib/mm/mmap.c). Bits of vma_file.mode.
 */
#define FILE_READONLY 0x01 /* opened without FMODE_WRITE */
#define FILE_NOEXEC   0x02 /* path_noexec(): its mount, or its kind of file system */
#define FILE_SEALED   0x04 /* F_SEAL_WRITE or F_SEAL_FUTURE_WRITE */
#define FILE_HUGE     0x08 /* is_file_hugepages() */
#define FILE_ZERO     0x10 /* /dev/zero, private: the kernel's vma_is_anonymous() */
#define FILE_DEVICE   0x20 /* its mmap() sets flags that only it knows */
#define FILE_SECRET   0x40 /* memfd_secret() */
#define FILE_SHMEM    0x80 /* of a shared mapping: shmem, with room to spare */

/*
 * The file of a mapping, or the name of a special one ("[vdso]", "[stack]", "[heap]" are
 * device 0 inode 0), or of anonymous memory. Reference counted under mmap_lock, freed
 * after a grace period.
 */
struct vma_file {
	struct rcu_head rcu;
	unsigned int refs; /* mmap_lock */
	unsigned int major, minor;
	u8 mode;	 /* FILE_*; one file opened in two ways is two files here */
	bool mode_known; /* false: seen in maps only */
	bool single;	 /* one struct file: no other object is the same file */
	unsigned long ino;
	/* It is a memfd with frames of ours, and this is what it stands for
	 * (address_space.h); NULL: none. Set before the file is published. */
	struct file_host *host;
	char name[]; /* as /proc/PID/maps shows it, unescaped; "" for none */
};

/* Counters that outlive the immutable area they belong to. Written by fault tasks. */
struct vma_stat {
	struct rcu_head rcu;
	unsigned int refs;	 /* mmap_lock */
	unsigned long faults;	 /* served by us */
	unsigned long populated; /* pages we installed */
	unsigned int misses;	 /* streams that did not go on (fault_around.c) */
	bool listed;		 /* the control task's: `cow` has it in its sums */
	/* First writes after a fork, and the pages they brought (lib/base/stat.h) */
	unsigned long cow_faults, cow_copied, cow_reused, cow_kernel;
};

/*
 * What the model knows about an area that the kernel's own struct cannot say
 * (vm_area_struct.known). Private to lib/mm.
 */
#define VMA_UNSURE_FLAGS   0x1	/* found in maps: only the visible flags are known */
#define VMA_UNSURE_ACCOUNT 0x2	/* VM_ACCOUNT depends on whether it was touched */
#define VMA_UNSURE_PGOFF   0x4	/* vm_pgoff depends on whether it was touched */
#define VMA_INHERITED	   0x8	/* came by fork: may have parents (anon_vma_fork) */
#define VMA_KNOWN_START	   0x10 /* the kernel has this start, mergeable or not */
#define VMA_UNSURE_WHOLE                                               \
	0x20 /* VM_WHOLE: mremap ended it for a whole area, of a guess \
	      */

/* Immutable once published. Allocated from mm->vma_cache. */
struct vm_area_struct {
	unsigned long vm_start, vm_end; /* [start, end), page aligned */
	unsigned long vm_flags;
	unsigned long vm_pgoff;	  /* pages into the file; start >> 12 when anonymous */
	struct vma_file *vm_file; /* NULL: anonymous, no name */
	/* "[anon:x]" or "[anon_shmem:x]" (PR_SET_VMA_ANON_NAME), or NULL */
	struct vma_file *anon_name;
	struct vma_stat *stat; /* NULL until the area is registered */
	u8 policy;	       /* enum vma_policy */
	u8 reason;	       /* enum track_reason */
	u8 inexact;	       /* VMA_INEXACT_* */
	u8 known;	       /* VMA_UNSURE_*, VMA_INHERITED, VMA_KNOWN_START */
	/* Areas of one anon_vma share a number; 0: no page was ever touched. */
	u32 anon;
	u32 mpol;  /* its NUMA policy, mpol_key(); 0: the task's */
	u32 aside; /* file_host.id: a mapping of the program that has moved aside; or 0 */
	/* The anon_vmas of ancestors whose pages it may hold (anon_vma.h), or NULL. */
	struct anon_vma *inherited;
	unsigned long txn; /* the change that made it; it alone may still edit it */
	struct rcu_head rcu;
};

/*
 * What the kernel decides from facts that no system call shows (whether a page was
 * touched, so whether there is an anon_vma; stack growth). The bits say which property
 * of the area was a guess; mm_verify adopts the kernel's answer for these and for
 * nothing else.
 */
#define VMA_INEXACT_START 0x1 /* may or may not be merged with its left neighbour */
#define VMA_INEXACT_SPLIT 0x2 /* may be several areas in the kernel */
#define VMA_INEXACT_GROWS 0x4 /* start moves without a call (stack) */

struct anon_vma;
struct vma_node;

#define NR_HISTORY    64
#define NR_RECENT     8
#define NR_FILE_SIZES 6

/* Sizes whose areas come and go untouched: registering those costs and never pays. */
struct area_history {
	u8 count[NR_HISTORY]; /* saturating, by number of pages */
	u16 skipped;	      /* areas left alone since the last probe */
	u8 next;
	struct recent_area {
		unsigned long start, len;    /* of the mmap call; len 0: unused */
		const struct vma_stat *stat; /* identity only; NULL: not registered yet */
		unsigned long faults;	     /* of stat, when it was registered */
		bool left_alone;
	} recent[NR_RECENT];
};

struct mm_struct {
	/*
	 * As in include/linux/mm_types.h. @mm_users: tasks of the program that share the
	 * address space, as far as their calls showed it; the control task corrects it
	 * (lib/ctl/tasks.c). @mm_count: who refers to this struct, all users as one and
	 * each task of the engine as one more. Any task, atomic.
	 */
	int mm_users, mm_count;
	/* Guarded by mmap_lock for writing; @root is read under mm_read_lock(). */
	struct vma_node *root;
	unsigned long map_count;
	/* Pages, as in the kernel's vm_stat_account(). */
	unsigned long total_vm, hiwater_vm; /* now, and the most there ever were */
	unsigned long data_vm, exec_vm, stack_vm;
	/* Pages; @locked_lost of them are locked no more, but the kernel goes on counting
	 * them: MREMAP_DONTUNMAP unlocks the source without a word to its counter. */
	unsigned long locked_vm, locked_lost;
	unsigned long def_flags; /* VM_LOCKED after mlockall(MCL_FUTURE) */
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long seq;     /* bumped by every published change */
	unsigned long min_own; /* bytes: smaller areas are left to the kernel */
	bool own_enabled;      /* an engine can serve us */
	bool own_wp;	       /* it registers for write-protection, too */
	bool track_dirty;      /* writes to shared mappings of files are tracked */
	bool own_shmem;	       /* set at start: and shared memory without a disk */
	/* There was no memory, or no room, for a page of such an area: fault tasks have
	 * given some back behind the model's back, and none becomes ours any more. Fault
	 * tasks, relaxed. */
	bool shmem_lost;
	/* enum thp_mode: where we give huge pages. Hooks, under mmap_lock, and the pool
	 * task; atomic. Not THP_NEVER: areas with VM_HUGEPAGE are ours, too. */
	u32 thp;
	bool merge_any;	       /* PR_SET_MEMORY_MERGE: areas are born VM_MERGEABLE */
	bool overcommit_never; /* vm.overcommit_memory is 2: MAP_NORESERVE is ignored */
	bool program_uffd;     /* the program registered memory itself */
	bool track_by_option;  /* not own_enabled because the user wants it so */
	bool blind;	       /* lost track (no memory): readers must not trust it */
	u8 file_policy;	       /* enum file_policy */
	bool own_shared_files; /* shared mappings of files are TRACK_FILE_WANTED, too */
	/* Files whose shared mappings are ours (address_space.written). mmap_lock; hooks
	 * look at it without, whether there is anything to be done at all. */
	unsigned long nr_written;
	struct rcu_domain rcu;
	struct arena arena;
	struct kmem_cache vma_cache, node_cache, stat_cache, anon_vma_cache;
	struct kmem_cache file_cache[NR_FILE_SIZES];
	struct kmem_cache mapping_cache, host_cache;
	/* address_space.h: of struct address_space, and of hosts without an area */
	struct list_head mappings, orphans;
	unsigned long last_mapping; /* last address_space.number given out */
	unsigned long nr_hosts;	    /* orphans included */
	struct kmem_cache i_mmap_cache;
	unsigned long nr_i_mmap; /* areas with a host */
	u32 last_host;		 /* last file_host.id given out */
	unsigned long txn;	 /* number of the last change begun */
	/* mm_prepare() has reserved for so many areas, if no change was begun since. */
	unsigned long prepared_txn, prepared_areas;
	u32 last_anon; /* last vm_area_struct.anon given out */
	/* Makes these numbers unique. Set by hooks at birth, after mm_dup(): that one
	 * still needs the parent's. */
	struct mm_id id;
	void *page_dir; /* descriptors of pages (page.h), made on demand */
	struct list_head page_lru;
	unsigned long page_count, page_chunks;
	unsigned long anon_lost; /* areas that forgot their ancestors: no memory */
	unsigned long fresh_start, fresh_end; /* mapped by the last call: untouched */
	struct area_history history;
};

/* The kernel's names (include/linux/sched/mm.h); nothing is freed with the last one. */
static inline void mmget(struct mm_struct *mm)
{
	__atomic_fetch_add(&mm->mm_users, 1, __ATOMIC_RELAXED);
}

static inline void mmput(struct mm_struct *mm)
{
	__atomic_fetch_sub(&mm->mm_users, 1, __ATOMIC_RELAXED);
}

static inline void mmgrab(struct mm_struct *mm)
{
	__atomic_fetch_add(&mm->mm_count, 1, __ATOMIC_RELAXED);
}

/* @boot_mem: page-aligned memory to start with (at least 64 KiB). */
void mm_init(struct mm_struct *mm, void *boot_mem, size_t boot_size);

/*
 * Reserve memory for one call over [start, start + len). Caller holds mmap_lock.
 * Returns 0, or the number of bytes the caller should arena_add() before it asks again.
 */
size_t mm_prepare(struct mm_struct *mm, unsigned long start, unsigned long len);
/* The same for mmap, munmap and brk, whatever the range. */
size_t mm_prepare_unmap(struct mm_struct *mm);
/* The same for mm_mremap(), which takes from one range and overwrites another. */
size_t mm_prepare_mremap(struct mm_struct *mm, unsigned long old, unsigned long old_len,
			 unsigned long addr, unsigned long len);

/* A file description to pass to mm_mmap(), holding one reference; NULL: arena empty. */
struct vma_file *vma_file_get(struct mm_struct *mm, unsigned int major,
			      unsigned int minor, unsigned long ino, const char *name);
void vma_file_put(struct mm_struct *mm, struct vma_file *file);

/* Add an area found at start (ascending order, not overlapping). 0 or -ENOMEM. */
int mm_import(struct mm_struct *mm, const struct area_desc *d, enum track_reason reason);

/*
 * Each of these applies one system call that the kernel completed with success; the
 * arguments are the call's (lengths are rounded up to pages here). Caller holds
 * mmap_lock and has called mm_prepare() for the range.
 */
struct mmap_call {
	unsigned long addr; /* the address the kernel returned */
	unsigned long len;
	unsigned long prot, flags; /* PROT_*, MAP_* */
	unsigned long pgoff;	   /* pages */
	struct vma_file *file;	 /* the reference passes to the model; NULL: anonymous */
	enum track_reason force; /* TRACK_NONE: the model decides the policy */
};
void mm_mmap(struct mm_struct *mm, const struct mmap_call *c);
/* The same for a mapping of our own, of @file (its reference passes to the model) from
 * its beginning, or of no file: NULL. */
void mm_mmap_ours(struct mm_struct *mm, unsigned long addr, unsigned long len,
		  unsigned long prot, unsigned long flags, struct vma_file *file);
/* The call failed; @c->addr is what it asked for, @c->file is not used. With MAP_FIXED it
 * may have cut the areas that its range begins and ends in. */
void mm_mmap_failed(struct mm_struct *mm, const struct mmap_call *c);
void mm_munmap(struct mm_struct *mm, unsigned long start, unsigned long len);
/* @newbrk: what the kernel returned. */
void mm_brk(struct mm_struct *mm, unsigned long newbrk);
/*
 * mprotect, madvise and mlock change areas up to the one they fail at: call the next
 * three also after ENOMEM, EACCES (mprotect), EINVAL (madvise) and EAGAIN (mlock); they
 * stop where the kernel stopped. An unaligned start does nothing, as in the kernel.
 * @pkey: -1 for mprotect. Stops at the first hole, as the kernel's ENOMEM does.
 */
void mm_mprotect(struct mm_struct *mm, unsigned long start, unsigned long len,
		 unsigned long prot, int pkey);
/* Some area of the range makes the kernel end the call with EACCES or EPERM. */
bool mm_mprotect_refused(struct mm_struct *mm, unsigned long start, unsigned long len,
			 unsigned long prot);
void mm_mremap(struct mm_struct *mm, unsigned long old, unsigned long old_len,
	       unsigned long addr, unsigned long len, unsigned long flags);
/*
 * The call failed, with MREMAP_FIXED and not with EINVAL: the target may have been
 * unmapped, and some areas of several may have been moved. Forgets what maps would not
 * show; to be called before all is read back from there (mm_verify with repair).
 */
void mm_mremap_failed(struct mm_struct *mm, unsigned long old, unsigned long old_len,
		      unsigned long addr, unsigned long len, unsigned long flags);
/* Only the advices that change an area's flags or give it an anon_vma
 * (MADV_GUARD_INSTALL) do anything. Skips holes. */
void mm_madvise(struct mm_struct *mm, unsigned long start, unsigned long len, int advice);
/* mm_madvise(), or mm_guard_install() for MADV_GUARD_INSTALL. */
void mm_advice(struct mm_struct *mm, unsigned long start, unsigned long len, int advice);
/* The invisible flags in this range are a guess until mm_verify_area() settles them. */
void mm_doubt_flags(struct mm_struct *mm, unsigned long start, unsigned long len);
/* @lock_flags: 0 (munlock), VM_LOCKED, or VM_LOCKED | VM_LOCKONFAULT. */
void mm_mlock(struct mm_struct *mm, unsigned long start, unsigned long len,
	      unsigned long lock_flags);
/* What do_mlock() compares with the limit: pages that would be locked with these. Caller
 * holds mmap_lock. */
unsigned long mm_locked_with(const struct mm_struct *mm, unsigned long start,
			     unsigned long len);
/* @flags: MCL_*; 0 is munlockall. */
void mm_mlockall(struct mm_struct *mm, int flags);
/*
 * A registration (@on) or its end, over whole or part areas. An area registered next
 * after it was mapped, without mmap_lock being dropped, counts as untouched.
 */
void mm_set_uffd(struct mm_struct *mm, unsigned long start, unsigned long end, bool on);
/* What [start, end) was merged with a moment ago, it may not have been in the kernel. */
void mm_doubt(struct mm_struct *mm, unsigned long start, unsigned long end);
/*
 * Areas of the range become track for @reason and count as unregistered (the caller has
 * seen to that). TRACK_PROGRAM_UFFD: the program registered exactly this range itself;
 * mm_set_uffd(off) ends that.
 */
void mm_set_track(struct mm_struct *mm, unsigned long start, unsigned long end,
		  enum track_reason reason);
/*
 * The VM_UFFD_* flags with which @vma is registered when it is ours: write-protection as
 * @own_wp says, and for the frames of a file all three modes (lib/base/page_cache.h, C1).
 */
unsigned long mm_uffd_mode(const struct mm_struct *mm, const struct vm_area_struct *vma);
/* --- dirty.c ----------------------------------------------------------------------- */

/*
 * The next area at or after @addr, below @limit, to whose pages writes are to be tracked
 * and are not yet: a shared mapping of a file on a disk. As mm_next_to_register().
 */
bool mm_next_to_track(struct mm_struct *mm, unsigned long addr, unsigned long limit,
		      unsigned long *start, unsigned long *end);
/* The next one that is tracked, or NULL. Caller holds mmap_lock, or is a reader. */
struct vm_area_struct *mm_next_tracked(struct mm_struct *mm, unsigned long addr,
				       unsigned long limit);
/* mprotect.c: the engine has registered [start, end) for that. mm_set_uffd() ends it. */
void mm_set_tracked(struct mm_struct *mm, unsigned long start, unsigned long end);

/* --- label.c; the contract is that of the calls above ------------------------------- */

/*
 * PR_SET_VMA_ANON_NAME; NULL takes the name away. Call it also after ENOMEM and EBADF.
 * The name need not be checked (is_valid_name_char()): the kernel has accepted it.
 */
void mm_set_anon_name(struct mm_struct *mm, unsigned long start, unsigned long len,
		      const char *name);
#define ANON_NAME_MAX 80 /* with its NUL */
/* mbind(2). Holes make the kernel fail before it changes anything. @mpol: mpol_key(). */
void mm_mbind(struct mm_struct *mm, unsigned long start, unsigned long len, u32 mpol);
/* A number for the policy of mbind()'s arguments (@nodes: @nr_words words of its mask),
 * equal for equal ones; 0: none. */
u32 mpol_key(unsigned int mode, const unsigned long *nodes, unsigned int nr_words);
/* set_mempolicy_home_node(2), also after EOPNOTSUPP. */
void mm_set_home_node(struct mm_struct *mm, unsigned long start, unsigned long len,
		      unsigned int node);
/* mseal(2): checks everything before it changes anything. */
void mm_mseal(struct mm_struct *mm, unsigned long start, unsigned long len);
/* MADV_GUARD_INSTALL, also after ENOMEM and EINVAL. Its removal changes no area. */
void mm_guard_install(struct mm_struct *mm, unsigned long start, unsigned long len);
/* PR_SET_MEMORY_MERGE: every area that KSM can merge, now and from now on. */
void mm_set_merge_any(struct mm_struct *mm, bool on);
/*
 * @d, of the kernel's list, tells the inode of a file that has no descriptor (shared
 * anonymous memory): areas inside it whose file has inode 0 get this one.
 */
void mm_adopt_file(struct mm_struct *mm, const struct area_desc *d);

/*
 * UFFDIO_REGISTER by the program over exactly this range: VM_UFFD_OTHER for its mode
 * MISSING, VM_UFFD_WP, VM_UFFD_MINOR; 0 ends it.
 */
void mm_set_program_uffd(struct mm_struct *mm, unsigned long start, unsigned long end,
			 unsigned long uffd_flags);
/*
 * [start, end), of one area of a file that we page, is registered for missing pages alone
 * now: all its frames are there, and stay (lib/base/page_cache.h, C8). mm_set_uffd() ends
 * that. Caller holds mmap_lock; mm_prepare() has succeeded.
 */
void mm_set_settled(struct mm_struct *mm, unsigned long start, unsigned long end);
/*
 * dup_mmap(), seen from the child: DONTCOPY areas are gone, WIPEONFORK stays, no area is
 * locked or registered any more, counters start at zero. Areas inherit their anon_vmas
 * (anon_vma_fork()) if mm_prepare(mm, 0, ~0UL) came before; without memory they forget
 * them, which is counted in anon_lost.
 */
void mm_dup(struct mm_struct *mm);
/*
 * The next area at or after @addr that we are to page and that is not registered yet, or
 * not in the mode that @own_wp asks for.
 * Caller holds mmap_lock. False: none below @limit.
 */
bool mm_next_to_register(struct mm_struct *mm, unsigned long addr, unsigned long limit,
			 unsigned long *start, unsigned long *end);

/* --- readers: any task, under mm_read_lock() ------------------------------------- */

static inline int mm_read_lock(struct mm_struct *mm)
{
	return rcu_read_lock(&mm->rcu);
}

/* The same for the engine's tasks, which a hook may kill while they read. */
static inline int mm_read_lock_engine(struct mm_struct *mm)
{
	return rcu_read_lock_slot(&mm->rcu, RCU_ENGINE_SLOT);
}

static inline void mm_read_unlock(struct mm_struct *mm, int token)
{
	rcu_read_unlock(&mm->rcu, token);
}

/* The first area with @addr < vm_end, or NULL (mm/mmap.c, find_vma). */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
/* As find_vma(), and the area before it in *@prev (NULL if none). */
struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **prev);
/* The first area that overlaps [start, end), or NULL. */
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end);

/* Iteration over one snapshot, ascending. Valid until mm_read_unlock(). */
struct vma_iter {
	struct vma_node *root;
	unsigned long addr;
};
void vma_iter_init(struct vma_iter *it, struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *vma_next(struct vma_iter *it);
/* A number of the snapshot: another one has another (but in a fork child, mm_dup()). */
unsigned long vma_iter_generation(const struct vma_iter *it);

#define vma_for_each(vma, it) while (((vma) = vma_next(it)) != NULL)

/* Not NULL: @vma is a window to a page cache of ours (address_space.h). */
static inline struct file_host *vma_host(const struct vm_area_struct *vma)
{
	return vma->vm_file ? vma->vm_file->host : NULL;
}

/* What it shows of a file of ours is all there: mm_set_settled(). */
static inline bool vma_is_settled(const struct vm_area_struct *vma)
{
	return vma_host(vma) &&
	       (vma->vm_flags & (VM_UFFD_MISSING | VM_UFFD_MINOR)) == VM_UFFD_MISSING;
}

/* Shared memory that is in no file on a disk, as far as a call showed it. */
static inline bool vma_is_shmem(const struct vm_area_struct *vma)
{
	return vma->vm_file && vma->vm_file->mode & FILE_SHMEM;
}

/* The name maps shows: the file's, or "[heap]", "[stack]", or "". */
const char *vma_name(const struct mm_struct *mm, const struct vm_area_struct *vma);
const char *track_reason_name(enum track_reason reason);

/* --- fault.c ----------------------------------------------------------------------- */

enum fault_verdict {
	FAULT_ZERO,    /* install zero pages over [start, end) of the plan */
	FAULT_STALE,   /* the area changed meanwhile: the kernel decides the next try */
	FAULT_FOREIGN, /* a userfaultfd of the program has it now: install nothing */
	FAULT_FILE,    /* map frames of the file, as plan->file says */
	FAULT_RETRY, /* a file's, and not as it was: wake, the kernel decides. Zeroes, as
		      * for FAULT_STALE, would be wrong there */
};

#define FAULT_FLAG_WRITE 0x1 /* the access was a write */
#define FAULT_FLAG_MINOR 0x2 /* the frames have the page, which is not mapped */

struct fault_streams;
struct address_space;

/*
 * Pages of a file to bring in and map. The window contains the page of the fault and lies
 * in one area, in one chunk of the index (PAGE_CACHE_CHUNK) and before the file's end.
 */
struct file_plan {
	struct address_space *mapping;
	unsigned long start, end; /* addresses */
	unsigned long pgoff;	  /* file page of @start */
	unsigned long ahead;	  /* pages after @end that will be wanted soon */
	/* What the window lacks is to be read, and waited for. False: only the page of
	 * the fault; of the others those that are there are mapped. */
	bool read;
	struct vma_stat *stat; /* valid until mm_read_unlock(); may be NULL */
};

struct fault_plan {
	unsigned long start, end; /* window, contains the page of the fault */
	/* @count further pages, each @stride bytes (may be negative) from the one before,
	 * from the page of the fault on; then the window is that page alone. */
	unsigned long stride;
	unsigned int count;
	struct vma_stat *stat; /* valid until mm_read_unlock(); may be NULL */
	/* Where the kernel would give huge pages: the one that contains the page of the
	 * fault, and those that may follow it. Equal: none. */
	unsigned long huge_start, huge_end;
	struct file_plan file; /* instead of all these, for FAULT_FILE */
	bool shmem; /* zeroes for holes of shared memory, which all its users see */
	unsigned long area_start, area_end; /* then: of the area */
	unsigned int turn; /* fault_streams.clock then; 0: no stream was asked */
};

#define FAULT_AROUND_MAX 512			  /* pages: largest window */
#define FILE_AHEAD_MAX	 (4UL * FAULT_AROUND_MAX) /* pages: file_plan.ahead */

/*
 * @flags: FAULT_FLAG_*. @fixed: the window in pages, rounded down to a power of
 * two; 0: as @streams (fault_around.h) has it. Caller is inside mm_read_lock().
 */
enum fault_verdict handle_mm_fault(struct mm_struct *mm, unsigned long addr,
				   unsigned int flags, unsigned int fixed,
				   struct fault_streams *streams,
				   struct fault_plan *plan);

/* --- cow.c ------------------------------------------------------------------------- */

enum cow_verdict {
	COW_WINDOW,  /* the pages of the plan, or the one page */
	COW_STALE,   /* the area changed meanwhile, or it is a file's, whose pages the
		      * kernel copies: lift the one page */
	COW_FOREIGN, /* a userfaultfd of the program has it now: touch nothing */
	COW_DIRTY,   /* a shared mapping of a file that is ours: note it, then lift */
};

struct cow_streams;

struct cow_plan {
	unsigned long start, end; /* contains the page of the fault, at one of its ends */
	/* Of the area: what is shared with nobody may be lifted in here. */
	unsigned long area_start, area_end;
	struct vma_stat *stat; /* valid until mm_read_unlock(); may be NULL */
};

#define COW_AROUND_MAX 64 /* pages: largest window */

/* A write to a write-protected page. Caller is inside mm_read_lock(). */
enum cow_verdict handle_wp_fault(struct mm_struct *mm, unsigned long addr,
				 struct cow_streams *streams, struct cow_plan *plan);
/* The first area that ends above @addr whose pages we may write-protect, or NULL. */
struct vm_area_struct *cow_next_area(struct mm_struct *mm, unsigned long addr);
/* [*@start, *@end) without what is in no such area as @page is. False: @page is not. */
bool cow_clamp(struct mm_struct *mm, unsigned long page, unsigned long *start,
	       unsigned long *end);
/* Bytes in areas of anonymous memory that are registered with us. */
unsigned long cow_bytes(struct mm_struct *mm);

/* --- verify.c ---------------------------------------------------------------------- */

/*
 * Compare the shadow with the kernel's list, area by area: mm_verify_area() with each
 * line of /proc/PID/maps in order, then mm_verify_end(). Caller holds mmap_lock (a
 * quiet moment). Guesses (VMA_INEXACT_*) are resolved and counted, everything else that
 * differs is reported and, with @repair, set right. With @all_flags every flag
 * is compared; those of which the model has but a guess (VMA_UNSURE_*) are adopted and
 * counted as resolved.
 */
struct mm_verify {
	struct mm_struct *mm;
	bool repair;
	bool all_flags; /* the areas come from smaps */
	/* @what: "missing in shadow", "not in kernel", "start", "end", "flags", "offset",
	 * "file". Either description may be NULL. */
	void (*report)(void *priv, const char *what, const struct area_desc *shadow,
		       const struct area_desc *kernel);
	void *priv;
	unsigned long areas;	   /* kernel areas seen */
	unsigned long differences; /* reported */
	unsigned long resolved;	   /* guesses that the kernel had decided the other way */
	unsigned long cursor;	   /* internal: end of what was compared */
	unsigned long reported;	   /* internal: end of an area whose tail was reported */
	bool failed;		   /* internal: no memory for a repair */
};
/*
 * Clears the struct: set @repair, @all_flags, @report and @priv afterwards. Call
 * mm_prepare(mm, 0, ~0) before; a repair that finds no memory leaves the shadow blind. A
 * completed repair ends blindness, and what was known beyond what maps shows. Areas that
 * a repair added are track; nothing is known of a registration.
 */
void mm_verify_begin(struct mm_verify *v, struct mm_struct *mm);
void mm_verify_area(struct mm_verify *v, const struct area_desc *kernel);
void mm_verify_end(struct mm_verify *v);

/* The flags as VmFlags of smaps shows them: of VM_SMAPS_MASK, VM_UFFD_MISSING standing
 * for whoever registered the area. */
unsigned long vma_smaps_flags(const struct vm_area_struct *vma);

/* Check every invariant of the tree and the counters: NULL, or what is broken. */
const char *validate_mm(struct mm_struct *mm);

#endif
