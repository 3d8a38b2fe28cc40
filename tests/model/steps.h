/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steps of the pure model: bytes, of a fuzzer or of a random generator, become calls of
 * lib/mm, validated after each, with too little memory at any moment.
 *
 * Two models run side by side. One gets its memory page by page, only as much as
 * mm_prepare() asks for, and sometimes none; the other has plenty. A step must leave the
 * first one as the second one (complete), or as it was, and blind (unchanged).
 */
#ifndef TESTS_MODEL_STEPS_H
#define TESTS_MODEL_STEPS_H

#include "lib/mm/mm.h"
#include "tests/model/ops.h"

#define STEP_PAGES 24 /* of the window */

/* Where the bytes come from: @data until it ends, or without @data the generator. */
struct byte_source {
	const u8 *data;
	size_t len;
	struct rng rng;
};

struct step_count {
	unsigned long steps, starved, unchanged, complete, fed, repairs, files, pages;
};

/* Begin with two empty models, drawing on @src for details. */
void steps_begin(struct byte_source *src);
/* One step, with all checks; aborts with a message when one fails. False: no bytes left.
 */
bool steps_do(struct byte_source *src);
extern struct step_count step_count;

#endif
