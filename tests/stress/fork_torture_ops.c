// SPDX-License-Identifier: LGPL-2.1-or-later
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/stress/fork_torture.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_SIZE (2UL << 20)
#define ANON	  (MAP_PRIVATE | MAP_ANONYMOUS)

extern char **environ;

static const unsigned int sizes[AREAS] = { 96, 512, 64, 128, 64, 48 };
static char in_bss[48 * PAGE] __attribute__((aligned(PAGE)));
static char true_path[] = "/bin/true";
static char *const true_argv[] = { true_path, NULL };

static void *address(enum kind kind, unsigned int page)
{
	return (void *)(me->area[kind].start + page * PAGE);
}

static bool uses(enum kind kind)
{
	return me->area[kind].pages > 0;
}

/* A range of pages of one area. */
struct range {
	enum kind kind;
	unsigned int page, pages;
};

static struct range pick_range(unsigned int most)
{
	struct range r;
	unsigned int pages;

	do
		r.kind = (enum kind)pick(AREAS);
	while (!uses(r.kind));
	pages = me->area[r.kind].pages;
	r.page = pick(pages);
	r.pages = 1 + pick(most);
	if (r.pages > pages - r.page)
		r.pages = pages - r.page;
	return r;
}

/* No page of @r has one of the states @mask. */
static bool free_of(struct range r, uint8_t mask)
{
	for (unsigned int i = r.page; i < r.page + r.pages; i++)
		if (me->area[r.kind].page[i].state & mask)
			return false;
	return true;
}

static void set_state(struct range r, uint8_t clear, uint8_t set)
{
	for (unsigned int i = r.page; i < r.page + r.pages; i++) {
		uint8_t *state = &me->area[r.kind].page[i].state;

		*state = (uint8_t)((*state & ~clear) | set);
	}
}

static void set_zero(struct range r)
{
	for (unsigned int i = r.page; i < r.page + r.pages; i++)
		memset(me->area[r.kind].page[i].stamp, 0,
		       sizeof(me->area[r.kind].page[i].stamp));
}

static void record(enum what what, struct range r)
{
	note(what, r.kind, r.page, r.pages, 0, BLOCKS, 0);
}

/* --- areas -------------------------------------------------------------------------- */

