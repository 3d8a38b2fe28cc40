// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/stress/fork_torture.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN	    0x9e3779b97f4a7c15UL
#define PLACE	    0xd1342543de82ef95UL
#define SERIAL_BITS 22
#define HISTORY	    24

struct arena *arena;
int memory;
struct process *me;

/* splitmix64 */
uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += GOLDEN;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
	return z ^ (z >> 31);
}

unsigned int pick(unsigned int n)
{
	return (unsigned int)(next_random(&me->rng) % n);
}

/* --- contents ----------------------------------------------------------------------- */

uint64_t word_of(uint32_t stamp, size_t word)
{
	return stamp ? stamp * GOLDEN + word * PLACE : 0;
}

/* The stamp that @value has at @word; 0 if it is none. */
static uint64_t stamp_of(uint64_t value, size_t word)
{
	uint64_t inverse = GOLDEN, stamp;

	for (int i = 0; i < 6; i++)
		inverse *= 2 - GOLDEN * inverse;
	stamp = (value - word * PLACE) * inverse;
	return stamp >> 32 ? 0 : stamp;
}

static int writer_of(uint64_t stamp)
{
	return (int)(stamp >> SERIAL_BITS) - 1;
}

void content(uint64_t *to, uint32_t stamp, unsigned int page, unsigned int block,
	     unsigned int blocks)
{
	size_t word = page * PAGE_WORDS + block * (BLOCK / sizeof(*to));

	for (size_t i = 0; i < blocks * (BLOCK / sizeof(*to)); i++)
		to[i] = word_of(stamp, word + i);
}

bool writes_block(enum kind kind, unsigned int page, unsigned int block)
{
	return kind != COMMON ||
	       (int)((page * BLOCKS + block) % arena->with.processes) == index_of(me);
}

/* --- the report -------------------------------------------------------------------- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void vsay(const char *format, va_list args)
{
	size_t left = sizeof(arena->report) - arena->report_len;
	int n = vsnprintf(arena->report + arena->report_len, left, format, args);

	if (n > 0)
		arena->report_len += (size_t)n < left ? (size_t)n : left - 1;
}

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

const char *what_name(int what)
{
	static const char *const names[HOW_MANY] = {
		"store", "read",    "sequence", "check", "protect",  "discard",
		"unmap", "move",    "advise",	"break", "collapse", "spawn",
		"vfork", "threads", "refused",	"fork",	 "start",    "last check"
	};

	return names[what];
}

const char *kind_name(int kind)
{
	static const char *const names[AREAS] = { "plain",  "huge", "small",
						  "common", "heap", "static" };

	return names[kind];
}

void note(enum what what, enum kind kind, unsigned int page, unsigned int pages,
	  unsigned int block, unsigned int blocks, uint32_t stamp)
{
	struct entry *e = &me->log[me->logged++ % LOG];

	*e = (struct entry){ .op = me->op,
			     .stamp = stamp,
			     .page = (uint16_t)page,
			     .pages = (uint16_t)pages,
			     .what = (uint8_t)what,
			     .area = (uint8_t)kind,
			     .block = (uint8_t)block,
			     .blocks = (uint8_t)blocks };
}

static void say_entry(const struct process *p, const struct entry *e)
{
	say("    process %d op %u: %s", index_of(p), e->op, what_name(e->what));
	if (e->what == FORK)
		say(" of process %u\n", e->stamp);
	else if (e->stamp)
		say(" pages %u+%u blocks %u+%u stamp %#x\n", e->page, e->pages, e->block,
		    e->blocks, e->stamp);
	else
		say(" pages %u+%u\n", e->page, e->pages);
}

static bool concerns(const struct entry *e, enum kind kind, unsigned int page)
{
	return e->what == FORK || (e->area == kind && page >= e->page &&
				   page < (unsigned int)e->page + e->pages);
}

/* Of ancestors only what they did before the fork that leads here. Latest first. */
static void say_history(enum kind kind, unsigned int page)
{
	const struct process *p = me;
	uint32_t end = me->logged;
	int left = HISTORY;

	say("  history of the page, latest first:\n");
	for (;;) {
		for (uint32_t i = end; i-- > 0 && end - i <= LOG && left > 0;)
			if (concerns(&p->log[i % LOG], kind, page)) {
				say_entry(p, &p->log[i % LOG]);
				left--;
			}
		if (p->plan.parent < 0)
			return;
		end = p->log_at_fork;
		p = &arena->process[p->plan.parent];
	}
}

