// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/preload/common.h"

#include <setjmp.h>
#include <signal.h>
#include <time.h>

void check_that(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	printf("%s:%d: not so: %s (%s)\n", file, line, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

long show_result(const char *call, long ret)
{
	if (ret == -1)
		printf("%s: %s\n", call, strerror(errno));
	else
		printf("%s: done\n", call);
	return ret;
}

char *anon_with(size_t len, int prot, int flags)
{
	char *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

char *anon(size_t len)
{
	return anon_with(len, PROT_READ | PROT_WRITE, 0);
}

static unsigned char pattern(size_t i, unsigned int seed)
{
	return (unsigned char)((i * 31 + (i >> 12) * 7 + seed) & 0xff);
}

void fill(void *p, size_t len, unsigned int seed)
{
	volatile unsigned char *bytes = p;

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(i, seed);
}

bool matches(const void *p, size_t len, unsigned int seed)
{
	const volatile unsigned char *bytes = p;

	for (size_t i = 0; i < len; i++)
		if (bytes[i] != pattern(i, seed))
			return false;
	return true;
}

bool all_zero(const void *p, size_t len)
{
	const volatile unsigned char *bytes = p;

	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* --- touch ------------------------------------------------------------------------- */

static sigjmp_buf escape;
static int fault_signal, fault_code;
static void *fault_addr;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = sig;
	fault_code = info->si_code;
	fault_addr = info->si_addr;
	siglongjmp(escape, 1);
}

static const char *code_name(void)
{
	if (fault_signal == SIGBUS)
		return fault_code == BUS_ADRERR ? "BUS_ADRERR" : "SIGBUS of another kind";
	switch (fault_code) {
	case SEGV_MAPERR:
		return "SEGV_MAPERR";
	case SEGV_ACCERR:
		return "SEGV_ACCERR";
	case SI_KERNEL:
		return "SI_KERNEL";
	default:
		return "SIGSEGV of another kind";
	}
}

const char *touch(volatile void *p, bool write)
{
	static char text[64];
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction old_segv, old_bus;
	volatile unsigned char *byte = p;
	bool faulted;

	CHECK(sigaction(SIGSEGV, &sa, &old_segv) == 0);
	CHECK(sigaction(SIGBUS, &sa, &old_bus) == 0);
	faulted = sigsetjmp(escape, 1);
	if (!faulted) {
		if (write)
			*byte = 1;
		else
			(void)*byte;
	}
	CHECK(sigaction(SIGSEGV, &old_segv, NULL) == 0);
	CHECK(sigaction(SIGBUS, &old_bus, NULL) == 0);
	if (!faulted)
		return "ok";
	/* A non-canonical address raises #GP, which knows no address. */
	snprintf(text, sizeof(text), "%s%s", code_name(),
		 fault_addr == p || fault_code == SI_KERNEL ? "" : " (wrong address)");
	return text;
}

/* --- children ---------------------------------------------------------------------- */

void show_status(const char *what, int status)
{
	if (WIFSIGNALED(status))
		printf("%s: signal %d\n", what, WTERMSIG(status));
	else
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
}

void in_child(const char *what, void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	show_status(what, status);
}

/* --- what a process knows --------------------------------------------------------------
 */

double seconds(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool library_mapped(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "libshadowmm.so");
	fclose(f);
	return found;
}

long resident_pages(void *p, size_t len)
{
	size_t pages = (len + PAGE - 1) / PAGE;
	unsigned char *vec = malloc(pages);
	long found = 0;

	CHECK(vec);
	if (mincore(p, len, vec)) {
		free(vec);
		return -1;
	}
	for (size_t i = 0; i < pages; i++)
		found += vec[i] & 1;
	free(vec);
	return found;
}
