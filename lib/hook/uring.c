// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_uring_register(2) pins memory: the kernel goes on writing to the very pages that
 * were there, whatever becomes of the area. An area of a file that we page gets copies of
 * its pages when it is given back (lib/fault/file_area.c), which the kernel would know
 * nothing of. So it is given back before.
 *
 * Context: application threads; takes mmap_lock.
 */
#include <linux/uio.h>

#include "lib/hook/state.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

#define CALL(nr, a) sys_call6(nr, (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

/* linux/io_uring.h, of different ages */
#define REGISTER_BUFFERS	0
#define REGISTER_BUFFERS2	15 /* 5.13 */
#define REGISTER_BUFFERS_UPDATE 16
#define REGISTER_PBUF_RING	22	   /* 5.19 */
#define REGISTER_MEM_REGION	34	   /* 6.13 */
#define REGISTERED_RING		(1U << 31) /* 6.3: beside the others */

#define BUFFERS_MAX		16384UL /* IORING_MAX_REG_BUFFERS */
#define RING_ENTRY		16UL	/* struct io_uring_buf */

struct rsrc_register {
	u32 nr, flags;
	u64 resv, data, tags;
};

struct rsrc_update2 {
	u32 offset, resv;
	u64 data, tags;
	u32 nr, resv2;
};

struct buf_reg {
	u64 addr;
	u32 entries;
	u16 group, flags;
	u64 resv[3];
};

struct region_desc {
	u64 addr, size;
};

static void back(unsigned long start, unsigned long len)
{
	unsigned long end = start + len;

	if (!start || end <= start || end > ~0UL - PAGE_SIZE)
		return;
	mmap_write_lock(0, 0);
	file_back(start & PAGE_MASK, PAGE_ALIGN(end));
	mmap_write_unlock();
}

/* What we cannot read, the kernel cannot either, and refuses. */
static void back_iovecs(unsigned long addr, unsigned long n)
{
	struct iovec iov[8];

	/* With more the kernel refuses the call. */
	n = min(n, BUFFERS_MAX);
	while (n) {
		unsigned long some = min(n, ARRAY_SIZE(iov));

		if (read_user(iov, addr, some * sizeof(iov[0])))
			return;
		for (unsigned long i = 0; i < some; i++)
			back((unsigned long)iov[i].iov_base, iov[i].iov_len);
		addr += some * sizeof(iov[0]);
		n -= some;
	}
}

static void back_region(unsigned long arg)
{
	struct region_desc region;
	u64 addr;

	if (!read_user(&addr, arg, sizeof(addr)) &&
	    !read_user(&region, addr, sizeof(region)))
		back(region.addr, region.size);
}

static void register_before(unsigned int what, unsigned long arg, unsigned long n)
{
	struct rsrc_register reg;
	struct rsrc_update2 update;
	struct buf_reg buf;

	switch (what & ~REGISTERED_RING) {
	case REGISTER_BUFFERS:
		back_iovecs(arg, n);
		break;
	case REGISTER_BUFFERS2:
		if (!read_user(&reg, arg, sizeof(reg)))
			back_iovecs(reg.data, reg.nr);
		break;
	case REGISTER_BUFFERS_UPDATE:
		if (!read_user(&update, arg, sizeof(update)))
			back_iovecs(update.data, update.nr);
		break;
	case REGISTER_PBUF_RING:
		if (!read_user(&buf, arg, sizeof(buf)))
			back(buf.addr, buf.entries * RING_ENTRY);
		break;
	case REGISTER_MEM_REGION:
		back_region(arg);
		break;
	}
}

long hook_uring_register(long nr, unsigned long *a)
{
	/* A glance without the lock: such areas do not come by themselves. */
	if (READ_ONCE(smm.mm.nr_hosts) && engine_is_ours())
		register_before((unsigned int)a[1], a[2], (unsigned int)a[3]);
	return CALL(nr, a);
}
