// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdio.h>
#include <unistd.h>

#include "tests/model/maps.h"

bool maps_read(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = pread(fd, text + len, size - 1 - len, (off_t)len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return !n && len < size - 1;
}

bool maps_parse_line(char *line, struct area_desc *d)
{
	char perms[5];
	int name = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &d->start, &d->end, perms,
		   &d->pgoff, &d->major, &d->minor, &d->ino, &name) < 7)
		return false;
	d->pgoff >>= PAGE_SHIFT;
	d->vm_flags = (perms[0] == 'r' ? VM_READ : 0) | (perms[1] == 'w' ? VM_WRITE : 0) |
		      (perms[2] == 'x' ? VM_EXEC : 0) | (perms[3] == 's' ? VM_SHARED : 0);
	d->name = line + name;
	return true;
}
