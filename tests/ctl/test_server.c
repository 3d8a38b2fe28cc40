// SPDX-License-Identifier: LGPL-2.1-or-later
/* The control server against clients of every kind, on a fake model. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fixture.h"

#define RW     (VM_READ | VM_WRITE)
#define NOBODY 65534

static struct fixture f;

static void setup(void)
{
	fixture_init(&f);
}

static void teardown(void)
{
	fixture_fini(&f);
}

TestSuite(ctl, .init = setup, .fini = teardown, .timeout = 30);

static void expect_alive(int fd)
{
	json_t *reply = ask(fd, "ping");

	cr_expect(json_is_true(json_object_get(reply, "pong")));
	json_decref(reply);
}

/* --- who may connect, and to what -------------------------------------------------- */

Test(ctl, greeting_names_version_and_process)
{
	json_t *hello;
	int fd;

	fixture_serve(&f, getuid());
	fd = client_connect(&f);
	hello = client_json(fd);
	cr_expect_str_eq(text(hello, "shadowmm"), PACKAGE_VERSION);
	cr_expect_eq(number(hello, "protocol"), SMM_CTL_PROTOCOL);
	cr_expect_eq(number(hello, "pid"), getpid());
	cr_expect_str_eq(text(hello, "comm"), "a \"test\"");
	json_decref(hello);
	close(fd);
}

