// SPDX-License-Identifier: LGPL-2.1-or-later
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>
#include <linux/audit.h>
#include <linux/uio.h>

#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/patch_site.h"
#include "lib/hook/sud.h"
#include "lib/hook/table.h"
#include "lib/hook/thunk.h"
#include "lib/sys/sys.h"

#define SIGSYS_BIT (1UL << (SIGSYS - 1))
#define RED_ZONE   128

/* entry.S: where a trapped call goes on. */
extern const char sud_plain[], sud_signal[], sud_int80[];
void sud_sigreturn(void);

/* What the handler pushes for them, below the red zone. */
struct sud_frame {
	unsigned long ret; /* behind the program's syscall instruction */
	u64 pad[2];
};
_Static_assert(sizeof(struct sud_frame) - 8 + RED_ZONE == SUD_FRAME, "entry.S");

static struct {
	bool on;
	unsigned long start, end; /* calls from here do not trap */
	struct smm_stat *stat;
	struct sigaction program; /* what the program believes SIGSYS does */
} sud;

/* The kernel reads it on every call from outside the range; never changes. */
static char selector = SYSCALL_DISPATCH_FILTER_BLOCK;

bool sud_active(void)
{
	return sud.on;
}

int sud_arm(void)
{
	if (!sud.on)
		return 0;
	return (int)sys_prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, sud.start,
			      sud.end - sud.start, &selector);
}

/* --- the signal calls -------------------------------------------------------------- */

/* Bad addresses must give EFAULT as without us, so the kernel does the copying. */
static long copy_program(long nr, void *ours, unsigned long theirs, size_t len)
{
	struct iovec local = { ours, len }, remote = { (void *)theirs, len };
	long ret = sys_call6(nr, sys_getpid(), (unsigned long)&local, 1,
			     (unsigned long)&remote, 1, 0);

	return ret == (long)len ? 0 : ret < 0 ? ret : -EFAULT;
}

#define read_program(to, from) \
	copy_program(__NR_process_vm_readv, to, from, sizeof(*(to)))
#define write_program(to, from) \
	copy_program(__NR_process_vm_writev, from, to, sizeof(*(from)))

static long own_call(long nr, const unsigned long *a, unsigned long arg1)
{
	return sys_call6(nr, a[0], arg1, a[2], a[3], a[4], a[5]);
}

static long call_sigprocmask(const unsigned long *a)
{
	u64 set;
	long ret;

	if (!a[1] || a[0] == SIG_UNBLOCK || a[3] != sizeof(set))
		return own_call(__NR_rt_sigprocmask, a, a[1]);
	ret = read_program(&set, a[1]);
	if (ret)
		return ret;
	set &= ~SIGSYS_BIT;
	return own_call(__NR_rt_sigprocmask, a, (unsigned long)&set);
}

/* Not atomic against another thread that sets the action of SIGSYS at the same time. */
static long call_sigaction_sigsys(const unsigned long *a)
{
	struct sigaction act = sud.program, old = sud.program;
	long ret = 0;

	if (a[1])
		ret = read_program(&act, a[1]);
	if (!ret && a[2])
		ret = write_program(a[2], &old);
	if (!ret)
		sud.program = act;
	return ret;
}

static long call_sigaction(const unsigned long *a)
{
	struct sigaction act;
	long ret;

	if (a[3] != sizeof(act.sa_mask))
		return own_call(__NR_rt_sigaction, a, a[1]);
	if (a[0] == SIGSYS)
		return call_sigaction_sigsys(a);
	if (!a[1])
		return own_call(__NR_rt_sigaction, a, a[1]);
	ret = read_program(&act, a[1]);
	if (ret)
		return ret;
	act.sa_mask &= ~SIGSYS_BIT;
	return own_call(__NR_rt_sigaction, a, (unsigned long)&act);
}

long sud_signal_call(long nr, unsigned long *args, struct site *site)
{
	(void)site;
	if (nr == __NR_rt_sigprocmask)
		return call_sigprocmask(args);
	return call_sigaction(args);
}

/* --- the trap ---------------------------------------------------------------------- */

/* A SIGSYS that is not ours: seccomp's SECCOMP_RET_TRAP, or kill(2). */
static void forward(int sig, siginfo_t *info, void *ucontext)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	void (*handler)(int, siginfo_t *, void *) = (void *)sud.program.sa_handler;

	if (sud.program.sa_handler == SIG_IGN)
		return;
	if (sud.program.sa_handler != SIG_DFL) {
		handler(sig, info, ucontext);
		return;
	}
	if (!sys_rt_sigaction(SIGSYS, &dfl, NULL))
		sys_tgkill(sys_getpid(), sys_gettid(), SIGSYS);
}

