// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every way in which the library runs with less than it would like, forced: the program
 * must not notice. And every value of the environment it must refuse.
 *
 * Needs root, because it takes rights away from what it starts.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPERM_ACTION  (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_ACTION (SECCOMP_RET_ERRNO | ENOSYS)

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

static struct capture plain, under;

static void setup(void)
{
	static const char *const names[] = { "first_touch", "map_fixed",   "fork_data",
					     "looked_at",   "shared_maps", "file_read",
					     NULL };

	if (geteuid())
		cr_skip_test("needs root");
	scratch_make(names);
}

TestSuite(fallbacks, .init = setup, .fini = scratch_remove);

/* Plain and under the library, both after @before and with @env. */
static void same_one(const char *name, void (*before)(void), const char *env)
{
	struct how how = { .before = before, .env = { "SHADOWMM_QUIET=1", env } };
	const char *argv[] = { scratch_path(name), NULL };
	char verify[300];

	how.plain = true;
	capture(&plain, &how, argv);
	cr_assert(plain.status == 0, "%s: plain: %#x", name, plain.status);
	how.plain = false;
	snprintf(verify, sizeof(verify), "SHADOWMM_VERIFY_AT_EXIT=%s.%s",
		 scratch_path("run/verify"), name);
	how.env[env ? 2 : 1] = verify;
	capture(&under, &how, argv);
	cr_expect(under.status == 0, "%s: %#x", name, under.status);
	cr_expect_str_eq(under.out, plain.out, "%s", name);
	cr_expect_str_eq(under.err, plain.err, "%s", name);
	cr_expect(verify_lines(strchr(verify, '=') + 1) > 0);
}

static void same_output(void (*before)(void), const char *env)
{
	same_one("first_touch", before, env);
	same_one("map_fixed", before, env);
}

/* What `stat --json` of a live program says; a program that goes on. */
static void mode_is(void (*before)(void), const char *env, const char *mode,
		    const char *degraded)
{
	const struct how how = { .before = before, .env = { "SHADOWMM_QUIET=1", env } };
	const char *argv[] = { scratch_path("looked_at"), NULL };
	struct live l;
	char want[128];

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	live_engine_up(&l);
	live_ask(&under, &l, "stat", "--json", before);
	cr_expect(under.status == 0, "%s", under.err);
	snprintf(want, sizeof(want), "\"mode\":\"%s\",\"degraded\":%s", mode, degraded);
	cr_expect(strstr(under.out, want), "no %s in %s", want, under.out);
	live_command(&l, 'n', "new memory");
	cr_expect(live_end(&l) == 0);
}

#define NO_UFFD "\"userfaultfd is not available\""

Test(fallbacks, default_is_own)
{
	mode_is(NULL, NULL, "own", "null");
}

Test(fallbacks, nobody)
{
	same_output(become_nobody, NULL);
	same_one("fork_data", become_nobody, NULL);
	mode_is(become_nobody, NULL, "track", NO_UFFD);
}

Test(fallbacks, policy_track)
{
	same_output(NULL, "SHADOWMM_POLICY=track");
	mode_is(NULL, "SHADOWMM_POLICY=track", "track", "null");
}

Test(fallbacks, fault_around_one)
{
	same_one("first_touch", NULL, "SHADOWMM_FAULT_AROUND=1");
	mode_is(NULL, "SHADOWMM_FAULT_AROUND=1", "own", "null");
}

Test(fallbacks, fault_around_fixed)
{
	same_one("first_touch", NULL, "SHADOWMM_FAULT_AROUND=64");
	same_one("fork_data", NULL, "SHADOWMM_FAULT_AROUND=512");
}

Test(fallbacks, pool_off)
{
	same_one("first_touch", NULL, "SHADOWMM_POOL=off");
}

/* Smaller than a window, and than what is touched: dry most of the time. */
Test(fallbacks, pool_of_five_pages)
{
	same_one("first_touch", NULL, "SHADOWMM_POOL=20480");
	same_one("fork_data", NULL, "SHADOWMM_POOL=20480");
}

Test(fallbacks, pool_filled_at_once)
{
	same_one("first_touch", NULL, "SHADOWMM_POOL=67108864");
	same_one("fork_data", NULL, "SHADOWMM_POOL=67108864");
}

/* --- a limit of memory --- */

static char group[512]; /* a control group of ours with 256 MiB */

static bool write_to(const char *name, const char *text)
{
	char path[600];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Version 1 or 2, wherever this one has memory.  */
static bool make_group(void)
{
	char line[300], *path;
	FILE *f = fopen("/proc/self/cgroup", "re");

	cr_assert(f);
	while (fgets(line, sizeof(line), f)) {
		bool v1 = strstr(line, ":memory:");

		path = strrchr(line, ':') + 1;
		path[strcspn(path, "\n")] = '\0';
		snprintf(group, sizeof(group), "/sys/fs/cgroup%s%s/smm-test-%d",
			 v1 ? "/memory" : "", path, (int)getpid());
		if ((v1 || strstr(line, "0::") == line) && mkdir(group, 0755) == 0) {
			if (write_to(v1 ? "memory.limit_in_bytes" : "memory.max",
				     "268435456"))
				break;
			rmdir(group);
		}
		group[0] = '\0';
	}
	fclose(f);
	return group[0];
}

static void enter_group(void)
{
	if (!write_to("cgroup.procs", "0"))
		_exit(125);
}

/* A program in the group has obeyed @command; what `stat` says is in @under. */
static void start_in_group(struct live *l, char command, const char *answer)
{
	const struct how how = { .before = enter_group, .env = { "SHADOWMM_QUIET=1" } };
	const char *argv[] = { scratch_path("looked_at"), NULL };

	if (!make_group())
		cr_skip_test("no control group for memory can be made here");
	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	live_command(l, command, answer);
	live_ask(&under, l, "stat", "--json", NULL);
}

static void end_in_group(struct live *l)
{
	cr_expect(live_end(l) == 0);
	cr_expect_eq(rmdir(group), 0, "%s: %s", group, strerror(errno));
}

Test(fallbacks, no_pool_below_a_limit_of_memory)
{
	struct live l;

	start_in_group(&l, 'n', "new memory");
	cr_expect(strstr(under.out, "\"pool_filled\":0,"), "%s", under.out);
	end_in_group(&l);
}

/* The task that may hold nothing, though the program uses so much, sleeps. */
static bool pool_task_sleeps(const char *json)
{
	const char *at = strstr(json, "\"fault_pid\":");
	char path[64], line[256] = "";
	bool found = false;
	glob_t tasks;

	cr_assert(at);
	snprintf(path, sizeof(path), "/proc/%ld/task/*/stat",
		 strtol(at + strlen("\"fault_pid\":"), NULL, 10));
	cr_assert(glob(path, 0, NULL, &tasks) == 0);
	for (size_t i = 0; i < tasks.gl_pathc && !found; i++) {
		FILE *f = fopen(tasks.gl_pathv[i], "re");

		found = f && fgets(line, sizeof(line), f) && strstr(line, "(smm-pool) ");
		if (f)
			fclose(f);
	}
	globfree(&tasks);
	cr_assert(found, "no pool task");
	return strstr(line, "(smm-pool) S");
}

Test(fallbacks, pool_task_sleeps_below_a_limit_of_memory, .timeout = 60)
{
	struct live l;

	start_in_group(&l, 'a', "all pages");
	while (!pool_task_sleeps(under.out))
		sched_yield();
	end_in_group(&l);
}

static void limit_address_space(void)
{
	const struct rlimit limit = { 4UL << 30, 4UL << 30 };

	if (setrlimit(RLIMIT_AS, &limit))
		_exit(125);
}

Test(fallbacks, no_pool_below_a_limit)
{
	same_one("first_touch", limit_address_space, "SHADOWMM_POOL=4294967296");
}

Test(fallbacks, no_device_is_enough)
{
	same_output(no_device, NULL);
}

static void uffd_eperm(void)
{
	no_device();
	filter_call(SYS_userfaultfd, EPERM_ACTION);
}

Test(fallbacks, userfaultfd_refused)
{
	same_output(uffd_eperm, NULL);
	mode_is(uffd_eperm, NULL, "track", NO_UFFD);
}

/* --- shared memory and shared files ------------------------------------------------- */

#define UFFDIO_ZEROPAGE_CMD 0xc020aa04U
#define PAGEMAP_SCAN_CMD    0xc0606610U

static void no_zero_pages(void)
{
	filter_ioctl(UFFDIO_ZEROPAGE_CMD, EPERM_ACTION);
}

/* Then the kernel makes the pages after all. */
Test(fallbacks, no_pages_for_shared_memory)
{
	same_one("shared_maps", no_zero_pages, "SHADOWMM_POLICY=shmem=own");
}

static void call_eperm(void)
{
	filter_call(SYS_userfaultfd, EPERM_ACTION); /* not the device */
}

static void no_scan(void)
{
	filter_ioctl(PAGEMAP_SCAN_CMD, SECCOMP_RET_ERRNO | ENOTTY);
}

/* Who asks is told why, and the program goes on. */
static void no_tracking(void (*before)(void), const char *env, const char *why)
{
	const struct how how = { .before = before, .env = { "SHADOWMM_QUIET=1", env } };
	const char *argv[] = { scratch_path("looked_at"), NULL };
	struct live l;

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	live_engine_up(&l);
	live_ask(&under, &l, "smaps", "--dirty", NULL);
	cr_expect(WIFEXITED(under.status) && WEXITSTATUS(under.status) == 1, "%#x",
		  under.status);
	cr_expect(strstr(under.err, why), "no %s in %s", why, under.err);
	live_command(&l, 'n', "new memory");
	cr_expect(live_end(&l) == 0);
}

Test(fallbacks, writes_not_tracked)
{
	no_tracking(NULL, "SHADOWMM_POLICY=shared-file=kernel", "--policy");
	no_tracking(NULL, "SHADOWMM_POLICY=track", "no engine");
	no_tracking(call_eperm, NULL, "userfaultfd is not available");
	no_tracking(no_scan, NULL, "pagemap");
}

Test(fallbacks, writes_not_tracked_from_the_beginning)
{
	same_one("shared_maps", call_eperm, "SHADOWMM_POLICY=shared-file=dirty");
	same_one("shared_maps", no_scan, "SHADOWMM_POLICY=shared-file=dirty");
}

static void uffd_kills_thread(void)
{
	no_device();
	filter_call(SYS_userfaultfd, SECCOMP_RET_KILL_THREAD);
}

static void uffd_kills_process(void)
{
	no_device();
	filter_call(SYS_userfaultfd, SECCOMP_RET_KILL_PROCESS);
}

Test(fallbacks, userfaultfd_kills_thread)
{
	same_output(uffd_kills_thread, NULL);
}

Test(fallbacks, userfaultfd_kills_process)
{
	same_output(uffd_kills_process, NULL);
	same_one("fork_data", uffd_kills_process, NULL);
}

static void no_close_range(void)
{
	filter_call(SYS_close_range, ENOSYS_ACTION);
}

Test(fallbacks, close_range_refused)
{
	same_output(no_close_range, NULL);
}

/* Inherited by exec: the library finds it set when it starts. */
static void mdwe(void)
{
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0))
		_exit(125);
}

