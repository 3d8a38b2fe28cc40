// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"

const struct cli_command cli_commands[] = {
#define COMMAND_ENTRY(cmd, synopsis, help) \
	{ #cmd, synopsis, help, cmd_##cmd, cmd_##cmd##_options },
	SMM_CLI_COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};
const size_t cli_nr_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);

const struct cli_command *cli_find(const char *name)
{
	for (size_t i = 0; i < cli_nr_commands; i++)
		if (!strcmp(cli_commands[i].name, name))
			return &cli_commands[i];
	return NULL;
}

/* Every command knows --help, so that nobody has to remember `help COMMAND`. */
static bool wants_help(int argc, char **argv)
{
	return argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
}

static int run_command(const struct cli_command *cmd, int argc, char **argv)
{
	char *help_argv[] = { argv[0], argv[0], NULL };

	if (wants_help(argc, argv))
		return cmd_help(2, help_argv);
	return cmd->run(argc, argv);
}

int main(int argc, char **argv)
{
	const struct cli_command *cmd;
	int ret;

	if (argc < 2)
		return cli_usage("no command given: say one of those in 'shadowmm help'");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("shadowmm " PACKAGE_VERSION);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(1, argv);
	cmd = cli_find(argv[1]);
	if (!cmd)
		return cli_usage(
			"%s: unknown command: say one of those in 'shadowmm help'",
			argv[1]);
	ret = run_command(cmd, argc - 1, argv + 1);
	/* A full disk must not pass for success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_warn("standard output: cannot write: make room, or look at the pipe");
		ret = ret ? ret : CLI_FAIL;
	}
	return ret;
}
