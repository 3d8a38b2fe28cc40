/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kernel_diff: random calls done by the kernel and told to the model, then compared.
 *
 *	driver --fork--> child: executes one sequence of operations in its own address
 *	   |		 space, keeps a model of that, compares after every operation
 *	   '-- reads struct kd_result, shared with the child, also when the child crashed
 *
 * Sequences are data: addresses are relative to a window or to what an earlier operation
 * returned, so that operations can be left out (kd_shrink.c) and printed (kd_print_c.c).
 * Children of one driver have the same layout (no ASLR), so a sequence is deterministic.
 */
#ifndef TESTS_MODEL_KD_H
#define TESTS_MODEL_KD_H

#include <stdio.h>

#include "lib/mm/mm.h"
#include "tests/model/ops.h"

#define KD_MAX_OPS	1024
#define KD_WINDOW	0x10000000000UL
#define KD_WINDOW_PAGES 40

enum kd_kind {
	KD_MMAP,
	KD_MUNMAP,
	KD_MPROTECT,
	KD_PKEY_MPROTECT,
	KD_MADVISE,
	KD_MLOCK,
	KD_MLOCK2,
	KD_MUNLOCK,
	KD_MLOCKALL,
	KD_MUNLOCKALL,
	KD_MREMAP,
	KD_BRK,
	KD_UFFD_REGISTER,
	KD_UFFD_UNREGISTER,
	KD_READ,
	KD_WRITE,
	KD_FORK,
	KD_KINDS
};

enum kd_base {
	KD_ABS,	       /* the offset is the address */
	KD_IN_WINDOW,  /* from KD_WINDOW */
	KD_OF_RESULT,  /* from what operation @ref returned; unresolved if it failed */
	KD_FROM_BREAK, /* from the break at the start */
	KD_OF_IMAGE,   /* in the @ref-th area (modulo) that was there at the start */
};

struct kd_addr {
	u8 base; /* enum kd_base */
	u16 ref; /* operation's id */
	long off;
};

struct kd_op {
	u8 kind;
	u16 id;			 /* position in the sequence as generated */
	struct kd_addr a, b;	 /* b: the target of mremap */
	unsigned long len, len2; /* bytes; len2: mremap's new length */
	unsigned long prot, flags;
	unsigned long pgoff; /* pages */
	int fd;		     /* index into kd_files, or -1; userfaultfd: which */
	int advice;	     /* madvise; mlock2: flags; pkey_mprotect: the key */
};

/* How a sequence is run; part of what makes it reproducible. */
struct kd_mode {
	unsigned int verify_every; /* operations; 1, or more to let guesses pile up */
	unsigned int smaps_every;
};

struct kd_seq {
	struct kd_mode mode;
	unsigned int nr;
	struct kd_op op[KD_MAX_OPS];
};

struct kd_count {
	unsigned long done[KD_KINDS], refused[KD_KINDS], skipped;
	unsigned long settled; /* guesses the kernel had decided the other way */
	unsigned long resyncs; /* calls that failed half way; they end a sequence */
	unsigned long compared, smaps;
};

/* Shared with the child; what it knew when it ended. */
struct kd_result {
	struct kd_count count;
	unsigned int at; /* position being executed */
	bool failed;
	char what[64];	      /* the first difference, or what else is wrong */
	char text[60000];     /* all of them, and both lists */
	size_t len;	      /* of text */
	long ret[KD_MAX_OPS]; /* by id: address, 0 or -errno */
};

/* --- kd_ops.c ---------------------------------------------------------------------- */

void kd_generate(struct rng *r, unsigned int nr, struct kd_seq *seq);
const char *kd_kind_name(enum kd_kind kind);

/* --- kd_files.c -------------------------------------------------------------------- */

/*
 * Until the model keeps the open mode of a mapping's file (vma_file.mode), do not share
 * what is read-only or sealed: VM_MAYWRITE and VM_SHARED would differ.
 */
#ifdef FILE_READONLY
#define KD_OPEN_MODES_ARE_KNOWN 1
#else
#define KD_OPEN_MODES_ARE_KNOWN 0
#endif

struct kd_file {
	int fd;
	bool read_only; /* shared mappings of it lack VM_MAYWRITE */
	int seals;	/* F_SEAL_* */
	unsigned int major, minor;
	unsigned long ino;
	const char *name; /* as maps shows it */
	const char *open; /* C expression that opens it, given fd[] of those before */
};

#define KD_FILES 5
extern struct kd_file kd_files[KD_FILES];
/* In the driver, once. False: errno says why. */
bool kd_files_open(void);
/* In every address space. -1: not offered. */
int kd_uffd_open(void);

/* --- kd_exec.c, in the child ------------------------------------------------------- */

struct kd_world {
	struct mm_struct *mm;
	struct kd_result *res;
	const struct kd_seq *seq;
	int maps, smaps, status, uffd[2];
	unsigned long brk; /* at the start */
	bool may_lock_all;
	bool lock_unsure; /* there was an area of which nobody knows if it is locked */
	bool read_back; /* some flags are known from maps only: the sequence ends here */
	unsigned int nr_base; /* areas that were there: left alone */
	struct {
		unsigned long start, end;
	} base[64];
};
extern struct kd_world kd;

/* Run it all and exit: 0, or 1 with the result filled in. */
void kd_child(const struct kd_seq *seq, struct kd_result *res) __attribute__((noreturn));
/* Append to kd.res->text; the first call sets kd.res->what. */
void kd_fail(const char *what);
void kd_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One operation. False: it was skipped. */
bool kd_execute(const struct kd_op *op);
/* The address, if what it refers to exists. */
bool kd_resolve(const struct kd_addr *a, unsigned long *addr);

/* --- kd_compare.c, in the child ---------------------------------------------------- */

/* (Re)open the files of /proc/self: they belong to an address space. False on error. */
bool kd_compare_open(void);
/* The model of what is there now, and kd.base. */
bool kd_import(void);
/* Compare the lists; with @repair make the model as the kernel is and report nothing. */
void kd_compare_areas(bool repair);
/* Compare VmFlags of all areas, and the counters. After kd_compare_areas(). */
void kd_compare_smaps(void);
/* Both lists into the text. */
void kd_print_lists(void);

/* --- kd_run.c, in the driver ------------------------------------------------------- */

/* Run the sequence in a fresh child. False: it differs, or crashed; see @res. */
bool kd_run(const struct kd_seq *seq, struct kd_result *res);

/* --- kd_shrink.c ------------------------------------------------------------------- */

/* Make a failing sequence as small as it fails the same way. Returns the runs needed. */
unsigned int kd_shrink(struct kd_seq *seq, struct kd_result *res);

/* --- kd_print_c.c ------------------------------------------------------------------ */

/* A program that makes the calls and prints the kernel's areas after each. */
void kd_print_c(FILE *out, const struct kd_seq *seq);

#endif
