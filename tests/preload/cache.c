// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two processes that share the frames of a file, of which only a part may be held:
 * whoever drops them, each reads the right bytes and keeps what it has written. And what
 * `shadowmm cache` and `shadowmm rmap --file` say of them, against /proc.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define MIB	(1024 * 1024UL)
#define SIZE	(24 * MIB)
#define PRESENT (1ULL << 63)
#define OF_FILE (1ULL << 61)

static struct capture got;
static const char *file_path;

static void make_file(const char *path, size_t size)
{
	static uint64_t words[MIB / 8];
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	cr_assert(fd >= 0);
	for (uint64_t mib = 0; mib < size / MIB; mib++) {
		for (uint64_t i = 0; i < MIB / 8; i++)
			words[i] = (mib << 20 | i << 3) * 0x2545f4914f6cdd1d + 1;
		cr_assert_eq(write(fd, words, MIB), (ssize_t)MIB);
	}
	close(fd);
}

/* What was written to just now is not shared (lib/base/page_cache.h). */
static void grow_old(const char *path)
{
	struct timespec now;
	struct stat st;

	do {
		poll(NULL, 0, 20);
		cr_assert(stat(path, &st) == 0 &&
			  clock_gettime(CLOCK_REALTIME, &now) == 0);
	} while (now.tv_sec - st.st_ctim.tv_sec < 3);
}

static void setup(void)
{
	static const char *const names[] = { "cache_reader", NULL };

	scratch_make(names);
	file_path = scratch_path("of-cache");
	make_file(file_path, SIZE);
	grow_old(file_path);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

TestSuite(cache, .init = setup, .fini = scratch_remove, .timeout = 120);

static void reader_start(struct live *l, const char *bound)
{
	const struct how own = { .env = { "SHADOWMM_FILES=own", bound } };
	const char *argv[] = { scratch_path("cache_reader"), file_path, NULL };

	live_start(l, &own, argv);
	live_command(l, 0, "ready");
	live_engine_up(l);
	live_command(l, 'm', "right");
}

static void readers_start(struct live *a, struct live *b, const char *bound)
{
	reader_start(a, bound);
	reader_start(b, bound);
}

static void all_right(const struct live *l, const char *letters)
{
	for (; *letters; letters++)
		live_command(l, *letters, "right");
}

static void readers_end(struct live *a, struct live *b)
{
	cr_expect_eq(live_end(a), 0);
	cr_expect_eq(live_end(b), 0);
}

static void ask(const char *const *argv)
{
	const struct how plain = { .plain = true };

	capture(&got, &plain, argv);
}

static void ask_cache(const char *option)
{
	const char *argv[] = { scratch_path("shadowmm"), "cache", option, file_path,
			       NULL };

	ask(argv);
	/* Processes of others, of which root hears as well, may be too busy to answer. */
	cr_assert(got.status == 0 || *got.err, "%d: %s", got.status, got.out);
}

static unsigned long number(const char *key)
{
	return member(got.out, key);
}

static int count(const char *what)
{
	int n = 0;

	for (const char *at = got.out; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* --- dropping ---------------------------------------------------------------------- */

Test(cache, what_one_drops_the_other_reads_right)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=4194304");
	all_right(&a, "r");
	all_right(&b, "rwr");
	for (int i = 0; i < 4; i++) {
		all_right(&a, "rwdr");
		all_right(&b, "rfr");
	}
	ask_cache("--json");
	cr_expect_eq(count("\"pid\":"), 2, "%s", got.out);
	cr_expect_eq(count("\"file\":"), 1, "the frames are counted once: %s", got.out);
	cr_expect_eq(number("bound"), 4 * MIB / PAGE);
	cr_expect_gt(number("evicted"), 8 * SIZE / PAGE / 2, "%s", got.out);
	cr_expect_gt(number("refilled"), 8 * SIZE / PAGE / 2, "%s", got.out);
	/* Chunks of the last moment stay. */
	cr_expect_lt(number("pages"), SIZE / PAGE, "%s", got.out);
	cr_expect(strstr(got.out, "\"pinned\":false"), "%s", got.out);
	cr_expect_eq(live_end(&a), 0);
	all_right(&b, "rdr");
	cr_expect_eq(live_end(&b), 0);
}

Test(cache, what_is_stopped_meanwhile_is_right_afterwards)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=0");
	all_right(&b, "rw");
	cr_assert_eq(kill(b.pid, SIGSTOP), 0);
	all_right(&a, "rrf");
	cr_assert_eq(kill(b.pid, SIGCONT), 0);
	all_right(&b, "rdrf");
	readers_end(&a, &b);
}

/* --- where the kernel refuses ------------------------------------------------------ */

static void no_room(void)
{
	filter_call(__NR_pwrite64, SECCOMP_RET_ERRNO | ENOSPC);
}

static void no_holes(void)
{
	filter_call(__NR_fallocate, SECCOMP_RET_ERRNO | EOPNOTSUPP);
}

static void read_behind(void (*filter)(void))
{
	const struct how how = { .env = { "SHADOWMM_FILES=own",
					  "SHADOWMM_CACHE=1048576" },
				 .before = filter };
	const char *argv[] = { scratch_path("cache_reader"), file_path, NULL };
	struct live l;

	live_start(&l, &how, argv);
	live_command(&l, 0, "ready");
	live_engine_up(&l);
	all_right(&l, "mrwrdrf");
	ask_cache("--json");
	cr_expect_eq(live_end(&l), 0);
}

Test(cache, without_room_for_frames_pages_are_private)
{
	read_behind(no_room);
	cr_expect_eq(number("pages"), 0, "%s", got.out);
	cr_expect_gt(number("bypassed"), 2 * SIZE / PAGE - 1, "%s", got.out);
}

Test(cache, without_holes_there_is_no_bound)
{
	read_behind(no_holes);
	cr_expect_eq(number("pages"), SIZE / PAGE, "%s", got.out);
}

Test(cache, nothing_goes_without_need)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=unlimited");
	all_right(&a, "r");
	all_right(&b, "rwr");
	ask_cache("--json");
	cr_expect_eq(number("pages"), SIZE / PAGE, "%s", got.out);
	cr_expect_eq(number("filled"), SIZE / PAGE, "%s", got.out);
	cr_expect_eq(number("evicted"), 0, "%s", got.out);
	ask_cache("--drop");
	cr_expect_str_eq(got.out, "6144 pages dropped\n");
	ask_cache("--json");
	cr_expect_eq(number("pages"), 0, "%s", got.out);
	all_right(&b, "rfr");
	all_right(&a, "rwr");
	ask_cache("--json");
	cr_expect_eq(number("pages"), SIZE / PAGE, "%s", got.out);
	cr_expect_eq(number("refilled"), SIZE / PAGE, "%s", got.out);
	readers_end(&a, &b);
}

