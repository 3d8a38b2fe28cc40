// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * After a fork: write-protect what is shared. The service task does it between requests
 * and a while after the fork, because most children execute something else at once, and
 * because it takes as long as the fork itself (which copies the page tables). A page that
 * is written to before is copied by the kernel.
 *
 *	IDLE -> DUE, when the child may have executed -> REGISTER -> RUN -> IDLE
 *
 * The engine's lock rule: the task asks for mmap_lock but never waits for it, since its
 * holder may be waiting for this task. With the lock no hook is at work, so the areas are
 * as the model shows them and stay so.
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/cow.h"
#include "lib/fault/internal.h"
#include "lib/mm/page.h"
#include "lib/sys/mutex.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define MS	    1000000ULL
#define WAIT_MS	    20		/* after a fork; our start and an exec take 5 */
#define RETRY_US    500		/* somebody had mmap_lock */
#define SHARE	    8		/* of all time at most one part in so many, roughly */
#define CHUNK	    (2UL << 20) /* bytes: a whole page table, or a huge page */
#define WORTH_IT    (1UL << 20) /* bytes that are ours */
#define FIELD_STATE 3		/* of /proc/PID/stat, from 1 (proc(5)) */
#define FIELD_STACK 28		/* startstack */

static u64 now_ns(void)
{
	struct timespec now = { 0, 0 };

	sys_clock_gettime(1 /* CLOCK_MONOTONIC */, &now);
	return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static enum cow_wait wait_ns(struct timespec *wait, u64 ns)
{
	*wait = (struct timespec){ (long)(ns / 1000000000), (long)(ns % 1000000000) };
	return COW_LATER;
}

/* --- is it worth it? --------------------------------------------------------------- */

static const char *field_after(const char *s, int from, int to)
{
	for (; s && from < to; from++) {
		s = strchr(s, ' ');
		s = s ? s + 1 : NULL;
	}
	return s;
}

/* The child has gone, or its memory isn't a copy of ours any more. */
static bool child_left(const struct engine *e, int pid)
{
	unsigned long stack;
	char buf[512];
	const char *s;
	struct fmt f;
	long fd, n;

	fmt_init(&f, buf, sizeof(buf));
	fmt_printf(&f, "/proc/%d/stat", pid);
	fd = sys_open(buf, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return true;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = '\0';
	s = strrchr(buf, ')');
	s = field_after(s, FIELD_STATE - 1, FIELD_STATE);
	if (!s || *s == 'Z' || *s == 'X')
		return true;
	s = field_after(s, FIELD_STATE, FIELD_STACK);
	stack = s ? parse_ulong(&s, 10) : 0;
	/* 0: the child is another user's now; its stack is not for us to know. */
	return stack && stack != e->mm->start_stack;
}

/* Nobody of the children since p->first shares anything with us. */
static bool all_left(const struct engine *e, const struct cow_pass *p)
{
	const struct cow_state *c = &e->cow;

	if (p->forks - p->first > COW_CHILDREN)
		return false;
	for (u32 n = p->first; n != p->forks; n++) {
		int pid = READ_ONCE(c->child[n % COW_CHILDREN]);

		if (!pid || !child_left(e, pid))
			return false;
	}
	return true;
}

static enum cow_wait look(struct engine *e, struct cow_pass *p)
{
	p->state = COW_PASS_IDLE;
	if (all_left(e, p))
		stat_add(e->stat->cow_skipped, p->forks - p->first);
	else if (READ_ONCE(e->mm->own_enabled))
		p->state = COW_PASS_REGISTER;
	p->first = p->forks;
	return COW_MORE;
}

/* --- registration ------------------------------------------------------------------ */

/* Every area at once, so that neighbours stay one area. Caller holds mmap_lock. */
static bool register_all(struct engine *e)
{
	if (!e->mm->own_enabled || cow_bytes(e->mm) < WORTH_IT ||
	    e->reserve(0, ~0UL & PAGE_MASK))
		return false;
	e->mm->own_wp = true;
	register_range(e, 0, ~0UL & PAGE_MASK);
	return true;
}

/* False: everything is the kernel's, for the reason left in e->cow.why. */
static bool possible(struct engine *e)
{
	if (!(e->uffd_features & UFFD_FEATURE_PAGEFAULT_FLAG_WP))
		WRITE_ONCE(e->cow.why, "no write-protection by userfaultfd (Linux 5.7)");
	else if (e->cow.pagemap < 0)
		WRITE_ONCE(e->cow.pagemap, pagemap_open_self());
	if (e->cow.pagemap < 0 && !e->cow.why)
		WRITE_ONCE(e->cow.why, "/proc/self/pagemap cannot be read");
	return !e->cow.why;
}

static enum cow_wait start(struct engine *e, struct cow_pass *p, struct timespec *wait)
{
	bool begin;

	if (!possible(e) || !cow_find_robust(e, &p->robust)) {
		p->state = COW_PASS_IDLE;
		return COW_MORE;
	}
	if (!mutex_trylock(e->mmap_lock))
		return wait_ns(wait, RETRY_US * 1000);
	begin = register_all(e);
	mutex_unlock(e->mmap_lock);
	p->state = begin ? COW_PASS_RUN : COW_PASS_IDLE;
	p->at = 0;
	p->begun = now_ns();
	return COW_MORE;
}

/* --- protection -------------------------------------------------------------------- */

/* What is not to be protected looks as if it were protected already. */
static void leave_out(const struct cow_robust *r, unsigned long start, u64 *word, long n)
{
	const unsigned long end = start + ((unsigned long)max(n, 0L) << PAGE_SHIFT);

	for (unsigned int i = 0; i < r->nr; i++)
		if (r->page[i] >= start && r->page[i] < end)
			word[(r->page[i] - start) >> PAGE_SHIFT] |= PM_UFFD_WP;
}

/* Returns the pages that are present. */
static unsigned long protect_shared(struct engine *e, const struct cow_robust *robust,
				    unsigned long start, unsigned long end)
{
	u64 word[CHUNK / PAGE_SIZE];
	long n = pagemap_words(e->cow.pagemap, start, (end - start) >> PAGE_SHIFT, word);
	unsigned long present = 0;

	leave_out(robust, start, word, n);
	for (long i = 0, first; i < n; i++) {
		present += (word[i] & PM_PRESENT) != 0;
		for (first = i; i < n && pagemap_to_protect(word[i]); i++)
			present++;
		if (i > first &&
		    !uffd_protect(e->uffd, start + ((unsigned long)first << PAGE_SHIFT),
				  start + ((unsigned long)i << PAGE_SHIFT), UFFD_PROTECT))
			stat_add(e->stat->cow_protected, (unsigned long)(i - first));
	}
	return present;
}

/* The next piece after p->at. False: there is none. Caller holds mmap_lock. */
static bool protect_chunk(struct engine *e, struct cow_pass *p)
{
	const struct vm_area_struct *vma;
	unsigned long start, end;

	if (!e->mm->own_enabled || READ_ONCE(e->mm->blind))
		return false;
	vma = cow_next_area(e->mm, p->at);
	if (!vma)
		return false;
	start = max(p->at, vma->vm_start);
	end = min((start & ~(CHUNK - 1)) + CHUNK, vma->vm_end);
	if (!protect_shared(e, &p->robust, start, end) && end < vma->vm_end &&
	    pagemap_next_present(e->cow.pagemap, end, vma->vm_end, &end))
		end = vma->vm_end; /* an old kernel: do not read terabytes of nothing */
	p->at = end;
	return true;
}

/*
 * A robust mutex that was locked while the pass was under way: its page was written to,
 * so it was private or lifted at that moment; but pagemap may have been read before that
 * and the page protected after it.
 */
static void lift_robust(struct engine *e, struct cow_pass *p)
{
	if (!cow_find_robust(e, &p->robust) || !READ_ONCE(e->mm->own_enabled))
		return;
	for (unsigned int i = 0; i < p->robust.nr; i++)
		uffd_protect(e->uffd, p->robust.page[i], p->robust.page[i] + PAGE_SIZE,
			     UFFD_LIFT);
}

static enum cow_wait run(struct engine *e, struct cow_pass *p, struct timespec *wait)
{
	bool more;

	if (!mutex_trylock(e->mmap_lock))
		return wait_ns(wait, RETRY_US * 1000);
	more = protect_chunk(e, p);
	mutex_unlock(e->mmap_lock);
	if (more)
		return COW_MORE;
	lift_robust(e, p);
	stat_inc(e->stat->cow_passes);
	p->state = COW_PASS_IDLE;
	p->not_before = now_ns() + (SHARE - 1) * (now_ns() - p->begun);
	return COW_MORE;
}

/* --- from fork to fork ------------------------------------------------------------- */

static void notice_forks(struct engine *e, struct cow_pass *p)
{
	u32 forks = __atomic_load_n(&e->cow.forks, __ATOMIC_ACQUIRE);

	if (forks == p->forks)
		return;
	p->forks = forks;
	if (p->state == COW_PASS_DUE)
		return;
	/* What a pass under way has gone past may be shared again. */
	p->state = COW_PASS_DUE;
	p->due = max(now_ns() + WAIT_MS * MS, p->not_before);
}

enum cow_wait cow_pass(struct engine *e, struct cow_pass *p, struct timespec *wait)
{
	u64 now;

	notice_forks(e, p);
	switch (p->state) {
	case COW_PASS_IDLE:
		return COW_NEVER;
	case COW_PASS_DUE:
		now = now_ns();
		return now < p->due ? wait_ns(wait, p->due - now) : look(e, p);
	case COW_PASS_REGISTER:
		return start(e, p, wait);
	case COW_PASS_RUN:
		return run(e, p, wait);
	}
	return COW_NEVER;
}
