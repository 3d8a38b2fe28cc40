// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: shared_own [SEQUENCES [SEED]]
 *
 * Shared mappings of files, written to: random sequences of calls and accesses, by this
 * process, its children and processes that only open the file, each compared with a model
 * of the file's bytes. Whoever looks, by whatever way, must find what was written last:
 * also after the writer was killed. The model knows nothing of write-back.
 *
 * Under --policy=shared-file=own some of the mappings must have been the library's.
 */
#include "tests/preload/common.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum {
	SEQUENCES = 60,
	OPERATIONS = 50,
	SLOTS = 3,
	PAGES_MAX = 300,
};

struct slot {
	char *p; /* NULL: none */
	size_t first, pages;
	int prot;
	bool shared;
};

/* In memory that children share. */
struct model {
	unsigned char bytes[PAGES_MAX * PAGE];
	size_t size;
	atomic_int done; /* by a child that waits to be killed */
};

static struct model *model;
static struct slot slots[SLOTS];
static char path[64], history[OPERATIONS + 1][120];
static uint64_t seed, state;
static int fd, op, ours;
static bool child;

static uint64_t next_random(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static size_t pick(size_t n)
{
	return next_random() % n;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(history[op], sizeof(history[0]), format, ap);
	va_end(ap);
}

static _Noreturn void wrong(const char *what, size_t offset)
{
	printf("seed %lu, operation %d%s: %s at %zu of %zu\n", (unsigned long)seed, op,
	       child ? ", in a child" : "", what, offset, model->size);
	for (int i = 0; i <= op; i++)
		printf("  %2d %s\n", i, history[i]);
	fflush(stdout);
	_exit(1);
}

static void want(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	wrong(what, 0);
}
#define WANT(cond) want(!!(cond), #cond)

/* --- the model ---------------------------------------------------------------------- */

static void compare(const void *p, size_t offset, size_t len, const char *how)
{
	const unsigned char *found = p;

	if (!memcmp(p, model->bytes + offset, len))
		return;
	for (size_t i = 0; i < len; i++)
		if (found[i] != model->bytes[offset + i])
			wrong(how, offset + i);
}

static void new_size(size_t size)
{
	if (size < model->size)
		memset(model->bytes + size, 0, model->size - size);
	model->size = size;
}

/* Bytes of the slot that are inside the file. */
static size_t inside(const struct slot *s)
{
	size_t offset = s->first * PAGE;

	if (offset >= model->size)
		return 0;
	return model->size - offset < s->pages * PAGE ? model->size - offset
						      : s->pages * PAGE;
}

static void random_bytes(void *to, size_t len)
{
	unsigned char *p = to;

	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(next_random() >> 13);
}

/* --- mappings ----------------------------------------------------------------------- */

static bool is_ours(const char *p)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	WANT(f);
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		found = sscanf(line, "%lx-%lx", &start, &end) == 2 &&
			start <= (unsigned long)p && (unsigned long)p < end &&
			strstr(line, "/memfd:shared_own");
	}
	fclose(f);
	return found;
}

static struct slot *a_slot(void)
{
	struct slot *s = &slots[pick(SLOTS)];

	return s->p ? s : NULL;
}

static void unmap(struct slot *s)
{
	WANT(!munmap(s->p, s->pages * PAGE));
	s->p = NULL;
}

static int open_file(int flags)
{
	int f = open(path, flags | O_CLOEXEC);

	WANT(f >= 0);
	return f;
}

static void map_slot(struct slot *s, int f)
{
	s->shared = pick(8);
	s->prot = pick(8) ? PROT_READ | PROT_WRITE : PROT_READ;
	if (!s->shared)
		s->prot = PROT_READ;
	s->first = pick(3) ? 0 : pick(model->size / PAGE + 2);
	s->pages = pick(3) ? model->size / PAGE + pick(3) : 1 + pick(PAGES_MAX / 2);
	s->pages += !s->pages;
	note("map %zu pages from %zu, %s, prot %d", s->pages, s->first,
	     s->shared ? "shared" : "private", s->prot);
	s->p = mmap(NULL, s->pages * PAGE, s->prot,
		    (s->shared ? MAP_SHARED : MAP_PRIVATE) |
			    (pick(16) ? 0 : MAP_POPULATE),
		    f, (off_t)(s->first * PAGE));
	WANT(s->p != MAP_FAILED);
}

