// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * futex(2) calls by which the kernel writes to the program's word. It does not wait for a
 * userfaultfd there (fault_in_user_writeable()), so a page of ours that is missing or
 * write-protected makes it answer EFAULT. Who asks for the page by MADV_POPULATE_WRITE
 * does wait; and where the program may not write, that fails and EFAULT was right.
 *
 * glibc's own calls need none of this: it tries to take and to give back a lock by
 * instructions first, on the same word. So this is for syscall() alone.
 */
#include <linux/futex.h>
#include <linux/mman.h>

#include "lib/hook/patch.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since 5.14 */
#endif

/* What is written to: the first word or, where a waiter may be moved, the second. */
static unsigned long written_word(const unsigned long *a)
{
	switch ((int)a[1] & FUTEX_CMD_MASK) {
	case FUTEX_WAKE_OP:
	case FUTEX_CMP_REQUEUE_PI:
	case FUTEX_WAIT_REQUEUE_PI:
		return a[4];
	default:
		return a[0];
	}
}

static bool is_ours(unsigned long addr)
{
	int token = mm_read_lock(&smm.mm);
	const struct vm_area_struct *vma = find_vma(&smm.mm, addr);
	bool ours = vma && vma->vm_start <= addr && vma->policy == POLICY_OWN &&
		    vma->vm_flags & VM_UFFD_MISSING;

	mm_read_unlock(&smm.mm, token);
	return ours;
}

static bool get_page(const unsigned long *a)
{
	unsigned long word = written_word(a);

	return !READ_ONCE(smm.mm.blind) && is_ours(word) &&
	       !sys_madvise(word & PAGE_MASK, PAGE_SIZE, MADV_POPULATE_WRITE);
}

/* These return at once, and have done nothing if they answer EFAULT. */
long hook_futex(unsigned long *a)
{
	long ret = sys_call6(__NR_futex, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (likely(ret != -EFAULT) || !get_page(a))
		return ret;
	return sys_call6(__NR_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * These may sleep, write when they wake up, and cannot be repeated then: the page must be
 * there before. What the kernel writes after a fork during the sleep it does not get
 * back.
 */
void futex_before(const unsigned long *a)
{
	get_page(a);
}
