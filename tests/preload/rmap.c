// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * `shadowmm rmap` on random trees of forks: for every page of every process the answer is
 * what the frame numbers of /proc/PID/pagemap say, and as many as /proc/kpagecount says;
 * also after some processes, in any order, have ended.
 */
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	  4096UL
#define MAX_PAGES 4096
#define FRAME	  ((1ULL << 55) - 1)
#define PRESENT	  (1ULL << 63)
#define EXCLUSIVE (1ULL << 56)

static struct capture got;

static struct page {
	pid_t pid;
	unsigned long addr;
	uint64_t entry;
} page[MAX_PAGES];
static int nr_pages;

static void setup(void)
{
	static const char *const names[] = { "rmap_tree", "rmap_exec", NULL };

	scratch_make(names);
}

TestSuite(rmap, .init = setup, .fini = scratch_remove, .timeout = 120);

static unsigned long seed_of_run(void)
{
	const char *seed = getenv("SMM_SEED");

	return seed ? strtoul(seed, NULL, 0) : 4711;
}

static uint64_t word_at(const char *path, unsigned long index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	cr_assert(fd >= 0, "%s", path);
	if (pread(fd, &word, sizeof(word), (off_t)(index * 8)) != 8)
		word = 0;
	close(fd);
	return word;
}

static bool frames_are_shown(void)
{
	int here; /* on a page that is in memory */

	return word_at("/proc/self/pagemap", (unsigned long)&here / PAGE) & FRAME;
}

static bool is_gone(pid_t pid, pid_t *parent)
{
	char path[40], text[512], state = 'X', *at = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return true;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	at = strrchr(text, ')');
	cr_assert(at && sscanf(at, ") %c %d", &state, parent) == 2);
	return state == 'Z' || state == 'X';
}

static void read_pages(const char *table)
{
	FILE *file = fopen(table, "r");
	unsigned long start, n;
	char path[40];
	pid_t parent;
	int pid;

	cr_assert_not_null(file);
	nr_pages = 0;
	while (fscanf(file, "%d %lx %lu", &pid, &start, &n) == 3) {
		snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
		for (unsigned long i = 0; i < n && !is_gone(pid, &parent); i++) {
			cr_assert_lt(nr_pages, MAX_PAGES);
			page[nr_pages++] =
				(struct page){ pid, start + i * PAGE,
					       word_at(path, start / PAGE + i) };
		}
	}
	fclose(file);
}

static bool same(const struct page *a, const struct page *b)
{
	return !((a->entry ^ b->entry) & FRAME);
}

static void (*user)(void); /* becomes whom the tree and the tool run as; NULL: root */

static void ask(const struct page *p)
{
	const struct how plain = { .plain = true, .before = user };
	char pid[16], addr[24];
	const char *argv[] = {
		scratch_path("shadowmm"), "rmap", "--json", pid, addr, NULL
	};

	snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	snprintf(addr, sizeof(addr), "%lx", p->addr);
	capture(&got, &plain, argv);
}

