// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file that the frames are in. Most of what it costs to fill a page of a memfd is to
 * find the page (0.9 us of 1.4); of a huge one there is one to be found for 512. But the
 * kernel gives them to a memfd only where the administrator has said so
 * (transparent_hugepage/shmem_enabled), so we make a tmpfs of our own where we may, that
 * nobody has mounted anywhere, with huge=advise: a huge page where we ask for one, for a
 * whole chunk, and small ones where a few pages are wanted.
 *
 * They are asked for by a mapping of the frames that is used for nothing else: huge pages
 * come by a page fault in it, which nothing of the program's can take part in.
 */
#include <linux/magic.h>
#include <linux/memfd.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/fill.h"
#include "lib/mm/mm.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif

#define NO_MOUNT (-1)

/* --- the file ---------------------------------------------------------------------- */

/* It goes with the engine's descriptors, and with the last file in it. */
static long mount_of(struct engine *e)
{
	if (!e->files.mount) {
		long fd = frames_mount();

		e->files.mount = fd > 0 ? (int)fd : NO_MOUNT;
	}
	return e->files.mount;
}

/* Unlinked at once: there is never a second one of a name for long. */
static long open_in(long mount, const char *name, u64 size)
{
	char buf[180];
	struct fmt f;
	long fd, ret;

	fmt_init(&f, buf, sizeof(buf));
	fmt_str(&f, name);
	fd = sys_openat(mount, buf, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (fd < 0)
		return fd;
	ret = sys_unlinkat(mount, buf, 0);
	if (!ret)
		ret = sys_ftruncate(fd, size);
	if (!ret)
		return fd;
	sys_close(fd);
	return ret;
}

long frames_open(struct engine *e, const char *name, u64 size)
{
	long mount = size >= CHUNK_BYTES ? mount_of(e) : NO_MOUNT;

	return mount > 0 ? open_in(mount, name, size) : -ENODEV;
}

/* No memfd, since it has not our seals, but in a place where only who has the descriptor
 * could make it shorter. */
bool frames_fit(int fd, u64 size)
{
	struct statx x;
	u64 fs[16];

	return !sys_fstatfs(fd, fs) && fs[0] == TMPFS_MAGIC &&
	       sys_fcntl(fd, F_GET_SEALS, 0) == F_SEAL_SEAL &&
	       !sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) &&
	       x.stx_size == size && !x.stx_nlink && x.stx_uid == (u32)sys_geteuid();
}

/* --- mappings of our own ------------------------------------------------------------ */

static void advise(struct engine *e, unsigned long addr, size_t size, int advice)
{
	if (!e->reserve(addr, size) && !sys_madvise(addr, size, advice))
		mm_madvise(e->mm, addr, size, advice);
}

long map_ours(struct engine *e, int fd, unsigned long addr, size_t size)
{
	const unsigned long prot = PROT_READ | PROT_WRITE;
	unsigned long flags =
		fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	long ret = sys_mmap(addr, size, prot, flags | MAP_FIXED, fd, 0);
	struct vma_file *file = NULL;

	if (!IS_ERR_VALUE(ret) && e->reserve(addr, size))
		ret = -ENOMEM;
	if (!IS_ERR_VALUE(ret) && fd >= 0 && !(file = mapping_file_of(e, fd)))
		ret = -ENOMEM;
	if (IS_ERR_VALUE(ret)) {
		sys_munmap(addr, size);
		return ret;
	}
	mm_mmap_ours(e->mm, addr, size, prot, flags, file);
	advise(e, addr, size, MADV_DONTFORK);
	advise(e, addr, size, MADV_DONTDUMP);
	return 0;
}

void unmap_ours(struct engine *e, unsigned long addr, size_t size)
{
	if (addr && !e->reserve(addr, size) && !sys_munmap(addr, size))
		mm_munmap(e->mm, addr, size);
}

/* --- huge pages -------------------------------------------------------------------- */

static size_t whole_chunks(const struct address_space *m)
{
	return m->key.size & ~(CHUNK_BYTES - 1);
}

unsigned long aligned_place(size_t size)
{
	unsigned long all = size + CHUNK_BYTES, addr, at;
	long ret = mmap_aside(all, PROT_NONE, MAP_NORESERVE);

	if (IS_ERR_VALUE(ret))
		return 0;
	addr = (unsigned long)ret;
	at = (addr + CHUNK_BYTES - 1) & ~(CHUNK_BYTES - 1);
	if (at > addr)
		sys_munmap(addr, at - addr);
	if (addr + all > at + size)
		sys_munmap(at + size, addr + all - at - size);
	return at;
}

void frames_map(struct engine *e, struct address_space *m)
{
	size_t size = whole_chunks(m);
	unsigned long at;

	/* mlockall(MCL_FUTURE) would bring in all of it. */
	if (!size || e->mm->def_flags & VM_LOCKED ||
	    !frames_fit(m->frames_fd, m->key.size))
		return;
	at = aligned_place(size);
	if (!at || map_ours(e, m->frames_fd, at, size))
		return;
	advise(e, at, size, MADV_HUGEPAGE);
	m->huge = at;
}

void frames_unmap(struct engine *e, struct address_space *m)
{
	unmap_ours(e, m->huge, whole_chunks(m));
	m->huge = 0;
}

char *frames_chunk(struct address_space *m, unsigned long page)
{
	unsigned long at = m->huge + (page << PAGE_SHIFT);

	if (!m->huge || ((page + PAGE_CACHE_CHUNK) << PAGE_SHIFT) > m->key.size ||
	    sys_madvise(at, CHUNK_BYTES, MADV_POPULATE_WRITE))
		return NULL;
	return (char *)at;
}

/* It counts as memory of the program as long as it is mapped here. */
void frames_chunk_done(char *chunk)
{
	sys_madvise(chunk, CHUNK_BYTES, MADV_DONTNEED);
}
