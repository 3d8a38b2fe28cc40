// SPDX-License-Identifier: LGPL-2.1-or-later
/* One operation of the random test: on the memory, then on the model. */
#include "tests/preload/file_random.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const int prots[] = { PROT_READ,
			     PROT_READ | PROT_WRITE,
			     PROT_READ | PROT_WRITE,
			     PROT_READ | PROT_WRITE,
			     PROT_READ,
			     PROT_NONE };

static int random_prot(void)
{
	return prots[pick(sizeof(prots) / sizeof(*prots))];
}

/* Mostly a few pages, at times many. */
static size_t random_length(void)
{
	return 1 + pick(pick(4) ? 20 : ARENA_PAGES / 3);
}

static bool is_worth_it(size_t i, bool of_file)
{
	const struct page *p = &test.page[i];

	return p->id && (!of_file || (p->object != ANON && p->prot && inside_file(p)));
}

/* Where something is mapped, if that is found quickly. */
static size_t random_page(void)
{
	bool of_file = pick(8);
	size_t i = pick(ARENA_PAGES);

	for (int tries = 0; tries < 400 && !is_worth_it(i, of_file); tries++)
		i = pick(ARENA_PAGES);
	while (i && pick(4) && is_worth_it(i - 1, of_file))
		i--;
	return i;
}

static bool is_hole(size_t i)
{
	return !test.page[i].id;
}

static bool is_mapped(size_t i)
{
	return test.page[i].id;
}

static bool is_unlocked(size_t i)
{
	return test.page[i].id && !test.page[i].locked;
}

/* The kernel goes through a private writable area as a writer. */
static void model_populate(size_t i, size_t n)
{
	for (; n; n--, i++)
		if (test.page[i].prot & PROT_WRITE && inside_file(&test.page[i]))
			model_copy(i);
}

/* --- mmap, munmap ------------------------------------------------------------------ */

struct mapping {
	int object, name, fd, prot, flags;
	size_t pages, pgoff, length;
	bool may_write;
};

/* To where the file ends, or nearly so. */
static void fit(struct mapping *m)
{
	size_t all = objects[m->object].size / PAGE + 1;

	m->pgoff %= all;
	all += pick(3) - m->pgoff;
	if (m->pages > all || pick(3) == 0)
		m->pages = all;
}

static void choose_mapping(struct mapping *m)
{
	bool rw = pick(2);

	memset(m, 0, sizeof(*m));
	m->prot = random_prot();
	m->flags = pick(7) ? MAP_PRIVATE : MAP_SHARED;
	m->pages = random_length();
	m->object = ANON;
	m->fd = -1;
	m->may_write = true;
	if (pick(7) == 0) {
		m->flags = MAP_PRIVATE | MAP_ANONYMOUS;
	} else {
		m->name = (int)pick(NAMES);
		m->object = test.name[m->name].object;
		m->pgoff = pick(objects[m->object].size / PAGE + 3);
		m->pgoff = pick(2) ? m->pgoff : 0;
		if (pick(6))
			fit(m);
		if (m->flags == MAP_SHARED && !(m->prot & PROT_WRITE))
			m->may_write = rw;
		if (m->flags == MAP_SHARED ? m->may_write : pick(8) == 0)
			m->fd = open_name(m->name, O_RDWR);
		else
			m->fd = open_name(m->name, O_RDONLY);
	}
	if (pick(6) == 0)
		m->flags |= MAP_POPULATE;
	if (pick(6) == 0)
		m->flags |= MAP_NORESERVE;
}

static void model_map(const struct mapping *m, size_t i)
{
	forget_pages(i, m->pages);
	test.last_id++;
	for (size_t k = 0; k < m->pages; k++)
		test.page[i + k] = (struct page){
			.id = test.last_id,
			.pgoff = (uint32_t)(m->pgoff + k),
			.object = (int16_t)m->object,
			.prot = (uint8_t)m->prot,
			.shared = !!(m->flags & MAP_SHARED),
			.may_write = m->may_write,
		};
	if (m->flags & MAP_POPULATE && m->prot & PROT_WRITE)
		model_populate(i, m->pages);
}

/* Where the kernel wants it, and from there to page @i. */
static void map_and_move(const struct mapping *m, size_t i)
{
	char *p =
		mmap(NULL, m->length, m->prot, m->flags, m->fd, (off_t)(m->pgoff * PAGE));

	WANT(p != MAP_FAILED);
	WANT(mremap(p, m->length, m->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    at(i)) == at(i));
}

