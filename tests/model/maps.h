/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/maps and smaps, for tests that read them into buffers of their own. */
#ifndef TESTS_MODEL_MAPS_H
#define TESTS_MODEL_MAPS_H

#include <stddef.h>

#include "lib/mm/mm.h"

/* The whole file behind @fd, NUL-terminated. False if it cannot be read or is longer than
 * @size - 1 bytes. Maps no memory. */
bool maps_read(int fd, char *text, size_t size);
/* One area's line; false if it is another one. @d->name points into @line. */
bool maps_parse_line(char *line, struct area_desc *d);

#endif
