// SPDX-License-Identifier: LGPL-2.1-or-later
#include <elf.h>

#include "lib/base/string.h"
#include "lib/hook/table.h"
#include "lib/hook/text.h"
#include "lib/hook/thunk.h"
#include "lib/sys/sys.h"

#define ARENA_SIZE  (64UL << 10) /* of an arena made for a module far from us */
#define NR_ARENAS   32
#define THUNK_MAX   2048 /* the longest: syscall(), four clone-like calls, far away */
#define THUNK_ALIGN 16
#define REACH	    ((1UL << 31) - ARENA_SIZE - PAGE_SIZE)
#define SYSCALL_LEN 2
#define JMP_LEN	    5

struct thunk_arena {
	unsigned long start, end;
	unsigned long next; /* first unused byte */
	struct text_window window;
};

static struct thunk_arena
	arenas[NR_ARENAS] __start_data; /* the first is in our own text */
static unsigned int nr_arenas __start_data;
static unsigned long own_start __start_data, own_end __start_data;
static unsigned long unreachable
	__start_data; /* no arena was found for this address in this batch */

/* The thunk being generated, and the address that it will have. */
static struct {
	u8 buf[THUNK_MAX];
	size_t len;
	unsigned long pc;
} out __start_data;

/* --- emitting ---------------------------------------------------------------------- */

static void emit(const void *bytes, size_t n)
{
	/* A thunk that outgrew THUNK_MAX is refused by place(). */
	if (out.len + n <= sizeof(out.buf))
		memcpy(out.buf + out.len, bytes, n);
	out.len += n;
}

#define EMIT(...)                                           \
	do {                                                \
		static const u8 bytes_[] = { __VA_ARGS__ }; \
		emit(bytes_, sizeof(bytes_));               \
	} while (0)

static void emit_u32(u32 v)
{
	emit(&v, sizeof(v));
}

static void emit_u64(u64 v)
{
	emit(&v, sizeof(v));
}

bool thunk_displacement(unsigned long from, unsigned long to, int *rel32)
{
	const long d = (long)(to - (from + 5));

	*rel32 = (int)d;
	return d == *rel32;
}

static void emit_jmp(unsigned long to)
{
	int rel;

	if (thunk_displacement(out.pc + out.len, to, &rel)) {
		EMIT(0xe9);
		emit_u32((u32)rel);
		return;
	}
	EMIT(0xff, 0x25, 0, 0, 0, 0); /* jmp *0(%rip), the address follows */
	emit_u64(to);
}

static void emit_call(const char *target)
{
	const unsigned long to = (unsigned long)target;
	int rel;

	if (thunk_displacement(out.pc + out.len, to, &rel)) {
		EMIT(0xe8);
		emit_u32((u32)rel);
		return;
	}
	EMIT(0xff, 0x15, 2, 0, 0, 0, 0xeb, 8); /* call *2(%rip); jmp over the address */
	emit_u64(to);
}

/* A forward jcc (0x80 + condition) or jmp (0xe9); returns what emit_label() takes. */
static size_t emit_branch(u8 opcode)
{
	if (opcode != 0xe9)
		EMIT(0x0f);
	emit(&opcode, 1);
	emit_u32(0);
	return out.len;
}

/* The branch whose code ended at @branch leads here. */
static void emit_label(size_t branch)
{
	const u32 rel = (u32)(out.len - branch);

	if (out.len <= sizeof(out.buf))
		memcpy(out.buf + branch - sizeof(rel), &rel, sizeof(rel));
}

/* lea keeps the flags, which add and sub would not. */
static void emit_leave_red_zone(void)
{
	EMIT(0x48, 0x8d, 0x64, 0x24, 0x80); /* lea -128(%rsp),%rsp */
}

static void emit_enter_red_zone(void)
{
	EMIT(0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0); /* lea 128(%rsp),%rsp */
}

/* Call @entry with r11 = @s and rax = the number, which the caller has loaded. */
static void emit_entry(const char *entry, const struct site *s)
{
	emit_leave_red_zone();
	EMIT(0x49, 0xbb); /* movabs $s,%r11 */
	emit_u64((unsigned long)s);
	emit_call(entry);
	emit_enter_red_zone();
}

