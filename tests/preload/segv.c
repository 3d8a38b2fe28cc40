// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which signal, code and address an illegal access brings; death by one not handled. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <signal.h>

#define LEN (1 * MIB)

static void show(const char *what, void *p)
{
	printf("%-24s read %s, ", what, touch(p, false));
	printf("write %s\n", touch(p, true));
}

static void anonymous(void)
{
	char *p = anon(3 * LEN);

	CHECK(munmap(p + LEN, LEN) == 0);
	show("hole", p + LEN);
	show("end of hole", p + 2 * LEN - 1);
	show("before hole", p + LEN - 1);
	show("behind hole", p + 2 * LEN);
	CHECK(mprotect(p, LEN, PROT_READ) == 0);
	show("read only, touched", p + LEN - 1);
	show("read only, untouched", p);
	CHECK(mprotect(p, LEN, PROT_NONE) == 0);
	show("none", p + 123);
	CHECK(munmap(p, 3 * LEN) == 0);
	show("unmapped", p);
}

static void elsewhere(void)
{
	show("null", NULL);
	show("low", (void *)0x10);
	show("text", (void *)(unsigned long)show);
	show("constant", (void *)(unsigned long)"constant");
	show("not canonical", (void *)0x8000000000000000UL);
	show("kernel", (void *)0xffffffff81000000UL);
}

static void beyond_file(void)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char *p;

	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	show("in the file", p);
	show("beyond the file", p + PAGE);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	show("beyond, private", p + PAGE + 5);
	CHECK(close(fd) == 0);
}

/* A handler that repairs: the access is repeated and succeeds. */
static char *repairable;

static void repair(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (info->si_code != SEGV_ACCERR ||
	    (char *)info->si_addr != repairable + 5 * PAGE)
		_exit(9);
	if (mprotect(repairable, LEN, PROT_READ | PROT_WRITE))
		_exit(8);
}

static void repaired(void)
{
	struct sigaction sa = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };

	repairable = anon_with(LEN, PROT_NONE, 0);
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	*(volatile char *)(repairable + 5 * PAGE) = 4;
	CHECK(repairable[5 * PAGE] == 4 && repairable[6 * PAGE] == 0);
	CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
	puts("repaired");
}

static void die_unmapped(void)
{
	char *p = anon(LEN);

	CHECK(munmap(p, LEN) == 0);
	*(volatile char *)p = 1;
}

static void die_read_only(void)
{
	*(volatile char *)anon_with(LEN, PROT_READ, 0) = 1;
}

static void die_blocked(void)
{
	sigset_t set;

	sigfillset(&set);
	CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	fill(anon(LEN), LEN, 1); /* our faults need no signal */
	die_unmapped();
}

static void die_aborting(void)
{
	abort();
}

int main(void)
{
	anonymous();
	elsewhere();
	beyond_file();
	repaired();
	in_child("unmapped", die_unmapped);
	in_child("read only", die_read_only);
	in_child("signals blocked", die_blocked);
	in_child("abort", die_aborting);
	return 0;
}
