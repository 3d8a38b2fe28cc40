/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's flags of an area (include/linux/mm.h, Linux 6.18, x86-64): those we keep
 * and those that /proc/PID/smaps shows.
 */
#ifndef SHADOWMM_BASE_VM_FLAGS_H
#define SHADOWMM_BASE_VM_FLAGS_H

#define VM_READ		0x00000001UL
#define VM_WRITE	0x00000002UL
#define VM_EXEC		0x00000004UL
#define VM_SHARED	0x00000008UL
#define VM_MAYREAD	0x00000010UL
#define VM_MAYWRITE	0x00000020UL
#define VM_MAYEXEC	0x00000040UL
#define VM_MAYSHARE	0x00000080UL /* "s" in maps */
#define VM_GROWSDOWN	0x00000100UL
#define VM_UFFD_MISSING 0x00000200UL /* registered with our userfaultfd */
#define VM_PFNMAP	0x00000400UL
#define VM_MAYBE_GUARD	0x00000800UL /* 6.19, and 6.18 with backports */
#define VM_UFFD_WP	0x00001000UL
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
#define VM_ARCH_1	0x01000000UL /* VM_PAT */
#define VM_WIPEONFORK	0x02000000UL
#define VM_DONTDUMP	0x04000000UL
#define VM_SOFTDIRTY	0x08000000UL /* never set by us */
#define VM_MIXEDMAP	0x10000000UL
#define VM_HUGEPAGE	0x20000000UL
#define VM_NOHUGEPAGE	0x40000000UL
#define VM_MERGEABLE	0x80000000UL
#define VM_PKEY_SHIFT	32 /* four bits, which smaps does not show */
#define VM_PKEY_MASK	(0xfUL << VM_PKEY_SHIFT)
#define VM_SHADOW_STACK (1UL << 37)
#define VM_DROPPABLE	(1UL << 40)
#define VM_UFFD_MINOR	(1UL << 41)
#define VM_SEALED	(1UL << 42)
#define VM_UFFD_TRACK                                                     \
	(1UL << 61) /* ours: writes to it are tracked, so VM_UFFD_WP, too \
		     */
#define VM_UFFD_OTHER	(1UL << 62) /* ours: the program registered it itself */

#define VM_LOCKED_MASK	(VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL	(VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP)
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_MAY_ACCESS	(VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
/* __VM_UFFD_FLAGS; the program's registrations too, which are VM_UFFD_OTHER for "um" */
#define VM_UFFD_PROGRAM (VM_UFFD_OTHER | VM_UFFD_WP | VM_UFFD_MINOR)
#define VM_UFFD_FLAGS	(VM_UFFD_MISSING | VM_UFFD_TRACK | VM_UFFD_PROGRAM)
/* What mremap() takes from whole areas. */
#define VM_WHOLE (VM_UFFD_FLAGS | VM_LOCKED_MASK)
/* Two areas may differ in these and be merged; the union has what either had. */
#define VM_STICKY VM_MAYBE_GUARD

/* X(flag, name in VmFlags), in the order of VmFlags (fs/proc/task_mmu.c) */
#define SMM_VM_FLAGS(X)          \
	X(VM_READ, "rd")         \
	X(VM_WRITE, "wr")        \
	X(VM_EXEC, "ex")         \
	X(VM_SHARED, "sh")       \
	X(VM_MAYREAD, "mr")      \
	X(VM_MAYWRITE, "mw")     \
	X(VM_MAYEXEC, "me")      \
	X(VM_MAYSHARE, "ms")     \
	X(VM_GROWSDOWN, "gd")    \
	X(VM_UFFD_MISSING, "um") \
	X(VM_PFNMAP, "pf")       \
	X(VM_MAYBE_GUARD, "gu")  \
	X(VM_UFFD_WP, "uw")      \
	X(VM_LOCKED, "lo")       \
	X(VM_IO, "io")           \
	X(VM_SEQ_READ, "sr")     \
	X(VM_RAND_READ, "rr")    \
	X(VM_DONTCOPY, "dc")     \
	X(VM_DONTEXPAND, "de")   \
	X(VM_LOCKONFAULT, "lf")  \
	X(VM_ACCOUNT, "ac")      \
	X(VM_NORESERVE, "nr")    \
	X(VM_HUGETLB, "ht")      \
	X(VM_SYNC, "sf")         \
	X(VM_ARCH_1, "ar")       \
	X(VM_WIPEONFORK, "wf")   \
	X(VM_DONTDUMP, "dd")     \
	X(VM_SOFTDIRTY, "sd")    \
	X(VM_MIXEDMAP, "mm")     \
	X(VM_HUGEPAGE, "hg")     \
	X(VM_NOHUGEPAGE, "nh")   \
	X(VM_MERGEABLE, "mg")    \
	X(VM_SHADOW_STACK, "ss") \
	X(VM_DROPPABLE, "dp")    \
	X(VM_UFFD_MINOR, "ui")   \
	X(VM_SEALED, "sl")

#define VM_FLAG_OR(flag, name) | (flag)
#define VM_SMAPS_MASK	       (0UL SMM_VM_FLAGS(VM_FLAG_OR))

#endif