Test(fallbacks, mdwe_inherited)
{
	same_one("map_fixed", mdwe, NULL);
	mode_is(mdwe, NULL, "own", "null");
}

Test(fallbacks, disabled)
{
	const struct how how = { .env = { "SHADOWMM_DISABLE=1" } };
	const char *argv[] = { scratch_path("looked_at"), NULL };
	struct live l;

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	live_engine_up(&l); /* if there were one */
	live_ask(&under, &l, "stat", NULL, NULL);
	cr_expect(WEXITSTATUS(under.status) == 1 &&
			  strstr(under.err, "not running under shadowmm"),
		  "%#x %s%s", under.status, under.out, under.err);
	live_command(&l, 'n', "new memory");
	cr_expect(live_end(&l) == 0);
}

/* --- reading files ------------------------------------------------------------------ */

static unsigned long counter(const char *name)
{
	return member(under.out, name);
}

/* The effective capabilities become this one, which exec leaves. */
static bool keep_capability(int capability)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const unsigned int bit = 1U << capability;
	struct __user_cap_data_struct data[2] = { { bit, bit, bit }, { 0, 0, 0 } };

	return !syscall(SYS_capset, &head, data) &&
	       !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

/* A file of 24 MiB that the kernel did not have in its cache has been read once, in
 * order, and compared. What `stat` counted is in @under; true: the frames are huge. */