Test(ctl, directory_and_socket_are_private_whatever_the_umask)
{
	struct stat st;

	umask(0777);
	fixture_serve(&f, getuid());
	cr_assert_eq(stat(f.dir, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(stat(f.sock, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect(S_ISSOCK(st.st_mode));
}

Test(ctl, directory_of_ours_is_made_private)
{
	struct stat st;

	cr_assert_eq(mkdir(f.dir, 0755), 0);
	fixture_serve(&f, getuid());
	cr_assert_eq(stat(f.dir, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700);
}

static struct ctl ctl;

Test(ctl, symbolic_link_is_refused)
{
	cr_assert_eq(symlink("/tmp", f.dir), 0);
	cr_expect_lt(ctl_open(&ctl, &f.env), 0);
	cr_expect_not_null(ctl.why);
}

Test(ctl, file_in_place_of_the_directory_is_refused)
{
	int fd = open(f.dir, O_CREAT | O_WRONLY, 0600);

	close(fd);
	cr_expect_eq(ctl_open(&ctl, &f.env), -ENOTDIR);
}

Test(ctl, directory_of_another_user_is_refused)
{
	if (getuid() != 0)
		cr_skip_test("needs root to give a directory away");
	cr_assert_eq(mkdir(f.dir, 0777), 0);
	cr_assert_eq(chown(f.dir, NOBODY, NOBODY), 0);
	cr_expect_eq(ctl_open(&ctl, &f.env), -EPERM);
}

Test(ctl, missing_parent_is_an_error)
{
	f.env.dir = "/nonexistent/shadowmm";
	cr_expect_eq(ctl_open(&ctl, &f.env), -ENOENT);
}

Test(ctl, stale_socket_is_replaced)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert_eq(mkdir(f.dir, 0700), 0);
	strcpy(addr.sun_path, f.sock);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_alive(fd);
	close(fd);
}

Test(ctl, end_removes_the_socket)
{
	fixture_serve(&f, getuid());
	cr_assert_eq(access(f.sock, F_OK), 0);
	fixture_stop(&f);
	cr_expect_eq(access(f.sock, F_OK), -1);
}

Test(ctl, end_leaves_the_socket_of_a_successor)
{
	fixture_serve(&f, getuid());
	cr_assert_eq(ctl_open(&ctl, &f.env), 0);
	fixture_stop(&f);
	cr_expect_eq(access(f.sock, F_OK), 0);
	ctl_close(&ctl);
	cr_expect_eq(access(f.sock, F_OK), -1);
}

static int connect_as(uid_t uid)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd;

		if (setuid(uid) < 0)
			_exit(4);
		fd = client_connect(&f);
		_exit(client_line(fd) ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(ctl, other_users_are_closed_at_once_but_root_is_served)
{
	if (getuid() != 0)
		cr_skip_test("needs root to act as several users");
	cr_assert_eq(chmod(f.base, 0755), 0);
	fixture_serve(&f, NOBODY);
	/* Open the doors that would already have kept them out. */
	cr_assert_eq(chmod(f.dir, 0755), 0);
	cr_assert_eq(chmod(f.sock, 0777), 0);
	cr_expect_eq(connect_as(NOBODY - 1), 1);
	cr_expect_eq(connect_as(NOBODY), 0);
	cr_expect_eq(connect_as(0), 0);
}

/* --- malformed input ---------------------------------------------------------------- */

Test(ctl, malformed_lines_get_an_error_and_harm_nothing)
{
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_error(fd, "", "empty");
	expect_error(fd, "   ", "empty");
	expect_error(fd, "frobnicate", "unknown command: frobnicate");
	expect_error(fd, "STAT", "unknown command");
	expect_error(fd, " stat", "empty");
	expect_error(fd, "stat 1", "stat: unknown argument: 1");
	expect_error(fd, "vma", "missing argument");
	expect_error(fd, "vma 0x", "bad address");
	expect_error(fd, "vma xyz", "bad address: xyz");
	expect_error(fd, "vma 12 34", "bad address");
	expect_error(fd, "vma 11112222333344445", "bad address");
	expect_error(fd, "vma -1", "bad address");
	expect_error(fd, "verify everything", "unknown argument: everything");
	expect_error(fd, "cow everything", "unknown argument: everything");
	expect_error(fd, "cow sample", "bad number of writes");
	expect_error(fd, "cow sample 0", "bad number of writes: 0");
	expect_error(fd, "cow sample 1000001", "bad number of writes: 1000001");
	expect_error(fd, "cow sample 99999999999999999999", "bad number of writes");
	expect_error(fd, "cow sample 4x", "bad number of writes: 4x");
	expect_error(fd, "cow sample 16", "no samples: the kernel pages it all");
	expect_error(fd, "cow stacks", "no samples: the kernel pages it all");
	expect_error(fd, "sta\tt", "control character");
	expect_error(fd, "caf\xc3", "unknown command");
	expect_error(fd, "{\"command\":\"stat\"}", "unknown command");
	expect_alive(fd);
	close(fd);
}

Test(ctl, nul_bytes_are_refused)
{
	json_t *reply;
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	client_send(fd, "ping\0stat\n", 10);
	reply = client_json(fd);
	cr_expect_not_null(strstr(text(reply, "error"), "control character"));
	json_decref(reply);
	expect_alive(fd);
	close(fd);
}

Test(ctl, oversize_line_gets_one_error)
{
	char big[3 * SMM_CTL_LINE_MAX];
	json_t *reply;
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	memset(big, 'x', sizeof(big));
	client_send(fd, big, sizeof(big));
	reply = client_json(fd);
	cr_expect_not_null(strstr(text(reply, "error"), "too long"));
	json_decref(reply);
	client_send(fd, "x\n", 2);
	expect_alive(fd);
	close(fd);
}

Test(ctl, longest_line_is_accepted)
{
	char line[SMM_CTL_LINE_MAX];
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	memset(line, ' ', sizeof(line));
	memcpy(line, "ping", 4);
	line[sizeof(line) - 1] = '\n';
	client_send(fd, line, sizeof(line));
	json_decref(client_json(fd));
	expect_alive(fd);
	close(fd);
}

Test(ctl, lines_may_come_in_pieces_and_several_at_once)
{
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	for (const char *p = "ping\nping\r\n"; *p; p++)
		client_send(fd, p, 1);
	json_decref(client_json(fd));
	json_decref(client_json(fd));
	client_send(fd, "ping\nhello\nping\npi", 18);
	for (int i = 0; i < 3; i++)
		json_decref(client_json(fd));
	client_send(fd, "ng\n", 3);
	json_decref(client_json(fd));
	close(fd);
}

Test(ctl, half_closed_client_gets_its_answers)
{
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	client_send(fd, "ping\nping\nstat", 14);
	shutdown(fd, SHUT_WR);
	json_decref(client_json(fd));
	json_decref(client_json(fd));
	/* An unfinished line is no command. */
	cr_expect_null(client_line(fd));
	close(fd);
}

/* --- clients that are many, slow or dead ------------------------------------------- */

static void many_areas(int n)
{
	for (int i = 0; i < n; i++)
		fake_add(0x10000000UL + i * 0x2000UL,
			 0x10000000UL + i * 0x2000UL + 0x1000, RW,
			 i % 2 ? "/usr/lib/some/quite/ordinary/library.so.1" : NULL);
}

Test(ctl, slow_reader_of_a_huge_reply_holds_up_nobody)
{
	int slow, other;
	json_t *maps;

	many_areas(60000);
	fixture_serve(&f, getuid());
	slow = greeted(&f);
	client_send(slow, "maps\n", 5);
	other = greeted(&f);
	for (int i = 0; i < 100; i++)
		expect_alive(other);
	maps = client_json(slow);
	cr_expect_eq(json_array_size(json_object_get(maps, "areas")), 60000);
	json_decref(maps);
	expect_alive(slow);
	close(slow);
	close(other);
}

Test(ctl, commands_behind_a_huge_reply_wait_their_turn)
{
	json_t *maps;
	int fd;

	many_areas(20000);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	client_send(fd, "maps\nping\nmaps\n", 15);
	maps = client_json(fd);
	cr_expect_eq(json_array_size(json_object_get(maps, "areas")), 20000);
	json_decref(maps);
	json_decref(client_json(fd));
	json_decref(client_json(fd));
	expect_alive(fd);
	close(fd);
}

Test(ctl, client_that_dies_within_a_reply_is_dropped)
{
	int fd;

	many_areas(60000);
	fixture_serve(&f, getuid());
	for (int i = 0; i < 2 * CTL_MAX_CLIENTS; i++) {
		fd = greeted(&f);
		client_send(fd, "maps\n", 5);
		close(fd);
	}
	fd = greeted(&f);
	expect_alive(fd);
	close(fd);
}

Test(ctl, ninth_client_is_told_so)
{
	int fd[CTL_MAX_CLIENTS], ninth;
	json_t *reply;

	fixture_serve(&f, getuid());
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		fd[i] = greeted(&f);
	ninth = client_connect(&f);
	reply = client_json(ninth);
	cr_expect_not_null(strstr(text(reply, "error"), "too many clients"));
	json_decref(reply);
	cr_expect_null(client_line(ninth));
	close(ninth);
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		expect_alive(fd[i]);
		close(fd[i]);
	}
	/* All gone: there is room again. */
	ninth = greeted(&f);
	expect_alive(ninth);
	close(ninth);
}

Test(ctl, reply_beyond_the_file_size_limit_is_an_error)
{
	const struct rlimit small = { 65536, 65536 };
	int fd;

	many_areas(60000);
	cr_assert_eq(signal(SIGXFSZ, SIG_IGN), SIG_DFL);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_error(fd, "maps", "RLIMIT_FSIZE");
	expect_alive(fd);
	close(fd);
}

/* The number that the server's next descriptor will have. */
static rlim_t server_next_fd(void)
{
	char path[64], target[64];

	for (rlim_t fd = 0;; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%lu", f.server,
			 (unsigned long)fd);
		if (readlink(path, target, sizeof(target)) < 0)
			return fd;
	}
}

Test(ctl, client_without_a_descriptor_is_closed_not_left_waiting)
{
	struct rlimit lim;
	int fd, lost;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	lim.rlim_cur = server_next_fd();
	cr_assert_eq(prlimit(f.server, RLIMIT_NOFILE, &lim, NULL), 0);
	lost = client_connect(&f);
	cr_expect_null(client_line(lost));
	close(lost);
	expect_alive(fd);
	close(fd);
}

/* --- what the replies say ---------------------------------------------------------- */

Test(ctl, maps_shows_areas_as_the_kernel_would)
{
	json_t *maps, *area;
	struct vma_stat counts = { .faults = 3, .populated = 48 };
	struct vm_area_struct *vma;
	int fd;

	fake_add(0x400000, 0x401000, VM_READ | VM_EXEC, "/bin/\xff\"cat\"\n");
	vma = fake_add(0x7f0000000000, 0x7f0000100000, RW, NULL);
	vma->policy = POLICY_OWN;
	vma->reason = TRACK_NONE;
	vma->stat = &counts;
	fake_add(0x7fff00000000, 0x7fff00021000, RW | VM_GROWSDOWN, "[stack]");
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	maps = ask(fd, "maps");
	area = json_array_get(json_object_get(maps, "areas"), 0);
	cr_expect_str_eq(text(area, "start"), "00400000");
	cr_expect_str_eq(text(area, "end"), "00401000");
	cr_expect_str_eq(text(area, "perms"), "r-xp");
	cr_expect_str_eq(text(area, "offset"), "00001000");
	cr_expect_str_eq(text(area, "dev"), "08:01");
	cr_expect_eq(number(area, "inode"), 42);
	cr_expect_str_eq(text(area, "name"), "/bin/\xef\xbf\xbd\"cat\"\n");
	cr_expect_str_eq(text(area, "name_hex"), "2f62696e2fff22636174220a");
	cr_expect_str_eq(text(area, "policy"), "track");
	cr_expect_str_eq(text(area, "reason"), "before-start");
	area = json_array_get(json_object_get(maps, "areas"), 1);
	cr_expect_str_eq(text(area, "policy"), "own");
	cr_expect_str_eq(text(area, "offset"), "00000000");
	cr_expect_eq(number(area, "faults"), 3);
	cr_expect_eq(number(area, "populated"), 48);
	area = json_array_get(json_object_get(maps, "areas"), 2);
	cr_expect_str_eq(text(area, "name"), "[stack]");
	cr_expect_str_eq(text(area, "offset"), "00000000");
	json_decref(maps);
	close(fd);
}

/* The numbers are those of this very process, wherever the areas are the same. */
Test(ctl, smaps_has_the_kernels_numbers)
{
	char *p = mmap(NULL, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long start = (unsigned long)p;
	json_t *reply, *area, *kernel;
	char command[64];
	int fd;

	cr_assert_neq(p, MAP_FAILED);
	/* The area itself may have been merged; two of its own are cut out of it. */
	cr_assert_eq(mprotect(p + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0);
	cr_assert_eq(mprotect(p + 4 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_NONE), 0);
	fake_add(start + 2 * PAGE_SIZE, start + 6 * PAGE_SIZE, VM_READ | VM_MAYSHARE,
		 NULL)
		->known = VMA_UNSURE_ACCOUNT;
	fake_add(start + 6 * PAGE_SIZE, start + 7 * PAGE_SIZE, RW, NULL);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "smaps");
	area = json_array_get(json_object_get(reply, "areas"), 0);
	kernel = json_object_get(area, "kernel");
	cr_expect_eq(number(kernel, "Size"), 16, "the sum of two");
	cr_expect_eq(number(kernel, "MMUPageSize"), 4, "no sum");
	cr_expect(json_is_integer(json_object_get(kernel, "Private_Dirty")));
	cr_expect_str_eq(text(area, "perms"), "r--s");
	cr_expect_str_eq(
		json_string_value(json_array_get(json_object_get(area, "guesses"), 0)),
		"ac");
	area = json_array_get(json_object_get(reply, "areas"), 1);
	cr_expect(json_is_null(json_object_get(area, "kernel")),
		  "a part of one has none");
	json_decref(reply);
	snprintf(command, sizeof(command), "smaps 0x%lx", start + 6 * PAGE_SIZE);
	reply = ask(fd, command);
	cr_expect_eq(json_array_size(json_object_get(reply, "areas")), 1);
	json_decref(reply);
	reply = ask(fd, "smaps 5");
	cr_expect_eq(json_array_size(json_object_get(reply, "areas")), 0);
	json_decref(reply);
	reply = ask(fd, "smaps xyz");
	cr_expect(json_is_string(json_object_get(reply, "error")));
	json_decref(reply);
	close(fd);
	munmap(p, 8 * PAGE_SIZE);
}

Test(ctl, long_names_survive)
{
	char name[4096];
	json_t *maps;
	int fd;

	memset(name, '\1', sizeof(name) - 1);
	memcpy(name, "/\xe2\x82\xac", 4);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		fake_add(0x1000UL * (2 + 2 * (unsigned long)i),
			 0x1000UL * (3 + 2 * (unsigned long)i), VM_READ, name);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	maps = ask(fd, "maps");
	for (size_t i = 0; i < 20; i++)
		cr_expect_str_eq(text(json_array_get(json_object_get(maps, "areas"), i),
				      "name"),
				 name);
	json_decref(maps);
	close(fd);
}

Test(ctl, resident_pages_are_counted)
{
	const size_t len = 64UL << 20;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	json_t *reply, *area;
	char command[64];
	int fd;

	cr_assert_neq((void *)mem, MAP_FAILED);
	cr_assert_eq(madvise(mem, len, MADV_NOHUGEPAGE), 0);
	for (int i = 0; i < 700; i++)
		mem[i * 3 * 4096L] = 1;
	fake_add((unsigned long)mem, (unsigned long)mem + len, RW, NULL);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	snprintf(command, sizeof(command), "vma 0x%lx", (unsigned long)mem + 5);
	reply = ask(fd, command);
	area = json_object_get(reply, "vma");
	cr_expect(json_is_true(json_object_get(reply, "contains")));
	cr_expect_eq(number(area, "resident"), 700);
	json_decref(reply);
	close(fd);
	munmap(mem, len);
}

Test(ctl, vma_is_find_vma)
{
	json_t *reply;
	int fd;

	fake_add(0x10000, 0x20000, RW, NULL);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "vma 5000");
	cr_expect(json_is_false(json_object_get(reply, "contains")));
	cr_expect_str_eq(text(json_object_get(reply, "vma"), "start"), "00010000");
	json_decref(reply);
	reply = ask(fd, "vma 20000");
	cr_expect(json_is_null(json_object_get(reply, "vma")));
	json_decref(reply);
	close(fd);
}

Test(ctl, stat_has_every_counter_and_tallies)
{
	json_t *reply, *counters, *own;
	int fd;

	fake_add(0x10000, 0x20000, RW, NULL)->policy = POLICY_OWN;
	fake_add(0x30000, 0x38000, RW, NULL);
	f.stat.faults = 77;
	f.env.degraded = "no userfaultfd";
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "stat");
	counters = json_object_get(reply, "counters");
#define HAS_COUNTER(name, help)                                            \
	cr_expect(json_is_integer(json_object_get(counters, #name)), "no " \
								     "counter " #name);
	SMM_COUNTERS(HAS_COUNTER)
	cr_expect_eq(number(counters, "faults"), 77);
	own = json_object_get(json_object_get(reply, "policy"), "own");
	cr_expect_eq(number(own, "areas"), 1);
	cr_expect_eq(number(own, "bytes"), 0x10000);
	own = json_object_get(json_object_get(reply, "reason"), "before-start");
	cr_expect_eq(number(own, "bytes"), 0x8000);
	cr_expect_str_eq(text(reply, "degraded"), "no userfaultfd");
	cr_expect_eq(number(reply, "engine_pid"), 11);
	own = json_object_get(reply, "mm");
	cr_expect_eq(number(own, "map_count"), 2);
	cr_expect_gt(number(own, "rss_anon"), 0);
	cr_expect_geq(number(own, "hiwater_rss"), number(own, "rss_anon"));
	cr_expect_eq(number(own, "pinned_vm"), 0);
	cr_expect_gt(json_array_size(json_object_get(reply, "auxv")), 10);
	json_decref(reply);
	close(fd);
}

Test(ctl, slabinfo_has_pages_caches_and_bytes_per_area)
{
	struct arena *a = &fake_mm.arena;
	unsigned long pages = 0;
	json_t *reply, *cache;
	int fd;

	fake_add(0x10000, 0x20000, RW, NULL);
	fake_add(0x30000, 0x38000, RW, NULL);
	for (int i = 0; i < 60; i++)
		cr_assert_not_null(kmem_cache_alloc(&fake_mm.vma_cache));
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "slabinfo");
	cr_expect_eq(number(reply, "map_count"), 2);
	cr_expect_eq((size_t)number(reply, "bytes_per_area"), arena_used(a) / 2);
	cr_expect_eq((size_t)number(json_object_get(reply, "arena"), "total"), 65536);
	cr_expect_eq((size_t)number(json_object_get(reply, "arena"), "free"), a->free);
	cr_expect_eq(json_array_size(json_object_get(reply, "free_blocks")), NR_ORDERS);
	for (size_t i = 0; i < NR_ORDERS; i++)
		pages += (unsigned long)json_integer_value(
				 json_array_get(json_object_get(reply, "free_blocks"), i))
			 << i;
	cr_expect_eq(pages * PAGE_SIZE, a->free);
	cr_expect_eq(json_array_size(json_object_get(reply, "caches")), 1);
	cache = json_array_get(json_object_get(reply, "caches"), 0);
	cr_expect_str_eq(text(cache, "name"), "vm_area_struct");
	cr_expect_eq(number(cache, "object_size"), 80);
	cr_expect_eq(number(cache, "active"), 60);
	cr_expect_eq(number(cache, "slabs"), 2);
	cr_expect_eq(number(cache, "full"), 1);
	cr_expect_eq(number(cache, "partial"), 1);
	cr_expect_eq(number(cache, "empty"), 0);
	cr_expect_eq(number(cache, "bytes"), 8192);
	json_decref(reply);
	close(fd);
}

Test(ctl, help_lists_the_command_table)
{
	json_t *reply, *list;
	size_t i = 0;
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "help");
	list = json_object_get(reply, "commands");
#define IN_HELP(cmd, args, help, flags) \
	cr_expect_str_eq(text(json_array_get(list, i++), "name"), #cmd);
	SMM_CTL_COMMANDS(IN_HELP)
	cr_expect_eq(json_array_size(list), i);
	json_decref(reply);
	close(fd);
}

/* --- verify ------------------------------------------------------------------------ */

Test(ctl, verify_reports_differences)
{
	json_t *reply;
	int fd;

	fake_differences = 3;
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "verify");
	cr_expect_eq(number(reply, "differences"), 3);
	cr_expect_gt(number(reply, "areas"), 3);
	cr_expect_eq(json_array_size(json_object_get(reply, "list")), 3);
	cr_expect(json_is_false(json_object_get(reply, "repair")));
	json_decref(reply);
	reply = ask(fd, "verify flags");
	cr_expect_eq(number(reply, "differences"), 3);
	json_decref(reply);
	reply = ask(fd, "verify flaws");
	cr_expect(json_is_string(json_object_get(reply, "error")));
	json_decref(reply);
	reply = ask(fd, "verify flags repair");
	cr_expect(json_is_true(json_object_get(reply, "repair")));
	json_decref(reply);
	reply = ask(fd, "verify repair");
	cr_expect(json_is_true(json_object_get(reply, "repair")));
	json_decref(reply);
	reply = ask(fd, "stat");
	cr_expect_eq(number(json_object_get(reply, "counters"), "drift"), 12);
	cr_expect_eq(number(json_object_get(reply, "counters"), "drift_repaired"), 6);
	json_decref(reply);
	close(fd);
}

Test(ctl, verify_list_is_bounded)
{
	json_t *reply;
	int fd;

	fake_differences = 100000;
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "verify");
	cr_expect_eq(number(reply, "differences"), 100000);
	cr_expect_eq(number(reply, "shown"), 256);
	cr_expect_eq(json_array_size(json_object_get(reply, "list")), 256);
	json_decref(reply);
	close(fd);
}

Test(ctl, verify_of_a_busy_process_is_an_error)
{
	int fd;

	/* Held by the test, which lives: the server's copy is never given back. */
	f.lock.state = 1;
	f.lock.owner = (u32)getpid();
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_error(fd, "verify", "mmap_lock is busy");
	expect_alive(fd);
	close(fd);
	f.lock.state = 0;
}

Test(ctl, verify_feeds_the_model_first)
{
	json_t *reply;
	int fd;

	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "verify");
	cr_expect_eq(number(reply, "differences"), 0);
	json_decref(reply);
	reply = ask(fd, "stat");
	cr_expect_eq(number(json_object_get(reply, "mm"), "seq"), 1, "not asked");
	json_decref(reply);
	close(fd);
}

Test(ctl, verify_without_memory_is_an_error)
{
	int fd;

	fake_reserve_error = -ENOMEM;
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_error(fd, "verify", "no memory");
	expect_alive(fd);
	close(fd);
}

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

Test(ctl, lock_of_a_dead_task_is_taken_over)
{
	json_t *reply;
	int fd;

	/* It left the model behind the kernel: that is no drift. */
	fake_differences = 5;
	f.lock.state = 1;
	f.lock.owner = (u32)dead_pid();
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "verify");
	cr_expect(json_is_true(json_object_get(reply, "lock_taken_over")));
	cr_expect_eq(number(reply, "differences"), 0);
	json_decref(reply);
	reply = ask(fd, "stat");
	cr_expect_eq(number(json_object_get(reply, "counters"), "lock_stolen"), 1);
	cr_expect_eq(number(json_object_get(reply, "counters"), "resyncs"), 1);
	json_decref(reply);
	close(fd);
}

