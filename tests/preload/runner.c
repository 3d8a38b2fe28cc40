// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runs each program of this directory plain and under shadowmm and compares output and
 * end; wants no difference in the verify file and nothing left behind.
 *
 * The runner itself is never preloaded. It is a child subreaper, so that what a program
 * leaves behind, engines included, becomes its child and can be waited for.
 *
 * Environment: SMM_CLI (default: shadowmm in the build tree), SMM_LIB (likewise
 * .libs/libshadowmm.so); SMM_PLAIN=1 runs everything plain, to test the tests.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_MS	60000 /* one run of one program */
#define GONE_MS 2000  /* its engines end after it within this */

/* What to expect of a program besides equality. */
enum {
	EXIT_ZERO = 1, /* the plain run must end with exit 0 */
	LINES = 2,     /* at least one verify line */
	SOCKET = 4,    /* the control socket may stay: who would remove it was killed */
};

struct run {
	int status;	    /* of waitpid() */
	char *output;	    /* stdout and stderr, terminated */
	char *verify;	    /* the verify file, terminated */
	char problem[2048]; /* "" or what went wrong besides */
};

static const char *build_dir(void)
{
	const char *dir = getenv("top_builddir");

	return dir ? dir : ".";
}

/* The path in environment variable @name, else @file in the build tree. */
static void tool_path(char *path, size_t size, const char *name, const char *file)
{
	const char *set = getenv(name);

	if (set)
		snprintf(path, size, "%s", set);
	else
		snprintf(path, size, "%s/%s", build_dir(), file);
}

static bool plain_only(void)
{
	return getenv("SMM_PLAIN") != NULL;
}

static void complain(struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct run *run, const char *format, ...)
{
	size_t used = strlen(run->problem);
	va_list ap;

	va_start(ap, format);
	vsnprintf(run->problem + used, sizeof(run->problem) - used, format, ap);
	va_end(ap);
}

/* --- processes --------------------------------------------------------------------- */

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* True if @pid ended within @ms. */
static bool ends_within(pid_t pid, long ms)
{
	struct pollfd p = { .fd = pidfd_of(pid), .events = POLLIN };
	bool ended;

	if (p.fd < 0)
		return true;
	ended = poll(&p, 1, ms > 0 ? (int)ms : 0) == 1;
	close(p.fd);
	return ended;
}

static bool read_stat(pid_t pid, char *comm, char *state, pid_t *parent)
{
	char path[64];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fscanf(f, "%*d (%31[^)]) %c %d", comm, state, parent);
	fclose(f);
	return n == 3;
}

/* Some child of ours, or 0. */
static pid_t any_child(char *comm, char *state)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	cr_assert(proc);
	while (!found && (entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name), parent;

		if (pid > 0 && read_stat(pid, comm, state, &parent) && parent == getpid())
			found = pid;
	}
	closedir(proc);
	return found;
}

/* Reap what the program left to us; complain about what does not end, and kill it. */
static void wait_for_leftovers(struct run *run)
{
	struct timespec start;
	char comm[32], state;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((pid = any_child(comm, &state))) {
		if (!ends_within(pid, GONE_MS - ms_since(&start))) {
			complain(run, "left behind: %s (%c)\n", comm, state);
			kill(pid, SIGKILL);
		}
		waitpid(pid, NULL, __WALL);
	}
}

static void where_it_hangs(struct run *run, pid_t pid)
{
	static const char *const files[] = { "wchan", "syscall", "stack" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[64], text[512] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		f = fopen(path, "r");
		if (!f)
			continue;
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
		complain(run, "%s: %s\n", files[i], text);
	}
}

/* --- one run ----------------------------------------------------------------------- */

static char *slurp(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);

	cr_assert(text);
	cr_assert(pread(fd, text, (size_t)size, 0) == size);
	return text;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static struct run *socket_complaint;

static int report_socket(const char *path, const struct stat *st, int type,
			 struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	if (S_ISSOCK(st->st_mode))
		complain(socket_complaint, "socket left behind: %s\n", path);
	if (S_ISLNK(st->st_mode) && strstr(path, "/cache-"))
		complain(socket_complaint, "link left behind: %s\n", path);
	return 0;
}

