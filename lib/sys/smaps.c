// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/errno.h>

#include "lib/base/string.h"
#include "lib/base/vm_flags.h"
#include "lib/sys/smaps.h"

int smaps_open(struct smaps *s)
{
	s->nr_numbers = 0;
	return procmaps_open_file(&s->lines, "/proc/self/smaps");
}

void smaps_close(struct smaps *s)
{
	procmaps_close(&s->lines);
}

static const struct {
	unsigned long flag;
	char name[3];
} flag_names[] = {
#define FLAG_NAME(flag, name) { flag, name },
	SMM_VM_FLAGS(FLAG_NAME)
#undef FLAG_NAME
};

static unsigned long flag_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (!strncmp(name, flag_names[i].name, 2))
			return flag_names[i].flag;
	return 0;
}

unsigned long smaps_parse_flags(const char *text)
{
	unsigned long flags = 0;

	for (;;) {
		while (*text == ' ')
			text++;
		if (!text[0] || !text[1])
			return flags;
		if (text[2] == ' ' || !text[2])
			flags |= flag_of(text);
		while (*text && *text != ' ')
			text++;
	}
}

/* "Rss:    4 kB"; what does not fit is left out. */
static void parse_number(struct smaps *s, const char *line)
{
	const char *colon = strchr(line, ':'), *p;
	struct smaps_number *n;

	if (!colon || colon - line >= SMAPS_KEY_SIZE ||
	    s->nr_numbers == SMAPS_MAX_NUMBERS)
		return;
	n = &s->number[s->nr_numbers++];
	memcpy(n->key, line, (size_t)(colon - line));
	n->key[colon - line] = '\0';
	for (p = colon + 1; *p == ' ';)
		p++;
	n->value = parse_ulong(&p, 10);
}

/* The name lies in the line, which is gone with the next one. */
static void keep_name(struct smaps *s, struct area_desc *d)
{
	size_t len = min(strlen(d->name), sizeof(s->name) - 1);

	memcpy(s->name, d->name, len);
	s->name[len] = '\0';
	d->name = s->name;
}

int smaps_next(struct smaps *s, struct area_desc *d)
{
	static const char flags[] = "VmFlags:";
	int ret = procmaps_next(&s->lines, d);
	char *line;

	if (ret <= 0)
		return ret;
	keep_name(s, d);
	s->nr_numbers = 0;
	while ((ret = procmaps_line(&s->lines, &line)) > 0) {
		if (!str_has_prefix(line, flags)) {
			parse_number(s, line);
			continue;
		}
		d->vm_flags = smaps_parse_flags(line + sizeof(flags) - 1);
		return 1;
	}
	return ret ? ret : -EPROTO;
}
