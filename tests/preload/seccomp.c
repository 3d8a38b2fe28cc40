// SPDX-License-Identifier: LGPL-2.1-or-later
/* Programs that lock themselves in with seccomp: faults need no system call of theirs. */
#include "tests/preload/common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LEN (2 * MIB)

static char *p;

/* After this only read, write, exit and sigreturn are left; _exit is exit_group. */
static void strict(void)
{
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	fill(p, LEN, 1);
	if (!matches(p, LEN, 1))
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 5);
}

static void strict_and_wrong(void)
{
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	fill(p, LEN, 1);
	getppid();
	syscall(SYS_exit, 1);
}

#define ALLOW(nr)                                      \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* A browser's renderer: memory calls are allowed, anything else is death. */
static void install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_mmap),
		ALLOW(SYS_munmap),
		ALLOW(SYS_mprotect),
		ALLOW(SYS_madvise),
		ALLOW(SYS_mremap),
		ALLOW(SYS_brk),
		ALLOW(SYS_write),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_exit),
		ALLOW(SYS_futex),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		      &program) == 0);
}

static void filtered(void)
{
	char *q;

	install_filter();
	fill(p, LEN, 2);
	q = anon(LEN);
	fill(q, LEN, 3);
	q = mremap(q, LEN, 2 * LEN, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && matches(p, LEN, 2) && matches(q, LEN, 3));
	CHECK(madvise(q, LEN, MADV_DONTNEED) == 0 && all_zero(q, 2 * LEN));
	CHECK(mprotect(q, LEN, PROT_NONE) == 0 && munmap(q, 2 * LEN) == 0);
	free(malloc(MIB));
	_exit(6);
}

static void filtered_and_wrong(void)
{
	install_filter();
	fill(p, LEN, 2);
	getppid();
	_exit(1);
}

int main(void)
{
	p = anon(LEN);
	in_child("strict", strict);
	in_child("strict, wrong call", strict_and_wrong);
	in_child("filter", filtered);
	in_child("filter, wrong call", filtered_and_wrong);
	CHECK(all_zero(p, LEN));
	return 0;
}