/* An address that is only asked for is that of what is to be as large as a huge page if
 * there is room for one more; thp_get_unmapped_area(). */
static void map_there(const struct mapping *m, size_t i)
{
	bool holes = run_of(i, m->pages, is_hole) == m->pages && m->pages < 512;
	int flags = m->flags | (holes && pick(2) ? 0 : MAP_FIXED);

	WANT(mmap(at(i), m->length, m->prot, flags, m->fd, (off_t)(m->pgoff * PAGE)) ==
	     at(i));
}

static void op_map(void)
{
	struct mapping m;
	size_t i = pick(2) ? pick(ARENA_PAGES) : random_page();
	bool move = pick(5) == 0;

	choose_mapping(&m);
	if (m.pages > ARENA_PAGES - i)
		m.pages = ARENA_PAGES - i;
	/* A length is rounded up. */
	m.length = m.pages * PAGE - (pick(3) ? 0 : pick(PAGE));
	note("map object %d page %zu: %zu at %zu prot %d flags %#x%s", m.object, m.pgoff,
	     m.pages, i, m.prot, (unsigned int)m.flags, move ? ", moved there" : "");
	if (move)
		map_and_move(&m, i);
	else
		map_there(&m, i);
	if (m.fd >= 0)
		WANT(!close(m.fd));
	model_map(&m, i);
}

static void op_unmap(void)
{
	size_t i = random_page(), n = random_length();

	n = n < ARENA_PAGES - i ? n : ARENA_PAGES - i;
	note("munmap %zu at %zu", n, i);
	WANT(!munmap(at(i), n * PAGE));
	forget_pages(i, n);
}

/* --- mprotect, madvise, mlock, msync ----------------------------------------------- */

static bool may_be_written(size_t i)
{
	return test.page[i].id && test.page[i].may_write;
}

/* A locked area that becomes writable is copied at once; mprotect_fixup(). */
static void model_protect(size_t i, size_t n, int prot)
{
	new_ids(i, n);
	for (; n; n--, i++) {
		struct page *p = &test.page[i];
		bool copy = p->locked && !(p->prot & PROT_WRITE) && prot & PROT_WRITE;

		p->prot = (uint8_t)prot;
		if (copy && inside_file(p))
			model_copy(i);
	}
}

static void op_protect(void)
{
	size_t i = random_page(), n;
	int prot = random_prot();

	n = run_of(i, random_length(), prot & PROT_WRITE ? may_be_written : is_mapped);
	note("mprotect %zu at %zu prot %d", n, i, prot);
	if (!n)
		return;
	WANT(!mprotect(at(i), n * PAGE, prot));
	model_protect(i, n, prot);
}

static void op_dontneed(void)
{
	size_t i = random_page(), n = run_of(i, random_length(), is_unlocked);

	note("MADV_DONTNEED %zu at %zu", n, i);
	if (!n)
		return;
	WANT(!madvise(at(i), n * PAGE, MADV_DONTNEED));
	for (; n; n--, i++)
		test.page[i].copied = false;
}

static void op_advise(void)
{
	static const int advices[] = { MADV_RANDOM,   MADV_SEQUENTIAL, MADV_NORMAL,
				       MADV_WILLNEED, MADV_COLD,       MADV_PAGEOUT,
				       MADV_DONTDUMP, MADV_DODUMP };
	int advice = advices[pick(sizeof(advices) / sizeof(*advices))];
	size_t i = random_page(), n = run_of(i, random_length(), is_unlocked);

	note("madvise %d %zu at %zu", advice, n, i);
	if (!n)
		return;
	WANT(!madvise(at(i), n * PAGE, advice));
	new_ids(i, n);
}

