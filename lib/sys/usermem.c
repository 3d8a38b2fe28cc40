// SPDX-License-Identifier: LGPL-2.1-or-later
/* The only file that turns an application address into a memory access. */
#include <linux/uio.h>

#include "lib/base/string.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

static int copy(long nr, int pid, void *own, unsigned long addr, size_t n)
{
	struct iovec local = { own, n }, remote = { (void *)addr, n };
	long ret = sys_call6(nr, (unsigned long)pid, (unsigned long)&local, 1,
			     (unsigned long)&remote, 1, 0);

	if (ret < 0)
		return (int)ret;
	return ret == (long)n ? 0 : -EFAULT;
}

int read_process(int pid, void *dst, unsigned long addr, size_t n)
{
	return copy(__NR_process_vm_readv, pid, dst, addr, n);
}

int write_process(int pid, unsigned long addr, const void *src, size_t n)
{
	return copy(__NR_process_vm_writev, pid, (void *)src, addr, n);
}

int peek_user(void *dst, unsigned long addr, size_t n)
{
	return read_process((int)sys_getpid(), dst, addr, n);
}

int read_user(void *dst, unsigned long addr, size_t n)
{
	int ret = peek_user(dst, addr, n);

	if (ret != -ENOSYS && ret != -EPERM)
		return ret ? -EFAULT : 0;
	/* Sandboxes refuse the call; a bad pointer then faults here rather than there. */
	memcpy(dst, (const void *)addr, n);
	return 0;
}
