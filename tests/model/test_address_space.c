// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files that we page: there, in pieces, and back. Column n of the map is page n. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/mm/address_space.h"
#include "lib/mm/vma.h"
#include "tests/model/map.h"
#include "tests/model/mman.h"

static struct mm_struct *mm;
static struct address_space *mapping;

static const struct file_key key = {
	.major = 8, .minor = 1, .ino = 1, .size = 19 * PAGE_SIZE + 1
};

static void setup(void)
{
	mm = map_new(2);
	cr_assert_eq(mm_prepare_mapping(mm), 0);
	mapping = mapping_new(mm, &key);
}

static void teardown(void)
{
	map_destroy(mm);
}

TestSuite(address_space, .init = setup, .fini = teardown, .timeout = 10);

static struct vma_file *frames_file(void)
{
	return vma_file_get(mm, 0, 1, MAP_FRAMES, "/memfd:frames (deleted)");
}

static void convert(unsigned int from, unsigned int to, unsigned int aside)
{
	cr_assert_eq(mm_prepare(mm, AT(from), PAGES(to - from)), 0);
	cr_assert_eq(mm_prepare_mapping(mm), 0);
	mm_map_file(mm, AT(from), AT(to), AT(aside), frames_file(), mapping);
}

static void give_back(unsigned int from, unsigned int to)
{
	cr_assert_eq(mm_prepare(mm, AT(from), PAGES(to - from)), 0);
	mm_unmap_file(mm, AT(from), AT(to), TRACK_FILE_LEFT);
}

static void set_uffd(unsigned int from, unsigned int to, bool on)
{
	cr_assert_eq(mm_prepare(mm, AT(from), PAGES(to - from)), 0);
	mm_set_uffd(mm, AT(from), AT(to), on);
}

/* As the hooks do it after each call. Returns how many mappings were ended. */
static unsigned int end_orphans(void)
{
	struct address_space *m;
	unsigned long at, len;
	unsigned int ended = 0;

	while (mm_next_orphan(mm, &at, &len, &m)) {
		if (len) {
			cr_assert_eq(mm_prepare(mm, at, len), 0);
			mm_munmap(mm, at, len);
		} else if (!m->refs) {
			mapping_free(mm, m);
			ended++;
		}
	}
	return ended;
}

/* --- mappings ---------------------------------------------------------------------- */

Test(address_space, mappings_are_found_by_their_key)
{
	struct file_key other = key;

	cr_expect_eq(mapping->nrpages, 20);
	cr_expect_eq(mapping_find(mm, &key), mapping);
	other.mtime++;
	cr_expect_null(mapping_find(mm, &other));
	mapping->state = MAPPING_LEAVING;
	cr_expect_null(mapping_find(mm, &key));
	mapping_free(mm, mapping);
	cr_expect(list_empty(&mm->mappings));
}

/* --- there ------------------------------------------------------------------------- */

Test(address_space, two_changes_are_one)
{
	unsigned long seq, total;
	const struct vm_area_struct *vma;

	map_draw(mm, "FFFFFFFF");
	seq = mm->seq;
	total = mm->total_vm;
	convert(0, 8, 30);
	cr_expect_eq(mm->seq, seq + 1);
	cr_expect_eq(mm->total_vm, total + 8);
	EXPECT_MAP(mm, "HHHHHHHH                      FFFFFFFF");
	vma = find_vma(mm, AT(0));
	cr_expect_eq(vma->policy, POLICY_OWN);
	cr_expect_eq(vma->vm_pgoff, 0);
	cr_expect_eq(vma_host(vma)->mapping, mapping);
	cr_expect_eq(mapping->refs, 1);
	cr_expect_eq(file_aside(vma, AT(3)), AT(33));
	vma = find_vma(mm, AT(30));
	cr_expect_eq(vma->reason, TRACK_OURS);
	cr_expect_eq(vma->vm_pgoff, 0);
}

Test(address_space, a_part_of_an_area)
{
	map_draw(mm, "AAFFFFFFFFAA");
	convert(4, 7, 30);
	EXPECT_MAP(mm, "AAFFHHHFFFAA                  FFF");
	cr_expect_eq(file_aside(find_vma(mm, AT(4)), AT(5)), AT(31));
	cr_expect_eq(find_vma(mm, AT(4))->vm_pgoff, 4);
}