static void emit_mov_eax(int nr)
{
	EMIT(0xb8);
	emit_u32((u32)nr);
}

static unsigned long back(const struct site *s)
{
	return s->addr + SYSCALL_LEN;
}

static void emit_plain(const struct site *s, const char *entry)
{
	emit_entry(entry, s);
	emit_jmp(back(s));
}

/* Look at the call, then let the instruction at the site execute it; or, if ecx has an
 * error, give that back. Branches and movs that keep the flags. */
static void emit_before(const struct site *s)
{
	size_t execute;

	emit_entry(thunk_entry_before, s);
	EMIT(0xe3, 2);		     /* jrcxz 1f */
	EMIT(0xeb, 5);		     /* jmp 2f */
	execute = emit_branch(0xe9); /* 1: */
	EMIT(0x48, 0x63, 0xc1);	     /* 2: movslq %ecx,%rax */
	emit_jmp(back(s));
	emit_label(execute);
	emit_jmp(s->addr);
}

/* One task less, without a stack: only r11 and the flags, which are dead here. */
static void emit_count_exit(void)
{
	EMIT(0x49, 0xbb); /* movabs $users,%r11 */
	emit_u64((unsigned long)hook_mm_users());
	EMIT(0xf0, 0x41, 0xff, 0x0b); /* lock decl (%r11) */
}

/* exit(2): the displaced mov, whatever its register, and on to what follows it. */
static void emit_exit(const struct site *s)
{
	const u8 *mov = (const u8 *)(s->addr - JMP_LEN);

	emit_count_exit();
	if ((mov[0] & 0xf8) == 0xb8)
		emit(mov, JMP_LEN);
	else /* the longer mov, to rax */
		emit_mov_eax(s->nr);
	emit_jmp(s->addr);
}

/* glibc's read() begins (scan.c): look, then do the displaced cmpb, and go on behind it.
 * r11 is free at the beginning of a function. */
static void emit_read(const struct site *s)
{
	int rel;

	memcpy(&rel, (const void *)(s->addr - 5), sizeof(rel));
	emit_mov_eax(s->nr);
	emit_entry(thunk_entry_before, s);
	EMIT(0x49, 0xbb); /* movabs $__libc_single_threaded,%r11 */
	emit_u64(s->addr + (unsigned long)(long)rel);
	EMIT(0x41, 0x80, 0x3b, 0); /* cmpb $0,(%r11) */
	emit_jmp(s->addr);
}

static void emit_clone_end(const struct site *s, const char *entry, int nr, int cls)
{
	emit_leave_red_zone();
	EMIT(0x41, 0xbb); /* mov $imm32,%r11d */
	emit_u32((u32)(nr | cls << 16));
	emit_call(entry);
	emit_enter_red_zone();
	emit_jmp(back(s));
}

/*
 * The call itself, with every register and the stack pointer as at the site, in a copy
 * of its own for each class: the child (whose stack may be new, or be the suspended
 * parent's) and the parent know from where they execute what happened, so nothing has to
 * be kept in memory or in a register. jrcxz, because it is the branch that keeps flags.
 */
static void emit_clone_class(const struct site *s, int nr, int cls)
{
	size_t child;
	u8 distance;

	EMIT(0x0f, 0x05);	/* syscall */
	EMIT(0x48, 0x89, 0xc1); /* mov %rax,%rcx */
	EMIT(0xe3, 0);		/* jrcxz child */
	child = out.len;
	emit_clone_end(s, thunk_entry_clone_after, nr, cls);
	distance = (u8)(out.len - child);
	if (out.len <= sizeof(out.buf))
		out.buf[child - 1] = distance;
	emit_clone_end(s, thunk_entry_clone_child, nr, cls);
}

