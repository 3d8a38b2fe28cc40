// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Huge pages in the pool: that they come where the kernel gives them, and only there; and
 * every way in which there are none, forced.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR	     32		  /* huge pages that the program touches */
#define KIB	     (NR * 2048L) /* of them */
#define PAGEMAP_SCAN 0xc0606610U

static struct capture plain, got;

static void setup(void)
{
	static const char *const names[] = { "huge_pages", NULL };

	scratch_make(names);
}

TestSuite(huge, .init = setup, .fini = scratch_remove, .timeout = 120);

/* --- a program that is looked at --- */

static void start(struct live *l, void (*before)(void), const char *env)
{
	const struct how how = { .before = before,
				 .env = { "SHADOWMM_QUIET=1", "SHADOWMM_START=now", env },
				 .plain = !env };
	const char *argv[] = { scratch_path("huge_pages"), "live", NULL };

	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	if (env)
		live_engine_up(l);
}

/* One byte of each huge page has been written. */
static void start_touched(struct live *l, void (*before)(void), const char *env)
{
	start(l, before, env);
	live_command(l, 'a', "advised");
	live_command(l, 't', "touched");
}

/* The number that the program answers to @command with. */
static long ask(const struct live *l, char command)
{
	char text[32];
	size_t n = 0;

	cr_assert(write(l->in, &command, 1) == 1);
	while (n < sizeof(text) - 1 && read(l->out, text + n, 1) == 1 && text[n] != '\n')
		n++;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

static void look(const struct live *l)
{
	live_ask(&got, l, "stat", "--json", NULL);
	cr_assert(got.status == 0, "%s", got.err);
}

static long number(const char *name)
{
	return (long)member(got.out, name);
}

static bool says(const char *text)
{
	return strstr(got.out, text) != NULL;
}

/* Until `stat` says @text. */
static void look_for(const struct live *l, const char *text)
{
	const struct timespec tick = { 0, 10 * 1000 * 1000 };

	for (look(l); !says(text); look(l))
		nanosleep(&tick, NULL); /* the suite's timeout ends it */
}

/* It has all huge pages beforehand: whether it is refilled in time is chance. */
static void start_with_pool(struct live *l)
{
	setenv("SHADOWMM_POOL", "67108864", 1);
	start(l, NULL, "SHADOWMM_POOL_PAGES=huge");
	live_command(l, 'a', "advised");
	look_for(l, "\"huge_ready\":67108864}");
}

/* What the kernel alone does: KiB of huge pages after one byte of each was written. */
static long kernel_gives(void (*before)(void))
{
	struct live l;
	long kib;

	start_touched(&l, before, NULL);
	kib = ask(&l, 'h');
	cr_expect(live_end(&l) == 0);
	return kib;
}

static void need_huge_pages(void)
{
	long kib = kernel_gives(NULL);

	if (kib < KIB)
		cr_skip_test("the kernel gives %ld KiB of huge pages for %ld", kib, KIB);
}

/* --- they come --- */

Test(huge, come_where_they_are_asked_for)
{
	struct live l;

	need_huge_pages();
	start_with_pool(&l);
	live_command(&l, 't', "touched");
	cr_expect(ask(&l, 'h') >= KIB);
	cr_expect_eq(ask(&l, 's'), NR * 512);
	/* Who faulted goes on before it is counted. */
	look_for(&l, "\"huge_moved\":32,");
	look_for(&l, "\"pages_zeroed\":16384,");
	cr_expect(says("\"kind\":\"huge\",\"choice\":\"huge\",\"why\":\"as asked\""));
	cr_expect_eq(number("huge_tables"), 0);
	cr_expect(number("faults") <= NR);
	live_command(&l, 'w', "written");
	cr_expect(live_end(&l) == 0);
}

Test(huge, filled_at_once)
{
	struct live l;

	need_huge_pages();
	start_with_pool(&l);
	live_command(&l, 't', "touched");
	look_for(&l, "\"huge_moved\":32,");
	cr_expect_eq(number("huge_missed"), 0);
	cr_expect(live_end(&l) == 0);
}

Test(huge, do_not_come_unasked)
{
	struct live l;

	start(&l, NULL, "SHADOWMM_POOL_PAGES=huge");
	live_command(&l, 'm', "mapped");
	live_command(&l, 'w', "written");
	look(&l);
	/* Unless it is the kernel's way with all memory. */
	if (kernel_gives(NULL) >= KIB && number("huge_size") == 0)
		cr_expect_eq(number("huge_moved"), 0);
	cr_expect(live_end(&l) == 0);
}

Test(huge, stay_with_the_kernel)
{
	struct live l;

	need_huge_pages();
	start_touched(&l, NULL, "SHADOWMM_POOL_PAGES=4k");
	cr_expect(ask(&l, 'h') >= KIB);
	look(&l);
	cr_expect_eq(number("huge_moved") + number("huge_tables") + number("huge_size"),
		     0);
	cr_expect(says("\"huge pages\":{\"areas\":1,"));
	cr_expect(live_end(&l) == 0);
}

/* The kernel would split a huge page that is moved there; natively there is none. */
Test(huge, not_where_there_is_a_page_table)
{
	struct live l;

	need_huge_pages();
	start(&l, NULL, "SHADOWMM_POOL_PAGES=huge");
	live_command(&l, 'a', "advised");
	live_command(&l, 'e', "tables");
	live_command(&l, 't', "touched");
	cr_expect_eq(ask(&l, 'h'), 0);
	look(&l);
	cr_expect_eq(number("huge_moved"), 0);
	cr_expect_eq(number("huge_tables"), NR);
	cr_expect_eq(number("huge_missed"), 0);
	live_command(&l, 'w', "written");
	cr_expect(live_end(&l) == 0);
}

Test(huge, given_back)
{
	struct live l;

	need_huge_pages();
	start_touched(&l, NULL, "SHADOWMM_POOL_PAGES=huge");
	look_for(&l, "\"huge_want\":0,\"huge_ready\":0}");
	cr_expect(number("huge_filled") > 0);
	cr_expect_eq(number("huge_given_back") + number("huge_moved"),
		     number("huge_filled") + number("huge_missed"));
	cr_expect_eq(ask(&l, 'h'), KIB);
	cr_expect(live_end(&l) == 0);
}

/* By default what is asked for is the kernel's: it is faster alone. */
Test(huge, asked_for_by_default)
{
	struct live l;

	need_huge_pages();
	start_touched(&l, NULL, "SHADOWMM_POOL_PAGES=auto");
	cr_expect(ask(&l, 'h') >= KIB);
	look(&l);
	cr_expect_eq(number("huge_moved") + number("faults"), 0);
	cr_expect(says("\"huge pages\":{\"areas\":1,"));
	cr_expect(live_end(&l) == 0);
}

/* --- there are none --- */

static void filter(struct sock_filter *code, unsigned short n)
{
	const struct sock_fprog prog = { n, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(125);
}

/* Calls of @nr with these two arguments (of which there may be one) answer @error, which
 * may be 0. */
struct answer {
	unsigned int nr, arg, value, arg2, value2, error;
};

static void answer(const struct answer *a)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->nr, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args) + 8 * a->arg),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->value, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args) + 8 * a->arg2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->value2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | a->error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