/* --- what the kernel maps by itself ------------------------------------------------- */

static void expect_settled(int processes)
{
	ask_cache("--json");
	cr_expect_eq(count("\"settled\":6144"), processes, "%s", got.out);
}

Test(cache, what_is_whole_needs_no_faults)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=unlimited");
	all_right(&a, "r");
	expect_settled(1);
	all_right(&b, "um");
	expect_settled(2);
	all_right(&b, "rwrfdrf");
	expect_settled(2);
	cr_expect(strstr(got.out, "\"minor\":0,\"major\":0"), "b: %s", got.out);
	all_right(&a, "rwrfdrwf");
	ask_cache("--drop");
	cr_expect_str_eq(got.out, "6144 pages dropped\n");
	expect_settled(0);
	all_right(&b, "rwr");
	all_right(&a, "frdr");
	expect_settled(2);
	readers_end(&a, &b);
}

static void ask_file(void)
{
	const char *argv[] = { scratch_path("shadowmm"), "cache", "--json", file_path,
			       NULL };

	do
		ask(argv);
	while (number("settled") == 0);
}

/* C8 of lib/base/page_cache.h */
Test(cache, what_another_maps_unasked_is_not_dropped)
{
	struct live a, b;

	reader_start(&b, "SHADOWMM_CACHE=unlimited");
	all_right(&b, "r");
	ask_file();
	reader_start(&a, "SHADOWMM_CACHE=1048576");
	all_right(&a, "rwrdr");
	ask_cache("--json");
	cr_expect_eq(number("evicted"), 0, "%s", got.out);
	all_right(&b, "rwr");
	cr_assert_eq(kill(b.pid, SIGKILL), 0);
	cr_expect_eq(WTERMSIG(live_end(&b)), SIGKILL);
	do {
		all_right(&a, "rwrdrf");
		ask_cache("--json");
	} while (number("evicted") == 0);
	cr_expect_eq(live_end(&a), 0);
}

/* What is kept, and looks oldest, does not end the search for what may go: more than
 * HELD_MAX chunks of it (lib/fault/evict.c). */