static void emit_clone(const struct site *s, int nr)
{
	size_t fork_copy, thread_copy;

	emit_mov_eax(nr);
	emit_entry(thunk_entry_clone_before, s);
	EMIT(0xe3, 4 + 2 + 2);			 /* jrcxz 1f */
	EMIT(0x48, 0x8d, 0x49, 0xff);		 /* lea -1(%rcx),%rcx */
	EMIT(0xe3, 2 + 5);			 /* jrcxz 2f */
	EMIT(0xeb, 5 + 5);			 /* jmp 3f */
	fork_copy = emit_branch(0xe9);		 /* 1: */
	thread_copy = emit_branch(0xe9);	 /* 2: */
	emit_clone_class(s, nr, CLONE_CLASS_VM); /* 3: */
	emit_label(fork_copy);
	emit_clone_class(s, nr, CLONE_CLASS_FORK);
	emit_label(thread_copy);
	emit_clone_class(s, nr, CLONE_CLASS_THREAD);
}

/* jc: operation @ops of futex(2) in esi? rcx and r11 are free. */
static size_t emit_futex_op(unsigned int ops)
{
	EMIT(0x89, 0xf1);		 /* mov %esi,%ecx */
	EMIT(0x83, 0xe1, FUTEX_OP_BITS); /* and $FUTEX_OP_BITS,%ecx */
	EMIT(0x41, 0xbb);		 /* mov $ops,%r11d */
	emit_u32(ops);
	EMIT(0x41, 0x0f, 0xa3, 0xcb); /* bt %ecx,%r11d, which takes it modulo 32: */
	return emit_branch(0x82);     /* jc; the others are ENOSYS */
}

static void emit_futex(const struct site *s)
{
	size_t writes = emit_futex_op(FUTEX_OPS_WRITE);
	size_t sleeps = emit_futex_op(FUTEX_OPS_SLEEP);

	emit_jmp(s->addr);
	emit_label(writes);
	emit_plain(s, thunk_entry_call);
	emit_label(sleeps);
	emit_before(s);
}

/*
 * glibc's syscall(): the number is known only now. What we do not want is executed by
 * the instruction at the site. The flags need not survive: the code before the site is
 * the beginning of a C function (scan.c has compared all of it).
 */
static void emit_generic(const struct site *s)
{
	static const u16 clones[] = { __NR_clone, __NR_clone3, __NR_fork, __NR_vfork };
	const u32 wanted = hook_wanted_classes();
	size_t too_big, unwanted, clone, signal, before, leave, futex, next;

	EMIT(0x4c, 0x8b, 0x4c, 0x24, 0x08); /* mov 8(%rsp),%r9: displaced */
	EMIT(0x48, 0x3d);		    /* cmp $HOOK_NR_MAX,%rax */
	emit_u32(HOOK_NR_MAX);
	too_big = emit_branch(0x83); /* jae */
	EMIT(0x49, 0xbb);	     /* movabs $hook_calls,%r11 */
	emit_u64((unsigned long)hook_calls);
	EMIT(0x41, 0x0f, 0xb7, 0x0c, 0x43); /* movzwl (%r11,%rax,2),%ecx */
	EMIT(0x81, 0xe1);		    /* and $wanted,%ecx */
	emit_u32(wanted);
	unwanted = emit_branch(0x84);  /* jz */
	EMIT(0xf6, 0xc1, CALL_CLONE);  /* test $CALL_CLONE,%cl */
	clone = emit_branch(0x85);     /* jnz */
	EMIT(0xf6, 0xc1, CALL_SIGNAL); /* test $CALL_SIGNAL,%cl */
	signal = emit_branch(0x85);    /* jnz */
	EMIT(0xf7, 0xc1);	       /* test $(CALL_BEFORE | CALL_FILE),%ecx */
	emit_u32(CALL_BEFORE | CALL_FILE);
	before = emit_branch(0x85);   /* jnz */
	EMIT(0xf6, 0xc1, CALL_EXIT);  /* test $CALL_EXIT,%cl */
	leave = emit_branch(0x85);    /* jnz */
	EMIT(0xf6, 0xc1, CALL_FUTEX); /* test $CALL_FUTEX,%cl */
	futex = emit_branch(0x85);    /* jnz */
	emit_plain(s, thunk_entry_call);
	emit_label(futex);
	emit_futex(s);
	emit_label(leave);
	emit_count_exit();
	emit_jmp(s->addr);
	emit_label(before);
	emit_before(s);
	emit_label(signal);
	emit_plain(s, thunk_entry_signal);
	emit_label(clone);
	for (size_t i = 0; i < ARRAY_SIZE(clones); i++) {
		EMIT(0x3d); /* cmp $clones[i],%eax */
		emit_u32(clones[i]);
		next = emit_branch(0x85); /* jne */
		emit_clone(s, clones[i]);
		emit_label(next);
	}
	emit_label(too_big);
	emit_label(unwanted);
	emit_jmp(s->addr);
}

