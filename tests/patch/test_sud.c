// SPDX-License-Identifier: LGPL-2.1-or-later
/* Syscall User Dispatch: what bytes cannot find is caught, exactly and everywhere. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/hook/patch.h"
#include "lib/hook/sud.h"
#include "lib/hook/table.h"
#include "tests/patch/code.h"
#include "tests/patch/handlers.h"
#include "tests/patch/probe.h"

#define SIGSYS_IN(set) ((set) >> (SIGSYS - 1) & 1)

static struct smm_stat stat;

struct hull {
	unsigned long start, end;
};

static int add_glibc(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct hull *hull = arg;

	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so.6") &&
	    !strstr(info->dlpi_name, "/ld-linux"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		unsigned long at = PAGE_MASK & (info->dlpi_addr + ph->p_vaddr);
		unsigned long end =
			PAGE_ALIGN(info->dlpi_addr + ph->p_vaddr + ph->p_memsz);

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		hull->start = min(hull->start, at);
		hull->end = max(hull->end, end);
		cr_assert_geq(patch_range(at, end, PROT_READ | PROT_EXEC), 0);
	}
	return 0;
}

static void setup(void)
{
	struct hull hull = { ~0UL, 0 };

	handlers_init();
	hook_want_signals();
	cr_assert_eq(patch_init(&stat), 0);
	dl_iterate_phdr(add_glibc, &hull);
	cr_assert_gt(stat.sites, 20);
	sud_include_own_text(&hull.start, &hull.end);
	cr_assert_eq(sud_start(hull.start, hull.end, &stat), 0);
	cr_assert(sud_active());
}

TestSuite(sud, .init = setup, .timeout = 20);

/*
 * syscall() as the scanner does not know it, far away. Outside the hull of our text and
 * glibc, because that lies between 0x55... and 0x7f...
 */
static struct code foreign;

static long (*make_foreign(void))(long, ...)
{
	foreign = code_new(FAR, 1);
	uint8_t *at = code_syscall_function(&foreign);

	at[0] = 0x90; /* nop; mov %edi,%eax */
	at[1] = 0x89;
	at[2] = 0xf8;
	code_finish(&foreign);
	return (long (*)(long, ...))(void *)at;
}

Test(sud, calls)
{
	long (*fn)(long, ...) = make_foreign();
	int calls = seen->calls;

	cr_assert_eq(fn(SYS_getpid), getpid());
	cr_assert_eq(stat.sud_traps, 1);
	cr_assert_eq(fn(500L), -ENOSYS);
	cr_assert_eq(seen->calls, calls);
	cr_assert_eq(fn(SYS_munmap, 1L, 1L), -EINVAL);
	cr_assert_eq(seen->calls, calls + 1);
	cr_assert_eq(seen->nr, SYS_munmap);
	cr_assert_eq(seen->site.addr, foreign.start + 23);
	cr_assert_eq(stat.sud_traps, 3);
	getppid(); /* libc's are in the range */
	cr_assert_eq(stat.sud_traps, 3);
}

static void check_registers(long nr, long result)
{
	struct code c = code_new(FAR, 1);
	struct probe p = { 0 }, want;

	CODE(&c, 0x0f, 0x05);
	code_jmp(&c, probe_back);
	code_finish(&c);
	for (int i = 0; i < 16; i++) {
		p.r[i] = 0x0101010101010101UL * (uint64_t)i + 1;
		p.red_zone[i] = ~(uint64_t)i;
		p.xmm[i][0] = p.xmm[i][1] = 0x7700000000000000UL + (uint64_t)i;
	}
	p.flags = 0x202 | 0x801;
	p.r[RAX] = (uint64_t)nr;
	p.r[RDI] = 0;
	p.r[RSP] = 515;
	want = p;
	probe_run((void *)c.start, &p);
	want.r[RSP] = 0;
	cr_assert_eq((long)p.r[RAX], result);
	want.r[RAX] = p.r[RAX];
	want.r[RCX] = p.r[RCX];
	want.r[R11] = p.r[R11];
	for (int i = 0; i < 16; i++)
		cr_assert_eq(p.r[i], want.r[i], "register %d", i);
	cr_assert_eq(memcmp(p.red_zone, want.red_zone, sizeof(p.red_zone)), 0);
	cr_assert_eq(memcmp(p.xmm, want.xmm, sizeof(p.xmm)), 0);
	cr_assert_eq(p.flags & 0xcd5, want.flags & 0xcd5);
	code_free(&c);
}

