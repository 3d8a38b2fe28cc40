// SPDX-License-Identifier: LGPL-2.1-or-later
/* Will the dynamic loader preload anything into this file? See ld.so(8), execve(2). */
#include "config.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli.h"

#define HEAD_SIZE 256 /* BINPRM_BUF_SIZE: the kernel reads no more of a "#!" line */

/* AT_SECURE: ld.so ignores a preload with a slash in it. */
static const char *privileged(const char *path, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return "it is set-user-ID";
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid())
		return "it is set-group-ID";
	if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		return "it has file capabilities";
	return NULL;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *eh)
{
	Elf64_Phdr ph;

	for (int i = 0; i < eh->e_phnum; i++) {
		off_t off = (off_t)(eh->e_phoff + (Elf64_Off)i * eh->e_phentsize);

		if (pread(fd, &ph, sizeof(ph), off) != sizeof(ph))
			return false;
		if (ph.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static const char *elf_trouble(int fd, const char *head)
{
	Elf64_Ehdr eh;

	memcpy(&eh, head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64)
		return "it is for another architecture";
	if (!has_interpreter(fd, &eh))
		return "it is statically linked";
	return NULL;
}

/* The interpreter of a "#!" line, cut out of @head; NULL if there is none. */
static const char *script_interpreter(char *head)
{
	char *path = head + 2;

	head[strcspn(head, "\n")] = '\0';
	path += strspn(path, " \t");
	path[strcspn(path, " \t")] = '\0';
	return *path ? path : NULL;
}

static const char *file_trouble(const char *path, bool follow_script)
{
	char head[HEAD_SIZE + 1] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *trouble = NULL, *interpreter = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return stat(path, &st) == 0 ? privileged(path, &st) : NULL;
	n = read(fd, head, HEAD_SIZE);
	if (n >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG)) {
		if (fstat(fd, &st) == 0)
			trouble = privileged(path, &st);
		if (!trouble)
			trouble = elf_trouble(fd, head);
	} else if (n > 2 && head[0] == '#' && head[1] == '!' && follow_script) {
		interpreter = script_interpreter(head);
	}
	close(fd);
	return interpreter ? file_trouble(interpreter, false) : trouble;
}

const char *elf_why_not(const char *path)
{
	return file_trouble(path, true);
}
