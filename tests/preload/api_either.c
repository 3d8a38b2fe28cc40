// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * <shadowmm/shadowmm.h> with libshadowmm-api.a, which works preloaded or not: at quiet
 * moments every answer is that of /proc/self/maps; during changes, in threads and in a
 * signal handler, what never changes is found.
 */
#include "tests/preload/api_storm.h"
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <shadowmm/shadowmm.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MAX_AREAS 4000
#define LEN	  (2 * MIB)
#define VISIBLE	  0xfUL

struct line {
	struct shadowmm_vma vma;
	char name[512];
};

static struct line kernel[MAX_AREAS];
static struct shadowmm_vma ours[MAX_AREAS];
static int nr_kernel;
/* The library answers; not if it has gone, as behind a seccomp filter. */
static bool preloaded;

/* Without malloc, which would change what is read. */
static void read_maps(void)
{
	const char *text = read_proc("/proc/self/maps");
	int at = 0;
	ssize_t n;

	for (nr_kernel = 0; text[at]; nr_kernel++) {
		struct line *k = &kernel[nr_kernel];
		char perms[5];
		int used = 0;

		memset(k, 0, sizeof(*k));
		CHECK(sscanf(text + at, "%lx-%lx %4s %lx %x:%x %lu %n", &k->vma.start,
			     &k->vma.end, perms, &k->vma.pgoff, &k->vma.dev_major,
			     &k->vma.dev_minor, &k->vma.ino, &used) == 7);
		k->vma.pgoff /= PAGE;
		for (int i = 0; i < 4; i++)
			k->vma.flags |= perms[i] == "rwxs"[i] ? 1UL << i : 0;
		at += used;
		n = (ssize_t)strcspn(text + at, "\n");
		/* %n has skipped the newline of an area without a name. */
		if (text[at - 1] == '\n')
			n = -1;
		else
			snprintf(k->name, sizeof(k->name), "%.*s", (int)n, text + at);
		at += (int)n + 1;
	}
}

static bool same(const struct shadowmm_vma *a, const struct shadowmm_vma *b)
{
	return a->start == b->start && a->end == b->end &&
	       (a->flags & VISIBLE) == (b->flags & VISIBLE) && a->pgoff == b->pgoff &&
	       a->ino == b->ino && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

static void check_same(const struct shadowmm_vma *a, const struct shadowmm_vma *b)
{
	if (same(a, b))
		return;
	fprintf(stderr, "%lx-%lx %lx %lx %lu, not %lx-%lx %lx %lx %lu\n", a->start,
		a->end, a->flags, a->pgoff, a->ino, b->start, b->end, b->flags, b->pgoff,
		b->ino);
	exit(1);
}

/* Every question that leads to the area number @i. */
static void check_area(int i)
{
	const struct line *k = &kernel[i];
	struct shadowmm_vma vma, prev;
	char name[512];
	int len;

	CHECK(shadowmm_find_vma(k->vma.end - 1, &vma) == 0);
	check_same(&vma, &k->vma);
	CHECK(shadowmm_find_vma_prev(k->vma.start, &vma, &prev) == 0);
	check_same(&vma, &k->vma);
	if (i)
		check_same(&prev, &kernel[i - 1].vma);
	else
		CHECK(prev.end == 0);
	CHECK(shadowmm_find_vma_intersection(k->vma.start, k->vma.start + 1, &vma) == 0);
	check_same(&vma, &k->vma);
	len = shadowmm_vma_name(k->vma.start, name, sizeof(name));
	CHECK(len == (int)strlen(k->name) && !strcmp(name, k->name));
	CHECK(shadowmm_vma_name(k->vma.start, NULL, 0) == len);
	CHECK(shadowmm_vma_name(k->vma.start, name, 4) == len &&
	      !strncmp(name, k->name, 3) && strlen(name) == (size_t)(len < 3 ? len : 3));
}

static void check_hole(int i)
{
	unsigned long end = kernel[i].vma.end, next = kernel[i + 1].vma.start;
	struct shadowmm_vma vma;
	char name[8];

	if (end == next)
		return;
	CHECK(shadowmm_find_vma(end, &vma) == 0);
	check_same(&vma, &kernel[i + 1].vma);
	CHECK(shadowmm_find_vma_intersection(end, next, &vma) == -ENOENT);
	CHECK(shadowmm_vma_name(end, name, sizeof(name)) == -ENOENT);
}

static int count(const struct shadowmm_vma *vma, void *arg)
{
	int *n = arg;

	check_same(vma, &kernel[(*n)++].vma);
	return *n == -1;
}

static void check_all(void)
{
	unsigned long generation[2];
	struct shadowmm_vma vma, prev;
	int n = 0;

	read_maps();
	CHECK(shadowmm_read_vmas(0, ~0UL, ours, MAX_AREAS, &generation[0]) == nr_kernel);
	for (int i = 0; i < nr_kernel; i++)
		check_same(&ours[i], &kernel[i].vma);
	CHECK(shadowmm_for_each_vma(0, ~0UL, count, &n) == 0 && n == nr_kernel);
	for (int i = 0; i < nr_kernel; i++)
		check_area(i);
	for (int i = 0; i < nr_kernel - 1; i++)
		check_hole(i);
	CHECK(shadowmm_find_vma(~0UL, &vma) == -ENOENT);
	CHECK(shadowmm_find_vma_prev(~0UL, &vma, &prev) == -ENOENT);
	check_same(&prev, &kernel[nr_kernel - 1].vma);
	CHECK(shadowmm_read_vmas(kernel[1].vma.start + 1, kernel[3].vma.start + 1, ours,
				 2, &generation[1]) == 2);
	check_same(&ours[0], &kernel[1].vma);
	check_same(&ours[1], &kernel[2].vma);
	CHECK(generation[0] == generation[1] && (generation[0] != 0) == preloaded);
}

static int stop_at_third(const struct shadowmm_vma *vma, void *arg)
{
	(void)vma;
	return ++*(int *)arg == 3 ? 42 : 0;
}

/* --- the descriptor ---------------------------------------------------------------- */

static unsigned long status_kib(const char *key)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	const char *at;

	CHECK(n > 0);
	close(fd);
	text[n] = '\0';
	at = strstr(text, key);
	CHECK(at);
	return strtoul(at + strlen(key), NULL, 10);
}

