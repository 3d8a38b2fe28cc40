// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/errno.h>
#include <linux/mman.h>

#include "lib/sys/aside.h"
#include "lib/sys/sys.h"

#define ASIDE                                                                          \
	(256UL << 30)	   /* further than most programs map; within ThreadSanitizer's \
			      range for mappings */
#define GAP   (64UL << 10) /* between two: they are not to merge */
#define TRIES 8

static long map_at(unsigned long addr, unsigned long size, unsigned long prot,
		   unsigned long flags)
{
	long ret = sys_mmap(addr, size, prot, flags | MAP_FIXED_NOREPLACE, -1, 0);

	if (IS_ERR_VALUE(ret) || (unsigned long)ret == addr)
		return ret;
	sys_munmap(ret, size); /* before Linux 4.17 the address is a hint */
	return -EEXIST;
}

long mmap_aside(unsigned long size, unsigned long prot, unsigned long flags)
{
	/* Where the next one ends. Racing callers may leave a hole, nothing worse. */
	static unsigned long next;
	unsigned long end = READ_ONCE(next);
	long ret = -EEXIST;

	size = PAGE_ALIGN(size);
	flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	if (!end)
		end = ((unsigned long)&next & ~(GAP - 1)) - ASIDE;
	for (int i = 0; i < TRIES && ret == -EEXIST && end > size + GAP; i++) {
		ret = map_at(end - size, size, prot, flags);
		end = (end - size - GAP) & ~(GAP - 1);
	}
	WRITE_ONCE(next, end);
	if (ret == -EEXIST || ret == -EINVAL)
		return sys_mmap(NULL, size, prot, flags, -1, 0);
	return ret;
}