/* A reservation, for instance. */
Test(address_space, what_lies_aside_is_replaced)
{
	map_draw(mm, "FFFF      NNNNNN");
	convert(0, 4, 11);
	EXPECT_MAP(mm, "HHHH      NFFFFN");
}

Test(address_space, a_writable_area_is_charged_in_both_places)
{
	map_draw(mm, "WWWW");
	convert(0, 4, 30);
	EXPECT_MAP(mm, "JJJJ                          WWWW");
	cr_expect(find_vma(mm, AT(0))->vm_flags & VM_ACCOUNT);
	cr_expect(find_vma(mm, AT(30))->vm_flags & VM_ACCOUNT);
	cr_expect_eq(mm->data_vm, 8);
}

/* Right after mmap(): the program does not know the address yet. */
Test(address_space, what_is_fresh_stays_untouched)
{
	map_draw(mm, "WWWW");
	convert(0, 4, 30);
	cr_expect_eq(find_vma(mm, AT(0))->anon, 0);
	cr_expect_eq(find_vma(mm, AT(30))->anon, 0);
	map_mmap(mm, 10, 1, 'A');
	cr_expect_neq(find_vma(mm, AT(0))->anon, 0);
	cr_expect_eq(find_vma(mm, AT(30))->anon, 0, "nobody writes there");
}

Test(address_space, two_conversions_do_not_merge)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 4, 30);
	convert(4, 8, 34);
	EXPECT_MAP(mm, "HHHHhhhh                      FFFFffff");
	EXPECT_GUESSES(mm, "");
	cr_expect(!same_file(find_vma(mm, AT(0))->vm_file, find_vma(mm, AT(4))->vm_file));
	cr_expect_eq(mapping->refs, 2);
}

Test(address_space, nor_with_the_memfd_mapped_otherwise)
{
	struct mmap_call c = { .addr = AT(4),
			       .len = PAGES(2),
			       .prot = PROT_READ,
			       .flags = MAP_PRIVATE | MAP_FIXED,
			       .pgoff = 4 };

	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	c.file = frames_file();
	mm_mmap(mm, &c);
	EXPECT_MAP(mm, "HHHHhh                        FFFF");
}

Test(address_space, what_is_no_mapping_of_a_file_stays)
{
	map_draw(mm, "AAAA FFFF");
	convert(0, 4, 30);
	convert(5, 10, 30);
	EXPECT_MAP(mm, "AAAA FFFF");
	convert(5, 9, 30);
	convert(5, 9, 40);
	EXPECT_MAP(mm, "AAAA HHHH                     FFFF");
	cr_expect_eq(mapping->refs, 1);
}

/* --- registration ------------------------------------------------------------------ */

Test(address_space, frames_are_registered_in_all_modes)
{
	const unsigned long modes = VM_UFFD_MISSING | VM_UFFD_MINOR | VM_UFFD_WP;
	unsigned long start, end;

	map_draw(mm, "FFFFAAAA");
	convert(0, 4, 30);
	set_uffd(4, 8, true);
	cr_assert(mm_next_to_register(mm, 0, AT(20), &start, &end));
	cr_expect(start == AT(0) && end == AT(4));
	set_uffd(0, 8, true);
	cr_expect(!mm_next_to_register(mm, 0, AT(20), &start, &end));
	EXPECT_MAP(mm, "IIIIUUUU                      FFFF");
	cr_expect_eq(find_vma(mm, AT(0))->vm_flags & VM_UFFD_FLAGS, modes);
	cr_expect_eq(vma_smaps_flags(find_vma(mm, AT(0))) & VM_UFFD_FLAGS, modes);
	cr_expect_eq(find_vma(mm, AT(4))->vm_flags & VM_UFFD_FLAGS, VM_UFFD_MISSING);
	set_uffd(0, 8, false);
	EXPECT_MAP(mm, "HHHHAAAA                      FFFF");
}

static void set_settled(unsigned int from, unsigned int to)
{
	cr_assert_eq(mm_prepare(mm, AT(from), PAGES(to - from)), 0);
	mm_set_settled(mm, AT(from), AT(to));
}