Test(sud, registers)
{
	check_registers(SYS_getppid, getppid());
	check_registers(SYS_munmap, -EINVAL);
	check_registers(SYS_rt_sigaction, -EINVAL);
}

/* Each set of the program that holds SIGSYS, by libc and by a trapped call. */
Test(sud, sigsys_is_never_blocked)
{
	long (*fn)(long, ...) = make_foreign();
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} act = { 0 }, back = { 0 };
	uint64_t all = ~0UL, now = 0;
	sigset_t full;

	sigfillset(&full);
	cr_assert_eq(sigprocmask(SIG_BLOCK, &full, NULL), 0);
	cr_assert_eq(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8), 0);
	cr_assert_eq(SIGSYS_IN(now), 0);
	cr_assert_neq(now, 0);
	cr_assert_eq(fn(SYS_rt_sigprocmask, (long)SIG_SETMASK, &all, NULL, 8L), 0);
	cr_assert_eq(fn(SYS_rt_sigprocmask, (long)SIG_BLOCK, NULL, &now, 8L), 0);
	cr_assert_eq(SIGSYS_IN(now), 0);
	cr_assert_neq(now & 1UL << (SIGUSR1 - 1), 0, "the other signals are blocked");
	act.handler = SIG_IGN;
	act.mask = ~0UL;
	cr_assert_eq(fn(SYS_rt_sigaction, (long)SIGUSR1, &act, NULL, 8L), 0);
	cr_assert_eq(fn(SYS_rt_sigaction, (long)SIGUSR1, NULL, &back, 8L), 0);
	cr_assert_eq(SIGSYS_IN(back.mask), 0);
	cr_assert_eq(back.handler, SIG_IGN);
	cr_assert_eq(fn(SYS_getpid), getpid(), "still alive");
}

Test(sud, bad_addresses_give_efault)
{
	long (*fn)(long, ...) = make_foreign();

	cr_assert_eq(fn(SYS_rt_sigprocmask, (long)SIG_BLOCK, 8L, NULL, 8L), -EFAULT);
	cr_assert_eq(fn(SYS_rt_sigaction, (long)SIGUSR1, 8L, NULL, 8L), -EFAULT);
	cr_assert_eq(fn(SYS_rt_sigaction, (long)SIGSYS, 8L, NULL, 8L), -EFAULT);
	cr_assert_eq(fn(SYS_rt_sigaction, (long)SIGSYS, NULL, 8L, 8L), -EFAULT);
	cr_assert_eq(fn(SYS_rt_sigprocmask, 77L, NULL, NULL, 4L), -EINVAL);
}

static volatile sig_atomic_t got;

static void on_sigsys(int sig, siginfo_t *info, void *ucontext)
{
	(void)ucontext;
	got = sig == SIGSYS && info->si_code == SI_USER;
}

/* The program has its own SIGSYS: it reads back what it set, and is told of foreign ones.
 */
Test(sud, program_keeps_its_sigsys)
{
	struct sigaction act = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO }, old;
	long (*fn)(long, ...) = make_foreign();

	cr_assert_eq(sigaction(SIGSYS, &act, &old), 0);
	cr_assert_eq(old.sa_handler, SIG_DFL);
	cr_assert_eq(sigaction(SIGSYS, NULL, &old), 0);
	cr_assert_eq(old.sa_sigaction, on_sigsys);
	cr_assert_eq(kill(getpid(), SIGSYS), 0);
	cr_assert_eq(got, 1);
	cr_assert_eq(fn(SYS_getpid), getpid());
}

Test(sud, foreign_sigsys_kills, .signal = SIGSYS)
{
	kill(getpid(), SIGSYS);
}

static void *thread_calls(void *arg)
{
	long (*fn)(long, ...) = arg;

	return (void *)fn(SYS_gettid);
}

