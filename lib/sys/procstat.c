// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/sys/procstat.h"

#include "lib/base/string.h"
#include "lib/sys/sys.h"

const char *procstat_read(const char *path, char *buf, size_t size)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), n;

	buf[0] = '\0';
	if (fd < 0)
		return NULL;
	n = sys_read(fd, buf, size - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strrchr(buf, ')');
}

const char *procstat_next(const char *s)
{
	s = strchr(s, ' ');
	return s ? s + 1 : NULL;
}

const char *procstat_field(const char *path, unsigned int number, char *buf, size_t size)
{
	const char *s = procstat_read(path, buf, size);

	for (unsigned int i = 2; s && i < number; i++)
		s = procstat_next(s);
	return s;
}
