// SPDX-License-Identifier: LGPL-2.1-or-later
/* Libraries come and go, also while other threads map; a second libc by dlmopen. */
#include "tests/preload/common.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

static const char *const names[] = { "libresolv.so.2", "libm.so.6", "libutil.so.1",
				     "libanl.so.1", "libBrokenLocale.so.1" };

static atomic_bool stop;

static void open_and_close(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);

		CHECK(library);
		CHECK(dlclose(library) == 0);
	}
}

static void *map_meanwhile(void *arg)
{
	while (!atomic_load(&stop)) {
		char *p = anon(512 * KIB);

		fill(p, 512 * KIB, 3);
		CHECK(matches(p, 512 * KIB, 3));
		CHECK(munmap(p, 512 * KIB) == 0);
	}
	return arg;
}

static void *open_meanwhile(void *arg)
{
	for (int i = 0; i < 50; i++)
		open_and_close();
	return arg;
}

static void second_libc(void)
{
	void *(*other_malloc)(size_t);
	void (*other_free)(void *);
	void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	char *p;

	CHECK(libc);
	*(void **)&other_malloc = dlsym(libc, "malloc");
	*(void **)&other_free = dlsym(libc, "free");
	CHECK(other_malloc && other_free);
	for (size_t len = 1000; len < 8 * MIB; len *= 3) {
		p = other_malloc(len);
		CHECK(p);
		fill(p, len, 5);
		CHECK(matches(p, len, 5));
		other_free(p);
	}
	CHECK(dlclose(libc) == 0);
	puts("second libc");
}

int main(void)
{
	pthread_t mapping, opening[2];

	for (int i = 0; i < 50; i++)
		open_and_close();
	puts("alone");
	CHECK(pthread_create(&mapping, NULL, map_meanwhile, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&opening[i], NULL, open_meanwhile, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(opening[i], NULL) == 0);
	atomic_store(&stop, true);
	CHECK(pthread_join(mapping, NULL) == 0);
	puts("with threads");
	second_libc();
	CHECK(dlopen("libnothing.so.9", RTLD_NOW) == NULL);
	return 0;
}
