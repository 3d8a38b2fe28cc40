// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writes to shared files (smaps --dirty): tried out on shared memory of our own. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "pages.h"
#include "uapi.h"

static const char needs_67[] = "run Linux 6.7 or later";

struct verdict {
	const char *why; /* NULL: it is possible */
	const char *remedy;
};

/* 1, 0, or -errno: the page has been written to. */
static int is_written(int pagemap, const volatile char *page)
{
	struct page_scan scan = { .start = (uintptr_t)page,
				  .end = (uintptr_t)page + PAGE_SIZE,
				  .all = PAGE_IS_WRITTEN };
	struct page_region run;

	return pages_scan(pagemap, &scan, &run, 1);
}

static struct verdict try_protect(int uffd, volatile char *page)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register reg = { .range = { (uintptr_t)page, PAGE_SIZE },
				       .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = reg.range,
					  .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	if (ioctl(uffd, UFFDIO_API, &api) < 0)
		return (struct verdict){ "no asynchronous write-protection", needs_67 };
	if (ioctl(uffd, UFFDIO_REGISTER, &reg) < 0 ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) < 0)
		return (struct verdict){ strerror(errno), needs_67 };
	return (struct verdict){ NULL, NULL };
}

static struct verdict try_page(int uffd, volatile char *page)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct verdict v = { "/proc/self/pagemap cannot be read", "mount /proc" };

	if (pagemap < 0)
		return v;
	page[0] = 1;
	v = try_protect(uffd, page);
	if (!v.why && is_written(pagemap, page) != 0)
		v = (struct verdict){ "no PAGEMAP_SCAN", needs_67 };
	page[0] = 2;
	if (!v.why && is_written(pagemap, page) != 1)
		v = (struct verdict){ "PAGEMAP_SCAN does not show writes", needs_67 };
	close(pagemap);
	return v;
}

static struct verdict try_dirty(void)
{
	struct verdict v = { "userfaultfd is not available",
			     "one of the remedies for userfaultfd above" };
	int uffd = (int)syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	void *page;

	if (uffd < 0)
		return v;
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED) {
		v = (struct verdict){ strerror(errno), "raise the limits below" };
	} else {
		v = try_page(uffd, page);
		munmap(page, PAGE_SIZE);
	}
	close(uffd);
	return v;
}

void check_dirty(struct check *c)
{
	struct verdict v = try_dirty();

	if (v.why)
		check_add(c, "smaps --dirty", CHECK_NO, v.remedy,
			  "%s: writes to shared files cannot be tracked", v.why);
	else
		check_add(c, "smaps --dirty", CHECK_OK, NULL,
			  "writes to shared files can be tracked");
}