static void op_map(void)
{
	struct slot *s = &slots[pick(SLOTS)];
	bool again = pick(4) == 0;
	int f = again ? open_file(O_RDWR) : fd;

	if (s->p)
		unmap(s);
	map_slot(s, f);
	if (s->shared && !ours)
		ours = is_ours(s->p);
	if (again)
		WANT(!close(f));
}

static void op_write(void)
{
	struct slot *s = a_slot();
	size_t all, from, len;

	if (!s || !s->shared || !(s->prot & PROT_WRITE) || !(all = inside(s)))
		return;
	from = pick(all);
	len = 1 + pick(pick(4) ? 5000 : 200000);
	len = len < all - from ? len : all - from;
	note("write %zu bytes at %zu", len, s->first * PAGE + from);
	random_bytes(model->bytes + s->first * PAGE + from, len);
	memcpy(s->p + from, model->bytes + s->first * PAGE + from, len);
}

/* Single pages, anywhere. */
static void op_scatter(void)
{
	struct slot *s = a_slot();
	size_t all;

	if (!s || !s->shared || !(s->prot & PROT_WRITE) || !(all = inside(s)))
		return;
	note("scatter");
	for (int i = 0; i < 20; i++) {
		size_t at = pick(all);

		s->p[at] = (char)(model->bytes[s->first * PAGE + at] =
					  (unsigned char)next_random());
	}
}

static void check_slot(const struct slot *s)
{
	size_t len = inside(s);

	if (s->p && len && s->prot & PROT_READ)
		compare(s->p, s->first * PAGE, len, "wrong byte in a mapping");
}

static void op_check(void)
{
	note("look at mappings");
	for (int i = 0; i < SLOTS; i++)
		check_slot(&slots[i]);
}

static void op_beyond(void)
{
	struct slot *s = a_slot();
	size_t page;

	if (!s || !(s->prot & PROT_READ))
		return;
	page = (inside(s) + PAGE - 1) / PAGE;
	if (page >= s->pages)
		return;
	note("beyond the end");
	WANT(!strcmp(touch(s->p + page * PAGE, false), "BUS_ADRERR"));
}

/* --- calls on the area ----------------------------------------------------------------
 */

static void op_sync(void)
{
	struct slot *s = a_slot();
	size_t from, n;

	if (!s)
		return;
	from = pick(s->pages);
	n = 1 + pick(s->pages - from);
	note("msync %zu pages", n);
	WANT(!msync(s->p + from * PAGE, n * PAGE, pick(2) ? MS_ASYNC : MS_SYNC));
}

static void op_unmap(void)
{
	struct slot *s = a_slot();
	size_t n;

	if (!s)
		return;
	n = pick(2) ? s->pages : 1 + pick(s->pages);
	note("munmap %zu of %zu", n, s->pages);
	WANT(!munmap(s->p, n * PAGE));
	s->first += n;
	s->pages -= n;
	s->p = s->pages ? s->p + n * PAGE : NULL;
}

static void op_protect(void)
{
	struct slot *s = a_slot();

	if (!s || !s->shared)
		return;
	s->prot = pick(2) ? PROT_READ | PROT_WRITE : pick(2) ? PROT_READ : PROT_NONE;
	note("mprotect %d", s->prot);
	WANT(!mprotect(s->p, s->pages * PAGE, s->prot));
}

static void op_advise(void)
{
	static const int advices[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_PAGEOUT,
				       MADV_COLD,     MADV_RANDOM,   MADV_SEQUENTIAL,
				       MADV_NORMAL,   MADV_WILLNEED };
	struct slot *s = a_slot();
	int advice = advices[pick(sizeof(advices) / sizeof(*advices))];

	if (!s)
		return;
	note("madvise %d", advice);
	WANT(!madvise(s->p, s->pages * PAGE, advice));
}

