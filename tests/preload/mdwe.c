// SPDX-License-Identifier: LGPL-2.1-or-later
/* PR_SET_MDWE: no mapping may become executable any more, ours included. */
#include "tests/preload/common.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/prctl.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE		 65
#define PR_GET_MDWE		 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LEN (2 * MIB)

static void *use_memory(void *arg)
{
	char *p = anon(LEN);

	fill(p, LEN, 1);
	CHECK(matches(p, LEN, 1));
	CHECK(munmap(p, LEN) == 0);
	return arg;
}

static void go_on(void)
{
	char *p = anon(LEN);
	pthread_t id;
	void *library;

	SHOW(mprotect(p, LEN, PROT_READ | PROT_EXEC));
	SHOW(mmap(NULL, LEN, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0) == MAP_FAILED
		     ? -1
		     : 0);
	use_memory(NULL);
	CHECK(pthread_create(&id, NULL, use_memory, NULL) == 0 &&
	      pthread_join(id, NULL) == 0);
	library = dlopen("libresolv.so.2", RTLD_NOW);
	CHECK(library && dlclose(library) == 0);
	fflush(stdout);
	show_status("system", system("exit 4"));
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		printf("new image: %d\n", prctl(PR_GET_MDWE, 0, 0, 0, 0));
		go_on();
		return 0;
	}
	SHOW(prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0));
	go_on();
	in_child("child", go_on);
	fflush(stdout);
	execl("/proc/self/exe", "mdwe", "again", (char *)NULL);
	return 1;
}