static void no_thp(void)
{
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		_exit(125);
}

#define POOL (36U << 20) /* the area of huge pages, by default */

/* The pool's area is not advised, and does not know. */
static void populated_is_not_huge(void)
{
	answer(&(struct answer){ SYS_madvise, 1, POOL, 2, MADV_HUGEPAGE, 0 });
}

static void no_populate(void)
{
	const unsigned int populate = 23; /* MADV_POPULATE_WRITE */

	answer(&(struct answer){ SYS_madvise, 2, populate, 2, populate, EINVAL });
}

static void no_scan(void)
{
	answer(&(struct answer){ SYS_ioctl, 1, PAGEMAP_SCAN, 1, PAGEMAP_SCAN, ENOTTY });
}

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

/* In a mount namespace of its own the machine seems to give huge pages everywhere. */
static void always_seemingly(void)
{
	const char *path = scratch_path("enabled");
	FILE *f = fopen(path, "w");

	if (!f || fputs("[always] madvise never\n", f) < 0 || fclose(f) ||
	    unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(path, THP_DIR "enabled", NULL, MS_BIND, NULL))
		_exit(125);
}

static void same_output(void (*before)(void))
{
	struct how how = { .before = before,
			   .env = { "SHADOWMM_QUIET=1", "SHADOWMM_START=now",
				    "SHADOWMM_POOL_PAGES=huge" } };
	const char *argv[] = { scratch_path("huge_pages"), NULL };
	char verify[300];

	how.plain = true;
	capture(&plain, &how, argv);
	how.plain = false;
	snprintf(verify, sizeof(verify), "SHADOWMM_VERIFY_AT_EXIT=%s",
		 scratch_path("run/verify"));
	how.env[3] = verify;
	capture(&got, &how, argv);
	cr_expect(plain.status == 0 && got.status == 0, "%#x %s", got.status, got.err);
	cr_expect_str_eq(got.out, plain.out);
	cr_expect(verify_lines(strchr(verify, '=') + 1) > 0);
}

