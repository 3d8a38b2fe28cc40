// SPDX-License-Identifier: LGPL-2.1-or-later
#include <asm/unistd.h>

#include "lib/hook/patch.h"
#include "lib/hook/table.h"

/* Younger than the kernel headers of the oldest distribution we build on. */
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack 453
#endif
#ifndef __NR_set_mempolicy_home_node
#define __NR_set_mempolicy_home_node 450
#endif
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif
#ifndef __NR_mseal
#define __NR_mseal 462
#endif

const u16 hook_calls[HOOK_NR_MAX] = {
#define CALL_CLASS(name, class) [__NR_##name] = (class),
	HOOK_CALLS(CALL_CLASS)
#undef CALL_CLASS
};

static const struct {
	u16 nr;
	char name[24];
} names[] = {
#define CALL_NAME(name, class) { __NR_##name, #name },
	HOOK_CALLS(CALL_NAME)
#undef CALL_NAME
};

static unsigned int wanted = CALL_MM | CALL_CLONE | CALL_CRED | CALL_TASK | CALL_BEFORE |
			     CALL_EXIT | CALL_FUTEX;

unsigned int hook_wanted_classes(void)
{
	return wanted;
}

void hook_want_signals(void)
{
	wanted |= CALL_SIGNAL;
}

void hook_want_files(void)
{
	wanted |= CALL_FILE;
}

bool hook_wants_more(void)
{
	return wanted & (CALL_SIGNAL | CALL_FILE);
}

unsigned int hook_class(long nr)
{
	if (nr < 0 || nr >= HOOK_NR_MAX)
		return 0;
	return hook_calls[nr] & wanted;
}

bool hook_wants(long nr)
{
	return hook_class(nr) & ~CALL_FUTEX;
}

const char *hook_call_name(long nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].nr == nr)
			return names[i].name;
	}
	return NULL;
}
