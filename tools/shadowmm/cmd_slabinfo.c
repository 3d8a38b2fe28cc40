// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm slabinfo: the library's own memory, as /proc/slabinfo shows the kernel's. */
#include "config.h"

#include <stdio.h>

#include "cli.h"

const char cmd_slabinfo_options[] = "  --json   the reply of the process as it is\n";

static void print_cache(json_t *c)
{
	long empty = json_num(c, "empty"), slabs = json_num(c, "slabs");

	printf("%-17s %6ld %6ld %6ld %4ld %4ld", json_str(c, "name"),
	       json_num(c, "active"), json_num(c, "total"), json_num(c, "object_size"),
	       json_num(c, "per_slab"), 1L << json_num(c, "order"));
	printf(" : slabdata %6ld %6ld", slabs - empty, slabs);
	printf(" : lists %6ld %6ld %6ld : deferred %6ld\n", json_num(c, "full"),
	       json_num(c, "partial"), empty, json_num(c, "deferred"));
}

static void print_slabinfo(json_t *reply)
{
	json_t *cache;
	size_t i;

	puts("# name            <active_objs> <num_objs> <objsize> <objperslab> "
	     "<pagesperslab> : slabdata <active_slabs> <num_slabs> "
	     ": lists <full> <partial> <empty> : deferred <objs>");
	json_array_foreach(json_object_get(reply, "caches"), i, cache) print_cache(cache);
	putchar('\n');
	slab_print_arena(reply);
}

int cmd_slabinfo(int argc, char **argv)
{
	return ask_and_print(argc, argv, "slabinfo", print_slabinfo);
}
