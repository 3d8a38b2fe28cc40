// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The replies that only read. Each is made inside one mm_read_lock(), so it shows one
 * snapshot; writers are not held up, only the freeing of what they replaced.
 */
#include "config.h"

#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/mm/address_space.h"

void show_hello(struct reply *r)
{
	const struct ctl_env *env = r->c->env;

	reply_printf(r,
		     "{\"shadowmm\":\"" PACKAGE_VERSION "\",\"protocol\":%d,\"pid\":%d,",
		     SMM_CTL_PROTOCOL, env->pid);
	reply_printf(r, "\"comm\":");
	reply_json(r, env->comm);
	show_birth(r);
	reply_printf(r, "}");
}

const char *perms_str(unsigned long vm_flags, char buf[static 5])
{
	buf[0] = vm_flags & VM_READ ? 'r' : '-';
	buf[1] = vm_flags & VM_WRITE ? 'w' : '-';
	buf[2] = vm_flags & VM_EXEC ? 'x' : '-';
	buf[3] = vm_flags & (VM_SHARED | VM_MAYSHARE) ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}

/* JSON must be UTF-8, a file name need not be: the bytes too where they may differ. */
static void show_name(struct reply *r, const char *name)
{
	const char *p = name;

	reply_printf(r, "\"name\":");
	reply_json(r, name);
	while (*p && (unsigned char)*p < 0x80)
		p++;
	if (!*p)
		return;
	reply_printf(r, ",\"name_hex\":\"");
	for (p = name; *p; p++)
		reply_printf(r, "%02x", (unsigned char)*p);
	reply_printf(r, "\"");
}

/* The members of an area's object that maps shows as well, without the braces. */
void show_area_desc(struct reply *r, const struct area_desc *d)
{
	char perms[5];

	reply_printf(r, "\"start\":\"%08lx\",\"end\":\"%08lx\",\"perms\":\"%s\",",
		     d->start, d->end, perms_str(d->vm_flags, perms));
	reply_printf(r, "\"offset\":\"%08lx\",\"dev\":\"%02x:%02x\",\"inode\":%lu,",
		     d->pgoff << PAGE_SHIFT, d->major, d->minor, d->ino);
	show_name(r, d->name ? d->name : "");
}

/* As show_map_vma() of fs/proc/task_mmu.c: no file, no offset. */
static void vma_describe(const struct mm_struct *mm, const struct vm_area_struct *vma,
			 struct area_desc *d)
{
	const struct vma_file *file = vma->vm_file;

	*d = (struct area_desc){
		.start = vma->vm_start,
		.end = vma->vm_end,
		.vm_flags = vma->vm_flags,
		.name = vma_name(mm, vma),
	};
	if (file && (file->ino || file->major || file->minor)) {
		d->pgoff = vma->vm_pgoff;
		d->major = file->major;
		d->minor = file->minor;
		d->ino = file->ino;
	}
}

static const char *policy_name(unsigned int policy)
{
	return policy == POLICY_OWN ? "own" : "track";
}

/* As VmFlags of /proc/PID/smaps. */
void show_flags(struct reply *r, unsigned long vm_flags)
{
	const char *comma = "";

	reply_printf(r, "[");
#define SHOW_FLAG(flag, name)                             \
	if (vm_flags & (flag)) {                          \
		reply_printf(r, "%s\"" name "\"", comma); \
		comma = ",";                              \
	}
	SMM_VM_FLAGS(SHOW_FLAG)
#undef SHOW_FLAG
	reply_printf(r, "]");
}

/* The file of the program that frames of ours stand for. */
static void show_host(struct reply *r, const struct file_host *host)
{
	const struct vma_file *file = host->file;

	reply_printf(r, ",\"host\":{\"dev\":\"%02x:%02x\",\"inode\":%lu,", file->major,
		     file->minor, file->ino);
	show_name(r, file->name);
	reply_printf(r, "}");
}

/* The members that need no look at the kernel. */
void show_area_facts(struct reply *r, const struct vm_area_struct *vma)
{
	const struct vma_stat *stat = READ_ONCE(vma->stat);
	struct area_desc d;

	vma_describe(r->c->env->mm, vma, &d);
	show_area_desc(r, &d);
	reply_printf(r, ",\"policy\":\"%s\",\"reason\":\"%s\"", policy_name(vma->policy),
		     track_reason_name(vma->reason));
	reply_printf(r, ",\"faults\":%lu,\"populated\":%lu,\"flags\":",
		     stat ? READ_ONCE(stat->faults) : 0UL,
		     stat ? READ_ONCE(stat->populated) : 0UL);
	show_flags(r, vma_smaps_flags(vma));
	if (vma_host(vma))
		show_host(r, vma_host(vma));
}

static void show_area(struct reply *r, const struct vm_area_struct *vma,
		      struct pagemap *pm)
{
	unsigned long resident = pagemap_count(pm, vma->vm_start, vma->vm_end);

