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

/* The pool counts against these, the program's own memory would not. */
static bool limited(void)
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

/* Like any memory that is moved from: writable, neither locked nor of huge pages. */
static long pool_map(unsigned long size)
{
	static const int advice[] = { MADV_DONTFORK, MADV_DONTDUMP, MADV_NOHUGEPAGE };
	long addr = mmap_aside(size, PROT_READ | PROT_WRITE, MAP_NORESERVE);

	if (IS_ERR_VALUE(addr) || !model_prepare((unsigned long)addr, size))
		return addr;
	note_own_mapping((unsigned long)addr, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
		if (model_prepare((unsigned long)addr, size) &&
		    !sys_madvise(addr, size, advice[i]))
			mm_madvise(&smm.mm, (unsigned long)addr, size, advice[i]);
	return addr;
}

void pool_provide(unsigned long bytes)
{
	struct engine *e = &smm.engine;
	unsigned long size;
	long addr;

	if (!wanted(e, bytes))
		return;
	size = e->opt.pool == POOL_AUTO ? POOL_AUTO_BYTES : PAGE_ALIGN(e->opt.pool);
	addr = limited() ? -ENOMEM : pool_map(size);
	smm.pool_refused = IS_ERR_VALUE(addr);
	if (smm.pool_refused)
		return;
	e->pool.keep = e->opt.pool != POOL_AUTO;
	e->pool.pages = size >> PAGE_SHIFT;
	WRITE_ONCE(e->pool.want, e->pool.keep ? e->pool.pages : 0);
	__atomic_store_n(&e->pool.base, (unsigned long)addr, __ATOMIC_SEQ_CST);
	if (e->pool.keep)
		engine_request(ENGINE_POOL_START, 0, 0, 0);
}

void pool_forget(void)
{
	smm.engine.pool = (struct zero_pool){ .base = 0 };
	smm.pool_refused = false;
}

static void unmap(unsigned long base, unsigned long size)
{
	if (base && model_prepare(base, size) && !sys_munmap(base, size))
		mm_munmap(&smm.mm, base, size);
}

void pool_unmap(void)
{
	unsigned long base = smm.engine.pool.base;
	unsigned long size = smm.engine.pool.pages << PAGE_SHIFT;

	pool_forget();
	unmap(base, size);
}

void pool_drop(void)
{
	struct zero_pool *p = &smm.engine.pool;

	if (!p->base || engine_request(ENGINE_POOL_STOP, 0, 0, 0))
		return;
	unmap(p->base, p->pages << PAGE_SHIFT);
	p->base = p->want = p->head = p->tail = 0;
	__atomic_store_n(&p->closed, 0, __ATOMIC_SEQ_CST);
}
