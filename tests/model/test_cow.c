// SPDX-License-Identifier: LGPL-2.1-or-later
/* The windows that copy_around() chooses for first writes in some order. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/cow.h"
#include "lib/mm/vma.h"

#define BASE  0x100000000UL
#define PAGES 65536UL

static struct cow_streams streams;
static struct vm_area_struct vma;
static unsigned char *own; /* pages that are not shared any more */
static unsigned long written, copied, faults;

static void setup(void)
{
	memset(&streams, 0, sizeof(streams));
	vma = (struct vm_area_struct){ .vm_start = BASE,
				       .vm_end = BASE + PAGES * PAGE_SIZE };
	own = calloc(PAGES, 1);
	written = copied = faults = 0;
}

static void teardown(void)
{
	free(own);
}

TestSuite(cow, .init = setup, .fini = teardown, .timeout = 20);

/* A write to each of these; the caller writes to no page twice. */
static void write_page(unsigned long page)
{
	unsigned long addr = BASE + page * PAGE_SIZE;
	struct cow_plan plan;

	written++;
	if (own[page])
		return;
	faults++;
	copy_around(&streams, &vma, addr, &plan);
	cr_assert(plan.start >= vma.vm_start && plan.end <= vma.vm_end);
	cr_assert(plan.start == addr || plan.end == addr + PAGE_SIZE);
	cr_assert(plan.end - plan.start <= COW_AROUND_MAX * PAGE_SIZE);
	for (unsigned long p = plan.start; p < plan.end; p += PAGE_SIZE) {
		copied += !own[(p - BASE) / PAGE_SIZE];
		own[(p - BASE) / PAGE_SIZE] = 1;
	}
}

/* C1 */
static void expect_little_waste(void)
{
	cr_assert(copied * 4 <= written * 5 + 4, "%lu written, %lu copied", written,
		  copied);
}

Test(cow, forwards)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		write_page(i);
		expect_little_waste();
	}
	cr_expect(faults < PAGES / 64 + 40, "%lu faults", faults);
}

Test(cow, backwards)
{
	for (unsigned long i = PAGES; i-- > 0;) {
		write_page(i);
		expect_little_waste();
	}
	cr_expect(faults < PAGES / 64 + 40, "%lu faults", faults);
}

Test(cow, past_private_pages)
{
	for (unsigned long i = 1000; i < PAGES; i += 2000)
		memset(own + i, 1, 40);
	for (unsigned long i = 0; i < PAGES; i++)
		write_page(i);
	cr_expect(faults < PAGES / 40, "%lu faults", faults);
}

Test(cow, strides_copy_what_they_write)
{
	for (unsigned long stride = 2; stride < 100; stride += stride / 2) {
		setup();
		for (unsigned long i = 0; i < PAGES; i += stride)
			write_page(i);
		cr_expect(copied * 4 <= written * 5,
			  "stride %lu: %lu written, %lu copied", stride, written, copied);
	}
}

Test(cow, random_writes_copy_what_they_write)
{
	unsigned int seed = 1;

	for (int i = 0; i < 20000; i++)
		write_page((unsigned long)rand_r(&seed) % PAGES);
	cr_expect(copied * 4 <= written * 5, "%lu written, %lu copied", written, copied);
}

Test(cow, several_streams_at_once)
{
	const unsigned long part = PAGES / 4;

	for (unsigned long i = 0; i < part; i++)
		for (unsigned long s = 0; s < 4; s++)
			write_page(s * part + i);
	cr_expect(faults < PAGES / 64 + 4 * 40, "%lu faults", faults);
}

Test(cow, never_past_the_area)
{
	vma.vm_start = BASE + 100 * PAGE_SIZE;
	vma.vm_end = BASE + 301 * PAGE_SIZE;
	for (unsigned long i = 150; i < 301; i++)
		write_page(i);
	for (unsigned long i = 150; i-- > 100;)
		write_page(i);
	cr_expect(copied == 201);
}
