// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file of a file system in user space that changes without anybody opening it here for
 * writing, as files on another machine do: what the kernel shows in a private mapping
 * after it has heard of that, we show.
 *
 * Says nothing of it where it may not mount (root only), or there is no /dev/fuse.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	PAGES = 64,
	LEN = PAGES * 4096,
	ROOT = 1,
	FILE_NODE = 2,
	REQUEST = 1 << 18,
};

static int fuse;
static volatile char *content; /* of each byte */
static char reply[REQUEST];

/* --- the server -------------------------------------------------------------------- */

static void answer(const struct fuse_in_header *h, int err, size_t len)
{
	struct fuse_out_header out = { (unsigned int)(sizeof(out) + len), err,
				       h->unique };
	struct iovec iov[] = { { &out, sizeof(out) }, { reply, len } };

	CHECK(writev(fuse, iov, 2) >= 0 || errno == ENOENT); /* interrupted */
}

static void set_attr(struct fuse_attr *attr, unsigned long node)
{
	*attr = (struct fuse_attr){
		.ino = node,
		.nlink = 1,
		.mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0644,
		.size = node == ROOT ? 0 : LEN,
		.mtime = 1000000 + (unsigned char)*content,
		.ctime = 1000000 + (unsigned char)*content,
	};
}

static size_t set_init(void)
{
	struct fuse_init_out *out = (void *)reply;

	*out = (struct fuse_init_out){
		.major = 7,
		.minor = 31,
		.max_readahead = REQUEST / 2,
		.max_write = REQUEST / 2,
		.flags = FUSE_AUTO_INVAL_DATA,
	};
	return sizeof(*out);
}

static size_t set_data(const struct fuse_read_in *in)
{
	size_t len = in->offset < LEN ? LEN - in->offset : 0;

	len = len < in->size ? len : in->size;
	memset(reply, *content, len);
	return len;
}

static void serve(const struct fuse_in_header *h, const void *in)
{
	struct fuse_entry_out *entry = (void *)reply;
	struct fuse_attr_out *attr = (void *)reply;

	switch (h->opcode) {
	case FUSE_INIT:
		answer(h, 0, set_init());
		break;
	case FUSE_LOOKUP:
		*entry = (struct fuse_entry_out){ .nodeid = FILE_NODE };
		set_attr(&entry->attr, FILE_NODE);
		answer(h, 0, sizeof(*entry));
		break;
	case FUSE_GETATTR:
		*attr = (struct fuse_attr_out){ .attr_valid = 0 };
		set_attr(&attr->attr, h->nodeid);
		answer(h, 0, sizeof(*attr));
		break;
	case FUSE_OPEN:
		*(struct fuse_open_out *)reply =
			(struct fuse_open_out){ .open_flags = FOPEN_KEEP_CACHE };
		answer(h, 0, sizeof(struct fuse_open_out));
		break;
	case FUSE_STATFS: /* nothing of interest but the kernel's f_type */
		memset(reply, 0, sizeof(struct fuse_statfs_out));
		answer(h, 0, sizeof(struct fuse_statfs_out));
		break;
	case FUSE_READ:
		answer(h, 0, set_data(in));
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		answer(h, -ENOSYS, 0);
	}
}

static void server(void)
{
	static char request[REQUEST];
	const struct fuse_in_header *h = (void *)request;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t n = read(fuse, request, sizeof(request));

		if (n > 0)
			serve(h, h + 1);
		else if (errno != EINTR && errno != ENOENT)
			_exit(0);
	}
}

/* --- who maps it ------------------------------------------------------------------- */

static bool mounted(const char *dir)
{
	char options[80];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
		 fuse);
	return fuse >= 0 && !mount("smm-test", dir, "fuse", 0, options);
}

static void changed_elsewhere(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0), byte;
	struct stat st;

	CHECK(fd >= 0 && p != MAP_FAILED && p[0] == 'A' && p[40 * PAGE] == 'A');
	*content = 'B';
	CHECK(stat(path, &st) == 0); /* the kernel hears of it */
	CHECK(pread(fd, &byte, 1, 0) == 1 && byte == 'B');
	CHECK(p[0] == 'B' && p[40 * PAGE] == 'B');
	CHECK(munmap(p, LEN) == 0 && close(fd) == 0);
}

int main(void)
{
	char dir[64], path[80];
	pid_t child;

	alarm(60);
	snprintf(dir, sizeof(dir), "./of-file-fuse.%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/file", dir);
	content = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	CHECK(content != MAP_FAILED && mkdir(dir, 0700) == 0);
	*content = 'A';
	if (mounted(dir)) {
		child = fork();
		CHECK(child >= 0);
		if (!child)
			server();
		changed_elsewhere(path);
		CHECK(umount2(dir, MNT_DETACH) == 0);
		CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	}
	CHECK(rmdir(dir) == 0);
	puts("done");
	return 0;
}
