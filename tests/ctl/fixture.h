/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control server in a child process, in a directory of its own, and a client. */
#ifndef TESTS_CTL_FIXTURE_H
#define TESTS_CTL_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <jansson.h>

#include "fake_mm.h"
#include "lib/ctl/ctl.h"

struct fixture {
	char base[64];	   /* temporary directory */
	char dir[96];	   /* base/shadowmm */
	char sock[128];	   /* dir/PID.sock */
	pid_t server;	   /* 0: not running */
	int life[2];	   /* the server ends when we close life[1] */
	struct mutex lock; /* copied into the server at its start */
	struct smm_stat stat;
	struct ctl_env env;
};

void fixture_init(struct fixture *f);
/* Start the server as user @uid. */
void fixture_serve(struct fixture *f, uid_t uid);
/* End the server and expect that it ended well. */
void fixture_stop(struct fixture *f);
void fixture_fini(struct fixture *f);

/* A connected client; ends the test on failure. */
int client_connect(const struct fixture *f);
void client_send(int fd, const char *bytes, size_t len);
/* The next line without its newline (free it); NULL at the end of the stream. */
char *client_line(int fd);
/* The next line as JSON; ends the test if it is none. */
json_t *client_json(int fd);
/* A connected client that has read the greeting. */
int greeted(const struct fixture *f);
/* Send "@command\n" and return the reply. */
json_t *ask(int fd, const char *command);
/* Expect that the reply is an error with @part in it. */
void expect_error(int fd, const char *command, const char *part);

/* The member @key of an object; ends the test if there is none of that kind. */
const char *text(json_t *json, const char *key);
long number(json_t *json, const char *key);

#endif