static void op_huge(void)
{
	int advice = pick(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	size_t i = random_page(), n = run_of(i, random_length(), is_mapped);
	int ret = n ? madvise(at(i), n * PAGE, advice) : 0;

	/* EINVAL: a kernel without huge pages. */
	note("madvise %d %zu at %zu: %d", advice, n, i, ret);
	new_ids(i, n);
}

static void op_populate(void)
{
	bool write = pick(2);
	size_t i = random_page(),
	       n = run_of(i, random_length(), write ? writable : readable);
	int ret;

	note("populate for %s %zu at %zu", write ? "writing" : "reading", n, i);
	if (n) {
		WANT(!madvise(at(i), n * PAGE,
			      write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ));
		if (write)
			model_populate(i, n);
	} else if (test.page[i].id && test.page[i].prot && !inside_file(&test.page[i])) {
		ret = madvise(at(i), PAGE, MADV_POPULATE_READ);
		WANT(ret == -1 && errno == EFAULT);
	}
}

static void op_lock(void)
{
	size_t i = random_page(), n, locked = 0;

	for (size_t k = 0; k < ARENA_PAGES; k++)
		locked += test.page[k].locked;
	n = run_of(i, 1 + pick(16), readable);
	note("mlock %zu at %zu, %zu are", n, i, locked);
	if (!n || locked > 64)
		return;
	WANT(!mlock(at(i), n * PAGE));
	new_ids(i, n);
	model_populate(i, n);
	for (; n; n--, i++)
		test.page[i].locked = true;
}

static void op_unlock(void)
{
	size_t i = random_page(), n = run_of(i, random_length(), is_mapped);

	note("munlock %zu at %zu", n, i);
	if (!n)
		return;
	WANT(!munlock(at(i), n * PAGE));
	new_ids(i, n);
	for (; n; n--, i++)
		test.page[i].locked = false;
}

static void op_sync(void)
{
	size_t i = random_page(), n = run_of(i, random_length(), is_mapped);

	note("msync %zu at %zu", n, i);
	WANT(!n || !msync(at(i), n * PAGE, pick(16) ? MS_ASYNC : MS_SYNC));
}

/* --- mremap ------------------------------------------------------------------------ */

/* The pages of an area that grows. */
static void model_grown(size_t i, size_t old, size_t new)
{
	for (size_t k = old; k < new; k++) {
		test.page[i + k] = test.page[i + k - 1];
		test.page[i + k].pgoff++;
		test.page[i + k].copied = false;
	}
}

static bool may_move(size_t i)
{
	return is_unlocked(i) && test.page[i].id;
}

/* To where nothing of it is; MREMAP_DONTUNMAP leaves an area without copies behind. */
static void move_area(size_t i, size_t n, size_t to, size_t new, bool stay)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (stay ? MREMAP_DONTUNMAP : 0);

	note("mremap %zu at %zu to %zu at %zu%s", n, i, new, to, stay ? ", staying" : "");
	WANT(mremap(at(i), n * PAGE, new *PAGE, flags, at(to)) == at(to));
	forget_pages(to, new);
	move_pages(i, to, n < new ? n : new);
	model_grown(to, n, new);
	if (!stay)
		forget_pages(i, n);
	for (size_t k = 0; stay && k < n; k++)
		test.page[i + k].copied = false;
	new_ids(i, n);
}

static void op_move(void)
{
	size_t i = random_page(), n = same_area(i, random_length()), to, new = n;
	bool stay;

	if (!n || !may_move(i))
		return;
	if (pick(3) == 0)
		new = 1 + pick(2 * n);
	to = pick(ARENA_PAGES);
	stay = pick(5) == 0 && new == n && !test.page[i].shared;
	if (to + new <= ARENA_PAGES && (to + new <= i || i + n <= to))
		move_area(i, n, to, new, stay);
}

static void op_resize(void)
{
	size_t i = random_page(), n = same_area(i, ARENA_PAGES), room, new;

	if (!n || !may_move(i))
		return;
	room = run_of(i + n, 30, is_hole);
	/* What lies behind it in the same area of the kernel is not known to be another.
	 */
	new = room ? n + 1 + pick(room) : n > 1 ? 1 + pick(n - 1) : n;
	note("mremap %zu at %zu to %zu in place", n, i, new);
	WANT(mremap(at(i), n * PAGE, new *PAGE, 0) == at(i));
	if (new < n)
		forget_pages(i + new, n - new);
	else
		model_grown(i, n, new);
	/* It has grown back to what a hole had parted from it. The kernel does not join
	 * them if both have been written to. */
	if (i + new < ARENA_PAGES && test.page[i + new].id == test.page[i].id)
		new_ids(i, new);
}

/* --- memory as an argument of calls ------------------------------------------------ */

static ssize_t read_at(int fd, void *to, size_t len, off_t offset, bool vector)
{
	struct iovec v[2] = { { to, len / 2 }, { (char *)to + len / 2, len - len / 2 } };

	return vector ? preadv(fd, v, 2, offset) : pread(fd, to, len, offset);
}

