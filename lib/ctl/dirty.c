// SPDX-License-Identifier: LGPL-2.1-or-later
/* `smaps dirty` and what `smaps` and `stat` say of it: lib/fault/dirty.h. */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"

/* Why nothing can be tracked, or NULL: the user's choice, or the engine's state. */
static const char *no_tracking(const struct ctl_env *env)
{
	if (!env->engine)
		return "no engine pages this process";
	if (env->engine->opt.shared_file == SHARED_FILE_KERNEL)
		return "switched off by --policy=shared-file=kernel";
	return NULL;
}

bool ctl_dirty_begin(struct reply *r)
{
	const struct ctl_env *env = r->c->env;
	const char *why = no_tracking(env);
	int ret;

	if (!why && !env->engine->dirty.begun) {
		ret = ctl_lock(env, &r->c->scratch.smaps);
		if (!ret) {
			if (env->dirty_begin(env->engine))
				why = env->engine->dirty.why;
			mutex_unlock(env->mmap_lock);
		} else {
			why = "a call of the program holds mmap_lock";
		}
	}
	if (why)
		reply_error(r, "smaps dirty: writes cannot be tracked", why,
			    "see `shadowmm check`");
	return !why;
}

/* The engine's, if anything is tracked; or NULL. */
static const struct dirty_state *tracking(const struct ctl_env *env)
{
	const struct dirty_state *d = env->engine ? &env->engine->dirty : NULL;

	return d && READ_ONCE(d->begun) ? d : NULL;
}

void show_dirty_since(struct reply *r)
{
	const struct dirty_state *d = tracking(r->c->env);
	struct timespec now = { 0, 0 };
	u64 ns;

	if (!d) {
		reply_printf(r, "null");
		return;
	}
	sys_clock_gettime(1 /* CLOCK_MONOTONIC */, &now);
	ns = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec - READ_ONCE(d->begun);
	reply_printf(r, "%lu", (unsigned long)(ns / 1000000));
}

/* The area may have gone, or be another, by now: then the kernel says no. */
void show_dirty_area(struct reply *r, const struct vm_area_struct *vma)
{
	long n = -EACCES;
	int fd;

	fd = vma->vm_flags & VM_UFFD_TRACK ? pagemap_open_self() : -EACCES;
	if (fd >= 0) {
		n = pagemap_written(fd, vma->vm_start, vma->vm_end, NULL, NULL);
		sys_close(fd);
	}
	if (n < 0)
		reply_printf(r, ",\"dirty\":null");
	else
		reply_printf(r, ",\"dirty\":%ld", n);
}

void show_dirty(struct reply *r)
{
	unsigned long areas = 0, pages = 0;
	struct mm_struct *mm = r->c->env->mm;
	struct vm_area_struct *vma;
	struct vma_iter it;
	int fd = tracking(r->c->env) ? pagemap_open_self() : -EACCES, token;

	reply_printf(r, ",\"dirty\":");
	if (fd < 0) {
		reply_printf(r, "null");
		return;
	}
	token = mm_read_lock_engine(mm);
	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		long n = 0;

		if (!(vma->vm_flags & VM_UFFD_TRACK))
			continue;
		n = pagemap_written(fd, vma->vm_start, vma->vm_end, NULL, NULL);
		pages += n > 0 ? (unsigned long)n : 0;
		areas++;
	}
	mm_read_unlock(mm, token);
	sys_close(fd);
	reply_printf(r, "{\"since_ms\":");
	show_dirty_since(r);
	reply_printf(r, ",\"areas\":%lu,\"pages\":%lu}", areas, pages);
}
