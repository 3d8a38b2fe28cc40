// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Address-space calls from the program's own instructions, with the number in a register
 * that was loaded far away: only dispatch sees them, so only with it are they no drift.
 */
#include "tests/preload/common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#define LEN    (2 * MIB)
#define ROUNDS 50

static __attribute__((noinline)) long unseen(volatile const long *number, long a, long b,
					     long c, long d)
{
	long ret = *number;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = -1;
	register long r9 __asm__("r9") = 0;

	__asm__ volatile("nop; nop; nop; nop; syscall"
			 : "+a"(ret)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define UNSEEN(name, a, b, c, d)                                             \
	({                                                                   \
		static volatile const long number = SYS_##name;              \
		unseen(&number, (long)(a), (long)(b), (long)(c), (long)(d)); \
	})

#define RW (PROT_READ | PROT_WRITE)

static void use_area(void)
{
	char *p = (char *)UNSEEN(mmap, 0, LEN, RW, MAP_PRIVATE | MAP_ANONYMOUS);

	CHECK((long)p > 0);
	fill(p, LEN, 1);
	CHECK(UNSEEN(mprotect, p, PAGE, PROT_NONE, 0) == 0);
	CHECK(UNSEEN(madvise, p + MIB, MIB, MADV_DONTNEED, 0) == 0);
	CHECK(all_zero(p + MIB, MIB));
	p = (char *)UNSEEN(mremap, p + MIB, MIB, LEN, MREMAP_MAYMOVE);
	CHECK((long)p > 0 && all_zero(p, LEN));
	fill(p, LEN, 2);
	CHECK(matches(p, LEN, 2));
	CHECK(UNSEEN(munmap, p, LEN, 0, 0) == 0);
}

static void leave_areas(void)
{
	char *p = (char *)UNSEEN(mmap, 0, 2 * LEN, RW, MAP_PRIVATE | MAP_ANONYMOUS);

	CHECK((long)p > 0);
	fill(p, LEN, 3);
	CHECK(UNSEEN(munmap, p + MIB, MIB, 0, 0) == 0);
}

static void *thread(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		use_area();
	leave_areas();
	return arg;
}

static void on_signal(int sig)
{
	(void)sig;
	use_area();
}

static void child(void)
{
	use_area();
	leave_areas();
}

int main(void)
{
	pthread_t ids[4];

	printf("mmap without length: %ld\n",
	       UNSEEN(mmap, 0, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS));
	printf("munmap of nothing: %ld\n", UNSEEN(munmap, 1, PAGE, 0, 0));
	printf("no such call: %ld\n", unseen(&(const long){ 9999 }, 0, 0, 0, 0));
	use_area();
	leave_areas();
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&ids[i], NULL, thread, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(ids[i], NULL) == 0);
	CHECK(signal(SIGUSR1, on_signal) != SIG_ERR && raise(SIGUSR1) == 0);
	CHECK(UNSEEN(kill, getpid(), SIGUSR1, 0, 0) == 0);
	in_child("child", child);
	return 0;
}