static void store_bytes(size_t i, size_t offset, const unsigned char *from, size_t len)
{
	while (len) {
		size_t n = len < PAGE - offset ? len : PAGE - offset;

		model_store(i, offset, from, n);
		i++;
		from += n;
		len -= n;
		offset = 0;
	}
}

static bool shows(size_t i, size_t n, int object)
{
	for (; n; n--, i++)
		if (test.page[i].object == object)
			return true;
	return false;
}

static void op_read(void)
{
	static unsigned char buffer[64 * PAGE];
	int name = (int)pick(NAMES), object = test.name[name].object, fd;
	size_t i = random_page(), n = run_of(i, 1 + pick(64), writable), len, offset,
	       from;

	if (!n || shows(i, n, object))
		return;
	offset = pick(PAGE);
	from = pick(objects[object].size + 1);
	len = 1 + pick(n * PAGE - offset);
	if (len > objects[object].size - from)
		len = objects[object].size - from;
	note("read %zu bytes of name %d into %zu", len, name, i);
	fd = open_name(name, O_RDONLY);
	WANT(read_at(fd, (char *)at(i) + offset, len, (off_t)from, pick(2)) ==
	     (ssize_t)len);
	WANT(!close(fd));
	memcpy(buffer, objects[object].bytes + from, len);
	store_bytes(i, offset, buffer, len);
}

/* The whole range is to be read by the kernel and compared with what it ought to be. */
static void compare_bytes(size_t i, size_t n, const unsigned char *found)
{
	for (size_t k = 0; k < n; k++)
		if (memcmp(found + k * PAGE, bytes_of(i + k), PAGE))
			wrong("page %zu is another in a system call", i + k);
}

static void op_write_out(void)
{
	static unsigned char buffer[16 * PAGE];
	size_t i = random_page(), n = run_of(i, 1 + pick(16), readable);
	int pipes[2];

	note("write %zu at %zu to a pipe", n, i);
	if (!n)
		return;
	WANT(!pipe2(pipes, O_CLOEXEC));
	WANT(write(pipes[1], at(i), n * PAGE) == (ssize_t)(n * PAGE));
	for (size_t done = 0; done < n * PAGE;) {
		ssize_t got = read(pipes[0], buffer + done, n * PAGE - done);

		WANT(got > 0);
		done += (size_t)got;
	}
	WANT(!close(pipes[0]) && !close(pipes[1]));
	compare_bytes(i, n, buffer);
}

static bool uncopied_of(size_t i, size_t n, int object)
{
	for (; n; n--, i++)
		if (test.page[i].object == object && !test.page[i].copied)
			return true;
	return false;
}

/* From mapped memory into a file that is mapped as well. */
static void op_write_file(void)
{
	int name = (int)pick(NAMES), object = test.name[name].object, fd;
	size_t i = random_page(), n = run_of(i, 1 + pick(64), readable), offset;
	struct object *o = &objects[object];

	offset = pick(o->size + PAGE);
	if (!n || uncopied_of(i, n, object) || offset + n * PAGE > MAX_SIZE)
		return;
	note("write %zu at %zu to name %d at %zu", n, i, name, offset);
	fd = open_name(name, O_WRONLY);
	WANT(pwrite(fd, at(i), n * PAGE, (off_t)offset) == (ssize_t)(n * PAGE));
	WANT(!close(fd));
	for (size_t k = 0; k < n; k++)
		memcpy(o->bytes + offset + k * PAGE, bytes_of(i + k), PAGE);
	offset += n * PAGE;
	o->size = o->size < offset ? offset : o->size;
	o->dirty = o->dirty < offset ? offset : o->dirty;
}

/* The kernel must say EFAULT where the processor would find no page. */
static void op_fault_in_call(void)
{
	size_t i = random_page();
	bool bad = !readable(i);
	int fd, error;
	ssize_t ret;

	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	WANT(fd >= 0 && !close(fd));
	ret = faccessat(AT_FDCWD, at(i), F_OK, 0);
	error = errno;
	note("path at %zu%s", i, bad ? ", which cannot be read" : "");
	WANT(!bad || (ret == -1 && error == EFAULT));
}

/* --- the processor ----------------------------------------------------------------- */

