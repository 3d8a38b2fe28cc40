// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The area of the pool of zeroed pages (lib/base/pool.h). Mapped by a hook, because the
 * model must know it, and only for programs that use memory; filled by the engine.
 */
#include <asm/resource.h>

#include "lib/hook/state.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"
#include "lib/sys/uffd.h"

#define POOL_AUTO_BYTES (32UL << 20)
#define POOL_WORTH_IT	(2UL << 20) /* bytes asked for at once, or got so far */

bool memory_limited(void)
{
	unsigned long limit[2];

	return sys_getrlimit(RLIMIT_AS, limit) || limit[0] != RLIM_INFINITY ||
	       sys_getrlimit(RLIMIT_DATA, limit) || limit[0] != RLIM_INFINITY;
}

static bool wanted(const struct engine *e, unsigned long bytes)
{
	if (!e->opt.pool || e->pool.base || smm.pool_refused ||
	    !(e->uffd_features & UFFD_FEATURE_MOVE) || smm.mm.def_flags & VM_LOCKED)
		return false;
	return e->opt.pool != POOL_AUTO || bytes >= POOL_WORTH_IT ||
	       READ_ONCE(e->stat->pages_zeroed) << PAGE_SHIFT >= POOL_WORTH_IT;
}

static void advise(unsigned long addr, unsigned long size, int huge)
{
	const int advice[] = { MADV_DONTFORK, MADV_DONTDUMP, huge };

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
		if (model_prepare(addr, size) && !sys_madvise(addr, size, advice[i]))
			mm_madvise(&smm.mm, addr, size, advice[i]);
}

