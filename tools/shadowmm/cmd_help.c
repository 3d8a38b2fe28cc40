// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm help */
#include "config.h"

#include <stdio.h>

#include "cli.h"

const char cmd_help_options[] = "";

static void help_all(void)
{
	puts("Usage: shadowmm COMMAND [OPTION]... [ARG]...\n"
	     "A second, user-space memory manager for unmodified programs.\n");
	for (size_t i = 0; i < cli_nr_commands; i++)
		printf("  %-8s %s\n", cli_commands[i].name, cli_commands[i].help);
	puts("\n  --help, --version\n\n"
	     "'shadowmm help COMMAND' shows the options of a command; see also "
	     "shadowmm(1).");
}

static void help_one(const struct cli_command *cmd)
{
	printf("Usage: shadowmm %s%s%s\n%s.\n", cmd->name, *cmd->synopsis ? " " : "",
	       cmd->synopsis, cmd->help);
	if (*cmd->options)
		printf("\n%s", cmd->options);
}

int cmd_help(int argc, char **argv)
{
	const struct cli_command *cmd;

	if (argc > 2)
		return cli_usage("help: too many arguments: name one command");
	if (argc < 2) {
		help_all();
		return CLI_OK;
	}
	cmd = cli_find(argv[1]);
	if (!cmd)
		return cli_usage(
			"help: %s: unknown command: say one of those in 'shadowmm help'",
			argv[1]);
	help_one(cmd);
	return CLI_OK;
}
