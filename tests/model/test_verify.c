// SPDX-License-Identifier: LGPL-2.1-or-later
/* The shadow against drawn kernels: what is a guess, what a difference, what a repair. */
#include <criterion/criterion.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mm/mm.h"
#include "tests/model/map.h"
#include "tests/model/ops.h"

static struct mm_struct *mm;

static void setup(void)
{
	mm = map_new(2);
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(verify, .init = setup, .fini = teardown, .timeout = 30);

static char reports[1024];

static void note_report(void *priv, const char *what, const struct area_desc *shadow,
			const struct area_desc *kernel)
{
	(void)priv;
	(void)shadow;
	(void)kernel;
	cr_assert_lt(strlen(reports) + strlen(what) + 2, sizeof(reports));
	if (reports[0])
		strcat(reports, ", ");
	strcat(reports, what);
}

/* --- drawn kernels ----------------------------------------------------------------- */

static struct area_desc desc_of(char letter, unsigned int column, unsigned int pages)
{
	struct area_desc d = { .start = AT(column),
			       .end = AT(column + pages),
			       .name = "" };

	switch (letter & ~0x20) {
	case 'A':
		d.vm_flags = VM_READ | VM_WRITE;
		break;
	case 'R':
		d.vm_flags = VM_READ;
		break;
	case 'X':
		d.vm_flags = VM_READ | VM_EXEC;
		break;
	case 'S':
		d.vm_flags = VM_READ | VM_WRITE | VM_SHARED;
		d.minor = 1;
		d.ino = 4711;
		d.name = "/dev/zero (deleted)";
		break;
	case 'F':
		d.vm_flags = VM_READ;
		d.pgoff = column;
		d.major = 8;
		d.minor = 1;
		d.ino = 1;
		d.name = "/f";
		break;
	}
	return d;
}

/* Compare with a kernel drawn like a map: upper and lower case are different areas. */
static struct mm_verify against(const char *kernel, bool repair)
{
	struct mm_verify v;

	reports[0] = '\0';
	mm_prepare(mm, 0, ~0UL);
	mm_verify_begin(&v, mm);
	v.repair = repair;
	v.report = note_report;
	for (unsigned int i = 0, n; kernel[i]; i += n) {
		for (n = 1; kernel[i + n] == kernel[i];)
			n++;
		if (kernel[i] != ' ') {
			struct area_desc d = desc_of(kernel[i], i, n);

			mm_verify_area(&v, &d);
		}
	}
	mm_verify_end(&v);
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	return v;
}

static void expect(const char *kernel, unsigned long resolved, const char *differences)
{
	struct mm_verify v = against(kernel, false);

	cr_expect_str_eq(reports, differences);
	cr_expect_eq(v.resolved, resolved, "%lu guesses, not %lu", v.resolved, resolved);
}

/* Repair reports the same and leaves nothing to report. */
static void expect_repair(const char *kernel, const char *differences)
{
	struct mm_verify v = against(kernel, true);

	cr_expect_str_eq(reports, differences);
	v = against(kernel, false);
	cr_expect_str_eq(reports, "");
	cr_expect_eq(v.resolved, 0);
	EXPECT_MAP(mm, kernel);
}

/* --- guesses ----------------------------------------------------------------------- */

Test(verify, equal_maps)
{
	map_draw(mm, "AA RR FF SS");
	expect("AA RR FF SS", 0, "");
}

Test(verify, a_merge_we_did_not_guess)
{
	map_draw(mm, "AARR");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ | PROT_WRITE, -1);
	EXPECT_GUESSES(mm, "  ?");
	expect("AAAA", 1, "");
	EXPECT_MAP(mm, "AAAA");
	EXPECT_GUESSES(mm, "");
	expect("AAAA", 0, "");
}

Test(verify, a_merge_that_did_not_happen)
{
	map_draw(mm, "AAAAAA");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ | PROT_WRITE, -1);
	EXPECT_GUESSES(mm, "******");
	expect("AAaaAA", 2, "");
	EXPECT_MAP(mm, "AAaaAA");
	EXPECT_GUESSES(mm, "");
	expect("AAaaAA", 0, "");
}

Test(verify, right_guesses_are_settled_too)
{
	map_draw(mm, "AARR");
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ | PROT_WRITE, -1);
	expect("AAaa", 0, "");
	EXPECT_GUESSES(mm, "");
	expect("AAAA", 0, "end");
}

