// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/sched.h>
#include <linux/wait.h>

#include "lib/sys/clone.h"
#include "lib/sys/sys.h"

long sys_run_task(unsigned long flags, void *stack_top, void (*fn)(void *arg), void *arg)
{
	long pid = sys_clone_task(flags | CLONE_VM | CLONE_VFORK, stack_top, NULL, NULL,
				  fn, arg);

	while (pid > 0 && sys_wait4(pid, NULL, __WALL) == -EINTR)
		;
	return pid > 0 ? 0 : pid;
}
