// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli.h"
#include "pages.h"

int pages_scan(int fd, struct page_scan *scan, struct page_region *region, size_t n)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = scan->start,
		.end = scan->end,
		.vec = (uintptr_t)region,
		.vec_len = n,
		.category_mask = scan->all,
		.category_anyof_mask = scan->any,
		.return_mask = scan->all ? scan->all : PAGE_IS_PRESENT,
	};
	int found = ioctl(fd, PAGEMAP_SCAN, &arg);

	if (found < 0)
		return -errno;
	scan->start = arg.walk_end;
	return found;
}

int pages_open(pid_t pid)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

#define KPF_ZERO_PAGE 24

static uint64_t frame_word(const char *path, uint64_t frame, bool *known)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	*known = fd >= 0 && pread(fd, &word, sizeof(word), (off_t)(frame * 8)) == 8;
	if (fd >= 0)
		close(fd);
	return word;
}

/* Before 6.7; with frame numbers only. */
static void mark_zeros_by_frame(uint64_t *entry, size_t n)
{
	bool known;

	for (size_t i = 0; i < n; i++)
		if (page_has_frame(entry[i]) &&
		    !(entry[i] & (PM_EXCLUSIVE | PM_FILE | PM_SWAP)) &&
		    frame_word("/proc/kpageflags", entry[i] & PM_FRAME, &known) >>
				    KPF_ZERO_PAGE &
			    1)
			entry[i] |= PM_ZERO;
}

static void mark_zeros(int fd, unsigned long start, uint64_t *entry, size_t n)
{
	struct page_scan scan = { .start = start,
				  .end = start + n * PAGE_SIZE,
				  .all = PAGE_IS_PFNZERO };
	struct page_region region[64];

	while (scan.start < scan.end) {
		unsigned long from = scan.start;
		int found = pages_scan(fd, &scan, region, 64);

		if (found < 0) {
			mark_zeros_by_frame(entry, n);
			return;
		}
		for (int i = 0; i < found; i++)
			for (uint64_t p = region[i].start; p < region[i].end;
			     p += PAGE_SIZE)
				entry[(p - start) >> PAGE_SHIFT] |= PM_ZERO;
		if (scan.start <= from)
			return;
	}
}

int pages_read(int fd, unsigned long start, uint64_t *entry, size_t n)
{
	ssize_t got = pread(fd, entry, n * 8, (off_t)((start >> PAGE_SHIFT) * 8));
	bool zeros = false;

	if (got < 0)
		return -errno;
	/* Short at the end of the address space. */
	memset((char *)entry + got, 0, n * 8 - (size_t)got);
	for (size_t i = 0; i < n; i++) {
		entry[i] &= ~PM_ZERO; /* of old kernels: something else */
		zeros |= entry[i] & PM_PRESENT && !(entry[i] & (PM_EXCLUSIVE | PM_FILE));
	}
	if (zeros)
		mark_zeros(fd, start, entry, n);
	return 0;
}

#define BATCH 4096 /* pages */

typedef void page_fn(void *priv, unsigned long start, const uint64_t *entry, size_t n);

static int read_run(int fd, unsigned long start, unsigned long end, page_fn *fn,
		    void *priv)
{
	static uint64_t entry[BATCH];

	while (start < end) {
		size_t n = (end - start) >> PAGE_SHIFT;
		int err;

		n = n < BATCH ? n : BATCH;
		err = pages_read(fd, start, entry, n);
		if (err)
			return err;
		fn(priv, start, entry, n);
		start += n * PAGE_SIZE;
	}
	return 0;
}

/* Runs, so that terabytes without a page cost nothing. */
int pages_each(int fd, unsigned long start, unsigned long end, page_fn *fn, void *priv)
{
	struct page_scan scan = { .start = start,
				  .end = end,
				  .any = PAGE_IS_PRESENT | PAGE_IS_SWAPPED };
	struct page_region region[256];
	int err = 0;

	while (!err && scan.start < end) {
		unsigned long from = scan.start;
		int found = pages_scan(fd, &scan, region, 256);

		if (found < 0)
			return read_run(fd, from, end, fn, priv);
		for (int i = 0; !err && i < found; i++)
			err = read_run(fd, region[i].start, region[i].end, fn, priv);
		if (scan.start <= from)
			return -EIO;
	}
	return err;
}

uint64_t page_entry(pid_t pid, unsigned long addr)
{
	int fd = pages_open(pid);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pages_read(fd, addr & -PAGE_SIZE, &entry, 1))
		entry = 0;
	close(fd);
	return entry;
}

long page_mapcount(uint64_t entry)
{
	uint64_t count;
	bool known;

	if (!page_has_frame(entry) || !(entry & PM_PRESENT))
		return -1;
	count = frame_word("/proc/kpagecount", entry & PM_FRAME, &known);
	return known ? (long)count : -1;
}

static bool parse_map(char *text, struct map_line *line)
{
	int name = 0;

	text[strcspn(text, "\n")] = '\0';
	if (sscanf(text, "%lx-%lx %4s %lx %x:%x %lu %n", &line->start, &line->end,
		   line->perms, &line->offset, &line->major, &line->minor, &line->inode,
		   &name) < 7)
		return false;
	line->name = name ? text + name : "";
	return true;
}

int maps_each(pid_t pid, bool (*fn)(void *priv, const struct map_line *line), void *priv)
{
	char path[40], *text = NULL;
	struct map_line line;
	size_t room = 0;
	bool more = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (more && getline(&text, &room, file) > 0)
		if (parse_map(text, &line))
			more = fn(priv, &line);
	free(text);
	fclose(file);
	return 0;
}

static void memory_fs_add(struct memory_fs *fs, unsigned int major, unsigned int minor)
{
	if (fs->nr == sizeof(fs->device) / sizeof(fs->device[0]))
		return;
	fs->device[fs->nr].major = major;
	fs->device[fs->nr++].minor = minor;
}

/* The kernel's own mount is in no list. */
static void memory_fs_own(struct memory_fs *fs)
{
	int fd = memfd_create("shadowmm", MFD_CLOEXEC);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st))
		memory_fs_add(fs, major(st.st_dev), minor(st.st_dev));
	if (fd >= 0)
		close(fd);
}

void memory_fs_read(pid_t pid, struct memory_fs *fs)
{
	char path[40], *text = NULL;
	unsigned int major, minor;
	size_t room = 0;
	FILE *file;

	fs->nr = 0;
	memory_fs_own(fs);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	file = fopen(path, "re");
	while (file && getline(&text, &room, file) > 0)
		if ((strstr(text, " - tmpfs ") || strstr(text, " - devtmpfs ")) &&
		    sscanf(text, "%*d %*d %u:%u", &major, &minor) == 2)
			memory_fs_add(fs, major, minor);
	free(text);
	if (file)
		fclose(file);
}

bool memory_fs_has(const struct memory_fs *fs, const struct map_line *line)
{
	for (unsigned int i = 0; line->inode && i < fs->nr; i++)
		if (fs->device[i].major == line->major &&
		    fs->device[i].minor == line->minor)
			return true;
	return false;
}
