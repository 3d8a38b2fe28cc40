// SPDX-License-Identifier: LGPL-2.1-or-later
/* fork: the data is right in parent, child and grandchild, whoever touches it first. */
#include "tests/preload/common.h"

#include <pthread.h>
#include <stdatomic.h>

#define LEN (4 * MIB)

static char *full, *half, *empty;
static unsigned int generation;

static void check_inherited(unsigned int seed)
{
	CHECK(matches(full, LEN, seed));
	CHECK(matches(half, LEN / 2, seed) && all_zero(half + LEN / 2, LEN / 2));
	CHECK(all_zero(empty, LEN));
}

static void write_own(unsigned int seed)
{
	fill(full, LEN, seed);
	fill(half, LEN / 2, seed);
	CHECK(matches(full, LEN, seed) && matches(half, LEN / 2, seed));
}

/* Each generation sees its parent's data, writes its own, and forks the next. */
static void descend(void)
{
	unsigned int seed = generation++;
	char *own = anon(LEN);

	check_inherited(seed);
	write_own(generation);
	fill(own, LEN, seed);
	if (generation < 5)
		in_child("generation", descend);
	CHECK(matches(full, LEN, generation == 5 ? 5 : seed + 1));
	CHECK(matches(own, LEN, seed));
}

/* The parent changes its copy while the child checks the old content, page by page. */
static void both_at_once(void)
{
	char *p = anon(LEN);
	int status;
	pid_t pid;

	for (unsigned int round = 0; round < 10; round++) {
		fill(p, LEN, round);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(matches(p, LEN, round) ? 0 : 1);
		fill(p, LEN, round + 100);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		CHECK(matches(p, LEN, round + 100));
	}
	puts("both at once");
}

static atomic_bool stop;

static void *keep_faulting(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;

	while (!atomic_load(&stop)) {
		char *p = anon(512 * KIB);

		fill(p, 512 * KIB, seed);
		CHECK(matches(p, 512 * KIB, seed));
		CHECK(munmap(p, 512 * KIB) == 0);
	}
	return NULL;
}

static void *fork_repeatedly(void *arg)
{
	char *p = anon(MIB);
	int status;

	(void)arg;
	fill(p, MIB, 77);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			char *own = anon(MIB);

			if (!matches(p, MIB, 77))
				_exit(1);
			fill(own, MIB, 5);
			free(malloc(300000));
			_exit(matches(own, MIB, 5) ? 0 : 2);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(status == 0);
	}
	return NULL;
}

static void while_others_fault(void)
{
	pthread_t faulting[3], forking[2];

	for (unsigned long i = 0; i < 3; i++)
		CHECK(pthread_create(&faulting[i], NULL, keep_faulting, (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&forking[i], NULL, fork_repeatedly, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(forking[i], NULL) == 0);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(faulting[i], NULL) == 0);
	puts("while others fault");
}

/* The parent ends first: the child's untouched memory must stay served. */
static void orphan(void)
{
	char *p = anon(LEN);
	int fds[2], go[2];
	char answer = 0;

	fill(p, LEN / 2, 6);
	CHECK(pipe(fds) == 0 && pipe(go) == 0);
	fflush(stdout);
	if (fork() == 0) {
		if (fork() == 0) {
			CHECK(close(go[1]) == 0);
			CHECK(read(go[0], &answer, 1) ==
			      0); /* end of file: parent gone */
			answer = matches(p, LEN / 2, 6) && all_zero(p + LEN / 2, LEN / 2);
			fill(p, LEN, 7);
			answer = answer && matches(p, LEN, 7) ? 'y' : 'n';
			CHECK(write(fds[1], &answer, 1) == 1);
		}
		_exit(0);
	}
	CHECK(close(go[1]) == 0 && close(go[0]) == 0 && close(fds[1]) == 0);
	CHECK(wait(NULL) > 0);
	CHECK(read(fds[0], &answer, 1) == 1);
	printf("orphan: %c\n", answer);
}

int main(void)
{
	full = anon(LEN);
	half = anon(LEN);
	empty = anon(LEN);
	write_own(0);
	in_child("generation", descend);
	check_inherited(0);
	both_at_once();
	while_others_fault();
	orphan();
	return 0;
}
