// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE
#include "tests/preload/capture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS	  60000
#define ENGINE_MS 3000 /* a program that has none is waited for in vain */
#define NOBODY	  65534

static char scratch[64];

/* --- the directory ----------------------------------------------------------------- */

const char *scratch_path(const char *name)
{
	char *path;

	cr_assert(asprintf(&path, "%s/%s", scratch, name) > 0);
	return path;
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	struct stat st;

	cr_assert(in >= 0 && out >= 0, "cannot copy %s to %s", from, to);
	cr_assert(fstat(in, &st) == 0);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);

		cr_assert(n > 0, "cannot copy %s to %s", from, to);
		left -= n;
	}
	close(in);
	close(out);
}

/* Environment variable @env, else @file in the build tree, as @name. */
static void copy_tool(const char *env, const char *file, const char *name)
{
	const char *set = env ? getenv(env) : NULL, *top = getenv("top_builddir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", top ? top : ".", file);
	copy_file(set ? set : path, scratch_path(name));
}

void scratch_make(const char *const *names)
{
	strcpy(scratch, "/tmp/smm-fallback.XXXXXX");
	cr_assert(mkdtemp(scratch) && chmod(scratch, 0755) == 0);
	copy_tool("SMM_LIB", ".libs/libshadowmm.so", "libshadowmm.so");
	copy_tool("SMM_CLI", "shadowmm", "shadowmm");
	for (; *names; names++) {
		char file[256];

		snprintf(file, sizeof(file), "tests/preload/%s", *names);
		copy_tool(NULL, file, *names);
	}
	/* Sockets and verify files are written by whoever the program becomes. */
	cr_assert(mkdir(scratch_path("run"), 0777) == 0 &&
		  chmod(scratch_path("run"), 0777) == 0);
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_remove(void)
{
	if (scratch[0])
		nftw(scratch, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
}

/* --- the child --------------------------------------------------------------------- */

static void __attribute__((noreturn))
become(const struct how *how, const int *fds, const char *const *argv)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(125);
	if (chdir(scratch_path("run")) || syscall(SYS_close_range, 3, ~0U, 0))
		_exit(125);
	setenv("XDG_RUNTIME_DIR", scratch_path("run"), 1);
	setenv("SHADOWMM_LIB", scratch_path("libshadowmm.so"), 1);
	setenv("SHADOWMM_START", "now", 1); /* how->env may say otherwise */
	if (!how->plain)
		setenv("LD_PRELOAD", scratch_path("libshadowmm.so"), 1);
	for (int i = 0; how->env[i]; i++)
		putenv((char *)how->env[i]);
	if (how->before)
		how->before();
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int end_of(pid_t pid)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0),
			    .events = POLLIN };
	int status, ended;

	cr_assert(p.fd >= 0);
	ended = poll(&p, 1, RUN_MS);
	close(p.fd);
	if (ended != 1)
		kill(pid, SIGKILL);
	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_assert(ended == 1, "no end after %d s", RUN_MS / 1000);
	return status;
}

static int capture_file(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	cr_assert(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0);
	return fd;
}

static void take(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	cr_assert(n >= 0);
	text[n] = '\0';
	close(fd);
}

void capture(struct capture *c, const struct how *how, const char *const *argv)
{
	int fds[3] = { open("/dev/null", O_RDONLY | O_CLOEXEC), capture_file(),
		       capture_file() };
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0)
		become(how, fds, argv);
	c->status = end_of(pid);
	close(fds[0]);
	take(fds[1], c->out, sizeof(c->out));
	take(fds[2], c->err, sizeof(c->err));
}

void live_start(struct live *l, const struct how *how, const char *const *argv)
{
	int in[2], out[2], err[2];

	cr_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
		  pipe2(err, O_CLOEXEC) == 0);
	l->pid = fork();
	cr_assert(l->pid >= 0);
	if (l->pid == 0)
		become(how, (int[]){ in[0], out[1], err[1] }, argv);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	l->in = in[1];
	l->out = out[0];
	l->err = err[0];
}

