// SPDX-License-Identifier: LGPL-2.1-or-later
/* Failing calls fail with the kernel's errno and change nothing. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define LEN (256 * KIB)
#define MAP(addr, len, prot, flags, fd, off) \
	(mmap(addr, len, prot, flags, fd, off) == MAP_FAILED ? -1 : 0)

static char *p;

static void mmaps(void)
{
	int rdonly = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY);
	int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

	SHOW(MAP(NULL, 0, PROT_READ, anonymous, -1, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_ANONYMOUS, -1, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_PRIVATE, -1, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_PRIVATE, 999, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_PRIVATE, rdonly, 1));
	SHOW(MAP(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, rdonly, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_PRIVATE, dir, 0));
	SHOW(MAP(NULL, 1UL << 62, PROT_READ, anonymous, -1, 0));
	SHOW(MAP(NULL, (size_t)-1, PROT_READ, anonymous, -1, 0));
	SHOW(MAP(p + 1, LEN, PROT_READ, anonymous | MAP_FIXED, -1, 0));
	SHOW(MAP((void *)0x7ffffffff000, LEN, PROT_READ, anonymous | MAP_FIXED, -1, 0));
	SHOW(MAP(p, LEN, PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0));
	SHOW(MAP(NULL, LEN, PROT_READ, MAP_SHARED_VALIDATE | (1 << 30), rdonly, 0));
	SHOW(MAP(NULL, 0x1000, PROT_READ,
		 anonymous | MAP_HUGETLB | (63 << MAP_HUGE_SHIFT), -1, 0));
	CHECK(close(rdonly) == 0 && close(dir) == 0);
}

static void others(void)
{
	aio_context_t context = 1;

	SHOW(munmap(p + 1, LEN));
	SHOW(munmap(p, 0));
	SHOW(munmap(p, (size_t)-1));
	SHOW(munmap((void *)-PAGE, PAGE));
	SHOW(mincore(p + 1, PAGE, (unsigned char *)p));
	SHOW(mincore(p, PAGE, (unsigned char *)1));
	SHOW(msync(p + 1, PAGE, MS_SYNC));
	SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(p, PAGE, 64));
	SHOW(mlock((void *)-PAGE, 2 * PAGE));
	SHOW(shmdt(p));
	SHOW(shmat(-1, NULL, 0));
	SHOW(syscall(SYS_remap_file_pages, p, PAGE, 0, 0, 0));
	SHOW(syscall(SYS_io_setup, 1, &context));
	SHOW(syscall(SYS_io_destroy, 12345UL));
	SHOW(syscall(SYS_mprotect, p, PAGE, -1L));
	SHOW(syscall(99999));
}

/* The raw call returns the break it has instead of an error. */
static void breaks(void)
{
	long now = syscall(SYS_brk, 0);

	CHECK(syscall(SYS_brk, 1) == now);
	CHECK(syscall(SYS_brk, -1L) == now);
	CHECK(syscall(SYS_brk, now) == now);
	SHOW(brk((void *)1));
	SHOW((long)sbrk(1L << 62));
	CHECK(syscall(SYS_brk, 0) == now);
}

static void clones(void)
{
	SHOW(syscall(SYS_clone, 0x00010000UL, NULL, NULL, NULL, 0)); /* THREAD alone */
	SHOW(syscall(SYS_clone3, NULL, 64));
	SHOW(syscall(SYS_clone3, p, 8));
	SHOW(syscall(SYS_clone3, (void *)1, 64));
}

int main(void)
{
	p = anon(LEN);
	fill(p, LEN, 1);
	mmaps();
	others();
	breaks();
	clones();
	CHECK(matches(p, LEN, 1));
	return 0;
}
