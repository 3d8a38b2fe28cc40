// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The control task smm-ctl: sets the engine up, answers the control socket, and watches
 * the program and smm-fault.
 */
#include <asm/resource.h>
#include <linux/poll.h>
#include <linux/signal.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/ctl/control.h"
#include "lib/ctl/ctl.h"
#include "lib/fault/dirty.h"
#include "lib/fault/fault.h"
#include "lib/fault/filemap.h"
#include "lib/fault/shared.h"
#include "lib/mm/mm.h"
#include "lib/sys/clone.h"
#include "lib/sys/creds.h"
#include "lib/sys/mutex.h"
#include "lib/sys/procmaps.h"
#include "lib/sys/procstat.h"
#include "lib/sys/sys.h"
#include "lib/sys/thp.h"
#include "lib/sys/uffd.h"
#include "lib/sys/usermem.h"

static struct ctl server;
static struct ctl_env server_env;
static char comm[32];
static bool have_socket;
static int
	stderr_fd; /* of the program, until we have said what there is to say; -errno */

static void degrade(struct engine *e, const char *why, long err)
{
	e->degraded = why;
	e->degraded_err = err;
}

static void read_line(const char *path, char *buf, size_t size)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), n = -1;

	if (fd >= 0) {
		n = sys_read(fd, buf, size - 1);
		sys_close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
}

/* Areas of @path: the one that contains @addr, or one of the same file as @found.
 */
static bool find_area(const char *path, unsigned long addr, struct area_desc *found)
{
	struct procmaps *p = &server.scratch.smaps.lines;
	struct area_desc d;
	bool hit = false;

	if (procmaps_open_file(p, path))
		return false;
	while (!hit && procmaps_next(p, &d) > 0)
		hit = addr ? addr >= d.start && addr < d.end
			   : d.ino == found->ino && d.major == found->major &&
				      d.minor == found->minor;
	if (hit)
		*found = d;
	procmaps_close(p);
	return hit;
}

/* Where process @pid has the library, or 0. @own: any area of ours with that
 * file. */
static unsigned long library_of(int pid, const struct area_desc *own)
{
	struct area_desc d = *own;
	char path[32];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/maps", pid);
	return find_area(path, 0, &d) ? d.start : 0;
}

/* 0 if there is no such process. Control task: its own stack. */
static int parent_of(int pid)
{
	char path[32], buf[512];
	const char *p;
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/stat", pid);
	p = procstat_field(path, PROCSTAT_PARENT, buf, sizeof(buf));
	return p ? (int)parse_ulong(&p, 10) : 0;
}

/* In another process, at the place where ours is; it is its library's data. */
static bool peer_flag(int pid, unsigned long base, const bool *flag, unsigned long own)
{
	bool value = false;

	read_process(pid, &value, base + ((unsigned long)flag - own), sizeof(value));
	return value;
}

#define GENERATIONS 16

/*
 * A parent under the library has the same kernel and user: it has said it, or
 * will before it ends (engine_stop()). Not so one that sleeps, which has nothing
 * to say: we tell it that it has been said, for its other children.
 */
static bool parent_says_it(const struct engine *e)
{
	const bool yes = true;
	unsigned long own, base;
	struct area_desc d;
	int pid = e->parent;

	if (!find_area("/proc/self/maps", (unsigned long)find_area, &d))
		return false;
	own = library_of((int)sys_getpid(), &d);
	for (int i = 0; i < GENERATIONS && pid > 1; i++, pid = parent_of(pid)) {
		base = library_of(pid, &d);
		if (!base)
			return false;
		if (!peer_flag(pid, base, &e->asleep, own) ||
		    peer_flag(pid, base, &e->said, own))
			return true;
		write_process(pid, base + ((unsigned long)&e->said - own), &yes,
			      sizeof(yes));
	}
	return false;
}

/* One line on the program's stderr, which is still open here. */
static void say_degraded(const struct engine *e)
{
	char line[256];
	struct fmt f;

	if (e->opt.quiet || e->said || !e->degraded || parent_says_it(e))
		return;
	fmt_init(&f, line, sizeof(line));
	fmt_printf(&f,
		   "shadowmm: %s (error %d): the kernel pages the program's memory; "
		   "`shadowmm check` says what can be done\n",
		   e->degraded, (int)-e->degraded_err);
	sys_write(stderr_fd, f.buf, f.len);
}

/* The program's limit may suit the program only; what we set is our own (a process has
 * its own limits). As high as we are allowed to, if that is not enough. */
#define DESCRIPTORS_WANTED 256

static void raise_descriptor_limit(void)
{
	unsigned long limit[2];

	if (sys_getrlimit(RLIMIT_NOFILE, limit) || limit[0] >= DESCRIPTORS_WANTED)
		return;
	limit[0] = min(limit[1], (unsigned long)DESCRIPTORS_WANTED);
	sys_setrlimit(RLIMIT_NOFILE, limit);
}

