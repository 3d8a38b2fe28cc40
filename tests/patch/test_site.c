// SPDX-License-Identifier: LGPL-2.1-or-later
/* Sites: found where they are, left alone where they are not, exact when executed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/hook/table.h"
#include "lib/hook/thunk.h"
#include "tests/patch/code.h"
#include "tests/patch/handlers.h"
#include "tests/patch/probe.h"

#define ANSWER	  0x123456789abcdefL
#define FLAGS_ALL 0xcd5UL /* OF DF SF ZF AF PF CF */
#define ALWAYS_ON 0x202UL /* bit 1, IF */

static struct smm_stat stat;

static void setup(void)
{
	handlers_init();
	cr_assert_eq(patch_init(&stat), 0);
}

TestSuite(site, .init = setup, .timeout = 20);

static void fill(struct probe *p, uint64_t flags, uint64_t misalign)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < 16; i++) {
		p->r[i] = 0x1111111111111111UL * (uint64_t)i + 7;
		p->red_zone[i] = 0xabcd000000000000UL + (uint64_t)i;
		p->xmm[i][0] = 0xfeed000000000000UL + (uint64_t)i;
		p->xmm[i][1] = ~p->xmm[i][0];
	}
	p->flags = flags | ALWAYS_ON;
	p->r[RSP] = 512 + misalign;
}

/* Everything but rax, rcx and r11 is as fill() made it, the site is out of the red zone.
 */
static void check(const struct probe *p, uint64_t flags, uint64_t misalign)
{
	struct probe want;

	fill(&want, flags, misalign);
	for (int i = 0; i < 16; i++) {
		if (i != RAX && i != RCX && i != RSP && i != R11)
			cr_assert_eq(p->r[i], want.r[i], "register %d: %lx", i, p->r[i]);
		cr_assert_eq(p->red_zone[i], want.red_zone[i], "red zone word %d", i);
		cr_assert_eq(p->xmm[i][0], want.xmm[i][0], "xmm%d", i);
		cr_assert_eq(p->xmm[i][1], want.xmm[i][1], "xmm%d", i);
	}
	cr_assert_eq(p->r[RSP], 0, "stack pointer moved");
	cr_assert_eq(p->flags & FLAGS_ALL, flags, "flags %lx, were %lx", p->flags, flags);
}

static void check_args(long nr, const uint8_t *syscall_insn)
{
	struct probe want;

	fill(&want, 0, 0);
	cr_assert_eq(seen->nr, nr);
	cr_assert_eq(seen->site.addr, (unsigned long)syscall_insn);
	cr_assert_eq(seen->args[0], want.r[RDI]);
	cr_assert_eq(seen->args[1], want.r[RSI]);
	cr_assert_eq(seen->args[2], want.r[RDX]);
	cr_assert_eq(seen->args[3], want.r[R10]);
	cr_assert_eq(seen->args[4], want.r[R8]);
	cr_assert_eq(seen->args[5], want.r[R9]);
}

static void probe_site(enum where where, uint8_t *(*site)(struct code *, int))
{
	static const uint64_t flags[] = {
		0, FLAGS_ALL, 0x801, 0x001, 0x040, 0x400, 0x894
	};
	struct code c = code_new(where, 1);
	uint8_t *at = site(&c, SYS_mmap);
	const uint8_t *insn = c.p - 2;
	struct probe p;

	code_jmp(&c, probe_back);
	cr_assert_eq(code_patch(&c), 1);
	cr_assert_neq(jmp_target(at), 0);
	cr_assert_eq(memcmp(insn, "\x0f\x05", 2), 0, "the syscall instruction must stay");
	handler_answer = ANSWER;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		for (uint64_t misalign = 0; misalign < 16; misalign += 3) {
			fill(&p, flags[i], misalign);
			probe_run(at, &p);
			check(&p, flags[i], misalign);
			check_args(SYS_mmap, insn);
			cr_assert_eq(p.r[RAX], ANSWER);
		}
	}
	cr_assert_eq(seen->calls, ARRAY_SIZE(flags) * 6);
	code_free(&c);
}

