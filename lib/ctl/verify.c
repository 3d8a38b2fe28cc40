// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Compare the shadow with the kernel's list. mmap_lock makes the moment quiet: no call
 * that we intercept is between the kernel's change and the model's.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

#define MAX_DIFFERENCES 256 /* shown one by one; all are counted */

#define RLIMIT_FSIZE	1

/*
 * Memory for settling guesses and repairs, before the comparison begins: without it the
 * model would go blind. The caller holds mmap_lock. 0 or -errno.
 */
static int prepare(const struct ctl_env *env)
{
	return env->reserve ? (int)env->reserve(0, ~0UL) : 0;
}

static int open_list(const struct mm_verify *v, struct smaps *s)
{
	return v->all_flags ? smaps_open(s) : procmaps_open(&s->lines);
}

static int next_area(const struct mm_verify *v, struct smaps *s, struct area_desc *d)
{
	return v->all_flags ? smaps_next(s, d) : procmaps_next(&s->lines, d);
}

/* One comparison. Caller holds mmap_lock. 0 or -errno. */
static int compare(struct mm_verify *v, const struct ctl_env *env, struct smaps *maps)
{
	struct area_desc d;
	int ret = prepare(env);

	if (ret == 0)
		ret = open_list(v, maps);
	if (ret < 0)
		return ret;
	while ((ret = next_area(v, maps, &d)) > 0)
		mm_verify_area(v, &d);
	smaps_close(maps);
	if (ret < 0)
		return ret;
	mm_verify_end(v);
	return v->failed ? -ENOMEM : 0;
}

/* As mutex_lock_timeout(); a lock taken over from a dead task is counted. */
static int env_lock(const struct ctl_env *env)
{
	int ret = mutex_lock_timeout(env->mmap_lock, CTL_LOCK_MS);

	if (ret == 0)
		stat_inc(env->stat->lock_stolen);
	return ret;
}

/*
 * A task died inside a call, perhaps after the kernel's change and before the model's:
 * that is no drift. Caller holds mmap_lock.
 */
static int finish_dead_call(const struct ctl_env *env, struct smaps *maps)
{
	struct mm_verify v;

	mm_verify_begin(&v, env->mm);
	v.repair = true;
	stat_inc(env->stat->resyncs);
	return compare(&v, env, maps);
}

int ctl_lock(const struct ctl_env *env, struct smaps *maps)
{
	int ret = env_lock(env);

	if (ret)
		return ret < 0 ? ret : 0;
	ret = finish_dead_call(env, maps);
	if (ret)
		mutex_unlock(env->mmap_lock);
	return ret;
}

/* @locked: what env_lock() said. Gives the lock back. 0 or -errno. */
static int verify_locked(struct mm_verify *v, const struct ctl_env *env, int locked,
			 struct smaps *maps, const char **broken)
{
	int ret = locked ? 0 : finish_dead_call(env, maps);

	if (ret == 0)
		ret = compare(v, env, maps);
	*broken = validate_mm(env->mm);
	mutex_unlock(env->mmap_lock);
	stat_add(env->stat->drift, v->differences);
	if (v->repair && ret == 0)
		stat_add(env->stat->drift_repaired, v->differences);
	return ret;
}

/* --- the command ------------------------------------------------------------------ */

struct json_report {
	struct reply *r;
	unsigned int shown;
};

static void show_side(struct reply *r, const char *name, const struct area_desc *d)
{
	reply_printf(r, ",\"%s\":", name);
	if (!d) {
		reply_printf(r, "null");
		return;
	}
	reply_printf(r, "{");
	show_area_desc(r, d);
	reply_printf(r, ",\"flags\":");
	show_flags(r, d->vm_flags & VM_SMAPS_MASK);
	reply_printf(r, "}");
}

static void report_json(void *priv, const char *what, const struct area_desc *shadow,
			const struct area_desc *kernel)
{
	struct json_report *rep = priv;
	struct reply *r = rep->r;

	if (rep->shown >= MAX_DIFFERENCES)
		return;
	reply_printf(r, "%s{\"what\":", rep->shown++ ? "," : "");
	reply_json(r, what);
	show_side(r, "shadow", shadow);
	show_side(r, "kernel", kernel);
	reply_printf(r, "}");
}

static void show_result(struct reply *r, const struct mm_verify *v, unsigned int shown,
			bool taken_over, const char *broken)
{
	reply_printf(r, "],\"areas\":%lu,\"differences\":%lu,\"resolved\":%lu", v->areas,
		     v->differences, v->resolved);
	reply_printf(r, ",\"shown\":%u,\"repair\":%s,\"lock_taken_over\":%s,\"broken\":",
		     shown, v->repair ? "true" : "false", taken_over ? "true" : "false");
	reply_json(r, broken);
	reply_printf(r, "}");
}

void ctl_verify(struct reply *r, bool repair, bool all_flags)
{
	const struct ctl_env *env = r->c->env;
	struct json_report rep = { .r = r };
	const char *broken;
	struct mm_verify v;
	int locked = env_lock(env), ret;

	if (locked < 0) {
		reply_error(
			r, "verify", "mmap_lock is busy",
			"the program is in a long call that changes its address space; "
			"try again");
		return;
	}
	reply_printf(r, "{\"pid\":%d,\"list\":[", env->pid);
	mm_verify_begin(&v, env->mm);
	v.repair = repair;
	v.all_flags = all_flags;
	v.report = report_json;
	v.priv = &rep;
	ret = verify_locked(&v, env, locked, &r->c->scratch.smaps, &broken);
	if (ret == -ENOMEM)
		reply_error(r, "verify", "no memory for the shadow",
			    "raise RLIMIT_AS of the program or its memory limit");
	else if (ret < 0)
		reply_error(r, "verify", "cannot read /proc/self/maps",
			    "see that /proc is mounted and the process may open files");
	else
		show_result(r, &v, rep.shown, !locked, broken);
}

