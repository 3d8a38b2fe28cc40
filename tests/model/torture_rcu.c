// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Is every lookup right at some instant of its interval?
 *
 *	writer	begun = v	change the model	history[v], then done = v
 *	reader	from = done	look up			to = begun
 *
 * The answer must be the one of one version in [from, to]: of one only, also for an
 * iteration over many areas. A version is compared once it is done, so nothing is ever
 * undecided; the writer waits for readers that still need the entry it would overwrite
 * (struct task.needs).
 *
 * Beside the readers: signal handlers that interrupt readers and writer at any
 * instruction and look up themselves, and a task that stays in its section while
 * thousands of changes pass, and compares what it sees with what it saw. What is freed is
 * poisoned on the way (__wrap_kmem_cache_free()), so that a stale pointer is a wrong
 * answer, an address that is none, or a race that ThreadSanitizer reports.
 *
 * TORTURE_SECONDS=n runs that long; SMM_SEED=n repeats the writer's calls.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mm/mm.h"
#include "tests/model/mman.h"

#define PAGES	    512U /* of the key space */
#define BASE	    0x100000000UL
#define ADDR(page)  (BASE + (unsigned long)(page)*PAGE_SIZE)
#define HISTORY	    1024UL /* versions */
#define READERS	    3
#define BATCH	    64
#define CHANGES	    40000UL /* and as many lookups as follow, without TORTURE_SECONDS */
#define LOOKUPS	    200000UL
#define MAX_SIT	    4000U
#define MAX_AREAS   8	   /* of an iteration that is compared */
#define INTERRUPT   150000 /* ns */
#define POISON	    0x6b
#define MM_ATTRS    (VM_READ | VM_WRITE | VM_EXEC)
#define CHECK_EVERY 256 /* changes: the whole history entry, and validate_mm() */

/* An area in one word: 0 is no area, NOT_OURS none that the writer ever made. */
#define MAPPED	 0x80000000U
#define NOT_OURS 0xffffffffU

enum kind {
	FIND,
	FIND_PREV,
	FIND_INTERSECTION,
	ITERATE,
	NR_KINDS
};

struct lookup {
	enum kind kind;
	unsigned int page, to_page;
	unsigned long from, to; /* versions */
	unsigned int n;
	u32 got[MAX_AREAS];
};

struct task {
	pthread_t thread;
	unsigned long seed, handler_seed;
	unsigned long needs; /* the oldest version it may still compare with */
	struct lookup batch[BATCH];
	/* Filled by its signal handler, emptied by itself. */
	struct lookup interrupted[BATCH];
	unsigned int head, tail;
	unsigned long lookups, concurrent, in_handlers, wrong;
};

static struct mm_struct *mm;
static struct task tasks[READERS + 1]; /* the last is the writer */
static u32 (*history)[PAGES];
static unsigned long begun, done, freed, sittings;
static bool stop;
static __thread struct task *self;

void __real_kmem_cache_free(struct kmem_cache *c, void *obj);
void __wrap_kmem_cache_free(struct kmem_cache *c, void *obj);
void __wrap_kmem_cache_free_rcu(struct kmem_cache *c, struct rcu_domain *d, void *obj,
				struct rcu_head *head);

void __wrap_kmem_cache_free(struct kmem_cache *c, void *obj)
{
	size_t size = c == &mm->node_cache  ? 256
		      : c == &mm->vma_cache ? sizeof(struct vm_area_struct)
					    : sizeof(struct rcu_head);

	memset(obj, POISON, size);
	freed++;
	__real_kmem_cache_free(c, obj);
}

static void free_after_grace_period(struct rcu_head *head)
{
	struct kmem_cache *c = kmem_cache_of(head);

	c->nr_deferred--;
	__wrap_kmem_cache_free(c, (char *)head - c->rcu_offset);
}

/* The real one calls kmem_cache_free() from inside its own file, past the wrapper. */
void __wrap_kmem_cache_free_rcu(struct kmem_cache *c, struct rcu_domain *d, void *obj,
				struct rcu_head *head)
{
	c->rcu_offset = (u16)((char *)head - (char *)obj);
	c->nr_deferred++;
	rcu_defer(d, head, free_after_grace_period);
}

