// SPDX-License-Identifier: LGPL-2.1-or-later
#include <asm/stat.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/sitecache.h"
#include "lib/sys/sys.h"

bool file_id(const char *path, struct file_id *id)
{
	struct stat st;

	if (sys_stat(path, &st))
		return false;
	*id = (struct file_id){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (u64)st.st_size,
		.mtime_ns = st.st_mtime * 1000000000UL + st.st_mtime_nsec,
		.ctime_ns = st.st_ctime * 1000000000UL + st.st_ctime_nsec,
	};
	return true;
}

bool file_id_of(const struct area_desc *d, struct file_id *id)
{
	return file_id(d->name, id) && id->ino == d->ino;
}

/* The directory, if it is nobody else's to write to; -errno. */
static long open_dir(const char *dir)
{
	long fd = sys_open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (!sys_fstat(fd, &st) && st.st_uid == (u32)sys_geteuid() && !(st.st_mode & 077))
		return fd;
	sys_close(fd);
	return -EPERM;
}

static void file_name(char *buf, size_t size, const struct site_key *key)
{
	struct fmt f;

	fmt_init(&f, buf, size);
	fmt_printf(&f, "sites-%lx-%lx-%lx", (unsigned long)key->text.dev,
		   (unsigned long)key->text.ino, (unsigned long)key->pgoff);
}

/* Nobody else can have written it, whoever may write to the directory. */
static bool is_ours(long fd)
{
	struct stat st;

	return !sys_fstat(fd, &st) && (st.st_mode & S_IFMT) == S_IFREG &&
	       st.st_uid == (u32)sys_geteuid() && !(st.st_mode & 077);
}

bool sitecache_load(const char *dir, const struct site_key *key, struct site_list *list)
{
	char name[64], path[192];
	struct fmt f;
	long fd, n = -1;

	file_name(name, sizeof(name), key);
	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "%s/%s", dir, name);
	fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd >= 0 && is_ours(fd))
		n = sys_read(fd, list, sizeof(*list));
	if (fd >= 0)
		sys_close(fd);
	return n == (long)sizeof(*list) && list->magic == SITECACHE_MAGIC &&
	       list->nr <= SITES_REMEMBERED && !memcmp(&list->key, key, sizeof(*key));
}

void sitecache_save(const char *dir, const struct site_list *list)
{
	char name[64], tmp[80];
	long dfd, fd, n = -1;
	struct fmt f;

	sys_mkdir(dir, 0700); /* as the engine would a moment later */
	dfd = open_dir(dir);
	if (dfd < 0)
		return;
	file_name(name, sizeof(name), &list->key);
	fmt_init(&f, tmp, sizeof(tmp));
	fmt_printf(&f, "%s.%d", name, (int)sys_getpid());
	fd = sys_openat(dfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	if (fd >= 0) {
		n = sys_write(fd, list, sizeof(*list));
		sys_close(fd);
		/* Whole or not at all: others read it while we write. */
		if (n != (long)sizeof(*list) || sys_renameat(dfd, tmp, dfd, name))
			sys_unlinkat(dfd, tmp, 0);
	}
	sys_close(dfd);
}
