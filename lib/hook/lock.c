// SPDX-License-Identifier: LGPL-2.1-or-later
/* mmap_lock and the model's memory. */
#include "lib/hook/state.h"
#include "lib/hook/patch.h"
#include "lib/sys/aside.h"
#include "lib/sys/sys.h"

void note_own_mapping(unsigned long addr, unsigned long len, unsigned long prot,
		      unsigned long flags)
{
	mm_mmap_ours(&smm.mm, addr, len, prot, flags, NULL);
}

/*
 * In proportion to what there is, so that the chunks, each an area of max_map_count, are
 * few: doubling at first, by a quarter when that is a lot. 20 chunks hold the model of a
 * million areas.
 */
#define DOUBLE_BELOW (8UL << 20)
static size_t arena_step(const struct arena *a)
{
	return a->total < DOUBLE_BELOW ? a->total : PAGE_ALIGN(a->total / 4);
}

/*
 * A chunk is never registered (TRACK_OURS), so the fault task finds its own memory. It is
 * inherited by fork like any memory, since the child's model is in it. Pages that no slab
 * took are not touched: they cost address space only.
 */
static long arena_map(size_t size)
{
	const unsigned long prot = PROT_READ | PROT_WRITE;
	const unsigned long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	long mem;

	/* A vfork child died while it changed the lists: the model ends here. */
	if (smm.mm.arena.busy)
		return -ENOTRECOVERABLE;
	mem = mmap_aside(size, prot, flags);
	if (IS_ERR_VALUE(mem))
		return mem;
	arena_add(&smm.mm.arena, (void *)mem, size);
	note_own_mapping((unsigned long)mem, size, prot, flags);
	/* So that it does not become one area with the program's memory. */
	if (!sys_madvise(mem, size, MADV_DONTDUMP))
		mm_madvise(&smm.mm, (unsigned long)mem, size, MADV_DONTDUMP);
	return 0;
}

/* Under RLIMIT_AS a step may be too much where the need is not. */
long arena_grow(size_t need)
{
	size_t step = arena_step(&smm.mm.arena);
	long ret = arena_map(max(need, step));

	return ret && need && need < step ? arena_map(need) : ret;
}

long model_reserve(unsigned long start, unsigned long len)
{
	struct mm_struct *mm = &smm.mm;
	bool any = start || len;
	size_t need;
	long ret;

	while ((need = any ? mm_prepare(mm, start, len) : mm_prepare_unmap(mm)) != 0) {
		ret = arena_grow(need);
		if (ret)
			return ret;
	}
	/* Early, while the program is not yet at max_map_count and there is room for
	 * another area; a failure only means to try again. */
	if (mm->arena.free < mm->arena.total / 8)
		arena_grow(0);
	return 0;
}

bool model_prepare(unsigned long start, unsigned long len)
{
	long ret;

	if (!smm.active || smm.mm.blind)
		return false;
	ret = model_reserve(start, len);
	if (ret) {
		/* While the model still knows them. */
		file_back(0, ~0UL & PAGE_MASK);
		smm.mm.blind = true;
		smm.mm.own_enabled = false;
		smm.engine.degraded = "no memory for the shadow";
		smm.engine.degraded_err = ret;
	}
	return !ret;
}

void mark_range(unsigned long start, unsigned long end, unsigned long what)
{
	if (smm.engine.opt.mark)
		sys_mincore(start, end - start, what);
}

void patch_note_mapping(unsigned long addr, unsigned long len, unsigned long prot)
{
	if (prot & PROT_EXEC)
		mark_range(addr, addr + len, MARK_RANGE);
	if (model_prepare(addr, len))
		note_own_mapping(addr, len, prot, MAP_PRIVATE | MAP_ANONYMOUS);
}

bool mmap_write_lock(unsigned long start, unsigned long len)
{
	if (!mutex_lock(&smm.mmap_lock)) {
		stat_inc(smm.stat.lock_stolen);
		model_resync();
	}
	/* Before the call; pairs with fault_begin() */
	smm.engine.seq_at_lock = fault_seq_sum(&smm.engine);
	return model_prepare(start, len);
}

void mmap_write_unlock(void)
{
	bool lost = smm.mm.blind && READ_ONCE(smm.engine.state) == ENGINE_READY;

	file_tidy();
	mutex_unlock(&smm.mmap_lock);
	/* A fault that asks a model which is no longer kept would get a wrong answer:
	 * hand everything back to the kernel. */
	if (lost && engine_is_ours()) {
		life_lock();
		engine_stop();
		life_unlock();
	}
}
