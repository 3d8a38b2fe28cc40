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
#include "lib/base/rcu.h"
#include "lib/base/slab.h"

/* The kernel's bits (include/linux/mm.h), for those we keep. */
#define VM_READ		0x00000001UL
#define VM_WRITE	0x00000002UL
#define VM_EXEC		0x00000004UL
#define VM_SHARED	0x00000008UL /* "s" in maps */
#define VM_MAYREAD	0x00000010UL
#define VM_MAYWRITE	0x00000020UL
#define VM_MAYEXEC	0x00000040UL
#define VM_MAYSHARE	0x00000080UL
#define VM_GROWSDOWN	0x00000100UL
#define VM_UFFD_MISSING 0x00000200UL /* registered with our userfaultfd */
#define VM_PFNMAP	0x00000400UL
#define VM_LOCKED	0x00002000UL
#define VM_IO		0x00004000UL
#define VM_SEQ_READ	0x00008000UL
#define VM_RAND_READ	0x00010000UL
#define VM_DONTCOPY	0x00020000UL
#define VM_DONTEXPAND	0x00040000UL
#define VM_LOCKONFAULT	0x00080000UL
#define VM_ACCOUNT	0x00100000UL
#define VM_NORESERVE	0x00200000UL
#define VM_HUGETLB	0x00400000UL
#define VM_SYNC		0x00800000UL
#define VM_WIPEONFORK	0x02000000UL
#define VM_DONTDUMP	0x04000000UL
#define VM_HUGEPAGE	0x20000000UL
#define VM_NOHUGEPAGE	0x40000000UL
#define VM_MERGEABLE	0x80000000UL
#define VM_PKEY_SHIFT	32 /* four bits */
#define VM_PKEY_MASK	(0xfUL << VM_PKEY_SHIFT)
#define VM_DROPPABLE	(1UL << 40)
#define VM_UFFD_OTHER	(1UL << 62) /* ours: the program registered it itself */
#define VM_LOCKED_MASK	(VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL	(VM_IO | VM_DONTEXPAND | VM_PFNMAP)
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

/* Why the kernel, not we, pages an area. The order is that of track_reason_name(). */
enum track_reason {
	TRACK_NONE = 0,	     /* policy is own */
	TRACK_BEFORE_START,  /* mapped before the library was loaded */
	TRACK_FILE,	     /* file mapping */
	TRACK_SHARED,	     /* shared memory */
	TRACK_SMALL,	     /* below the size from which paging it ourselves pays */
	TRACK_SHORT_LIVED,   /* areas like it were unmapped before being touched */
	TRACK_HUGE,	     /* the program asked for huge pages */
	TRACK_SPECIAL,	     /* stack, vdso, hugetlbfs, device */
	TRACK_OURS,	     /* the library's own memory */
	TRACK_NO_ENGINE,     /* no userfaultfd, or the engine could not start */
	TRACK_REFUSED,	     /* the kernel refused the registration */
	TRACK_PROGRAM_UFFD,  /* the program registered it with a userfaultfd of its own */
	TRACK_PROGRAM_PAGES, /* the program opened a userfaultfd of its own */
	TRACK_OPTION,	     /* the user asked for track */
	TRACK_NR
};

enum vma_policy {
	POLICY_TRACK,
	POLICY_OWN
};

/*
 * The file of a mapping, or the name of a special one ("[vdso]", "[stack]", "[heap]" are
 * device 0 inode 0). Reference counted under mmap_lock, freed after a grace period.
 */
struct vma_file {
	struct rcu_head rcu;
	unsigned int refs; /* mmap_lock */
	unsigned int major, minor;
	unsigned long ino;
	char name[]; /* as /proc/PID/maps shows it, unescaped; "" for none */
};