Test(address_space, settled_pieces_are_areas_of_their_own)
{
	unsigned long start, end;

	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	set_settled(0, 2);
	cr_assert(mm_next_to_register(mm, 0, AT(20), &start, &end));
	cr_expect(start == AT(2) && end == AT(8), "the rest");
	set_uffd(2, 8, true);
	cr_expect(!mm_next_to_register(mm, 0, AT(20), &start, &end));
	cr_expect(vma_is_settled(find_vma(mm, AT(0))));
	cr_expect(!vma_is_settled(find_vma(mm, AT(2))));
	cr_expect_eq(find_vma(mm, AT(2))->vm_start, AT(2));
	set_settled(2, 4);
	cr_expect_eq(find_vma(mm, AT(0))->vm_end, AT(4), "merged");
	cr_expect_eq(find_vma(mm, AT(0))->vm_flags & VM_UFFD_FLAGS, VM_UFFD_MISSING);
	set_settled(6, 8);
	set_uffd(0, 8, true);
	cr_expect_eq(find_vma(mm, AT(0))->vm_end, AT(8));
	cr_expect(!vma_is_settled(find_vma(mm, AT(0))));
	cr_expect_eq(mapping->refs, 1);
}

Test(address_space, copy_on_write_leaves_files_alone)
{
	unsigned long start = AT(0), end = AT(8);

	mm->own_wp = true;
	map_draw(mm, "WWWWAAAA");
	convert(0, 4, 30);
	set_uffd(0, 8, true);
	cr_expect_eq(cow_next_area(mm, 0), find_vma(mm, AT(4)));
	cr_expect_eq(cow_bytes(mm), PAGES(4));
	cr_expect(!cow_clamp(mm, AT(2), &start, &end));
	cr_expect(cow_clamp(mm, AT(5), &start, &end) && start == AT(4));
}

Test(address_space, new_memory_beside_a_file_is_not_ours_for_that)
{
	map_draw(mm, "WWWW");
	convert(0, 4, 30);
	mm->min_own = PAGES(8);
	map_mmap(mm, 4, 1, 'A');
	cr_expect_eq(find_vma(mm, AT(4))->reason, TRACK_SMALL);
}

/* --- in pieces --------------------------------------------------------------------- */

Test(address_space, munmap_in_the_middle)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	mm_munmap(mm, AT(3), PAGES(2));
	EXPECT_MAP(mm, "HHH  HHH                      FFFFFFFF");
	cr_expect_eq(end_orphans(), 0);
	cr_expect_eq(file_aside(find_vma(mm, AT(5)), AT(6)), AT(36));
	mm_munmap(mm, AT(0), PAGES(3));
	cr_expect_eq(end_orphans(), 0);
	mm_munmap(mm, AT(5), PAGES(3));
	EXPECT_MAP(mm, "                              FFFFFFFF");
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "");
	cr_expect_eq(mm->nr_hosts, 0);
}

Test(address_space, mprotect_in_the_middle_and_back)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	mm_mprotect(mm, AT(3), PAGES(2), PROT_READ | PROT_WRITE, -1);
	EXPECT_MAP(mm, "HHHJJHHH                      FFFFFFFF");
	mm_mprotect(mm, AT(3), PAGES(2), PROT_READ, -1);
	set_uffd(0, 8, true);
	EXPECT_GUESSES(mm, "");
	cr_expect_eq(find_vma(mm, AT(3))->stat, find_vma(mm, AT(4))->stat);
	cr_expect_eq(mapping->refs, 1);
}

/* --- and back ---------------------------------------------------------------------- */

Test(address_space, all_at_once)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	set_uffd(0, 8, true);
	give_back(0, 8);
	EXPECT_MAP(mm, "FFFFFFFF");
	cr_expect_eq(find_vma(mm, AT(0))->reason, TRACK_FILE_LEFT);
	cr_expect_eq(find_vma(mm, AT(0))->aside, 0);
	cr_expect_eq(end_orphans(), 1);
	cr_expect(list_empty(&mm->mappings));
}

Test(address_space, piece_by_piece)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	set_uffd(0, 8, true);
	give_back(2, 4);
	EXPECT_MAP(mm, "IIFFIIII                      FF  FFFF");
	give_back(5, 8);
	EXPECT_MAP(mm, "IIFFIFFF                      FF  F");
	give_back(4, 5);
	EXPECT_MAP(mm, "IIFFFFFF                      FF");
	cr_expect_eq(end_orphans(), 0);
	give_back(0, 2);
	EXPECT_MAP(mm, "FFFFFFFF");
	cr_expect_eq(end_orphans(), 1);
}

