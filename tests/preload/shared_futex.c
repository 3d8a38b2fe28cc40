// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: shared_futex
 *
 * Threads sleep on a mutex and a condition variable between processes, in a shared
 * mapping of a file. Somebody opens the file, so that the mapping changes hands while
 * they sleep: they must be woken all the same. Before that all of them are seen asleep.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum {
	SLEEPERS = 3
};

static struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int go;
} * shared;
static atomic_int tid[SLEEPERS];

static void *sleeper(void *arg)
{
	atomic_int *id = arg;

	atomic_store(id, (int)syscall(SYS_gettid));
	pthread_mutex_lock(&shared->mutex);
	while (!shared->go)
		pthread_cond_wait(&shared->cond, &shared->mutex);
	pthread_mutex_unlock(&shared->mutex);
	return NULL;
}

static bool is_asleep(int id)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", id);
	f = fopen(path, "r");
	CHECK(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return strtoul(line, NULL, 10) == SYS_futex && line[0] != 'r';
}

static void init(void)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	CHECK(!pthread_mutexattr_init(&mutex) && !pthread_condattr_init(&cond));
	CHECK(!pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED));
	CHECK(!pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED));
	CHECK(!pthread_mutex_init(&shared->mutex, &mutex));
	CHECK(!pthread_cond_init(&shared->cond, &cond));
}

static void run(const char *path, size_t offset)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), again;
	pthread_t thread[SLEEPERS];
	char *p;

	CHECK(fd >= 0);
	p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && !close(fd));
	shared = (void *)(p + offset);
	shared->go = 0;
	init();
	for (int i = 0; i < SLEEPERS; i++) {
		atomic_store(&tid[i], 0);
		CHECK(!pthread_create(&thread[i], NULL, sleeper, &tid[i]));
	}
	for (int i = 0; i < SLEEPERS; i++)
		while (!atomic_load(&tid[i]) || !is_asleep(atomic_load(&tid[i])))
			sched_yield();
	again = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(again >= 0 && !close(again));
	pthread_mutex_lock(&shared->mutex);
	shared->go = 1;
	pthread_cond_broadcast(&shared->cond);
	pthread_mutex_unlock(&shared->mutex);
	for (int i = 0; i < SLEEPERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(!munmap(p, MIB));
}

int main(void)
{
	char path[] = "/tmp/shared_futex_XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && !ftruncate(fd, MIB) && !close(fd));
	for (size_t i = 0; i < 20; i++)
		run(path, i * 12 * PAGE + i * 64);
	CHECK(!unlink(path));
	puts("all were woken");
	return 0;
}