static void emit_thunk(const struct site *s)
{
	const unsigned int class = hook_class(s->nr);

	if (s->nr < 0) {
		emit_generic(s);
	} else if (class == CALL_CLONE) {
		emit_clone(s, s->nr);
	} else if (class == CALL_EXIT) {
		emit_exit(s);
	} else if (s->nr == __NR_read) {
		emit_read(s);
	} else if (class == CALL_BEFORE || class == CALL_FILE) {
		emit_mov_eax(s->nr);
		emit_before(s);
	} else {
		emit_mov_eax(s->nr);
		emit_plain(s,
			   class == CALL_SIGNAL ? thunk_entry_signal : thunk_entry_call);
	}
}

/* --- arenas ------------------------------------------------------------------------ */

/* Our own PT_LOAD that is executable. Without it the static arena alone is ours. */
void thunk_own_text(unsigned long *start, unsigned long *end)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	const Elf64_Ehdr *eh = (const void *)__ehdr_start;
	const Elf64_Phdr *ph = (const void *)(__ehdr_start + eh->e_phoff);
	unsigned long bias = (unsigned long)__ehdr_start;

	*start = (unsigned long)thunk_arena;
	*end = (unsigned long)thunk_arena_end;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !ph[i].p_offset) {
			bias -= ph[i].p_vaddr; /* not 0 in a program linked to an address
						*/
			break;
		}
	}
	for (int i = 0; i < eh->e_phnum; i++) {
		unsigned long at = bias + ph[i].p_vaddr;

		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) && at <= *start &&
		    at + ph[i].p_memsz >= *end) {
			*start = at & PAGE_MASK;
			*end = PAGE_ALIGN(at + ph[i].p_memsz);
			return;
		}
	}
}

void thunk_init(void)
{
	thunk_own_text(&own_start, &own_end);
	arenas[0] = (struct thunk_arena){
		.start = (unsigned long)thunk_arena,
		.end = (unsigned long)thunk_arena_end,
		.next = (unsigned long)thunk_arena,
	};
	nr_arenas = 1;
}

static int arena_open(struct thunk_arena *a)
{
	if (a->window.open)
		return 0;
	/* All of our text, not just the arena: see text_open() on merging. */
	if (a == &arenas[0])
		return text_open(&a->window, own_start, own_end, PROT_READ | PROT_EXEC);
	return text_open(&a->window, a->start, a->end, PROT_READ | PROT_EXEC);
}

int thunk_seal(void)
{
	int ret = 0;

	for (unsigned int i = 0; i < nr_arenas; i++) {
		int err = text_close(&arenas[i].window);

		if (err)
			ret = err;
	}
	unreachable = 0;
	return ret;
}

/* Copy the generated thunk to where it was generated for. */
static int place(struct thunk_arena *a)
{
	int ret;

	if (out.len > sizeof(out.buf) || out.len > a->end - a->next)
		return -ENOSPC;
	ret = arena_open(a);
	if (!ret)
		ret = text_write(&a->window, a->next, out.buf, out.len);
	if (ret)
		return ret;
	/* The last step: a task that takes the lock over from a dead one finds the arena
	 * as if the unfinished thunk had never been. */
	a->next = (a->next + out.len + THUNK_ALIGN - 1) & ~(THUNK_ALIGN - 1UL);
	return 0;
}