static bool file_is_compared(void (*before)(void))
{
	const struct how how = { .before = before,
				 .env = { "SHADOWMM_QUIET=1", "SHADOWMM_FILES=own",
					  "SHADOWMM_START=now" } };
	const struct how ask = { .plain = true };
	const char *argv[] = { scratch_path("file_read"), "live", NULL };
	char maps[64];
	const char *grep[] = { "grep", "of-file-read", maps, NULL };
	struct live l;
	bool memfd;

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	snprintf(maps, sizeof(maps), "/proc/%d/maps", (int)l.pid);
	capture(&under, &ask, grep);
	memfd = strstr(under.out, "/memfd:of-file-read (deleted)");
	live_ask(&under, &l, "stat", "--json", NULL);
	cr_expect(under.status == 0, "%s", under.err);
	cr_expect_eq(live_end(&l), 0);
	cr_expect_eq(counter("files_ours"), 1);
	return !memfd;
}

/* The same, by us from beginning to end. */
static bool file_is_read(void (*before)(void))
{
	bool huge = file_is_compared(before);

	cr_expect_eq(counter("files_left"), 0);
	cr_expect_gt(counter("file_ahead"), 4);
	/* Who is slower than the disk has windows that nobody missed yet. */
	cr_expect_leq(counter("file_ahead_used") + counter("file_ahead_unused"),
		      counter("file_ahead"));
	return huge;
}