static void check_mm(void)
{
	struct shadowmm_mm mm;
	unsigned char part[2 * sizeof(mm)];

	read_maps();
	CHECK(shadowmm_read_mm(&mm, sizeof(mm)) == 0);
	CHECK(mm.total_vm * 4 == status_kib("VmSize:"));
	CHECK(mm.hiwater_vm >= mm.total_vm);
	CHECK(mm.data_vm * 4 == status_kib("VmData:"));
	CHECK(mm.exec_vm * 4 == status_kib("VmExe:") + status_kib("VmLib:"));
	CHECK(mm.stack_vm * 4 == status_kib("VmStk:"));
	CHECK(mm.locked_vm * 4 == status_kib("VmLck:"));
	CHECK(mm.users == status_kib("Threads:"));
	CHECK(mm.map_count == (unsigned long)nr_kernel -
				      !strcmp(kernel[nr_kernel - 1].name, "[vsyscall]"));
	CHECK(mm.brk == (unsigned long)sbrk(0) && mm.start_brk <= mm.brk);
	CHECK(mm.start_code <= (unsigned long)check_mm &&
	      (unsigned long)check_mm < mm.end_code);
	CHECK(mm.start_stack && mm.arg_start <= mm.arg_end && mm.arg_end <= mm.env_end);
	/* Less than there is, and more. */
	memset(part, 0xee, sizeof(part));
	CHECK(shadowmm_read_mm((void *)part, 16) == 0 && part[16] == 0xee &&
	      !memcmp(part, &mm, 16));
	CHECK(shadowmm_read_mm((void *)part, sizeof(part)) == 0 &&
	      !memcmp(part, &mm, sizeof(mm)) && part[sizeof(part) - 1] == 0);
}

static void check_flags_text(void)
{
	char text[SHADOWMM_FLAGS_TEXT];

	CHECK(!strcmp(shadowmm_flags_text(0x73, text, sizeof(text)), "rd wr mr mw me"));
	CHECK(!strcmp(shadowmm_flags_text(0x80000000 | 0x02000000 | 0x2000, text,
					  sizeof(text)),
		      "lo wf mg"));
	CHECK(!strcmp(shadowmm_flags_text(3, text, 6), "rd wr"));
	CHECK(!strcmp(shadowmm_flags_text(3, text, 5), "rd"));
	CHECK(strlen(shadowmm_flags_text(~0UL, text, sizeof(text))) < sizeof(text) - 1);
}

/* --- while areas come and go ------------------------------------------------------- */

static char *p;

/* The area in the middle never changes, whatever happens to its neighbours. */
static bool right(void)
{
	struct shadowmm_vma vma, prev, batch[8];
	unsigned long want = (unsigned long)p + LEN;
	int n;

	if (shadowmm_find_vma(want + 5 * PAGE, &vma) || vma.start != want ||
	    vma.end != want + LEN || (vma.flags & VISIBLE) != 1 || vma.ino)
		return false;
	if (shadowmm_find_vma_prev(want, &vma, &prev) || vma.start != want ||
	    prev.end > want)
		return false;
	n = shadowmm_read_vmas((unsigned long)p, want + LEN, batch, 8, NULL);
	return n > 0 && batch[n - 1].start == want && batch[n - 1].end == want + LEN;
}

static void in_fork_child(void)
{
	CHECK(munmap(p, LEN) == 0);
	check_all();
	check_mm();
}

/* As before Linux 6.11; and the library retires behind any filter. */
static void refuse_query(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc0686611, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	      !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	preloaded = false;
}

int main(int argc, char **argv)
{
	int n = 0;

	(void)argv;
	preloaded = shadowmm_active();
	if (argc > 1)
		refuse_query();
	check_flags_text();
	p = anon_with(3 * LEN, PROT_NONE, 0);
	CHECK(mprotect(p + LEN, LEN, PROT_READ) == 0);
	check_all();
	check_mm();
	CHECK(shadowmm_for_each_vma(0, ~0UL, stop_at_third, &n) == 42 && n == 3);
	puts("quiet");
	/* Far fewer are enough where each is several system calls. */
	storm = (struct api_storm){ p, LEN, 1000, preloaded ? 20000 : 500, right };
	all_at_once();
	puts("all at once");
	CHECK(mmap(p, LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p);
	check_all();
	in_child("child", in_fork_child);
	puts(shadowmm_version());
	return 0;
}
