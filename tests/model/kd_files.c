// SPDX-License-Identifier: LGPL-2.1-or-later
/* The files that are mapped, and userfaultfds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/model/kd.h"

#define MEMFD_A "/memfd:kd_a (deleted)"
#define MEMFD_B "/memfd:kd_b (deleted)"
#define MEMFD_C "/memfd:kd_c (deleted)"

struct kd_file kd_files[KD_FILES] = {
	{ .name = MEMFD_A, .open = "memfd_create(\"kd_a\", 0)" },
	{ .name = MEMFD_B,
	  .open = "memfd_create(\"kd_b\", MFD_ALLOW_SEALING)",
	  .seals = F_SEAL_GROW },
	/* The same file by another struct file */
	{ .name = MEMFD_A, .open = "open(\"/proc/self/fd/3\", O_RDWR)" },
	{ .name = MEMFD_A,
	  .open = "open(\"/proc/self/fd/3\", O_RDONLY)",
	  .read_only = true },
	{ .name = MEMFD_C,
	  .open = "memfd_create(\"kd_c\", MFD_ALLOW_SEALING)",
	  .read_only = true,
	  .seals = F_SEAL_FUTURE_WRITE },
};

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int memfd(const char *name)
{
	const off_t size = 4 * KD_WINDOW_PAGES * (off_t)PAGE_SIZE;
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 && ftruncate(fd, size) ? -1 : fd;
}

bool kd_files_open(void)
{
	struct stat st;

	kd_files[0].fd = memfd("kd_a");
	kd_files[1].fd = memfd("kd_b");
	kd_files[2].fd = reopen(kd_files[0].fd, O_RDWR);
	kd_files[3].fd = reopen(kd_files[0].fd, O_RDONLY);
	kd_files[4].fd = memfd("kd_c");
	for (int i = 0; i < KD_FILES; i++) {
		struct kd_file *f = &kd_files[i];

		if (fstat(f->fd, &st) ||
		    (f->seals && fcntl(f->fd, F_ADD_SEALS, f->seals)))
			return false;
		f->major = major(st.st_dev);
		f->minor = minor(st.st_dev);
		f->ino = st.st_ino;
	}
	return true;
}

/* A fault is an error, not something to wait for: there is nobody to serve it. */
int kd_uffd_open(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_SIGBUS };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}
