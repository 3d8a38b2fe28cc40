// SPDX-License-Identifier: LGPL-2.1-or-later
/* A sequence in a fresh child. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model/kd.h"

#define ARENA_BYTES (1UL << 20)
#define SPACE_BYTES (256UL << 20) /* of address space: absurd lengths are refused */
#define RUN_SECONDS 60		  /* a child that hangs is a failure */

struct kd_world kd;
static char arena[ARENA_BYTES] __attribute__((aligned(4096)));
static struct mm_struct model;

/* --- in the child ------------------------------------------------------------------ */

void kd_printf(const char *fmt, ...)
{
	struct kd_result *res = kd.res;
	size_t room = sizeof(res->text) - res->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(res->text + res->len, room, fmt, ap);
	va_end(ap);
	res->len += min((size_t)n, room - 1);
}

void kd_fail(const char *what)
{
	if (!kd.res->failed)
		snprintf(kd.res->what, sizeof(kd.res->what), "%s", what);
	kd.res->failed = true;
	kd_printf("  difference: %s\n", what);
}

static void limit(int resource, unsigned long n)
{
	struct rlimit rl = { .rlim_cur = n, .rlim_max = n };

	setrlimit(resource, &rl);
}

static void world_open(const struct kd_seq *seq, struct kd_result *res)
{
	kd = (struct kd_world){ .mm = &model, .res = res, .seq = seq };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
	limit(RLIMIT_AS, SPACE_BYTES);
	kd.may_lock_all = !syscall(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT);
	syscall(SYS_munlockall);
	for (int i = 0; i < 2; i++)
		kd.uffd[i] = kd_uffd_open();
	mm_init(kd.mm, arena, sizeof(arena));
	kd.mm->own_enabled = true;
	kd.mm->min_own = PAGE_SIZE;
	kd.brk = kd.mm->brk = (unsigned long)syscall(SYS_brk, 0);
	if (!kd_compare_open() || !kd_import())
		kd_fail("cannot start");
}

static void check_model(void)
{
	const char *err = validate_mm(kd.mm);

	if (err)
		kd_fail(err);
	if (kd.mm->blind)
		kd_fail("blind");
}

/*
 * A stack may have grown, which no call tells the model: to be seen before calls about
 * what it grew into.
 */
static bool may_have_grown(const struct kd_op *op)
{
	struct vm_area_struct *vma;
	unsigned long addr;

	if ((op->kind != KD_READ && op->kind != KD_WRITE) || !kd_resolve(&op->a, &addr))
		return false;
	vma = find_vma(kd.mm, addr);
	return vma && addr < vma->vm_start && vma->vm_flags & VM_GROWSDOWN;
}

/* After the last operation always. */
static bool due(unsigned int every)
{
	return kd.res->at + 1 == kd.seq->nr || kd.res->at % every == every - 1;
}

void kd_child(const struct kd_seq *seq, struct kd_result *res)
{
	world_open(seq, res);
	for (res->at = 0; res->at < seq->nr && !res->failed; res->at++) {
		const struct kd_op *op = &seq->op[res->at];
		bool areas = due(seq->mode.verify_every) || may_have_grown(op);

		if (!kd_execute(op) && !areas)
			continue;
		check_model();
		/* Nobody could say what such an area is beyond what maps shows. */
		if (kd.read_back) {
			kd_compare_areas(false);
			_exit(res->failed);
		}
		if (areas && !res->failed) {
			kd_compare_areas(false);
			check_model();
			if (!res->failed && due(seq->mode.smaps_every))
				kd_compare_smaps();
		}
		if (res->failed) {
			kd_print_lists();
			_exit(1);
		}
	}
	_exit(res->failed);
}

/* --- in the driver ----------------------------------------------------------------- */

bool kd_run(const struct kd_seq *seq, struct kd_result *res)
{
	pid_t pid;
	int status;

	res->at = 0;
	res->failed = false;
	res->len = 0;
	res->what[0] = '\0';
	memset(res->ret, 0, sizeof(res->ret));
	pid = (pid_t)syscall(SYS_fork);
	if (!pid) {
		alarm(RUN_SECONDS);
		kd_child(seq, res);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || (!WIFEXITED(status) && !res->failed)) {
		res->failed = true;
		snprintf(res->what, sizeof(res->what), "the child ended by signal %d",
			 pid < 0 ? 0 : WTERMSIG(status));
	} else if (WIFEXITED(status) && WEXITSTATUS(status) && !res->failed) {
		res->failed = true;
		snprintf(res->what, sizeof(res->what), "the child exited with %d",
			 WEXITSTATUS(status));
	}
	return !res->failed;
}