	reply_printf(r, "{");
	show_area_facts(r, vma);
	if (resident == PAGEMAP_UNKNOWN)
		reply_printf(r, ",\"resident\":null}");
	else
		reply_printf(r, ",\"resident\":%lu}", resident);
}

static const char *bool_str(bool b)
{
	return b ? "true" : "false";
}

void show_maps(struct reply *r)
{
	struct mm_struct *mm = r->c->env->mm;
	int token = mm_read_lock_engine(mm);
	struct vm_area_struct *vma;
	const char *comma = "";
	struct vma_iter it;
	struct pagemap pm;

	pagemap_open(&pm, &r->c->scratch);
	reply_printf(r, "{\"pid\":%d,\"blind\":%s,\"areas\":[", r->c->env->pid,
		     bool_str(READ_ONCE(mm->blind)));
	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		reply_printf(r, "%s", comma);
		show_area(r, vma, &pm);
		comma = ",";
	}
	mm_read_unlock(mm, token);
	pagemap_close(&pm);
	reply_printf(r, "]}");
}

void show_vma(struct reply *r, unsigned long addr)
{
	struct mm_struct *mm = r->c->env->mm;
	int token = mm_read_lock_engine(mm);
	struct vm_area_struct *vma = find_vma(mm, addr);
	struct pagemap pm;

	reply_printf(r, "{\"addr\":\"%08lx\",\"blind\":%s,\"contains\":%s,\"vma\":", addr,
		     bool_str(READ_ONCE(mm->blind)),
		     bool_str(vma && addr >= vma->vm_start));
	if (vma) {
		pagemap_open(&pm, &r->c->scratch);
		show_area(r, vma, &pm);
		pagemap_close(&pm);
	} else {
		reply_printf(r, "null");
	}
	mm_read_unlock(mm, token);
	reply_printf(r, "}");
}

/* --- stat ------------------------------------------------------------------------ */

struct tally {
	unsigned long areas, bytes;
};

static void tally_add(struct tally *t, const struct vm_area_struct *vma)
{
	t->areas++;
	t->bytes += vma->vm_end - vma->vm_start;
}

static void show_tally(struct reply *r, const char *comma, const char *name,
		       const struct tally *t)
{
	reply_printf(r, "%s\"%s\":{\"areas\":%lu,\"bytes\":%lu}", comma, name, t->areas,
		     t->bytes);
}

static void show_tallies(struct reply *r)
{
	struct tally policy[2] = { { 0 } }, reason[TRACK_NR] = { { 0 } };
	struct mm_struct *mm = r->c->env->mm;
	int token = mm_read_lock_engine(mm);
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		tally_add(&policy[vma->policy == POLICY_OWN], vma);
		if (vma->policy != POLICY_OWN)
			tally_add(&reason[min((unsigned int)vma->reason, TRACK_NR - 1U)],
				  vma);
	}
	mm_read_unlock(mm, token);
	reply_printf(r, ",\"policy\":{");
	show_tally(r, "", "own", &policy[1]);
	show_tally(r, ",", "track", &policy[0]);
	reply_printf(r, "},\"reason\":{");
	for (int i = TRACK_NONE + 1; i < TRACK_NR; i++)
		show_tally(r, i > TRACK_NONE + 1 ? "," : "",
			   track_reason_name((enum track_reason)i), &reason[i]);
	reply_printf(r, "}");
}

/* The memory descriptor. Addresses are hexadecimal strings, the rest numbers. */
static void show_mm(struct reply *r, int users)
{
	const struct mm_struct *mm = r->c->env->mm;

#define MM_NUMBER(field) reply_printf(r, "\"" #field "\":%lu,", READ_ONCE(mm->field))
#define MM_ADDR(field)	 reply_printf(r, "\"" #field "\":\"%08lx\",", READ_ONCE(mm->field))
	reply_printf(r, ",\"mm\":{\"mm_users\":%d,\"mm_count\":%d,", users,
		     READ_ONCE(mm->mm_count));
	MM_NUMBER(map_count);
	MM_NUMBER(total_vm);
	MM_NUMBER(data_vm);
	MM_NUMBER(exec_vm);
	MM_NUMBER(stack_vm);
	MM_NUMBER(locked_vm);
	show_status(r);
	MM_NUMBER(seq);
	MM_NUMBER(min_own);
	reply_printf(r, "\"def_flags\":");
	show_flags(r, READ_ONCE(mm->def_flags));
	reply_printf(r, ",\"merge_any\":%s,", bool_str(READ_ONCE(mm->merge_any)));
	MM_ADDR(start_code);
	MM_ADDR(end_code);
	MM_ADDR(start_data);
	MM_ADDR(end_data);
	MM_ADDR(start_brk);
	MM_ADDR(brk);
	MM_ADDR(start_stack);
	MM_ADDR(arg_start);
	MM_ADDR(arg_end);
	MM_ADDR(env_start);
	MM_ADDR(env_end);
#undef MM_NUMBER
#undef MM_ADDR
	reply_printf(r, "\"own_enabled\":%s,\"blind\":%s}",
		     bool_str(READ_ONCE(mm->own_enabled)),
		     bool_str(READ_ONCE(mm->blind)));
	show_auxv(r);
}

