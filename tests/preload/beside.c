// SPDX-License-Identifier: LGPL-2.1-or-later
/* Memory directly above that of every library: the kernel may make one area of both. */
#include "tests/preload/common.h"

#include <string.h>

#define LEN	  (4 * MIB)
#define MOST	  64
#define NOREPLACE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE)

/* Ends of writable areas that begin with a library's data. */
static int find_ends(unsigned long *ends)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end, last = 0;
	char line[512], perms[8];
	int nr = 0;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps)) {
		bool library = strstr(line, ".so") != NULL;

		CHECK(sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3);
		if (start == last && !strchr(line, '/') && !strcmp(perms, "rw-p") &&
		    nr < MOST)
			ends[nr++] = end;
		last = (library && perms[1] == 'w') || (nr && start == ends[nr - 1]) ? end
										     : 0;
	}
	CHECK(fclose(maps) == 0);
	return nr;
}

/* As much as there is room for. */
static void use(unsigned long end)
{
	for (size_t len = LEN; len >= PAGE; len /= 4) {
		char *p =
			mmap((void *)end, len, PROT_READ | PROT_WRITE, NOREPLACE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		fill(p, len, 1);
		CHECK(matches(p, len, 1));
		CHECK(munmap(p, len) == 0);
		return;
	}
}

static void beside(void)
{
	unsigned long ends[MOST];
	int nr = find_ends(ends);

	CHECK(nr > 0);
	for (int i = 0; i < nr; i++)
		use(ends[i]);
}

int main(void)
{
	beside();
	/* A new engine, on stacks that its parent's may never have gone down so far. */
	in_child("in a child", beside);
	in_child("in another", beside);
	return 0;
}