Test(sud, threads_and_children_are_armed)
{
	long (*fn)(long, ...) = make_foreign();
	unsigned long traps = stat.sud_traps;
	pthread_t t;
	void *ret;
	int status;
	pid_t pid;

	cr_assert_eq(pthread_create(&t, NULL, thread_calls, (void *)fn), 0);
	cr_assert_eq(pthread_join(t, &ret), 0);
	cr_assert_gt((long)ret, getpid());
	cr_assert_eq(stat.sud_traps, traps + 1);
	pid = fork();
	if (pid == 0) {
		traps = stat.sud_traps;
		_exit(fn(SYS_getpid) == getpid() && stat.sud_traps == traps + 1 ? 5 : 6);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 5);
}

/* Clone-like calls continue in a thunk of their own. */
Test(sud, trapped_fork)
{
	long (*fn)(long, ...) = make_foreign();
	struct clone_args args = { .exit_signal = SIGCHLD };
	int status, before = seen->before;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		pid = (pid_t)(i & 1 ? fn(SYS_fork) : fn(SYS_clone3, &args, sizeof(args)));
		if (pid == 0)
			_exit(fn(SYS_getppid) == getppid() ? 7 : 8);
		cr_assert_gt(pid, 0);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(WEXITSTATUS(status), 7);
	}
	cr_assert_eq(seen->before, before + 4);
	cr_assert_eq(seen->child, before + 4);
}

static long (*handler_fn)(long, ...);
static volatile long in_handler;

static void on_usr1(int sig)
{
	(void)sig;
	in_handler = handler_fn(SYS_getpid);
}

/* rt_sigreturn itself from outside the range: a restorer that is not libc's. */
Test(sud, foreign_sigreturn)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} act = { .handler = (void *)on_usr1, .flags = 0x04000000 /* SA_RESTORER */ };
	struct code c = code_new_at(0x0f0000000000UL, 1);

	handler_fn = make_foreign();
	act.restorer = c.p;
	CODE(&c, 0x48, 0xc7, 0xc0, SYS_rt_sigreturn, 0, 0, 0, 0x0f, 0x05);
	code_finish(&c);
	cr_assert_eq(syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8), 0);
	for (int i = 0; i < 10; i++) {
		in_handler = 0;
		raise(SIGUSR1);
		cr_assert_eq(in_handler, getpid());
	}
}

/* The SIGSYS handler runs there when the program has one; the call must not notice. */
Test(sud, alternate_stack)
{
	long (*fn)(long, ...) = make_foreign();
	static char stack[65536], stack2[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	stack_t ss2 = { .ss_sp = stack2, .ss_size = sizeof(stack2) };

	cr_assert_eq(fn(SYS_sigaltstack, &ss, NULL), 0);
	cr_assert_eq(fn(SYS_getpid), getpid());
	cr_assert_eq(fn(SYS_munmap, 1L, 1L), -EINVAL);
	cr_assert_eq(fn(SYS_sigaltstack, &ss2, &old), 0, "not EPERM: not on that stack");
	cr_assert_eq(old.ss_sp, stack);
	cr_assert_eq(fn(SYS_sigaltstack, NULL, &old), 0);
	cr_assert_eq(old.ss_sp, stack2);
	cr_assert_eq(fn(SYS_getpid), getpid());
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A blocking call that is interrupted behaves by the flags of the handler that did it. */
Test(sud, interrupted_call)
{
	long (*fn)(long, ...) = make_foreign();
	struct sigaction act = { .sa_handler = on_alarm };
	int fds[2];
	char byte;

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(sigaction(SIGALRM, &act, NULL), 0);
	ualarm(20000, 20000); /* again, should the first come before read() */
	cr_assert_eq(fn(SYS_read, (long)fds[0], &byte, 1L), -EINTR);
}

Test(sud, int80)
{
	struct code c = code_new(FAR, 1);
	long (*fn)(void) = (long (*)(void))(void *)c.p;

	CODE(&c, 0x53);				 /* push %rbx */
	CODE(&c, 0xb8, 20, 0, 0, 0, 0xcd, 0x80); /* mov $__NR_getpid(i386),%eax */
	CODE(&c, 0x5b, 0xc3);			 /* pop %rbx; ret */
	code_finish(&c);
	if (access("/proc/sys/abi/vsyscall32", F_OK))
		cr_skip("no 32-bit system calls in this kernel");
	cr_assert_eq(fn(), getpid());
}
