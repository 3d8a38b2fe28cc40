// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `cache`: the files that the process pages, and their frames; `rmap file`: its areas
 * that show a page of a file. Which frames two processes share the tool finds by the
 * number of the file that they are in.
 *
 * With mmap_lock: whoever unmaps an index holds it, and does not wait for us.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/mm/address_space.h"
#include "lib/sys/sys.h"

static const char *state_name(const struct address_space *m)
{
	switch (READ_ONCE(m->state)) {
	case MAPPING_LIVE:
		return "held";
	case MAPPING_LEAVING:
		return "leaving";
	default:
		return "given back";
	}
}

static void show_frames(struct reply *r, const struct address_space *m)
{
	struct statx x;

	if (m->frames_fd < 0 ||
	    sys_statx(m->frames_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BLOCKS, &x))
		return;
	reply_printf(r, ",\"frames\":%lu,\"pages\":%lu", (unsigned long)file_number(&x),
		     (unsigned long)x.stx_blocks / (PAGE_SIZE / 512));
}

/* Of all processes that share the frames. */
static void show_index(struct reply *r, const struct page_cache *c)
{
	reply_printf(r,
		     ",\"all\":{\"filled\":%lu,\"evicted\":%lu,\"refilled\":%lu,"
		     "\"pinned\":%s}",
		     (unsigned long)READ_ONCE(c->filled),
		     (unsigned long)READ_ONCE(c->evicted),
		     (unsigned long)READ_ONCE(c->refilled),
		     READ_ONCE(c->pinned) ? "true" : "false");
}