/* --- at exit ----------------------------------------------------------------------- */

#define HEAD_ROOM 128 /* of the first line: three numbers and a comm */

struct text_report {
	struct fmt f; /* the lines after the first */
	unsigned long lines;
	char buf[HEAD_ROOM + 6144];
};

static void text_side(struct fmt *f, const char *name, const struct area_desc *d)
{
	char perms[5];

	if (!d)
		return;
	fmt_printf(f, " %s %lx-%lx %s (%lx) %lx %02x:%02x %lu ", name, d->start, d->end,
		   perms_str(d->vm_flags, perms), d->vm_flags & VM_SMAPS_MASK,
		   d->pgoff << PAGE_SHIFT, d->major, d->minor, d->ino);
	/* One line per difference, whatever the name is. */
	fmt_json_str(f, d->name ? d->name : "");
}

static void report_text(void *priv, const char *what, const struct area_desc *shadow,
			const struct area_desc *kernel)
{
	struct text_report *t = priv;
	const size_t before = t->f.len;

	if (t->f.truncated)
		return;
	fmt_printf(&t->f, "# %s:", what);
	text_side(&t->f, "shadow", shadow);
	text_side(&t->f, "kernel", kernel);
	fmt_char(&t->f, '\n');
	t->lines++;
	/* A cut line would run into the next process's. */
	if (t->f.truncated) {
		t->f.len = before;
		t->lines--;
	}
}

static void fmt_comm(struct fmt *f, const char *comm)
{
	for (int i = 0; i < 15 && comm[i]; i++) {
		unsigned char c = (unsigned char)comm[i];

		fmt_char(f, c <= ' ' || c == 0x7f ? '_' : comm[i]);
	}
}

/* Past the limit the kernel would kill the program with SIGXFSZ. */
static bool fits_rlimit(int fd, size_t len)
{
	unsigned long limit[2];
	struct statx stx;

	if (sys_getrlimit(RLIMIT_FSIZE, limit) < 0 || limit[0] == ~0UL)
		return true;
	if (sys_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx) < 0)
		return false;
	return stx.stx_size + len <= limit[0];
}

static int append(const char *path, const char *text, size_t len)
{
	/* Not blocking: a FIFO without a reader must not hold up the exit. */
	const int flags =
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	long fd = sys_open(path, flags, 0666), n = -EFBIG;

	if (fd < 0)
		return (int)fd;
	if (fits_rlimit((int)fd, len))
		n = sys_write(fd, text, len);
	sys_close(fd);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENOSPC;
}

/* What stands in the way counts as a difference, so that it is seen. */
static void text_trouble(struct text_report *t, const char *what, int err)
{
	fmt_printf(&t->f, "# not verified: %s (%d)\n", what, -err);
	t->lines++;
}

/* Verifies into @t. Returns the differences; @areas is filled. */
static unsigned long verify_text(const struct ctl_env *env, struct text_report *t,
				 unsigned long *areas)
{
	const char *broken;
	struct mm_verify v;
	struct smaps maps;
	int ret = env_lock(env);

	*areas = 0;
	if (ret < 0) {
		text_trouble(t, "mmap_lock is busy", ret);
		return 1;
	}
	mm_verify_begin(&v, env->mm);
	v.all_flags = env->verify_flags;
	v.report = report_text;
	v.priv = t;
	ret = verify_locked(&v, env, ret, &maps, &broken);
	*areas = v.areas;
	if (ret < 0)
		text_trouble(t, "/proc/self/maps or memory", ret);
	else if (broken)
		text_trouble(t, broken, 0);
	return v.differences + (ret < 0 || broken);
}

int ctl_verify_append(const struct ctl_env *env, const char *path)
{
	char head_buf[HEAD_ROOM], *text;
	unsigned long areas, differences;
	struct text_report t;
	struct fmt head;
	int ret;

	fmt_init(&t.f, t.buf + HEAD_ROOM, sizeof(t.buf) - HEAD_ROOM);
	t.lines = 0;
	differences = verify_text(env, &t, &areas);
	if (env->overtaken && __atomic_load_n(env->overtaken, __ATOMIC_SEQ_CST))
		return -ECANCELED;
	fmt_init(&head, head_buf, sizeof(head_buf));
	fmt_printf(&head, "%d ", env->pid);
	fmt_comm(&head, env->comm);
	fmt_printf(&head, " %lu %lu\n", areas, differences);
	if (t.lines < differences)
		fmt_printf(&head, "# %lu of them not shown\n", differences - t.lines);
	/* One write, so that lines of processes ending together do not mix. */
	text = t.buf + HEAD_ROOM - head.len;
	memcpy(text, head.buf, head.len);
	ret = append(path, text, head.len + t.f.len);
	return ret < 0 ? ret : (int)min(differences, 0x7fffffffUL);
}
