// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers against one writer, for ThreadSanitizer and AddressSanitizer: readers find and
 * walk areas while the writer maps, splits, merges and unmaps them. Every call leaves the
 * number of mapped pages as it was, so a reader that counts another number has seen half
 * a call.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/mm/mm.h"
#include "tests/model/mman.h"

#define READERS 3
#define CHANGES 20000UL
#define AREAS	300UL
#define BASE	0x100000000UL
#define ADDR(i) (BASE + (i)*4 * PAGE_SIZE)

static struct mm_struct *mm;
static bool stop;

static unsigned long next_random(unsigned long *state)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return *state >> 33;
}

/* One snapshot: ascending, not overlapping, each area whole. */
static unsigned long walk(void)
{
	unsigned long n = 0, end = 0, pages = 0;
	struct vm_area_struct *vma;
	struct vma_iter it;

	vma_iter_init(&it, mm, 0);
	vma_for_each (vma, &it) {
		assert(vma->vm_start >= end && vma->vm_end > vma->vm_start);
		end = vma->vm_end;
		pages += (vma->vm_end - vma->vm_start) / PAGE_SIZE;
		n++;
	}
	/* Every change keeps each slot's three pages: two halves or a whole. */
	assert(pages == 3 * AREAS);
	return n;
}

static void *reader(void *arg)
{
	unsigned long seed = (unsigned long)arg, n = 0;
	struct fault_plan plan;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int token = mm_read_lock(mm);
		unsigned long addr = ADDR(next_random(&seed) % AREAS) + PAGE_SIZE;
		struct vm_area_struct *vma = find_vma(mm, addr);

		assert(vma && vma->vm_start <= addr && addr < vma->vm_end);
		if (handle_mm_fault(mm, addr, true, 16, NULL, &plan) == FAULT_ZERO) {
			assert(plan.start <= addr && addr < plan.end);
			__atomic_fetch_add(&plan.stat->faults, 1, __ATOMIC_RELAXED);
		}
		if (!(n++ % 64))
			walk();
		mm_read_unlock(mm, token);
	}
	return NULL;
}

static void need(unsigned long start, unsigned long len)
{
	size_t missing = mm_prepare(mm, start, len);

	if (missing) {
		void *chunk = aligned_alloc(PAGE_SIZE, missing);

		assert(chunk);
		arena_add(&mm->arena, chunk, missing);
		assert(!mm_prepare(mm, start, len));
	}
}

static void change(unsigned long i, unsigned long how)
{
	struct mmap_call c = { .addr = ADDR(i),
			       .len = 3 * PAGE_SIZE,
			       .prot = PROT_READ | PROT_WRITE,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };

	need(c.addr, c.len);
	switch (how % 5) {
	case 0:
		mm_mmap(mm, &c);
		mm_set_uffd(mm, c.addr, c.addr + c.len, true);
		break;
	case 1:
		mm_mprotect(mm, c.addr + PAGE_SIZE, PAGE_SIZE, PROT_READ, -1);
		break;
	case 2:
		mm_mprotect(mm, c.addr, c.len, PROT_READ | PROT_WRITE, -1);
		break;
	case 3:
		c.prot = PROT_READ;
		mm_mmap(mm, &c);
		break;
	case 4:
		mm_madvise(mm, c.addr, PAGE_SIZE, how & 8 ? MADV_DONTFORK : MADV_DOFORK);
		break;
	}
}

int main(void)
{
	size_t size = 16UL << 20;
	pthread_t threads[READERS];
	unsigned long seed = 42;
	void *boot = aligned_alloc(PAGE_SIZE, size);

	mm = calloc(1, sizeof(*mm));
	assert(mm && boot);
	mm_init(mm, boot, size);
	mm->own_enabled = true;
	for (unsigned long i = 0; i < AREAS; i++)
		change(i, 0);
	for (unsigned long i = 0; i < READERS; i++)
		assert(!pthread_create(&threads[i], NULL, reader, (void *)(i + 1)));
	for (unsigned long i = 0; i < CHANGES; i++)
		change(next_random(&seed) % AREAS, next_random(&seed));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert(!validate_mm(mm));
	/* What was deferred during a grace period takes another one. */
	rcu_reap(&mm->rcu);
	rcu_reap(&mm->rcu);
	assert(!mm->rcu.nr_deferred);
	assert(mm->vma_cache.nr_active == mm->map_count);
	printf("stress_rcu: %lu changes, %lu areas, arena %zu KiB\n", CHANGES,
	       mm->map_count, mm->arena.total >> 10);
	return 0;
}
