/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of lib/ctl only. Context: the control task. */
#ifndef SHADOWMM_CTL_INTERNAL_H
#define SHADOWMM_CTL_INTERNAL_H

#include "lib/base/fmt.h"
#include "lib/ctl/ctl.h"

/*
 * A reply being written. What does not fit c->out goes to the client's memfd; nothing is
 * sent before reply_end(), so a reply that fails half way becomes an error reply.
 */
struct reply {
	struct ctl *c;
	struct ctl_client *cl;
	struct fmt f;
	int err; /* -errno of the first failure */
};

void reply_begin(struct reply *r, struct ctl *c, struct ctl_client *cl);
/* One formatted piece of at most REPLY_PIECE bytes; long strings go through the others.
 */
#define REPLY_PIECE 512
void reply_printf(struct reply *r, const char *format, ...)
	__attribute__((format(gnu_printf, 2, 3)));
/* A JSON string of any length; "null" for NULL. */
void reply_json(struct reply *r, const char *s);
/* Forget what was written and answer {"error": "@what: @arg: @remedy"}; counted. @arg is
 * shortened and may be NULL. */
void reply_error(struct reply *r, const char *what, const char *arg, const char *remedy);
/* End the line and send what the client takes now. -errno: drop the client. */
int reply_end(struct reply *r);
/* Send more of a reply that waits. -errno: drop the client. */
int client_drain(struct ctl *c, struct ctl_client *cl);

/* Answer one command line; modifies it. */
void ctl_command(struct reply *r, char *line, size_t len);

void show_hello(struct reply *r);
/* @untouched: also look how many pages the program has not written to. */
void show_stat(struct reply *r, bool untouched);
/* Member ",\"untouched\":" of an object. Reads up to 1,024 pages of the program. */
void show_untouched(struct reply *r);
void show_maps(struct reply *r);
void show_slabinfo(struct reply *r);
void show_cow(struct reply *r);
/* Members of an object; there must be somebody who samples. */
void show_sampling(struct reply *r);
void show_cow_stacks(struct reply *r);
/* Sample one write in @every; 0: none any more. */
void ctl_cow_sample(struct reply *r, u32 every);
void show_vma(struct reply *r, unsigned long addr);
/* @one: only the area that contains @addr, or none. */
void show_smaps(struct reply *r, bool one, unsigned long addr);
/* Members of an area's object; of the descriptor's, with a comma behind each; and, with a
 * comma before it, "auxv". */
void show_area_facts(struct reply *r, const struct vm_area_struct *vma);
/* Track writes to shared files from now on. False: the reply is an error. Takes
 * mmap_lock. */
bool ctl_dirty_begin(struct reply *r);
/* Milliseconds, or null. */
void show_dirty_since(struct reply *r);
/* Members ",\"dirty\":" of an area's object; of the process'. */
void show_dirty_area(struct reply *r, const struct vm_area_struct *vma);
void show_dirty(struct reply *r);
void show_status(struct reply *r);
void show_auxv(struct reply *r);
/* ["rd","wr"]: as VmFlags of smaps. */
void show_flags(struct reply *r, unsigned long vm_flags);
void show_area_desc(struct reply *r, const struct area_desc *d);
/* "rwxp", as maps prints it. */
const char *perms_str(unsigned long vm_flags, char buf[static 5]);

/* Areas and their anon_vmas: that which contains an address; those that reach to a page
 * number of their anon_vmas (linear_page_index()); or all that have any. */
struct rmap_query {
	enum {
		RMAP_ALL,
		RMAP_ADDR,
		RMAP_INDEX
	} by;
	unsigned long what;
};
void show_rmap(struct reply *r, const struct rmap_query *q);

/* A file, as the program's mappings name it. */
struct ctl_file {
	u32 major, minor;
	u64 inode;
};
/* The files that the process pages. Takes mmap_lock. */
void show_page_cache(struct reply *r);
/* Drop the frames of @f, or of all files (NULL). Takes mmap_lock, again and again. */
void ctl_cache_drop(struct reply *r, const struct ctl_file *f);
/* Where page number @page of @f is mapped: ours and the kernel's. */
void show_rmap_file(struct reply *r, const struct ctl_file *f, unsigned long page);

/* The descriptor of the page at @addr, brought up to date. Takes mmap_lock. */
void show_page(struct reply *r, unsigned long addr);

/*
 * Take mmap_lock, waiting CTL_LOCK_MS; what a dead holder left half done is repaired by
 * @maps. 0, or -errno: not held.
 */
int ctl_lock(const struct ctl_env *env, struct smaps *maps);
void ctl_verify(struct reply *r, bool repair, bool all_flags);

/* Processes that share the program's address space; the first ones, if there are many. */
struct sharers {
	unsigned int nr;
	int pid[64];
};
/*
 * Count the tasks that share the address space and correct mm_users. Returns how many
 * there are, fills @s. At a quiet moment (no task just starting or ending) both are
 * exact; where /proc or kcmp(2) are not to be had, what the hooks saw.
 */
int tasks_settle(const struct ctl_env *env, union ctl_scratch *scratch,
		 struct sharers *s);
/* Members ",..." of an object: how the address space was born; the processes of @s. */
void show_birth(struct reply *r);
void show_sharers(struct reply *r, const struct sharers *s);

/* --- rss.c: pages in memory by kind, as the program sees them -------------------------
 */

struct rss {
	unsigned long anon, file, shmem; /* pages */
};

struct rss_reader {
	int fd;		      /* of pagemap */
	bool no_scan;	      /* no PAGEMAP_SCAN here: read entries */
	unsigned long budget; /* pages that may still be read entry by entry */
	unsigned int nr_devices;
	struct rss_device {
		u32 major, minor;
	} device[32]; /* of file systems in memory; further ones count as files */
};
/* Uses @scratch while it runs, not afterwards. */
void rss_open(struct rss_reader *s, union ctl_scratch *scratch);
void rss_close(struct rss_reader *s);
/* Caller is inside mm_read_lock(). False: the kernel will not say. */
bool rss_of(struct rss_reader *s, const struct vm_area_struct *vma, struct rss *rss);
/* Member ",\"rss\":" of an area's object; of that of all areas. */
void show_rss(struct reply *r, struct rss_reader *s, const struct vm_area_struct *vma);
void show_rss_total(struct reply *r);

/*
 * Pages of an area that are in memory or in swap, by the page tables alone.
 * pagemap_count() returns PAGEMAP_UNKNOWN where the kernel will not say.
 */
#define PAGEMAP_UNKNOWN (~0UL)
struct pagemap {
	int fd;
	bool no_scan;	      /* no PAGEMAP_SCAN here: read entries */
	unsigned long budget; /* pages that may still be read entry by entry */
	u64 *words;
	size_t nr_words;
};
void pagemap_open(struct pagemap *p, union ctl_scratch *scratch);
unsigned long pagemap_count(struct pagemap *p, unsigned long start, unsigned long end);
/* Call @func for each run of pages that are in memory. False: the kernel will not say, or
 * not all. */
typedef void pagemap_func(unsigned long start, unsigned long end, void *arg);
bool pagemap_walk(struct pagemap *p, unsigned long start, unsigned long end,
		  pagemap_func *func, void *arg);
/* The page at @addr is in memory, now. */
bool pagemap_present(const struct pagemap *p, unsigned long addr);
void pagemap_close(struct pagemap *p);

#endif
