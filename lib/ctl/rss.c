// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages in memory by kind: RssAnon, RssFile and RssShmem of /proc/PID/status, area by
 * area, and as the program would have them without us:
 *
 *	in pagemap		in the area			counts as
 *	not of a file		of anyone			anon
 *	of a file		frames of ours, a memfd		file
 *				a file on tmpfs, a memfd, ...	shmem
 *				another file			file
 *	either			index, arena, aside, ...	the library's
 *
 * The kernel's own counters say shmem of the frames. The zero page is in none.
 */
#include <linux/memfd.h>

#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"

#define BUDGET (4UL << 20) /* pages read entry by entry: 32 MiB of entries */

static u64 words[512]; /* the control task's; its scratch holds a line of smaps */

/* --- which file systems are memory ---------------------------------------------------
 */

static void add_device(struct rss_reader *s, u32 major, u32 minor)
{
	if (s->nr_devices < ARRAY_SIZE(s->device))
		s->device[s->nr_devices++] = (struct rss_device){ major, minor };
}

/* The third field, "0:25", if the file system behind " - " is made of shared memory. */
static void look_at_mount(struct rss_reader *s, const char *line)
{
	const char *p = line, *type = line;
	unsigned long major;

	while (*type && !str_has_prefix(type, " - "))
		type++;
	if (!str_has_prefix(type, " - tmpfs ") && !str_has_prefix(type, " - devtmpfs "))
		return;
	for (int field = 0; field < 2 && *p; p++)
		field += *p == ' ';
	major = parse_ulong(&p, 10);
	if (*p++ == ':')
		add_device(s, (u32)major, (u32)parse_ulong(&p, 10));
}

/* The kernel's own mount, of memfds and shared anonymous memory, is in no list. */
static void look_at_memfd(struct rss_reader *s)
{
	long fd = sys_memfd_create("shadowmm", MFD_CLOEXEC);
	struct statx x;

	if (fd < 0)
		return;
	if (!sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x))
		add_device(s, x.stx_dev_major, x.stx_dev_minor);
	sys_close(fd);
}

void rss_open(struct rss_reader *s, union ctl_scratch *scratch)
{
	struct procmaps *lines = &scratch->smaps.lines;
	char *line;

	*s = (struct rss_reader){ .fd = pagemap_open_self(), .budget = BUDGET };
	look_at_memfd(s);
	if (procmaps_open_file(lines, "/proc/self/mountinfo"))
		return;
	while (procmaps_line(lines, &line) > 0)
		look_at_mount(s, line);
	procmaps_close(lines);
}

void rss_close(struct rss_reader *s)
{
	if (s->fd >= 0)
		sys_close(s->fd);
}

static bool is_shmem(const struct rss_reader *s, const struct vm_area_struct *vma)
{
	const struct vma_file *file = vma->vm_file;

	if (!file || vma_host(vma))
		return false;
	/* Shared anonymous memory whose inode has not been read yet. */
	if (!file->ino)
		return vma->vm_flags & VM_MAYSHARE;
	for (unsigned int i = 0; i < s->nr_devices; i++)
		if (s->device[i].major == file->major &&
		    s->device[i].minor == file->minor)
			return true;
	return false;
}

/* --- one area ----------------------------------------------------------------------- */

struct counts {
	unsigned long anon, other; /* pages */
};

/* 0 or -errno; -ENOTTY and -EINVAL before anything was counted. */
static long scan(const struct rss_reader *s, unsigned long start, unsigned long end,
		 struct counts *c)
{
	const struct page_region *region = (void *)words;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (u64)(uintptr_t)words,
		.vec_len = sizeof(words) / (sizeof(*region)),
		.category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
	};

	while (arg.start < end) {
		long n = sys_ioctl(s->fd, PAGEMAP_SCAN, &arg);

		if (n < 0)
			return n;
		for (long i = 0; i < n; i++) {
			unsigned long pages =
				(region[i].end - region[i].start) >> PAGE_SHIFT;

			if (region[i].categories & PAGE_IS_FILE)
				c->other += pages;
			else if (!(region[i].categories & PAGE_IS_PFNZERO))
				c->anon += pages;
		}
		if (arg.walk_end <= arg.start)
			return -EIO;
		arg.start = arg.walk_end;
	}
	return 0;
}

