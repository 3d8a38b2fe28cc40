// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file that becomes ours, and its end.
 *
 *	mapping_open -> open_file    by way of /proc/TID/fd, in the engine's table
 *		     |-> lease_take  from here on it stays as it is
 *		     |-> attach	     another process's frames, found by their link
 *		     '-> create	     frames and index of our own, and a link to them
 *
 * A link is a symbolic link in the session's directory. Its name says which file, its
 * text "PID INDEX FRAMES" where: descriptors of that engine, opened through /proc, which
 * takes the right to look into the process. It dies with the engine; who finds it dead
 * removes it. Two processes do not look and create at once (session_lock()).
 */
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/resource.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/fill.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* 6.3 */
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* --- the file ---------------------------------------------------------------------- */

static u64 nanoseconds(const struct statx_timestamp *t)
{
	return (u64)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* False: it is no regular file, or empty. */
static bool key_of(int fd, struct file_key *key)
{
	struct statx x;

	if (sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x) ||
	    (x.stx_mode & S_IFMT) != S_IFREG || !x.stx_size)
		return false;
	*key = (struct file_key){
		.major = x.stx_dev_major,
		.minor = x.stx_dev_minor,
		.ino = x.stx_ino,
		.size = x.stx_size,
		.mtime = nanoseconds(&x.stx_mtime),
		.ctime = nanoseconds(&x.stx_ctime),
		.btime = x.stx_mask & STATX_BTIME ? nanoseconds(&x.stx_btime) : 0,
	};
	return true;
}

static bool key_is_old(const struct file_key *key)
{
	struct timespec now = { 0, 0 };
	u64 ns;

	sys_clock_gettime(0 /* CLOCK_REALTIME */, &now);
	ns = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
	return ns > max(key->mtime, key->ctime) + PAGE_CACHE_AGE_NS;
}

/* Not to wait for a FIFO that has taken the number meanwhile. */
static long open_file(const struct file_wanted *w)
{
	char path[40];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/fd/%d", w->tid, w->fd);
	return sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
}

bool mapping_has_room(int fd)
{
	unsigned long limit[2];

	/* They are given out from below. */
	return sys_getrlimit(RLIMIT_NOFILE, limit) ||
	       (unsigned long)fd + FILES_SPARE <= limit[0];
}

/* --- frames and index -------------------------------------------------------------- */

static u64 pid_namespace(void)
{
	struct statx x;

	return sys_statx(AT_FDCWD, "/proc/self/ns/pid", 0, STATX_INO, &x) ? 0 : x.stx_ino;
}

static const char *last_part(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/' && path[1])
			name = path + 1;
	return name;
}

void file_name_of(const struct vma_file *file, struct file_name *name)
{
	struct fmt f;

	name->major = file->major;
	name->minor = file->minor;
	name->ino = file->ino;
	fmt_init(&f, name->last, sizeof(name->last));
	fmt_str(&f, last_part(file->name));
}

/* Maps shows the name, so it is that of the file. */
long mapping_memfd(const char *name, const char *suffix, u64 size)
{
	char buf[200];
	struct fmt f;
	long fd, ret;

	fmt_init(&f, buf, sizeof(buf) - 16); /* what is too long is cut */
	fmt_str(&f, name);
	f.size = sizeof(buf);
	fmt_str(&f, suffix);
	fd = sys_memfd_create(buf, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd == -EINVAL)
		fd = sys_memfd_create(buf, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	ret = sys_ftruncate(fd, size);
	if (!ret)
		ret = sys_fcntl(fd, F_ADD_SEALS, SEALS);
	if (!ret)
		return fd;
	sys_close(fd);
	return ret;
}

struct vma_file *mapping_file_of(struct engine *e, int fd)
{
	struct vma_file *file;
	struct statx x;
	char link[32], path[256];
	struct fmt f;
	long n;

	fmt_init(&f, link, sizeof(link));
	fmt_printf(&f, "/proc/self/fd/%d", fd);
	n = sys_readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x))
		return NULL;
	file = vma_file_get(e->mm, x.stx_dev_major, x.stx_dev_minor, x.stx_ino, path);
	if (file)
		file->mode_known = true;
	return file;
}