static void say_stamp(uint64_t stamp)
{
	if (!stamp)
		say("no stamp");
	else
		say("stamp %#lx of process %d", stamp, writer_of(stamp));
}

static bool first_to_fail(void)
{
	int none = 0;

	return atomic_compare_exchange_strong(&arena->failed, &none, 1);
}

static void say_who(void)
{
	say("process %d (pid %d, parent %d) op %u (%s): ", index_of(me), (int)getpid(),
	    me->plan.parent, me->op, what_name(atomic_load(&me->what)));
}

static _Noreturn void leave(void)
{
	atomic_store(&arena->failed, 2);
	_exit(1);
}

_Noreturn void fail(const char *format, ...)
{
	va_list args;

	if (!first_to_fail())
		_exit(1);
	say_who();
	va_start(args, format);
	vsay(format, args);
	va_end(args);
	say("\n");
	leave();
}

void stop_if_failed(void)
{
	if (atomic_load(&arena->failed))
		_exit(1);
}

static _Noreturn void wrong(enum kind kind, unsigned int page, size_t word,
			    uint64_t found)
{
	const struct area *a = &me->area[kind];
	size_t place = page * PAGE_WORDS + word;
	uint32_t stamp = a->page[page].stamp[word * sizeof(found) / BLOCK];

	if (!first_to_fail())
		_exit(1);
	say_who();
	say("wrong bytes at %#lx, %s page %u word %zu (block %zu), state %u\n",
	    a->start + place * sizeof(found), kind_name(kind), page, word,
	    word * sizeof(found) / BLOCK, a->page[page].state);
	say("  expected %#018lx, ", word_of(stamp, place));
	say_stamp(stamp);
	say("\n  found    %#018lx, ", found);
	say_stamp(found ? stamp_of(found, place) : 0);
	say("%s\n", found ? "" : " (zeros)");
	say_history(kind, page);
	leave();
}

/* --- checks ------------------------------------------------------------------------ */

/* Blocks of others change under us, but never into what nobody wrote. */
static bool may_be(enum kind kind, unsigned int page, size_t word, uint64_t found)
{
	unsigned int block = (unsigned int)(word * sizeof(found) / BLOCK);
	uint64_t owner = (page * BLOCKS + block) % arena->with.processes;
	uint64_t stamp;

	if (kind != COMMON || writes_block(kind, page, block))
		return false;
	stamp = stamp_of(found, page * PAGE_WORDS + word);
	return !found || (stamp && writer_of(stamp) == (int)owner);
}

static void check_page(enum kind kind, unsigned int page)
{
	const struct area *a = &me->area[kind];
	const struct page *p = &a->page[page];
	const volatile uint64_t *words = (void *)(a->start + page * PAGE);

	if (p->state & HOLE)
		return;
	for (size_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t found = words[i];

		if (found != word_of(p->stamp[i * sizeof(found) / BLOCK],
				     page * PAGE_WORDS + i) &&
		    !may_be(kind, page, i, found))
			wrong(kind, page, i, found);
	}
}

void check_pages(enum kind kind, unsigned int page, unsigned int pages)
{
	for (unsigned int i = page; i < page + pages; i++)
		check_page(kind, i);
}

void check_everything(void)
{
	for (int kind = 0; kind < AREAS; kind++)
		check_pages((enum kind)kind, 0, me->area[kind].pages);
}

/* --- fork --------------------------------------------------------------------------- */

static void inherit_page(struct page *to, const struct page *from)
{
	*to = *from;
	if (from->state & DONTFORK)
		to->state = HOLE;
	else if (from->state & WIPE)
		memset(to->stamp, 0, sizeof(to->stamp));
}

/* What only another process may write is not known; what the child itself may have been
 * written by nobody yet.
 */
void inherit(struct process *child)
{
	for (int kind = 0; kind < AREAS; kind++) {
		const struct area *from = &me->area[kind];
		struct area *to = &child->area[kind];

		to->start = from->start;
		to->pages = from->pages;
		for (unsigned int i = 0; i < from->pages; i++)
			inherit_page(&to->page[i], &from->page[i]);
	}
	for (unsigned int i = 0; i < child->area[COMMON].pages; i++)
		memset(child->area[COMMON].page[i].stamp, 0,
		       sizeof(child->area[COMMON].page[i].stamp));
	child->log_at_fork = me->logged;
	for (unsigned int i = 0; i < arena->with.hots; i++) {
		child->hot[i].start = me->hot[i].start;
		child->hot[i].at_fork = atomic_load(&me->hot[i].written);
	}
}
