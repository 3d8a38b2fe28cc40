/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only raw system calls. sys_*() returns the value or -errno and touches no errno.
 * Context: any task, any stack; async-signal-safe. Semantics: the man page of the call.
 * Pointers handed in are ours; application addresses are unsigned long.
 */
#ifndef SHADOWMM_SYS_SYS_H
#define SHADOWMM_SYS_SYS_H

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/time.h>

#include "lib/base/compiler.h"

static inline __attribute__((always_inline)) long
sys_call6(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	  unsigned long e, unsigned long f)
{
	register unsigned long r10 __asm__("r10") = d;
	register unsigned long r8 __asm__("r8") = e;
	register unsigned long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define SYS_ARG_(x)	    ((unsigned long)(x))
#define sys_call0(nr)	    sys_call6(nr, 0, 0, 0, 0, 0, 0)
#define sys_call1(nr, a)    sys_call6(nr, SYS_ARG_(a), 0, 0, 0, 0, 0)
#define sys_call2(nr, a, b) sys_call6(nr, SYS_ARG_(a), SYS_ARG_(b), 0, 0, 0, 0)
#define sys_call3(nr, a, b, c) \
	sys_call6(nr, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), 0, 0, 0)
#define sys_call4(nr, a, b, c, d) \
	sys_call6(nr, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), 0, 0)
#define sys_call5(nr, a, b, c, d, e) \
	sys_call6(nr, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), SYS_ARG_(e), 0)

/* --- memory --- */
#define sys_mmap(addr, len, prot, flags, fd, off) \
	sys_call6(__NR_mmap, SYS_ARG_(addr), len, prot, flags, SYS_ARG_(fd), off)
#define sys_munmap(addr, len)	      sys_call2(__NR_munmap, addr, len)
#define sys_mprotect(addr, len, prot) sys_call3(__NR_mprotect, addr, len, prot)
#define sys_madvise(addr, len, adv)   sys_call3(__NR_madvise, addr, len, adv)
#define sys_mremap(old, old_len, len, flags, addr) \
	sys_call5(__NR_mremap, old, old_len, len, flags, addr)
#define sys_pkey_mprotect(addr, len, prot, pkey) \
	sys_call4(__NR_pkey_mprotect, addr, len, prot, pkey)

/* --- files --- */
#define sys_openat(dfd, path, flags, mode) \
	sys_call4(__NR_openat, (long)(dfd), path, flags, mode)
#define sys_open(path, flags, mode) sys_openat(AT_FDCWD, path, flags, mode)
#define sys_close(fd)		    sys_call1(__NR_close, fd)
#define sys_read(fd, buf, n)	    sys_call3(__NR_read, fd, buf, n)
#define sys_preadv2(fd, iov, n, flags) \
	sys_call6(__NR_preadv2, fd, SYS_ARG_(iov), n, -1, -1, flags)
/* The same at a place; @n vectors. */
#define sys_preadv2_at(fd, iov, n, off, flags) \
	sys_call6(__NR_preadv2, fd, SYS_ARG_(iov), n, off, 0, flags)
#define sys_write(fd, buf, n)		sys_call3(__NR_write, fd, buf, n)
#define sys_pwrite(fd, buf, n, off)	sys_call4(__NR_pwrite64, fd, buf, n, off)
#define sys_pread(fd, buf, n, off)	sys_call4(__NR_pread64, fd, buf, n, off)
#define sys_fadvise(fd, off, n, advice) sys_call4(__NR_fadvise64, fd, off, n, advice)
#define sys_fstat(fd, st)		sys_call2(__NR_fstat, fd, st)
#define sys_fstatfs(fd, buf)		sys_call2(__NR_fstatfs, fd, buf)
#define sys_statx(dfd, path, flags, mask, stx) \
	sys_call5(__NR_statx, dfd, path, flags, mask, stx)
#define sys_unlinkat(dfd, path, flags) sys_call3(__NR_unlinkat, dfd, path, flags)
#ifndef __NR_cachestat
#define __NR_cachestat 451 /* 6.5 */
#endif
#define sys_cachestat(fd, range, stat) sys_call4(__NR_cachestat, fd, range, stat, 0)
#define sys_io_uring_setup(n, params)  sys_call2(__NR_io_uring_setup, n, params)
#define sys_io_uring_enter(fd, submit, wait, flags) \
	sys_call6(__NR_io_uring_enter, fd, submit, wait, flags, 0, 0)