static void op_check(void)
{
	size_t i = random_page(), n = random_length();

	note("read %zu at %zu", n, i);
	check_pages(i, n);
}

static void op_check_few(void)
{
	note("read pages by chance");
	for (int k = 0; k < 8; k++)
		check_page(random_page());
}

static void op_write(void)
{
	size_t i = random_page(), n = 1 + pick(12);

	note("write %zu at %zu", n, i);
	for (; n && i < ARENA_PAGES; n--, i++)
		write_page(i);
}

/* --- files and processes ----------------------------------------------------------- */

static void op_change(void)
{
	struct change c;

	random_change(&c);
	change_file(&c);
	if (pick(2))
		check_page(random_page());
}

static void op_replace(void)
{
	replace_file((int)pick(NAMES), pick(2));
}

static void op_writer(void)
{
	struct name *n = &test.name[pick(NAMES)];

	note("%s for writing", n->writer < 0 ? "open" : "close");
	if (n->writer >= 0) {
		WANT(!close(n->writer));
		n->writer = -1;
	} else {
		n->writer = open_name((int)(n - test.name), pick(2) ? O_RDWR : O_WRONLY);
	}
}

static void write_privately(int times)
{
	for (; times; times--) {
		size_t i = random_page();

		if (!test.page[i].shared)
			write_page(i);
	}
}

static void expect_ended(pid_t pid)
{
	int status;

	WANT(waitpid(pid, &status, 0) == pid);
	if (status)
		wrong("a child ended with status %#x", (unsigned int)status);
}

static void check_in_grandchild(void)
{
	pid_t pid = fork();

	WANT(pid >= 0);
	if (pid == 0) {
		check_arena();
		write_privately(10);
		check_arena();
		_exit(0);
	}
	expect_ended(pid);
}

/* What the parent writes meanwhile is not to be seen here; what it does to a file is. */
static _Noreturn void live_as_child(int parent, int kind)
{
	struct change c;
	char ready = 1;

	test.in_child = true;
	test.random ^= 0x5555;
	if (kind & 1)
		op_check();
	write_privately(5);
	WANT(write(parent, &ready, 1) == 1);
	WANT(read(parent, &c, sizeof(c)) == sizeof(c));
	model_change(&c);
	write_privately(5);
	if (kind & 2)
		op_unmap();
	if (kind & 4)
		op_dontneed();
	check_arena();
	if (kind % 8 == 1)
		check_in_grandchild();
	_exit(0);
}

static void op_fork(void)
{
	int sockets[2], kind = (int)pick(64);
	struct change c;
	char ready;
	pid_t pid;

	note("fork, kind %d", kind);
	random_change(&c);
	WANT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fflush(stdout);
	pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		WANT(!close(sockets[1]));
		live_as_child(sockets[0], kind);
	}
	WANT(!close(sockets[0]));
	write_privately(5);
	if (read(sockets[1], &ready, 1) == 1) {
		change_file(&c);
		WANT(write(sockets[1], &c, sizeof(c)) == sizeof(c));
	}
	write_privately(5);
	expect_ended(pid);
	WANT(!close(sockets[1]));
}

/* --- which ------------------------------------------------------------------------- */

static const struct {
	void (*run)(void);
	size_t weight;
} operations[] = {
	{ op_map, 16 },	    { op_unmap, 4 },	     { op_protect, 5 },
	{ op_dontneed, 4 }, { op_advise, 4 },	     { op_huge, 1 },
	{ op_populate, 3 }, { op_lock, 2 },	     { op_unlock, 1 },
	{ op_sync, 1 },	    { op_move, 4 },	     { op_resize, 2 },
	{ op_read, 4 },	    { op_write_out, 3 },     { op_write_file, 3 },
	{ op_check, 8 },    { op_check_few, 4 },     { op_write, 10 },
	{ op_change, 9 },   { op_replace, 2 },	     { op_writer, 1 },
	{ op_fork, 2 },	    { op_fault_in_call, 1 },
};

void do_operation(void)
{
	size_t sum = 0, chosen, i = 0;

	for (size_t k = 0; k < sizeof(operations) / sizeof(*operations); k++)
		sum += operations[k].weight;
	/* The first ones have something to work on. */
	chosen = test.op < 3 ? 0 : pick(sum);
	while (chosen >= operations[i].weight)
		chosen -= operations[i++].weight;
	operations[i].run();
}
