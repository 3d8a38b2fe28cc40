// SPDX-License-Identifier: LGPL-2.1-or-later
/* Compiled as the library is: general registers only. */
#include "lib/base/string.h"
#include "lib/hook/sud.h"
#include "lib/sys/sys.h"
#include "tests/patch/handlers.h"

struct seen *seen;
long handler_answer;

void handlers_init(void)
{
	long at = sys_mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (IS_ERR_VALUE(at))
		__builtin_trap();
	seen = (struct seen *)at;
}

/* Destroy what a C function may destroy, so that a thunk that saves too little is caught.
 */
static void clobber(void)
{
	__asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx\n"
			 "mov %%rax, %%rsi; mov %%rax, %%rdi; mov %%rax, %%r8\n"
			 "mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11\n"
			 "add %%rax, %%rax"
			 :
			 :
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			   "cc", "memory");
}

void patch_note_mapping(unsigned long addr, unsigned long len, unsigned long prot)
{
	(void)prot;
	seen->notes++;
	seen->note_start = addr;
	seen->note_len = len;
}

long hook_syscall(long nr, unsigned long *a, struct site *site)
{
	long ret = handler_answer;

	seen->calls++;
	seen->nr = nr;
	memcpy(seen->args, a, sizeof(seen->args));
	seen->site = *site;
	if (!ret)
		ret = sys_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	clobber();
	return ret;
}

enum clone_class hook_clone_before(long nr, unsigned long *args, struct site *site)
{
	unsigned long flags = args[0];

	seen->before++;
	seen->nr = nr;
	memcpy(seen->args, args, sizeof(seen->args));
	seen->site = *site;
	if (nr == __NR_clone3)
		flags = ((const struct clone_args *)args[0])->flags;
	if (nr == __NR_fork)
		flags = 0;
	if (nr == __NR_vfork)
		flags = CLONE_VM | CLONE_VFORK;
	clobber();
	if (!(flags & CLONE_VM))
		return CLONE_CLASS_FORK;
	return flags & CLONE_THREAD ? CLONE_CLASS_THREAD : CLONE_CLASS_VM;
}

int *hook_mm_users(void)
{
	return &seen->users;
}

int hook_before(long nr, unsigned long *args, struct site *site)
{
	(void)site;
	seen->nr = nr;
	memcpy(seen->args, args, sizeof(seen->args));
	clobber();
	return (int)handler_answer;
}

void hook_clone_after(long nr, enum clone_class cls, long ret)
{
	seen->after++;
	seen->after_nr = nr;
	seen->after_cls = (int)cls;
	seen->after_ret = ret;
	clobber();
}

void hook_clone_child(long nr, enum clone_class cls)
{
	seen->child++;
	seen->child_nr = nr;
	seen->child_cls = (int)cls;
	sud_arm();
	clobber();
}
