/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words every file of the library uses.
 *
 * The library is freestanding: it links against no libc, so that a hook can run under
 * malloc's and the dynamic loader's locks, in a signal handler or in a vfork child.
 * Only headers that define types or inline primitives may be included below lib/.
 */
#ifndef SHADOWMM_BASE_COMPILER_H
#define SHADOWMM_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define likely(x)	      __builtin_expect(!!(x), 1)
#define unlikely(x)	      __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define __cacheline_aligned   __attribute__((aligned(64)))
#define __public	      __attribute__((visibility("default")))
#define barrier()	      __asm__ volatile("" ::: "memory")

#define READ_ONCE(x)	      (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)      (*(volatile __typeof__(x) *)&(x) = (v))

#define min(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a < _b ? _a : _b;      \
	})
#define max(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a > _b ? _a : _b;      \
	})

#define PAGE_SHIFT    12
#define PAGE_SIZE     (1UL << PAGE_SHIFT)
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) (((unsigned long)(x) + PAGE_SIZE - 1) & PAGE_MASK)

/* System calls answer -errno in the top 4095 values, as in the kernel's err.h. */
#define MAX_ERRNO	4095UL
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

/*
 * Variables that every start of a process touches, side by side, so that a process which
 * does nothing else with them takes a page fault or two and not ten. (The comment sign
 * ends what gcc adds to the section's flags.)
 */
#define __start_data __attribute__((section("smm_start,\"aw\",@nobits#")))

#endif
