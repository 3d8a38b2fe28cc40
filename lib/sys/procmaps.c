// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/string.h"
#include "lib/base/vm_flags.h"
#include "lib/sys/procmaps.h"
#include "lib/sys/sys.h"

int procmaps_open(struct procmaps *p)
{
	return procmaps_open_file(p, "/proc/self/maps");
}

int procmaps_open_file(struct procmaps *p, const char *path)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);

	p->fd = (int)fd;
	p->pos = p->end = 0;
	p->eof = false;
	return fd < 0 ? (int)fd : 0;
}

void procmaps_close(struct procmaps *p)
{
	sys_close(p->fd);
}

/* seq_path() writes \n and \ as three octal digits (fs/seq_file.c, mangle_path). */
static void unescape_octal(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
					(s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static unsigned long parse_perms(const char *s)
{
	return (s[0] == 'r' ? VM_READ : 0) | (s[1] == 'w' ? VM_WRITE : 0) |
	       (s[2] == 'x' ? VM_EXEC : 0) | (s[3] == 's' ? VM_SHARED : 0);
}

static bool expect(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

bool procmaps_parse_line(char *line, struct area_desc *d)
{
	const char *s = line;

	d->start = parse_ulong(&s, 16);
	if (!expect(&s, '-'))
		return false;
	d->end = parse_ulong(&s, 16);
	if (!expect(&s, ' ') || strlen(s) < 5)
		return false;
	d->vm_flags = parse_perms(s);
	s += 5;
	d->pgoff = parse_ulong(&s, 16) >> PAGE_SHIFT;
	if (!expect(&s, ' '))
		return false;
	d->major = (unsigned int)parse_ulong(&s, 16);
	if (!expect(&s, ':'))
		return false;
	d->minor = (unsigned int)parse_ulong(&s, 16);
	if (!expect(&s, ' '))
		return false;
	d->ino = parse_ulong(&s, 10);
	while (*s == ' ')
		s++;
	unescape_octal(line + (s - line));
	d->name = s;
	return d->start < d->end;
}

/* Move the unread rest to the front and read more. 1, 0 at the end, -errno. */
static int procmaps_fill(struct procmaps *p)
{
	long n;

	memmove(p->buf, p->buf + p->pos, p->end - p->pos);
	p->end -= p->pos;
	p->pos = 0;
	do
		n = sys_read(p->fd, p->buf + p->end, sizeof(p->buf) - 1 - p->end);
	while (n == -EINTR);
	if (n < 0)
		return (int)n;
	p->eof = n == 0;
	p->end += (size_t)n;
	return n > 0;
}

int procmaps_line(struct procmaps *p, char **line)
{
	for (;;) {
		char *nl = NULL;
		int ret;

		*line = p->buf + p->pos;
		for (size_t i = p->pos; i < p->end && !nl; i++)
			if (p->buf[i] == '\n')
				nl = p->buf + i;
		if (nl) {
			*nl = '\0';
			p->pos = (size_t)(nl + 1 - p->buf);
			return 1;
		}
		ret = procmaps_fill(p);
		if (ret <= 0)
			return ret;
	}
}

int procmaps_next(struct procmaps *p, struct area_desc *d)
{
	char *line;
	int ret = procmaps_line(p, &line);

	if (ret <= 0)
		return ret;
	return procmaps_parse_line(line, d) ? 1 : -EPROTO;
}