static void begin(const struct thunk_arena *a)
{
	out.len = 0;
	out.pc = a->next;
}

static bool in_reach(unsigned long a, unsigned long b)
{
	return (a > b ? a - b : b - a) < REACH;
}

static bool arena_map_at(unsigned long addr)
{
	unsigned long at =
		(unsigned long)sys_mmap(addr, ARENA_SIZE, PROT_READ | PROT_EXEC,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
					-1, 0);

	if (IS_ERR_VALUE(at))
		return false;
	if (at !=
	    addr) { /* before Linux 4.17 the flag is unknown and the address a hint */
		sys_munmap(at, ARENA_SIZE);
		return false;
	}
	arenas[nr_arenas++] = (struct thunk_arena){ at, at + ARENA_SIZE, at, { 0 } };
	patch_note_mapping(at, ARENA_SIZE, PROT_READ | PROT_EXEC);
	return true;
}

/*
 * A new arena within reach of @addr. Below it first: what is above the program itself is
 * its heap, and the heap must be able to grow; for the same reason far before near above.
 */
static bool arena_map(unsigned long addr)
{
	const unsigned long base = addr & ~((1UL << 20) - 1);

	if (nr_arenas == NR_ARENAS || (unreachable && in_reach(unreachable, addr)))
		return false;
	for (unsigned long mb = 1; mb < 2048 - 32; mb += mb < 64 ? 1 : 32) {
		if (base > (mb << 20) && in_reach(base - (mb << 20), addr) &&
		    arena_map_at(base - (mb << 20)))
			return true;
	}
	for (unsigned long mb = 2048 - 32; mb; mb -= 32) {
		if (in_reach(base + (mb << 20), addr) && arena_map_at(base + (mb << 20)))
			return true;
	}
	unreachable = addr;
	return false;
}

/* Generate by @fill in some arena within reach of @from. The address, or -errno. */
static long place_near(unsigned long from, void (*fill)(const void *), const void *arg)
{
	int ret = -ENOSPC;

	for (unsigned int i = 0;; i++) {
		unsigned long at;

		if (i == nr_arenas && !arena_map(from))
			return ret;
		at = arenas[i].next;
		if (!in_reach(at, from))
			continue;
		begin(&arenas[i]);
		fill(arg);
		ret = place(&arenas[i]);
		if (!ret)
			return (long)at;
		if (ret != -ENOSPC)
			return ret;
	}
}

static void fill_stub(const void *to)
{
	emit_jmp((unsigned long)to);
}

static void fill_thunk(const void *site)
{
	emit_thunk(site);
}

unsigned long thunk_stub(unsigned long from, unsigned long to)
{
	long at;
	int rel;

	if (thunk_displacement(from, to, &rel))
		return to;
	at = place_near(from, fill_stub, (const void *)to);
	return IS_ERR_VALUE(at) ? 0 : (unsigned long)at;
}

/* A thunk with a syscall instruction in it, and a stub if the site is far away. */
static int thunk_make_own(struct site *s, bool jump)
{
	const unsigned long at = arenas[0].next;
	int ret;

	begin(&arenas[0]);
	emit_thunk(s);
	ret = place(&arenas[0]);
	if (ret)
		return ret;
	s->thunk = jump ? thunk_stub(s->addr, at) : at;
	return s->thunk ? 0 : -ENOSPC;
}

int thunk_make(struct site *s, bool jump)
{
	long at;

	if (s->nr < 0 || hook_class(s->nr) == CALL_CLONE)
		return thunk_make_own(s, jump);
	at = place_near(s->addr, fill_thunk, s);
	if (IS_ERR_VALUE(at))
		return (int)at;
	s->thunk = (unsigned long)at;
	return 0;
}

bool thunk_owns(unsigned long addr)
{
	if (addr >= own_start && addr < own_end)
		return true;
	for (unsigned int i = 0; i < nr_arenas; i++) {
		if (addr >= arenas[i].start && addr < arenas[i].end)
			return true;
	}
	return false;
}