Test(site, registers_mov_eax)
{
	probe_site(NEAR, code_site);
}

Test(site, registers_mov_rax)
{
	probe_site(NEAR, code_site7);
}

Test(site, registers_far)
{
	probe_site(FAR, code_site);
	cr_assert_eq(seen->notes, 1, "one new arena, reported");
}

Test(site, failed_call_returns_errno)
{
	struct code c = code_new(NEAR, 1);
	uint8_t *at = code_site(&c, SYS_munmap);
	struct probe p;

	code_jmp(&c, probe_back);
	code_patch(&c);
	fill(&p, 0, 0);
	p.r[RDI] = 1;
	probe_run(at, &p);
	cr_assert_eq((long)p.r[RAX], -EINVAL);
}

/* What hook_before() refuses the site does not execute. */
Test(site, refused_before)
{
	struct code c = code_new(NEAR, 1);
	uint8_t *at = code_site(&c, SYS_msync);
	const uint64_t flags[] = { 0, FLAGS_ALL };
	struct probe p;

	code_jmp(&c, probe_back);
	cr_assert_eq(code_patch(&c), 1);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		handler_answer = -ENOSPC;
		fill(&p, flags[i], 0);
		probe_run(at, &p);
		check(&p, flags[i], 0);
		cr_assert_eq((long)p.r[RAX], -ENOSPC);
		cr_assert_eq(seen->nr, SYS_msync);
		handler_answer = 0; /* the kernel's: not aligned */
		fill(&p, flags[i], 0);
		probe_run(at, &p);
		check(&p, flags[i], 0);
		cr_assert_eq((long)p.r[RAX], -EINVAL);
	}
	code_free(&c);
}

/* Code that branches to the instruction itself has loaded its number by other means. */
Test(site, branch_to_the_syscall_instruction)
{
	struct code c = code_new(NEAR, 1);
	uint8_t *at = code_site(&c, SYS_mmap);
	struct probe p;

	code_jmp(&c, probe_back);
	cr_assert_eq(code_patch(&c), 1);
	fill(&p, 0, 0);
	p.r[RAX] = SYS_getpid;
	probe_run(at + 5, &p);
	cr_assert_eq((long)p.r[RAX], getpid());
	cr_assert_eq(seen->calls, 0);
	check(&p, 0, 0);
}

static void site_at(size_t offset)
{
	struct code c = code_new(NEAR, 3);
	struct probe p;
	uint8_t *at;

	c.p = (uint8_t *)c.start + offset;
	at = code_site(&c, SYS_brk);
	code_jmp(&c, probe_back);
	cr_assert_eq(code_patch(&c), 1);
	fill(&p, 0, 0);
	handler_answer = ANSWER;
	probe_run(at, &p);
	check_args(SYS_brk, at + 5);
	cr_assert_eq(p.r[RAX], ANSWER);
	code_free(&c);
}

Test(site, across_a_page_boundary)
{
	for (size_t i = 0; i <= 8; i++)
		site_at(PAGE_SIZE - i);
}

Test(site, at_every_alignment_of_the_scanner)
{
	for (size_t i = 0; i < 140; i++)
		site_at(i);
}

/* Inaccessible pages on both sides: reading one byte too far would fault. */
Test(site, at_the_very_end)
{
	struct code c = code_new(NEAR, 1);
	uint8_t *at;

	c.p = (uint8_t *)c.start + PAGE_SIZE - 7;
	at = code_site(&c, SYS_mmap);
	cr_assert_eq(code_patch(&c), 1);
	cr_assert_neq(jmp_target(at), 0);
}

Test(site, executed_at_the_very_end)
{
	struct code c = code_new(NEAR, 2);
	struct probe p;
	uint8_t *at;

	c.p = (uint8_t *)c.start + PAGE_SIZE - 7;
	at = code_site(&c, SYS_mmap);
	code_jmp(&c, probe_back);
	code_finish(&c);
	cr_assert_eq(patch_range(c.start, c.start + PAGE_SIZE, PROT_READ | PROT_EXEC), 1);
	fill(&p, 0, 0);
	handler_answer = ANSWER;
	probe_run(at, &p);
	check_args(SYS_mmap, at + 5);
}

