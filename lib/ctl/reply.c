// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing a reply, and sending it without ever waiting for the client. */
#include <asm/socket.h>
#include <linux/memfd.h>

#include "lib/base/string.h"
#include "lib/ctl/internal.h"
#include "lib/sys/sys.h"

#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000
#define DRAIN_CHUNKS 16 /* per round, so that one client does not starve the others */

void reply_begin(struct reply *r, struct ctl *c, struct ctl_client *cl)
{
	*r = (struct reply){ .c = c, .cl = cl };
	fmt_init(&r->f, c->out, sizeof(c->out));
}

static void spill_close(struct ctl_client *cl)
{
	if (cl->spill_fd >= 0)
		sys_close(cl->spill_fd);
	cl->spill_fd = -1;
	cl->spill_pos = cl->spill_len = 0;
}

/* Append to the client's memfd: no mapping is made, the shadow stays as it is. */
static int spill(struct ctl_client *cl, const char *buf, size_t len)
{
	if (cl->spill_fd < 0)
		cl->spill_fd = (int)sys_memfd_create("shadowmm-reply", MFD_CLOEXEC);
	if (cl->spill_fd < 0)
		return cl->spill_fd;
	while (len) {
		long n = sys_pwrite(cl->spill_fd, buf, len, cl->spill_len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -ENOSPC;
		buf += n;
		len -= (size_t)n;
		cl->spill_len += (u64)n;
	}
	return 0;
}

static void reply_spill(struct reply *r)
{
	if (!r->err)
		r->err = spill(r->cl, r->f.buf, r->f.len);
	fmt_init(&r->f, r->c->out, sizeof(r->c->out));
}

static void reply_room(struct reply *r, size_t n)
{
	if (r->f.len + n >= r->f.size)
		reply_spill(r);
}

void reply_printf(struct reply *r, const char *format, ...)
{
	__builtin_va_list ap;

	reply_room(r, REPLY_PIECE);
	__builtin_va_start(ap, format);
	fmt_vprintf(&r->f, format, ap);
	__builtin_va_end(ap);
}

/* Bytes of @s to convert at once: no UTF-8 sequence may be cut in two. */
static size_t json_piece(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	if (!s[n])
		return n;
	for (int back = 0; back < 3 && ((unsigned char)s[n] & 0xc0) == 0x80; back++)
		n--;
	return n;
}

void reply_json(struct reply *r, const char *s)
{
	char piece[65], text[6 * sizeof(piece) + 3];
	struct fmt f;

	if (!s) {
		reply_printf(r, "null");
		return;
	}
	reply_printf(r, "\"");
	while (*s) {
		size_t n = json_piece(s, sizeof(piece) - 1);

		memcpy(piece, s, n);
		piece[n] = '\0';
		fmt_init(&f, text, sizeof(text));
		fmt_json_str(&f, piece);
		reply_room(r, f.len);
		fmt_mem(&r->f, text + 1, f.len - 2);
		s += n;
	}
	reply_printf(r, "\"");
}

void reply_error(struct reply *r, const char *what, const char *arg, const char *remedy)
{
	char text[REPLY_PIECE];
	struct fmt f;

	spill_close(r->cl);
	reply_begin(r, r->c, r->cl);
	fmt_init(&f, text, sizeof(text));
	fmt_str(&f, what);
	if (arg) {
		fmt_str(&f, ": ");
		fmt_mem(&f, arg, min(strlen(arg), (size_t)64));
	}
	fmt_str(&f, ": ");
	fmt_str(&f, remedy);
	reply_printf(r, "{\"error\":");
	reply_json(r, text);
	reply_printf(r, "}");
	stat_inc(r->c->env->stat->bad_requests);
}

static long client_send(struct ctl_client *cl, const char *buf, size_t len)
{
	long n;

	/* Not sendfile(): it cannot be told MSG_NOSIGNAL. */
	do
		n = sys_sendto(cl->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -EINTR);
	return n == -EAGAIN ? 0 : n;
}

int reply_end(struct reply *r)
{
	struct ctl_client *cl = r->cl;
	long n;

	reply_printf(r, "\n");
	if (cl->spill_fd >= 0 && !r->err)
		reply_spill(r);
	if (r->err) {
		reply_error(r, "reply", "no room for it",
			    "raise RLIMIT_FSIZE and RLIMIT_NOFILE of the program");
		reply_printf(r, "\n");
	}
	if (cl->spill_fd >= 0)
		return client_drain(r->c, cl);
	n = client_send(cl, r->f.buf, r->f.len);
	if (n < 0)
		return (int)n;
	if ((size_t)n == r->f.len)
		return 0;
	return spill(cl, r->f.buf + n, r->f.len - (size_t)n);
}

int client_drain(struct ctl *c, struct ctl_client *cl)
{
	for (int i = 0; i < DRAIN_CHUNKS && cl->spill_pos < cl->spill_len; i++) {
		long n = sys_pread(cl->spill_fd, c->out, sizeof(c->out), cl->spill_pos);

		if (n <= 0)
			return n ? (int)n : -EIO;
		n = client_send(cl, c->out, (size_t)n);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		cl->spill_pos += (u64)n;
	}
	if (cl->spill_pos == cl->spill_len)
		spill_close(cl);
	return 0;
}