static void op_move(void)
{
	struct slot *s = a_slot();
	size_t pages = s ? 1 + pick(2 * s->pages) : 0;
	char *p;

	if (!s || pages > PAGES_MAX)
		return;
	note("mremap %zu to %zu", s->pages, pages);
	p = mremap(s->p, s->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	WANT(p != MAP_FAILED);
	s->p = p;
	s->pages = pages;
}

/* A second mapping, from a page of the first on (no old length), perhaps longer. */
static void op_double(void)
{
	struct slot *s = a_slot(), *t = &slots[pick(SLOTS)];
	size_t from = s ? pick(s->pages) : 0, pages = 1 + pick(PAGES_MAX / 2);

	if (!s || s == t || !s->shared)
		return;
	if (t->p)
		unmap(t);
	note("mremap 0 to %zu, from page %zu", pages, from);
	*t = *s;
	t->first += from;
	t->pages = pages;
	t->p = mremap(s->p + from * PAGE, 0, pages * PAGE, MREMAP_MAYMOVE);
	WANT(t->p != MAP_FAILED);
	check_slot(t);
}

static void op_over(void)
{
	struct slot *s = a_slot();

	if (!s)
		return;
	note("MAP_FIXED over it");
	WANT(mmap(s->p, s->pages * PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == s->p);
	unmap(s);
}

static void op_lock(void)
{
	struct slot *s = a_slot();

	if (!s || s->pages > 16 || !inside(s) || !(s->prot & PROT_READ))
		return;
	note("mlock, munlock");
	WANT(!mlock(s->p, PAGE) && !munlock(s->p, PAGE));
}

/* --- calls on the file -----------------------------------------------------------------
 */

static char buffer[PAGES_MAX * PAGE];

static void read_all(int f, const char *how)
{
	bool by_place = pick(2);
	ssize_t n;

	WANT(by_place || !lseek(f, 0, SEEK_SET));
	n = by_place ? pread(f, buffer, sizeof(buffer), 0)
		     : read(f, buffer, sizeof(buffer));

	WANT(n == (ssize_t)model->size);
	compare(buffer, 0, model->size, how);
}

static void op_read(void)
{
	note("read by the descriptor");
	read_all(fd, "wrong byte read");
}

static void op_read_again(void)
{
	int f = open_file(O_RDONLY);

	note("open and read");
	read_all(f, "wrong byte read after open()");
	WANT(!close(f));
}

static void op_send(void)
{
	int pipes[2];
	size_t from = pick(model->size + 1), len = model->size - from;
	off_t at = (off_t)from;

	len = len < PAGE ? len : PAGE;
	note("sendfile %zu", len);
	WANT(!pipe2(pipes, O_CLOEXEC));
	WANT(!len || sendfile(pipes[1], fd, &at, len) == (ssize_t)len);
	WANT(read(pipes[0], buffer, len) == (ssize_t)len);
	compare(buffer, from, len, "wrong byte sent");
	WANT(!close(pipes[0]) && !close(pipes[1]));
}

static void op_pwrite(void)
{
	size_t from = pick(model->size + PAGE), len = 1 + pick(20000);
	bool again = pick(2);
	int f = again ? open_file(O_RDWR) : fd;

	if (from + len > sizeof(model->bytes))
		return;
	note("pwrite %zu at %zu", len, from);
	random_bytes(model->bytes + from, len);
	if (pick(2)) {
		WANT(pwrite(f, model->bytes + from, len, (off_t)from) == (ssize_t)len);
	} else {
		WANT(lseek(f, (off_t)from, SEEK_SET) == (off_t)from);
		WANT(write(f, model->bytes + from, len) == (ssize_t)len);
	}
	if (from + len > model->size)
		model->size = from + len;
	if (again)
		WANT(!close(f));
}

static void op_truncate(void)
{
	size_t size = pick(2) ? pick(sizeof(model->bytes)) : pick(PAGES_MAX) * PAGE;
	bool by_name = pick(2);

	note("%s to %zu", by_name ? "truncate" : "ftruncate", size);
	WANT(!(by_name ? truncate(path, (off_t)size) : ftruncate(fd, (off_t)size)));
	new_size(size);
}

static void op_fsync(void)
{
	note("fsync");
	WANT(pick(2) ? !fsync(fd) : !fdatasync(fd));
}

static void op_reopen(void)
{
	note("close and open");
	WANT(!close(fd));
	fd = open_file(O_RDWR);
}

/* --- processes -------------------------------------------------------------------------
 */

static void (*const in_children[])(void);
static const size_t nr_in_children;

static void reap(pid_t pid, int expected)
{
	int status;

	WANT(waitpid(pid, &status, 0) == pid);
	if (status == expected)
		return;
	printf("status %#x\n", (unsigned int)status);
	wrong("child", 0);
}

/* What it leaves in its mappings, the others find. */
static void op_fork(void)
{
	unsigned int n = 1 + (unsigned int)pick(4);
	pid_t pid;

	note("fork");
	fflush(stdout);
	pid = fork();
	WANT(pid >= 0);
	if (pid) {
		reap(pid, 0);
		/* It has used the numbers. */
		state = seed * 77 + (uint64_t)op;
		return;
	}
	child = true;
	if (pick(2))
		op_check();
	while (n--)
		in_children[pick(nr_in_children)]();
	_exit(0);
}

/* Nobody has the file open but who opens it next. */
static void let_go(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].p)
			unmap(&slots[i]);
	WANT(!close(fd));
	fd = -1;
}

