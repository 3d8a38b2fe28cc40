// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/preload/file_random.h"

#include <setjmp.h>
#include <signal.h>

static unsigned char copies[ARENA_PAGES][PAGE];
static const unsigned char no_bytes[PAGE];

void *at(size_t i)
{
	return (void *)(ARENA + i * PAGE);
}

const unsigned char *bytes_of(size_t i)
{
	const struct page *p = &test.page[i];

	if (p->copied)
		return copies[i];
	return p->object == ANON ? no_bytes : objects[p->object].bytes + p->pgoff * PAGE;
}

bool inside_file(const struct page *p)
{
	return p->object == ANON || p->copied ||
	       p->pgoff * PAGE < objects[p->object].size;
}

bool readable(size_t i)
{
	const struct page *p = &test.page[i];

	return p->id && p->prot & PROT_READ && inside_file(p);
}

/* The part of a shared page beyond the end of its file is nobody's. */
bool writable(size_t i)
{
	const struct page *p = &test.page[i];

	return p->id && p->prot & PROT_WRITE && inside_file(p) &&
	       (!p->shared || (p->pgoff + 1) * PAGE <= objects[p->object].size);
}

size_t run_of(size_t i, size_t max, bool (*like)(size_t i))
{
	size_t n = 0;

	while (n < max && i + n < ARENA_PAGES && like(i + n))
		n++;
	return n;
}

size_t same_area(size_t i, size_t max)
{
	size_t n = 0;

	while (n < max && i + n < ARENA_PAGES && test.page[i].id &&
	       test.page[i + n].id == test.page[i].id)
		n++;
	return n;
}

void model_copy(size_t i)
{
	struct page *p = &test.page[i];

	if (p->copied || p->shared)
		return;
	memcpy(copies[i], bytes_of(i), PAGE);
	p->copied = true;
}

void model_store(size_t i, size_t offset, const void *bytes, size_t len)
{
	struct page *p = &test.page[i];
	struct object *o;

	model_copy(i);
	if (!p->shared) {
		memcpy(copies[i] + offset, bytes, len);
		return;
	}
	o = &objects[p->object];
	memcpy(o->bytes + p->pgoff * PAGE + offset, bytes, len);
	if (o->dirty < p->pgoff * PAGE + offset + len)
		o->dirty = p->pgoff * PAGE + offset + len;
}

void forget_pages(size_t i, size_t n)
{
	memset(&test.page[i], 0, n * sizeof(test.page[i]));
}

void new_ids(size_t i, size_t n)
{
	uint32_t before = 0;

	for (size_t end = i + n; i < end; i++) {
		if (!test.page[i].id)
			continue;
		if (test.page[i].id != before)
			test.last_id++;
		before = test.page[i].id;
		test.page[i].id = test.last_id;
	}
}

void move_pages(size_t from, size_t to, size_t n)
{
	memcpy(&test.page[to], &test.page[from], n * sizeof(test.page[to]));
	for (size_t k = 0; k < n; k++)
		if (test.page[from + k].copied)
			memcpy(copies[to + k], copies[from + k], PAGE);
	new_ids(to, n);
}

/* --- the memory -------------------------------------------------------------------- */

static sigjmp_buf escape;
static volatile sig_atomic_t fault_signal, fault_code;
static void *volatile fault_address;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = sig;
	fault_code = info->si_code;
	fault_address = info->si_addr;
	siglongjmp(escape, 1);
}

static void catch_faults(void)
{
	/* Not blocked meanwhile, so that the jump need not restore the mask. */
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_NODEFER };

	WANT(!sigaction(SIGSEGV, &sa, NULL) && !sigaction(SIGBUS, &sa, NULL));
}

/* 0, or the signal and its code as one number. */
static int touch_byte(volatile unsigned char *p, bool write, unsigned char *value)
{
	static bool caught;

	if (!caught)
		catch_faults();
	caught = true;
	if (sigsetjmp(escape, 0)) {
		if (fault_address != p)
			wrong("fault at %p instead of %p", fault_address,
			      (const void *)p);
		return fault_signal * 16 + fault_code;
	}
	if (write)
		*p = *value;
	else
		*value = *p;
	return 0;
}

static int expected_fault(const struct page *p, bool write)
{
	if (!p->id)
		return SIGSEGV * 16 + SEGV_MAPERR;
	if (!(p->prot & (write ? PROT_WRITE : PROT_READ)))
		return SIGSEGV * 16 + SEGV_ACCERR;
	return inside_file(p) ? 0 : SIGBUS * 16 + BUS_ADRERR;
}

static _Noreturn void wrong_byte(size_t i)
{
	const unsigned char *want = bytes_of(i), *have = at(i);
	const struct page *p = &test.page[i];
	size_t k = 0;

	while (k < PAGE - 1 && want[k] == have[k])
		k++;
	wrong("page %zu byte %zu: %#x instead of %#x (object %d page %u%s%s)", i, k,
	      have[k], want[k], p->object, p->pgoff, p->shared ? " shared" : "",
	      p->copied ? " copied" : "");
}

static void expect_fault(size_t i, int fault, bool write)
{
	int want = expected_fault(&test.page[i], write);

	if (fault != want)
		wrong("page %zu, %s: signal %d code %d instead of %d %d", i,
		      write ? "write" : "read", fault / 16, fault % 16, want / 16,
		      want % 16);
	test.hash = (test.hash ^ (uint64_t)fault) * 0x100000001b3;
}

void check_page(size_t i)
{
	size_t offset = i * 67 % PAGE;
	unsigned char found = 0;
	int fault = touch_byte((unsigned char *)at(i) + offset, false, &found);

	expect_fault(i, fault, false);
	if (fault)
		return;
	if (found != bytes_of(i)[offset] || memcmp(at(i), bytes_of(i), PAGE))
		wrong_byte(i);
	test.hash = (test.hash ^ found) * 0x100000001b3;
}

void check_pages(size_t i, size_t n)
{
	for (; n && i < ARENA_PAGES; n--, i++)
		check_page(i);
}

void check_arena(void)
{
	for (size_t i = 0; i < ARENA_PAGES; i++)
		if (test.page[i].id || i % 16 == 0)
			check_page(i);
}

void write_page(size_t i)
{
	struct page *p = &test.page[i];
	size_t offset = pick(PAGE), len = pick(64) + 1, room = PAGE;
	unsigned char bytes[64];
	int fault;

	if (p->id && p->shared && inside_file(p) &&
	    objects[p->object].size - p->pgoff * PAGE < PAGE)
		room = objects[p->object].size - p->pgoff * PAGE;
	offset %= room;
	len = len < room - offset ? len : room - offset;
	random_bytes(bytes, len, next_random());
	fault = touch_byte((unsigned char *)at(i) + offset, true, bytes);
	expect_fault(i, fault, true);
	if (fault)
		return;
	memcpy((unsigned char *)at(i) + offset, bytes, len);
	model_store(i, offset, bytes, len);
}
