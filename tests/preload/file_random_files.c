// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/preload/file_random.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct object objects[OBJECTS];
static int helper = -1; /* the socket to the process that has nothing mapped */
static char memory_dir[64];

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void random_bytes(void *to, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = mixed(seed + i * 0x9e3779b97f4a7c15);

		memcpy((char *)to + i, &word, len - i < 8 ? len - i : 8);
	}
}

/* --- what the system does ---------------------------------------------------------- */

static void write_all(int fd, const struct change *c, size_t offset)
{
	static unsigned char buffer[64 * KIB];

	for (size_t done = 0; done < c->len; done += sizeof(buffer)) {
		size_t n =
			c->len - done < sizeof(buffer) ? c->len - done : sizeof(buffer);

		random_bytes(buffer, n, c->seed + done);
		WANT(pwrite(fd, buffer, n, (off_t)(offset + done)) == (ssize_t)n);
	}
}

static void append_all(int fd, const struct change *c)
{
	unsigned char buffer[16 * KIB];

	WANT(c->len <= sizeof(buffer));
	random_bytes(buffer, c->len, c->seed);
	WANT(write(fd, buffer, c->len) == (ssize_t)c->len);
}

static void punch(int fd, const struct change *c)
{
	WANT(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)c->offset,
			(off_t)c->len));
}

static int flags_of(enum change_kind kind)
{
	switch (kind) {
	case OPEN_TRUNC:
	case REWRITE:
		return O_WRONLY | O_TRUNC;
	case APPEND:
		return O_WRONLY | O_APPEND;
	default:
		return O_RDWR;
	}
}

static void change_open_file(int fd, const struct change *c)
{
	if (c->kind == PWRITE || c->kind == REWRITE)
		write_all(fd, c, c->offset);
	else if (c->kind == FTRUNCATE)
		WANT(!ftruncate(fd, (off_t)c->offset));
	else if (c->kind == APPEND)
		append_all(fd, c);
	else if (c->kind == PUNCH)
		punch(fd, c);
}

int open_name(int name, int flags)
{
	int fd = open(test.name[name].path, flags | O_CLOEXEC, 0600);

	WANT(fd >= 0);
	return fd;
}

void do_change(const struct change *c)
{
	const struct name *name = &test.name[c->name];
	bool as_it_is = c->kind == PWRITE || c->kind == FTRUNCATE || c->kind == PUNCH;
	int fd;

	if (c->kind == TRUNCATE) {
		WANT(!truncate(name->path, (off_t)c->offset));
	} else if (as_it_is && name->writer >= 0) {
		change_open_file(name->writer, c);
	} else {
		fd = open_name(c->name, flags_of(c->kind));
		change_open_file(fd, c);
		WANT(!close(fd));
	}
}

/* --- what the model does ----------------------------------------------------------- */

/* Truncation takes private copies away as well; truncate_pagecache(). */
static void drop_beyond(int object, size_t size)
{
	for (size_t i = 0; i < ARENA_PAGES; i++) {
		struct page *p = &test.page[i];

		if (p->id && p->object == object && p->pgoff >= (size + PAGE - 1) / PAGE)
			p->copied = false;
	}
}

static void model_size(int object, size_t size)
{
	struct object *o = &objects[object];

	if (size < o->dirty) {
		memset(o->bytes + size, 0, o->dirty - size);
		o->dirty = size;
	}
	if (size < o->size)
		drop_beyond(object, size);
	o->size = size;
}

static void model_write(int object, size_t offset, const struct change *c)
{
	struct object *o = &objects[object];

	if (!c->len)
		return;
	for (size_t done = 0; done < c->len; done += 64 * KIB)
		random_bytes(o->bytes + offset + done,
			     c->len - done < 64 * KIB ? c->len - done : 64 * KIB,
			     c->seed + done);
	if (o->size < offset + c->len)
		o->size = offset + c->len;
	if (o->dirty < offset + c->len)
		o->dirty = offset + c->len;
}

/* Copies stay where a hole is punched. */
static void model_punch(int object, size_t offset, size_t len)
{
	struct object *o = &objects[object];

	if (offset < o->size)
		memset(o->bytes + offset, 0,
		       len < o->size - offset ? len : o->size - offset);
}

void model_change(const struct change *c)
{
	int object = test.name[c->name].object;

	switch (c->kind) {
	case FTRUNCATE:
	case TRUNCATE:
		model_size(object, c->offset);
		break;
	case OPEN_TRUNC:
		model_size(object, 0);
		break;
	case APPEND:
		model_write(object, objects[object].size, c);
		break;
	case PUNCH:
		model_punch(object, c->offset, c->len);
		break;
	case REWRITE:
		model_size(object, 0);
		/* fall through */
	default:
		model_write(object, c->offset, c);
	}
}

/* --- who does it ------------------------------------------------------------------- */

