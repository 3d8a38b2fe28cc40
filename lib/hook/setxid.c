// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * setuid() and its family, by symbol: in a threaded program glibc has every thread make
 * the system call from a signal handler, with the number in a register, where no site
 * can be patched. libc does the work; afterwards the engine follows. setrlimit() has an
 * instruction between the number and the call, and is not patched for that reason.
 * Context: application threads.
 */
#include "lib/base/compiler.h"
#include "lib/hook/setxid.h"
#include "lib/hook/state.h"

typedef unsigned int id;

/* X(name, parameters, arguments) */
#define SETXID_CALLS(X)                               \
	X(setuid, (id a), (a))                        \
	X(setgid, (id a), (a))                        \
	X(seteuid, (id a), (a))                       \
	X(setegid, (id a), (a))                       \
	X(setreuid, (id a, id b), (a, b))             \
	X(setregid, (id a, id b), (a, b))             \
	X(setresuid, (id a, id b, id c), (a, b, c))   \
	X(setresgid, (id a, id b, id c), (a, b, c))   \
	X(setgroups, (size_t a, const id *b), (a, b)) \
	X(initgroups, (const char *a, id b), (a, b))

#define DEFINE(name, params, args)          \
	static int(*real_##name) params;    \
	int name params;                    \
	__public int name params            \
	{                                   \
		int ret = real_##name args; \
                                            \
		if (!ret)                   \
			creds_changed();    \
		return ret;                 \
	}
SETXID_CALLS(DEFINE)

/* X(name) */
#define SETRLIMIT_CALLS(X) X(setrlimit) X(setrlimit64)

#define DEFINE_SETRLIMIT(name)                                               \
	static int (*real_##name)(int resource, const unsigned long *limit); \
	int name(int resource, const unsigned long *limit);                  \
	__public int name(int resource, const unsigned long *limit)          \
	{                                                                    \
		setrlimit_before(resource, (unsigned long)limit);            \
		return real_##name(resource, limit);                         \
	}
SETRLIMIT_CALLS(DEFINE_SETRLIMIT)

static void *resolve(const char *name, unsigned long (*lookup)(const char *name))
{
	return (void *)lookup(name);
}

void setxid_init(unsigned long (*lookup)(const char *name))
{
#define RESOLVE(name, params, args) real_##name = resolve(#name, lookup);
	SETXID_CALLS(RESOLVE)
#define RESOLVE_SETRLIMIT(name) real_##name = resolve(#name, lookup);
	SETRLIMIT_CALLS(RESOLVE_SETRLIMIT)
}