static int count(const char *what)
{
	int n = 0;

	for (const char *at = got.out; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Listed in the answer with this opinion. */
static bool listed(const struct page *p, const char *opinion)
{
	char text[64], *at;

	snprintf(text, sizeof(text), "{\"pid\":%d,", (int)p->pid);
	for (at = got.out; (at = strstr(at, text)); at++) {
		char *end = strchr(at, '}'), addr[40];

		snprintf(addr, sizeof(addr), "\"addr\":\"%08lx\",\"same\":\"%s\"",
			 p->addr, opinion);
		if (strstr(at, addr) && strstr(at, addr) < end)
			return true;
	}
	return false;
}

/* Every process that has it is listed, and nobody else. */
static void check_page(const struct page *p, unsigned long seed)
{
	int expected = 0, listed_ones;

	ask(p);
	if (!(p->entry & PRESENT)) {
		cr_assert_eq(WEXITSTATUS(got.status), 1);
		return;
	}
	cr_assert_eq(WEXITSTATUS(got.status), 0, "%s", got.err);
	for (int i = 0; i < nr_pages; i++) {
		if (!same(p, &page[i]))
			continue;
		expected++;
		cr_assert(listed(&page[i], "yes") || (user && listed(&page[i], "maybe")),
			  "SMM_SEED=%lu: page %lx of %d: %lx of %d is not in %s", seed,
			  p->addr, p->pid, page[i].addr, page[i].pid, got.out);
	}
	/* Without frame numbers there may be more, but not of what is mapped once. */
	listed_ones = count("\"same\"");
	cr_assert(listed_ones == expected ||
			  (user && expected > 1 && listed_ones > expected),
		  "SMM_SEED=%lu: %d: %s", seed, expected, got.out);
	cr_assert_eq((uint64_t)expected, word_at("/proc/kpagecount", p->entry & FRAME),
		     "SMM_SEED=%lu", seed);
}

/* Some process of the tree but its root, by the table. */
static pid_t some_process(unsigned long *state, pid_t root)
{
	for (;;) {
		*state = *state * 6364136223846793005UL + 1442695040888963407UL;
		pid_t pid = page[(*state >> 33) % (unsigned long)nr_pages].pid;

		if (pid != root)
			return pid;
	}
}

/* The tasks of its engine, which are its children: without userfaultfd there is one. */
static int engine_tasks(pid_t pid)
{
	char path[64], comm[32];
	FILE *children;
	int n = 0, child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	children = fopen(path, "r");
	cr_assert_not_null(children);
	while (fscanf(children, "%d", &child) == 1) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/comm", child);
		file = fopen(path, "r");
		if (!file)
			continue;
		n += fgets(comm, sizeof(comm), file) && !strncmp(comm, "smm-", 4);
		fclose(file);
	}
	fclose(children);
	return n;
}

/*
 * The tasks of its engine share its memory and end after it. We are the subreaper, so
 * they become our children then; and so is the process, if its parent has ended before.
 */
static void end_process(pid_t pid)
{
	pid_t parent = 0;
	int tasks = engine_tasks(pid);

	cr_assert(!is_gone(pid, &parent));
	tasks += parent == getpid();
	kill(pid, SIGKILL);
	while (tasks--)
		cr_assert_gt(waitpid(-1, NULL, __WALL), 0);
}

/* --- shared ------------------------------------------------------------------------ */

#define MAX_PROCS  64
#define MAX_FRAMES 100000

static pid_t procs[MAX_PROCS];
static int nr_procs;

static void list_procs(void)
{
	nr_procs = 0;
	for (int i = 0; i < nr_pages; i++)
		if (!nr_procs || procs[nr_procs - 1] != page[i].pid)
			procs[nr_procs++] = page[i].pid;
}

/* Of /proc/PID/smaps in pages, Rss of all areas, Private of those without a name: how
 * often a page of a file is mapped, other processes of the machine decide meanwhile. */
static void read_smaps(pid_t pid, unsigned long *rss, unsigned long *private)
{
	char path[40], line[512], key[64];
	unsigned long kib;
	bool named = false;
	FILE *file;
	int name;

	*rss = *private = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "r");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file)) {
		name = 0;
		if (sscanf(line, "%*x-%*x %*s %*x %*s %*s %n", &name) == 0 && name > 0)
			named = line[name] != '\0';
		else if (sscanf(line, "%63s %lu kB", key, &kib) != 2)
			continue;
		else if (!strcmp(key, "Rss:"))
			*rss += kib / 4;
		else if (!named && (!strcmp(key, "Private_Clean:") ||
				    !strcmp(key, "Private_Dirty:")))
			*private += kib / 4;
	}
	fclose(file);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t frames_of(pid_t pid, uint64_t *frame)
{
	static uint64_t entry[1 << 16];
	char path[40], line[512];
	unsigned long start, end;
	size_t n = 0;
	FILE *maps;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	cr_assert(maps && fd >= 0);
	while (fgets(line, sizeof(line), maps)) {
		size_t pages;

		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || strstr(line, "[vvar") ||
		    strstr(line, "[vsyscall"))
			continue;
		pages = (end - start) / PAGE;
		cr_assert_leq(pages, sizeof(entry) / 8);
		cr_assert_eq(pread(fd, entry, pages * 8, (off_t)(start / PAGE * 8)),
			     (ssize_t)(pages * 8));
		for (size_t i = 0; i < pages; i++)
			if (entry[i] & PRESENT)
				frame[n++] = entry[i] & FRAME;
	}
	fclose(maps);
	close(fd);
	return n;
}

