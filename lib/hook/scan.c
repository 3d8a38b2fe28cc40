// SPDX-License-Identifier: LGPL-2.1-or-later
#include <asm/unistd.h>
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

/* Bytes that gcc's multi-byte nops are made of. */
static bool is_nop_byte(u8 byte)
{
	static const u8 bytes[] = { 0x90, 0x66, 0x2e, 0x0f, 0x1f,
				    0x00, 0x40, 0x44, 0x80, 0x84 };

	for (size_t i = 0; i < sizeof(bytes); i++)
		if (bytes[i] == byte)
			return true;
	return false;
}

/*
 * The end of a thread in glibc, `while (1) INTERNAL_SYSCALL_CALL (exit, 0);`:
 *
 *	mov $60,%REG; (nops) 1: xor %edi,%edi; mov %REG,%eax; syscall; jmp 1b
 *
 * The mov is executed once, and nothing else is live there. @p points to 0f 05, which
 * the loop's end may follow; @before bytes in front of it may be read.
 */
#define EXIT_LOOP_NOPS 15

static bool match_exit_loop(const u8 *p, size_t before, struct scan_match *m)
{
	const u8 *loop = p - 4, *mov;
	u8 reg;

	if (before < 4 + MOV_EAX_LEN || loop[0] != 0x31 || loop[1] != 0xff ||
	    loop[2] != 0x89 || (loop[3] & 0xc7) != 0xc0 || p[2] != 0xeb || p[3] != 0xf8)
		return false;
	reg = loop[3] >> 3 & 7;
	for (size_t nops = 0; nops <= EXIT_LOOP_NOPS && 4 + nops + MOV_EAX_LEN <= before;
	     nops++) {
		mov = loop - nops - MOV_EAX_LEN;
		if (mov[0] == 0xb8 + reg && imm32(mov + 1) == __NR_exit) {
			m->addr = (unsigned long)mov + MOV_EAX_LEN;
			m->len = MOV_EAX_LEN;
			m->nr = __NR_exit;
			return hook_wants(m->nr);
		}
		if (!is_nop_byte(mov[MOV_EAX_LEN - 1]))
			return false;
	}
	return false;
}

/*
 * glibc's read(), whose number is 0, so that gcc loads it by an xor of two bytes. But the
 * function begins with an instruction that has room for a jump:
 *
 *	cmpb $0,__libc_single_threaded(%rip); je 1f; xor %eax,%eax; syscall; cmp; ja
 *
 * There the arguments are where the call wants them, and nothing else is live. @p points
 * to 0f 05; @before bytes in front of it may be read, @after from it on.
 */
#define CMPB_LEN 7

static bool match_read(const u8 *p, size_t before, size_t after, struct scan_match *m)
{
	static const u8 behind[] = { 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff };
	const u8 *cmpb = p - CMPB_LEN - 4;

	if (before < CMPB_LEN + 4 || after < sizeof(behind) ||
	    memcmp(p, behind, sizeof(behind)) != 0 || cmpb[0] != 0x80 ||
	    cmpb[1] != 0x3d || cmpb[6] != 0 || cmpb[7] != 0x74 || cmpb[9] != 0x31 ||
	    cmpb[10] != 0xc0)
		return false;
	m->addr = (unsigned long)cmpb + CMPB_LEN;
	m->len = CMPB_LEN;
	m->nr = __NR_read;
	return hook_wants(__NR_read);
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
		const size_t before = (unsigned long)p - start;

		m->addr = (unsigned long)p;
		m->next = (unsigned long)p + 2;
		if (match_site(p, before, m) ||
		    (end - m->addr >= 4 && match_exit_loop(p, before, m)) ||
		    match_read(p, before, end - (unsigned long)p, m))
			return true;
		p += 2;
	}
	return false;
}
