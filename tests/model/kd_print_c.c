// SPDX-License-Identifier: LGPL-2.1-or-later
/* A sequence as a program that needs nothing of ours. */

#include "tests/model/kd.h"
#include "tests/model/mman.h"

static const char head[] =
	"/* cc -o reproduce this.c && setarch -R ./reproduce */\n"
	"#define _GNU_SOURCE\n"
	"#include <errno.h>\n"
	"#include <fcntl.h>\n"
	"#include <linux/userfaultfd.h>\n"
	"#include <signal.h>\n"
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"#include <sys/ioctl.h>\n"
	"#include <sys/mman.h>\n"
	"#include <sys/syscall.h>\n"
	"#include <sys/wait.h>\n"
	"#include <unistd.h>\n"
	"\n"
	"#define W 0x%lxUL /* the window */\n"
	"#define P 4096UL\n"
	"static long r[%u]; /* what each call returned */\n"
	"int fd[8];\n"
	"static unsigned long brk0;\n"
	"static char line[4096], first[1 << 16];\n"
	"\n"
	"/* What was not there at the start, by line of maps, with VmFlags. */\n"
	"static void show(int step, const char *call)\n"
	"{\n"
	"\tFILE *f = fopen(\"/proc/self/smaps\", \"r\");\n"
	"\tchar area[4096] = \"\";\n"
	"\n"
	"\tif (step >= 0)\n"
	"\t\tprintf(\"%%d: %%s\\n\\t= %%#lx%%s%%s\\n\", step, call, (unsigned "
	"long)r[step],\n"
	"\t\t       r[step] == -1 ? \" \" : \"\",\n"
	"\t\t       r[step] == -1 ? strerror(errno) : \"\");\n"
	"\twhile (fgets(line, sizeof(line), f)) {\n"
	"\t\tif (line[0] < 'A' || line[0] > 'Z') {\n"
	"\t\t\tstrcpy(area, line);\n"
	"\t\t\tif (step < 0)\n"
	"\t\t\t\tstrcat(first, area);\n"
	"\t\t}\n"
	"\t\tif (!strncmp(line, \"VmFlags\", 7) && !strstr(first, area))\n"
	"\t\t\tprintf(\"\\t%%s\\t\\t%%s\", area, line);\n"
	"\t}\n"
	"\tfclose(f);\n"
	"\tfflush(stdout);\n"
	"}\n"
	"\n"
	"/* The start of an area that was there. */\n"
	"static inline unsigned long area(int i)\n"
	"{\n"
	"\tchar *p = first;\n"
	"\n"
	"\twhile (i--)\n"
	"\t\tp = strchr(p, '\\n') && strchr(p, '\\n')[1] ? strchr(p, '\\n') + 1 : "
	"first;\n"
	"\treturn strtoul(p, NULL, 16);\n"
	"}\n"
	"\n"
	"#define STEP(i, ...) (r[i] = syscall(__VA_ARGS__), show(i, #__VA_ARGS__))\n"
	"\n"
	"int main(void)\n"
	"{\n";

static const char uffd_setup[] = "\tstruct uffdio_api api = { .api = UFFD_API, .features "
				 "= UFFD_FEATURE_SIGBUS };\n"
				 "\tint uffd[2];\n"
				 "\n"
				 "\tfor (int i = 0; i < 2; i++) {\n"
				 "\t\tapi.features = UFFD_FEATURE_SIGBUS;\n"
				 "\t\tuffd[i] = syscall(SYS_userfaultfd, O_CLOEXEC);\n"
				 "\t\tioctl(uffd[i], UFFDIO_API, &api);\n"
				 "\t}\n";

struct flag_name {
	unsigned long flag;
	const char *name;
};

static const struct flag_name prot_names[] = {
	{ PROT_READ, "PROT_READ" },
	{ PROT_WRITE, "PROT_WRITE" },
	{ PROT_EXEC, "PROT_EXEC" },
	{ PROT_GROWSDOWN, "PROT_GROWSDOWN" },
};