/* Different frames of all processes but the page of zeros. */
static unsigned long count_frames(void)
{
	static uint64_t frame[MAX_FRAMES];
	unsigned long different = 0;
	size_t n = 0;

	for (int i = 0; i < nr_procs; i++) {
		n += frames_of(procs[i], frame + n);
		cr_assert_lt(n, MAX_FRAMES / 2);
	}
	qsort(frame, n, sizeof(frame[0]), by_number);
	for (size_t i = 0; i < n; i++)
		if (!i || frame[i] != frame[i - 1])
			different += !(word_at("/proc/kpageflags", frame[i]) >> 24 & 1);
	return different;
}

static void ask_shared(void)
{
	const struct how plain = { .plain = true, .before = user };
	const char *argv[MAX_PROCS + 4] = { scratch_path("shadowmm"), "shared",
					    "--json" };
	static char pid[MAX_PROCS][16];

	for (int i = 0; i < nr_procs; i++) {
		snprintf(pid[i], sizeof(pid[i]), "%d", (int)procs[i]);
		argv[3 + i] = pid[i];
	}
	capture(&got, &plain, argv);
	cr_assert_eq(got.status, 0, "%s", got.err);
}

/* Of the areas without a name, which begin at @at and end before @end. */
static unsigned long once_of_unnamed(const char *at, const char *end)
{
	unsigned long sum = 0;
	const char *next;

	while ((at = strstr(at, "{\"resident\":")) && at < end) {
		next = strchr(at, '}');
		if (!strncmp(next - strlen("\"name\":\"\""), "\"name\":\"\"", 9))
			sum += member(at, "once");
		at = next;
	}
	return sum;
}

/* What /proc says of all processes. */
struct sight {
	unsigned long frames; /* different ones */
	unsigned long rss[MAX_PROCS], private[MAX_PROCS];
};

static void see(struct sight *s)
{
	memset(s, 0, sizeof(*s));
	s->frames = count_frames();
	for (int i = 0; i < nr_procs; i++)
		read_smaps(procs[i], &s->rss[i], &s->private[i]);
}

/*
 * Answers, with /proc the same before and after: their engines give back what they keep
 * when they were idle for a while, and an answer of theirs touches their memory.
 */
static void ask_while_quiet(struct sight *s)
{
	struct sight after;

	for (int i = 0; i < 50; i++) {
		see(s);
		ask_shared();
		see(&after);
		if (!memcmp(s, &after, sizeof(after)))
			return;
	}
	cr_assert_fail("the processes changed during each of 50 answers");
}

/* As /proc/PID/smaps has it, process by process. */
static void check_processes(const struct sight *s)
{
	const char *at = strstr(got.out, "\"processes\":"), *end;

	for (int i = 0; i < nr_procs; i++) {
		cr_assert(at);
		cr_expect_eq(member(at, "resident"), s->rss[i]);
		cr_expect_eq(member(at, "here") + member(at, "shared"), s->rss[i]);
		cr_expect_eq(member(at, "anon") + member(at, "file") +
				     member(at, "shmem") + member(at, "library"),
			     s->rss[i]);
		at = strstr(at, "\"areas\":");
		end = strstr(at, "}]}"); /* a name may have a bracket */
		cr_expect_gt(s->private[i], 0);
		cr_expect_eq(once_of_unnamed(at, end), s->private[i]);
		at = end;
	}
}

