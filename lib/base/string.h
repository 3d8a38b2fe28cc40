/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcpy and friends for code without libc. The compiler emits calls to the four mem*
 * functions by itself; ours use general registers only, because a hook must leave the
 * vector registers of the interrupted program alone.
 * Context: any.
 */
#ifndef SHADOWMM_BASE_STRING_H
#define SHADOWMM_BASE_STRING_H

#include "lib/base/compiler.h"

#ifdef SMM_HOSTED /* tests and sanitizers link the model against the real libc */
#include <string.h>
#else
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

/* True if @s begins with @prefix. */
bool str_has_prefix(const char *s, const char *prefix);
/* True if @s ends with @suffix. */
bool str_has_suffix(const char *s, const char *suffix);
/*
 * Parse digits of @base (10 or 16) at *@s and advance *@s past them.
 * Returns 0 and leaves *@s where it is if there is no digit. Overflow wraps.
 */
unsigned long parse_ulong(const char **s, unsigned int base);

#endif