/*
 * Let the call continue at @entry, inside the range that does not trap, after the handler
 * has returned. A call made by the handler itself would see the handler's signal mask and
 * alternate stack, and be restarted by other rules.
 */
static void continue_at(struct sigcontext *c, const char *entry)
{
	struct sud_frame *frame =
		(struct sud_frame *)(c->rsp - RED_ZONE - sizeof(*frame));

	frame->ret = c->rip;
	c->rsp = (unsigned long)frame;
	c->rip = (unsigned long)entry;
}

static bool futex_is(unsigned long op, unsigned int ops)
{
	op &= FUTEX_OP_BITS;
	return op < 32 && ops >> op & 1;
}

static void dispatch_futex(struct sigcontext *c, unsigned long *args)
{
	struct site site = { .addr = c->rip - 2, .nr = -1 };

	if (futex_is(args[1], FUTEX_OPS_WRITE)) {
		c->rax = (unsigned long)hook_syscall(__NR_futex, args, &site);
		return;
	}
	if (futex_is(args[1], FUTEX_OPS_SLEEP))
		(void)hook_before(__NR_futex, args, &site);
	continue_at(c, sud_plain);
}

static void dispatch_before(struct sigcontext *c, long nr, unsigned long *args,
			    struct site *site)
{
	int ret = hook_before(nr, args, site);

	if (ret)
		c->rax = (unsigned long)(long)ret;
	else
		continue_at(c, sud_plain);
}

static void dispatch(struct sigcontext *c, long nr)
{
	unsigned long args[6] = { c->rdi, c->rsi, c->rdx, c->r10, c->r8, c->r9 };
	struct site site = { .addr = c->rip - 2, .nr = -1 };
	unsigned long thunk;

	switch (hook_class(nr)) {
	case 0:
		continue_at(c, sud_plain);
		return;
	case CALL_BEFORE:
	case CALL_FILE:
		dispatch_before(c, nr, args, &site);
		return;
	case CALL_FUTEX:
		dispatch_futex(c, args);
		return;
	case CALL_EXIT:
		__atomic_fetch_sub(hook_mm_users(), 1, __ATOMIC_RELAXED);
		continue_at(c, sud_plain);
		return;
	case CALL_SIGNAL:
		continue_at(c, sud_signal);
		return;
	case CALL_CLONE:
		thunk = patch_call_thunk(site.addr, (int)nr);
		if (thunk)
			c->rip = thunk;
		else
			c->rax = (unsigned long)-ENOMEM; /* clone(2) documents it */
		return;
	default:
		/* In the handler, not on the program's stack: where SA_ONSTACK has
		 * switched, that one may be too small for C (a goroutine's is 2 KiB). */
		c->rax = (unsigned long)hook_syscall(nr, args, &site);
	}
}

static void sud_handler(int sig, siginfo_t *info, void *ucontext)
{
	struct sigcontext *c = &((struct ucontext *)ucontext)->uc_mcontext;

	if (info->si_code != SYS_USER_DISPATCH) {
		forward(sig, info, ucontext);
		return;
	}
	stat_inc(sud.stat->sud_traps);
	if (info->si_arch != AUDIT_ARCH_X86_64)
		continue_at(c, sud_int80);
	else if (c->rax == __NR_rt_sigreturn)
		c->rip = (unsigned long)sud_sigreturn; /* its frame is at rsp as it is */
	else
		dispatch(c, (long)c->rax);
}

/* --- start ------------------------------------------------------------------------- */

void sud_include_own_text(unsigned long *start, unsigned long *end)
{
	unsigned long own_start, own_end;

	thunk_own_text(&own_start, &own_end);
	*start = min(*start, own_start);
	*end = max(*end, own_end);
}

int sud_start(unsigned long start, unsigned long end, struct smm_stat *stat)
{
	/* Nothing is blocked while it runs: a hook may wait, and the program's handlers
	 * must get their chance as during the call itself. */
	const struct sigaction ours = {
		.sa_handler = (void (*)(int))(void *)sud_handler,
		.sa_flags =
			SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART | SA_RESTORER,
		.sa_restorer = sud_sigreturn,
	};
	const u64 sigsys = SIGSYS_BIT;
	long ret = sys_rt_sigaction(SIGSYS, &ours, &sud.program);

	if (ret)
		return (int)ret;
	ret = sys_rt_sigprocmask(SIG_UNBLOCK, &sigsys, NULL);
	if (ret)
		goto restore;
	sud.start = start;
	sud.end = end;
	sud.stat = stat;
	sud.on = true;
	ret = sud_arm();
	if (!ret)
		return 0;
	sud.on = false;
restore:
	sys_rt_sigaction(SIGSYS, &sud.program, NULL);
	return (int)ret;
}
