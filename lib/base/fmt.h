/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Formatting into a caller's buffer, legal anywhere.
 * A struct fmt never overruns: what does not fit is dropped and @truncated is set.
 * Context: any. Locks: none.
 */
#ifndef SHADOWMM_BASE_FMT_H
#define SHADOWMM_BASE_FMT_H

#include "lib/base/compiler.h"

struct fmt {
	char *buf;
	size_t size;
	size_t len; /* bytes written, without the final NUL that is always there */
	bool truncated;
};

void fmt_init(struct fmt *f, char *buf, size_t size);
void fmt_char(struct fmt *f, char c);
void fmt_str(struct fmt *f, const char *s);
void fmt_mem(struct fmt *f, const char *s, size_t n);
void fmt_ulong(struct fmt *f, unsigned long v);
void fmt_long(struct fmt *f, long v);
/* Lower-case hexadecimal, at least @width digits, zero padded. */
void fmt_hex(struct fmt *f, unsigned long v, int width);
/* A JSON string with its quotes; control characters and quotes escaped, bytes above
 * 0x7f that are not valid UTF-8 replaced by U+FFFD. */
void fmt_json_str(struct fmt *f, const char *s);
/*
 * The few conversions we need: %s %c %d %ld %u %lu %x %lx %08lx %%.
 * An unknown conversion is copied as it stands.
 */
void fmt_printf(struct fmt *f, const char *format, ...)
	__attribute__((format(gnu_printf, 2, 3)));
void fmt_vprintf(struct fmt *f, const char *format, __builtin_va_list ap);

#endif
