/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Included before the first line of every file of lib/fault that is under test: its
 * system calls and its clock are the test's (world.h).
 */
#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

#include "lib/sys/sys.h"
#include "tests/fault/world.h"

/* Every sys_*() is a macro that ends there. */
#define sys_call6	     world_call
#define __builtin_ia32_rdtsc world_ticks

#endif
