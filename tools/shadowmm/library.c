// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Run from the build tree: the library is in .libs beside the command. */
static bool build_tree_library(char *path, size_t size)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *tail;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	tail = strrchr(exe, '/');
	if (!tail)
		return false;
	*tail = '\0';
	return snprintf(path, size, "%s/.libs/libshadowmm.so", exe) < (int)size &&
	       access(path, R_OK) == 0;
}

bool library_find(char *path, size_t size)
{
	const char *given = getenv("SHADOWMM_LIB");
	char full[PATH_MAX];

	if (given && *given) {
		/* Absolute: the command may start elsewhere. */
		snprintf(path, size, "%s", realpath(given, full) ? full : given);
		return access(path, R_OK) == 0;
	}
	if (build_tree_library(path, size))
		return true;
	snprintf(path, size, "%s", LIBDIR "/libshadowmm.so");
	return access(path, R_OK) == 0;
}