/* The program writes to a page, then it is all given back but that page. */
Test(address_space, what_was_written_to_stays)
{
	map_draw(mm, "WWWWWWWW");
	convert(0, 8, 30);
	set_uffd(0, 8, true);
	set_uffd(0, 8, false);
	give_back(0, 3);
	give_back(4, 8);
	mm_set_track(mm, AT(3), AT(4), TRACK_FILE_LEFT);
	EXPECT_MAP(mm, "WWWJWWWW                         W");
	cr_expect_eq(mm_next_file(mm, 0, ~0UL), find_vma(mm, AT(3)));
	cr_expect_eq(end_orphans(), 0);
	mm_munmap(mm, AT(0), PAGES(8));
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "");
}

Test(address_space, protection_comes_along)
{
	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	mm_mprotect(mm, AT(0), PAGES(2), PROT_READ | PROT_WRITE, -1);
	mm_mprotect(mm, AT(30), PAGES(2), PROT_READ | PROT_WRITE, -1);
	give_back(0, 2);
	EXPECT_MAP(mm, "WWHH                            FF");
	cr_expect(find_vma(mm, AT(0))->vm_flags & VM_ACCOUNT);
	cr_expect_neq(find_vma(mm, AT(0))->anon, 0, "the program may write to it");
}

/* It is made writable aside, but written to by nobody before it is there. */
Test(address_space, pieces_that_were_writable_aside_merge)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	mm_mprotect(mm, AT(0), PAGES(8), PROT_READ | PROT_WRITE, -1);
	mm_mprotect(mm, AT(34), PAGES(4), PROT_READ | PROT_WRITE, -1);
	give_back(4, 8);
	mm_mprotect(mm, AT(30), PAGES(4), PROT_READ | PROT_WRITE, -1);
	give_back(0, 4);
	EXPECT_MAP(mm, "WWWWWWWW");
	EXPECT_GUESSES(mm, "");
}

/* Only the area of the frames was ever writable. */
Test(address_space, what_is_not_charged_comes_back_so)
{
	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	mm_mprotect(mm, AT(0), PAGES(4), PROT_READ | PROT_WRITE, -1);
	mm_mprotect(mm, AT(0), PAGES(4), PROT_READ, -1);
	cr_expect(find_vma(mm, AT(0))->vm_flags & VM_ACCOUNT);
	give_back(0, 4);
	cr_expect(!(find_vma(mm, AT(0))->vm_flags & VM_ACCOUNT));
}

/* The first area's mapping went back from aside, and the second's was put in its place.
 */
Test(address_space, a_hole_aside_belongs_to_nobody)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	give_back(2, 4);
	convert(2, 4, 32);
	EXPECT_MAP(mm, "HHhhHHHH                      FFffFFFF");
	mm_munmap(mm, AT(0), PAGES(2));
	mm_munmap(mm, AT(4), PAGES(4));
	cr_expect_eq(end_orphans(), 0);
	EXPECT_MAP(mm, "  HH                            FF");
	give_back(2, 4);
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "  FF");
}

Test(address_space, so_it_may_be_the_programs)
{
	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 26);
	give_back(2, 4);
	map_mmap(mm, 28, 2, 'F');
	mm_munmap(mm, AT(0), PAGES(8));
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "                            FF");
}

Test(address_space, orphans_end_although_nothing_is_unmapped)
{
	struct address_space *m;
	unsigned long at, len;
	int n = 0;

	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	give_back(2, 4);
	mm_munmap(mm, AT(0), PAGES(8));
	while (mm_next_orphan(mm, &at, &len, &m) && n < 9)
		n++;
	cr_expect_eq(n, 3);
	cr_expect_eq(m, mapping);
	cr_expect_eq(mapping->refs, 0);
}

Test(address_space, mmap_over_an_area_makes_an_orphan)
{
	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	map_mmap(mm, 0, 4, 'A');
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "AAAA");
}

/* The hooks give back first. Should one forget, nothing is lost. */
Test(address_space, a_moved_area_keeps_its_host)
{
	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	set_uffd(0, 4, true);
	mm_mremap(mm, AT(1), PAGES(2), AT(10), PAGES(2), MREMAP_MAYMOVE | MREMAP_FIXED);
	EXPECT_MAP(mm, "I  I      HH                  FFFF");
	cr_expect_eq(file_aside(find_vma(mm, AT(10)), AT(11)), AT(32));
	give_back(10, 12);
	EXPECT_MAP(mm, "I  I      FF                  F  F");
}