static void none_moved(void (*before)(void), const char *choice, const char *why)
{
	struct live l;

	start_touched(&l, before, "SHADOWMM_POOL_PAGES=huge");
	live_command(&l, 'w', "written");
	look(&l);
	cr_expect_eq(number("huge_moved"), 0);
	cr_expect_eq(number("huge_ready"), 0);
	cr_expect(says(choice) && says(why), "%s", got.out);
	cr_expect(live_end(&l) == 0);
}

Test(huge, disabled_by_prctl)
{
	same_output(no_thp);
	none_moved(no_thp, "\"choice\":\"huge\"", "as asked");
	cr_expect_eq(kernel_gives(no_thp), 0);
}

static bool always(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char line[64] = "";
	bool yes = f && fgets(line, sizeof(line), f) && strstr(line, "[always]");

	if (f)
		fclose(f);
	return yes;
}

/* The pool has some from before. */
Test(huge, disabled_later)
{
	struct live l;

	need_huge_pages();
	start_with_pool(&l);
	live_command(&l, 'd', "disabled");
	live_command(&l, 't', "touched");
	look(&l);
	cr_expect_eq(number("huge_moved"), 0);
	live_command(&l, 'w', "written");
	cr_expect(live_end(&l) == 0);
}

Test(huge, none_to_be_had)
{
	need_huge_pages();
	if (always())
		cr_skip_test("here all memory is of huge pages");
	same_output(populated_is_not_huge);
	none_moved(populated_is_not_huge, "\"choice\":\"huge\"", "as asked");
	/* Each time it was found out, and not by moving what is not huge. */
	cr_expect_eq(number("huge_missed"), NR, "%ld", number("huge_missed"));
	cr_expect_eq(number("huge_filled"), 0);
}

/* What is not advised is asked for in vain, or has page tables; nothing is split. */
Test(huge, always_is_not_true)
{
	struct live l;

	need_huge_pages();
	if (geteuid() || always())
		cr_skip_test("needs root, and a machine where it is not true");
	same_output(always_seemingly);
	start(&l, always_seemingly, "SHADOWMM_POOL_PAGES=huge");
	live_command(&l, 'm', "mapped");
	live_command(&l, 't', "touched");
	live_command(&l, 'w', "written");
	cr_expect_eq(ask(&l, 'h'), 0);
	look(&l);
	cr_expect(number("huge_size") > 0);
	cr_expect(number("huge_tables") > 0);
	cr_expect_eq(number("huge_moved"), 0);
	cr_expect(live_end(&l) == 0);
}

/* Where all memory may have huge pages, when the pool is used and there is more of it. */
Test(huge, chosen_by_measurement)
{
	struct live l;
	long huge, small;

	need_huge_pages();
	if (geteuid())
		cr_skip_test("needs root");
	start(&l, always() ? NULL : always_seemingly, "SHADOWMM_POOL_PAGES=auto");
	live_command(&l, 'm', "mapped");
	live_command(&l, 'w', "written");
	live_command(&l, 'm', "mapped");
	look_for(&l, "\"why\":\"measured\"");
	huge = number("huge_ns");
	small = number("small_ns");
	cr_expect(huge > 0 && small > 0);
	cr_expect(says(huge <= small ? "\"choice\":\"huge\"" : "\"choice\":\"4k\""));
	live_command(&l, 'm', "mapped");
	live_command(&l, 'w', "written");
	look(&l);
	cr_expect((number("huge_size") > 0) == (huge <= small));
	cr_expect(live_end(&l) == 0);
}

Test(huge, populate_refused)
{
	same_output(no_populate);
	none_moved(no_populate, "\"choice\":\"huge\"", "as asked");
}

/* Then it is not known where one fits: they stay the kernel's. */
Test(huge, scan_refused)
{
	struct live l;

	same_output(no_scan);
	none_moved(no_scan, "\"choice\":\"4k\"", "does not tell where");
	need_huge_pages();
	start_touched(&l, no_scan, "SHADOWMM_POOL_PAGES=huge");
	cr_expect_eq(ask(&l, 'h'), KIB);
	look(&l);
	cr_expect(says("\"huge pages\":{\"areas\":1,"));
	cr_expect(live_end(&l) == 0);
}

Test(huge, no_pool)
{
	setenv("SHADOWMM_POOL", "off", 1);
	same_output(NULL);
	none_moved(NULL, "", "");
}