static void start_tree(struct live *l, unsigned long seed, const char *table)
{
	static char text[32];
	const struct how how = { .before = user };
	const char *argv[] = { scratch_path("rmap_tree"), text, table, NULL };

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(text, sizeof(text), "%lu", seed);
	live_start(l, &how, argv);
	live_command(l, 0, "ready");
	live_engine_up(l);
	read_pages(table);
}

static void end_tree(struct live *l)
{
	live_end(l);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

static void run_shared(void)
{
	const char *table = scratch_path("run/table");
	unsigned long together, most;
	struct sight s;
	struct live l;

	if (!frames_are_shown()) {
		cr_skip_test("frame numbers need CAP_SYS_ADMIN");
		return;
	}
	start_tree(&l, seed_of_run(), table);
	list_procs();
	ask_while_quiet(&s);
	together = member(got.out, "together");
	most = member(got.out, "together_most");
	cr_expect_leq(together, s.frames);
	cr_expect_geq(most, s.frames);
	cr_expect(user ? most > together : most == together);
	check_processes(&s);
	end_tree(&l);
}

Test(rmap, shared_pages_are_those_of_equal_frames)
{
	run_shared();
}

Test(rmap, shared_pages_without_frame_numbers)
{
	user = become_nobody;
	run_shared();
}

/* --- rmap -------------------------------------------------------------------------- */

static void check_some(unsigned long seed, int step)
{
	for (int i = (int)(seed % (unsigned long)step); i < nr_pages; i += step)
		check_page(&page[i], seed);
}

static void run_tree(unsigned long seed)
{
	const char *table = scratch_path("run/table");
	unsigned long state = seed;
	struct live l;

	start_tree(&l, seed, table);
	check_some(seed, 7);
	for (int i = 0; i < 3; i++) {
		end_process(some_process(&state, l.pid));
		read_pages(table);
		check_some(seed + 1 + (unsigned long)i, 29);
	}
	end_tree(&l);
}

static void run_trees(unsigned long trees)
{
	unsigned long seed = seed_of_run();

	if (!frames_are_shown()) {
		cr_skip_test("frame numbers need CAP_SYS_ADMIN");
		return;
	}
	fprintf(stderr, "SMM_SEED=%lu\n", seed);
	for (unsigned long i = 0; i < trees; i++)
		run_tree(seed + 10 * i);
}

Test(rmap, random_trees)
{
	run_trees(3);
}

Test(rmap, random_trees_without_frame_numbers)
{
	user = become_nobody;
	run_trees(1);
}

/* --- exec -------------------------------------------------------------------------- */

/* The child's memory is a copy of an image that its parent has no more. */
Test(rmap, the_tree_holds_across_exec)
{
	const char *program[] = { scratch_path("rmap_exec"), NULL };
	const char *argv[] = { scratch_path("shadowmm"), "ps", "--tree", NULL };
	const struct how how = { .env = { NULL } }, plain = { .plain = true };
	char parent[64], child[64];
	struct live l;
	const char *at;

	live_start(&l, &how, program);
	live_command(&l, 0, "ready");
	live_engine_up(&l);
	capture(&got, &plain, argv);
	snprintf(parent, sizeof(parent), "rmap_exec(%d) own exec", (int)l.pid);
	snprintf(child, sizeof(child), " own fork from %d before its exec\n", (int)l.pid);
	at = strstr(got.out, parent);
	cr_assert(at, "no %s in %s", parent, got.out);
	at = strstr(at, "`-rmap_exec(");
	cr_assert(at && strstr(at, child), "no %s in %s", child, got.out);
	cr_expect_eq(live_end(&l), 0);
}