/* Before 6.7; the zero page counts as the program's. */
static bool read_words(struct rss_reader *s, unsigned long start, unsigned long end,
		       struct counts *c)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	if (pages > s->budget)
		return false;
	s->budget -= pages;
	while (start < end) {
		unsigned long want = min((end - start) >> PAGE_SHIFT, ARRAY_SIZE(words));
		long n = pagemap_words(s->fd, start, want, words);

		if (n <= 0)
			return false;
		for (long i = 0; i < n; i++) {
			if (!(words[i] & PM_PRESENT))
				continue;
			if (words[i] & PM_FILE)
				c->other++;
			else
				c->anon++;
		}
		start += (unsigned long)n << PAGE_SHIFT;
	}
	return true;
}

static bool count_pages(struct rss_reader *s, const struct vm_area_struct *vma,
			struct counts *c)
{
	long ret = s->no_scan ? -ENOTTY : scan(s, vma->vm_start, vma->vm_end, c);

	if (!ret)
		return true;
	if (ret != -ENOTTY && ret != -EINVAL)
		return false;
	s->no_scan = true;
	return read_words(s, vma->vm_start, vma->vm_end, c);
}

/* No pages that are counted anywhere: a device's, hugetlbfs', the kernel's own. */
static bool counts_nowhere(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_HUGETLB | VM_PFNMAP | VM_IO) || vma->vm_start >> 63 ||
	       (vma->vm_file && str_has_prefix(vma->vm_file->name, "[vvar"));
}

bool rss_of(struct rss_reader *s, const struct vm_area_struct *vma, struct rss *rss)
{
	struct counts c = { 0, 0 };

	*rss = (struct rss){ 0 };
	if (counts_nowhere(vma))
		return true;
	if (s->fd < 0 || !count_pages(s, vma, &c))
		return false;
	/* What a driver maps may look like memory of the program. */
	if (!vma->vm_file || !(vma->vm_file->mode & FILE_DEVICE))
		rss->anon = c.anon;
	if (is_shmem(s, vma))
		rss->shmem = c.other;
	else
		rss->file = c.other;
	return true;
}

void show_rss(struct reply *r, struct rss_reader *s, const struct vm_area_struct *vma)
{
	struct rss rss;

	if (rss_of(s, vma, &rss))
		reply_printf(r, ",\"rss\":{\"anon\":%lu,\"file\":%lu,\"shmem\":%lu}",
			     rss.anon, rss.file, rss.shmem);
	else
		reply_printf(r, ",\"rss\":null");
}

/* --- all of them -------------------------------------------------------------------- */

static void add(struct rss *sum, const struct rss *rss)
{
	sum->anon += rss->anon;
	sum->file += rss->file;
	sum->shmem += rss->shmem;
}

static bool sum_up(struct mm_struct *mm, struct rss_reader *s, struct rss *program,
		   struct rss *library, unsigned long *frames)
{
	struct vm_area_struct *vma;
	struct vma_iter it;
	struct rss rss;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		if (!rss_of(s, vma, &rss))
			return false;
		add(vma->reason == TRACK_OURS ? library : program, &rss);
		if (vma_host(vma))
			*frames += rss.file;
	}
	return true;
}

void show_rss_total(struct reply *r)
{
	struct rss program = { 0 }, library = { 0 };
	struct mm_struct *mm = r->c->env->mm;
	unsigned long frames = 0;
	struct rss_reader s;
	bool known;
	int token;

	rss_open(&s, &r->c->scratch);
	token = mm_read_lock_engine(mm);
	known = sum_up(mm, &s, &program, &library, &frames);
	mm_read_unlock(mm, token);
	rss_close(&s);
	if (!known) {
		reply_printf(r, ",\"rss\":null");
		return;
	}
	reply_printf(r, ",\"rss\":{\"anon\":%lu,\"file\":%lu,\"shmem\":%lu", program.anon,
		     program.file, program.shmem);
	reply_printf(r, ",\"frames\":%lu", frames);
	reply_printf(r, ",\"library_anon\":%lu,\"library_file\":%lu", library.anon,
		     library.file);
	reply_printf(r, ",\"library_shmem\":%lu}", library.shmem);
}