Test(verify, guesses_combined)
{
	map_draw(mm, "AAAARR");
	mm_mprotect(mm, AT(1), PAGES(1), PROT_READ, -1);
	mm_mprotect(mm, AT(0), PAGES(6), PROT_READ | PROT_WRITE, -1);
	EXPECT_MAP(mm, "AAAAaa");
	EXPECT_GUESSES(mm, "****?");
	expect("AAaaaa", 2, "");
	EXPECT_MAP(mm, "AAaaaa");
}

Test(verify, the_stack_grows)
{
	struct area_desc stack = { .start = AT(10),
				   .end = AT(12),
				   .vm_flags = VM_READ | VM_WRITE,
				   .name = "[stack]" };

	mm->start_stack = AT(11);
	mm_import(mm, &stack, TRACK_SPECIAL);
	expect("       AAAAA", 1, "");
	EXPECT_MAP(mm, "       AAAAA");
	expect("       AAAAA", 0, "");
	cr_expect_str_eq(vma_name(mm, find_vma(mm, AT(8))), "[stack]");
}

/* expand_downwards(); also if what it grew from is unmapped as it came. */
Test(verify, a_stack_that_has_grown_was_touched)
{
	struct mmap_call c = { .addr = AT(10),
			       .len = PAGES(1),
			       .prot = PROT_READ,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
					MAP_GROWSDOWN };

	mm_prepare(mm, c.addr, c.len);
	mm_mmap(mm, &c);
	expect("       RRRR", 1, "");
	mm_munmap(mm, AT(10), PAGES(1));
	expect("       RRR", 0, "");
	cr_expect_neq(find_vma(mm, AT(7))->anon, 0);
}

Test(verify, names_follow_the_file)
{
	struct area_desc d = desc_of('F', 0, 2);
	struct mm_verify v;

	map_draw(mm, "FF");
	d.name = "/f (deleted)";
	mm_verify_begin(&v, mm);
	mm_verify_area(&v, &d);
	d = desc_of('F', 2, 1);
	mm_verify_end(&v);
	cr_expect_eq(v.differences, 0);
	cr_expect_str_eq(find_vma(mm, AT(0))->vm_file->name, "/f (deleted)");
}

Test(verify, some_file_systems_have_two_devices)
{
	struct area_desc d = desc_of('F', 0, 2);
	struct mm_verify v;

	map_draw(mm, "FF");
	d.minor = 77;
	mm_verify_begin(&v, mm);
	mm_verify_area(&v, &d);
	mm_verify_end(&v);
	cr_expect_eq(v.differences, 0);
	cr_expect_eq(find_vma(mm, AT(0))->vm_file->minor, 77);
}

/* --- differences ------------------------------------------------------------------- */

Test(verify, differences_are_named)
{
	map_draw(mm, "AA RR FF");
	expect("AA RR FF XX", 0, "missing in shadow");
	expect("AA    FF", 0, "not in kernel");
	expect("AAARR FF", 0, "end");
	expect("A  RR FF", 0, "end");
	expect("AA XX FF", 0, "flags");
	expect("AA RR RR", 0, "file");
	expect(" A RR FF", 0, "start");
	expect("AA FF FF", 0, "file");
	expect("", 0, "not in kernel, not in kernel, not in kernel");
}

Test(verify, repairs)
{
	map_draw(mm, "AA RR FF");
	expect_repair("AA RR FF XX", "missing in shadow");
	expect_repair("AA    FF XX", "not in kernel");
	expect_repair("AAAA  FF XX", "end");
}

Test(verify, a_repaired_area_keeps_its_registration)
{
	map_draw(mm, "UU");
	find_vma(mm, AT(0))->stat->faults = 3;
	against("RR", true);
	cr_expect_str_eq(reports, "flags");
	cr_expect(find_vma(mm, AT(0))->vm_flags & VM_UFFD_MISSING);
	cr_expect_eq(find_vma(mm, AT(0))->stat->faults, 3);
}

Test(verify, repair_ends_blindness)
{
	map_draw(mm, "AA");
	mm->blind = true;
	against("AA", false);
	cr_expect(mm->blind);
	against("AA", true);
	cr_expect(!mm->blind);
	/* Who knows what has been called meanwhile. */
	cr_expect(find_vma(mm, AT(0))->known & VMA_UNSURE_FLAGS);
	cr_expect_neq(find_vma(mm, AT(0))->anon, 0);
}