#define sys_fsopen(name, flags)		  sys_call2(__NR_fsopen, name, flags)
#define sys_fsconfig(fd, cmd, key, value) sys_call5(__NR_fsconfig, fd, cmd, key, value, 0)
#define sys_fsmount(fd, flags, attrs)	  sys_call3(__NR_fsmount, fd, flags, attrs)
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438 /* 5.6 */
#endif
#define sys_pidfd_getfd(pidfd, fd)	   sys_call3(__NR_pidfd_getfd, pidfd, fd, 0)
#define sys_flock(fd, op)		   sys_call2(__NR_flock, fd, op)
#define sys_lseek(fd, off, whence)	   sys_call3(__NR_lseek, fd, off, whence)
#define sys_fallocate(fd, mode, off, len)  sys_call4(__NR_fallocate, fd, mode, off, len)
#define sys_msync(addr, len, flags)	   sys_call3(__NR_msync, addr, len, flags)
#define sys_umask(mask)			   sys_call1(__NR_umask, mask)
#define sys_readlink(path, buf, n)	   sys_call3(__NR_readlink, path, buf, n)
#define sys_symlinkat(text, dfd, path)	   sys_call3(__NR_symlinkat, text, dfd, path)
#define sys_readlinkat(dfd, path, buf, n)  sys_call4(__NR_readlinkat, dfd, path, buf, n)
#define sys_unlink(path)		   sys_call1(__NR_unlink, path)
#define sys_mkdir(path, mode)		   sys_call2(__NR_mkdir, path, mode)
#define sys_fchmod(fd, mode)		   sys_call2(__NR_fchmod, fd, mode)
#define sys_fcntl(fd, cmd, arg)		   sys_call3(__NR_fcntl, fd, cmd, arg)
#define sys_ioctl(fd, cmd, arg)		   sys_call3(__NR_ioctl, fd, cmd, arg)
#define sys_getdents64(fd, buf, n)	   sys_call3(__NR_getdents64, fd, buf, n)
#define sys_renameat(odfd, old, ndfd, new) sys_call4(__NR_renameat, odfd, old, ndfd, new)
#define sys_close_range(first, last, flags) \
	sys_call3(__NR_close_range, first, last, flags)
#define sys_memfd_create(name, flags)  sys_call2(__NR_memfd_create, name, flags)
#define sys_ftruncate(fd, len)	       sys_call2(__NR_ftruncate, fd, len)
#define sys_sendfile(out, in, off, n)  sys_call4(__NR_sendfile, out, in, off, n)
#define sys_faccessat(dfd, path, mode) sys_call3(__NR_faccessat, (long)(dfd), path, mode)
#define sys_poll(fds, n, ms)	       sys_call3(__NR_poll, fds, n, (long)(ms))

/* --- sockets --- */
#define sys_socket(dom, type, proto)	  sys_call3(__NR_socket, dom, type, proto)
#define sys_bind(fd, addr, len)		  sys_call3(__NR_bind, fd, addr, len)
#define sys_listen(fd, n)		  sys_call2(__NR_listen, fd, n)
#define sys_connect(fd, addr, len)	  sys_call3(__NR_connect, fd, addr, len)
#define sys_accept4(fd, addr, len, flags) sys_call4(__NR_accept4, fd, addr, len, flags)
#define sys_getsockopt(fd, lvl, opt, val, len) \
	sys_call5(__NR_getsockopt, fd, lvl, opt, val, len)
#define sys_sendto(fd, buf, n, flags) \
	sys_call6(__NR_sendto, fd, SYS_ARG_(buf), n, flags, 0, 0)

/* --- tasks --- */
#define sys_getpid()		  sys_call0(__NR_getpid)
#define sys_gettid()		  sys_call0(__NR_gettid)
#define sys_getppid()		  sys_call0(__NR_getppid)
#define sys_kill(pid, sig)	  sys_call2(__NR_kill, pid, sig)
#define sys_tgkill(pid, tid, sig) sys_call3(__NR_tgkill, pid, tid, sig)
#define sys_exit(code)		  sys_call1(__NR_exit, code)
#define sys_exit_group(code)	  sys_call1(__NR_exit_group, code)
#define sys_prctl(op, a, b, c, d) sys_call5(__NR_prctl, op, a, b, c, d)
#define sys_wait4(pid, st, opt)	  sys_call4(__NR_wait4, (long)(pid), st, opt, 0)
#define sys_get_robust_list(tid, head, len) \
	sys_call3(__NR_get_robust_list, tid, head, len)
