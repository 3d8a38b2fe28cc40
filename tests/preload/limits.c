// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Low limits, set while the program runs and inherited by a new image: the library
 * starts with less, the program notices nothing.
 */
#include "tests/preload/common.h"

#include <sys/resource.h>

#define LEN (2 * MIB)
/* And those above: the limit is for all processes of a user. */
#define UNUSED_USER 54321

static void use_memory(void)
{
	char *p = anon(LEN);

	fill(p, LEN, 1);
	CHECK(matches(p, LEN, 1));
	p = mremap(p, LEN, 2 * LEN, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED && matches(p, LEN, 1) && all_zero(p + LEN, LEN));
	CHECK(munmap(p, 2 * LEN) == 0);
	for (int i = 0; i < 200; i++)
		free(malloc((size_t)i * 1000));
}

static void limit(int what, rlim_t value)
{
	struct rlimit lim = { value, value };

	CHECK(setrlimit(what, &lim) == 0);
}

static void exec_self(const char *how)
{
	fflush(stdout);
	execl("/proc/self/exe", "limits", how, (char *)NULL);
	CHECK(!"exec came back");
}

static void address_space(void)
{
	limit(RLIMIT_AS, 256 * MIB);
	use_memory();
	SHOW(mmap(NULL, 512 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			     MAP_FAILED
		     ? -1
		     : 0);
	CHECK(malloc(512 * MIB) == NULL);
	in_child("child", use_memory);
	exec_self("address space");
}

static void data(void)
{
	limit(RLIMIT_DATA, 64 * MIB);
	use_memory();
	SHOW((long)sbrk(128 * MIB));
	exec_self("data");
}

static void processes(void)
{
	const unsigned int user = UNUSED_USER + (unsigned int)getpid();

	/* Root is exempt. Room for the program and one child, not for a helper of each.
	 */
	limit(RLIMIT_NPROC, 2);
	CHECK(setgid(user) == 0 && setuid(user) == 0);
	use_memory();
	in_child("child", use_memory);
	exec_self("processes");
}

static void descriptors(void)
{
	limit(RLIMIT_NOFILE, 4);
	use_memory();
	in_child("child", use_memory);
	exec_self("descriptors");
}

static void no_descriptor(void)
{
	limit(RLIMIT_NOFILE, 3);
	use_memory();
	in_child("child", use_memory);
}

static void locked(void)
{
	limit(RLIMIT_MEMLOCK, 0);
	use_memory();
	exec_self("locked");
}

static void stack(void)
{
	limit(RLIMIT_STACK, 256 * KIB);
	use_memory();
	exec_self("stack");
}

static int new_image(const char *how)
{
	use_memory();
	in_child("child of the new image", use_memory);
	printf("%s: new image\n", how);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return new_image(argv[1]);
	in_child("address space", address_space);
	in_child("data", data);
	in_child("processes", processes);
	in_child("descriptors", descriptors);
	in_child("no descriptor", no_descriptor);
	in_child("locked", locked);
	in_child("stack", stack);
	return 0;
}
