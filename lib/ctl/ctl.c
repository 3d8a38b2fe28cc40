// SPDX-License-Identifier: LGPL-2.1-or-later
/* The socket and its clients: who may connect, and whose turn it is. */
#include <asm/socket.h>
#include <linux/poll.h>
#include <linux/un.h>

#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

#define AF_UNIX	      1
#define SOCK_STREAM   1
#define SOCK_NONBLOCK O_NONBLOCK
#define SOCK_CLOEXEC  O_CLOEXEC
#define LISTEN_QUEUE  16

/* struct ucred of <sys/socket.h>, unix(7) */
struct peer_cred {
	int pid;
	unsigned int uid, gid;
};

/* --- opening and closing ---------------------------------------------------------- */

static int fail(struct ctl *c, long err, const char *why)
{
	c->why = why;
	ctl_close(c);
	return (int)err;
}

/* O_NOFOLLOW and a look at what was opened: no window between check and use. */
static int open_dir(struct ctl *c)
{
	const char *dir = c->env->dir;
	long ret = sys_mkdir(dir, 0700);
	struct statx stx;

	if (ret < 0 && ret != -EEXIST)
		return fail(c, ret, "cannot make the directory");
	c->dir_fd =
		(int)sys_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (c->dir_fd < 0)
		return fail(c, c->dir_fd, "the directory is none, or a symbolic link");
	ret = sys_statx(c->dir_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx);
	if (ret < 0)
		return fail(c, ret, "cannot look at the directory");
	if (stx.stx_uid != (u32)sys_geteuid())
		return fail(c, -EPERM, "the directory belongs to another user");
	if ((stx.stx_mode & 07777) == 0700)
		return 0;
	ret = sys_fchmod(c->dir_fd, 0700);
	return ret < 0 ? fail(c, ret, "cannot make the directory private") : 0;
}

static void socket_name(const struct ctl *c, char *buf, size_t size)
{
	struct fmt f;

	fmt_init(&f, buf, size);
	fmt_printf(&f, "%d.sock", c->env->pid);
}

/* Through /proc: the name stays short, and lies in the very directory we looked at. */
static void socket_addr(const struct ctl *c, struct sockaddr_un *addr)
{
	struct fmt f;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	fmt_init(&f, addr->sun_path, sizeof(addr->sun_path));
	fmt_printf(&f, "/proc/self/fd/%d/%d.sock", c->dir_fd, c->env->pid);
}

static int peer_cred(int fd, struct peer_cred *cred)
{
	unsigned int len = sizeof(*cred);

	return (int)sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len);
}

/*
 * The name is taken. It is our PID's, so whoever bound it was this process before exec
 * or is gone, unless the directory is shared with another PID namespace, whose
 * processes have no number here.
 */
static bool server_is_foreign(const struct sockaddr_un *addr)
{
	long fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct peer_cred cred;
	bool foreign = false;

	if (fd < 0)
		return false;
	if (sys_connect(fd, addr, sizeof(*addr)) == 0 && peer_cred((int)fd, &cred) == 0)
		foreign = cred.pid == 0;
	sys_close(fd);
	return foreign;
}

static long bind_name(struct ctl *c)
{
	struct sockaddr_un addr;
	char name[32];
	long ret, mask;

	socket_addr(c, &addr);
	socket_name(c, name, sizeof(name));
	mask = sys_umask(0177);
	ret = sys_bind(c->listen_fd, &addr, sizeof(addr));
	if (ret == -EADDRINUSE && !server_is_foreign(&addr)) {
		sys_unlinkat(c->dir_fd, name, 0);
		ret = sys_bind(c->listen_fd, &addr, sizeof(addr));
	}
	sys_umask(mask);
	return ret;
}

/* Which file the name is now. */
static long name_id(const struct ctl *c, unsigned long *dev, unsigned long *ino)
{
	struct statx stx;
	char name[32];
	long ret;

	socket_name(c, name, sizeof(name));
	ret = sys_statx(c->dir_fd, name, AT_SYMLINK_NOFOLLOW, STATX_INO, &stx);
	*dev = (unsigned long)stx.stx_dev_major << 32 | stx.stx_dev_minor;
	*ino = stx.stx_ino;
	return ret;
}

int ctl_open(struct ctl *c, const struct ctl_env *env)
{
	long ret;

	memset(c, 0, sizeof(*c));
	c->env = env;
	c->dir_fd = c->listen_fd = c->spare_fd = -1;
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		c->client[i].fd = c->client[i].spill_fd = -1;
	ret = open_dir(c);
	if (ret < 0)
		return (int)ret;
	c->listen_fd =
		(int)sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0)
		return fail(c, c->listen_fd, "cannot make a socket");
	ret = bind_name(c);
	if (ret < 0)
		return fail(c, ret, "cannot bind the socket");
	ret = name_id(c, &c->dev, &c->ino);
	if (ret == 0)
		ret = sys_listen(c->listen_fd, LISTEN_QUEUE);
	if (ret < 0)
		return fail(c, ret, "cannot listen on the socket");
	c->spare_fd = (int)sys_fcntl(c->dir_fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

static void client_close(struct ctl_client *cl)
{
	close_fd(&cl->fd);
	close_fd(&cl->spill_fd);
}

/* A successor of ours (after exec) may have bound the name already. */
static void remove_name(struct ctl *c)
{
	unsigned long dev, ino;
	char name[32];

	socket_name(c, name, sizeof(name));
	if (name_id(c, &dev, &ino) == 0 && dev == c->dev && ino == c->ino)
		sys_unlinkat(c->dir_fd, name, 0);
}

void ctl_close(struct ctl *c)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		client_close(&c->client[i]);
	if (c->dir_fd >= 0 && c->ino)
		remove_name(c);
	close_fd(&c->listen_fd);
	close_fd(&c->spare_fd);
	close_fd(&c->dir_fd);
}

