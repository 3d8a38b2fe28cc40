// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Fail stop: if an engine process is killed the program dies by SIGKILL and never reads
 * zeroes it should not. Without an engine the program kills itself, so both runs agree.
 */
#include "tests/preload/common.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>

/* An engine of ours: it shares our memory, so it is our child in the kernel's eyes. */
static bool is_engine(pid_t pid)
{
	char path[64], comm[32] = "";
	int state_ppid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%31[^)]) %*c %d", comm, &state_ppid) != 2)
		state_ppid = 0;
	CHECK(fclose(f) == 0);
	return state_ppid == getpid() && strncmp(comm, "smm-", 4) == 0;
}

static pid_t find_engine(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	CHECK(proc);
	while (!found && (entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && is_engine(pid))
			found = pid;
	}
	CHECK(closedir(proc) == 0);
	return found;
}

int main(void)
{
	char *p = anon(4 * MIB);
	pid_t engine;

	fill(p, 2 * MIB, 1);
	engine = find_engine();
	puts("about to kill");
	fflush(stdout);
	CHECK(kill(engine ? engine : getpid(), SIGKILL) == 0);
	/* Death comes with the engine's end; this wait is only a limit. */
	poll(NULL, 0, 5000);
	printf("survived, and reads %d\n", p[3 * MIB]);
	return 1;
}