#define FILE_PAGES (24 * 256 + 1)

/* All of it. On a slow machine more: who has waited for the reader for 100 ms helps
 * himself, and what comes then has been read twice. */
static void expect_whole(unsigned long pages)
{
	cr_expect_geq(pages, FILE_PAGES);
}

Test(fallbacks, files_direct)
{
	cr_expect(file_is_read(NULL), "no huge frames");
	if (!counter("file_read_direct"))
		cr_skip_test("this filesystem or kernel has no direct reads");
	expect_whole(counter("file_read_direct") + counter("file_read_buffered"));
}

/* Behind a filter neither io_uring nor a mount is tried. */
static void some_filter(void)
{
	filter_call(SYS_acct, EPERM_ACTION);
}

Test(fallbacks, files_without_ring)
{
	cr_expect_not(file_is_read(some_filter));
	expect_whole(counter("file_read_direct") + counter("file_read_buffered"));
}

static void no_cachestat(void)
{
	filter_call(451, ENOSYS_ACTION);
}

Test(fallbacks, files_without_cachestat)
{
	file_is_read(no_cachestat);
	cr_expect_eq(counter("file_read_direct"), 0);
	expect_whole(counter("file_read_buffered"));
}

static void no_preadv2(void)
{
	filter_call(SYS_preadv2, SECCOMP_RET_ERRNO | EOPNOTSUPP);
}

Test(fallbacks, files_without_preadv2)
{
	file_is_read(no_preadv2);
}

static void plain_reads_only(void)
{
	filter_call(SYS_preadv2, SECCOMP_RET_ERRNO | EOPNOTSUPP);
	no_cachestat();
}

Test(fallbacks, files_by_plain_reads)
{
	file_is_read(plain_reads_only);
	cr_expect_eq(counter("file_read_direct"), 0);
}

#define DIRECT_BYTES (16 * 4096) /* no direct read is smaller */

static void no_direct_reads(void)
{
	filter_pread(DIRECT_BYTES, SECCOMP_RET_ERRNO | EIO);
}