Test(site, incomplete_at_the_start)
{
	const uint8_t mov[] = { 0xb8, SYS_mmap, 0, 0, 0, 0x0f, 0x05 };

	for (size_t cut = 1; cut < 6; cut++) {
		struct code c = code_new(NEAR, 1);

		code_bytes(&c, mov + cut, sizeof(mov) - cut);
		cr_assert_eq(code_patch(&c), 0, "cut %zu", cut);
		code_free(&c);
	}
}

/* 0f at the last byte, its 05 would be the first byte of the next area. */
Test(site, cut_off_at_the_end)
{
	struct code c = code_new(NEAR, 1);

	c.p = (uint8_t *)c.start + PAGE_SIZE - 6;
	CODE(&c, 0xb8, SYS_mmap, 0, 0, 0, 0x0f);
	cr_assert_eq(code_patch(&c), 0);
}

Test(site, false_positives_are_left_alone)
{
	struct code c = code_new(NEAR, 1);
	uint8_t before[PAGE_SIZE];

	CODE(&c, 0x0f, 0x05, 0xc3);			     /* number elsewhere */
	CODE(&c, 0x41, 0xb8, SYS_mmap, 0, 0, 0, 0x0f, 0x05); /* mov $9,%r8d */
	CODE(&c, 0x45, 0xb8, SYS_mmap, 0, 0, 0, 0x0f, 0x05);
	CODE(&c, 0xb8, SYS_read, 0, 0, 0, 0x0f, 0x05);		   /* not wanted */
	CODE(&c, 0xb8, SYS_mmap, 1, 0, 0, 0x0f, 0x05);		   /* 265: linkat */
	CODE(&c, 0xb8, SYS_mmap, 0, 0, 0x40, 0x0f, 0x05);	   /* x32 */
	CODE(&c, 0xb8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x05);	   /* -1 */
	CODE(&c, 0xb8, SYS_mmap, 0, 0, 0, 0x0f, 0x04);		   /* not a syscall */
	CODE(&c, 0xb9, SYS_mmap, 0, 0, 0, 0x0f, 0x05);		   /* mov $9,%ecx */
	CODE(&c, 0x48, 0xc7, 0xc1, SYS_mmap, 0, 0, 0, 0x0f, 0x05); /* mov $9,%rcx */
	CODE(&c, 0x49, 0xc7, 0xc0, SYS_mmap, 0, 0, 0, 0x0f, 0x05); /* mov $9,%r8 */
	CODE(&c, 0xb8, SYS_mmap, 0, 0, 0, 0x90, 0x0f, 0x05);	   /* not adjacent */
	CODE(&c, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05);	   /* not syscall() */
	memcpy(before, (void *)c.start, PAGE_SIZE);
	cr_assert_eq(code_patch(&c), 0);
	cr_assert_eq(memcmp(before, (void *)c.start, PAGE_SIZE), 0);
	cr_assert_eq(stat.sites, 0);
	cr_assert_eq(stat.sites_refused, 0);
}

Test(site, one_byte_off_syscall_function)
{
	for (int i = 0; i < 25; i++) {
		struct code c = code_new(NEAR, 1);
		uint8_t *at = code_syscall_function(&c);

		at[i] ^= 0x01;
		cr_assert_eq(code_patch(&c), 0, "byte %d", i);
		code_free(&c);
	}
}

typedef long (*syscall_fn)(long, ...);

