// SPDX-License-Identifier: LGPL-2.1-or-later
/* The windows that fault_around() chooses for faults in some order. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/fault_around.h"

#define BASE  0x100000000UL
#define AREA  (1UL << 30)
#define PAGES (AREA / PAGE_SIZE)

static struct fault_streams streams;
static struct vma_stat stat;
static struct vm_area_struct vma;
static unsigned char *there; /* pages installed */
static unsigned long touched, installed, faults;

static void setup(void)
{
	memset(&streams, 0, sizeof(streams));
	stat = (struct vma_stat){ .refs = 1 };
	vma = (struct vm_area_struct){ .vm_start = BASE,
				       .vm_end = BASE + AREA,
				       .stat = &stat };
	there = calloc(PAGES, 1);
	touched = installed = faults = 0;
}

static void teardown(void)
{
	free(there);
}

TestSuite(around, .init = setup, .fini = teardown, .timeout = 20);

static void install(unsigned long start, unsigned long end)
{
	cr_assert(start >= vma.vm_start && end <= vma.vm_end && start < end);
	for (unsigned long p = start; p < end; p += PAGE_SIZE) {
		unsigned long i = (p - BASE) / PAGE_SIZE;

		installed += !there[i];
		there[i] = 1;
	}
}

static struct fault_plan plan;

static void fault(unsigned long page)
{
	unsigned long addr = BASE + page * PAGE_SIZE;

	fault_around(&streams, &vma, addr, &plan);
	cr_assert(plan.start <= addr && addr < plan.end);
	install(plan.start, plan.end);
	for (unsigned int i = 1; i <= plan.count; i++)
		install(addr + i * plan.stride, addr + i * plan.stride + PAGE_SIZE);
	faults++;
}

static void touch(unsigned long page)
{
	touched++;
	if (!there[page])
		fault(page);
}

static void expect_waste_below(unsigned long percent)
{
	cr_expect(installed * 100 <= touched * (100 + percent) + 100 * FAULT_AROUND_FIRST,
		  "%lu pages touched, %lu installed", touched, installed);
}

Test(around, forwards)
{
	for (unsigned long i = 0; i < 65536; i++) {
		touch(i);
		cr_assert(installed <= touched + max(touched / 4 + 1,
						     (unsigned long)FAULT_AROUND_FIRST));
	}
	cr_expect_lt(faults, 160);
	cr_expect_eq(plan.end - plan.start, FAULT_AROUND_MAX * PAGE_SIZE);
}

/* Two threads take turns; the event of the second was raised before the window that the
 * first got had come so far. */
Test(around, two_threads_in_turns)
{
	for (unsigned long i = 0; i < 65536; i += 2) {
		bool missing = !there[i];

		touch(i);
		touch(i + 1);
		if (!missing)
			continue;
		fault_around(&streams, &vma, BASE + (i + 1) * PAGE_SIZE, &plan);
		cr_assert(there[i + 1]);
		fault_around_undo(&streams, &plan);
	}
	cr_expect_lt(faults, 160, "%lu faults", faults);
	expect_waste_below(25);
}

Test(around, two_threads_the_second_comes_first)
{
	for (unsigned long i = 0; i < 65536; i += 2) {
		touch(i + 1);
		touch(i);
	}
	cr_expect_lt(faults, 160, "%lu faults", faults);
	expect_waste_below(25);
}

/* install() checks that the plan is inside. */
Test(around, a_stream_behind_the_start_of_the_area)
{
	for (unsigned long i = 0; i < 1024; i++)
		touch(i);
	vma.vm_start = streams.s[0].end + 2 * PAGE_SIZE;
	touch((vma.vm_start - BASE) / PAGE_SIZE + 1);
}

Test(around, an_undone_fault_has_left_no_trace)
{
	struct fault_streams before;
	unsigned int misses;

	srand(1);
	for (int i = 0; i < 2000; i++) {
		unsigned long page = (unsigned long)rand() % (i % 2 ? 4096 : PAGES);

		before = streams;
		misses = stat.misses;
		fault_around(&streams, &vma, BASE + page * PAGE_SIZE, &plan);
		fault_around_undo(&streams, &plan);
		cr_assert(!memcmp(before.s, streams.s, sizeof(before.s)));
		cr_assert(stat.misses == misses);
		fault(page);
	}
}

