// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * usage: rss FILE PROGRAM [ARGUMENT...]. Runs a program and stops each process of its
 * tree on the way out, while its memory is still there; writes a line for each to FILE:
 *
 *     PID RESIDENT PEAK COMM      KiB
 *
 * Tasks that cannot be traced (an engine's, CLONE_UNTRACED) have no line: their memory is
 * the program's. Ends with the program's status.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *out;

/* The number after @name in /proc/PID/FILE; -1 if there is none. */
static long field(int pid, const char *file, const char *format)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &value) != 1)
			value = -1;
	fclose(f);
	return value;
}

static void command(int pid, char comm[32])
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%31[^\n]", comm) != 1)
		snprintf(comm, 32, "?");
	if (f)
		fclose(f);
}

/* VmRSS is a sum of counters that lag behind; smaps_rollup walks the pages. */
static void write_line(int pid)
{
	char comm[32];

	if (field(pid, "status", "Tgid: %ld") != pid)
		return; /* another thread */
	command(pid, comm);
	fprintf(out, "%d %ld %ld %s\n", pid, field(pid, "smaps_rollup", "Rss: %ld"),
		field(pid, "status", "VmHWM: %ld"), comm);
}

/* What the task is to go on with. */
static void resume(int pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_EXIT)
		write_line(pid);
	if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
		ptrace(PTRACE_LISTEN, pid, 0, 0); /* stopped, as it would be without us */
	else
		ptrace(PTRACE_CONT, pid, 0, event ? 0 : signal);
}

static int follow(int program)
{
	int pid, status, result = 1;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid > 0 && WIFSTOPPED(status))
			resume(pid, status);
		else if (pid == program)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	}
	return result;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_EXITKILL;
	int pid, status;

	out = argc > 2 ? fopen(argv[1], "we") : NULL;
	if (!out)
		return 2;
	pid = fork();
	if (!pid) {
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid)
		die("fork");
	if (ptrace(PTRACE_SEIZE, pid, 0, options))
		die("PTRACE_SEIZE");
	kill(pid, SIGCONT);
	return follow(pid);
}