static void show_counters(struct reply *r)
{
	const struct smm_stat *stat = r->c->env->stat;
	const char *comma = "";

	reply_printf(r, ",\"counters\":{");
#define SHOW_COUNTER(name, text)                                              \
	reply_printf(r, "%s\"" #name "\":%lu", comma, READ_ONCE(stat->name)); \
	comma = ",";
	SMM_COUNTERS(SHOW_COUNTER)
#undef SHOW_COUNTER
	reply_printf(r, "}");
}

static const char *pages_name(unsigned int pages)
{
	return pages == POOL_PAGES_HUGE ? "huge" : pages == POOL_PAGES_4K ? "4k" : "auto";
}

/* Sizes in bytes, times in nanoseconds. */
static void show_pool(struct reply *r)
{
	const struct zero_pool *p = r->c->env->pool;
	const struct huge_pool *h = &p->huge;
	unsigned int choice = READ_ONCE(h->choice);

	reply_printf(r, ",\"pool\":{\"kind\":\"%s\",\"choice\":\"%s\",\"why\":",
		     pages_name(r->c->env->pool_pages),
		     pages_name(choice ? choice : POOL_PAGES_4K));
	reply_json(r, READ_ONCE(h->why) ? h->why : "no huge pages to choose");
	reply_printf(r, ",\"huge_ns\":%lu,\"small_ns\":%lu", READ_ONCE(h->huge_ns),
		     READ_ONCE(h->small_ns));
	reply_printf(r, ",\"size\":%lu,\"want\":%lu,\"ready\":%lu",
		     READ_ONCE(p->base) ? READ_ONCE(p->pages) << PAGE_SHIFT : 0,
		     READ_ONCE(p->want) << PAGE_SHIFT,
		     (READ_ONCE(p->tail) - READ_ONCE(p->head)) << PAGE_SHIFT);
	reply_printf(r, ",\"huge_size\":%lu,\"huge_want\":%lu,\"huge_ready\":%lu}",
		     READ_ONCE(h->base) ? READ_ONCE(h->blocks) << HUGE_SHIFT : 0,
		     READ_ONCE(h->want) << HUGE_SHIFT,
		     (READ_ONCE(h->tail) - READ_ONCE(h->head)) << HUGE_SHIFT);
}

static void show_slab(struct reply *r, const char *comma, const struct kmem_cache *c)
{
	reply_printf(r, "%s{\"name\":", comma);
	reply_json(r, c->name ? c->name : "");
	reply_printf(r, ",\"size\":%lu,\"active\":%lu,\"free\":%lu,\"pages\":%lu}",
		     c->size, READ_ONCE(c->nr_active), kmem_cache_nr_free(c),
		     READ_ONCE(c->nr_slabs) << c->order);
}

static void show_memory(struct reply *r)
{
	const struct mm_struct *mm = r->c->env->mm;

	reply_printf(r, ",\"arena\":{\"total\":%lu,\"free\":%lu}",
		     READ_ONCE(mm->arena.total), READ_ONCE(mm->arena.free));
	reply_printf(r, ",\"rcu\":{\"deferred\":%lu}", READ_ONCE(mm->rcu.nr_deferred));
	reply_printf(r, ",\"slab\":[");
	show_slab(r, "", &mm->vma_cache);
	show_slab(r, ",", &mm->node_cache);
	show_slab(r, ",", &mm->stat_cache);
	reply_printf(r, "]");
}

/* Events answered by each task that has been started, also if it is not needed now. */
static void show_fault_events(struct reply *r)
{
	const struct fault_work *w = r->c->env->work;

	reply_printf(r, ",\"fault_events\":[");
	for (int i = 0; w && i < FAULT_TASKS_MAX && READ_ONCE(w[i].started); i++)
		reply_printf(r, "%s%lu", i ? "," : "", READ_ONCE(w[i].events));
	reply_printf(r, "]");
}

void show_stat(struct reply *r, bool untouched)
{
	const struct ctl_env *env = r->c->env;
	struct sharers sharers;
	int users = tasks_settle(env, &r->c->scratch, &sharers);

	reply_printf(r, "{\"pid\":%d,\"comm\":", env->pid);
	reply_json(r, env->comm);
	reply_printf(r, ",\"mode\":");
	reply_json(r, env->mode);
	reply_printf(r, ",\"degraded\":");
	reply_json(r, env->degraded);
	reply_printf(r, ",\"engine_pid\":%d,\"fault_pid\":%d,\"start_time\":%lu",
		     env->engine_pid, env->fault_pid, (unsigned long)env->start_time);
	show_fault_events(r);
	show_birth(r);
	show_sharers(r, &sharers);
	show_mm(r, users);
	show_rss_total(r);
	show_tallies(r);
	show_counters(r);
	show_dirty(r);
	if (env->pool)
		show_pool(r);
	if (untouched)
		show_untouched(r);
	show_memory(r);
	reply_printf(r, "}");
}