/*
 * A descriptor table of our own, in which the program can neither see nor close
 * anything; stderr stays open until we know whether there is something to say.
 * Nothing that would keep a directory or a terminal busy.
 */
static long detach(void)
{
	long ret = sys_close_range(3, ~0U, 1 << 1 /* CLOSE_RANGE_UNSHARE */);

	if (ret)
		return ret;
	raise_descriptor_limit();
	/* Above all numbers that our own descriptors will get: the program may
	 * have no descriptor 2, and then that is one of ours. */
	stderr_fd = (int)sys_fcntl(2, F_DUPFD_CLOEXEC, 64);
	for (int fd = 0; fd < 3; fd++)
		sys_close(fd);
	sys_setsid();
	sys_chdir("/");
	sys_prctl(PR_SET_NAME, "smm-ctl", 0, 0, 0);
	return 0;
}

/* Not the program's own business, and not worth its time: most never say MAP_NORESERVE.
 */
static void read_overcommit(const struct engine *e)
{
	char mode[8];

	read_line("/proc/sys/vm/overcommit_memory", mode, sizeof(mode));
	WRITE_ONCE(e->mm->overcommit_never, mode[0] == '2');
}

/* The same: hooks want to know before the first area is advised. */
static void read_thp(struct engine *e)
{
	if (e->opt.pool && e->opt.pool_pages != POOL_PAGES_4K)
		WRITE_ONCE(e->pool.huge.mode, thp_mode());
}

static void read_comm(const struct engine *e)
{
	char path[40];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "/proc/%d/comm", e->owner);
	read_line(path, comm, sizeof(comm));
}

/* Start of a userfaultfd and of the process that serves it. */
static long start_fault_process(struct engine *e)
{
	long pid;

	e->uffd = uffd_open(&e->uffd_features);
	if (e->uffd < 0)
		return e->uffd;
	/* CLONE_PARENT: a child of the program, which can end and reap it, like us. */
	pid = sys_clone_task(CLONE_VM | CLONE_FILES | CLONE_PARENT | CLONE_PARENT_SETTID,
			     e->stack_fault + sizeof(e->stack_fault), &e->fault_pid, NULL,
			     fault_process, e);
	if (pid < 0)
		sys_close(e->uffd);
	if (pid >= 0) { /* its fault task and its service task */
		mmgrab(e->mm);
		mmgrab(e->mm);
	}
	return pid;
}

static void set_state(struct engine *e, enum engine_state state)
{
	__atomic_store_n(&e->state, state, __ATOMIC_RELEASE);
	sys_futex(&e->state, FUTEX_WAKE_PRIVATE, ~0U >> 1, NULL);
}

static void start_serving(struct engine *e)
{
	long ret = -EPERM;

	if (e->opt.own) {
		ret = start_fault_process(e);
		if (ret < 0)
			degrade(e,
				e->fault_pid ? "the fault process could not be started"
					     : "userfaultfd is not available",
				ret);
	} else {
		degrade(e, NULL, 0);
	}
	if (ret < 0)
		e->fault_pid = 0;
	if (ret >= 0)
		set_state(e, ENGINE_READY);
}

static const struct cache_ops cache_ops = { evict_account, evict_drop };

static struct ctl_env env_of(struct engine *e)
{
	const bool pages = e->fault_pid != 0;
	struct timespec now = { 0, 0 };

	sys_clock_gettime(0 /* CLOCK_REALTIME */, &now);
	return (struct ctl_env){
		.mm = e->mm,
		.mmap_lock = e->mmap_lock,
		.verify_flags = e->opt.verify_flags,
		.reserve = e->reserve,
		.stat = e->stat,
		.dir = e->opt.socket_dir,
		.pid = e->owner,
		.comm = comm,
		.engine_pid = e->ctl_pid,
		.fault_pid = e->fault_pid,
		.start_time = (u64)now.tv_sec,
		.birth = &e->birth,
		.work = pages ? e->fault : NULL,
		.cow = pages ? &e->cow : NULL,
		.pool = pages ? &e->pool : NULL,
		.pool_pages = e->opt.pool_pages,
		.cache = pages ? &cache_ops : NULL,
		.sampling = pages ? &e->sampling : NULL,
		.engine = pages ? e : NULL,
		.dirty_begin = dirty_begin,
		.mode = pages ? "own" : "track",
		.degraded = e->degraded,
	};
}

static void env_read(struct engine *e)
{
	read_comm(e);
	read_overcommit(e);
	read_thp(e);
}

#define FINISH_MS 50

/*
 * A fault task may be in the middle of a change of the model (settle_fault()): it is let
 * finish, and begins no other, since e->stopping is set.
 */
static void let_finish(const struct engine *e)
{
	if (__atomic_load_n(&e->files.settling, __ATOMIC_SEQ_CST) &&
	    mutex_lock_timeout(e->mmap_lock, FINISH_MS) == 1)
		mutex_unlock(e->mmap_lock);
}

