// SPDX-License-Identifier: LGPL-2.1-or-later
/* From a patched site to the hook of its call. */
#include "lib/hook/patch.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

#define PASS(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

static bool site_in_loader(const struct site *s)
{
	return s && s->addr >= smm.ldso_start && s->addr < smm.ldso_end;
}

static long hook_area_call(long nr, unsigned long *a, const struct site *site)
{
	stat_inc(smm.stat.calls);
	switch (nr) {
	case __NR_mmap:
		return hook_mmap(a, site_in_loader(site));
	case __NR_munmap:
		return hook_munmap(a);
	case __NR_mremap:
		return hook_mremap(a);
	case __NR_mprotect:
		return hook_mprotect(a);
	case __NR_pkey_mprotect:
		return hook_pkey_mprotect(a);
	case __NR_madvise:
		return hook_madvise(a);
	case __NR_brk:
		return hook_brk(a);
	case __NR_mlock:
	case __NR_mlock2:
	case __NR_munlock:
		return hook_mlock(nr, a);
	case __NR_mlockall:
	case __NR_munlockall:
		return hook_mlockall(nr, a);
	case __NR_shmat: /* the segment's size is the kernel's knowledge */
	case __NR_shmdt:
	case __NR_remap_file_pages:
	case __NR_io_setup:
	case __NR_io_destroy:
	case 453: /* map_shadow_stack */
		return hook_opaque(nr, a);
	case __NR_io_uring_register:
		return hook_uring_register(nr, a);
	case __NR_mbind:
		return hook_mbind(nr, a);
	case 450: /* set_mempolicy_home_node */
		return hook_home_node(nr, a);
	case 462: /* mseal */
		return hook_mseal(nr, a);
	case __NR_process_madvise:
		return hook_process_madvise(nr, a);
	default: /* mincore, msync: no area changes */
		return PASS(nr, a);
	}
}

long hook_syscall(long nr, unsigned long *a, struct site *site)
{
	if (!READ_ONCE(smm.active))
		return sleep_syscall(nr, a, site);
	switch (nr) {
	case __NR_prctl:
		return hook_prctl(a);
	case __NR_ioctl:
		return hook_ioctl(a);
	case __NR_execve:
	case __NR_execveat:
		return hook_exec(nr, a);
	case __NR_exit_group:
		hook_exit((int)a[0]);
	case __NR_setuid:
	case __NR_setgid:
	case __NR_setreuid:
	case __NR_setregid:
	case __NR_setresuid:
	case __NR_setresgid:
	case __NR_setgroups:
	case __NR_setfsuid:
	case __NR_setfsgid:
	case __NR_capset:
		return hook_creds(nr, a);
	case __NR_seccomp:
		return hook_seccomp(a);
	case __NR_unshare:
	case __NR_setns:
		return hook_namespace(nr, a);
	case __NR_futex:
		return hook_futex(a);
	case __NR_userfaultfd:
	case __NR_rt_sigaction:
	case __NR_rt_sigprocmask:
		return PASS(nr, a);
	default:
		return hook_area_call(nr, a, site);
	}
}
