// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How many tasks share the address space, from /proc: hooks count what they see, but a
 * task may die by a signal, or by a system call of code that is not patched.
 *
 * Context: the control task, when asked. No hook waits for it and it takes no lock, so
 * tasks come and go meanwhile; mm_users is corrected only if two looks agree and no hook
 * has changed it between them. A correction made at a bad moment is undone by the next.
 */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

#define KCMP_VM 1
#define TRIES	4

struct linux_dirent64 {
	u64 d_ino, d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};

/* The text of /proc/@pid/@name up to @size - 1 bytes. False: there is none. */
static bool read_proc(int pid, const char *name, char *buf, size_t size)
{
	char path[48];
	struct fmt f;
	long fd, n;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/%s", pid, name);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_read(fd, buf, size - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/*
 * Tasks of the thread group @pid that have an address space: num_threads of proc(5),
 * without a first thread that has ended before the others. 0: there is no such group.
 */
static int threads_of(int pid)
{
	char buf[512];
	const char *p;
	char state;
	int n;

	if (!read_proc(pid, "stat", buf, sizeof(buf)) || !(p = strrchr(buf, ')')) ||
	    !p[1])
		return 0;
	state = p[2];
	for (int field = 2; field < 20; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return 0;
	}
	p++;
	n = (int)parse_ulong(&p, 10);
	return state == 'Z' || state == 'X' ? n - 1 : n;
}

/* True if @pid has our address space, and is neither the program nor of the engine. */
static bool is_sharer(const struct ctl_env *env, int pid)
{
	return pid != env->pid && pid != env->engine_pid && pid != env->fault_pid &&
	       sys_kcmp(env->pid, pid, KCMP_VM, 0, 0) == 0;
}

static int sharers_in(const struct ctl_env *env, const char *buf, long len,
		      struct sharers *s)
{
	int users = 0;

	for (long at = 0; at < len;) {
		const struct linux_dirent64 *d = (const void *)(buf + at);
		const char *name = d->d_name;
		int pid = (int)parse_ulong(&name, 10);

		at += d->d_reclen;
		if (!pid || *name || !is_sharer(env, pid))
			continue;
		users += threads_of(pid);
		if (s->nr < ARRAY_SIZE(s->pid))
			s->pid[s->nr++] = pid;
	}
	return users;
}

/* Tasks of other thread groups in our address space: children by clone(CLONE_VM). */
static int count_sharers(const struct ctl_env *env, union ctl_scratch *scratch,
			 struct sharers *s)
{
	long fd = sys_open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
	char *buf = (char *)scratch->words;
	int users = 0;

	s->nr = 0;
	if (fd < 0)
		return 0;
	while ((n = sys_getdents64(fd, buf, sizeof(scratch->words))) > 0)
		users += sharers_in(env, buf, n, s);
	sys_close(fd);
	return users;
}

/* The tasks there are; 0 if the kernel does not say. */
static int count_users(const struct ctl_env *env, union ctl_scratch *scratch,
		       struct sharers *s)
{
	int users = threads_of(env->pid);

	s->nr = 0;
	if (!users || !READ_ONCE(env->mmap_lock->borrowers))
		return users;
	if (sys_kcmp(env->pid, env->engine_pid, KCMP_VM, 0, 0))
		return 0;
	return users + count_sharers(env, scratch, s);
}

int tasks_settle(const struct ctl_env *env, union ctl_scratch *scratch, struct sharers *s)
{
	int *users = &env->mm->mm_users, seen = READ_ONCE(*users), last = 0;

	for (int i = 0; i < TRIES; i++) {
		int n = count_users(env, scratch, s), before = seen;

		if (!n)
			return max(seen, 1);
		seen = READ_ONCE(*users);
		if (seen == before && n == seen)
			return n;
		if (seen == before && n == last &&
		    __atomic_compare_exchange_n(users, &seen, n, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			stat_inc(env->stat->users_settled);
			return n;
		}
		last = n;
	}
	return last;
}

static void show_id(struct reply *r, const struct mm_id *id)
{
	reply_printf(r, "{\"pid\":%d,\"born_ns\":%lu}", id->pid, (unsigned long)id->born);
}

/* Members of hello and stat: how this address space came to be. */
void show_birth(struct reply *r)
{
	const struct mm_birth *b = r->c->env->birth;

	if (!b)
		return;
	reply_printf(r, ",\"born\":\"%s\",\"born_ns\":%lu,\"starter\":%d,\"ancestors\":[",
		     b->nr_ancestors ? "fork" : "exec", (unsigned long)b->self.born,
		     b->starter);
	for (u32 i = 0; i < b->nr_ancestors; i++) {
		reply_printf(r, "%s", i ? "," : "");
		show_id(r, &b->ancestor[i]);
	}
	reply_printf(r, "]");
}

void show_sharers(struct reply *r, const struct sharers *s)
{
	reply_printf(r, ",\"sharers\":[");
	for (unsigned int i = 0; i < s->nr; i++)
		reply_printf(r, "%s%d", i ? "," : "", s->pid[i]);
	reply_printf(r, "]");
}
