// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Clone-like calls through their sites: the child of each kind comes to life where it
 * would without us, on its own stack, with its registers, and the parent finds its own.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/patch/code.h"
#include "tests/patch/handlers.h"

static struct smm_stat stat;

static void setup(void)
{
	handlers_init();
	cr_assert_eq(patch_init(&stat), 0);
}

TestSuite(clone, .init = setup, .timeout = 20);

typedef long (*clone_fn)(unsigned long flags, void *stack, int *ptid, int *ctid);
typedef long (*clone3_fn)(struct clone_args *args, size_t size, int (*fn)(void *), void *,
			  void *arg);
typedef long (*syscall_fn)(long nr, ...);
typedef pid_t (*fork_fn)(void);

/* The tail of glibc's clone(): the child finds fn and arg on its stack. */
static clone_fn make_clone(struct code *c)
{
	uint8_t *at = c->p;

	CODE(c, 0x49, 0x89, 0xca); /* mov %rcx,%r10 */
	code_site(c, SYS_clone);
	CODE(c, 0x48, 0x85, 0xc0);	 /* test %rax,%rax */
	CODE(c, 0x74, 0x01, 0xc3);	 /* jz child; ret */
	CODE(c, 0x58, 0x5f, 0xff, 0xd0); /* child: pop %rax; pop %rdi; call *%rax */
	CODE(c, 0x89, 0xc7);		 /* mov %eax,%edi */
	CODE(c, 0xb8, SYS_exit, 0, 0, 0, 0x0f, 0x05);
	return (clone_fn)(void *)at;
}

/* The tail of glibc's __clone3(): the child finds fn in rdx, arg in r8. */
static clone3_fn make_clone3(struct code *c)
{
	uint8_t *at = c->p;

	code_site(c, SYS_clone3 & 0xff); /* the number's second byte follows */
	c->p -= 6;
	CODE(c, SYS_clone3 & 0xff, SYS_clone3 >> 8);
	c->p += 4;
	CODE(c, 0x48, 0x85, 0xc0);	       /* test %rax,%rax */
	CODE(c, 0x74, 0x01, 0xc3);	       /* jz child; ret */
	CODE(c, 0x4c, 0x89, 0xc7, 0xff, 0xd2); /* child: mov %r8,%rdi; call *%rdx */
	CODE(c, 0x89, 0xc7);		       /* mov %eax,%edi */
	CODE(c, 0xb8, SYS_exit, 0, 0, 0, 0x0f, 0x05);
	return (clone3_fn)(void *)at;
}

/* glibc's vfork(): the return address survives in rdi, because the child reuses the
 * stack. */
static fork_fn make_vfork(struct code *c)
{
	uint8_t *at = c->p;

	CODE(c, 0x5f);
	code_site(c, SYS_vfork);
	CODE(c, 0x57, 0xc3);
	return (fork_fn)(void *)at;
}

static fork_fn make_fork(struct code *c)
{
	uint8_t *at = code_site(c, SYS_fork);

	CODE(c, 0xc3);
	return (fork_fn)(void *)at;
}