static void count_settled(const struct vm_area_struct *vma, void *arg)
{
	unsigned long *pages = arg;

	if (vma_is_settled(vma))
		*pages += (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
}

/* Pages of areas that the kernel maps by itself. */
static unsigned long settled(struct address_space *m)
{
	unsigned long pages = 0;

	i_mmap_for_each(m, 0, ~0UL, count_settled, &pages);
	return pages;
}

static void show_mapping(struct reply *r, struct address_space *m)
{
	const struct file_key *k = &m->key;

	reply_printf(r, "{\"file\":");
	reply_json(r, m->file ? m->file->name : NULL);
	reply_printf(r, ",\"dev\":\"%02x:%02x\",\"inode\":%lu,\"size\":%lu", k->major,
		     k->minor, (unsigned long)k->ino, (unsigned long)k->size);
	reply_printf(r, ",\"lease\":\"%s\",\"shared\":%s,\"mappings\":%u", state_name(m),
		     m->shared ? "true" : "false", m->refs);
	show_frames(r, m);
	reply_printf(r, ",\"minor\":%lu,\"major\":%lu,\"bypassed\":%lu", m->minor,
		     m->major, m->bypassed);
	reply_printf(r, ",\"mapped\":%lu,\"filled\":%lu,\"evicted\":%lu", m->mapped,
		     m->filled, m->dropped);
	reply_printf(r, ",\"settled\":%lu", settled(m));
	if (m->cache)
		show_index(r, m->cache);
	reply_printf(r, "}");
}

static void show_account(struct reply *r)
{
	unsigned long bound, total;

	if (!r->c->env->cache)
		return;
	r->c->env->cache->account(&bound, &total);
	if (bound == ~0UL)
		reply_printf(r, ",\"bound\":null,\"total\":%lu", total);
	else
		reply_printf(r, ",\"bound\":%lu,\"total\":%lu", bound, total);
}

static bool lock(struct reply *r, const char *what)
{
	if (!ctl_lock(r->c->env, &r->c->scratch.smaps))
		return true;
	reply_error(r, what, "mmap_lock is busy",
		    "the program is in a long call that changes its address space; try "
		    "again");
	return false;
}

void show_page_cache(struct reply *r)
{
	const struct mm_struct *mm = r->c->env->mm;
	const struct list_head *pos;
	const char *comma = "";

	if (!lock(r, "cache"))
		return;
	reply_printf(r, "{\"pid\":%d", r->c->env->pid);
	show_account(r);
	reply_printf(r, ",\"files\":[");
	list_for_each (pos, &mm->mappings) {
		reply_printf(r, "%s", comma);
		show_mapping(r, list_entry(pos, struct address_space, list));
		comma = ",";
	}
	reply_printf(r, "]}");
	mutex_unlock(r->c->env->mmap_lock);
}

/* --- dropping ---------------------------------------------------------------------- */

#define CHUNKS_AT_ONCE 32 /* about 10 ms, for which a hook may wait */

static bool is_file(const struct address_space *m, const struct ctl_file *f)
{
	return !f || (m->key.ino == f->inode && m->key.major == f->major &&
		      m->key.minor == f->minor);
}

/* Where the next piece begins. Between two of them files come and go. */
struct dropping {
	unsigned long number; /* of the file, or of one that has gone: then of an older */
	u64 from;	      /* chunk */
};

static struct address_space *next_mapping(const struct mm_struct *mm,
					  const struct ctl_file *f, struct dropping *d)
{
	struct list_head *pos;

	list_for_each (pos, &mm->mappings) {
		struct address_space *m = list_entry(pos, struct address_space, list);

		if (!is_file(m, f) || m->number > d->number)
			continue;
		if (m->number < d->number)
			*d = (struct dropping){ .number = m->number };
		return m;
	}
	return NULL;
}

/* mmap_lock is held. False: there is no more. */
static bool drop_piece(const struct ctl_env *env, const struct ctl_file *f,
		       struct dropping *d, unsigned long *pages)
{
	struct address_space *m = env->cache ? next_mapping(env->mm, f, d) : NULL;

	if (!m)
		return false;
	*pages += env->cache->drop(m, &d->from, CHUNKS_AT_ONCE);
	if (d->from * PAGE_CACHE_CHUNK >= m->nrpages)
		*d = (struct dropping){ .number = m->number - 1 };
	return true;
}

void ctl_cache_drop(struct reply *r, const struct ctl_file *f)
{
	const struct ctl_env *env = r->c->env;
	struct dropping d = { .number = ~0UL };
	unsigned long pages = 0;
	bool more;

	do {
		if (!lock(r, "cache drop"))
			return;
		more = drop_piece(env, f, &d, &pages);
		mutex_unlock(env->mmap_lock);
	} while (more);
	reply_printf(r, "{\"pid\":%d,\"dropped\":%lu}", env->pid, pages);
}

/* --- who maps a page --------------------------------------------------------------- */

struct file_walk {
	struct reply *r;
	unsigned long page;
	const char *comma;
};

static void show_place(const struct vm_area_struct *vma, void *arg)
{
	struct file_walk *w = arg;
	unsigned long addr = vma->vm_start + ((w->page - vma->vm_pgoff) << PAGE_SHIFT);
	char perms[5];

	reply_printf(w->r, "%s{\"addr\":\"%08lx\",\"perms\":\"%s\",\"own\":%s}", w->comma,
		     addr, perms_str(vma->vm_flags, perms),
		     vma_host(vma) ? "true" : "false");
	w->comma = ",";
}

/* Areas that the kernel pages. */
static void show_plain(struct file_walk *w, struct mm_struct *mm,
		       const struct ctl_file *f)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it)
		if (vma->vm_file && vma->reason != TRACK_OURS &&
		    vma->vm_file->ino == f->inode && vma->vm_file->major == f->major &&
		    vma->vm_file->minor == f->minor && w->page >= vma->vm_pgoff &&
		    w->page - vma->vm_pgoff < (vma->vm_end - vma->vm_start) >> PAGE_SHIFT)
			show_place(vma, w);
}

void show_rmap_file(struct reply *r, const struct ctl_file *f, unsigned long page)
{
	struct mm_struct *mm = r->c->env->mm;
	struct file_walk w = { .r = r, .page = page, .comma = "" };
	int token = mm_read_lock_engine(mm);
	const struct list_head *l;

	reply_printf(r, "{\"pid\":%d,\"blind\":%s,\"places\":[", r->c->env->pid,
		     READ_ONCE(mm->blind) ? "true" : "false");
	for (l = rcu_dereference(mm->mappings.next); l != &mm->mappings;
	     l = rcu_dereference(l->next)) {
		struct address_space *m = list_entry(l, struct address_space, list);

		if (is_file(m, f))
			i_mmap_for_each(m, page, page, show_place, &w);
	}
	show_plain(&w, mm, f);
	mm_read_unlock(mm, token);
	reply_printf(r, "]}");
}