Test(cache, what_another_keeps_is_passed_over)
{
	const struct how keeps = { .env = { "SHADOWMM_FILES=own",
					    "SHADOWMM_CACHE=unlimited" } };
	const struct how bound = { .env = { "SHADOWMM_FILES=own",
					    "SHADOWMM_CACHE=4194304" } };
	const char *other = scratch_path("of-other");
	const char *argv[] = { scratch_path("cache_reader"), other, file_path, NULL };
	struct live a, b;

	make_file(other, 40 * MIB);
	grow_old(other);
	live_start(&b, &keeps, argv);
	live_start(&a, &bound, argv);
	live_command(&b, 0, "ready");
	live_command(&a, 0, "ready");
	live_engine_up(&a);
	live_engine_up(&b);
	all_right(&b, "mr");
	all_right(&a, "mrom");
	/* If nothing is dropped there are no faults any more, and this is without end. */
	do {
		all_right(&a, "r");
		ask_cache("--json");
	} while (number("evicted") < SIZE / PAGE);
	all_right(&a, "worwr");
	all_right(&b, "rwr");
	readers_end(&a, &b);
}

/* A bound that is filled by what is settled, and what was asked for a moment ago: the
 * lease task makes room. */
Test(cache, what_is_settled_goes_when_there_is_no_room)
{
	struct live l;

	reader_start(&l, "SHADOWMM_CACHE=20971520");
	all_right(&l, "rw");
	do {
		all_right(&l, "r");
		ask_cache("--json");
	} while (number("evicted") == 0);
	all_right(&l, "rdrfwr");
	cr_expect_eq(live_end(&l), 0);
}

/* --- rmap --file ------------------------------------------------------------------- */

/* Where @pid has page @page of the file, by its list of areas; 0: nowhere. Its areas have
 * a memfd of the file's name, or a file on a tmpfs that is mounted nowhere. */
static unsigned long address_of(pid_t pid, unsigned long page)
{
	unsigned long start, end, offset, found = 0;
	char path[40], line[512], shared;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*3c%c %lx", &start, &end, &shared, &offset) ==
			    4 &&
		    shared == 'p' && strstr(line, "of-cache (deleted)") &&
		    page * PAGE >= offset && page * PAGE - offset < end - start)
			found = start + (page * PAGE - offset);
	fclose(maps);
	return found;
}

static const char *seen_at(pid_t pid, unsigned long addr)
{
	char path[40];
	uint64_t word = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(fd >= 0 && pread(fd, &word, 8, (off_t)(addr / PAGE * 8)) == 8);
	close(fd);
	if (!(word & PRESENT))
		return "no";
	return word & OF_FILE ? "yes" : "copy";
}

static void ask_page(unsigned long page)
{
	const char *argv[] = { scratch_path("shadowmm"),
			       "rmap",
			       "--file",
			       file_path,
			       "--page",
			       NULL,
			       "--json",
			       NULL };
	char number[24];

	snprintf(number, sizeof(number), "%lu", page);
	argv[5] = number;
	ask(argv);
	cr_assert_eq(got.status, 0, "%s", got.err);
}

static void expect_place(pid_t pid, unsigned long page, const char *paged)
{
	unsigned long addr = address_of(pid, page);
	char text[160];

	snprintf(text, sizeof(text),
		 "{\"pid\":%d,\"comm\":\"cache_reader\",\"addr\":\"%08lx\",\"perms\":"
		 "\"rw-p\",\"paged\":\"%s\",\"present\":\"%s\"}",
		 (int)pid, addr, paged, seen_at(pid, addr));
	cr_expect(addr && strstr(got.out, text), "page %lu: no %s in %s", page, text,
		  got.out);
}

Test(cache, rmap_says_who_maps_a_page)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=unlimited");
	all_right(&a, "rw");
	for (unsigned long page = 0; page < SIZE / PAGE; page += 173) {
		ask_page(page);
		expect_place(a.pid, page, "library");
		expect_place(b.pid, page, "library");
		cr_expect_eq(count("\"pid\":"), 2, "%s", got.out);
	}
	all_right(&b, "u");
	ask_page(5);
	cr_expect_eq(count("\"pid\":"), 1, "%s", got.out);
	readers_end(&a, &b);
}

Test(cache, rmap_finds_areas_of_the_kernel)
{
	const struct how plain = { .plain = true };
	const char *argv[] = { scratch_path("cache_reader"), file_path, NULL };
	struct live managed, unknown;

	reader_start(&managed, "SHADOWMM_FILES=kernel");
	live_start(&unknown, &plain, argv);
	live_command(&unknown, 0, "ready");
	all_right(&unknown, "mr");
	ask_page(7);
	cr_expect_eq(count("\"pid\":"), 2, "%s", got.out);
	cr_expect_eq(count("\"paged\":\"kernel\""), 2, "%s", got.out);
	cr_expect_eq(count("\"present\":\"yes\""), 1, "%s", got.out);
	cr_expect_eq(live_end(&managed), 0);
	cr_expect_eq(live_end(&unknown), 0);
}