Test(address_space, next_file)
{
	map_draw(mm, "AAFFFF FFFF");
	cr_expect_null(mm_next_file(mm, 0, ~0UL));
	convert(2, 4, 30);
	convert(8, 10, 40);
	cr_expect_eq(mm_next_file(mm, 0, ~0UL), find_vma(mm, AT(2)));
	cr_expect_eq(mm_next_file(mm, AT(3), ~0UL), find_vma(mm, AT(2)));
	cr_expect_eq(mm_next_file(mm, AT(4), ~0UL), find_vma(mm, AT(8)));
	cr_expect_null(mm_next_file(mm, AT(4), AT(8)));
	cr_expect_null(mm_next_file(mm, 0, AT(2)));
	cr_expect_null(mm_next_file(mm, AT(2), AT(2)));
	cr_expect_null(mm_next_file(mm, AT(3), AT(2) + 1));
}

/* --- fork -------------------------------------------------------------------------- */

Test(address_space, a_child_finds_all_to_give_it_back)
{
	map_draw(mm, "FFFF WWWW");
	convert(0, 4, 30);
	convert(5, 9, 40);
	set_uffd(0, 9, true);
	mm_madvise(mm, AT(7), PAGES(2), MADV_DONTFORK);
	mm_dup(mm);
	EXPECT_MAP(mm, "HHHH JJ                       FFFF      WWWW");
	cr_expect_eq(find_vma(mm, AT(0))->policy, POLICY_OWN);
	give_back(0, 4);
	give_back(5, 7);
	EXPECT_MAP(mm, "FFFF WW                                   WW");
	cr_expect_eq(mapping->refs, 2);
	cr_expect_eq(end_orphans(), 1);
	EXPECT_MAP(mm, "FFFF WW");
}

Test(address_space, dontfork_may_orphan_in_the_child)
{
	map_draw(mm, "FFFF");
	convert(0, 4, 30);
	mm_madvise(mm, AT(0), PAGES(4), MADV_DONTFORK);
	mm_dup(mm);
	EXPECT_MAP(mm, "                              FFFF");
	cr_expect_eq(end_orphans(), 1);
}

/* --- verify ------------------------------------------------------------------------ */

static char reports[256];

static void note(void *priv, const char *what, const struct area_desc *shadow,
		 const struct area_desc *kernel)
{
	(void)priv;
	(void)shadow;
	(void)kernel;
	strcat(strcat(reports, what), ",");
}

static struct area_desc kernel_area(unsigned int from, unsigned int to, bool frames)
{
	return (struct area_desc){ .start = AT(from),
				   .end = AT(to),
				   .vm_flags = VM_READ,
				   .pgoff = from % 30,
				   .major = frames ? 0 : 8,
				   .minor = 1,
				   .ino = frames ? MAP_FRAMES : 1,
				   .name = frames ? "/memfd:frames (deleted)" : "/f" };
}

static struct mm_verify against(const struct area_desc *d, unsigned int n, bool all)
{
	struct mm_verify v;

	reports[0] = '\0';
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	v.all_flags = all;
	v.report = note;
	for (unsigned int i = 0; i < n; i++)
		mm_verify_area(&v, &d[i]);
	mm_verify_end(&v);
	cr_assert(!validate_mm(mm), "%s", validate_mm(mm));
	return v;
}

Test(address_space, the_kernel_shows_the_memfd)
{
	struct area_desc d[] = { kernel_area(0, 8, true), kernel_area(30, 38, false) };
	struct mm_verify v;

	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	v = against(d, 2, false);
	cr_expect(!v.differences && !v.resolved, "%s", reports);
	v = against(&d[1], 1, false);
	cr_expect_str_eq(reports, "not in kernel,");
	d[0] = kernel_area(0, 8, false);
	v = against(d, 2, false);
	cr_expect_str_eq(reports, "file,");
}

Test(address_space, registered_in_smaps)
{
	const unsigned long plain = VM_READ | VM_MAY_ACCESS;
	struct area_desc d[] = { kernel_area(0, 8, true), kernel_area(30, 38, false) };
	struct mm_verify v;

	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	set_uffd(0, 8, true);
	d[0].vm_flags = plain | VM_UFFD_MISSING | VM_UFFD_MINOR | VM_UFFD_WP;
	d[1].vm_flags = plain;
	v = against(d, 2, true);
	cr_expect(!v.differences && !v.resolved, "%s", reports);
	d[0].vm_flags = plain | VM_UFFD_MISSING;
	v = against(d, 2, true);
	cr_expect_str_eq(reports, "flags,");
}