static unsigned int next_random(unsigned long *state, unsigned int below)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned int)((*state >> 33) % below);
}

static unsigned long load(const unsigned long *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* --- history ----------------------------------------------------------------------- */

static u32 area_word(const struct vm_area_struct *vma)
{
	unsigned long start, end;

	if (!vma)
		return 0;
	start = vma->vm_start - BASE;
	end = vma->vm_end - BASE;
	if ((start | end) & ~PAGE_MASK || start >= end || end > PAGES * PAGE_SIZE)
		return NOT_OURS;
	return MAPPED | (u32)(vma->vm_flags & MM_ATTRS) << 20 |
	       (vma->vm_flags & VM_DONTCOPY ? 1U << 24 : 0) |
	       (u32)(end >> PAGE_SHIFT) << 10 | (u32)(start >> PAGE_SHIFT);
}

static unsigned int word_start(u32 word)
{
	return word & 0x3ff;
}

static unsigned int word_end(u32 word)
{
	return word >> 10 & 0x3ff;
}

/* The first area that ends above @page, in one version. */
static u32 version_find(const u32 *version, unsigned int page)
{
	while (page < PAGES && !version[page])
		page++;
	return page < PAGES ? version[page] : 0;
}

static u32 version_before(const u32 *version, unsigned int page)
{
	while (page-- > 0)
		if (version[page])
			return version[page];
	return 0;
}

static bool right_in_version(const struct lookup *l, const u32 *version)
{
	u32 word = version_find(version, l->page);
	unsigned int i;

	switch (l->kind) {
	case FIND:
		return l->got[0] == word;
	case FIND_PREV:
		return l->got[0] == word &&
		       l->got[1] ==
			       version_before(version, word ? word_start(word) : PAGES);
	case FIND_INTERSECTION:
		return l->got[0] == (word && word_start(word) < l->to_page ? word : 0);
	default:
		for (i = 0; i < l->n && l->got[i] == word && word; i++)
			word = version_find(version, word_end(word));
		return i == l->n && (l->n == MAX_AREAS || !word);
	}
}

static void say_wrong(const struct lookup *l)
{
	fprintf(stderr,
		"wrong in every version of %lu..%lu: kind %d, pages %u..%u:", l->from,
		l->to, l->kind, l->page, l->to_page);
	for (unsigned int i = 0; i < l->n; i++)
		fprintf(stderr, " %#x", l->got[i]);
	fprintf(stderr, "; at %lu: %#x\n", l->from,
		version_find(history[l->from % HISTORY], l->page));
}

/* The versions it needs are done. */
static void check(struct task *t, const struct lookup *l)
{
	bool right = false;

	for (unsigned long v = l->from; v <= l->to && !right; v++)
		right = right_in_version(l, history[v % HISTORY]);
	__atomic_store_n(&t->lookups, t->lookups + 1, __ATOMIC_RELAXED);
	t->concurrent += l->to != l->from;
	if (!right && !t->wrong++)
		say_wrong(l);
}

/* --- lookups ----------------------------------------------------------------------- */

static void iterate(struct lookup *l)
{
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, mm, ADDR(l->page));
	l->n = 0;
	vma_for_each (vma, &it) {
		l->got[l->n++] = area_word(vma);
		if (l->n == MAX_AREAS)
			break;
	}
}

static void look_up(struct lookup *l, unsigned long *seed)
{
	unsigned long addr;
	struct vm_area_struct *prev;
	int token;

	l->kind = next_random(seed, NR_KINDS);
	l->page = next_random(seed, PAGES);
	l->to_page = l->page + 1 + next_random(seed, 8);
	l->n = l->kind == FIND_PREV ? 2 : 1;
	addr = ADDR(l->page) + next_random(seed, PAGE_SIZE);
	l->from = load(&done);
	token = mm_read_lock(mm);
	switch (l->kind) {
	case FIND:
		l->got[0] = area_word(find_vma(mm, addr));
		break;
	case FIND_PREV:
		l->got[0] = area_word(find_vma_prev(mm, addr, &prev));
		l->got[1] = area_word(prev);
		break;
	case FIND_INTERSECTION:
		l->got[0] = area_word(find_vma_intersection(mm, addr, ADDR(l->to_page)));
		break;
	default:
		iterate(l);
	}
	mm_read_unlock(mm, token);
	l->to = load(&begun);
}

