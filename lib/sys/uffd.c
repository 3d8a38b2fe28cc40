// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00) /* 6.1 */
#endif

#ifndef UFFDIO_MOVE
struct uffdio_move { /* 6.8 */
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

/*
 * Copying from untouched private memory reads the kernel's one zero page, which stays in
 * the first-level cache whatever the length of the window.
 */
#define ZERO_BYTES (64 * PAGE_SIZE)
static char zero_source[ZERO_BYTES] __attribute__((aligned(4096)));

static int uffd_new(void)
{
	long dev = sys_open("/dev/userfaultfd", O_RDWR | O_CLOEXEC, 0), fd;

	if (dev >= 0) {
		fd = sys_ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC);
		sys_close(dev);
		if (fd >= 0)
			return (int)fd;
	}
	return (int)sys_call1(__NR_userfaultfd, O_CLOEXEC);
}

static long uffd_api(int fd, u64 want, u64 *features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = want };
	long ret = sys_ioctl(fd, UFFDIO_API, &api);

	*features = api.features;
	return ret;
}

int uffd_open(u64 *features)
{
	int fd = uffd_new();
	long ret;

	if (fd < 0)
		return fd;
	ret = uffd_api(fd, UFFD_FEATURE_THREAD_ID, features);
	if (ret == -EINVAL)
		ret = uffd_api(fd, 0, features);
	if (ret < 0) {
		sys_close(fd);
		return (int)ret;
	}
	return fd;
}

int uffd_open_async(void)
{
	int fd = (int)sys_call1(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	u64 features;
	long ret;

	if (fd < 0)
		return fd;
	ret = uffd_api(fd, UFFD_FEATURE_WP_ASYNC, &features);
	if (ret < 0)
		sys_close(fd);
	return ret < 0 ? (int)ret : fd;
}

int uffd_register_async(int fd, unsigned long start, unsigned long end)
{
	struct uffdio_register r = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return (int)sys_ioctl(fd, UFFDIO_REGISTER, &r);
}

int uffd_register(int fd, unsigned long start, unsigned long end, bool wp)
{
	struct uffdio_register r = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_MISSING | (wp ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	return (int)sys_ioctl(fd, UFFDIO_REGISTER, &r);
}

int uffd_register_file(int fd, unsigned long start, unsigned long end)
{
	struct uffdio_register r = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	return (int)sys_ioctl(fd, UFFDIO_REGISTER, &r);
}

int uffd_unregister(int fd, unsigned long start, unsigned long end)
{
	struct uffdio_range r = { .start = start, .len = end - start };

	return (int)sys_ioctl(fd, UFFDIO_UNREGISTER, &r);
}

int uffd_move(int fd, unsigned long dst, unsigned long src, unsigned long len,
	      unsigned long *moved)
{
	struct uffdio_move m = { .dst = dst, .src = src, .len = len };
	long ret = sys_ioctl(fd, UFFDIO_MOVE, &m);

	/* A partial move answers -EAGAIN and says in m.move how far it came. */
	*moved = m.move > 0 ? (unsigned long)m.move : 0;
	return *moved ? 0 : (int)ret;
}

int uffd_protect(int fd, unsigned long start, unsigned long end, enum uffd_protect how)
{
	struct uffdio_writeprotect w = {
		.range = { .start = start, .len = end - start },
		.mode = how == UFFD_PROTECT ? UFFDIO_WRITEPROTECT_MODE_WP
			: how == UFFD_LIFT  ? 0
					    : UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};
	long ret;

	do /* -EAGAIN: the address space is changing */
		ret = sys_ioctl(fd, UFFDIO_WRITEPROTECT, &w);
	while (ret == -EAGAIN);
	return (int)ret;
}

int uffd_continue(int fd, unsigned long start, unsigned long end, unsigned long *done)
{
	struct uffdio_continue c = { .range = { .start = start, .len = end - start } };
	long ret;

	*done = 0;
	do {
		c.mapped = 0;
		ret = sys_ioctl(fd, UFFDIO_CONTINUE, &c);
		/* A part of it answers -EAGAIN, as does an address space that changes. */
		if (c.mapped > 0) {
			*done += (unsigned long)c.mapped;
			c.range.start += (unsigned long)c.mapped;
			c.range.len -= (unsigned long)c.mapped;
		}
	} while (ret == -EAGAIN && c.range.len);
	return c.range.len ? (int)ret : 0;
}

int uffd_copy(int fd, unsigned long page, const void *src)
{
	struct uffdio_copy c = {
		.dst = page,
		.src = (unsigned long)src,
		.len = PAGE_SIZE,
	};
	long ret;

	do
		ret = sys_ioctl(fd, UFFDIO_COPY, &c);
	while (ret == -EAGAIN);
	return (int)ret;
}

int uffd_copy_protected(int fd, unsigned long start, unsigned long end, unsigned long src,
			unsigned long *done)
{
	struct uffdio_copy c;
	long ret = 0;

	for (*done = 0; start + *done < end; *done += (unsigned long)c.copy) {
		c = (struct uffdio_copy){
			.dst = start + *done,
			.src = src + *done,
			.len = end - start - *done,
			.mode = UFFDIO_COPY_MODE_WP | UFFDIO_COPY_MODE_DONTWAKE,
		};
		ret = sys_ioctl(fd, UFFDIO_COPY, &c);
		if (c.copy <= 0 && ret != -EAGAIN)
			break;
		c.copy = max(c.copy, (__s64)0);
	}
	return start + *done < end ? (int)ret : 0;
}

int uffd_wake(int fd, unsigned long start, unsigned long end)
{
	struct uffdio_range r = { .start = start, .len = end - start };

	return (int)sys_ioctl(fd, UFFDIO_WAKE, &r);
}

int uffd_zero(int fd, unsigned long start, unsigned long end, unsigned long *done)
{
	*done = 0;
	while (start < end) {
		unsigned long len = min(end - start, ZERO_BYTES);
		struct uffdio_copy c = {
			.dst = start,
			.src = (unsigned long)zero_source,
			.len = len,
		};
		long ret = sys_ioctl(fd, UFFDIO_COPY, &c);

		/* A partial copy answers -EAGAIN and says in c.copy how far it came; the
		 * page after it is the one that could not be installed. */
		if (c.copy > 0)
			*done += (unsigned long)c.copy;
		if (ret < 0 && c.copy <= 0)
			return (int)ret;
		start += c.copy > 0 ? (unsigned long)c.copy : len;
	}
	return 0;
}

int uffd_zeropage(int fd, unsigned long start, unsigned long end, unsigned long *done)
{
	struct uffdio_zeropage z = { .range = { .start = start, .len = end - start } };
	long ret;

	*done = 0;
	do { /* as uffd_continue() */
		z.zeropage = 0;
		ret = sys_ioctl(fd, UFFDIO_ZEROPAGE, &z);
		if (z.zeropage > 0) {
			*done += (unsigned long)z.zeropage;
			z.range.start += (unsigned long)z.zeropage;
			z.range.len -= (unsigned long)z.zeropage;
		}
	} while (ret == -EAGAIN && z.range.len);
	return z.range.len ? (int)ret : 0;
}