/* Counters that outlive the immutable area they belong to. Written by fault tasks. */
struct vma_stat {
	struct rcu_head rcu;
	unsigned int refs;	 /* mmap_lock */
	unsigned long faults;	 /* served by us */
	unsigned long populated; /* pages we installed */
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

/* Immutable once published. Allocated from mm->vma_cache. */
struct vm_area_struct {
	unsigned long vm_start, vm_end; /* [start, end), page aligned */
	unsigned long vm_flags;
	unsigned long vm_pgoff;	  /* pages into the file; start >> 12 when anonymous */
	struct vma_file *vm_file; /* NULL: anonymous, no name */
	struct vma_stat *stat;	  /* NULL until the area is registered */
	u8 policy;		  /* enum vma_policy */
	u8 reason;		  /* enum track_reason */
	u8 inexact;		  /* VMA_INEXACT_* */
	u8 known;		  /* VMA_UNSURE_*, VMA_INHERITED, VMA_KNOWN_START */
	/* Areas of one anon_vma share a number; 0: no page was ever touched. */
	u32 anon;
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
	/* Read under mm_read_lock(). Alone: a writer's counters would take the line away.
	 */
	struct vma_node *root __cacheline_aligned;
	/* Guarded by mmap_lock, as everything below. */
	unsigned long map_count __cacheline_aligned;
	/* Pages, as in the kernel's vm_stat_account(). */
	unsigned long total_vm, hiwater_vm; /* now, and the most there ever were */
	unsigned long data_vm, exec_vm, stack_vm;
	unsigned long locked_vm;
	unsigned long def_flags; /* VM_LOCKED after mlockall(MCL_FUTURE) */
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long seq;     /* bumped by every published change */
	unsigned long min_own; /* bytes: smaller areas are left to the kernel */
	bool own_enabled;      /* an engine can serve us */
	bool track_by_option;  /* not own_enabled because the user wants it so */
	bool blind;	       /* lost track (no memory): readers must not trust it */
	struct rcu_domain rcu;
	struct arena arena;
	struct kmem_cache vma_cache, node_cache, stat_cache;
	struct kmem_cache file_cache[NR_FILE_SIZES];
	unsigned long txn;		      /* number of the last change begun */
	u32 last_anon;			      /* last vm_area_struct.anon given out */
	unsigned long fresh_start, fresh_end; /* mapped by the last call: untouched */
	struct area_history history;
};

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
void mm_mremap(struct mm_struct *mm, unsigned long old, unsigned long old_len,
	       unsigned long addr, unsigned long len, unsigned long flags);
/* Only the advices that change an area's flags do anything. Skips holes. */
void mm_madvise(struct mm_struct *mm, unsigned long start, unsigned long len, int advice);
/* @lock_flags: 0 (munlock), VM_LOCKED, or VM_LOCKED | VM_LOCKONFAULT. */
void mm_mlock(struct mm_struct *mm, unsigned long start, unsigned long len,
	      unsigned long lock_flags);
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
 * dup_mmap(), seen from the child: DONTCOPY areas are gone, WIPEONFORK stays, no area is
 * locked or registered any more, counters start at zero.
 */
void mm_dup(struct mm_struct *mm);
/*
 * The next area at or after @addr that we are to page and that is not registered yet.
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

#define vma_for_each(vma, it) while (((vma) = vma_next(it)) != NULL)

/* The name maps shows: the file's, or "[heap]", "[stack]", or "". */
const char *vma_name(const struct mm_struct *mm, const struct vm_area_struct *vma);
const char *track_reason_name(enum track_reason reason);

/* --- fault.c ----------------------------------------------------------------------- */

enum fault_verdict {
	FAULT_ZERO,    /* install zero pages over [start, end) of the plan */
	FAULT_STALE,   /* the area changed meanwhile: the kernel decides the next try */
	FAULT_FOREIGN, /* a userfaultfd of the program has it now: install nothing */
};

struct fault_plan {
	unsigned long start, end; /* window, contains the page of the fault */
	unsigned long limit;	  /* end of the area */
	struct vma_stat *stat;	  /* valid until mm_read_unlock(); may be NULL */
};

#define FAULT_AROUND_PAGES 64 /* default and largest window */

/* @write: the access was a write. Caller is inside mm_read_lock(). */
enum fault_verdict handle_mm_fault(struct mm_struct *mm, unsigned long addr, bool write,
				   unsigned int around_pages, struct fault_plan *plan);

/* Faults that come one window after the other, as one fault task sees them. */
struct fault_stream {
	unsigned long next;    /* where the next fault is expected */
	unsigned long windows; /* installed in a row up to there */
};

#define FAULT_AHEAD_WINDOWS 7

/*
 * How far to go on after the window of @plan has been installed, though nobody waits:
 * plan->end, or further once four times as much has been touched in order. With windows
 * of one page never further. The caller says by fault_ahead_done() how far it came.
 */
unsigned long fault_ahead(const struct fault_stream *s, const struct fault_plan *plan,
			  unsigned int around_pages);
void fault_ahead_done(struct fault_stream *s, const struct fault_plan *plan,
		      unsigned int around_pages, unsigned long end);

/* --- verify.c ---------------------------------------------------------------------- */

/*
 * Compare the shadow with the kernel's list, area by area: mm_verify_area() with each
 * line of /proc/PID/maps in order, then mm_verify_end(). Caller holds mmap_lock (a
 * quiet moment). Guesses (VMA_INEXACT_*) are resolved and counted, everything else that
 * differs is reported and, with @repair, set right.
 */
struct mm_verify {
	struct mm_struct *mm;
	bool repair;
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
 * Clears the struct: set @repair, @report and @priv afterwards. Call mm_prepare(mm, 0,
 * ~0) before; a repair that finds no memory leaves the shadow blind. A completed repair
 * ends blindness. Areas that a repair added are track; nothing is known of a
 * registration.
 */
void mm_verify_begin(struct mm_verify *v, struct mm_struct *mm);
void mm_verify_area(struct mm_verify *v, const struct area_desc *kernel);
void mm_verify_end(struct mm_verify *v);

/* Check every invariant of the tree and the counters: NULL, or what is broken. */
const char *validate_mm(struct mm_struct *mm);

#endif
