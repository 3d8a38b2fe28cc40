// SPDX-License-Identifier: LGPL-2.1-or-later
/* The only file that turns an application address into a memory access. */
#include <linux/uio.h>

#include "lib/base/string.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

static long readv_self(void *dst, unsigned long addr, size_t n)
{
	struct iovec local = { dst, n }, remote = { (void *)addr, n };

	return sys_call6(__NR_process_vm_readv, (unsigned long)sys_getpid(),
			 (unsigned long)&local, 1, (unsigned long)&remote, 1, 0);
}

int read_user_only(void *dst, unsigned long addr, size_t n)
{
	return readv_self(dst, addr, n) == (long)n ? 0 : -EFAULT;
}

int read_user(void *dst, unsigned long addr, size_t n)
{
	long ret = readv_self(dst, addr, n);

	if (ret == (long)n)
		return 0;
	if (ret != -ENOSYS && ret != -EPERM)
		return -EFAULT;
	/* Sandboxes refuse the call; a bad pointer then faults here rather than there. */
	memcpy(dst, (const void *)addr, n);
	return 0;
}