/* The index is nobody's but ours: a child has its memory, but not the right to use it. */
static long map_index(struct engine *e, struct address_space *m, size_t size)
{
	long addr = mmap_aside(size, PROT_NONE, MAP_NORESERVE), ret;

	if (IS_ERR_VALUE(addr))
		return addr;
	ret = map_ours(e, m->index_fd, (unsigned long)addr, size);
	if (!ret)
		m->cache = (struct page_cache *)addr;
	return ret;
}

/* No area leads to the mapping any more, and who evicts passes it by; who had found it
 * before may be at work with it. */
static void unmap_index(struct engine *e, struct address_space *m)
{
	unsigned long addr = (unsigned long)m->cache;
	size_t size = page_cache_size(m->nrpages);

	__atomic_store_n(&m->evictable, false, __ATOMIC_SEQ_CST);
	file_wait_for_tasks(e);
	__atomic_store_n(&m->cache, NULL, __ATOMIC_SEQ_CST);
	unmap_ours(e, addr, size);
}

/* --- links ------------------------------------------------------------------------- */

/* Who is not to be shared with has a link as well, to be counted (evict.c). */
static void link_stem(const struct address_space *m, struct fmt *f)
{
	const struct file_key *k = &m->key;

	fmt_printf(f, CACHE_LINK "%s%x-%x-%lx-%lx-%lx-%lx-%lx.", m->shared ? "" : "own-",
		   k->major, k->minor, (unsigned long)k->ino, (unsigned long)k->size,
		   (unsigned long)k->mtime, (unsigned long)k->ctime,
		   (unsigned long)k->btime);
}

static void link_name(const struct engine *e, const struct address_space *m, char *buf,
		      size_t size)
{
	struct fmt f;

	fmt_init(&f, buf, size);
	link_stem(m, &f);
	fmt_printf(&f, "%d", e->owner);
}

static void link_make(const struct engine *e, const struct address_space *m)
{
	char name[160], text[64];
	long dir = session_dir(e);
	struct fmt f;

	if (dir < 0)
		return; /* then nobody finds us */
	link_name(e, m, name, sizeof(name));
	fmt_init(&f, text, sizeof(text));
	fmt_printf(&f, "%d %d %d", (int)sys_getpid(), m->index_fd, m->frames_fd);
	sys_unlinkat(dir, name, 0); /* of a process that had our number */
	sys_symlinkat(text, dir, name);
	sys_close(dir);
}

static void link_remove(const struct engine *e, const struct address_space *m)
{
	char name[160];
	long dir = session_dir(e);

	if (dir < 0)
		return;
	link_name(e, m, name, sizeof(name));
	sys_unlinkat(dir, name, 0);
	sys_close(dir);
}

static long open_of(int pid, int fd)
{
	char path[40];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/fd/%d", pid, fd);
	return sys_open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
}

/* As we make them: of this length for ever. */
static bool is_ours(int fd, u64 size)
{
	struct statx x;
	long seals = sys_fcntl(fd, F_GET_SEALS, 0);

	return seals >= 0 && (seals & SEALS) == SEALS &&
	       !sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) &&
	       x.stx_size == size && x.stx_uid == (u32)sys_geteuid();
}

static bool index_fits(const struct address_space *m)
{
	const struct page_cache *c = m->cache;
	u64 ns = pid_namespace();

	return __atomic_load_n(&c->magic, __ATOMIC_ACQUIRE) == PAGE_CACHE_MAGIC &&
	       !memcmp(&c->key, &m->key, sizeof(c->key)) && c->nr_pages == m->nrpages &&
	       ns && c->pid_namespace == ns;
}

static void close_both(struct address_space *m)
{
	if (m->index_fd >= 0)
		sys_close(m->index_fd);
	if (m->frames_fd >= 0)
		sys_close(m->frames_fd);
	if (m->direct_fd >= 0)
		sys_close(m->direct_fd);
	if (m->hold_fd >= 0)
		sys_close(m->hold_fd);
	m->index_fd = m->frames_fd = m->direct_fd = m->hold_fd = -1;
}

/* Index and frames of the engine @pid, which may be another process by now: nothing is
 * believed. */