/* In the child: a known state, whatever the runner was started in. Does not return. */
static void become_program(const char *dir, int output, const char *const *argv)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	setsid();
	if (chdir(dir) || dup2(open("/dev/null", O_RDONLY), 0) < 0 ||
	    dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
	    syscall(SYS_close_range, 3, ~0U, 0))
		_exit(126);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	setenv("SHADOWMM_QUIET", "1", 1);
	setenv("SHADOWMM_VERIFY_FLAGS", "1", 1);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static void wait_for_program(struct run *run, pid_t pid)
{
	if (!ends_within(pid, RUN_MS)) {
		complain(run, "no end after %d s\n", RUN_MS / 1000);
		where_it_hangs(run, pid);
		kill(pid, SIGKILL);
	}
	cr_assert(waitpid(pid, &run->status, 0) == pid);
}

/* A process sleeps only where another one has left the places of libc's sites. */
static void leave_sites(const char *dir, const char *cli)
{
	const char *argv[] = { cli, "run", "--start=now", "--", "/bin/true", NULL };
	pid_t pid = fork();
	int status;

	cr_assert(pid >= 0);
	if (pid == 0)
		become_program(dir, STDERR_FILENO, argv);
	cr_assert(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Runs @argv in a directory of its own; @verify_fd is read afterwards. */
static void start_and_wait(struct run *run, const char *dir, int verify_fd,
			   const char *const *argv)
{
	int output = memfd_create("output", MFD_CLOEXEC);
	pid_t pid;

	cr_assert(output >= 0);
	/* Appending, or two writers with the same description would overwrite. */
	cr_assert(fcntl(output, F_SETFL, O_APPEND) == 0);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0)
		become_program(dir, output, argv);
	wait_for_program(run, pid);
	wait_for_leftovers(run);
	run->output = slurp(output);
	run->verify = slurp(verify_fd);
	close(output);
}

static void run_program(struct run *run, const char *program, const char *arg, bool under,
			unsigned int expect)
{
	char dir[] = "/tmp/smm-preload.XXXXXX", verify[64], cli[4096], path[4096];
	const char *argv[] = { cli, "run", "--verify-at-exit", verify, "--", path,
			       arg, NULL };
	int fd;

	memset(run, 0, sizeof(*run));
	cr_assert(mkdtemp(dir));
	/* A program that becomes nobody must still reach its verify file. */
	cr_assert(chmod(dir, 0755) == 0);
	snprintf(verify, sizeof(verify), "%s/verify", dir);
	fd = open(verify, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	cr_assert(fd >= 0 && fchmod(fd, 0666) == 0);
	tool_path(cli, sizeof(cli), "SMM_CLI", "shadowmm");
	snprintf(path, sizeof(path), "%s/tests/preload/%s", build_dir(), program);
	if (under && getenv("SHADOWMM_START"))
		leave_sites(dir, cli);
	start_and_wait(run, dir, fd, under ? argv : argv + 5);
	close(fd);
	socket_complaint = run;
	if (!(expect & SOCKET))
		nftw(dir, report_socket, 16, FTW_PHYS);
	nftw(dir, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
}

static void free_run(struct run *run)
{
	free(run->output);
	free(run->verify);
}

/* --- comparison -------------------------------------------------------------------- */

/*
 * Lines "pid comm areas differences"; "#" begins detail. Returns the number of lines and
 * complains about differences and about lines it does not understand.
 */
static int check_verify(struct run *run)
{
	char *copy = strdup(run->verify), *save = NULL;
	int lines = 0;

	cr_assert(copy);
	for (char *line = strtok_r(copy, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *last = strrchr(line, ' ');

		if (line[0] == '#') {
			complain(run, "%s\n", line);
			continue;
		}
		lines++;
		if (!last || strcmp(last, " 0"))
			complain(run, "verify: %s\n", line);
	}
	free(copy);
	return lines;
}

/* The first line in which the outputs differ. */
static void show_difference(struct run *run, const char *plain, const char *under)
{
	size_t i = 0, start = 0;

	for (; plain[i] && plain[i] == under[i]; i++)
		if (plain[i] == '\n')
			start = i + 1;
	complain(run, "output differs at byte %zu:\n- %.*s\n+ %.*s\n", i,
		 (int)strcspn(plain + start, "\n"), plain + start,
		 (int)strcspn(under + start, "\n"), under + start);
}

static void compare(const char *program, const char *arg, unsigned int expect)
{
	struct run plain, under;

	cr_assert(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	run_program(&plain, program, arg, false, expect);
	cr_assert_str_empty(plain.problem, "plain run: %s", plain.problem);
	cr_assert(!(expect & EXIT_ZERO) || plain.status == 0, "plain run: status %#x\n%s",
		  (unsigned int)plain.status, plain.output);
	run_program(&under, program, arg, !plain_only(), expect);
	if (under.status != plain.status)
		complain(&under, "status %#x, plain %#x\n", (unsigned int)under.status,
			 (unsigned int)plain.status);
	if (strcmp(under.output, plain.output))
		show_difference(&under, plain.output, under.output);
	if (check_verify(&under) == 0 && (expect & LINES) && !plain_only())
		complain(&under, "no line in the verify file\n");
	cr_expect_str_empty(under.problem, "%s %s:\n%s", program, arg ? arg : "",
			    under.problem);
	free_run(&plain);
	free_run(&under);
}

/* Bytes; in the middle of most programs. Some never grow so far, and sleep all the time.
 */
#define WAKE_AT "300000"

/* Every program with the defaults, and with all areas however small paged by us. */
#define PROGRAM_ARG(name, program, arg, expect)           \
	Test(preload, name)                               \
	{                                                 \
		compare(program, arg, expect);            \
	}                                                 \
	Test(preload_small, name)                         \
	{                                                 \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);    \
		compare(program, arg, expect);            \
	}                                                 \
	Test(preload_woken, name)                         \
	{                                                 \
		setenv("SHADOWMM_START", WAKE_AT, 1);     \
		compare(program, arg, (expect) & ~LINES); \
	}
#define PROGRAM(name) PROGRAM_ARG(name, #name, NULL, EXIT_ZERO | LINES)

/* Without a service task, whose part a task of the moment takes. */
#define TRACKED(name)                                    \
	Test(preload_tracked, name)                      \
	{                                                \
		setenv("SHADOWMM_POLICY", "track", 1);   \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}

/* And with the calls trapped that could not be patched, where that is another path. */
#define TRAPPED_ARG(name, program, arg, expect)         \
	Test(preload_trapped, name)                     \
	{                                               \
		setenv("SHADOWMM_INTERCEPT", "all", 1); \
		compare(program, arg, expect);          \
	}
#define TRAPPED(name) TRAPPED_ARG(name, #name, NULL, EXIT_ZERO | LINES)

/* And with copy-on-write by our own hand. */
#define COW(name)                                        \
	Test(preload_cow, name)                          \
	{                                                \
		setenv("SHADOWMM_COW", "own", 1);        \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}                                                \
	Test(preload_cow_small, name)                    \
	{                                                \
		setenv("SHADOWMM_COW", "own", 1);        \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);   \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}                                                \
	Test(preload_cow_trapped, name)                  \
	{                                                \
		setenv("SHADOWMM_COW", "own", 1);        \
		setenv("SHADOWMM_INTERCEPT", "all", 1);  \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}

/* And with huge pages in the pool; then with copy-on-write by our own hand, too. */
#define HUGE(name)                                        \
	Test(preload_huge, name)                          \
	{                                                 \
		setenv("SHADOWMM_POOL_PAGES", "huge", 1); \
		setenv("SHADOWMM_VERIFY_FLAGS", "1", 1);  \
		compare(#name, NULL, EXIT_ZERO | LINES);  \
	}                                                 \
	Test(preload_huge_filled, name)                   \
	{                                                 \
		setenv("SHADOWMM_POOL_PAGES", "huge", 1); \
		setenv("SHADOWMM_POOL", "33554432", 1);   \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);    \
		compare(#name, NULL, EXIT_ZERO | LINES);  \
	}                                                 \
	Test(preload_huge_cow, name)                      \
	{                                                 \
		setenv("SHADOWMM_POOL_PAGES", "huge", 1); \
		setenv("SHADOWMM_COW", "own", 1);         \
		compare(#name, NULL, EXIT_ZERO | LINES);  \
	}

/* And with files paged by us. */
#define FILES_ARG(name, program, arg, expect)          \
	Test(preload_files, name)                      \
	{                                              \
		setenv("SHADOWMM_FILES", "own", 1);    \
		setenv("SHADOWMM_MIN_OWN", "4096", 1); \
		compare(program, arg, expect);         \
	}
#define FILES(name) FILES_ARG(name, #name, NULL, EXIT_ZERO | LINES)

/* And with shared memory paged by us. */
#define SHMEM(name)                                        \
	Test(preload_shmem, name)                          \
	{                                                  \
		setenv("SHADOWMM_POLICY", "shmem=own", 1); \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);     \
		compare(#name, NULL, EXIT_ZERO | LINES);   \
	}                                                  \
	Test(preload_shmem_cow, name)                      \
	{                                                  \
		setenv("SHADOWMM_POLICY", "shmem=own", 1); \
		setenv("SHADOWMM_COW", "own", 1);          \
		setenv("SHADOWMM_FAULT_TASKS", "2", 1);    \
		compare(#name, NULL, EXIT_ZERO | LINES);   \
	}                                                  \
	Test(preload_shmem_woken, name)                    \
	{                                                  \
		setenv("SHADOWMM_POLICY", "shmem=own", 1); \
		setenv("SHADOWMM_START", WAKE_AT, 1);      \
		compare(#name, NULL, EXIT_ZERO);           \
	}

/* And with writes to shared files tracked from the beginning. */
#define DIRTY(name)                                                \
	Test(preload_dirty, name)                                  \
	{                                                          \
		setenv("SHADOWMM_POLICY", "shared-file=dirty", 1); \
		compare(#name, NULL, EXIT_ZERO | LINES);           \
	}

/* The same, and what is read of them is dropped at once. */
#define EVICT(name)                                      \
	Test(preload_evict, name)                        \
	{                                                \
		setenv("SHADOWMM_FILES", "own", 1);      \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);   \
		setenv("SHADOWMM_CACHE", "0", 1);        \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}
/* Shared mappings of files are paged, and written back, by us. */
#define SHARED_ARG(name, program, arg, expect)                   \
	Test(preload_shared, name)                               \
	{                                                        \
		setenv("SHADOWMM_POLICY", "shared-file=own", 1); \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);           \
		compare(program, arg, expect);                   \
	}
#define SHARED(name) SHARED_ARG(name, #name, NULL, EXIT_ZERO | LINES)
/* And with several fault tasks from the start, also on one processor. */
#define TEAM(name)                                       \
	Test(preload_team, name)                         \
	{                                                \
		setenv("SHADOWMM_FAULT_TASKS", "2", 1);  \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}                                                \
	Test(preload_team_small, name)                   \
	{                                                \
		setenv("SHADOWMM_FAULT_TASKS", "4", 1);  \
		setenv("SHADOWMM_MIN_OWN", "4096", 1);   \
		compare(#name, NULL, EXIT_ZERO | LINES); \
	}

/* Asks its own socket, so it must have one. */
Test(preload, all_flags)
{
	compare("all_flags", NULL, EXIT_ZERO | LINES);
}
Test(preload_small, all_flags)
{
	setenv("SHADOWMM_MIN_OWN", "4096", 1);
	compare("all_flags", NULL, EXIT_ZERO | LINES);
}
Test(preload, dirty_pages)
{
	compare("dirty_pages", NULL, EXIT_ZERO | LINES);
}
Test(preload, rss_kinds)
{
	compare("rss_kinds", NULL, EXIT_ZERO | LINES);
}
PROGRAM(api_either)
PROGRAM(brk_heap)
PROGRAM(credentials)
PROGRAM(daemon_like)
PROGRAM(dlopen_loop)
PROGRAM(errnos)
PROGRAM(exec_kinds)
PROGRAM(failed_halfway)
PROGRAM(fault_in_syscall)
PROGRAM(file_lease)
PROGRAM(file_read)
PROGRAM(fault_storm)
PROGRAM(first_touch)
PROGRAM(fork_data)
PROGRAM(huge_pages)
PROGRAM(hugepage)
PROGRAM(limits)
PROGRAM(madvise_kinds)
PROGRAM(beside)
PROGRAM(map_fixed)
PROGRAM(mdwe)
PROGRAM(mincore_pages)
PROGRAM(mprotect_kinds)
PROGRAM(mremap_kinds)
PROGRAM(mremap_merged)
PROGRAM(namespaces)
PROGRAM(own_uffd)
PROGRAM(populate_lock)
PROGRAM(uring)
PROGRAM(seccomp)
PROGRAM(random_touch)
PROGRAM(segv)
PROGRAM(shared_maps)
PROGRAM(shmem_own)
PROGRAM(signals)
PROGRAM(spawn_kinds)
PROGRAM(stacks)
PROGRAM(thread_storm)
PROGRAM(visible_state)
PROGRAM(wait_kinds)
PROGRAM_ARG(api_without_query, "api_either", "no query", EXIT_ZERO)
PROGRAM_ARG(wait_wall, "wait_kinds", "wall", EXIT_ZERO | LINES)
PROGRAM_ARG(end_return, "endings", "return", LINES)
PROGRAM_ARG(end_threads, "endings", "threads-exit", LINES)
PROGRAM_ARG(end_main_leaves, "endings", "main-leaves", LINES)
PROGRAM_ARG(end_from_thread, "endings", "from-thread", LINES)
PROGRAM_ARG(end_quick, "endings", "_exit", LINES)
/* Nobody can write a line after these. */
PROGRAM_ARG(end_raw_exit, "endings", "raw-exit", 0)
PROGRAM_ARG(end_raw_exit_group, "endings", "raw-exit-group", 0)
PROGRAM_ARG(end_kill, "endings", "kill", 0)
PROGRAM_ARG(end_term, "endings", "term", 0)
PROGRAM_ARG(end_abort, "endings", "abort", 0)
PROGRAM_ARG(end_segv, "endings", "segv", 0)
PROGRAM_ARG(end_threads_kill, "endings", "threads-kill", 0)
PROGRAM_ARG(engine_killed, "engine_killed", NULL, SOCKET)

TRACKED(brk_heap)
TRACKED(errnos)
TRACKED(failed_halfway)
TRACKED(fork_data)
TRACKED(madvise_kinds)
TRACKED(mremap_kinds)
TRACKED(mremap_merged)
TRACKED(shared_maps)
TRACKED(thread_storm)

TEAM(credentials)
TEAM(fault_storm)
TEAM(first_touch)
TEAM(fork_data)
TEAM(madvise_kinds)
TEAM(map_fixed)
TEAM(mremap_kinds)
TEAM(own_uffd)
TEAM(random_touch)
TEAM(shared_maps)
TEAM(signals)
TEAM(thread_storm)

COW(cow_data)
COW(cow_tree)
COW(fork_data)
COW(futex_words)
COW(paged_out)
COW(uring)
COW(credentials)
COW(exec_kinds)
COW(mremap_kinds)
COW(mremap_merged)
COW(spawn_kinds)
COW(own_uffd)
COW(fault_storm)
COW(thread_storm)

HUGE(cow_data)
HUGE(fork_data)
HUGE(huge_pages)
HUGE(hugepage)
HUGE(madvise_kinds)
HUGE(mprotect_kinds)
HUGE(mremap_kinds)
HUGE(mremap_merged)
HUGE(own_uffd)
HUGE(thread_storm)

FILES(file_fuse)
FILES(file_limits)
EVICT(file_limits)
FILES(guard_pages)
COW(guard_pages)
DIRTY(guard_pages)
SHARED(guard_pages)
FILES(file_advice)
FILES(rss_kinds)
FILES(file_back)
FILES(file_fork)
FILES(file_lease)
FILES(file_pinned)
FILES(file_read)
FILES(file_random)
FILES_ARG(file_random_known, "file_random", "known", EXIT_ZERO | LINES)
FILES_ARG(file_share, "file_share", NULL, EXIT_ZERO | LINES | SOCKET)
FILES(all_flags)
FILES(api_either)
FILES(cow_data)
FILES(cow_tree)
FILES(credentials)
FILES(daemon_like)
FILES(dlopen_loop)
FILES(errnos)
FILES(exec_kinds)
FILES(failed_halfway)
FILES(fault_in_syscall)
FILES(fork_data)
FILES(limits)
FILES(madvise_kinds)
FILES(map_fixed)
FILES(mdwe)
FILES(mincore_pages)
FILES(mprotect_kinds)
FILES(mremap_kinds)
FILES(mremap_merged)
FILES(namespaces)
FILES(own_uffd)
FILES(populate_lock)
FILES(seccomp)
FILES(segv)
FILES(shared_maps)
FILES(spawn_kinds)
FILES(thread_storm)
FILES(visible_state)

Test(preload_shmem, all_flags)
{
	setenv("SHADOWMM_POLICY", "shmem=own", 1);
	setenv("SHADOWMM_MIN_OWN", "4096", 1);
	compare("all_flags", NULL, EXIT_ZERO | LINES);
}
SHMEM(api_either)
SHMEM(cow_data)
SHMEM(credentials)
SHMEM(errnos)
SHMEM(exec_kinds)
SHMEM(failed_halfway)
SHMEM(fault_in_syscall)
SHMEM(fault_storm)
SHMEM(fork_data)
SHMEM(futex_words)
SHMEM(limits)
SHMEM(madvise_kinds)
SHMEM(map_fixed)
SHMEM(mincore_pages)
SHMEM(mprotect_kinds)
SHMEM(mremap_kinds)
SHMEM(mremap_merged)
SHMEM(namespaces)
SHMEM(own_uffd)
SHMEM(populate_lock)
SHMEM(seccomp)
SHMEM(segv)
SHMEM(shared_maps)
SHMEM(shmem_own)
SHMEM(spawn_kinds)
SHMEM(thread_storm)
SHMEM(uring)
SHMEM(visible_state)

DIRTY(all_flags)
DIRTY(credentials)
DIRTY(dirty_pages)
DIRTY(errnos)
DIRTY(exec_kinds)
DIRTY(failed_halfway)
DIRTY(file_random)
DIRTY(fork_data)
DIRTY(madvise_kinds)
DIRTY(map_fixed)
DIRTY(mprotect_kinds)
DIRTY(mremap_kinds)
DIRTY(namespaces)
DIRTY(own_uffd)
DIRTY(populate_lock)
DIRTY(segv)
DIRTY(shared_maps)
DIRTY(spawn_kinds)
DIRTY(visible_state)
DIRTY(wait_kinds)
EVICT(file_lease)
EVICT(file_random)
EVICT(dlopen_loop)
EVICT(exec_kinds)
EVICT(fork_data)
EVICT(madvise_kinds)
EVICT(map_fixed)
EVICT(mprotect_kinds)
EVICT(mremap_kinds)
EVICT(mremap_merged)
EVICT(populate_lock)
EVICT(spawn_kinds)
EVICT(thread_storm)
SHARED(mremap_merged)
SHARED(shared_own)
SHARED(shared_full)
SHARED(shared_storm)
SHARED(shared_futex)
SHARED(shared_maps)
SHARED(all_flags)
SHARED(credentials)
SHARED(errnos)
SHARED(exec_kinds)
SHARED(failed_halfway)
SHARED(fault_in_syscall)
SHARED(file_lease)
SHARED(file_random)
SHARED(fork_data)
SHARED(limits)
SHARED(madvise_kinds)
SHARED(map_fixed)
SHARED(mincore_pages)
SHARED(mprotect_kinds)
SHARED(mremap_kinds)
SHARED(namespaces)
SHARED(own_uffd)
SHARED(populate_lock)
SHARED(seccomp)
SHARED(signals)
SHARED(spawn_kinds)
SHARED(thread_storm)
SHARED(uring)
SHARED(visible_state)
SHARED(wait_kinds)

TRAPPED(credentials)
TRAPPED(errnos)
TRAPPED(exec_kinds)
TRAPPED(failed_halfway)
TRAPPED(fault_in_syscall)
TRAPPED(first_touch)
TRAPPED(fork_data)
TRAPPED(limits)
TRAPPED(beside)
TRAPPED(map_fixed)
TRAPPED(mdwe)
TRAPPED(mprotect_kinds)
TRAPPED(mremap_kinds)
TRAPPED(namespaces)
TRAPPED(seccomp)
TRAPPED(segv)
TRAPPED(signals)
TRAPPED(spawn_kinds)
TRAPPED(stacks)
TRAPPED(thread_storm)
TRAPPED(unseen_calls)
TRAPPED(visible_state)
TRAPPED(wait_kinds)
TRAPPED_ARG(wait_wall, "wait_kinds", "wall", EXIT_ZERO | LINES)
TRAPPED_ARG(end_raw_exit, "endings", "raw-exit", 0)
TRAPPED_ARG(end_threads, "endings", "threads-exit", LINES)
TRAPPED_ARG(end_segv, "endings", "segv", 0)

/* Without these every test would fail with the same obscure words: say it once. */
ReportHook(PRE_ALL)(struct criterion_test_set *set)
{
	char lib[4096], cli[4096];

	(void)set;
	tool_path(lib, sizeof(lib), "SMM_LIB", ".libs/libshadowmm.so");
	tool_path(cli, sizeof(cli), "SMM_CLI", "shadowmm");
	if (plain_only() || (!access(lib, R_OK) && !access(cli, X_OK)))
		return;
	fprintf(stderr, "library not built: %s or %s is missing\n", lib, cli);
	exit(1);
}