static void check_syscall_function(enum where where)
{
	struct code c = code_new(where, 1);
	syscall_fn fn = (syscall_fn)(void *)code_syscall_function(&c);

	cr_assert_eq(code_patch(&c), 1);
	cr_assert_eq(fn(SYS_getpid), getpid());
	cr_assert_eq(fn(100000L), -ENOSYS);
	cr_assert_eq(fn(-1L), -ENOSYS);
	cr_assert_eq(seen->calls, 0, "only wanted calls are shown");
	handler_answer = ANSWER;
	cr_assert_eq(fn(SYS_mmap, 1L, 2L, 3L, 4L, 5L, 6L), ANSWER);
	cr_assert_eq(seen->nr, SYS_mmap);
	for (unsigned long i = 0; i < 6; i++)
		cr_assert_eq(seen->args[i], i + 1, "argument %lu", i);
	cr_assert_eq(seen->site.nr, -1);
	handler_answer = 0;
	cr_assert_eq(fn(SYS_munmap, 1L, 2L), -EINVAL);
	code_free(&c);
}

Test(site, syscall_function)
{
	check_syscall_function(NEAR);
}

Test(site, syscall_function_far)
{
	check_syscall_function(FAR);
}

Test(site, registers_through_syscall_function)
{
	struct code c = code_new(NEAR, 1);
	uint8_t *at = code_syscall_function(&c);
	struct probe p, want;

	c.p--; /* instead of the ret */
	code_jmp(&c, probe_back);
	code_patch(&c);
	for (uint64_t nr = SYS_getpid; nr < SYS_getpid + 2; nr++) {
		fill(&p, 0, 0);
		p.r[RDI] = nr;
		probe_run(at, &p);
		fill(&want, 0, 0);
		cr_assert_eq(p.r[RDI], want.r[RSI]);
		cr_assert_eq(p.r[RBX], want.r[RBX]);
		cr_assert_eq(p.r[R15], want.r[R15]);
		cr_assert_eq(memcmp(p.red_zone, want.red_zone, sizeof(p.red_zone)), 0);
		cr_assert_eq(memcmp(p.xmm, want.xmm, sizeof(p.xmm)), 0);
	}
}