/* The program has ended, and not through our exit hook: it was killed. */
static void __attribute__((noreturn)) program_ended(struct engine *e)
{
	/* Pairs with ctl_verify_append(): a verify_task may have outlived the program. */
	__atomic_store_n(&e->stopping, 1, __ATOMIC_SEQ_CST);
	if (e->fault_pid) {
		let_finish(e);
		sys_kill(e->fault_pid, SIGKILL);
	}
	shared_flush(e);
	mapping_unlink_all(e);
	mutex_abandon(e->mmap_lock);
	if (e->opt.verify_at_exit[0])
		ctl_verify_append(&server_env, e->opt.verify_at_exit);
	if (have_socket)
		ctl_close(&server);
	sys_exit_group(0);
	__builtin_unreachable();
}

enum {
	WATCH_OWNER,
	WATCH_FAULT,
	WATCH_WAKE,
	WATCH_NR
};

static long open_watches(struct engine *e, struct pollfd *w)
{
	w[WATCH_OWNER].fd = (int)sys_pidfd_open(e->owner, 0);
	w[WATCH_FAULT].fd = e->fault_pid ? (int)sys_pidfd_open(e->fault_pid, 0) : -1;
	w[WATCH_WAKE].fd = (int)sys_eventfd(O_CLOEXEC | O_NONBLOCK);
	for (int i = 0; i < WATCH_NR; i++)
		w[i].events = POLLIN;
	e->owner_pidfd = w[WATCH_OWNER].fd;
	e->wake_fd = w[WATCH_WAKE].fd;
	return w[WATCH_OWNER].fd;
}

/*
 * The program has become another user: the socket must go while we may still remove it,
 * and stand where that user looks for it. The hook waits for our acknowledgement, so
 * when it returns the new socket is there.
 */
static void follow_creds(struct engine *e)
{
	u32 seq = __atomic_load_n(&e->creds_seq, __ATOMIC_SEQ_CST);
	bool moves = (u32)sys_geteuid() != e->creds.euid;
	struct fmt f;

	if (moves && have_socket)
		ctl_close(&server);
	creds_take(e);
	if (moves) {
		fmt_init(&f, e->opt.socket_dir, sizeof(e->opt.socket_dir));
		fmt_printf(&f, "/tmp/shadowmm-%u", e->creds.euid);
		have_socket = ctl_open(&server, &server_env) == 0;
	}
	engine_ack_creds(e, &e->creds_ctl, seq);
}

static void handle_watches(struct engine *e, const struct pollfd *w)
{
	u64 n;

	if (w[WATCH_OWNER].revents)
		program_ended(e);
	if (w[WATCH_FAULT].revents)
		engine_fail_stop(e);
	if (w[WATCH_WAKE].revents && sys_read(w[WATCH_WAKE].fd, &n, sizeof(n)) > 0)
		follow_creds(e);
}

static void serve(struct engine *e, struct pollfd *fds)
{
	for (;;) {
		int n = have_socket
				? ctl_fill_pollfds(&server, fds + WATCH_NR, CTL_POLLFDS)
				: 0;
		long ret = sys_poll(fds, WATCH_NR + n, -1);

		if (ret < 0)
			continue;
		handle_watches(e, fds);
		server_env.degraded = e->degraded;
		read_comm(e);
		if (n)
			ctl_handle(&server, fds + WATCH_NR, n);
	}
}

void control_main(void *arg)
{
	struct engine *e = arg;
	struct pollfd fds[WATCH_NR + CTL_POLLFDS];
	long ret = detach();

	if (ret) {
		degrade(e, "close_range() is not available", ret);
		set_state(e, ENGINE_CONTROL);
		sys_exit_group(1);
	}
	if (open_watches(e, fds) < 0)
		sys_exit_group(0); /* the program has ended already */
	start_serving(e);
	if (e->fault_pid)
		fds[WATCH_FAULT].fd = (int)sys_pidfd_open(e->fault_pid, 0);
	env_read(e);
	server_env = env_of(e);
	ret = ctl_open(&server, &server_env);
	if (ret && !e->degraded)
		degrade(e, "no control socket", ret);
	have_socket = ret == 0;
	say_degraded(e);
	if (stderr_fd >= 0)
		sys_close(stderr_fd);
	/* Whoever waits for this knows that everything has been said. */
	if (!e->fault_pid)
		set_state(e, ENGINE_CONTROL);
	serve(e, fds);
}

void control_verify_at_exit(struct engine *e)
{
	/* Not the server's: in a fork child it may still be the parent's, or half of it.
	 */
	struct ctl_env env;

	env_read(e);
	env = env_of(e);
	/* If the program is killed meanwhile, program_ended() writes the line, and by its
	 * end takes the registrations away that we are looking for. */
	env.overtaken = READ_ONCE(e->ctl_pid) ? &e->stopping : NULL;
	ctl_verify_append(&env, e->opt.verify_at_exit);
}