static const struct flag_name map_names[] = {
	{ MAP_ANONYMOUS, "MAP_ANONYMOUS" },
	{ MAP_FIXED, "MAP_FIXED" },
	{ MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE" },
	{ MAP_NORESERVE, "MAP_NORESERVE" },
	{ MAP_STACK, "MAP_STACK" },
	{ MAP_GROWSDOWN, "MAP_GROWSDOWN" },
	{ MAP_POPULATE, "MAP_POPULATE" },
	{ MAP_LOCKED, "MAP_LOCKED" },
	{ MAP_HUGETLB, "MAP_HUGETLB" },
};

static const struct flag_name remap_names[] = {
	{ MREMAP_MAYMOVE, "MREMAP_MAYMOVE" },
	{ MREMAP_FIXED, "MREMAP_FIXED" },
	{ MREMAP_DONTUNMAP, "MREMAP_DONTUNMAP" },
};

static void print_flags(FILE *out, unsigned long flags, const struct flag_name *names,
			size_t n)
{
	const char *sep = "";

	for (size_t i = 0; i < n; i++) {
		if (!(flags & names[i].flag))
			continue;
		fprintf(out, "%s%s", sep, names[i].name);
		flags &= ~names[i].flag;
		sep = " | ";
	}
	if (flags || !*sep)
		fprintf(out, "%s%#lx", sep, flags);
}

static void print_prot(FILE *out, unsigned long prot)
{
	fprintf(out, ", ");
	print_flags(out, prot, prot_names, ARRAY_SIZE(prot_names));
}

static void print_map_flags(FILE *out, unsigned long flags)
{
	static const char *const type[16] = { [MAP_SHARED] = "MAP_SHARED",
					      [MAP_PRIVATE] = "MAP_PRIVATE",
					      [MAP_SHARED_VALIDATE] =
						      "MAP_SHARED_VALIDATE" };
	const char *name = type[flags & MAP_TYPE];

	if (name)
		fprintf(out, ", %s | ", name);
	else
		fprintf(out, ", %#lx | ", flags & MAP_TYPE);
	print_flags(out, flags & ~(unsigned long)MAP_TYPE, map_names,
		    ARRAY_SIZE(map_names));
}

static void print_len(FILE *out, unsigned long len)
{
	if (len & ~PAGE_MASK || len >= KD_WINDOW)
		fprintf(out, ", %#lxUL", len);
	else
		fprintf(out, ", %lu * P", len >> PAGE_SHIFT);
}

static void print_addr(FILE *out, const struct kd_addr *a)
{
	char sign = a->off < 0 ? '-' : '+';
	unsigned long off = (unsigned long)(a->off < 0 ? -a->off : a->off);

	switch ((enum kd_base)a->base) {
	case KD_ABS:
		fprintf(out, ", %#lxUL", (unsigned long)a->off);
		return;
	case KD_IN_WINDOW:
		fprintf(out, ", W");
		break;
	case KD_OF_RESULT:
		fprintf(out, ", r[%u]", a->ref);
		break;
	case KD_FROM_BREAK:
		fprintf(out, ", brk0");
		break;
	case KD_OF_IMAGE:
		fprintf(out, ", area(%u)", a->ref);
		break;
	}
	if (off & ~PAGE_MASK)
		fprintf(out, " %c %#lx", sign, off);
	else if (off)
		fprintf(out, " %c %lu * P", sign, off >> PAGE_SHIFT);
}

static void print_mmap(FILE *out, const struct kd_op *op)
{
	print_addr(out, &op->a);
	print_len(out, op->len);
	print_prot(out, op->prot);
	print_map_flags(out, op->flags);
	if (op->fd < 0)
		fprintf(out, ", -1, 0");
	else
		fprintf(out, ", fd[%d], %lu * P", op->fd, op->pgoff);
}

static void print_mremap(FILE *out, const struct kd_op *op)
{
	print_addr(out, &op->a);
	print_len(out, op->len);
	print_len(out, op->len2);
	fprintf(out, ", ");
	print_flags(out, op->flags, remap_names, ARRAY_SIZE(remap_names));
	print_addr(out, &op->b);
}

static void print_uffd(FILE *out, const struct kd_op *op)
{
	bool on = op->kind == KD_UFFD_REGISTER;

	fprintf(out, ", uffd[%d], %s,\n\t     &(struct uffdio_%s){ ", op->fd,
		kd_kind_name(op->kind), on ? "register" : "range");
	fprintf(out, on ? ".range = { .start = 0" : ".start = 0");
	fprintf(out, " + ");
	/* print_addr() begins with a comma */
	if (op->a.base == KD_IN_WINDOW)
		fprintf(out, "W + %#lx", (unsigned long)op->a.off);
	else if (op->a.base == KD_OF_RESULT)
		fprintf(out, "r[%u] + %ld", op->a.ref, op->a.off);
	else
		fprintf(out, "%#lxUL", (unsigned long)op->a.off);
	fprintf(out, ", .len = %#lxUL", op->len);
	fprintf(out, on ? " }, .mode = UFFDIO_REGISTER_MODE_MISSING }" : " }");
}

static void print_args(FILE *out, const struct kd_op *op)
{
	switch ((enum kd_kind)op->kind) {
	case KD_MMAP:
		print_mmap(out, op);
		return;
	case KD_MREMAP:
		print_mremap(out, op);
		return;
	case KD_BRK:
		print_addr(out, &op->a);
		return;
	case KD_MLOCKALL:
		fprintf(out, ", %#lx", op->flags);
		return;
	case KD_MUNLOCKALL:
		return;
	default:
		break;
	}
	print_addr(out, &op->a);
	print_len(out, op->len);
	if (op->kind == KD_MPROTECT || op->kind == KD_PKEY_MPROTECT)
		print_prot(out, op->prot);
	if (op->kind == KD_MADVISE || op->kind == KD_MLOCK2 ||
	    op->kind == KD_PKEY_MPROTECT)
		fprintf(out, ", %d", op->advice);
}

static void print_step(FILE *out, const struct kd_op *op)
{
	if (op->kind == KD_FORK) {
		fprintf(out, "\tif ((r[%u] = fork()))\n\t\treturn wait(NULL) < 0;\n",
			op->id);
		fprintf(out, "\tshow(%u, \"fork\");\n", op->id);
		return;
	}
	fprintf(out, "\tSTEP(%u, SYS_", op->id);
	if (op->kind == KD_READ || op->kind == KD_WRITE) {
		fprintf(out, "rt_sigprocmask, SIG_BLOCK");
		if (op->kind == KD_WRITE)
			fprintf(out, ", NULL");
		print_addr(out, &op->a);
		fprintf(out, "%s, 8", op->kind == KD_WRITE ? "" : ", NULL");
	} else if (op->kind == KD_UFFD_REGISTER || op->kind == KD_UFFD_UNREGISTER) {
		fprintf(out, "ioctl");
		print_uffd(out, op);
	} else {
		fprintf(out, "%s", kd_kind_name(op->kind));
		print_args(out, op);
	}
	fprintf(out, ");\n");
}

static void print_setup(FILE *out, const struct kd_seq *seq)
{
	bool uffd = false;
	int files = 0;

	for (unsigned int i = 0; i < seq->nr; i++) {
		const struct kd_op *op = &seq->op[i];

		uffd |= op->kind == KD_UFFD_REGISTER || op->kind == KD_UFFD_UNREGISTER;
		if (op->kind == KD_MMAP)
			files = max(files, op->fd + 1);
	}
	if (uffd)
		fputs(uffd_setup, out);
	for (int i = 0; i < files; i++) {
		fprintf(out, "\tfd[%d] = %s;\n\tftruncate(fd[%d], %lu);\n", i,
			kd_files[i].open, i, 4 * KD_WINDOW_PAGES * PAGE_SIZE);
		if (kd_files[i].seals)
			fprintf(out, "\tfcntl(fd[%d], F_ADD_SEALS, %#x);\n", i,
				kd_files[i].seals);
	}
}

void kd_print_c(FILE *out, const struct kd_seq *seq)
{
	unsigned int last = 0;

	for (unsigned int i = 0; i < seq->nr; i++)
		last = max(last, (unsigned int)seq->op[i].id);
	fprintf(out, head, KD_WINDOW, last + 1);
	print_setup(out, seq);
	fprintf(out, "\tbrk0 = syscall(SYS_brk, 0);\n\tshow(-1, \"\");\n");
	for (unsigned int i = 0; i < seq->nr; i++)
		print_step(out, &seq->op[i]);
	fprintf(out, "\treturn 0;\n}\n");
}
