// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a patched site costs: the same calls through libc and by an instruction of our
 * own, interleaved. Run it under preload_count.so; alone it shows the noise.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15
#define CALLS  20000

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static void raw_munmap(void)
{
	raw(SYS_munmap, 1, 1, 0, 0, 0, 0);
}

static void libc_munmap(void)
{
	munmap((void *)1, 1);
}

static void raw_pair(void)
{
	long at = raw(SYS_mmap, 0, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	raw(SYS_munmap, at, 65536, 0, 0, 0, 0);
}

static void libc_pair(void)
{
	void *at = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(at, 65536);
}

static void raw_getppid(void)
{
	raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

static void libc_getppid(void)
{
	syscall(SYS_getppid);
}

static void libc_syscall_munmap(void)
{
	syscall(SYS_munmap, 1, 1);
}

static double once(void (*fn)(void))
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CALLS; i++)
		fn();
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
	       CALLS;
}

static void compare(const char *what, void (*plain)(void), void (*libc)(void))
{
	double p = 1e9, l = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double t = once(plain);

		p = t < p ? t : p;
		t = once(libc);
		l = t < l ? t : l;
	}
	printf("%-28s raw %7.1f ns   libc %7.1f ns   %+6.1f ns  x%.2f\n", what, p, l,
	       l - p, l / p);
}

int main(void)
{
	compare("munmap (EINVAL)", raw_munmap, libc_munmap);
	compare("mmap + munmap of 64 KiB", raw_pair, libc_pair);
	compare("syscall(getppid), unwanted", raw_getppid, libc_getppid);
	compare("syscall(munmap) (EINVAL)", raw_munmap, libc_syscall_munmap);
	return 0;
}
