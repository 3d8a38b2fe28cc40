// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Holds still to be looked at: says "ready", then obeys one byte on standard input at a
 * time and answers with a line; ends at the end of its input.
 */
#include "tests/preload/common.h"

#include <sys/syscall.h>

/* Known to looking.c too. */
#define KNOWN	((char *)0x200000000000)
#define DRIFTED ((char *)0x210000000000)
#define LEN	(4 * MIB)
#define SPARSE	(64 * MIB)

/* No site to patch: the number is not an immediate next to the instruction. */
static long unseen_mmap(char *addr)
{
	static volatile long number = SYS_mmap;
	long ret = number;
	register long r10 __asm__("r10") =
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	register long r8 __asm__("r8") = -1;
	register long r9 __asm__("r9") = 0;

	__asm__ volatile("nop; nop; nop; nop; syscall"
			 : "+a"(ret)
			 : "D"(addr), "S"(LEN), "d"(PROT_READ | PROT_WRITE), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static void use_memory(char *p)
{
	fill(p, LEN / 2, 1);
	CHECK(matches(p, LEN / 2, 1) && all_zero(p + LEN / 2, PAGE));
}

/* Write to every @step-th page of fresh memory, from some page on. It stays. */
static void touch_some(size_t step)
{
	volatile char *p = anon(SPARSE);
	size_t first = (size_t)getpid() % step;

	for (size_t i = first; i < SPARSE / PAGE; i += step)
		p[i * PAGE] = 1;
}

static const char *obey(int command)
{
	char *p;

	switch (command) {
	case 'd':
		CHECK(unseen_mmap(DRIFTED) == (long)DRIFTED);
		return "drifted";
	case 'u':
		use_memory(DRIFTED);
		return "used";
	case 'n':
		p = anon(LEN);
		use_memory(p);
		CHECK(mprotect(p, MIB, PROT_READ) == 0 && munmap(p, LEN) == 0);
		return "new memory";
	case '4':
		touch_some(4);
		return "every 4th page";
	case 'a':
		touch_some(1);
		return "all pages";
	case '1':
		touch_some(SPARSE / PAGE);
		return "one page";
	default:
		return "what?";
	}
}

int main(void)
{
	int command;
	char byte;

	CHECK(mmap(KNOWN, LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == KNOWN);
	use_memory(KNOWN);
	CHECK(mprotect(KNOWN + 3 * MIB, PAGE, PROT_NONE) == 0);
	/*
	 * Whoever looks waits for the engine to be the last to close standard error. It
	 * must have its copy by then: a call that stopped at a hole is looked at by the
	 * engine, so it has left our descriptor table when this one returns.
	 */
	CHECK(mprotect(KNOWN - PAGE, 2 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
	CHECK(close(2) == 0);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) == 1) {
		command = byte;
		puts(obey(command));
		fflush(stdout);
	}
	return 0;
}
