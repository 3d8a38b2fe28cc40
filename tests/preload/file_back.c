// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mappings of a file that somebody opens for writing, or truncates: what was locked stays
 * locked, and counts as it did; what was written to stays, however much it is, until
 * the file ends before it.
 *
 * Run a second time by itself without CAP_IPC_LOCK, and with the limit that it needs.
 */
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

enum {
	PAGES = 600, /* more than a chunk of 2 MiB */
	LEN = PAGES * 4096,
};
#define BIG (150 * MIB) /* three pieces as they are given back */

static char path[64];
static char *bytes; /* of the file */

static void make_file(size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	for (size_t at = 0; at < len; at += MIB)
		CHECK(pwrite(fd, bytes, MIB, (off_t)at) == (ssize_t)MIB);
	CHECK(ftruncate(fd, (off_t)len) == 0 && close(fd) == 0);
}

static long left_before; /* counter, when the file was mapped */

static char *map_file(size_t len, int prot)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, len, prot, MAP_PRIVATE, fd, 0);

	left_before = can_ask() ? ASKED("counters", "files_left") : 0;
	CHECK(fd >= 0 && p != MAP_FAILED && close(fd) == 0);
	return p;
}

static void take_file(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && close(fd) == 0);
	/* Under the library with files of its own only. */
	if (can_ask() && getenv("SHADOWMM_FILES"))
		CHECK(ASKED("counters", "files_left") > left_before);
}

/* --- locks: mlock() gives back what it is to lock
 * ------------------------------------------------------------------------- */

static void show_lock(const char *when, char *p, unsigned int flags)
{
	printf("%s: lo %d, %ld KiB locked", when, smaps_flag(p, "lo"),
	       status_number("VmLck"));
	/* How far read-ahead gets is everybody's own affair. */
	if (!(flags & MLOCK_ONFAULT))
		printf(", %ld KiB of it here", smaps_number(p, "Locked"));
	putchar('\n');
}

static void locked(const char *what, int prot, unsigned int flags)
{
	char *p = map_file(LEN, prot);

	puts(what);
	CHECK(matches(p, PAGE, 1));
	CHECK(mlock2(p, LEN, (int)flags) == 0);
	show_lock("locked", p, flags);
	if (prot & PROT_WRITE)
		memset(p + 7 * PAGE, 'w', PAGE);
	take_file();
	show_lock("taken", p, flags);
	check_verified();
	CHECK(matches(p, PAGE, 1) && !memcmp(p + 300 * PAGE, bytes + 44 * PAGE, PAGE));
	CHECK(!(prot & PROT_WRITE) || (p[7 * PAGE] == 'w' && p[8 * PAGE - 1] == 'w'));
	CHECK(munlock(p, LEN) == 0);
	show_lock("unlocked", p, flags);
	CHECK(munmap(p, LEN) == 0);
}

/* Part of it, so that there are three areas. */
static void locked_part(void)
{
	char *p = map_file(LEN, PROT_READ | PROT_WRITE);

	CHECK(mlock(p + 100 * PAGE, 50 * PAGE) == 0);
	CHECK(mlock2(p + 400 * PAGE, 50 * PAGE, MLOCK_ONFAULT) == 0);
	CHECK(p[420 * PAGE] == bytes[164 * PAGE]);
	take_file();
	printf("parts: %ld KiB, lo %d %d %d %d\n", status_number("VmLck"),
	       smaps_flag(p, "lo"), smaps_flag(p + 100 * PAGE, "lo"),
	       smaps_flag(p + 200 * PAGE, "lo"), smaps_flag(p + 449 * PAGE, "lo"));
	check_verified();
	CHECK(munmap(p, LEN) == 0);
}

/* With a limit of just what is locked, which is lowered afterwards. */
static void locked_to_the_limit(void)
{
	struct rlimit limit = { LEN, LEN };
	char *p = map_file(LEN, PROT_READ);

	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	SHOW(mlock(p, LEN + PAGE));
	SHOW(mlock(p, LEN));
	limit.rlim_cur = limit.rlim_max = 0;
	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	show_lock("to the limit", p, 0);
	take_file();
	show_lock("taken", p, 0);
	check_verified();
	CHECK(munmap(p, LEN) == 0);
}

/* Everything: what lies aside is not. */
static void all_locked(void)
{
	char *p = map_file(LEN, PROT_READ);
	long before = status_number("VmLck"), areas;

	CHECK(matches(p, PAGE, 1));
	CHECK(mlockall(MCL_CURRENT | MCL_ONFAULT) == 0);
	areas = status_number("VmLck") - before;
	CHECK(munmap(p, LEN) == 0);
	printf("mlockall: %d\n", areas - (status_number("VmLck") - before) == LEN / 1024);
	check_verified();
	CHECK(munlockall() == 0);
}

/* --- in parts ---------------------------------------------------------------------- */

