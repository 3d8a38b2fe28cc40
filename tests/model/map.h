/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Maps as drawings. One character is one page, a blank a hole; the letter says what kind
 * of memory, and neighbouring areas of one kind alternate between upper and lower case:
 *
 *	"AA  Bb"   two pages of A, a two-page hole, two areas of B of a page each
 *
 * Kinds: A rw  R r--  N ---  X r-x (private anonymous)  U rw, registered  L rw, locked
 *	  D rw, MADV_DONTFORK  S rw shared anonymous  T the same, registered
 *	  F r-- G r-- private files, whose page n is mapped at column n
 *	  W rw private, of F's file
 *	  H r-- frames of a file that is ours  I the same, registered  J rw
 *
 * A second drawing shows the guesses: '?' on a start that may not be there, '*' on an
 * area that may be several, '#' for both.
 */
#ifndef TESTS_MODEL_MAP_H
#define TESTS_MODEL_MAP_H

#include "lib/mm/mm.h"

#define MAP_BASE     0x200000000000UL /* nothing is there, AddressSanitizer neither */
#define MAP_MAX	     64
#define MAP_FRAMES   77 /* inode of the memfd of H, I and J */
#define AT(column)   (MAP_BASE + (unsigned long)(column)*PAGE_SIZE)
#define PAGES(count) ((unsigned long)(count)*PAGE_SIZE)

/* A fresh model with @mib of arena, own_enabled, min_own one page. Freed by map_destroy.
 */
struct mm_struct *map_new(unsigned int mib);
void map_destroy(struct mm_struct *mm);
/* Add what the drawing shows to the map, left to right. */
void map_draw(struct mm_struct *mm, const char *drawing);
/* One new mapping of a kind, as mmap() would be called for it. */
void map_mmap(struct mm_struct *mm, unsigned int column, unsigned int pages, char kind);

/* Fail the test with both drawings unless the map looks like this; validates too. */
#define EXPECT_MAP(mm, drawing)	    map_expect(mm, drawing, false, __FILE__, __LINE__)
#define EXPECT_GUESSES(mm, drawing) map_expect(mm, drawing, true, __FILE__, __LINE__)
void map_expect(struct mm_struct *mm, const char *drawing, bool guesses, const char *file,
		int line);

#endif