static void expect_usage(const char *const *argv)
{
	ask(argv);
	cr_expect(WIFEXITED(got.status) && WEXITSTATUS(got.status) == 2, "%d",
		  got.status);
	cr_expect_eq(count_lines(got.err), 1, "%s", got.err);
	cr_expect_str_empty(got.out);
}

#define USAGE(...) \
	expect_usage((const char *const[]){ scratch_path("shadowmm"), __VA_ARGS__, NULL })

Test(cache, bad_input_is_one_clear_line)
{
	USAGE("cache", "/nowhere");
	USAGE("cache", "/");
	USAGE("cache", file_path, file_path);
	USAGE("cache", "--drop=1");
	USAGE("rmap", "--file", file_path);
	USAGE("rmap", "--page", "1");
	USAGE("rmap", "--file", file_path, "--page", "1", "1");
	USAGE("rmap", "--file", file_path, "--page", "");
	USAGE("rmap", "--file", file_path, "--page", "-1");
	USAGE("rmap", "--file", file_path, "--page", "1x");
	USAGE("rmap", "--file", file_path, "--page", "6144");
	USAGE("rmap", "--file", file_path, "--page", "99999999999999999999");
	USAGE("rmap", "--file", "/nowhere", "--page", "1");
	USAGE("rmap", "--file");
	USAGE("run", "--cache=few", "true");
	USAGE("run", "--cache=", "true");
}

/* --- who is killed on his way ------------------------------------------------------ */

/* Of the first link to frames there is, opened through it. */
static int open_frames(void)
{
	DIR *dir = opendir(scratch_path("run/shadowmm"));
	char link[512], text[64] = "", path[64];
	struct dirent *entry;
	int pid, frames, fd;

	cr_assert(dir);
	while ((entry = readdir(dir)) && strncmp(entry->d_name, "cache-", 6) != 0)
		;
	cr_assert(entry);
	snprintf(link, sizeof(link), "%s/%s", scratch_path("run/shadowmm"),
		 entry->d_name);
	closedir(dir);
	cr_assert(readlink(link, text, sizeof(text) - 1) > 0);
	cr_assert(sscanf(text, "%d %*d %d", &pid, &frames) == 2);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, frames);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert(fd >= 0, "%s", path);
	return fd;
}

static long blocks_of(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return st.st_blocks;
}

static void write_wrong(int fd)
{
	for (off_t at = 0; at < (off_t)SIZE; at += (off_t)(3 * MIB))
		cr_assert_eq(pwrite(fd, "wrong", 5, at), 5);
}

/* What a filler wrote who did not live to set the bit. */
Test(cache, frames_without_a_bit_do_not_count_and_go)
{
	struct live l;
	int fd;

	reader_start(&l, "SHADOWMM_CACHE=0");
	all_right(&l, "r");
	fd = open_frames();
	ask_cache("--drop");
	write_wrong(fd);
	all_right(&l, "r");
	ask_cache("--drop");
	write_wrong(fd);
	cr_assert_gt(blocks_of(fd), 0);
	/* The lease task looks every ten seconds. */
	for (int ms = 0; blocks_of(fd) && ms < 60000; ms += 50)
		poll(NULL, 0, 50);
	cr_expect_eq(blocks_of(fd), 0);
	all_right(&l, "r");
	close(fd);
	cr_expect_eq(live_end(&l), 0);
}

/* --- what stays -------------------------------------------------------------------- */

static int links(void)
{
	DIR *dir = opendir(scratch_path("run/shadowmm"));
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, "cache-", 6);
	if (dir)
		closedir(dir);
	return n;
}

/* The program, smm-ctl and smm-fault, of which we are the subreaper. */
static void kill_and_reap(const struct live *l)
{
	cr_assert_eq(kill(l->pid, SIGKILL), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_gt(waitpid(-1, NULL, __WALL), 0);
}

Test(cache, links_go_with_the_killed)
{
	struct live a, b;

	readers_start(&a, &b, "SHADOWMM_CACHE=4194304");
	all_right(&a, "r");
	all_right(&b, "r");
	cr_expect_eq(links(), 2);
	kill_and_reap(&a);
	all_right(&b, "rdr");
	cr_expect_eq(links(), 1);
	kill_and_reap(&b);
	cr_expect_eq(links(), 0);
}