static void interrupt(int sig)
{
	struct task *t = self;

	(void)sig;
	if (t->head - t->tail == BATCH)
		return;
	look_up(&t->interrupted[t->head % BATCH], &t->handler_seed);
	barrier();
	WRITE_ONCE(t->head, t->head + 1);
}

/* What the handler has found, and what the task itself may wait for. */
static void check_interrupted(struct task *t)
{
	while (READ_ONCE(t->head) != t->tail) {
		const struct lookup *l = &t->interrupted[t->tail % BATCH];

		while (load(&done) < l->to)
			sched_yield();
		check(t, l);
		t->in_handlers++;
		barrier();
		WRITE_ONCE(t->tail, t->tail + 1);
	}
}

static void interrupts_start(timer_t *timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIGUSR1 };
	const struct itimerspec spec = { { 0, INTERRUPT }, { 0, INTERRUPT } };

	event._sigev_un._tid = gettid();
	assert(!timer_create(CLOCK_MONOTONIC, &event, timer));
	assert(!timer_settime(*timer, 0, &spec, NULL));
}

/* No handler runs in this task any more, and all it found has been checked. */
static void interrupts_stop(timer_t timer)
{
	sigset_t set;

	timer_delete(timer);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	check_interrupted(self);
}

static void *reader(void *arg)
{
	struct task *t = arg;
	timer_t timer;

	self = t;
	interrupts_start(&timer);
	while (!stopped()) {
		unsigned long now = load(&done);

		check_interrupted(t);
		/* Lookups queued from here on begin at @now or later. */
		__atomic_store_n(&t->needs, now, __ATOMIC_SEQ_CST);
		for (int i = 0; i < BATCH; i++)
			look_up(&t->batch[i], &t->seed);
		while (load(&done) < t->batch[BATCH - 1].to)
			sched_yield();
		for (int i = 0; i < BATCH; i++)
			check(t, &t->batch[i]);
	}
	interrupts_stop(timer);
	__atomic_store_n(&t->needs, ~0UL, __ATOMIC_SEQ_CST);
	return NULL;
}

/* --- one that stays ---------------------------------------------------------------- */

static unsigned int snapshot(struct vma_iter it, u32 *words)
{
	struct vm_area_struct *vma;
	unsigned int n = 0;

	vma_for_each (vma, &it) {
		assert(n < PAGES);
		words[n++] = area_word(vma);
	}
	return n;
}

