// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the model costs, compiled as in the library: lookups among n areas, and a mapping
 * that comes and goes.
 *
 * usage: bench_model find|rwlock|join|alone AREAS
 */
#include "bench.h"

#include <linux/mman.h>
#include <pthread.h>
#include <string.h>

#include "contest.h"
#include "lib/mm/mm.h"

#define BASE   0x100000000UL
#define STRIDE (8 * PAGE_SIZE)

static struct mm_struct *mm;
static unsigned long areas;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static struct mmap_call call_at(unsigned long addr)
{
	return (struct mmap_call){ .addr = addr,
				   .len = PAGE_SIZE,
				   .prot = PROT_READ | PROT_WRITE,
				   .flags = MAP_PRIVATE | MAP_ANONYMOUS };
}

static void make_model(void)
{
	size_t size = 64UL << 20;
	void *mem = aligned_alloc(PAGE_SIZE, size);

	mm = aligned_alloc(64, (sizeof(*mm) + 63) & ~63UL);
	if (!mm || !mem)
		abort();
	mm_init(mm, mem, size);
	mm->own_enabled = true;
	/* In an order that is neither ascending nor random to the tree. */
	for (unsigned long i = 0; i < areas; i++) {
		struct mmap_call c = call_at(BASE + (i * 7919 % areas) * STRIDE);

		mm_mmap(mm, &c);
	}
	if (mm->map_count != areas)
		abort();
}

/* --- lookups ----------------------------------------------------------------------- */

/* A lookup that does not look at the area would save a cache miss. */
static void expect(const struct vm_area_struct *vma, unsigned long addr)
{
	if (!vma || vma->vm_start != addr)
		abort();
}

static void find(unsigned long n)
{
	static unsigned long seed = 1;

	while (n--) {
		unsigned long addr = BASE + random_below(&seed, areas) * STRIDE;
		int token = mm_read_lock(mm);

		expect(find_vma(mm, addr), addr);
		mm_read_unlock(mm, token);
	}
}

static void find_rwlock(unsigned long n)
{
	static unsigned long seed = 1;

	while (n--) {
		unsigned long addr = BASE + random_below(&seed, areas) * STRIDE;

		pthread_rwlock_rdlock(&rwlock);
		expect(find_vma(mm, addr), addr);
		pthread_rwlock_unlock(&rwlock);
	}
}

/* --- changes ----------------------------------------------------------------------- */

static void map_and_unmap(unsigned long addr)
{
	struct mmap_call c = call_at(addr);

	if (mm_prepare_unmap(mm))
		abort();
	mm_mmap(mm, &c);
	if (mm_prepare_unmap(mm))
		abort();
	mm_munmap(mm, c.addr, c.len);
}

static void change_alone(void)
{
	map_and_unmap(BASE + areas / 2 * STRIDE + 3 * PAGE_SIZE);
}

/* It becomes part of the area before it, and is cut off again. */
static void change_join(void)
{
	map_and_unmap(BASE + areas / 2 * STRIDE + PAGE_SIZE);
}

static void change_rwlock(void)
{
	pthread_rwlock_wrlock(&rwlock);
	change_alone();
	pthread_rwlock_unlock(&rwlock);
}

int main(int argc, char **argv)
{
	const struct contest plain = { find, change_alone },
			     locked = { find_rwlock, change_rwlock },
			     join = { find, change_join };
	const char *what = argc == 3 ? argv[1] : "";

	areas = argc == 3 ? strtoul(argv[2], NULL, 0) : 1;
	make_model();
	if (!strcmp(what, "find"))
		contest_run(&plain);
	else if (!strcmp(what, "rwlock"))
		contest_run(&locked);
	else if (!strcmp(what, "alone"))
		contest_changes(&plain);
	else if (!strcmp(what, "join"))
		contest_changes(&join);
	else
		return 2;
	return 0;
}
