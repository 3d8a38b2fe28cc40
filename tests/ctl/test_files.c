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
	.number = 1,
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

/* What the program does when the first piece of @of has been dropped. */
static struct {
	void (*fn)(void);
	const struct address_space *of;
} meanwhile;

static unsigned long fake_drop(struct address_space *mapping, u64 *from, unsigned int max)
{
	u64 end = (mapping->nrpages + PAGE_CACHE_CHUNK - 1) / PAGE_CACHE_CHUNK;
	bool first = !*from;
	unsigned long n = 0;

	for (; max && *from < end; max--, ++*from)
		n++;
	if (first && mapping == meanwhile.of)
		meanwhile.fn();
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

/* --- files that come and go between two pieces ---------------------------------------
 */

#define LARGE  100 /* chunks; more than are dropped at once */
#define LARGER 150

static struct address_space newest = { .number = 4, .nrpages = 1 };
static struct address_space newer = { .number = 3, .nrpages = LARGER * PAGE_CACHE_CHUNK };
static struct address_space older = { .number = 2, .nrpages = LARGE * PAGE_CACHE_CHUNK };

static long dropped_while(void (*fn)(void), const struct address_space *of)
{
	json_t *reply;
	long n;
	int fd;

	list_add(&older.list, &fake_mm.mappings);
	list_add(&newer.list, &fake_mm.mappings);
	meanwhile.fn = fn;
	meanwhile.of = of;
	f.env.cache = &fake_cache;
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	reply = ask(fd, "cache drop");
	n = number(reply, "dropped");
	json_decref(reply);
	close(fd);
	return n;
}

Test(ctl_files, cache_drops_all_there_is)
{
	cr_expect_eq(dropped_while(NULL, NULL), LARGER + LARGE);
}

static void unmap_newer(void)
{
	list_del(&newer.list);
}

/* All of the other one: it does not begin where the one that has gone had got to. */
Test(ctl_files, cache_drops_while_a_file_goes)
{
	long n = dropped_while(unmap_newer, &newer);

	cr_expect_gt(n, LARGE);
	cr_expect_lt(n, LARGE + LARGER);
	cr_expect_eq((n - LARGE) % 32, 0);
}

/* Of the one before, which is done. */
Test(ctl_files, cache_drops_while_another_file_goes)
{
	cr_expect_eq(dropped_while(unmap_newer, &older), LARGER + LARGE);
}

static void map_newest(void)
{
	list_add(&newest.list, &fake_mm.mappings);
}

/* Not what has come since, and the rest once. */
Test(ctl_files, cache_drops_while_a_file_comes)
{
	cr_expect_eq(dropped_while(map_newest, &newer), LARGER + LARGE);
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
