// SPDX-License-Identifier: LGPL-2.1-or-later
/* A program that uses userfaultfd itself, on memory the library would like to page. */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define LEN (2 * MIB)

static int uffd;
static char *page;

/* Serves every fault with a page that starts with the letter S. */
static void *serve(void *arg)
{
	struct uffd_msg msg;

	(void)arg;
	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_copy copy = { .dst = msg.arg.pagefault.address &
						   ~(PAGE - 1),
					    .src = (unsigned long)page,
					    .len = PAGE };

		CHECK(msg.event == UFFD_EVENT_PAGEFAULT);
		CHECK(ioctl(uffd, UFFDIO_COPY, &copy) == 0);
	}
	return NULL;
}

static void use(char *p, const char *what)
{
	struct uffdio_register reg = { .range = { (unsigned long)p, LEN },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_range range = { (unsigned long)p, LEN };

	puts(what);
	SHOW(ioctl(uffd, UFFDIO_REGISTER, &reg));
	for (size_t i = 0; i < LEN; i += 5 * PAGE) {
		CHECK(p[i] == 'S');
		p[i] = 'w';
	}
	for (size_t i = 0; i < LEN; i += PAGE)
		CHECK(p[i] == (i % (5 * PAGE) ? 'S' : 'w'));
	SHOW(madvise(p, LEN, MADV_DONTNEED));
	CHECK(p[LEN / 2] == 'S');
	SHOW(ioctl(uffd, UFFDIO_UNREGISTER, &range));
	CHECK(p[LEN - PAGE] == 0 && p[LEN / 2] == 'S');
	CHECK(munmap(p, LEN) == 0);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *touched, *others;
	pthread_t id;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0) {
		printf("userfaultfd: %s\n", strerror(errno));
		return 0;
	}
	SHOW(ioctl(uffd, UFFDIO_API, &api));
	page = anon(MIB);
	page[0] = 'S';
	CHECK(pthread_create(&id, NULL, serve, NULL) == 0);
	use(anon(LEN), "fresh area");
	touched = anon(LEN);
	fill(touched, LEN, 1);
	CHECK(madvise(touched, LEN, MADV_DONTNEED) == 0);
	use(touched, "area used before");
	others = anon(LEN);
	fill(others, LEN, 2);
	CHECK(matches(others, LEN, 2));
	puts("area without it");
	CHECK(pthread_cancel(id) == 0 && pthread_join(id, NULL) == 0);
	CHECK(close(uffd) == 0);
	return 0;
}