Test(verify, shared_memory_gets_its_inode)
{
	map_draw(mm, "SS");
	expect("SS", 0, "");
	cr_expect_eq(find_vma(mm, AT(0))->vm_file->ino, 4711);
}

/* Any list, ascending or not; any map. Afterwards they are the same. */
static void random_drawing(struct rng *r, char out[49])
{
	static const char letters[] = "AaRrXx  FfSs  ";

	for (unsigned int i = 0, n; i < 48; i += n) {
		char c = letters[rng_below(r, sizeof(letters) - 1)];

		n = min(1 + rng_below(r, 6), 48 - i);
		memset(out + i, c, n);
	}
	out[48] = '\0';
}

static void random_shadow(struct rng *r)
{
	static const char kinds[] = "ARXNUFS ";

	for (int i = 0; i < 12; i++) {
		unsigned int pages = 1 + rng_below(r, 8), at = rng_below(r, 48 - pages);
		char kind = kinds[rng_below(r, 8)];

		if (kind == ' ')
			mm_mprotect(mm, AT(at), PAGES(pages), PROT_READ | PROT_WRITE, -1);
		else
			map_mmap(mm, at, pages, kind);
	}
}

Test(verify, any_map_can_be_repaired_to_any_other)
{
	unsigned long seed = seed_from_env(0xfee1);
	struct rng r = { .state = seed };
	char kernel[49];

	for (int i = 0; i < 2000; i++) {
		struct mm_verify v;

		random_shadow(&r);
		random_drawing(&r, kernel);
		against(kernel, i % 2);
		against(kernel, true);
		v = against(kernel, false);
		cr_assert(!v.differences && !v.resolved,
			  "SMM_SEED=%#lx round %d: %s\n  \"%s\"", seed, i, reports,
			  kernel);
	}
}

Test(verify, a_list_out_of_order_harms_nothing)
{
	struct rng r = { .state = seed_from_env(0xbad) };
	struct mm_verify v;

	for (int i = 0; i < 500; i++) {
		random_shadow(&r);
		mm_prepare(mm, 0, ~0UL);
		mm_verify_begin(&v, mm);
		v.repair = i % 2;
		for (int k = 0; k < 20; k++) {
			struct area_desc d = desc_of("ARXFS"[rng_below(&r, 5)],
						     rng_below(&r, 40), rng_below(&r, 6));

			mm_verify_area(&v, &d);
		}
		mm_verify_end(&v);
		cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	}
}

/* --- the counter of locked pages ---------------------------------------------------- */

/* The kernel had not stopped counting them: nobody moved them anywhere. */
Test(verify, a_merge_of_what_an_unheard_call_locked_loses_no_pages)
{
	struct mm_verify v;

	map_draw(mm, "LLAA");
	v = against("AAAA", true);
	cr_expect_eq(v.differences, 1);
	cr_expect_eq(mm->locked_vm, 0);
	cr_expect_eq(mm->locked_lost, 0);
	cr_expect(find_vma(mm, AT(0))->known & VMA_UNSURE_FLAGS);
}

Test(verify, a_lock_that_failed_where_flags_are_a_guess_loses_no_pages)
{
	map_draw(mm, "AAAAAA");
	mm_doubt_flags(mm, AT(0), PAGES(6));
	mm_mlock(mm, AT(2), PAGES(2), VM_LOCKED);
	against("AAAAAA", true);
	cr_expect_eq(mm->locked_vm, 0);
	cr_expect_eq(mm->locked_lost, 0);
}

