// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a thread that sleeps in a page fault was doing: /proc/PID/task/TID/syscall has its
 * stack pointer and program counter (proc(5)), the stack itself is read from our own
 * address space, which is the same.
 */
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/fault/sample.h"
#include "lib/sys/pagemap.h"
#include "lib/sys/sys.h"
#include "lib/sys/usermem.h"

/* Strides of writes must not fall into step with us: random gaps of that mean. */
static u32 next_gap(struct cow_sampling *s, u32 every)
{
	u32 x = s->random ? s->random : 2463534242;

	x ^= x << 13; /* Marsaglia, Xorshift RNGs, 2003 */
	x ^= x >> 17;
	x ^= x << 5;
	s->random = x;
	return 1 + x % (2 * every - 1);
}

bool __cow_sample_due(struct cow_sampling *s)
{
	u32 every = READ_ONCE(s->every);

	if (!every)
		return false;
	if (!s->gap || s->gap >= 2 * every)
		s->gap = next_gap(s, every);
	return --s->gap == 0;
}

void cow_sample_lost(struct cow_sampling *s, const char *why)
{
	WRITE_ONCE(s->why, why);
	stat_inc(s->lost);
}

/* --- the cow task ------------------------------------------------------------------ */

/* "running", "-1 SP PC" or "NR ARG1 ... ARG6 SP PC". */
static bool parse_syscall(const char *s, struct cow_sample *sample)
{
	unsigned long before = 0, last = 0;
	int words = 0;

	sample->nr = *s == '-' ? -1 : (int)parse_ulong(&s, 10);
	while ((s = strchr(s, ' ')) && s[1] == '0' && s[2] == 'x') {
		s += 3;
		before = last;
		last = parse_ulong(&s, 16);
		words++;
	}
	sample->sp = before;
	sample->pc = last;
	return words == (sample->nr < 0 ? 2 : 8);
}

/*
 * In the program's own process only: a task of another one that writes here (a vfork
 * child, process_vm_writev(2)) may have its stack elsewhere.
 */
static bool read_registers(struct engine *e, u32 tid, struct cow_sample *sample)
{
	char buf[256];
	struct fmt f;
	long fd, n;

	fmt_init(&f, buf, sizeof(buf));
	fmt_printf(&f, "/proc/%d/task/%u/syscall", e->owner, tid);
	fd = sys_open(buf, O_RDONLY | O_CLOEXEC, 0);
	n = fd;
	if (fd >= 0) {
		n = sys_read(fd, buf, sizeof(buf) - 1);
		sys_close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	if (n == -EPERM || n == -EACCES)
		cow_sample_lost(&e->sampling, "the kernel does not show where a thread "
					      "sleeps (kernel.yama.ptrace_scope, or "
					      "the program is not dumpable)");
	else if (n <= 0)
		cow_sample_lost(&e->sampling, "a thread that is not the program's");
	else if (parse_syscall(buf, sample))
		return true;
	else
		cow_sample_lost(&e->sampling, "a thread that did not sleep any more");
	return false;
}

/*
 * Bytes from @sp on that are in memory; where a page is missing we stop, so as to bring
 * none in. (If it goes after we have looked, a zero page comes: what the program would
 * see there as well.)
 */
static size_t stack_present(const struct engine *e, unsigned long sp)
{
	u64 word[COW_SAMPLE_STACK / PAGE_SIZE + 1];
	long n = pagemap_words(e->cow.pagemap, sp & PAGE_MASK, ARRAY_SIZE(word), word);
	unsigned long end = sp & PAGE_MASK;

	for (long i = 0; i < n && word[i] & PM_PRESENT; i++)
		end += PAGE_SIZE;
	return end > sp ? min(end - sp, (unsigned long)COW_SAMPLE_STACK) : 0;
}

struct cow_sample *cow_sample_begin(struct engine *e, const struct cow_window *w)
{
	struct cow_sampling *s = &e->sampling;
	struct cow_sample *sample = &s->sample[(s->taken + 1) % COW_SAMPLES];
	size_t len;

	__atomic_store_n(&sample->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* pairs with read_sample(), lib/ctl */
	if (!read_registers(e, w->tid, sample))
		return NULL;
	len = stack_present(e, sample->sp);
	if (!len || peek_user(sample->stack, sample->sp, len)) {
		cow_sample_lost(s, "a stack that is not in memory");
		return NULL;
	}
	sample->len = (u32)len;
	sample->tid = w->tid;
	sample->page = w->page;
	sample->every = max(READ_ONCE(s->every), 1U);
	return sample;
}

void cow_sample_end(struct cow_sampling *s, struct cow_sample *sample,
		    unsigned long pages)
{
	if (!sample)
		return;
	sample->pages = (u32)pages;
	__atomic_store_n(&sample->number, s->taken + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&s->taken, s->taken + 1, __ATOMIC_RELEASE);
}
