// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Everything at once: a storm of forks, vforks and spawns in the main thread, threads
 * that allocate, map, load libraries and start threads, and a timer whose handler maps.
 * Every byte written is verified, in the parent and in each forked child.
 *
 * usage: stress SECONDS SEED. Prints a line a second, so that a watchdog sees progress.
 */
#include "tests/preload/common.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define ALLOCATORS 3
#define MAPPERS	   2
#define BURST	   8
#define BLOCKS	   32
#define REGIONS	   12

extern char **environ;

static atomic_bool stop;
static atomic_ulong allocations, mappings, libraries, threads, handlers;

/* --- random numbers, one state for each thread ------------------------------------- */

static unsigned int next(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* --- threads ---------------------------------------------------------------------- */

struct block {
	unsigned char *p;
	size_t len;
	unsigned int seed;
};

static void check_block(const struct block *b)
{
	CHECK(!b->p || matches(b->p, b->len, b->seed));
}

static void renew_block(struct block *b, unsigned int *random)
{
	size_t len = next(random) % (next(random) % 8 ? 5000 : 400000) + 1;
	size_t kept = len < b->len ? len : b->len;

	if (next(random) % 3) {
		free(b->p);
		b->p = malloc(len);
	} else {
		b->p = realloc(b->p, len);
		CHECK(b->p && matches(b->p, kept, b->seed));
	}
	CHECK(b->p);
	b->len = len;
	b->seed = next(random);
	fill(b->p, len, b->seed);
}

static void *allocate(void *arg)
{
	unsigned int random = (unsigned int)(unsigned long)arg;
	struct block blocks[BLOCKS] = { 0 };

	while (!atomic_load(&stop)) {
		struct block *b = &blocks[next(&random) % BLOCKS];

		check_block(b);
		renew_block(b, &random);
		atomic_fetch_add(&allocations, 1);
	}
	for (int i = 0; i < BLOCKS; i++) {
		check_block(&blocks[i]);
		free(blocks[i].p);
	}
	return NULL;
}

/* One area through its life. The second half is never written before the move. */
static void map_round(unsigned int *random)
{
	size_t len = (next(random) % 64 + 4) * 2 * PAGE;
	unsigned int seed = next(random);
	char *p = anon(len);

	fill(p, len / 2, seed);
	CHECK(mprotect(p, PAGE, PROT_READ) == 0);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
	p = mremap(p, len, 2 * len, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(matches(p, len / 2, seed) && all_zero(p + len / 2, len + len / 2));
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
	CHECK(all_zero(p, PAGE) &&
	      matches(p + PAGE, len / 2 - PAGE, seed + 31 * PAGE + 7));
	fill(p + len, len, seed + 1);
	CHECK(munmap(p + len / 2, len / 2) == 0);
	CHECK(matches(p + len, len, seed + 1));
	/* Another thread may have mapped into the hole by now. */
	CHECK(munmap(p, len / 2) == 0 && munmap(p + len, len) == 0);
}

static void *map(void *arg)
{
	unsigned int random = (unsigned int)(unsigned long)arg;

	while (!atomic_load(&stop)) {
		map_round(&random);
		atomic_fetch_add(&mappings, 1);
	}
	return NULL;
}

static void *load(void *arg)
{
	static const char *const names[] = { "libresolv.so.2", "libutil.so.1",
					     "libanl.so.1" };

	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		void *library = dlopen(names[i % 3], RTLD_NOW);

		CHECK(library && dlclose(library) == 0);
		atomic_fetch_add(&libraries, 1);
	}
	return arg;
}

static void *short_life(void *arg)
{
	unsigned int random = (unsigned int)(unsigned long)arg;

	map_round(&random);
	return NULL;
}

static void *start_threads(void *arg)
{
	unsigned int random = (unsigned int)(unsigned long)arg;
	pthread_t ids[BURST];

	while (!atomic_load(&stop)) {
		for (int i = 0; i < BURST; i++)
			CHECK(pthread_create(&ids[i], NULL, short_life,
					     (void *)(unsigned long)next(&random)) == 0);
		for (int i = 0; i < BURST; i++)
			CHECK(pthread_join(ids[i], NULL) == 0);
		atomic_fetch_add(&threads, BURST);
	}
	return NULL;
}

static void on_alarm(int sig)
{
	int saved = errno;
	char *p = anon(40 * PAGE);

	(void)sig;
	fill(p + 3 * PAGE, 2 * PAGE, 5);
	CHECK(matches(p + 3 * PAGE, 2 * PAGE, 5) && all_zero(p, PAGE));
	CHECK(munmap(p, 40 * PAGE) == 0);
	atomic_fetch_add(&handlers, 1);
	errno = saved;
}

/* --- processes -------------------------------------------------------------------- */

/* Areas of the main thread: a forked child must see exactly this. */
struct region {
	char *p;
	size_t len, written; /* bytes; the rest is untouched */
	unsigned int seed;
};

static struct region regions[REGIONS];

static void check_region(const struct region *r)
{
	CHECK(matches(r->p, r->written, r->seed));
}

static void renew_region(struct region *r, unsigned int *random)
{
	if (r->p) {
		check_region(r);
		CHECK(munmap(r->p, r->len) == 0);
	}
	r->len = (next(random) % 100 + 1) * PAGE;
	r->written = next(random) % (r->len + 1);
	r->seed = next(random);
	r->p = anon(r->len);
	fill(r->p, r->written, r->seed);
}

/* In a forked child, where no other thread lives. */
static void be_a_child(unsigned int random, int depth)
{
	void *p;

	for (int i = 0; i < REGIONS; i++) {
		struct region *r = &regions[i];
		size_t tail = (r->written + PAGE - 1) & ~(PAGE - 1);

		check_region(r);
		CHECK(all_zero(r->p + tail, r->len - tail));
	}
	for (int i = 0; i < REGIONS; i += 2)
		renew_region(&regions[i], &random);
	p = malloc(300000);
	CHECK(p);
	fill(p, 300000, random);
	CHECK(matches(p, 300000, random));
	free(p);
	map_round(&random);
	if (depth < 3 && next(&random) % 4 == 0) {
		int status;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			be_a_child(random + 1, depth + 1);
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	for (int i = 0; i < REGIONS; i++)
		check_region(&regions[i]);
}

static char true_path[] = "/bin/true";
static char *const true_argv[] = { true_path, NULL };

static pid_t by_fork(unsigned int random)
{
	pid_t pid = fork();

	if (pid == 0) {
		be_a_child(random, 0);
		_exit(0);
	}
	return pid;
}

static pid_t by_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(true_path, true_argv);
		_exit(1);
	}
	return pid;
}

