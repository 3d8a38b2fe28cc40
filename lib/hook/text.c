// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/string.h"
#include "lib/hook/text.h"
#include "lib/sys/sys.h"

bool text_refuse_mprotect;

static long text_protect(const struct text_window *w, unsigned long prot)
{
	if (text_refuse_mprotect && (prot & PROT_WRITE))
		return -EACCES;
	return sys_mprotect(w->start, w->end - w->start, prot);
}

int text_open(struct text_window *w, unsigned long start, unsigned long end,
	      unsigned long prot)
{
	long ret, fd;

	*w = (struct text_window){ start & PAGE_MASK, PAGE_ALIGN(end), prot, -1, false };
	ret = text_protect(w, prot | PROT_WRITE);
	if (!ret) {
		w->open = true;
		return 0;
	}
	/* mprotect(2) stops at the first area it cannot change; those before are done. */
	if (text_protect(w, prot))
		return (int)ret;
	/* PR_SET_MDWE and SELinux forbid the protection, not this: mem_write() forces
	 * its way as a debugger does (FOLL_FORCE) and makes a private copy of the page.
	 */
	fd = sys_open("/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)ret;
	w->fd = (int)fd;
	w->open = true;
	return 0;
}

int text_write(struct text_window *w, unsigned long addr, const void *buf, size_t len)
{
	long ret;

	if (w->fd < 0) {
		memcpy((void *)addr, buf, len);
		return 0;
	}
	ret = sys_pwrite(w->fd, buf, len, addr);
	if (ret < 0)
		return (int)ret;
	return (size_t)ret == len ? 0 : -EIO;
}

int text_close(struct text_window *w)
{
	if (!w->open)
		return 0;
	w->open = false;
	if (w->fd >= 0)
		return (int)sys_close(w->fd);
	return (int)text_protect(w, w->prot);
}
