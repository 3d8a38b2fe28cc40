// SPDX-License-Identifier: LGPL-2.1-or-later
/* The control server about files: what it pages, and where pages of them are mapped. */
#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fixture.h"
#include "lib/mm/address_space.h"

#define RW (VM_READ | VM_WRITE)

static struct fixture f;

static void setup(void)
{
	fixture_init(&f);
}

static void teardown(void)
{
	fixture_fini(&f);
}

TestSuite(ctl_files, .init = setup, .fini = teardown, .timeout = 30);

static struct address_space fake_mapping = {
	.key = { .major = 8, .minor = 0x12, .ino = 42, .size = 600 * 4096 - 1 },
	.nrpages = 600,
	.minor = 11,
	.major = 12,
	.filled = 600,
	.dropped = 13,
	.shared = true,
	.refs = 1,
};

static void fake_account(unsigned long *bound, unsigned long *total)
{
	*bound = 1000;
	*total = 345;
}

static unsigned long fake_drop(struct address_space *mapping, u64 *from, unsigned int max)
{
	u64 end = (mapping->nrpages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;

	unsigned long n = 0;

	for (; max && *from < end; max--, ++*from)
		n++;
	return n;
}

static const struct cache_ops fake_cache = { fake_account, fake_drop };

static int greeted_with_file(void)
{
	static char index[16384] __attribute__((aligned(8)));

	fake_mapping.frames_fd = memfd_create("frames", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(fake_mapping.frames_fd, 600 * 4096), 0);
	cr_assert_eq(pwrite(fake_mapping.frames_fd, "x", 1, 5 * 4096), 1);
	fake_mapping.cache = (struct page_cache *)index;
	fake_mapping.cache->filled = 700;
	fake_mapping.cache->evicted = 77;
	list_add(&fake_mapping.list, &fake_mm.mappings);
	f.env.cache = &fake_cache;
	fixture_serve(&f, getuid());
	return greeted(&f);
}

Test(ctl_files, cache_shows_files_and_their_frames)
{
	int fd = greeted_with_file();
	json_t *reply = ask(fd, "cache"), *file, *all;
	struct stat st;

	cr_assert_eq(fstat(fake_mapping.frames_fd, &st), 0);
	cr_expect_eq(number(reply, "bound"), 1000);
	cr_expect_eq(number(reply, "total"), 345);
	file = json_array_get(json_object_get(reply, "files"), 0);
	all = json_object_get(file, "all");
	cr_expect_str_eq(text(file, "dev"), "08:12");
	cr_expect_str_eq(text(file, "lease"), "held");
	cr_expect_eq(number(file, "inode"), 42);
	cr_expect_eq((unsigned long)number(file, "frames"),
		     st.st_ino ^ (unsigned long)minor(st.st_dev) << 44);
	cr_expect_eq(number(file, "pages"), 1);
	cr_expect_eq(number(file, "minor"), 11);
	cr_expect_eq(number(file, "evicted"), 13);
	cr_expect_eq(number(all, "filled"), 700);
	cr_expect_eq(number(all, "evicted"), 77);
	json_decref(reply);
	close(fd);
}

Test(ctl_files, cache_drops_what_is_meant)
{
	int fd = greeted_with_file();
	json_t *reply = ask(fd, "cache drop 8:13 42");

	cr_expect_eq(number(reply, "dropped"), 0);
	json_decref(reply);
	reply = ask(fd, "cache drop 8:12 42");
	cr_expect_eq(number(reply, "dropped"), 2, "chunks");
	json_decref(reply);
	reply = ask(fd, "cache drop");
	cr_expect_eq(number(reply, "dropped"), 2, "chunks");
	json_decref(reply);
	expect_error(fd, "cache drop 8", "bad file: 8");
	expect_error(fd, "cache drop 8:", "bad file");
	expect_error(fd, "cache drop 8:1", "bad file");
	expect_error(fd, "cache drop 8:1 x", "bad file");
	expect_error(fd, "cache show", "unknown argument: show");
	close(fd);
}

Test(ctl_files, rmap_of_a_file)
{
	json_t *reply, *places;
	int fd;

	fake_add(0x10000, 0x20000, RW, "/some file");
	fake_add(0x20000, 0x21000, RW, NULL);
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "rmap file 8:1 42 10");
	places = json_object_get(reply, "places");
	cr_expect_eq(json_array_size(places), 1);
	cr_expect_str_eq(text(json_array_get(places, 0), "addr"), "0001f000");
	cr_expect_str_eq(text(json_array_get(places, 0), "perms"), "rw-p");
	json_decref(reply);
	reply = ask(fd, "rmap file 8:1 42 11");
	cr_expect_eq(json_array_size(json_object_get(reply, "places")), 0);
	json_decref(reply);
	expect_error(fd, "rmap file 8:1 42", "bad page number");
	expect_error(fd, "rmap file 8:1 42 x", "bad page number: x");
	expect_error(fd, "rmap file", "bad file");
	close(fd);
}