static unsigned long map_area(enum kind kind, size_t len)
{
	int flags = kind == COMMON ? MAP_SHARED | MAP_ANONYMOUS : ANON;
	char *p = mmap(NULL, len + HUGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	unsigned long start = (unsigned long)p;

	if (p == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	if (kind == HUGE)
		start = (start + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	if (start > (unsigned long)p)
		munmap(p, start - (unsigned long)p);
	munmap((char *)start + len, (unsigned long)p + HUGE_SIZE - start);
	if (kind == HUGE || kind == SMALL)
		madvise((void *)start, len,
			kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return start;
}

static unsigned long make_area(enum kind kind, size_t len)
{
	if (kind == STATIC)
		return (unsigned long)in_bss;
	if (kind == HEAP) {
		unsigned long old = (unsigned long)sbrk(0);

		if (sbrk((long)(len + PAGE)) == (void *)-1)
			fail("sbrk: %s", strerror(errno));
		return (old + PAGE - 1) & ~(PAGE - 1);
	}
	return map_area(kind, len);
}

void make_areas(void)
{
	for (int kind = 0; kind < AREAS; kind++) {
		if (!(arena->with.areas & 1u << kind))
			continue;
		me->area[kind].start = make_area((enum kind)kind, sizes[kind] * PAGE);
		me->area[kind].pages = sizes[kind];
	}
}

/* --- signals ------------------------------------------------------------------------ */

static sigjmp_buf refused;
static volatile sig_atomic_t expected;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (expected)
		siglongjmp(refused, sig);
	fail("signal %d at %p", sig, info->si_addr);
}

void start_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* True if the store was refused by a signal. */
static bool store_refused(volatile char *p)
{
	bool got = true;

	expected = 1;
	if (!sigsetjmp(refused, 1)) {
		*p = 1;
		got = false;
	}
	expected = 0;
	return got;
}

/* --- writes ------------------------------------------------------------------------ */

static void write_page(enum what what, enum kind kind, unsigned int page,
		       unsigned int block, unsigned int blocks, uint32_t stamp)
{
	char *to = (char *)address(kind, page) + block * BLOCK;

	content(me->source, stamp, page, block, blocks);
	if (what == READ) {
		off_t from = (char *)me->source - (char *)arena;

		if (pread(memory, to, blocks * BLOCK, from) != (ssize_t)(blocks * BLOCK))
			fail("pread to %p: %s", (void *)to, strerror(errno));
	} else {
		memcpy(to, me->source, blocks * BLOCK);
	}
	for (unsigned int i = block; i < block + blocks; i++)
		me->area[kind].page[page].stamp[i] = stamp;
}

static void write_blocks(enum what what)
{
	struct range r = pick_range(1);
	unsigned int block = pick(BLOCKS), blocks = 1 + pick(BLOCKS - block);
	uint32_t stamp;

	if (!free_of(r, HOLE | RDONLY))
		return;
	if (r.kind == COMMON) {
		blocks = 1;
		if (!writes_block(r.kind, r.page, block))
			return;
	}
	stamp = ((uint32_t)index_of(me) + 1) << 22 | ++me->serial;
	note(what, r.kind, r.page, 1, block, blocks, stamp);
	write_page(what, r.kind, r.page, block, blocks, stamp);
}

/* A run of pages, as a loop over an array does. */
static void write_sequence(void)
{
	struct range r = pick_range(160);
	uint32_t stamp = ((uint32_t)index_of(me) + 1) << 22 | ++me->serial;
	bool whole = pick(2);

	if (r.kind == COMMON || !free_of(r, HOLE | RDONLY))
		return;
	note(SEQUENCE, r.kind, r.page, r.pages, 0, whole ? BLOCKS : 1, stamp);
	for (unsigned int i = r.page; i < r.page + r.pages; i++)
		write_page(SEQUENCE, r.kind, i, 0, whole ? BLOCKS : 1, stamp);
}

static void check_some(void)
{
	struct range r = pick_range(40);

	check_pages(r.kind, r.page, r.pages);
}

/* --- calls that change the address space ------------------------------------------- */

static void change_protection(void)
{
	struct range r = pick_range(24);
	bool lift = pick(5) < 3;

	if (!free_of(r, HOLE))
		return;
	record(PROTECT, r);
	if (mprotect(address(r.kind, r.page), r.pages * PAGE,
		     lift ? PROT_READ | PROT_WRITE : PROT_READ) != 0)
		fail("mprotect: %s", strerror(errno));
	set_state(r, RDONLY, lift ? 0 : RDONLY);
}

/* What is read only refuses a store and a read(2), and keeps its bytes. */
static void try_refused(void)
{
	struct range r = pick_range(1);
	off_t from = (char *)me->source - (char *)arena;

	if (!free_of(r, HOLE) || free_of(r, RDONLY))
		return;
	record(REFUSED, r);
	if (!store_refused(address(r.kind, r.page)))
		fail("a store to read-only %s page %u", kind_name(r.kind), r.page);
	if (pread(memory, address(r.kind, r.page), 8, from) != -1 || errno != EFAULT)
		fail("a read to read-only %s page %u", kind_name(r.kind), r.page);
	check_pages(r.kind, r.page, 1);
}

static void discard(void)
{
	struct range r = pick_range(24);

	if (!free_of(r, HOLE))
		return;
	record(DISCARD, r);
	if (madvise(address(r.kind, r.page), r.pages * PAGE, MADV_DONTNEED) != 0)
		fail("MADV_DONTNEED: %s", strerror(errno));
	if (r.kind != COMMON)
		set_zero(r);
}

/* Somebody else may have mapped there meanwhile: then it remains a hole. */
static void fill_hole(struct range r)
{
	void *p = mmap(address(r.kind, r.page), r.pages * PAGE, PROT_READ | PROT_WRITE,
		       ANON | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return;
	set_state(r, 0xff, 0);
	set_zero(r);
}

static void unmap(void)
{
	struct range r = pick_range(12);

	if (r.kind == COMMON || r.kind == STATIC || r.kind == HEAP)
		return;
	record(UNMAP, r);
	if (free_of(r, HOLE)) {
		if (munmap(address(r.kind, r.page), r.pages * PAGE) != 0)
			fail("munmap: %s", strerror(errno));
		set_state(r, 0xff, HOLE);
		return;
	}
	for (unsigned int i = r.page; i < r.page + r.pages; i++)
		if (me->area[r.kind].page[i].state & HOLE)
			fill_hole((struct range){ r.kind, i, 1 });
}

/* It was more than one area for the kernel, which may have moved some of them. */
static void lose_area(struct range all, void *to)
{
	munmap(to, all.pages * PAGE);
	munmap(address(all.kind, 0), all.pages * PAGE);
	set_state(all, 0xff, HOLE);
}

static void check_left_behind(const uint64_t *words, unsigned int pages)
{
	for (size_t i = 0; i < pages * PAGE_WORDS; i++)
		if (words[i])
			fail("%p is not zero after MREMAP_DONTUNMAP",
			     (const void *)&words[i]);
}

/* The whole area to another place, if it still is one for the kernel. */
static void move_area(void)
{
	enum kind kind = (enum kind)pick(HEAP);
	struct area *a = &me->area[kind];
	struct range all = { kind, 0, a->pages };
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *to, *got;

	if (!a->pages || !free_of(all, HOLE | RDONLY | DONTFORK | WIPE))
		return;
	record(MOVE, all);
	to = (void *)map_area(kind, a->pages * PAGE);
	if (kind != COMMON && pick(2))
		flags |= MREMAP_DONTUNMAP;
	got = mremap((void *)a->start, a->pages * PAGE, a->pages * PAGE, flags, to);
	if (got == MAP_FAILED) {
		lose_area(all, to);
		return;
	}
	if (flags & MREMAP_DONTUNMAP)
		check_left_behind((const uint64_t *)a->start, a->pages);
	a->start = (unsigned long)to;
}

static void advise(void)
{
	static const struct {
		int advice;
		uint8_t clear, set;
	} kinds[] = {
		{ MADV_DONTFORK, 0, DONTFORK },
		{ MADV_DOFORK, DONTFORK, 0 },
		{ MADV_WIPEONFORK, 0, WIPE },
		{ MADV_KEEPONFORK, WIPE, 0 },
	};
	struct range r = pick_range(16);
	unsigned int i = pick(4);

	/* A page that is not there for the program's own bss would be one for libc. */
	if (!free_of(r, HOLE) || (r.kind == COMMON && i > 1) || r.kind >= HEAP)
		return;
	record(ADVISE, r);
	if (madvise(address(r.kind, r.page), r.pages * PAGE, kinds[i].advice) != 0)
		fail("madvise %d: %s", kinds[i].advice, strerror(errno));
	set_state(r, kinds[i].clear, kinds[i].set);
}

/* Nobody else moves the break while this runs: but for malloc(), which is looked for. */
static void move_break(void)
{
	struct area *a = &me->area[HEAP];
	unsigned int pages = 32 + pick(64);
	struct range rest;

	if (!a->pages || (unsigned long)sbrk(0) / PAGE - a->start / PAGE > a->pages + 1)
		return;
	rest = (struct range){ HEAP, pages, a->pages > pages ? a->pages - pages : 0 };
	if (!free_of(rest, RDONLY))
		return;
	note(BREAK, HEAP, 0, PAGES, 0, 0, 0);
	if (brk((void *)(a->start + pages * PAGE)) != 0)
		fail("brk: %s", strerror(errno));
	if (pages > a->pages)
		rest = (struct range){ HEAP, a->pages, pages - a->pages };
	set_zero(rest);
	set_state(rest, 0xff, 0);
	a->pages = pages;
}

/* None of these changes a byte; each may be refused. */
static void collapse(void)
{
	static const int advices[] = { MADV_COLLAPSE,	   MADV_POPULATE_WRITE,
				       MADV_POPULATE_READ, MADV_HUGEPAGE,
				       MADV_NOHUGEPAGE,	   MADV_COLD };
	struct range r = pick_range(512);

	if (pick(3) == 0)
		r = (struct range){ r.kind, 0, me->area[r.kind].pages };
	record(COLLAPSE, r);
	madvise(address(r.kind, r.page), r.pages * PAGE, advices[pick(6)]);
}

/* --- processes that are none of the tree
 * ------------------------------------------------- */

static void wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			fail("waitpid: %s", strerror(errno));
	if (status)
		fail("/bin/true ended with status %#x", status);
}

static void spawn(void)
{
	pid_t pid = -1;
	int error = posix_spawn(&pid, true_path, NULL, NULL, true_argv, environ);

	if (error)
		fail("posix_spawn: %s", strerror(error));
	wait_for(pid);
}

/* The child writes into our memory, before it goes. */
static __attribute__((noinline)) void vfork_and_write(void)
{
	bool exec = pick(2);
	pid_t pid = vfork();

	if (pid == 0) {
		write_blocks(STORE);
		write_blocks(READ);
		if (exec)
			execv(true_path, true_argv);
		_exit(exec);
	}
	if (pid < 0)
		fail("vfork: %s", strerror(errno));
	wait_for(pid);
}

/* --- the test is tested
 * ------------------------------------------------------------------- */

static bool can_break(void)
{
	return uses(PLAIN) && !(me->area[PLAIN].page[7].state & (HOLE | RDONLY));
}

/* What a broken copy-on-write would do: a page is lost, or changed. */
void sabotage(void)
{
	char *at = address(PLAIN, 7);

	if (!can_break())
		return;
	if (arena->with.sabotage == DROP)
		madvise(at, PAGE, MADV_DONTNEED);
	else if (arena->with.sabotage == STALE)
		at[3 * BLOCK] ^= 1;
}

/* Or a write goes to the parent as well: after its last own one, and before its last
 * look. */
void leak(void)
{
	struct iovec page = { address(PLAIN, 7), PAGE };
	struct process *parent;

	if (arena->with.sabotage != LEAK || me->plan.parent < 0 || !can_break())
		return;
	parent = &arena->process[me->plan.parent];
	if (!parent->plan.waits)
		return;
	while (atomic_load(&parent->what) != LAST_CHECK) {
		stop_if_failed();
		sched_yield();
	}
	if (process_vm_writev(parent->pid, &page, 1, &page, 1, 0) != (ssize_t)PAGE)
		fail("process_vm_writev: %s", strerror(errno));
}

/* --- all of them
 * ---------------------------------------------------------------------------- */

static const struct {
	enum what what;
	unsigned int weight;
} weights[] = {
	{ STORE, 30 },	{ READ, 10 },	{ SEQUENCE, 8 }, { CHECK_SOME, 20 },
	{ PROTECT, 6 }, { DISCARD, 4 }, { UNMAP, 6 },	 { MOVE, 2 },
	{ ADVISE, 5 },	{ BREAK, 2 },	{ COLLAPSE, 3 }, { SPAWN, 1 },
	{ VFORK, 1 },	{ THREADS, 2 }, { REFUSED, 3 },
};

static enum what pick_what(void)
{
	unsigned int n = pick(103);

	for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
		if (n < weights[i].weight)
			return weights[i].what;
		n -= weights[i].weight;
	}
	return CHECK_SOME;
}

static void toggle_threads(void)
{
	bool runs = false;

	for (unsigned int i = 0; i < arena->with.hots; i++)
		runs |= me->hot[i].running;
	if (runs)
		stop_threads();
	else
		start_threads();
}

static void (*const others[WHATS])(void) = {
	[SEQUENCE] = write_sequence,
	[CHECK_SOME] = check_some,
	[PROTECT] = change_protection,
	[DISCARD] = discard,
	[UNMAP] = unmap,
	[MOVE] = move_area,
	[ADVISE] = advise,
	[BREAK] = move_break,
	[COLLAPSE] = collapse,
	[SPAWN] = spawn,
	[VFORK] = vfork_and_write,
	[THREADS] = toggle_threads,
	[REFUSED] = try_refused,
};

void do_operation(void)
{
	enum what what = pick_what();

	if (!(arena->with.mask & 1u << what))
		return;
	atomic_store(&me->what, (int)what);
	if (others[what])
		others[what]();
	else
		write_blocks(what);
}
