// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define PID_LIMIT (1L << 22) /* the kernel's PID_MAX_LIMIT */

static void vwarn(const char *format, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, ap);
	/* One call, one write: messages of a pipeline do not mix. */
	fprintf(stderr, "shadowmm: %s\n", text);
}

void cli_warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarn(format, ap);
	va_end(ap);
}

int cli_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarn(format, ap);
	va_end(ap);
	return CLI_USAGE;
}

int cli_bad_option(char **argv)
{
	const char *what = optind > 0 && argv[optind - 1] ? argv[optind - 1] : "?";

	return cli_usage(
		"%s: %s: unknown option, or its argument is missing or not allowed: "
		"see 'shadowmm help %s'",
		argv[0], what, argv[0]);
}

int cli_flags(int argc, char **argv, const struct option *options, int min, int max)
{
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (opt != 0)
			return cli_bad_option(argv);
	if (argc - optind < min || argc - optind > max)
		return cli_usage("%s: %s: say 'shadowmm %s %s'", argv[0],
				 argc - optind < min ? "argument missing"
						     : "too many arguments",
				 argv[0], cli_find(argv[0])->synopsis);
	return CLI_OK;
}

bool cli_parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long value;

	errno = 0;
	value = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
	if (value < 1 || value > PID_LIMIT || errno || *end) {
		cli_usage("%s: not a process number: give digits, 1 to %ld", text,
			  PID_LIMIT);
		return false;
	}
	*pid = (pid_t)value;
	return true;
}

bool cli_parse_addr(const char *text, unsigned long *addr)
{
	const char *digits = text;
	size_t len;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	len = strlen(digits);
	if (!len || len > 16 || strspn(digits, "0123456789abcdefABCDEF") != len) {
		cli_usage("%s: not an address: give up to 16 hexadecimal digits, with or "
			  "without 0x",
			  text);
		return false;
	}
	*addr = strtoul(digits, NULL, 16);
	return true;
}

const char *cli_size(unsigned long bytes, char *buf, size_t size)
{
	static const char unit[] = "BKMGTPE";
	double value = (double)bytes;
	int i = 0;

	while (value >= 1024 && i < 6) {
		value /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(buf, size, "%lu", bytes);
	else
		snprintf(buf, size, "%.1f%c", value, unit[i]);
	return buf;
}
