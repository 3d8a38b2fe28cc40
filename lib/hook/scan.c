// SPDX-License-Identifier: LGPL-2.1-or-later
#include <emmintrin.h>

#include "lib/base/string.h"
#include "lib/hook/patch.h"
#include "lib/hook/scan.h"

#define MOV_EAX_LEN 5 /* b8 imm32 */
#define MOV_RAX_LEN 7 /* 48 c7 c0 imm32 */

/*
 * glibc's syscall() up to its syscall instruction: the number comes in rdi, the sixth
 * argument on the stack. The last five bytes are the instruction that we displace.
 */
static const u8 syscall_body[] = {
	0x48, 0x89, 0xf8,	      /* mov %rdi,%rax */
	0x48, 0x89, 0xf7,	      /* mov %rsi,%rdi */
	0x48, 0x89, 0xd6,	      /* mov %rdx,%rsi */
	0x48, 0x89, 0xca,	      /* mov %rcx,%rdx */
	0x4d, 0x89, 0xc2,	      /* mov %r8,%r10 */
	0x4d, 0x89, 0xc8,	      /* mov %r9,%r8 */
	0x4c, 0x8b, 0x4c, 0x24, 0x08, /* mov 0x8(%rsp),%r9 */
};

static int imm32(const u8 *p)
{
	int v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * With a REX prefix that has B but not W, b8 is a mov to r8d: the fifth argument, and
 * the number comes from elsewhere. With W it would be a 64-bit constant that happens to
 * contain a syscall instruction; more likely 0x48 is the displacement of a load.
 */
static bool is_rex_b(u8 byte)
{
	return (byte & 0xf9) == 0x41;
}

/* @p points to 0f 05; @before bytes in front of it may be read. */
static bool match_site(const u8 *p, size_t before, struct scan_match *m)
{
	if (before >= MOV_EAX_LEN && p[-5] == 0xb8) {
		if (before > MOV_EAX_LEN && is_rex_b(p[-6]))
			return false;
		m->len = MOV_EAX_LEN;
		m->nr = imm32(p - 4);
		return hook_wants(m->nr);
	}
	if (before >= MOV_RAX_LEN && p[-7] == 0x48 && p[-6] == 0xc7 && p[-5] == 0xc0) {
		m->len = MOV_RAX_LEN;
		m->nr = imm32(p - 4);
		return hook_wants(m->nr);
	}
	if (before >= sizeof(syscall_body) &&
	    !memcmp(p - sizeof(syscall_body), syscall_body, sizeof(syscall_body))) {
		m->len = MOV_EAX_LEN;
		m->nr = -1;
		return true;
	}
	return false;
}

/* 0xff in every byte of the 16 at @p that begins a 0f 05. Reads 17 bytes. */
static inline __m128i pairs(const u8 *p)
{
	const __m128i first = _mm_loadu_si128((const __m128i *)p);
	const __m128i second = _mm_loadu_si128((const __m128i *)(p + 1));

	return _mm_and_si128(_mm_cmpeq_epi8(first, _mm_set1_epi8(0x0f)),
			     _mm_cmpeq_epi8(second, _mm_set1_epi8(0x05)));
}

/* The first 0f 05 in [p, end), or NULL. */
static const u8 *find_syscall(const u8 *p, const u8 *end)
{
	for (; end - p > 64; p += 64) {
		const __m128i a = pairs(p), b = pairs(p + 16);
		const __m128i c = pairs(p + 32), d = pairs(p + 48);
		u64 low, high;

		if (!_mm_movemask_epi8(
			    _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))))
			continue;
		low = (u32)_mm_movemask_epi8(a) | (u32)_mm_movemask_epi8(b) << 16;
		high = (u32)_mm_movemask_epi8(c) | (u32)_mm_movemask_epi8(d) << 16;
		return p + __builtin_ctzll(low | high << 32);
	}
	for (; end - p > 1; p++) {
		if (p[0] == 0x0f && p[1] == 0x05)
			return p;
	}
	return NULL;
}

bool scan_next(unsigned long pos, unsigned long start, unsigned long end,
	       struct scan_match *m)
{
	const u8 *p = (const u8 *)pos;

	while ((p = find_syscall(p, (const u8 *)end))) {
		if (match_site(p, (unsigned long)p - start, m)) {
			m->addr = (unsigned long)p;
			return true;
		}
		p += 2;
	}
	return false;
}