Test(site, vector_registers_survive_patch_range)
{
	struct code c = code_new(NEAR, 16);
	unsigned long start = c.start, end = c.start + c.size,
		      prot = PROT_READ | PROT_EXEC;
	static uint64_t in[16][2], out[16][2];
	register uint64_t(*o)[2] __asm__("r12") = out;
	int ret;

	memset(in, 0x5a, sizeof(in));
	code_site(&c, SYS_mmap);
	code_finish(&c);
	/* In asm, so that the compiler has nothing of its own in those registers. */
	__asm__ volatile("mov %%rsp, %%r13\n"
			 "sub $256, %%rsp\n"
			 "and $-16, %%rsp\n"
			 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
			 "movups 16*\\n(%%rbx), %%xmm\\n\n"
			 ".endr\n"
			 "call patch_range\n"
			 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
			 "movups %%xmm\\n, 16*\\n(%%r12)\n"
			 ".endr\n"
			 "mov %%r13, %%rsp\n"
			 : "=a"(ret), "+D"(start), "+S"(end), "+d"(prot)
			 : "b"(in), "r"(o)
			 : "rcx", "r8", "r9", "r10", "r11", "r13", "memory", "cc", "xmm0",
			   "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	cr_assert_eq(ret, 1);
	cr_assert_eq(memcmp(in, out, sizeof(in)), 0);
}

Test(site, same_place_again_reuses_the_thunk)
{
	unsigned long first = 0, at = 0;

	for (int i = 0; i < 20; i++) {
		struct code c = i ? code_new_at(at, 1) : code_new(NEAR, 1);
		uint8_t *site = code_site(&c, SYS_mmap);

		cr_assert_eq(code_patch(&c), 1);
		at = c.start;
		if (i)
			cr_assert_eq(jmp_target(site), first);
		first = jmp_target(site);
		code_free(&c);
	}
}

Test(site, patching_twice_changes_nothing)
{
	struct code c = code_new(NEAR, 1);
	uint8_t before[64], *at = code_site(&c, SYS_mmap);

	code_syscall_function(&c);
	cr_assert_eq(code_patch(&c), 2);
	memcpy(before, at, sizeof(before));
	cr_assert_eq(patch_range(c.start, c.start + c.size, PROT_READ | PROT_EXEC), 0);
	cr_assert_eq(memcmp(before, at, sizeof(before)), 0);
}

Test(site, more_than_fit_into_the_library)
{
	enum {
		NR = 3000
	};
	struct code c = code_new(NEAR, 8);
	struct probe p;

	for (int i = 0; i < NR; i++)
		code_site(&c, SYS_mmap);
	code_jmp(&c, probe_back);
	cr_assert_eq(code_patch(&c), NR);
	cr_assert_eq(stat.sites, NR);
	cr_assert_gt(seen->notes, 2, "chunks of sites and arenas, reported");
	fill(&p, 0x801, 5);
	handler_answer = ANSWER;
	probe_run((void *)c.start, &p);
	check(&p, 0x801, 5);
	cr_assert_eq(seen->calls, NR);
}

Test(site, exhausted_arenas_refuse_and_break_nothing)
{
	enum {
		NR = 3000
	};
	struct rlimit none = { 0, RLIM_INFINITY };
	struct code c = code_new(NEAR, 8);
	int done;

	for (int i = 0; i < NR; i++)
		code_site(&c, SYS_munmap);
	CODE(&c, 0xc3);
	cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
	done = code_patch(&c);
	none.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
	cr_assert_gt(done, 400);
	cr_assert_lt(done, NR);
	cr_assert_eq(stat.sites, (unsigned long)done);
	cr_assert_eq(stat.sites_refused, (unsigned long)(NR - done));
	cr_assert_eq(((long (*)(long, long))c.start)(1, 1), -EINVAL);
	cr_assert_eq(seen->calls, done, "the others go to the kernel unseen");
}

Test(site, owns_text_and_arenas_only)
{
	struct code c = code_new(FAR, 1);
	uint8_t *at = code_site(&c, SYS_mmap);

	code_patch(&c);
	cr_assert(patch_owns((unsigned long)thunk_arena));
	cr_assert(patch_owns((unsigned long)thunk_entry_call));
	cr_assert(patch_owns(jmp_target(at)));
	cr_assert_not(patch_owns(c.start));
	cr_assert_not(patch_owns((unsigned long)&stat));
	cr_assert_not(patch_owns((unsigned long)getpid));
}

Test(site, table)
{
	cr_assert(hook_wants(SYS_mmap));
	cr_assert(hook_wants(SYS_clone3));
	cr_assert(hook_wants(453));
	cr_assert_not(hook_wants(SYS_read));
	cr_assert_not(hook_wants(-1));
	cr_assert_not(hook_wants(512));
	cr_assert_not(hook_wants(1L << 40));
	cr_assert_not(hook_wants(SYS_rt_sigprocmask));
	hook_want_signals();
	cr_assert(hook_wants(SYS_rt_sigprocmask));
	cr_assert_str_eq(hook_call_name(SYS_mremap), "mremap");
	cr_assert_null(hook_call_name(SYS_getpid));
	hook_want_files();
	cr_assert(hook_wants(SYS_read));
	cr_assert(hook_wants_more());
}

static int replaced(int a)
{
	return a + 1;
}

static void check_patch_function(enum where where)
{
	struct code c = code_new(where, 1);
	int (*fn)(int) = (int (*)(int))(void *)c.p;

	CODE(&c, 0x31, 0xc0, 0xc3, 0x90, 0x90, 0xcc); /* xor %eax,%eax; ret */
	code_finish(&c);
	cr_assert_eq(fn(41), 0);
	cr_assert_eq(patch_function(c.start, (unsigned long)replaced), 0);
	cr_assert_eq(fn(41), 42);
	cr_assert_eq(c.p[-1], 0xcc, "five bytes and no more");
}

Test(site, function)
{
	check_patch_function(NEAR);
}

Test(site, function_far)
{
	check_patch_function(FAR);
}