static bool has_uncached_reads(void)
{
	char byte;
	const struct iovec to = { &byte, 1 };
	int fd = open(scratch_path("file_read"), O_RDONLY | O_CLOEXEC);
	ssize_t n = syscall(SYS_preadv2, fd, &to, 1, 0, 0, 0x80 /* RWF_DONTCACHE */);

	cr_assert(fd >= 0 && !close(fd));
	return n == 1;
}

/* The disk fails those only: the file stays ours, and is read by the other way. */
Test(fallbacks, files_whose_direct_reads_fail)
{
	if (!has_uncached_reads())
		cr_skip_test("no RWF_DONTCACHE: pread(2) is the other way as well");
	file_is_read(no_direct_reads);
	cr_expect_eq(counter("file_read_direct"), 0);
	expect_whole(counter("file_read_buffered"));
}

static void no_reads(void)
{
	filter_call(SYS_preadv2, SECCOMP_RET_ERRNO | EIO);
	no_direct_reads();
}

/* The kernel pages it then, and the program does not notice. */
Test(fallbacks, files_that_cannot_be_read)
{
	file_is_compared(no_reads);
	cr_expect_eq(counter("files_left"), 1);
	cr_expect_eq(counter("file_read_direct"), 0);
}

/* Root in a container: may open userfaultfd, may not mount, but in a namespace of its
 * own.
 */
static void no_mounts(void)
{
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN))
		_exit(125);
}

/* Nor there: who may not give a file capabilities must not be root there, either. */
static void no_namespaces(void)
{
	no_mounts();
	if (prctl(PR_CAPBSET_DROP, CAP_SETFCAP))
		_exit(125);
}

/* Not what the library does, which must not change the memory of the program. */
static bool has_user_namespaces(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0);
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status == 0;
}

Test(fallbacks, files_without_mount)
{
	if (!has_user_namespaces())
		cr_skip_test("no user namespaces");
	cr_expect(file_is_read(no_mounts), "no huge frames by a user namespace");
}

Test(fallbacks, files_without_mount_and_namespace)
{
	cr_expect_not(file_is_read(no_namespaces), "a mount without the right to it");
}

/* Somebody who has no right but to userfaultfd(2). */
static void become_nobody_who_pages(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1))
		_exit(125);
	become_nobody();
	if (!keep_capability(CAP_SYS_PTRACE))
		_exit(125);
}

Test(fallbacks, files_of_nobody)
{
	if (geteuid())
		cr_skip_test("needs root, to become somebody else");
	if (!has_user_namespaces())
		cr_skip_test("no user namespaces");
	cr_expect(file_is_read(become_nobody_who_pages), "no huge frames");
}

/* --- saying so --------------------------------------------------------------------- */

static void nobody_pipeline(const char *env, int lines)
{
	const struct how how = { .before = become_nobody, .env = { env } };
	const char *argv[] = { "sh", "-c", "echo abc | cat | tr b x; ls / | wc -l >&1",
			       NULL };

	capture(&under, &how, argv);
	cr_expect(under.status == 0);
	cr_expect(!strncmp(under.out, "axc\n", 4), "%s", under.out);
	cr_expect(count_lines(under.err) == lines, "%d lines wanted:\n%s", lines,
		  under.err);
	if (lines)
		cr_expect(strstr(under.err, "shadowmm: userfaultfd is not available"),
			  "%s", under.err);
}

Test(fallbacks, one_line_for_a_tree)
{
	nobody_pipeline(NULL, 1);
}

Test(fallbacks, no_line_when_quiet)
{
	nobody_pipeline("SHADOWMM_QUIET=1", 0);
}

/* --- sites that are remembered ----------------------------------------------------- */

#define NR_BYTES 2160 /* sizeof(struct site_list), lib/hook/sitecache.h */