static bool open_both(struct address_space *m, int pid, int index, int frames)
{
	m->index_fd = (int)open_of(pid, index);
	m->frames_fd = (int)open_of(pid, frames);
	return m->index_fd >= 0 && m->frames_fd >= 0 &&
	       is_ours(m->index_fd, page_cache_size(m->nrpages)) &&
	       (is_ours(m->frames_fd, m->key.size) ||
		frames_fit(m->frames_fd, m->key.size));
}

/* After open_both(); false: its descriptors are closed. */
static bool attach_index(struct engine *e, struct address_space *m, bool opened)
{
	if (opened && !map_index(e, m, page_cache_size(m->nrpages))) {
		if (index_fits(m))
			return true;
		unmap_index(e, m);
	}
	close_both(m);
	return false;
}

/* What the link's text says, if it is what it should be. */
static bool attach_to(struct engine *e, struct address_space *m, const char *text)
{
	const char *p = text;
	int pid = (int)parse_ulong(&p, 10), index, frames;

	if (*p++ != ' ')
		return false;
	index = (int)parse_ulong(&p, 10);
	if (*p++ != ' ')
		return false;
	frames = (int)parse_ulong(&p, 10);
	return attach_index(e, m, open_both(m, pid, index, frames));
}

struct attaching {
	struct engine *e;
	struct address_space *m;
};

static bool attach_by(const char *name, const char *text, void *arg)
{
	const struct attaching *a = arg;

	(void)name;
	return attach_to(a->e, a->m, text);
}

static bool attach(struct engine *e, struct address_space *m)
{
	struct attaching a = { e, m };
	char stem[160];
	struct fmt f;

	fmt_init(&f, stem, sizeof(stem));
	link_stem(m, &f);
	return session_each(e, stem, attach_by, &a);
}

/* --- beginning and end ------------------------------------------------------------- */

