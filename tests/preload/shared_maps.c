// SPDX-License-Identifier: LGPL-2.1-or-later
/* Shared memory of every kind, and files mapped shared and private. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define LEN (1 * MIB)

static char *shared;

static void write_shared(void)
{
	CHECK(matches(shared, LEN / 2, 1));
	fill(shared, LEN, 2);
}

static void over_fork(const char *what, char *p)
{
	shared = p;
	fill(p, LEN / 2, 1);
	in_child(what, write_shared);
	CHECK(matches(p, LEN, 2));
}

static void system_v(void)
{
	int id = shmget(IPC_PRIVATE, LEN, IPC_CREAT | 0600);
	char *p, *q;

	CHECK(id >= 0);
	p = shmat(id, NULL, 0);
	q = shmat(id, NULL, SHM_RDONLY);
	CHECK(p != (void *)-1 && q != (void *)-1);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
	over_fork("shmat", p);
	CHECK(matches(q, LEN, 2));
	printf("read only: %s\n", touch(q, true));
	CHECK(shmdt(q) == 0);
	printf("detached: %s\n", touch(q, false));
	SHOW((long)shmat(id, p, SHM_REMAP | SHM_RDONLY) == -1 ? -1 : 0);
	CHECK(shmdt(p) == 0);
}

static void memory_file(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	char *p, *q, *private;

	CHECK(fd >= 0 && ftruncate(fd, LEN) == 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, LEN / 2, PROT_READ, MAP_SHARED, fd, LEN / 2);
	private = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED && private != MAP_FAILED);
	over_fork("memfd", p);
	CHECK(memcmp(q, p + LEN / 2, LEN / 2) == 0 && memcmp(private, p, LEN) == 0);
	fill(private, LEN, 3);
	CHECK(matches(p, LEN, 2) && matches(private, LEN, 3));
	SHOW(msync(p, LEN, MS_SYNC));
	CHECK(ftruncate(fd, LEN / 2) == 0);
	printf("truncated: %s\n", touch(p + LEN / 2, false));
	CHECK(close(fd) == 0 && munmap(p, LEN) == 0 && munmap(q, LEN / 2) == 0);
	CHECK(munmap(private, LEN) == 0);
}

static void rearranged(void)
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	char *p;

	CHECK(fd >= 0 && ftruncate(fd, LEN) == 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < LEN / PAGE; i++)
		p[i * PAGE] = (char)i;
	for (size_t i = 0; i < 10; i++)
		CHECK(syscall(SYS_remap_file_pages, p + i * PAGE, PAGE, 0, 100 - i, 0) ==
		      0);
	for (size_t i = 0; i < 10; i++)
		CHECK(p[i * PAGE] == (char)(100 - i));
	CHECK(p[10 * PAGE] == 10);
	CHECK(close(fd) == 0 && munmap(p, LEN) == 0);
	puts("remap_file_pages");
}

static void on_disk(void)
{
	char name[] = "shared_maps.XXXXXX";
	char *p, *private;
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, LEN) == 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && private != MAP_FAILED);
	over_fork("file", p);
	CHECK(matches(private, LEN, 2));
	fill(private + LEN / 2, LEN / 2, 4);
	CHECK(madvise(private, LEN, MADV_DONTNEED) == 0);
	CHECK(matches(private, LEN, 2));
	CHECK(mprotect(p, LEN, PROT_READ) == 0);
	p = mremap(p, LEN, LEN / 2, 0);
	CHECK(p != MAP_FAILED && matches(p, LEN / 2, 2));
	CHECK(close(fd) == 0 && munmap(p, LEN / 2) == 0 && munmap(private, LEN) == 0);
}

/* The kernel maps a ring into the process: an area no mmap made. */
static void asynchronous_io(void)
{
	aio_context_t contexts[8] = { 0 };

	for (int i = 0; i < 8; i++)
		CHECK(syscall(SYS_io_setup, 32, &contexts[i]) == 0);
	for (int i = 7; i >= 0; i--)
		CHECK(syscall(SYS_io_destroy, contexts[i]) == 0);
	puts("io_setup");
}

int main(void)
{
	over_fork("anonymous", mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	system_v();
	memory_file();
	rearranged();
	on_disk();
	asynchronous_io();
	return 0;
}
