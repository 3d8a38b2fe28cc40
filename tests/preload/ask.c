// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/preload/ask.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ENGINE_S 40 /* until its engine is up; the runner gives a program a minute */

static char reply[4 << 20];
static int server = -1, owner;

static void get_line(void)
{
	size_t len = 0;

	do {
		ssize_t n = recv(server, reply + len, sizeof(reply) - 1 - len, 0);

		CHECK(n > 0);
		len += (size_t)n;
	} while (reply[len - 1] != '\n');
	reply[len - 1] = '\0';
}

/* As the library chooses, in lib/hook/options.c. */
static void socket_path(char *path, size_t size)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int n;

	if (run && run[0] == '/' && !stat(run, &st) && S_ISDIR(st.st_mode))
		n = snprintf(path, size, "%s/shadowmm/%d.sock", run, (int)getpid());
	else
		n = snprintf(path, size, "/tmp/shadowmm-%u/%d.sock",
			     (unsigned int)geteuid(), (int)getpid());
	CHECK(n > 0 && (size_t)n < size);
}

/* The engine starts beside us: the socket appears when it does. */
static void connect_to_engine(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	double end = seconds() + ENGINE_S;

	socket_path(addr.sun_path, sizeof(addr.sun_path));
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (connect(server, (struct sockaddr *)&addr, sizeof(addr))) {
		CHECK(errno == ENOENT || errno == ECONNREFUSED);
		if (seconds() > end) {
			printf("nobody to ask at %s after %d s: asleep "
			       "(SHADOWMM_START), or without an engine?\n",
			       addr.sun_path, ENGINE_S);
			fflush(stdout);
			_exit(1);
		}
		sched_yield();
	}
}

bool can_ask(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (server >= 0 && owner == getpid())
		return true;
	if (!preload || !strstr(preload, "libshadowmm"))
		return false;
	if (server >= 0)
		close(server);
	connect_to_engine();
	owner = getpid();
	get_line();
	return true;
}

void wait_for_engine(void)
{
	if (!can_ask())
		return;
	close(server);
	server = -1;
}

const char *ask(const char *command)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s\n", command);

	CHECK(can_ask() && n > 0 && n < (int)sizeof(line));
	CHECK(send(server, line, (size_t)n, MSG_NOSIGNAL) == n);
	get_line();
	return reply;
}

long asked(const char *const *names)
{
	const char *at;
	char text[64];

	if (!can_ask())
		return 0;
	at = ask("stat");
	for (; *names; names++) {
		snprintf(text, sizeof(text), "\"%s\":", *names);
		at = strstr(at, text);
		CHECK(at);
		at += strlen(text);
	}
	return strtol(at, NULL, 10);
}

void check_verified(void)
{
	const char *answer;

	if (!can_ask())
		return;
	answer = ask("verify flags");
	if (strstr(answer, "\"differences\":0,") && strstr(answer, "\"broken\":null"))
		return;
	puts(answer);
	CHECK(false);
}

/* --- the kernel's side ------------------------------------------------------------- */

/* read(2) into static memory: stdio would map some and change what is looked at. */
char *read_proc(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return text;
}

const char *smaps_line(const void *p, const char *key)
{
	unsigned long start, end;
	bool inside = false;
	char *save = NULL;

	for (char *line = strtok_r(read_proc("/proc/self/smaps"), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (unsigned long)p >= start && (unsigned long)p < end;
		else if (inside && !strncmp(line, key, strlen(key)) &&
			 line[strlen(key)] == ':')
			return line + strlen(key) + 1;
	}
	return NULL;
}

long smaps_number(const void *p, const char *key)
{
	const char *line = smaps_line(p, key);

	return line ? strtol(line, NULL, 10) : -1;
}

bool smaps_flag(const void *p, const char *flag)
{
	const char *line = smaps_line(p, "VmFlags");
	char text[8];

	snprintf(text, sizeof(text), " %s ", flag);
	return line && strstr(line, text);
}

long status_number(const char *key)
{
	const char *at = strstr(read_proc("/proc/self/status"), key);

	CHECK(at);
	return strtol(at + strlen(key) + 1, NULL, 10);
}

int areas_in(const void *p, size_t len)
{
	unsigned long start, end, from = (unsigned long)p;
	char *save = NULL;
	int n = 0;

	for (char *line = strtok_r(read_proc("/proc/self/maps"), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			n += start < from + len && end > from;
	return n;
}
