/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chunks for an arena under test, and numbers at random. */
#ifndef TESTS_BASE_MEMORY_H
#define TESTS_BASE_MEMORY_H

#include "lib/base/page_alloc.h"

/* @size bytes, @offset pages from a multiple of 4 MiB; freed by memory_free(). */
void *memory_get(size_t size, unsigned int offset);
/* One such chunk for @a. */
void memory_chunk(struct arena *a, size_t size, unsigned int offset);
/* A new arena with one chunk. */
void memory_arena(struct arena *a, size_t size, unsigned int offset);
void memory_free(void);

/* Say the seed: SEED of the environment, or the time. */
void memory_seed(void);
unsigned long memory_random(void);

#endif