static char *file_text(const char *path, char *buf, size_t size);

Test(ctl, broken_model_is_reported)
{
	char path[128], buf[4096];
	json_t *reply;
	int fd;

	fake_broken = "map_count";
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "verify");
	cr_expect_str_eq(text(reply, "broken"), "map_count");
	json_decref(reply);
	close(fd);
	snprintf(path, sizeof(path), "%s/log", f.base);
	cr_expect_eq(ctl_verify_append(&f.env, path), 1);
	file_text(path, buf, sizeof(buf));
	cr_expect_not_null(strstr(buf, "# not verified: map_count"));
}

static char *file_text(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t n;

	cr_assert_not_null(file);
	n = fread(buf, 1, size - 1, file);
	buf[n] = '\0';
	fclose(file);
	unlink(path);
	return buf;
}

Test(ctl, append_writes_one_line_per_process)
{
	char path[128], buf[16384];
	int areas, differences, pid;
	char comm[32];

	snprintf(path, sizeof(path), "%s/log", f.base);
	cr_expect_eq(ctl_verify_append(&f.env, path), 0);
	cr_expect_eq(ctl_verify_append(&f.env, path), 0);
	file_text(path, buf, sizeof(buf));
	cr_assert_eq(sscanf(buf, "%d %31s %d %d\n", &pid, comm, &areas, &differences), 4);
	cr_expect_eq(pid, getpid());
	cr_expect_str_eq(comm, "a_\"test\"");
	cr_expect_gt(areas, 3);
	cr_expect_eq(differences, 0);
	cr_expect_eq(strchr(strchr(buf, '\n') + 1, '\n')[1], '\0', "two lines");
}

Test(ctl, append_explains_differences)
{
	char path[128], buf[16384], *line;
	unsigned long lines = 0;

	snprintf(path, sizeof(path), "%s/log", f.base);
	fake_differences = 1000;
	cr_expect_eq(ctl_verify_append(&f.env, path), 1000);
	file_text(path, buf, sizeof(buf));
	line = strchr(buf, '\n') + 1;
	cr_expect_not_null(strstr(line, "not shown"));
	for (; *line; line = strchr(line, '\n') + 1, lines++)
		cr_expect_eq(*line, '#');
	cr_expect_gt(lines, 30);
}

Test(ctl, append_to_an_impossible_place_is_an_error)
{
	cr_expect_eq(ctl_verify_append(&f.env, "/nonexistent/log"), -ENOENT);
}