/* It maps and writes, and is killed when it says that it has. */
static void op_kill(void)
{
	pid_t pid;

	note("fork and kill");
	if (pick(4))
		let_go();
	fflush(stdout);
	atomic_store(&model->done, 0);
	pid = fork();
	WANT(pid >= 0);
	if (!pid) {
		child = true;
		fd = open_file(O_RDWR);
		slots[0].p = NULL;
		map_slot(&slots[0], fd);
		for (int i = 0; i < 5; i++)
			op_write();
		op_scatter();
		atomic_store(&model->done, 1);
		for (;;)
			pause();
	}
	while (!atomic_load(&model->done))
		sched_yield();
	WANT(!kill(pid, SIGKILL));
	reap(pid, SIGKILL);
	state = seed * 99 + (uint64_t)op;
	if (fd < 0)
		fd = open_file(O_RDWR);
	read_all(fd, "wrong byte after the kill");
}

static void (*const in_children[])(void) = {
	op_map, op_write, op_scatter, op_check, op_sync, op_unmap, op_read_again,
};
static const size_t nr_in_children = sizeof(in_children) / sizeof(*in_children);

static void (*const operations[])(void) = {
	op_write,   op_write,	 op_write,  op_write,	   op_scatter, op_scatter,
	op_check,   op_sync,	 op_fsync,  op_read,	   op_fork,    op_kill,
	op_map,	    op_map,	 op_map,    op_check,	   op_beyond,  op_unmap,
	op_protect, op_advise,	 op_move,   op_over,	   op_lock,    op_send,
	op_pwrite,  op_truncate, op_reopen, op_read_again, op_double,  op_double,
};

enum {
	CALM = 10, /* of these, from the first on, after which a mapping is what it was */
};

/* In half of the sequences a mapping lives for some time. */
static void do_operation(bool calm)
{
	size_t all = sizeof(operations) / sizeof(*operations);
	bool any = slots[0].p || slots[1].p || slots[2].p;

	if (calm && any && pick(8))
		all = CALM + pick(2);
	operations[pick(all)]();
}

static void begin(void)
{
	char name[] = "shared_own_XXXXXX";

	memset(history, 0, sizeof(history));
	state = seed;
	op = 0;
	fd = mkstemp(name);
	CHECK(fd >= 0);
	snprintf(path, sizeof(path), "%s", name);
	memset(model, 0, sizeof(*model));
	WANT(!ftruncate(fd, (off_t)(20 * PAGE + pick(100 * PAGE))));
	new_size((size_t)lseek(fd, 0, SEEK_END));
}

static void end(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].p)
			unmap(&slots[i]);
	read_all(fd, "wrong byte in the end");
	WANT(!close(fd) && !unlink(path));
}

static void run_sequence(void)
{
	bool calm;

	begin();
	calm = pick(2);
	for (op = 0; op < OPERATIONS; op++)
		do_operation(calm);
	op = OPERATIONS;
	op_check();
	end();
}

/* What was written by way of the first mapping, seen by a second one of its pages. */
static void double_one(void)
{
	struct slot *s = &slots[0], *t = &slots[1];

	begin();
	*s = (struct slot){ .pages = model->size / PAGE,
			    .prot = PROT_READ | PROT_WRITE,
			    .shared = true };
	s->p = mmap(NULL, s->pages * PAGE, s->prot, MAP_SHARED, fd, 0);
	WANT(s->p != MAP_FAILED);
	random_bytes(model->bytes, s->pages * PAGE);
	memcpy(s->p, model->bytes, s->pages * PAGE);
	*t = *s;
	t->p = mremap(s->p, 0, s->pages * PAGE, MREMAP_MAYMOVE);
	WANT(t->p != MAP_FAILED);
	check_slot(t);
	end();
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : SEQUENCES;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	const char *policy = getenv("SHADOWMM_POLICY");
	const char *tmp = getenv("TMPDIR");

	model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(model != MAP_FAILED && !chdir(tmp ? tmp : "/tmp"));
	printf("seed %lu\n", (unsigned long)first);
	double_one();
	for (seed = first; seed < first + n; seed++)
		run_sequence();
	CHECK(ours || !library_mapped() || !policy || !strstr(policy, "shared-file=own"));
	return 0;
}
