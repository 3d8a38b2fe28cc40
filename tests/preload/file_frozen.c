// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: file_frozen PATH
 *
 * Maps a file, reads the first half of it, makes a page of that its own and waits for
 * SIGUSR1, as tests/stress/lost_lease.py says when. Then it says what the pages hold: of
 * each the first byte, and that the others are the same.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static volatile unsigned int sum;

static void read_half(const unsigned char *p, size_t pages)
{
	for (size_t i = 0; i < pages / 2; i++)
		sum += p[i * PAGE];
}

static bool is_even(const char *page)
{
	return !memcmp(page, page + 1, PAGE - 1);
}

/* "a 12" for 12 pages full of 'a', and so on. */
static void show_pages(const char *p, size_t pages)
{
	size_t run = 0;

	for (size_t i = 0; i < pages; i += run) {
		for (run = 0; i + run < pages && p[(i + run) * PAGE] == p[i * PAGE];
		     run++)
			CHECK(is_even(p + (i + run) * PAGE));
		printf("%c %zu\n", p[i * PAGE], run);
	}
}

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "", O_RDONLY), signal;
	struct stat st;
	sigset_t set;
	char *p;

	CHECK(fd >= 0 && !fstat(fd, &st) && st.st_size);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	read_half((unsigned char *)p, (size_t)st.st_size / PAGE);
	memset(p + 7 * PAGE, 'p', PAGE);
	puts("ready");
	fflush(stdout);
	CHECK(!sigwait(&set, &signal));
	show_pages(p, (size_t)st.st_size / PAGE);
	return 0;
}