static bool answers(pid_t pid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d.sock",
		 scratch_path("run/shadowmm"), (int)pid);
	ok = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	close(fd);
	return ok;
}

/*
 * The engine closes standard error when its socket is there; nobody else may have it. But
 * the program may have closed it before the engine took it, so this is no proof.
 */
void live_engine_up(const struct live *l)
{
	struct pollfd p = { .fd = l->err, .events = 0 };

	cr_assert(poll(&p, 1, RUN_MS) == 1 && (p.revents & POLLHUP),
		  "somebody keeps standard error open");
	for (int ms = 0; !answers(l->pid) && ms < ENGINE_MS; ms++)
		poll(NULL, 0, 1);
}

void live_command(const struct live *l, char command, const char *answer)
{
	char line[256];
	size_t n = 0;

	if (command)
		cr_assert(write(l->in, &command, 1) == 1);
	do {
		struct pollfd p = { .fd = l->out, .events = POLLIN };

		cr_assert(poll(&p, 1, RUN_MS) == 1, "no answer: %s", answer);
		cr_assert(n < sizeof(line) - 1 && read(l->out, line + n, 1) == 1,
			  "it ended instead of answering: %s", answer);
	} while (line[n++] != '\n');
	line[n - 1] = '\0';
	cr_assert_str_eq(line, answer);
}

void live_ask(struct capture *c, const struct live *l, const char *command,
	      const char *option, void (*before)(void))
{
	const struct how how = { .before = before, .plain = true };
	char pid[16];
	const char *argv[] = { scratch_path("shadowmm"), command, option ? option : pid,
			       option ? pid : NULL, NULL };

	snprintf(pid, sizeof(pid), "%d", (int)l->pid);
	capture(c, &how, argv);
}

int live_end(struct live *l)
{
	close(l->in);
	close(l->out);
	close(l->err);
	return end_of(l->pid);
}

/* --- circumstances ----------------------------------------------------------------- */

static void need(bool ok)
{
	if (!ok)
		_exit(125);
}

void become_nobody(void)
{
	need(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	     !setresuid(NOBODY, NOBODY, NOBODY));
}

void no_device(void)
{
	need(!unshare(CLONE_NEWNS) &&
	     !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	     !mount("none", "/dev", "tmpfs", 0, NULL));
}

static void filter_by(struct sock_filter *code, size_t n)
{
	struct sock_fprog program = { (unsigned short)n, code };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	     !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

void filter_call(int nr, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	filter_by(code, sizeof(code) / sizeof(*code));
}

/* @compare: BPF_JEQ or BPF_JGE. */
static void filter_argument(int nr, int argument, unsigned short compare,
			    unsigned int value, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (unsigned int)(offsetof(struct seccomp_data, args) +
					8 * (size_t)argument)),
		BPF_JUMP((unsigned short)(BPF_JMP | compare | BPF_K), value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	filter_by(code, sizeof(code) / sizeof(*code));
}

void filter_ioctl(unsigned int command, unsigned int action)
{
	filter_argument(SYS_ioctl, 1, BPF_JEQ, command, action);
}

void filter_pread(unsigned int bytes, unsigned int action)
{
	filter_argument(SYS_pread64, 2, BPF_JGE, bytes, action);
}

/* --- results ----------------------------------------------------------------------- */

unsigned long member(const char *json, const char *key)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(json, quoted);
	cr_assert(at, "no %s in %s", key, json);
	return strtoul(at + strlen(quoted), NULL, 10);
}

int count_lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int verify_lines(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");
	int n = 0;

	cr_assert(f, "no verify file %s", path);
	while (fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, ' ');

		cr_expect(last && !strcmp(last, " 0\n"), "verify: %s", line);
		n++;
	}
	fclose(f);
	return n;
}