static bool create(struct engine *e, struct address_space *m, const char *name)
{
	size_t size = page_cache_size(m->nrpages);

	m->index_fd = (int)mapping_memfd(name, ".index", size);
	m->frames_fd = (int)frames_open(e, name, m->key.size);
	if (m->frames_fd < 0)
		m->frames_fd = (int)mapping_memfd(name, "", m->key.size);
	if (m->index_fd < 0 || m->frames_fd < 0 || map_index(e, m, size)) {
		close_both(m);
		return false;
	}
	m->cache->key = m->key;
	m->cache->nr_pages = m->nrpages;
	m->cache->nr_chunks = (m->nrpages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;
	m->cache->pid_namespace = pid_namespace();
	/* Before the link shows it to others. */
	__atomic_store_n(&m->cache->magic, PAGE_CACHE_MAGIC, __ATOMIC_RELEASE);
	return true;
}

/* Index and frames are there. */
static void complete(struct engine *e, struct address_space *m)
{
	/* An open file description of its own: locks by one never conflict. */
	m->hold_fd = (int)open_of((int)sys_getpid(), m->index_fd);
	frames_map(e, m);
	reader_open(e, m);
	link_make(e, m);
	__atomic_store_n(&m->evictable, true, __ATOMIC_SEQ_CST);
}

static struct address_space *mapping_make(struct engine *e, int fd,
					  const struct file_key *key, const char *name)
{
	struct address_space *m = mapping_new(e->mm, key);
	long lock = -1;

	if (!m)
		return NULL;
	m->file_fd = fd;
	m->index_fd = m->frames_fd = -1;
	m->nrpages = (key->size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	m->shared = key_is_old(key);
	if (m->shared)
		lock = session_lock(e);
	if ((m->shared && attach(e, m)) || create(e, m, name)) {
		complete(e, m);
	} else {
		mapping_free(e->mm, m);
		m = NULL;
	}
	if (lock >= 0)
		sys_close(lock);
	return m;
}

bool mapping_key(int fd, const struct file_name *file, struct file_key *key)
{
	return key_of(fd, key) && key->ino == file->ino && key->major == file->major &&
	       key->minor == file->minor;
}

/* @fd stays open in the mapping, or is closed. */
static struct address_space *mapping_for(struct engine *e, int fd,
					 const struct file_name *file,
					 enum track_reason *reason)
{
	struct address_space *m;
	struct file_key key;

	*reason = TRACK_FILE_OPEN;
	if (lease_take(e, fd, F_RDLCK) || !mapping_key(fd, file, &key)) {
		lease_give(fd);
		sys_close(fd);
		return NULL;
	}
	m = mapping_find(e->mm, &key);
	if (m) {
		sys_close(fd); /* and this lease with it; the mapping has its own */
		return m;
	}
	*reason = TRACK_REFUSED;
	m = mapping_make(e, fd, &key, file->last);
	if (!m) {
		lease_give(fd);
		sys_close(fd);
	}
	return m;
}

struct address_space *mapping_open(struct engine *e, const struct file_wanted *w,
				   const struct file_name *file,
				   enum track_reason *reason)
{
	long fd = open_file(w);
	struct file_key key;

	*reason = TRACK_FILE_OPEN;
	if (fd < 0)
		return NULL;
	if (!mapping_has_room((int)fd))
		*reason = TRACK_REFUSED;
	else if (mapping_key((int)fd, file, &key))
		return mapping_for(e, (int)fd, file, reason);
	sys_close(fd);
	return NULL;
}

/* --- fork -------------------------------------------------------------------------- */

static bool inherit_file(struct engine *e, struct address_space *m)
{
	const struct file_wanted w = { .tid = e->parent_fault, .fd = m->parent.file_fd };
	struct file_key key;

	m->file_fd = (int)open_file(&w);
	/* The lease first: from here on the key stays what it is. */
	return m->file_fd >= 0 && mapping_has_room(m->file_fd) &&
	       !lease_take(e, m->file_fd, F_RDLCK) && key_of(m->file_fd, &key) &&
	       !memcmp(&key, &m->key, sizeof(key));
}

static bool is_inode(int fd, const struct vma_file *file)
{
	struct statx x;

	return !sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) &&
	       x.stx_ino == file->ino && x.stx_dev_major == file->major &&
	       x.stx_dev_minor == file->minor;
}

static bool inherit_frames(struct engine *e, struct address_space *m,
			   const struct vma_file *frames)
{
	bool opened =
		open_both(m, e->parent_fault, m->parent.index_fd, m->parent.frames_fd);

	return attach_index(e, m, opened && is_inode(m->frames_fd, frames));
}

/* What it has opened must not be what giving back lacks. */
static void disinherit(struct address_space *m)
{
	if (m->file_fd < 0)
		return;
	lease_give(m->file_fd);
	sys_close(m->file_fd);
	m->file_fd = -1;
}

bool mapping_inherit(struct engine *e, struct address_space *m,
		     const struct vma_file *frames)
{
	if (!e->parent_fault || !m->parent.shared)
		return false;
	if (!inherit_file(e, m) || !inherit_frames(e, m, frames)) {
		disinherit(m);
		return false;
	}
	m->shared = true;
	complete(e, m);
	__atomic_store_n(&m->state, MAPPING_LIVE, __ATOMIC_SEQ_CST);
	return true;
}

void mapping_end(struct engine *e, struct address_space *m)
{
	if (m->refs)
		return;
	/* In a fork child they are another engine's descriptors. */
	if (READ_ONCE(e->fault_pid)) {
		link_remove(e, m);
		reader_forget(e, m);
		unmap_index(e, m);
		frames_unmap(e, m);
		if (m->written)
			shared_end(e, m);
		close_both(m);
		lease_give(m->file_fd);
		sys_close(m->file_fd);
	}
	mapping_free(e->mm, m);
	if (READ_ONCE(e->fault_pid) && list_empty(&e->mm->mappings))
		reader_end(e);
}

int mapping_frames(const struct address_space *m)
{
	return (int)open_of((int)sys_getpid(), m->frames_fd);
}

struct vma_file *mapping_file(struct engine *e, const struct address_space *m)
{
	return mapping_file_of(e, m->frames_fd);
}

void mapping_unlink_all(const struct engine *e)
{
	struct list_head *pos;

	if (!e->files.lease_tid)
		return; /* there was never one */
	list_for_each (pos, &e->mm->mappings)
		link_remove(e, list_entry(pos, struct address_space, list));
}