/* The copy may have merged with what stays: then the kernel unlocked both. */
Test(verify, a_merge_that_mremap_guessed_loses_what_was_believed_locked)
{
	map_draw(mm, "LLLL");
	mm_set_uffd(mm, AT(0), AT(4), true);
	mm_set_uffd(mm, AT(0), AT(4), false);
	mm_mremap(mm, AT(0), PAGES(2), AT(4), PAGES(2),
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	cr_expect_eq(mm->locked_lost, 4);
	against("AAAAAA", true);
	cr_expect_eq(mm->locked_vm, 6);
	cr_expect_eq(mm->locked_lost, 6);
}

/* --- all flags --------------------------------------------------------------------- */

/* One area of smaps over the columns; @flags: VmFlags. */
static struct mm_verify against_flags(unsigned int column, unsigned int pages,
				      unsigned long flags, bool repair)
{
	struct area_desc d = { .start = AT(column),
			       .end = AT(column + pages),
			       .vm_flags = flags,
			       .name = "" };
	struct mm_verify v;

	reports[0] = '\0';
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	v.repair = repair;
	v.all_flags = true;
	v.report = note_report;
	mm_verify_area(&v, &d);
	mm_verify_end(&v);
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	return v;
}

#define PLAIN (VM_READ | VM_WRITE | VM_MAY_ACCESS | VM_ACCOUNT)

Test(verify, an_invisible_flag_is_a_difference)
{
	struct mm_verify v;

	map_draw(mm, "AA");
	v = against_flags(0, 2, PLAIN, false);
	cr_assert_eq(v.differences + v.resolved, 0);
	v = against_flags(0, 2, PLAIN | VM_DONTDUMP, false);
	cr_assert_eq(v.differences, 1);
	cr_assert_str_eq(reports, "flags");
	cr_assert(!(find_vma(mm, AT(0))->vm_flags & VM_DONTDUMP));
	v = against_flags(0, 2, PLAIN | VM_DONTDUMP, true);
	cr_assert_eq(v.differences, 1);
	v = against_flags(0, 2, PLAIN | VM_DONTDUMP, false);
	cr_assert_eq(v.differences + v.resolved, 0);
}

Test(verify, flags_of_areas_found_at_start_are_learned)
{
	const struct area_desc d = {
		.start = AT(0), .end = AT(2), .name = "", .vm_flags = VM_READ | VM_WRITE
	};
	struct mm_verify v;

	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(2)), 0);
	cr_assert_eq(mm_import(mm, &d, TRACK_BEFORE_START), 0);
	v = against_flags(0, 2, PLAIN | VM_NOHUGEPAGE, false);
	cr_assert_eq(v.differences, 0);
	cr_assert_eq(v.resolved, 1);
	cr_assert(find_vma(mm, AT(0))->vm_flags & VM_NOHUGEPAGE);
	/* Now they are known. */
	v = against_flags(0, 2, PLAIN, false);
	cr_assert_eq(v.differences, 1);
}

Test(verify, a_registration_is_ours_or_the_programs)
{
	struct mm_verify v;

	map_draw(mm, "UU");
	v = against_flags(0, 2, PLAIN | VM_UFFD_MISSING, false);
	cr_assert_eq(v.differences + v.resolved, 0);
	v = against_flags(0, 2, PLAIN, false);
	cr_assert_eq(v.differences, 1, "ours has been lost");
	cr_assert_eq(mm_prepare(mm, AT(0), PAGES(2)), 0);
	mm_set_track(mm, AT(0), AT(2), TRACK_PROGRAM_UFFD);
	v = against_flags(0, 2, PLAIN | VM_UFFD_MISSING, false);
	cr_assert_eq(v.differences + v.resolved, 0);
	v = against_flags(0, 2, PLAIN, false);
	cr_assert_eq(v.differences, 0, "the program may have closed it");
	cr_assert_eq(v.resolved, 1);
}

static void verify_area(struct mm_verify *v, unsigned int column, unsigned int pages,
			unsigned long flags)
{
	struct area_desc d = { .start = AT(column),
			       .end = AT(column + pages),
			       .vm_flags = flags,
			       .name = "" };

	mm_verify_area(v, &d);
}

/*
 *	UUuu..	[UUuu]..	the kernel has these two as one
 *	UUuuUU	[AAAA]AA	what came back joined it: no part is registered now
 *	UURRUU	[AA][RR]AA	and this ends the guess
 */
Test(verify, a_move_ends_the_registration_of_whole_rows_of_guesses)
{
	struct mm_verify v;

	map_draw(mm, "UUuuUU");
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_mremap(mm, AT(4), PAGES(2), AT(10), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	mm_set_uffd(mm, AT(10), AT(12), true);
	mm_mremap(mm, AT(10), PAGES(2), AT(4), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	mm_set_uffd(mm, AT(4), AT(6), true);
	mm_mprotect(mm, AT(2), PAGES(2), PROT_READ, -1);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	reports[0] = '\0';
	mm_verify_begin(&v, mm);
	v.all_flags = true;
	v.report = note_report;
	verify_area(&v, 0, 2, PLAIN);
	verify_area(&v, 2, 2, PLAIN & ~VM_WRITE);
	verify_area(&v, 4, 2, PLAIN | VM_UFFD_MISSING);
	mm_verify_end(&v);
	cr_expect_eq(v.differences, 0, "%s", reports);
	cr_expect(!(find_vma(mm, AT(0))->vm_flags & VM_UFFD_MISSING), "not adopted");
}
