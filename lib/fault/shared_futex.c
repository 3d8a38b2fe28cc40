// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who sleeps on a futex in a shared mapping sleeps on a page of a file, whatever its
 * address: before the area is given back on one of the frames, after that on one of the
 * program's file. So who sleeps then is woken, as the kernel may wake him for nothing,
 * and looks again. Futexes that are FUTEX_PRIVATE_FLAG are told by their address.
 *
 * A thread that is about to fall asleep while the area is given back is found awake. So
 * the frames, empty, are kept for a while, and the lease task looks again: in the worst
 * case that thread sleeps for one of its ticks.
 *
 * Context: whoever gives back, and the lease task; mmap_lock is held.
 */
#include <linux/falloc.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"

#define LEFT_MAX 8
#define LOOKS	 6 /* ticks of the lease task */

static struct left {
	int fd; /* of the frames */
	int looks;
	unsigned long start, end, first; /* addresses; page of @start */
} lefts[LEFT_MAX];

struct dirent64 {
	u64 ino, off;
	u16 len;
	u8 type;
	char name[];
};

/* Where the frames are mapped does not matter. */
static void wake_word(const struct left *l, unsigned long word)
{
	unsigned long page = l->first + ((word - l->start) >> PAGE_SHIFT);
	long addr = mmap_aside(PAGE_SIZE, PROT_NONE, MAP_NORESERVE);

	if (IS_ERR_VALUE(addr))
		return;
	if (!IS_ERR_VALUE(sys_mmap(addr, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, l->fd, page << PAGE_SHIFT)))
		sys_futex(addr + (word & ~PAGE_MASK), FUTEX_WAKE, ~0U >> 1, NULL);
	sys_munmap(addr, PAGE_SIZE);
}

/* "202 0x<address> 0x<operation> ...", where the thread sleeps (proc_pid_syscall()). */
static void look_at_thread(const struct engine *e, const struct left *l, const char *tid)
{
	char path[64], text[160];
	unsigned long nr, word, op;
	const char *p = text;
	struct fmt f;
	long fd, n;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/task/%s/syscall", e->owner, tid);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? fd : sys_read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		sys_close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (*p < '0' || *p > '9')
		return;
	nr = parse_ulong(&p, 10);
	if (nr != __NR_futex || strncmp(p, " 0x", 3) != 0)
		return;
	p += 3;
	word = parse_ulong(&p, 16);
	if (strncmp(p, " 0x", 3) != 0)
		return;
	p += 3;
	op = parse_ulong(&p, 16);
	if (!(op & FUTEX_PRIVATE_FLAG) && word >= l->start && word < l->end)
		wake_word(l, word);
}

static void look(const struct engine *e, const struct left *l)
{
	union {
		struct dirent64 first;
		char bytes[1024];
	} buf;
	char path[32];
	struct fmt f;
	long dir, n;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/task", e->owner);
	dir = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	while (dir >= 0 && (n = sys_getdents64(dir, buf.bytes, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf.bytes + at);

			at += d->len;
			if (d->name[0] != '.')
				look_at_thread(e, l, d->name);
		}
	}
	if (dir >= 0)
		sys_close(dir);
}

static void forget(struct left *l)
{
	sys_close(l->fd);
	l->looks = 0;
}

/* The one that has been looked at most. */
static struct left *free_left(void)
{
	struct left *l = &lefts[0];

	for (int i = 1; i < LEFT_MAX; i++)
		if (lefts[i].looks < l->looks)
			l = &lefts[i];
	if (l->looks)
		forget(l);
	return l;
}

void shared_wake(struct engine *e, const struct address_space *m, unsigned long start,
		 unsigned long end, unsigned long first)
{
	long fd;
	struct left *l;

	/* Who is alone sleeps nowhere now. Nobody else has the frames mapped. */
	if (READ_ONCE(e->mm->mm_users) <= 1)
		return;
	fd = sys_fcntl(m->frames_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return;
	l = free_left();
	*l = (struct left){ (int)fd, LOOKS, start, end, first };
	sys_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first << PAGE_SHIFT,
		      end - start);
	look(e, l);
}

void shared_wake_again(struct engine *e)
{
	for (int i = 0; i < LEFT_MAX; i++) {
		struct left *l = &lefts[i];

		if (!l->looks)
			continue;
		look(e, l);
		if (l->looks == 1)
			forget(l);
		else
			l->looks--;
	}
}

void shared_wake_forget(void)
{
	for (int i = 0; i < LEFT_MAX; i++)
		lefts[i].looks = 0;
}