static pid_t by_spawn(void)
{
	pid_t pid = -1;

	CHECK(posix_spawn(&pid, true_path, NULL, NULL, true_argv, environ) == 0);
	return pid;
}

static pid_t start_process(unsigned int *random)
{
	switch (next(random) % 8) {
	case 0:
		return by_vfork();
	case 1:
		return by_spawn();
	default:
		return by_fork(next(random));
	}
}

/* Starts a few processes, changes what they were given, and waits for all of them. */
static unsigned long process_round(unsigned int *random)
{
	pid_t pids[4];
	int status, n = (int)(next(random) % 4 + 1);

	for (int i = 0; i < n; i++) {
		pids[i] = start_process(random);
		CHECK(pids[i] > 0);
		renew_region(&regions[next(random) % REGIONS], random);
	}
	for (int i = 0; i < n; i++) {
		while (waitpid(pids[i], &status, 0) != pids[i])
			CHECK(errno == EINTR);
		if (status)
			show_status("a child", status);
		CHECK(status == 0);
	}
	return (unsigned long)n;
}

/* --- main ------------------------------------------------------------------------- */

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	CHECK(closedir(dir) == 0);
	return n;
}

static void set_timer(long microseconds)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval interval = { { 0, microseconds }, { 0, microseconds } };

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
}

static void run_processes(time_t seconds, unsigned int random)
{
	time_t begin = time(NULL), shown = begin, now;
	unsigned long processes = 0;

	while ((now = time(NULL)) < begin + seconds) {
		processes += process_round(&random);
		if (now == shown)
			continue;
		shown = now;
		printf("%ld s: processes %lu, allocations %lu, mappings %lu, libraries "
		       "%lu, "
		       "threads %lu, handlers %lu\n",
		       (long)(now - begin), processes, atomic_load(&allocations),
		       atomic_load(&mappings), atomic_load(&libraries),
		       atomic_load(&threads), atomic_load(&handlers));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	static void *(*const jobs[])(void *) = { allocate, map, load, start_threads };
	static const int counts[] = { ALLOCATORS, MAPPERS, 1, 1 };
	pthread_t ids[ALLOCATORS + MAPPERS + 2];
	unsigned int random;
	int descriptors, n = 0;

	CHECK(argc == 3);
	random = (unsigned int)strtoul(argv[2], NULL, 10);
	for (int i = 0; i < REGIONS; i++)
		renew_region(&regions[i], &random);
	descriptors = open_descriptors();
	set_timer(700);
	for (int job = 0; job < 4; job++)
		for (int i = 0; i < counts[job]; i++)
			CHECK(pthread_create(&ids[n++], NULL, jobs[job],
					     (void *)(unsigned long)next(&random)) == 0);
	run_processes(strtol(argv[1], NULL, 10), random);
	atomic_store(&stop, true);
	while (n > 0)
		CHECK(pthread_join(ids[--n], NULL) == 0);
	set_timer(0);
	for (int i = 0; i < REGIONS; i++)
		check_region(&regions[i]);
	CHECK(open_descriptors() == descriptors);
	puts("done");
	return 0;
}
