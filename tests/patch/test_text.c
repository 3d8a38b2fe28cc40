// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing to text: the protection comes back, whichever way the kernel lets us in. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/hook/text.h"
#include "lib/hook/thunk.h"
#include "tests/patch/code.h"
#include "tests/patch/handlers.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE		 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static struct smm_stat stat;

static void setup(void)
{
	handlers_init();
}

TestSuite(text, .init = setup, .timeout = 20);

/* The areas of /proc/self/maps that overlap [start, end); all with @perms. */
static int areas(unsigned long start, unsigned long end, const char *perms)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char p[8], line[512];
	int n = 0;

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f)) {
		cr_assert_eq(sscanf(line, "%lx-%lx %4s", &from, &to, p), 3);
		cr_assert(!strstr(p, "wx"), "left writable: %s", line);
		if (to <= start || from >= end)
			continue;
		cr_assert_str_eq(p, perms);
		n++;
	}
	fclose(f);
	return n;
}

static void check_works(struct code *c, long (*fn)(long, long))
{
	unsigned long start, end;

	cr_assert_eq(patch_range(c->start, c->start + c->size, PROT_READ | PROT_EXEC), 1);
	cr_assert_eq(stat.sites, 1);
	cr_assert_eq(stat.sites_refused, 0);
	cr_assert_eq(fn(1, 1), -EINVAL);
	cr_assert_eq(seen->calls, 1);
	cr_assert_eq(areas(c->start, c->start + c->size, "r-xp"), 1);
	thunk_own_text(&start, &end);
	cr_assert_eq(areas(start, end, "r-xp"), 1, "our text must stay one area");
}

static struct code make(enum where where, long (**fn)(long, long))
{
	struct code c = code_new(where, 3);

	c.p += PAGE_SIZE;
	*fn = (long (*)(long, long))(void *)code_site(&c, SYS_munmap);
	CODE(&c, 0xc3);
	code_finish(&c);
	return c;
}

static void check_ways(enum where where, bool refuse)
{
	long (*fn)(long, long);
	struct code c = make(where, &fn);

	text_refuse_mprotect = refuse;
	cr_assert_eq(patch_init(&stat), 0);
	check_works(&c, fn);
}

Test(text, mprotect_near)
{
	check_ways(NEAR, false);
}

Test(text, mprotect_far)
{
	check_ways(FAR, false);
}

Test(text, proc_mem_near)
{
	check_ways(NEAR, true);
}

Test(text, proc_mem_far)
{
	check_ways(FAR, true);
}

/* The kernel's own refusal, for good: Criterion runs each test in a process of its own.
 */
static void check_mdwe(enum where where)
{
	long (*fn)(long, long);
	struct code c = make(where, &fn);

	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)) {
		cr_assert_eq(errno, EINVAL);
		cr_skip("this kernel (before 6.3) has no PR_SET_MDWE");
	}
	cr_assert_eq(patch_init(&stat), 0);
	check_works(&c, fn);
}

Test(text, mdwe_near)
{
	check_mdwe(NEAR);
}

Test(text, mdwe_far)
{
	check_mdwe(FAR);
}

static void lose_proc(void)
{
	char empty[] = "/tmp/shadowmm-test-XXXXXX";
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	cr_assert_not_null(mkdtemp(empty));
	ret = chroot(empty);
	/* Its name means nothing inside. */
	cr_assert_eq(unlinkat(tmp, strrchr(empty, '/') + 1, AT_REMOVEDIR), 0);
	close(tmp);
	if (ret)
		cr_skip("chroot needs privilege");
}

Test(text, refused_by_every_means)
{
	long (*fn)(long, long);
	struct code c = make(NEAR, &fn);

	cr_assert_eq(patch_init(&stat), 0);
	text_refuse_mprotect = true;
	lose_proc();
	cr_assert_eq(patch_range(c.start, c.start + c.size, PROT_READ | PROT_EXEC),
		     -EACCES);
	cr_assert_eq(stat.sites, 0);
	cr_assert_eq(stat.sites_refused, 1);
	cr_assert_eq(patch_writable(), -EACCES);
	cr_assert_eq(fn(1, 1), -EINVAL);
	cr_assert_eq(seen->calls, 0);
}

Test(text, no_descriptor_is_left)
{
	long (*fn)(long, long);
	struct code c = make(NEAR, &fn);
	int before = dup(0), after;

	text_refuse_mprotect = true;
	cr_assert_eq(patch_init(&stat), 0);
	check_works(&c, fn);
	close(before);
	after = dup(0);
	cr_assert_eq(before, after);
}

Test(text, writable_text_stays_writable)
{
	struct code c = code_new(NEAR, 1);
	const unsigned long rwx = PROT_READ | PROT_WRITE | PROT_EXEC;

	code_site(&c, SYS_munmap);
	cr_assert_eq(patch_init(&stat), 0);
	cr_assert_eq(mprotect((void *)c.start, c.size, (int)rwx), 0);
	cr_assert_eq(patch_range(c.start, c.start + c.size, rwx), 1);
	*(volatile uint8_t *)c.start = 0xcc;
}

/* Text without sites is not touched at all: no page of it becomes private. */
Test(text, nothing_to_do)
{
	struct code c = code_new(NEAR, 2);

	cr_assert_eq(patch_init(&stat), 0);
	text_refuse_mprotect = true;
	lose_proc();
	cr_assert_eq(code_patch(&c), 0);
}

Test(text, fork_child_finds_the_lock_free)
{
	long (*fn)(long, long);
	struct code c = make(NEAR, &fn);

	cr_assert_eq(patch_init(&stat), 0);
	patch_fork_child();
	check_works(&c, fn);
}
