// SPDX-License-Identifier: LGPL-2.1-or-later
/* smaps dirty: the server on a fake model and a fake engine. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fixture.h"

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

TestSuite(dirty, .init = setup, .fini = teardown, .timeout = 30);

static struct engine engine;

/* In the server's process. */
static int dirty_begins(struct engine *e)
{
	e->dirty.begun = 1;
	return 0;
}

static int dirty_fails(struct engine *e)
{
	e->dirty.why = "out of ink";
	return -ENOTTY;
}

static void expect_null(int fd, const char *command, const char *key)
{
	json_t *reply = ask(fd, command);

	cr_expect(json_is_null(json_object_get(reply, key)), "%s: %s", command, key);
	json_decref(reply);
}

static void expect_no_tracking(int fd, const char *why)
{
	expect_error(fd, "smaps dirty", why);
	expect_null(fd, "smaps", "dirty_since_ms");
	expect_null(fd, "stat", "dirty");
	close(fd);
}

Test(dirty, writes_cannot_be_tracked_without_an_engine)
{
	fixture_serve(&f, getuid());
	expect_no_tracking(greeted(&f), "no engine");
}

Test(dirty, writes_are_not_tracked_if_the_user_says_so)
{
	engine.opt.shared_file = SHARED_FILE_KERNEL;
	f.env.engine = &engine;
	f.env.dirty_begin = dirty_begins;
	fixture_serve(&f, getuid());
	expect_no_tracking(greeted(&f), "--policy");
}

Test(dirty, writes_cannot_be_tracked_by_this_kernel)
{
	f.env.engine = &engine;
	f.env.dirty_begin = dirty_fails;
	fixture_serve(&f, getuid());
	expect_no_tracking(greeted(&f), "out of ink");
}

/* The kernel knows that the area is not, of which the model says that it is tracked. */
Test(dirty, writes_are_tracked_when_somebody_asks)
{
	char *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long start = (unsigned long)p;
	json_t *reply, *dirty;
	char command[64];
	int fd;

	f.env.engine = &engine;
	f.env.dirty_begin = dirty_begins;
	fake_add(0x10000, 0x20000, RW | VM_SHARED, "/a");
	fake_add(start, start + PAGE_SIZE, RW | VM_SHARED | VM_UFFD_TRACK | VM_UFFD_WP,
		 "/b");
	fixture_serve(&f, getuid());
	fd = greeted(&f);
	expect_null(fd, "smaps", "dirty_since_ms"); /* not asked yet */
	snprintf(command, sizeof(command), "smaps dirty %lx", start);
	reply = ask(fd, command);
	cr_expect(json_is_integer(json_object_get(reply, "dirty_since_ms")));
	cr_expect_eq(json_array_size(json_object_get(reply, "areas")), 1);
	cr_expect(json_is_null(json_object_get(
		json_array_get(json_object_get(reply, "areas"), 0), "dirty")));
	json_decref(reply);
	reply = ask(fd, "stat");
	dirty = json_object_get(reply, "dirty");
	cr_expect_eq(number(dirty, "areas"), 1);
	cr_expect_eq(number(dirty, "pages"), 0);
	json_decref(reply);
	close(fd);
}