/* Given back at two times, each part with pages of its own: one area without us. */
static char *in_parts(void)
{
	char *p = map_file(LEN, PROT_READ | PROT_WRITE);

	/* No further than it is: enough to have the last pages given back. */
	p[(PAGES - 1) * PAGE] = 'l';
	CHECK(mremap(p + (PAGES - 20) * PAGE, 20 * PAGE, 20 * PAGE, 0) ==
	      p + (PAGES - 20) * PAGE);
	p[(PAGES - 10) * PAGE] = 'b';
	p[10 * PAGE] = 'a';
	return p;
}

static void check_parts(const char *p)
{
	CHECK(p[10 * PAGE] == 'a' && p[(PAGES - 10) * PAGE] == 'b' &&
	      p[(PAGES - 1) * PAGE] == 'l');
	CHECK(!memcmp(p + 300 * PAGE, bytes + 44 * PAGE, PAGE));
	check_verified();
}

static void moved_in_parts(void)
{
	char *p = in_parts(), *q, *target = anon(LEN + 50 * PAGE);

	CHECK(mremap(p, LEN, LEN + 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
	      target);
	check_parts(target);
	CHECK(munmap(target, LEN + 50 * PAGE) == 0);
	p = in_parts();
	/* No room behind it. */
	q = mmap(p + LEN, PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	errno = 0;
	show_result("in place, no room",
		    mremap(p, LEN, LEN + PAGE, 0) == MAP_FAILED ? -1 : 0);
	target = mremap(p, LEN, LEN + PAGE, MREMAP_MAYMOVE);
	CHECK(target != MAP_FAILED && target != p);
	check_parts(target);
	CHECK(munmap(target, LEN + PAGE) == 0);
	if (q == p + LEN)
		CHECK(munmap(q, PAGE) == 0);
}

/* --- much written to --------------------------------------------------------------- */

static void write_most(char *p)
{
	for (size_t at = 0; at < BIG; at += PAGE)
		if (at / PAGE % 16)
			p[at + 5] = (char)(at / PAGE);
}

static void much_written(bool truncated)
{
	static const size_t places[] = { 0,	   9 * PAGE,  100 * PAGE, 64 * MIB - PAGE,
					 64 * MIB, 100 * MIB, BIG - PAGE };
	char *p;

	make_file(BIG);
	p = map_file(BIG, PROT_READ | PROT_WRITE);
	write_most(p);
	if (truncated)
		CHECK(truncate(path, 10 * 4096 + 100) == 0);
	else
		take_file();
	printf("%s: areas %d,", truncated ? "truncated" : "taken", areas_in(p, BIG));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		printf(" %s", touch(p + places[i], false));
	putchar('\n');
	for (size_t at = 0; at < (truncated ? 10 * PAGE : BIG); at += PAGE)
		CHECK(p[at + 5] == (at / PAGE % 16 ? (char)(at / PAGE)
						   : bytes[at % MIB + 5]) &&
		      p[at + 6] == bytes[at % MIB + 6]);
	check_verified();
	CHECK(munmap(p, BIG) == 0);
}

/* Ranges that end before they begin are refused, and nothing is given back for them. */
static void wrapped(void)
{
	char *p = map_file(LEN, PROT_READ | PROT_WRITE), *from = p + 2 * PAGE;
	/* Out of the compiler's sight. */
	volatile size_t len = -PAGE;

	SHOW(mlock(from, len));
	SHOW(madvise(from, len, 102 /* MADV_GUARD_INSTALL */));
	CHECK(mremap(from, len, PAGE, 0) == MAP_FAILED);
	SHOW(syscall(SYS_mbind, from, len, 0, NULL, 0, 0));
	SHOW(syscall(462 /* mseal */, from, len, 0));
	CHECK(!memcmp(p, bytes, MIB));
	CHECK(munmap(p, LEN) == 0);
}

static void without_privilege(void)
{
	static char name[] = "file_back", arg[] = "limit";
	char *args[] = { name, arg, NULL };
	/* Raised again afterwards: the library's tasks start with this one. */
	const struct rlimit none = { 0, LEN };

	fflush(stdout);
	prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
	CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
	execv("/proc/self/exe", args);
	CHECK(false);
}

int main(int argc, char **argv)
{
	(void)argv;
	snprintf(path, sizeof(path), "./of-file-back.%d", (int)getpid());
	bytes = anon(MIB);
	fill(bytes, MIB, 1);
	make_file(LEN);
	if (argc > 1) {
		locked_to_the_limit();
		CHECK(unlink(path) == 0);
		return 0;
	}
	locked("to read", PROT_READ, 0);
	locked("to write", PROT_READ | PROT_WRITE, 0);
	locked("to read, as touched", PROT_READ, MLOCK_ONFAULT);
	locked("to write, as touched", PROT_READ | PROT_WRITE, MLOCK_ONFAULT);
	locked_part();
	all_locked();
	moved_in_parts();
	much_written(false);
	much_written(true);
	make_file(LEN);
	wrapped();
	CHECK(unlink(path) == 0);
	without_privilege();
}