/* "... 65 call sites patched, ..." of a start, and who remembers it afterwards. */
static int sites_patched(glob_t *remembered)
{
	const struct how how = { .env = { "SHADOWMM_VERBOSE=1" } };
	const char *argv[] = { "/bin/true", NULL }, *comma;
	int sites = -1;

	capture(&under, &how, argv);
	cr_assert_eq(under.status, 0);
	comma = strchr(under.err, ',');
	cr_assert(comma && sscanf(comma, ", %d call sites patched", &sites) == 1, "%s",
		  under.err);
	cr_assert_eq(glob(scratch_path("run/shadowmm/sites-*"), 0, NULL, remembered), 0);
	return sites;
}

/* Overwrites the @len bytes at @offset of the file. */
static void damage(const char *path, off_t offset, size_t len)
{
	static const char junk[NR_BYTES] = { 1, 2, 3 };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, junk, len, offset), (ssize_t)len);
	cr_assert_eq(close(fd), 0);
}

static ino_t inode(const char *path)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0, "%s", path);
	return st.st_ino;
}

Test(fallbacks, remembered_sites_are_as_good_as_found_ones)
{
	char dir[256];
	glob_t files;
	ino_t before;
	int sites;

	snprintf(dir, sizeof(dir), "%s", scratch_path("run/shadowmm"));
	cr_assert(mkdir(dir, 0700) == 0 || errno == EEXIST);
	sites = sites_patched(&files);
	cr_assert(sites > 0 && files.gl_pathc == 1);
	before = inode(files.gl_pathv[0]);
	cr_expect_eq(sites_patched(&files), sites);
	cr_expect_eq(inode(files.gl_pathv[0]), before, "it was not believed");
	/* Another key; places that are none, one of them outside; not all of it. */
	damage(files.gl_pathv[0], 16, 8);
	cr_expect_eq(sites_patched(&files), sites);
	damage(files.gl_pathv[0], NR_BYTES - 1024, 64);
	cr_expect_eq(sites_patched(&files), sites);
	cr_assert_eq(truncate(files.gl_pathv[0], 100), 0);
	cr_expect_eq(sites_patched(&files), sites);
	/* Others may write there: nothing is read from it, and nothing left. */
	cr_assert_eq(chmod(dir, 0777), 0);
	before = inode(files.gl_pathv[0]);
	damage(files.gl_pathv[0], 16, 8);
	cr_expect_eq(sites_patched(&files), sites);
	cr_expect_eq(inode(files.gl_pathv[0]), before);
}

/* --- bad values -------------------------------------------------------------------- */

static void refused(const char *setting)
{
	const struct how how = { .env = { setting } };
	const char *argv[] = { "/bin/echo", "ran", NULL };

	capture(&under, &how, argv);
	cr_expect(WIFEXITED(under.status) && WEXITSTATUS(under.status) == 2,
		  "%s: status %#x", setting, under.status);
	cr_expect_str_empty(under.out, "%s", setting);
	cr_expect(count_lines(under.err) == 1 && !strncmp(under.err, "shadowmm: ", 10) &&
			  strstr(under.err, setting),
		  "%s: %s", setting, under.err);
}

Test(fallbacks, bad_values)
{
	static const char *const bad[] = {
		"SHADOWMM_INTERCEPT=sites",
		"SHADOWMM_POLICY=Own",
		"SHADOWMM_FAULT_AROUND=0",
		"SHADOWMM_FAULT_AROUND=513",
		"SHADOWMM_FAULT_AROUND=on",
		"SHADOWMM_FAULT_AROUND=4k",
		"SHADOWMM_FAULT_AROUND=-1",
		"SHADOWMM_FAULT_TASKS=0",
		"SHADOWMM_FAULT_TASKS=5",
		"SHADOWMM_FAULT_TASKS=two",
		"SHADOWMM_POOL=1m",
		"SHADOWMM_POOL=always",
		"SHADOWMM_POOL_PAGES=2m",
		"SHADOWMM_MIN_OWN=-1",
		"SHADOWMM_MIN_OWN=128k",
		"SHADOWMM_MIN_OWN=9999999999999999999",
		"SHADOWMM_QUIET=yes",
		"SHADOWMM_VERBOSE=2",
		"SHADOWMM_MARK=on",
		"SHADOWMM_DISABLE=true",
		"SHADOWMM_VERIFY_AT_EXIT=relative",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(bad[i]);
}
