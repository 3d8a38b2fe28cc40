/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that says what the test wants it to say, and a way to run the tool. */
#ifndef TESTS_CTL_CANNED_H
#define TESTS_CTL_CANNED_H

#include <sys/types.h>

struct canned {
	char base[64]; /* temporary directory, XDG_RUNTIME_DIR of the tool */
	char dir[96], sock[128];
	pid_t pid; /* of the server: the process the tool is asked about */
	/* What to say; set before canned_start(). NULL: nothing. */
	const char *greeting; /* "%d" becomes the pid */
	const char *reply;    /* to every command */
	char *reply_free;
};

#define GREETING \
	"{\"shadowmm\":\"0.1.0\",\"protocol\":1,\"pid\":%d,\"comm\":\"canned\"}\n"

void canned_init(struct canned *c);
void canned_start(struct canned *c);
void canned_fini(struct canned *c);

struct result {
	int code; /* exit code, or 128 + signal */
	char *out, *err;
};

/* Run "shadowmm ARG..." (NULL at the end) to its end. */
struct result tool(const char *arg, ...) __attribute__((sentinel));
void result_free(struct result *r);

/* A file below the source tree, as text (free it). */
char *source_text(const char *path);

#endif