/* Another task has asked meanwhile, or no stream was asked at all. */
Test(around, only_the_last_fault_is_undone)
{
	struct fault_streams before;
	struct fault_plan first, none = { .turn = 0 };

	touch(0);
	fault_around_undo(&streams, &none);
	fault_around(&streams, &vma, BASE + 2048 * PAGE_SIZE, &first);
	fault_around(&streams, &vma, BASE + 1024 * PAGE_SIZE, &plan);
	before = streams;
	fault_around_undo(&streams, &first);
	fault_around_undo(&streams, &none);
	cr_expect(!memcmp(&before, &streams, sizeof(before)));
	fault_around_undo(&streams, &plan);
	cr_expect(memcmp(&before, &streams, sizeof(before)));
}

Test(around, backwards)
{
	for (unsigned long i = 65536; i--;)
		touch(i);
	cr_expect_lt(faults, 160);
	expect_waste_below(26);
}

Test(around, strided)
{
	for (unsigned long i = 0; i < PAGES; i += 37)
		touch(i);
	cr_expect_lt(faults, touched / 10);
	expect_waste_below(26);
}

Test(around, strided_backwards)
{
	for (unsigned long i = PAGES - 1; i >= 100; i -= 100)
		touch(i);
	cr_expect_lt(faults, touched / 10);
	expect_waste_below(26);
}

Test(around, at_random)
{
	unsigned long x = 88172645463325252UL;

	for (int i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		touch(x % PAGES);
	}
	expect_waste_below(2);
	cr_expect_eq(plan.end - plan.start, PAGE_SIZE);
}

Test(around, several_streams_at_once)
{
	for (unsigned long i = 0; i < 16384; i++)
		for (unsigned long s = 0; s < 8; s++)
			touch(s * (PAGES / 8) + i);
	cr_expect_lt(faults, 8 * 100);
	expect_waste_below(26);
}

/* Back and forth within a megabyte, as a heap is used: not one page after the other. */
Test(around, near_is_not_at_random)
{
	for (unsigned long i = 0; i < 8192; i++)
		touch(i ^ 96);
	cr_expect_lt(faults, 8192 / 10);
	expect_waste_below(26);
}

Test(around, order_after_disorder)
{
	for (unsigned long i = 0; i < 100; i++)
		touch(i * i * 7 % 5000);
	faults = 0;
	for (unsigned long i = 100000; i < 116384; i++)
		touch(i);
	cr_expect_lt(faults, 100);
}

Test(around, not_past_the_area)
{
	vma.vm_end = BASE + 100 * PAGE_SIZE;
	touch(30);
	cr_expect(plan.start == BASE + 30 * PAGE_SIZE &&
		  plan.end == BASE + 94 * PAGE_SIZE);
	touch(94);
	cr_expect_eq(plan.end, vma.vm_end);
	touch(29);
	cr_expect_eq(plan.start, BASE);
}

Test(around, a_stack_starts_small)
{
	vma.vm_flags = VM_NOHUGEPAGE;
	touch(1000);
	cr_expect_eq(plan.end - plan.start, 2 * PAGE_SIZE);
}

Test(around, an_area_without_counters)
{
	vma.stat = NULL;
	for (unsigned long i = 0; i < 4096; i++)
		touch(i);
	cr_expect_lt(faults, 60);
}

/* --- huge pages -------------------------------------------------------------------- */

static void cut_fault(unsigned long page)
{
	unsigned long addr = BASE + page * PAGE_SIZE;

	fault_around(&streams, &vma, addr, &plan);
	fault_around_clamp(&streams, &plan, addr, addr & HUGE_MASK);
	cr_assert(plan.start <= addr && addr < plan.end && !plan.count);
	cr_assert((plan.start & HUGE_MASK) == ((plan.end - 1) & HUGE_MASK));
	install(plan.start, plan.end);
	faults++;
}

/* Windows that end where a huge page fits are no less a stream. */
Test(around, cut_at_huge_pages)
{
	for (unsigned long p = 500; p < 20000; p++)
		if (!there[p])
			cut_fault(p);
	cr_expect_eq(stat.misses, 0);
	cr_expect(faults < 60, "%lu", faults);
	cr_expect_eq(installed, 20480 - 500, "%lu", installed);
}

Test(around, cut_backwards_and_strided)
{
	for (unsigned long p = 20000; p-- > 10000;)
		if (!there[p])
			cut_fault(p);
	for (unsigned long p = 30000; p < 60000; p += 300)
		if (!there[p])
			cut_fault(p);
	cr_expect(faults < 400, "%lu", faults);
}

Test(around, a_huge_page_instead)
{
	fault(512 * 3 + 100);
	plan.huge_start = BASE + 512 * 3 * PAGE_SIZE;
	fault_around_huge(&streams, &plan, HUGE_SIZE);
	fault(512 * 4);
	cr_expect_eq(stat.misses, 0);
	cr_expect_eq(streams.ahead, 512 / 4);
}