static void serve(int socket)
{
	struct change c;
	char done = 1;

	WANT(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	while (recv(socket, &test.name, sizeof(test.name), 0) == sizeof(test.name) &&
	       recv(socket, &c, sizeof(c), 0) == sizeof(c)) {
		for (int i = 0; i < NAMES; i++)
			test.name[i].writer = -1;
		do_change(&c);
		WANT(write(socket, &done, 1) == 1);
	}
	_exit(0);
}

void start_helper(void)
{
	int sockets[2];
	pid_t pid;

	WANT(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	fflush(stdout);
	pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		test.in_child = true;
		close(sockets[0]);
		serve(sockets[1]);
	}
	close(sockets[1]);
	helper = sockets[0];
	snprintf(memory_dir, sizeof(memory_dir), "/dev/shm");
}

static void by_helper(const struct change *c)
{
	char done;

	WANT(send(helper, &test.name, sizeof(test.name), 0) == sizeof(test.name));
	WANT(send(helper, c, sizeof(*c), 0) == sizeof(*c));
	WANT(read(helper, &done, 1) == 1);
}

static void by_child(const struct change *c)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		test.in_child = true;
		do_change(c);
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

void change_file(const struct change *c)
{
	static const char *const names[CHANGES] = { "pwrite",	"ftruncate",
						    "truncate", "open O_TRUNC",
						    "append",	"punch",
						    "rewrite" };
	size_t who = pick(3);

	note("%s name %d at %zu, %zu bytes, by %s", names[c->kind], c->name, c->offset,
	     c->len,
	     who == 0	? "this process"
	     : who == 1 ? "a child"
			: "another process");
	if (who == 0)
		do_change(c);
	else if (who == 1)
		by_child(c);
	else
		by_helper(c);
	model_change(c);
}

/* --- files ------------------------------------------------------------------------- */

static size_t random_size(void)
{
	static const size_t small[] = { 0,    1,     4095,  4096,   4097,  8191,
					8192, 8193,  20000, 65535,  65536, 65537,
					4095, 12288, 99999, 300000, 262144 };
	static const size_t big[] = { 2097151, 2097152, 2097153, 2101249,
				      3456789, 4194304, 4194305, 6291456 };

	if (test.seed % 8 == 0)
		return big[pick(sizeof(big) / sizeof(*big))];
	return small[pick(sizeof(small) / sizeof(*small))];
}

void random_change(struct change *c)
{
	const struct object *o;

	memset(c, 0, sizeof(*c));
	c->name = (int)pick(NAMES);
	o = &objects[test.name[c->name].object];
	c->kind = pick(2) ? PWRITE : (enum change_kind)pick(CHANGES);
	c->seed = next_random();
	c->len = pick(pick(4) ? 300 : 16 * KIB) + 1;
	c->offset = pick(o->size + 5000);
	if (c->kind == FTRUNCATE || c->kind == TRUNCATE)
		c->offset = pick(2) ? random_size() : c->offset;
	if (c->kind == REWRITE) {
		c->offset = 0;
		c->len = o->size;
	}
	if (c->offset + c->len > MAX_SIZE || o->size + c->len > MAX_SIZE)
		c->kind = OPEN_TRUNC;
}

static bool in_use(int object)
{
	for (int n = 0; n < NAMES; n++)
		if (test.name[n].object == object)
			return true;
	for (size_t i = 0; i < ARENA_PAGES; i++)
		if (test.page[i].id && test.page[i].object == object)
			return true;
	return false;
}

static int free_object(void)
{
	for (int i = 0; i < OBJECTS; i++)
		if (!in_use(i)) {
			memset(objects[i].bytes, 0, objects[i].dirty);
			objects[i].dirty = objects[i].size = 0;
			return i;
		}
	return ANON;
}

/* Holes where nothing is written. */
static void fill_file(int fd, int object, size_t size)
{
	bool sparse = pick(4) == 0;
	struct change c = { .kind = PWRITE };

	WANT(!ftruncate(fd, (off_t)size));
	objects[object].size = size;
	for (int i = 0; size && i < (sparse ? 3 : 1); i++) {
		c.offset = sparse ? pick(size) : 0;
		c.len = sparse ? pick(size - c.offset < 9000 ? size - c.offset : 9000)
			       : size;
		c.seed = next_random();
		write_all(fd, &c, c.offset);
		model_write(object, c.offset, &c);
	}
}

bool replace_file(int name, bool unlink_first)
{
	struct name *n = &test.name[name];
	int object = free_object(), fd;
	size_t size = random_size();
	char path[128];

	if (object == ANON)
		return false;
	if (n->writer >= 0)
		WANT(!close(n->writer));
	n->writer = -1;
	if (unlink_first)
		WANT(!unlink(n->path) || n->object == ANON);
	snprintf(path, sizeof(path), "%s%s", n->path, unlink_first ? "" : ".new");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	WANT(fd >= 0);
	fill_file(fd, object, size);
	WANT(!close(fd));
	if (!unlink_first)
		WANT(!rename(path, n->path));
	n->object = object;
	note("name %d is object %d of %zu bytes now, by %s", name, object, size,
	     unlink_first ? "unlink" : "rename");
	return true;
}

/* One sequence in four in a file system without disk. */
void begin_files(void)
{
	bool memory = test.seed % 4 == 1 && !access(memory_dir, W_OK);

	for (int i = 0; i < NAMES; i++)
		test.name[i].object = ANON;
	for (int i = 0; i < NAMES; i++) {
		struct name *n = &test.name[i];

		snprintf(n->path, sizeof(n->path), "%s/of-file-random.%d.%d",
			 memory ? memory_dir : ".", (int)getpid(), i);
		n->writer = -1;
		WANT(replace_file(i, true));
	}
}

void end_files(void)
{
	for (int i = 0; i < NAMES; i++) {
		if (test.name[i].writer >= 0)
			close(test.name[i].writer);
		if (test.name[i].path[0])
			unlink(test.name[i].path);
		test.name[i].path[0] = '\0';
	}
}

void remove_files_of(pid_t pid)
{
	const char *const directories[] = { ".", "/dev/shm" };
	char path[96];

	for (int i = 0; i < 2 * NAMES; i++) {
		snprintf(path, sizeof(path), "%s/of-file-random.%d.%d",
			 directories[i % 2], (int)pid, i / 2);
		unlink(path);
	}
}
