// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The words that the kernel will write to when a thread dies (kernel/futex/core.c,
 * exit_robust_list). It does so without waiting for anybody, so a page of ours that is
 * write-protected would be an error to it, and those who wait for the robust mutex would
 * wait for ever. Such pages are not to be protected.
 *
 *	get_robust_list(tid) --> head { next, offset, pending }
 *	                                  '--> node { next } --> ... --> head
 *	the word of a node is @offset bytes after it; bit 0 of a pointer is a flag
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/cow.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

struct robust_head {
	unsigned long next;
	long offset;
	unsigned long pending;
};

struct linux_dirent64 {
	u64 d_ino, d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};

/* False: there are too many. */
static bool add_word(struct cow_robust *r, const struct robust_head *h,
		     unsigned long node)
{
	unsigned long page = ((node & ~1UL) + (unsigned long)h->offset) & PAGE_MASK;

	if (!(node & ~1UL) || cow_is_robust(r, page))
		return true;
	if (r->nr == COW_ROBUST_MAX)
		return false;
	r->page[r->nr++] = page;
	return true;
}

/* A list that cannot be read cannot be followed by the kernel either. */
static bool add_list(struct cow_robust *r, unsigned long addr)
{
	struct robust_head h;
	unsigned long node;

	if (!addr || peek_user(&h, addr, sizeof(h)))
		return true;
	if (!add_word(r, &h, h.pending))
		return false;
	node = h.next;
	for (int i = 0; (node & ~1UL) != addr; i++) {
		if (i == COW_ROBUST_MAX || !add_word(r, &h, node))
			return false;
		if (peek_user(&node, node & ~1UL, sizeof(node)))
			return true;
	}
	return true;
}

static bool add_task(struct cow_robust *r, const char *name)
{
	unsigned long head = 0, size, tid = parse_ulong(&name, 10);
	long ret;

	if (!tid)
		return true; /* "." and ".." */
	ret = sys_get_robust_list(tid, &head, &size);
	return ret == -ESRCH || (!ret && add_list(r, head));
}

static bool add_entries(struct cow_robust *r, const char *buf, long n)
{
	while (n > 0) {
		const struct linux_dirent64 *d = (const void *)buf;

		if (!add_task(r, d->d_name))
			return false;
		buf += d->d_reclen;
		n -= d->d_reclen;
	}
	return true;
}

bool cow_find_robust(const struct engine *e, struct cow_robust *r)
{
	u64 buf[256];
	bool ok = true;
	struct fmt f;
	long fd, n;

	r->nr = 0;
	fmt_init(&f, (char *)buf, sizeof(buf));
	fmt_printf(&f, "/proc/%d/task", e->owner);
	fd = sys_open((const char *)buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	while (ok && (n = sys_getdents64(fd, buf, sizeof(buf))) != 0)
		ok = n > 0 && add_entries(r, (const char *)buf, n);
	sys_close(fd);
	return ok;
}

bool cow_is_robust(const struct cow_robust *r, unsigned long page)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (r->page[i] == page)
			return true;
	return false;
}