static void *sitter(void *arg)
{
	static u32 first[PAGES], again[PAGES];
	unsigned long seed = (unsigned long)arg;

	while (!stopped()) {
		int token = mm_read_lock(mm);
		unsigned long until = load(&done) + next_random(&seed, MAX_SIT);
		struct vma_iter it;
		unsigned int n;

		vma_iter_init(&it, mm, 0);
		n = snapshot(it, first);
		do {
			assert(snapshot(it, again) == n);
			assert(!memcmp(first, again, n * sizeof(*first)));
			sched_yield();
		} while (load(&done) < until && !stopped());
		mm_read_unlock(mm, token);
		__atomic_fetch_add(&sittings, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* --- writer ------------------------------------------------------------------------ */

struct change {
	enum {
		MAP,
		UNMAP,
		PROTECT,
		FORK_ADVICE,
		REMAP,
		NR_CHANGES
	} kind;
	unsigned int page, pages, to_page;
	unsigned long prot;
};

static void change_random(struct change *c, unsigned long *seed)
{
	const struct vm_area_struct *vma;

	c->kind = next_random(seed, NR_CHANGES);
	c->page = next_random(seed, PAGES);
	c->pages = 1 + next_random(seed, next_random(seed, 16) ? 4 : 64);
	c->pages = min(c->pages, PAGES - c->page);
	c->prot = next_random(seed, 3) ? PROT_READ | PROT_WRITE : PROT_READ;
	if (c->kind != REMAP)
		return;
	/* What the kernel lets move: a part of one area, elsewhere, not onto itself. */
	vma = find_vma(mm, ADDR(c->page));
	if (!vma || vma->vm_start > ADDR(c->page)) {
		c->kind = MAP;
		return;
	}
	c->pages = min(c->pages,
		       (unsigned int)((vma->vm_end - ADDR(c->page)) >> PAGE_SHIFT));
	c->to_page = next_random(seed, PAGES - c->pages + 1);
	if (c->to_page < c->page + c->pages && c->page < c->to_page + c->pages)
		c->kind = UNMAP;
}

static size_t change_prepare(const struct change *c)
{
	unsigned long len = c->pages * PAGE_SIZE;

	if (c->kind == REMAP)
		return mm_prepare_mremap(mm, ADDR(c->page), len, ADDR(c->to_page), len);
	return mm_prepare(mm, ADDR(c->page), len);
}

static void change_reserve(const struct change *c)
{
	size_t missing;

	while ((missing = change_prepare(c)) != 0) {
		void *chunk = aligned_alloc(PAGE_SIZE, missing);

		assert(chunk);
		arena_add(&mm->arena, chunk, missing);
	}
}

static void change_apply(const struct change *c)
{
	unsigned long addr = ADDR(c->page), len = c->pages * PAGE_SIZE;
	const struct mmap_call call = { .addr = addr,
					.len = len,
					.prot = c->prot,
					.flags =
						MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };

	switch (c->kind) {
	case MAP:
		mm_mmap(mm, &call);
		break;
	case UNMAP:
		mm_munmap(mm, addr, len);
		break;
	case PROTECT:
		mm_mprotect(mm, addr, len, c->prot, -1);
		break;
	case FORK_ADVICE:
		mm_madvise(mm, addr, len,
			   c->prot & PROT_WRITE ? MADV_DOFORK : MADV_DONTFORK);
		break;
	default:
		mm_mremap(mm, addr, len, ADDR(c->to_page), len,
			  MREMAP_MAYMOVE | MREMAP_FIXED);
	}
}

/* The writer's own view of [page, end), which nobody changes now. */
static void version_read(u32 *version, unsigned int page, unsigned int end)
{
	while (page < end) {
		u32 word = area_word(find_vma(mm, ADDR(page)));
		unsigned int next = word ? min(word_start(word), end) : end;

		for (; page < next; page++)
			version[page] = 0;
		for (; page < end && page < word_end(word); page++)
			version[page] = word;
	}
}

/* Areas that touch the changed range may have other ends now. */
static void version_update(u32 *version, unsigned int page, unsigned int pages)
{
	u32 left = page ? area_word(find_vma(mm, ADDR(page - 1))) : 0;
	u32 right = area_word(find_vma(mm, ADDR(page + pages)));
	unsigned int end = page + pages;

	if (left && word_start(left) < page)
		page = word_start(left);
	if (right && word_start(right) <= end)
		end = word_end(right);
	version_read(version, page, end);
}

static void version_check(const u32 *version)
{
	static u32 whole[PAGES];
	const char *broken = validate_mm(mm);

	if (broken)
		fprintf(stderr, "validate_mm: %s\n", broken);
	assert(!broken);
	version_read(whole, 0, PAGES);
	assert(!memcmp(whole, version, sizeof(whole)));
}

/* The entry of version @v - HISTORY is about to go. */
static void wait_for_readers(unsigned long v)
{
	for (int i = 0; i < READERS; i++)
		while (load(&tasks[i].needs) + HISTORY <= v + 1)
			sched_yield();
}

static void publish(const struct change *c)
{
	unsigned long v = done + 1;
	u32 *version = history[v % HISTORY];

	wait_for_readers(v);
	change_reserve(c);
	__atomic_store_n(&begun, v, __ATOMIC_SEQ_CST);
	change_apply(c);
	memcpy(version, history[done % HISTORY], sizeof(*history));
	version_update(version, c->page, c->pages);
	if (c->kind == REMAP)
		version_update(version, c->to_page, c->pages);
	if (!(v % CHECK_EVERY))
		version_check(version);
	__atomic_store_n(&done, v, __ATOMIC_SEQ_CST);
}

static unsigned long lookups_so_far(void)
{
	unsigned long n = 0;

	for (int i = 0; i < READERS; i++)
		n += __atomic_load_n(&tasks[i].lookups, __ATOMIC_RELAXED);
	return n;
}

static bool enough(time_t deadline)
{
	if (deadline)
		return time(NULL) >= deadline;
	return done >= CHANGES && lookups_so_far() >= LOOKUPS;
}

static void write_until_enough(unsigned long seed)
{
	const char *seconds = getenv("TORTURE_SECONDS");
	time_t deadline = seconds ? time(NULL) + atoi(seconds) : 0;
	struct change c = { .kind = MAP };
	timer_t timer;

	self = &tasks[READERS];
	interrupts_start(&timer);
	do {
		for (int i = 0; i < 100; i++) {
			change_random(&c, &seed);
			publish(&c);
			check_interrupted(self);
		}
	} while (!enough(deadline));
	interrupts_stop(timer);
}

/* --- main -------------------------------------------------------------------------- */

static void stale_pointer(int sig)
{
	static const char text[] = "torture_rcu: followed a pointer to freed memory\n";

	(void)sig;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

static void handlers(void)
{
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESTART };

	assert(!sigaction(SIGUSR1, &action, NULL));
	action.sa_handler = stale_pointer;
	assert(!sigaction(SIGSEGV, &action, NULL));
}

static unsigned long seed_or_random(void)
{
	const char *seed = getenv("SMM_SEED");

	return seed ? strtoul(seed, NULL, 0)
		    : (unsigned long)time(NULL) * 1000003 + (unsigned long)getpid();
}

static struct task total(void)
{
	struct task sum = { .lookups = 0 };

	for (int i = 0; i <= READERS; i++) {
		sum.lookups += tasks[i].lookups;
		sum.concurrent += tasks[i].concurrent;
		sum.in_handlers += tasks[i].in_handlers;
		sum.wrong += tasks[i].wrong;
	}
	return sum;
}

/* Nobody reads any more: two grace periods free whatever is deferred. */
static void nothing_left(void)
{
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	assert(!mm->rcu.nr_deferred);
	assert(mm->vma_cache.nr_active == mm->map_count);
}

int main(void)
{
	size_t size = 16UL << 20;
	unsigned long seed = seed_or_random();
	void *boot = aligned_alloc(PAGE_SIZE, size);
	pthread_t sitting;
	struct task sum;

	mm = calloc(1, sizeof(*mm));
	history = calloc(HISTORY, sizeof(*history));
	assert(mm && boot && history);
	printf("torture_rcu: SMM_SEED=%lu\n", seed);
	fflush(stdout);
	mm_init(mm, boot, size);
	mm->own_enabled = true;
	handlers();
	for (unsigned long i = 0; i <= READERS; i++)
		tasks[i].seed = (tasks[i].handler_seed = seed * 31 + i) * 17;
	for (int i = 0; i < READERS; i++)
		assert(!pthread_create(&tasks[i].thread, NULL, reader, &tasks[i]));
	assert(!pthread_create(&sitting, NULL, sitter, (void *)(seed ^ 1)));
	write_until_enough(seed);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++)
		pthread_join(tasks[i].thread, NULL);
	pthread_join(sitting, NULL);
	sum = total();
	printf("torture_rcu: %lu changes, %lu lookups, %lu of them while the map "
	       "changed, "
	       "%lu in signal handlers; %lu objects freed, %lu long sections; %lu "
	       "wrong\n",
	       done, sum.lookups, sum.concurrent, sum.in_handlers, freed, sittings,
	       sum.wrong);
	assert(!sum.wrong);
	nothing_left();
	return 0;
}
