// SPDX-License-Identifier: LGPL-2.1-or-later
/* Areas as text. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define NAME_COLUMN                                                         \
	73 /* fs/proc/task_mmu.c: 25 + 6 * sizeof(void *) - 1, then a blank \
	    */

/* As seq_path(m, path, "\n") of the kernel escapes a name. */
static void put_name_byte(unsigned char c)
{
	if (c == '\n')
		fputs("\\012", stdout);
	else
		putchar(c);
}

static void put_name_hex(const char *hex)
{
	unsigned int byte;

	for (; hex[0] && hex[1]; hex += 2) {
		if (sscanf(hex, "%2x", &byte) == 1)
			put_name_byte((unsigned char)byte);
	}
}

/* The bytes of the name come in hexadecimal where they may not be UTF-8. */
static void put_name(json_t *area)
{
	const char *hex = json_str(area, "name_hex");

	if (*hex)
		put_name_hex(hex);
	else
		for (const char *s = json_str(area, "name"); *s; s++)
			put_name_byte((unsigned char)*s);
}

void area_print_kernel(json_t *area)
{
	int n = printf("%s-%s %s %s %s %ld ", json_str(area, "start"),
		       json_str(area, "end"), json_str(area, "perms"),
		       json_str(area, "offset"), json_str(area, "dev"),
		       json_num(area, "inode"));

	if (*json_str(area, "name")) {
		if (n < NAME_COLUMN)
			printf("%*s", NAME_COLUMN - n, "");
		put_name(area);
	}
	putchar('\n');
}
