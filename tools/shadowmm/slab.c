// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <stdio.h>

#include "cli.h"

void slab_print_arena(json_t *reply)
{
	json_t *arena = json_object_get(reply, "arena"), *nr;
	char total[16], used[16], most[16];
	size_t order;

	cli_size((unsigned long)json_num(arena, "total"), total, sizeof(total));
	cli_size((unsigned long)json_num(arena, "used"), used, sizeof(used));
	cli_size((unsigned long)json_num(arena, "max_used"), most, sizeof(most));
	printf("%-16s %s of %s in %ld chunks, %s at most\n", "memory", used, total,
	       json_num(arena, "chunks"), most);
	printf("%-16s %ld bytes for each of %ld areas\n", "per area",
	       json_num(reply, "bytes_per_area"), json_num(reply, "map_count"));
	printf("%-16s %ld objects\n", "deferred",
	       json_num(json_object_get(reply, "rcu"), "deferred"));
	printf("%-16s", "free blocks");
	json_array_foreach(json_object_get(reply, "free_blocks"), order, nr)
		printf(" %lld", (long long)json_integer_value(nr));
	printf(" (of 1, 2, 4 ... pages)\n");
}