static int wait_status(pid_t pid, int options)
{
	int status = -1;

	cr_assert_gt(pid, 0, "no child: %d", pid);
	cr_assert_eq(waitpid(pid, &status, options), pid);
	cr_assert(WIFEXITED(status), "child died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void check_seen(long nr, enum clone_class cls, long ret, int times)
{
	cr_assert_eq(seen->before, times);
	cr_assert_eq(seen->after, times);
	cr_assert_eq(seen->child, times);
	cr_assert_eq(seen->nr, nr);
	cr_assert_eq(seen->after_nr, nr);
	cr_assert_eq(seen->child_nr, nr);
	cr_assert_eq(seen->after_cls, (int)cls);
	cr_assert_eq(seen->child_cls, (int)cls);
	cr_assert_eq(seen->after_ret, ret);
}

/* The least stack a thread can run the child's hook on, with a guard page below. */
static void **small_stack(size_t size)
{
	uint8_t *at = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(at, MAP_FAILED);
	cr_assert_eq(mprotect(at, PAGE_SIZE, PROT_NONE), 0);
	return (void **)(void *)(at + PAGE_SIZE + size);
}

static int return_arg(void *arg)
{
	return (int)(long)arg;
}

static pid_t clone_on(clone_fn fn, unsigned long flags, void **stack, long arg)
{
	stack[-1] = (void *)arg;
	stack[-2] = (void *)return_arg;
	return (pid_t)fn(flags, stack - 2, NULL, NULL);
}

static void check_clone(enum where where)
{
	struct code c = code_new(where, 1);
	clone_fn fn = make_clone(&c);
	pid_t pid;

	cr_assert_eq(code_patch(&c), 2); /* and the exit of the child */
	pid = clone_on(fn, CLONE_VM | SIGCHLD, small_stack(1024), 7);
	cr_assert_eq(wait_status(pid, 0), 7);
	check_seen(SYS_clone, CLONE_CLASS_VM, pid, 1);
	pid = clone_on(fn, CLONE_VM | CLONE_VFORK | SIGCHLD, small_stack(1024), 8);
	cr_assert_eq(wait_status(pid, 0), 8);
	check_seen(SYS_clone, CLONE_CLASS_VM, pid, 2);
	pid = clone_on(fn, SIGCHLD, small_stack(1024), 9);
	cr_assert_eq(wait_status(pid, 0), 9);
	check_seen(SYS_clone, CLONE_CLASS_FORK, pid, 3);
	code_free(&c);
}

Test(clone, clone_near)
{
	check_clone(NEAR);
}

Test(clone, clone_far)
{
	check_clone(FAR);
}

Test(clone, thread)
{
	const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				    CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	struct code c = code_new(NEAR, 1);
	clone_fn fn = make_clone(&c);
	void **stack = small_stack(1024);
	int tid = 1;
	long ret;

	cr_assert_eq(code_patch(&c), 2); /* and the exit of the child */
	stack[-1] = (void *)3L;
	stack[-2] = (void *)return_arg;
	ret = fn(flags, stack - 2, NULL, &tid);
	cr_assert_gt(ret, 0);
	while (__atomic_load_n(&tid, __ATOMIC_ACQUIRE)) /* the kernel clears it at exit */
		syscall(SYS_futex, &tid, 0 /* FUTEX_WAIT */, 1, NULL);
	check_seen(SYS_clone, CLONE_CLASS_THREAD, ret, 1);
	cr_assert_eq(seen->users, -1);
}

/* glibc's end of a thread, with a nop of any length before the loop. */
static clone_fn make_exit_loop(struct code *c, uint8_t mov, uint8_t copy)
{
	uint8_t *at = c->p;

	CODE(c, mov, SYS_exit, 0, 0, 0);
	CODE(c, 0x0f, 0x1f, 0x80, 0, 0, 0, 0);			 /* nopl 0(%rax) */
	CODE(c, 0x31, 0xff, 0x89, copy, 0x0f, 0x05, 0xeb, 0xf8); /* 1: ... jmp 1b */
	return (clone_fn)(void *)at;
}

static void exit_through(enum where where, uint8_t mov, uint8_t copy)
{
	struct code c = code_new(where, 1);
	clone_fn fn = make_exit_loop(&c, mov, copy);
	int status;
	pid_t pid;

	cr_assert_eq(code_patch(&c), 1);
	seen->users = 5;
	pid = fork();
	if (pid == 0) {
		fn(0, NULL, NULL, NULL);
		_exit(9);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(seen->users, 4);
}

Test(clone, exit_loop_near)
{
	exit_through(NEAR, 0xba, 0xd0); /* edx */
}

Test(clone, exit_loop_far)
{
	exit_through(FAR, 0xbb, 0xd8); /* ebx */
}

/* Another register than the one that is used, another number: not ours to count. */
Test(clone, no_exit_loop)
{
	struct code c = code_new(NEAR, 1);

	make_exit_loop(&c, 0xba, 0xc8);
	c.p[-19] = SYS_exit + 1;
	cr_assert_eq(code_patch(&c), 0);
}

Test(clone, refused)
{
	struct code c = code_new(NEAR, 1);
	clone_fn fn = make_clone(&c);

	cr_assert_eq(code_patch(&c), 2); /* and the exit of the child */
	cr_assert_eq(fn(CLONE_THREAD, small_stack(1024), NULL, NULL), -EINVAL);
	cr_assert_eq(seen->before, 1);
	cr_assert_eq(seen->after, 1);
	cr_assert_eq(seen->after_ret, -EINVAL);
	cr_assert_eq(seen->child, 0);
}

static void check_clone3(enum where where)
{
	struct code c = code_new(where, 1);
	clone3_fn fn = make_clone3(&c);
	void **top = small_stack(1024);
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK,
		.exit_signal = SIGCHLD,
		.stack = (unsigned long)top - 1024,
		.stack_size = 1024,
	};
	pid_t pid;

	cr_assert_eq(code_patch(&c), 2); /* and the exit of the child */
	pid = (pid_t)fn(&args, sizeof(args), return_arg, NULL, (void *)11L);
	cr_assert_eq(wait_status(pid, 0), 11);
	check_seen(SYS_clone3, CLONE_CLASS_VM, pid, 1);
	code_free(&c);
}

Test(clone, clone3_near)
{
	check_clone3(NEAR);
}

Test(clone, clone3_far)
{
	check_clone3(FAR);
}

/* Overwrites the stack as the child of vfork() may, deeper than any frame of ours. */
__attribute__((noinline)) static int scribble(void)
{
	volatile char junk[8192];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (char)0xee;
	return junk[17] & 1;
}

/* Small and apart, so that nothing of the parent's lies in a slot the child writes. */
__attribute__((noinline)) static pid_t vfork_exit(fork_fn fn, int code)
{
	const pid_t pid = fn();

	if (pid == 0)
		_exit(code + scribble());
	return pid;
}

static void check_vfork(enum where where)
{
	struct code c = code_new(where, 1);
	fork_fn fn = make_vfork(&c);
	volatile long witness = 0x1234;
	pid_t pid;

	cr_assert_eq(code_patch(&c), 1);
	for (int i = 1; i <= 3; i++) {
		pid = vfork_exit(fn, 20);
		cr_assert_eq(wait_status(pid, 0), 20);
		cr_assert_eq(witness, 0x1234);
		check_seen(SYS_vfork, CLONE_CLASS_VM, pid, i);
	}
	code_free(&c);
}

Test(clone, vfork_near)
{
	check_vfork(NEAR);
}

Test(clone, vfork_far)
{
	check_vfork(FAR);
}

Test(clone, fork)
{
	struct code c = code_new(NEAR, 1);
	fork_fn fn = make_fork(&c);
	pid_t pid;

	cr_assert_eq(code_patch(&c), 1);
	pid = fn();
	if (pid == 0)
		_exit(33);
	cr_assert_eq(wait_status(pid, 0), 33);
	check_seen(SYS_fork, CLONE_CLASS_FORK, pid, 1);
}

static void check_generic(enum where where)
{
	struct code c = code_new(where, 1);
	syscall_fn fn = (syscall_fn)(void *)code_syscall_function(&c);
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	cr_assert_eq(code_patch(&c), 1);
	pid = (pid_t)fn(SYS_fork);
	if (pid == 0)
		_exit(1);
	cr_assert_eq(wait_status(pid, 0), 1);
	check_seen(SYS_fork, CLONE_CLASS_FORK, pid, 1);
	pid = (pid_t)fn(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (pid == 0)
		_exit(2);
	cr_assert_eq(wait_status(pid, 0), 2);
	check_seen(SYS_clone, CLONE_CLASS_FORK, pid, 2);
	pid = (pid_t)fn(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(3);
	cr_assert_eq(wait_status(pid, 0), 3);
	check_seen(SYS_clone3, CLONE_CLASS_FORK, pid, 3);
	cr_assert_eq(fn(SYS_clone, (long)CLONE_THREAD, 0L, 0L, 0L, 0L), -EINVAL);
	code_free(&c);
}

Test(clone, generic_near)
{
	check_generic(NEAR);
}

Test(clone, generic_far)
{
	check_generic(FAR);
}

/* A signal frame lands where the parent's registers would have been kept. */
static void on_signal(int sig)
{
	(void)sig;
	scribble();
}

Test(clone, under_signals)
{
	struct code c = code_new(NEAR, 1);
	fork_fn fn = make_vfork(&c);
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerspec fast = { { 0, 50000 }, { 0, 50000 } };
	timer_t timer;

	cr_assert_eq(code_patch(&c), 1);
	sigaction(SIGALRM, &act, NULL);
	cr_assert_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &fast, NULL), 0);
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(wait_status(vfork_exit(fn, i & 63), 0), i & 63);
	}
	timer_delete(timer);
	cr_assert_eq(seen->child, 200);
}
