// SPDX-License-Identifier: LGPL-2.1-or-later
/* The session's directory, in which processes of a user find each other's caches. */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/filemap.h"
#include "lib/sys/sys.h"

#define LOCK_TICKS 100 /* ms */

struct dirent64 {
	u64 ino, off;
	u16 len;
	u8 type;
	char name[];
};

long session_dir(const struct engine *e)
{
	return sys_open(e->opt.socket_dir,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

long session_make(const struct engine *e)
{
	sys_mkdir(e->opt.socket_dir, 0700); /* as smm-ctl does, perhaps a moment later */
	return session_dir(e);
}

/*
 * Held while a file is looked for and, if nobody has it, made known: two that begin at
 * the same moment would each have frames of its own. But not waited for longer than that
 * may take: who holds it may have been stopped.
 */
long session_lock(const struct engine *e)
{
	const struct timespec tick = { 0, 1000 * 1000 };
	const u32 none = 0;
	long dir = session_make(e);

	for (int i = 0; i < LOCK_TICKS && dir >= 0; i++) {
		if (sys_flock(dir, LOCK_EX | LOCK_NB) != -EWOULDBLOCK)
			break;
		sys_futex(&none, FUTEX_WAIT_PRIVATE, 0, &tick);
	}
	return dir;
}

/* One name of the directory. True: @fn has had enough. */
static bool session_link(long dir, const char *name, session_fn *fn, void *arg)
{
	char text[64];
	long n = sys_readlinkat(dir, name, text, sizeof(text) - 1);
	const char *p = text;
	int pid;

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (fn(name, text, arg))
		return true;
	pid = (int)parse_ulong(&p, 10);
	if (sys_kill(pid, 0) == -ESRCH)
		sys_unlinkat(dir, name, 0);
	return false;
}

bool session_each(const struct engine *e, const char *stem, session_fn *fn, void *arg)
{
	union {
		struct dirent64 first;
		char bytes[2048];
	} buf;
	long dir = session_dir(e), n;
	bool found = false;

	if (dir < 0)
		return false;
	while (!found && (n = sys_getdents64(dir, buf.bytes, sizeof(buf))) > 0) {
		for (long at = 0; !found && at < n;) {
			const struct dirent64 *d = (const void *)(buf.bytes + at);

			at += d->len;
			if (!strncmp(d->name, stem, strlen(stem)))
				found = session_link(dir, d->name, fn, arg);
		}
	}
	sys_close(dir);
	return found;
}