/* Like any memory that is moved from: writable, not locked. @huge: MADV_*HUGEPAGE */
static long pool_map(unsigned long size, int huge)
{
	long addr = mmap_aside(size, PROT_READ | PROT_WRITE, MAP_NORESERVE);

	if (IS_ERR_VALUE(addr) || !model_prepare((unsigned long)addr, size))
		return addr;
	note_own_mapping((unsigned long)addr, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	advise((unsigned long)addr, size, huge);
	return addr;
}

static void unmap(unsigned long base, unsigned long size)
{
	if (base && model_prepare(base, size) && !sys_munmap(base, size))
		mm_munmap(&smm.mm, base, size);
}

/* --- huge pages -------------------------------------------------------------------- */

#define TRIAL_BLOCKS 6 /* as many as huge_measure() moves */

static unsigned long first_block(unsigned long addr)
{
	return (addr + HUGE_SIZE - 1) & HUGE_MASK;
}

/* Where it is measured: an area like the program's, registered, and then advised. */
static void trial_map(struct huge_pool *h)
{
	const unsigned long size = (TRIAL_BLOCKS + 1) * HUGE_SIZE;
	long addr = mmap_aside(size, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	struct mmap_call c = { .len = size,
			       .prot = PROT_READ | PROT_WRITE,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

	if (IS_ERR_VALUE(addr) || !model_prepare(0, 0))
		return;
	c.addr = (unsigned long)addr;
	c.pgoff = c.addr >> PAGE_SHIFT;
	mm_mmap(&smm.mm, &c);
	if (model_prepare(c.addr, size))
		engine_request(ENGINE_REGISTER, c.addr, c.addr + size, 0);
	advise(c.addr, size, MADV_HUGEPAGE);
	h->trial_area = c.addr;
	h->trial_size = size;
	WRITE_ONCE(h->trial, first_block(c.addr));
}

static void huge_unmap(struct huge_pool *h)
{
	unmap(h->area, h->size);
	WRITE_ONCE(h->base, 0);
	h->area = h->head = h->tail = h->want = 0;
}

static void trial_unmap(struct huge_pool *h)
{
	unmap(h->trial_area, h->trial_size);
	WRITE_ONCE(h->trial, 0);
	h->trial_area = 0;
}

/* What was mapped for a choice that has been made since. */
static void trial_done(struct huge_pool *h)
{
	/* Pairs with choose(). */
	u32 choice = __atomic_load_n(&h->choice, __ATOMIC_ACQUIRE);

	if (choice == POOL_PAGES_AUTO)
		return;
	if (h->trial_area)
		trial_unmap(h);
	if (choice == POOL_PAGES_4K && h->area)
		huge_unmap(h);
}

/* Behind the pool's other part, and as large. */
static void huge_map(struct engine *e)
{
	struct huge_pool *h = &e->pool.huge;
	unsigned long blocks = max(e->pool.pages / HUGE_PAGES, 1UL);
	unsigned long size = (blocks + 2) * HUGE_SIZE; /* the spare one, and alignment */
	long addr = pool_map(size, MADV_HUGEPAGE);

	if (IS_ERR_VALUE(addr))
		return;
	if (e->opt.pool_pages == POOL_PAGES_HUGE && h->choice == POOL_PAGES_AUTO) {
		h->choice = POOL_PAGES_HUGE;
		h->why = "as asked";
	}
	h->area = (unsigned long)addr;
	h->size = size;
	h->blocks = blocks;
	h->keep = e->opt.pool != POOL_AUTO && e->opt.pool_pages == POOL_PAGES_HUGE;
	WRITE_ONCE(h->want, h->keep ? blocks : 0);
	__atomic_store_n(&h->base, first_block(h->area), __ATOMIC_SEQ_CST);
	if (h->choice == POOL_PAGES_AUTO)
		trial_map(h);
	engine_request(ENGINE_POOL_START, 0, 0, 0);
}

/*
 * Where every area may have huge pages there is something to choose, once the program is
 * known to use the pool.
 *
 * What the program has asked huge pages for is the kernel's business, unless the user
 * wants it otherwise: at a write the kernel zeroes one before it asks us, and throws it
 * away (do_huge_pmd_anonymous_page()). Only those that we bring in ahead gain.
 */
static bool huge_would_come(const struct engine *e, bool advised)
{
	const struct huge_pool *h = &e->pool.huge;

	if (e->opt.pool_pages == POOL_PAGES_HUGE)
		return h->mode == THP_ALWAYS || (h->mode == THP_ADVISED && advised);
	return h->mode == THP_ALWAYS && (h->choice || READ_ONCE(e->pool.started));
}

/* @advised: the program has asked for huge pages. */
static void huge_provide(struct engine *e, bool advised)
{
	struct huge_pool *h = &e->pool.huge;

	if (h->area)
		trial_done(h);
	else if (e->pool.base && e->opt.pool_pages != POOL_PAGES_4K &&
		 h->choice != POOL_PAGES_4K && huge_would_come(e, advised))
		huge_map(e);
}

bool pool_takes_huge(unsigned long bytes)
{
	struct engine *e = &smm.engine;

	if (e->opt.pool_pages != POOL_PAGES_HUGE || !smm.mm.own_enabled || smm.mm.blind)
		return false;
	pool_provide(bytes);
	huge_provide(e, true);
	return READ_ONCE(smm.mm.thp) != THP_NEVER;
}

/* --- both -------------------------------------------------------------------------- */

static void pool_begin(struct engine *e)
{
	unsigned long size;
	long addr;

	size = e->opt.pool == POOL_AUTO ? POOL_AUTO_BYTES : PAGE_ALIGN(e->opt.pool);
	addr = memory_limited() ? -ENOMEM : pool_map(size, MADV_NOHUGEPAGE);
	smm.pool_refused = IS_ERR_VALUE(addr);
	if (smm.pool_refused)
		return;
	/* What the user wants held is of the pages that he wants. */
	e->pool.keep = e->opt.pool != POOL_AUTO && e->opt.pool_pages != POOL_PAGES_HUGE;
	e->pool.pages = size >> PAGE_SHIFT;
	WRITE_ONCE(e->pool.want, e->pool.keep ? e->pool.pages : 0);
	__atomic_store_n(&e->pool.base, (unsigned long)addr, __ATOMIC_SEQ_CST);
	if (e->pool.keep)
		engine_request(ENGINE_POOL_START, 0, 0, 0);
}

void pool_provide(unsigned long bytes)
{
	struct engine *e = &smm.engine;

	if (wanted(e, bytes))
		pool_begin(e);
	huge_provide(e, false);
}

void pool_forget(void)
{
	struct zero_pool *p = &smm.engine.pool;

	/* What was found out about the machine holds for a child, too. */
	*p = (struct zero_pool){ .huge = { .choice = p->huge.choice,
					   .why = p->huge.why,
					   .huge_ns = p->huge.huge_ns,
					   .small_ns = p->huge.small_ns } };
	WRITE_ONCE(smm.mm.thp, THP_NEVER);
	smm.pool_refused = false;
}

void pool_unmap(void)
{
	unsigned long base = smm.engine.pool.base;
	unsigned long size = smm.engine.pool.pages << PAGE_SHIFT;

	huge_unmap(&smm.engine.pool.huge);
	trial_unmap(&smm.engine.pool.huge);
	pool_forget();
	unmap(base, size);
}

void pool_drop(void)
{
	struct zero_pool *p = &smm.engine.pool;

	if (!p->base || engine_request(ENGINE_POOL_STOP, 0, 0, 0))
		return;
	WRITE_ONCE(smm.mm.thp, THP_NEVER);
	huge_unmap(&p->huge);
	trial_unmap(&p->huge);
	unmap(p->base, p->pages << PAGE_SHIFT);
	p->base = p->want = p->head = p->tail = 0;
	__atomic_store_n(&p->closed, 0, __ATOMIC_SEQ_CST);
}
