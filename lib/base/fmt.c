// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/fmt.h"
#include "lib/base/string.h"

void fmt_init(struct fmt *f, char *buf, size_t size)
{
	*f = (struct fmt){ .buf = buf, .size = size };
	if (size)
		buf[0] = '\0';
}

void fmt_mem(struct fmt *f, const char *s, size_t n)
{
	size_t room = f->size > f->len ? f->size - f->len - 1 : 0;

	if (n > room) {
		n = room;
		f->truncated = true;
	}
	if (!f->size)
		return;
	memcpy(f->buf + f->len, s, n);
	f->len += n;
	f->buf[f->len] = '\0';
}

void fmt_char(struct fmt *f, char c)
{
	fmt_mem(f, &c, 1);
}

void fmt_str(struct fmt *f, const char *s)
{
	if (!s)
		s = "(null)";
	fmt_mem(f, s, strlen(s));
}

static void fmt_digits(struct fmt *f, unsigned long v, unsigned int base, int width,
		       char pad)
{
	char tmp[24];
	int n = sizeof(tmp);

	do {
		tmp[--n] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (int len = sizeof(tmp) - n; len < width; len++)
		fmt_char(f, pad);
	fmt_mem(f, tmp + n, sizeof(tmp) - n);
}

void fmt_ulong(struct fmt *f, unsigned long v)
{
	fmt_digits(f, v, 10, 0, ' ');
}

void fmt_long(struct fmt *f, long v)
{
	if (v < 0)
		fmt_char(f, '-');
	fmt_ulong(f, v < 0 ? -(unsigned long)v : (unsigned long)v);
}

void fmt_hex(struct fmt *f, unsigned long v, int width)
{
	fmt_digits(f, v, 16, width, '0');
}

/* Length of the valid UTF-8 sequence at @s, or 0 (RFC 3629: shortest form, no
 * surrogates). */
static int utf8_len(const unsigned char *s)
{
	int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static int fmt_json_char(struct fmt *f, const unsigned char *s)
{
	int n = 1;

	if (*s == '"' || *s == '\\') {
		fmt_char(f, '\\');
		fmt_char(f, (char)*s);
	} else if (*s < 0x20 || *s == 0x7f) {
		fmt_str(f, "\\u");
		fmt_hex(f, *s, 4);
	} else if (*s < 0x80) {
		fmt_char(f, (char)*s);
	} else if ((n = utf8_len(s)) != 0) {
		fmt_mem(f, (const char *)s, n);
	} else {
		fmt_str(f, "\\ufffd");
		n = 1;
	}
	return n;
}

void fmt_json_str(struct fmt *f, const char *s)
{
	fmt_char(f, '"');
	while (*s)
		s += fmt_json_char(f, (const unsigned char *)s);
	fmt_char(f, '"');
}

struct fmt_spec {
	int width;
	bool zero, is_long;
};

static const char *fmt_parse_spec(const char *p, struct fmt_spec *spec)
{
	*spec = (struct fmt_spec){ 0 };
	for (; *p == '0'; p++)
		spec->zero = true;
	for (; *p >= '0' && *p <= '9'; p++)
		spec->width = spec->width * 10 + *p - '0';
	for (; *p == 'l' || *p == 'z'; p++)
		spec->is_long = true;
	return p;
}

void fmt_vprintf(struct fmt *f, const char *p, __builtin_va_list ap)
{
	struct fmt_spec s;

	for (; *p; p++) {
		if (*p != '%') {
			fmt_char(f, *p);
			continue;
		}
		p = fmt_parse_spec(p + 1, &s);
		switch (*p) {
		case 's':
			fmt_str(f, __builtin_va_arg(ap, const char *));
			break;
		case 'c':
			fmt_char(f, (char)__builtin_va_arg(ap, int));
			break;
		case 'd':
			fmt_long(f, s.is_long ? __builtin_va_arg(ap, long)
					      : __builtin_va_arg(ap, int));
			break;
		case 'u':
		case 'x':
			fmt_digits(f,
				   s.is_long ? __builtin_va_arg(ap, unsigned long)
					     : __builtin_va_arg(ap, unsigned int),
				   *p == 'u' ? 10 : 16, s.width, s.zero ? '0' : ' ');
			break;
		case '\0':
			return;
		default:
			fmt_char(f, *p);
		}
	}
}

void fmt_printf(struct fmt *f, const char *format, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, format);
	fmt_vprintf(f, format, ap);
	__builtin_va_end(ap);
}