#define sys_setsid() sys_call0(__NR_setsid)
#define sys_sched_setaffinity(pid, n, mask) \
	sys_call3(__NR_sched_setaffinity, pid, n, mask)
#define sys_setpriority(which, who, nice) sys_call3(__NR_setpriority, which, who, nice)
#define sys_sysinfo(info)		  sys_call1(__NR_sysinfo, info)
#define sys_sched_yield()		  sys_call0(__NR_sched_yield)
#define sys_pidfd_open(pid, flags)	  sys_call2(__NR_pidfd_open, pid, flags)
#define sys_kcmp(p1, p2, type, a, b)	  sys_call5(__NR_kcmp, p1, p2, type, a, b)
#define sys_clock_gettime(clk, ts)	  sys_call2(__NR_clock_gettime, clk, ts)
#define sys_getrlimit(res, lim)		  sys_call2(__NR_getrlimit, res, lim)
#define sys_setrlimit(res, lim)		  sys_call2(__NR_setrlimit, res, lim)
#define sys_geteuid()			  sys_call0(__NR_geteuid)
#define sys_getegid()			  sys_call0(__NR_getegid)
#define sys_getuid()			  sys_call0(__NR_getuid)
#define sys_rt_sigprocmask(how, set, old) sys_call4(__NR_rt_sigprocmask, how, set, old, 8)
#define sys_rt_sigtimedwait(set, info, timeout) \
	sys_call4(__NR_rt_sigtimedwait, set, info, timeout, 8)
#define sys_rt_sigaction(sig, act, old) sys_call4(__NR_rt_sigaction, sig, act, old, 8)
#define sys_futex(addr, op, val, timeout) \
	sys_call6(__NR_futex, SYS_ARG_(addr), op, val, SYS_ARG_(timeout), 0, 0)

/* --- credentials, limits, odds and ends --- */
#define sys_getresuid(r, e, s)	       sys_call3(__NR_getresuid, r, e, s)
#define sys_getresgid(r, e, s)	       sys_call3(__NR_getresgid, r, e, s)
#define sys_setresuid(r, e, s)	       sys_call3(__NR_setresuid, r, e, s)
#define sys_setresgid(r, e, s)	       sys_call3(__NR_setresgid, r, e, s)
#define sys_getgroups(n, list)	       sys_call2(__NR_getgroups, n, list)
#define sys_setgroups(n, list)	       sys_call2(__NR_setgroups, n, list)
#define sys_capget(head, data)	       sys_call2(__NR_capget, head, data)
#define sys_capset(head, data)	       sys_call2(__NR_capset, head, data)
#define sys_pidfd_send_signal(fd, sig) sys_call4(__NR_pidfd_send_signal, fd, sig, 0, 0)
#define sys_eventfd(flags)	       sys_call2(__NR_eventfd2, 0, flags)
#define sys_chdir(path)		       sys_call1(__NR_chdir, path)
#define sys_stat(path, st)	       sys_call2(__NR_stat, path, st)
#define sys_mincore(start, len, vec)   sys_call3(__NR_mincore, start, len, vec)
#define sys_brk(addr)		       sys_call1(__NR_brk, addr)

#define SMM_SIG_BLOCK		       0
#define SMM_SIG_UNBLOCK		       1
#define SMM_SIG_SETMASK		       2

/*
 * A bell is a futex on which a task of ours waits as long as it is 0. It sets it to 0,
 * looks whether there is something to do, and waits: who makes something to do rings
 * afterwards.
 */
static inline void bell_ring(u32 *bell)
{
	if (!__atomic_exchange_n(bell, 1, __ATOMIC_SEQ_CST))
		sys_futex(bell, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/* A number for the file of a STATX_INO, for one system: inodes are numbered anew on each
 * tmpfs. */
static inline u64 file_number(const struct statx *x)
{
	return x->stx_ino ^ (u64)x->stx_dev_minor << 44;
}

#endif
