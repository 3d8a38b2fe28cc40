// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * setuid() and its family, by symbol: in a threaded program glibc has every thread make
 * the system call from a signal handler, with the number in a register, where no site
 * can be patched. libc does the work; afterwards the engine follows. setrlimit() has an
 * instruction between the number and the call, and is not patched for that reason.
 * Context: application threads.
 */
#include "lib/base/compiler.h"
#include "lib/hook/start.h"
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

/* Looked up when first called: most programs never do. All find the same. */
static void *resolve(void **slot, const char *name)
{
	void *func = READ_ONCE(*slot);

	if (!func) {
		func = (void *)start_lookup(name);
		WRITE_ONCE(*slot, func);
	}
	return func;
}

#define DEFINE(name, params, args)                         \
	int name params;                                   \
	__public int name params                           \
	{                                                  \
		static void *slot;                         \
		int(*real) params = resolve(&slot, #name); \
		int ret = real args;                       \
                                                           \
		if (!ret)                                  \
			creds_changed();                   \
		return ret;                                \
	}
SETXID_CALLS(DEFINE)

/* X(name) */
#define SETRLIMIT_CALLS(X) X(setrlimit) X(setrlimit64)

#define DEFINE_SETRLIMIT(name)                                      \
	int name(int resource, const unsigned long *limit);         \
	__public int name(int resource, const unsigned long *limit) \
	{                                                           \
		static void *slot;                                  \
		int (*real)(int, const unsigned long *);            \
                                                                    \
		real = resolve(&slot, #name);                       \
		setrlimit_before(resource, (unsigned long)limit);   \
		return real(resource, limit);                       \
	}
SETRLIMIT_CALLS(DEFINE_SETRLIMIT)