/* --- clients ---------------------------------------------------------------------- */

static struct ctl_client *free_slot(struct ctl *c)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		if (c->client[i].fd < 0)
			return &c->client[i];
	return NULL;
}

static bool peer_allowed(int fd)
{
	struct peer_cred cred;

	if (peer_cred(fd, &cred) < 0)
		return false;
	return cred.uid == 0 || cred.uid == (u32)sys_geteuid();
}

static void greet(struct ctl *c, int fd)
{
	struct ctl_client *cl = free_slot(c), refused = { .fd = fd, .spill_fd = -1 };
	struct reply r;

	if (cl) {
		*cl = (struct ctl_client){ .fd = fd, .spill_fd = -1 };
		reply_begin(&r, c, cl);
		show_hello(&r);
		if (reply_end(&r) < 0)
			client_close(cl);
		return;
	}
	reply_begin(&r, c, &refused);
	reply_error(&r, "too many clients", NULL, "end one of the others and try again");
	reply_end(&r);
	client_close(&refused);
}

/* Out of descriptors: without this the connection would wake us for ever. */
static void refuse_one(struct ctl *c)
{
	close_fd(&c->spare_fd);
	sys_close(sys_accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC));
	c->spare_fd = (int)sys_fcntl(c->dir_fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_clients(struct ctl *c)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		long fd = sys_accept4(c->listen_fd, NULL, NULL,
				      SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -EMFILE || fd == -ENFILE) {
			refuse_one(c);
			continue;
		}
		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		if (fd < 0)
			return;
		if (peer_allowed((int)fd))
			greet(c, (int)fd);
		else
			sys_close(fd);
	}
}

static char *find_newline(struct ctl_client *cl)
{
	for (size_t i = 0; i < cl->in_len; i++)
		if (cl->in[i] == '\n')
			return cl->in + i;
	return NULL;
}

/* Drop the first @n bytes of what was read. */
static void client_consume(struct ctl_client *cl, size_t n)
{
	cl->in_len -= n;
	memmove(cl->in, cl->in + n, cl->in_len);
}

/* An oversize line gets one error and is then dropped up to its newline. */
static int client_oversize(struct ctl *c, struct ctl_client *cl)
{
	struct reply r;

	cl->in_len = 0;
	if (cl->skip_line)
		return 0;
	cl->skip_line = true;
	reply_begin(&r, c, cl);
	reply_error(&r, "command line too long", NULL,
		    "send at most 4096 bytes per line");
	return reply_end(&r);
}

/* At most one command: each client in turn. */
static int client_command(struct ctl *c, struct ctl_client *cl)
{
	char *newline = find_newline(cl);
	struct reply r;
	int ret = 0;

	if (!newline)
		return cl->in_len == sizeof(cl->in) ? client_oversize(c, cl) : 0;
	if (!cl->skip_line) {
		reply_begin(&r, c, cl);
		ctl_command(&r, cl->in, (size_t)(newline - cl->in));
		ret = reply_end(&r);
		stat_inc(c->env->stat->requests);
	}
	cl->skip_line = false;
	client_consume(cl, (size_t)(newline + 1 - cl->in));
	return ret;
}

static int client_read(struct ctl_client *cl)
{
	long n = sys_read(cl->fd, cl->in + cl->in_len, sizeof(cl->in) - cl->in_len);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n < 0)
		return (int)n;
	cl->in_len += (size_t)n;
	cl->eof = n == 0;
	return 0;
}

static bool client_has_work(struct ctl_client *cl)
{
	return cl->spill_fd >= 0 || find_newline(cl);
}

static int client_serve(struct ctl *c, struct ctl_client *cl, short events)
{
	int ret = 0;

	if (events & (POLLERR | POLLNVAL))
		return -EPIPE;
	if (cl->spill_fd >= 0)
		ret = client_drain(c, cl);
	else if (!find_newline(cl))
		ret = client_read(cl);
	if (ret == 0 && cl->spill_fd < 0)
		ret = client_command(c, cl);
	if (ret == 0 && cl->eof && !client_has_work(cl))
		ret = -EPIPE;
	return ret;
}

/* --- the poll loop's side ---------------------------------------------------------- */

int ctl_fill_pollfds(struct ctl *c, struct pollfd *fds, int max)
{
	int n = 0;

	if (c->listen_fd >= 0 && n < max)
		fds[n++] = (struct pollfd){ .fd = c->listen_fd, .events = POLLIN };
	for (int i = 0; i < CTL_MAX_CLIENTS && n < max; i++) {
		struct ctl_client *cl = &c->client[i];

		/* A line that is already here waits for room to answer, not for input. */
		if (cl->fd >= 0)
			fds[n++] = (struct pollfd){
				.fd = cl->fd,
				.events = client_has_work(cl) ? POLLOUT : POLLIN,
			};
	}
	return n;
}

static struct ctl_client *client_of(struct ctl *c, int fd)
{
	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		if (c->client[i].fd == fd)
			return &c->client[i];
	return NULL;
}

void ctl_handle(struct ctl *c, const struct pollfd *fds, int n)
{
	bool knock = false;

	for (int i = 0; i < n; i++) {
		struct ctl_client *cl;

		if (!fds[i].revents || fds[i].fd < 0)
			continue;
		if (fds[i].fd == c->listen_fd) {
			knock = true;
			continue;
		}
		cl = client_of(c, fds[i].fd);
		if (cl && client_serve(c, cl, fds[i].revents) < 0)
			client_close(cl);
	}
	/* Last: a new client may get a number that the events above were about. */
	if (knock)
		accept_clients(c);
}