Test(address_space, mappings_aside_that_the_kernel_merged)
{
	struct area_desc d[] = { kernel_area(0, 4, true), kernel_area(4, 8, true),
				 kernel_area(30, 38, false) };
	struct mm_verify v;

	map_draw(mm, "FFFFFFFF");
	convert(0, 4, 30);
	convert(4, 8, 34);
	v = against(d, 3, false);
	cr_expect(!v.differences && !v.resolved, "%s", reports);
	EXPECT_MAP(mm, "HHHHhhhh                      FFFFffff");
}

Test(address_space, a_repair_loses_no_host)
{
	struct area_desc d[] = { kernel_area(0, 3, true), kernel_area(5, 8, true) };
	struct mm_verify v;

	map_draw(mm, "FFFFFFFF");
	convert(0, 8, 30);
	cr_assert_eq(mm_prepare(mm, 0, ~0UL), 0);
	mm_verify_begin(&v, mm);
	v.repair = true;
	mm_verify_area(&v, &d[0]);
	mm_verify_area(&v, &d[1]);
	mm_verify_end(&v);
	EXPECT_MAP(mm, "HHH  HHH");
	give_back(5, 8); /* that there is nothing aside is a mistake of ours */
	EXPECT_MAP(mm, "HHH  FFF");
	mm_munmap(mm, AT(0), PAGES(3));
	cr_expect_eq(end_orphans(), 1);
}

/* --- policy ------------------------------------------------------------------------ */

static enum track_reason reason_of_file(unsigned int pages, unsigned long prot,
					unsigned long flags, unsigned int mode)
{
	struct mmap_call c = {
		.addr = AT(0), .len = PAGES(pages), .prot = prot, .flags = flags
	};

	cr_assert_eq(mm_prepare(mm, c.addr, c.len), 0);
	c.file = vma_file_get(mm, 8, 1, 1, "/f");
	c.file->mode = (u8)mode;
	c.file->mode_known = true;
	mm_mmap(mm, &c);
	return (enum track_reason)find_vma(mm, AT(0))->reason;
}

Test(address_space, which_files_are_wanted)
{
	const unsigned long rx = PROT_READ | PROT_EXEC;

	mm->min_own = PAGES(8);
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_PRIVATE, 0), TRACK_FILE);
	mm->file_policy = FILES_OWN;
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_PRIVATE, 0), TRACK_FILE_WANTED);
	cr_expect_eq(reason_of_file(8, PROT_WRITE, MAP_PRIVATE, FILE_READONLY),
		     TRACK_FILE_WANTED);
	cr_expect_eq(reason_of_file(7, PROT_READ, MAP_PRIVATE, 0), TRACK_FILE);
	cr_expect_eq(reason_of_file(8, rx, MAP_PRIVATE, 0), TRACK_FILE);
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_SHARED, 0), TRACK_FILE);
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_SHARED, FILE_READONLY), TRACK_FILE);
	for (unsigned int i = 0; i < 8; i++)
		cr_expect(reason_of_file(8, PROT_READ, MAP_PRIVATE, 1U << i) !=
				  TRACK_FILE_WANTED ||
			  1U << i == FILE_READONLY || 1U << i == FILE_SEALED ||
			  1U << i > FILE_SECRET);
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_PRIVATE | MAP_POPULATE, 0),
		     TRACK_FILE);
	mm->own_enabled = false;
	cr_expect_eq(reason_of_file(8, PROT_READ, MAP_PRIVATE, 0), TRACK_FILE);
}

/* --- memory ------------------------------------------------------------------------ */

Test(address_space, without_memory_nothing_is_half_done)
{
	static char boot[16 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	static struct mm_struct poor;
	size_t missing;

	mm_init(&poor, boot, sizeof(boot));
	while (alloc_pages(&poor.arena, 0))
		;
	cr_expect_null(mapping_new(&poor, &key));
	missing = mm_prepare_mapping(&poor);
	cr_expect_gt(missing, 0);
	cr_expect(list_empty(&poor.mappings));
}
