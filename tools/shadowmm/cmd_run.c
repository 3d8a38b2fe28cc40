// SPDX-License-Identifier: LGPL-2.1-or-later
/* shadowmm run: translate options into the library's environment, preload it, exec. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

/* The same in the library. */
#define FAULT_AROUND_MAX 512 /* pages */
#define FAULT_TASKS_MAX	 4
#define COW_STACKS_MAX	 1000000 /* writes */

const char cmd_run_options[] =
	"  --intercept=site|all   patch system-call sites, or trap every other call as "
	"well\n"
	"  --policy=own|track     page anonymous memory ourselves, or only follow it; "
	"with\n"
	"                         commas also shmem=own|kernel, "
	"shared-file=own|track|dirty|kernel\n"
	"  --fault-around=N       pages brought in per fault: auto, off, or 1 to 512\n"
	"  --fault-tasks=N        tasks that answer faults: auto, or 1 to 4\n"
	"  --pool=SIZE            hold SIZE bytes of zeroed pages ready: auto, off, or "
	"(k, m, g)\n"
	"  --pool-pages=KIND      what they are where the kernel gives huge pages: huge, "
	"4k, or\n"
	"                         what is faster (auto)\n"
	"  --cow=own|kernel       after a fork, see and copy what is written to, or "
	"leave it\n"
	"  --start=WHEN           manage a process from its start (now), or when it has "
	"this\n"
	"                         much new memory (SIZE; auto: 2m)\n"
	"  --files=kernel|auto|own who pages private mappings of files; auto: the "
	"library "
	"what\n"
	"                         the kernel has not cached (default: kernel)\n"
	"  --cache=SIZE           hold at most SIZE bytes (k, m, g) of files, all "
	"processes "
	"together;\n"
	"                         auto, or unlimited\n"
	"  --cow-stacks=N         sample one write in N to shared pages, or off\n"
	"  --min-own=SIZE         page only areas of at least SIZE bytes (k, m, g)\n"
	"  --verify-at-exit FILE  append a line to FILE when a process ends\n"
	"  --quiet                say nothing about running with less\n"
	"  -v, --verbose          say what the library does\n";

enum {
	OPT_INTERCEPT = 256,
	OPT_POLICY,
	OPT_FAULT_AROUND,
	OPT_FAULT_TASKS,
	OPT_MIN_OWN,
	OPT_POOL,
	OPT_POOL_PAGES,
	OPT_COW,
	OPT_FILES,
	OPT_CACHE,
	OPT_START,
	OPT_COW_STACKS,
	OPT_VERIFY,
	OPT_QUIET,
};

static const struct option options[] = {
	{ "intercept", required_argument, NULL, OPT_INTERCEPT },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "fault-around", required_argument, NULL, OPT_FAULT_AROUND },
	{ "fault-tasks", required_argument, NULL, OPT_FAULT_TASKS },
	{ "start", required_argument, NULL, OPT_START },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "pool-pages", required_argument, NULL, OPT_POOL_PAGES },
	{ "cow", required_argument, NULL, OPT_COW },
	{ "files", required_argument, NULL, OPT_FILES },
	{ "cache", required_argument, NULL, OPT_CACHE },
	{ "cow-stacks", required_argument, NULL, OPT_COW_STACKS },
	{ "min-own", required_argument, NULL, OPT_MIN_OWN },
	{ "verify-at-exit", required_argument, NULL, OPT_VERIFY },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "verbose", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static int set_env(const char *name, const char *value)
{
	if (setenv(name, value, 1) == 0)
		return CLI_OK;
	cli_warn("run: %s: cannot set it: %s", name, strerror(errno));
	return CLI_RUN_SELF;
}

/* @value must be @a or @b. */
static int set_choice(const char *option, const char *name, const char *value,
		      const char *a, const char *b)
{
	if (strcmp(value, a) != 0 && strcmp(value, b) != 0)
		return cli_usage("run: --%s: %s: unknown value: say %s or %s", option,
				 value, a, b);
	return set_env(name, value);
}

static bool is_word(const char *value)
{
	return !strcmp(value, "auto") || !strcmp(value, "off");
}

static int set_fault_around(const char *value)
{
	char *end;
	unsigned long n = strspn(value, "0123456789") ? strtoul(value, &end, 10) : 0;

	if (!is_word(value) && (n < 1 || n > FAULT_AROUND_MAX || *end))
		return cli_usage("run: --fault-around: %s: not a number of pages: give 1 "
				 "to %d, auto or off",
				 value, FAULT_AROUND_MAX);
	return set_env("SHADOWMM_FAULT_AROUND", value);
}

static int set_fault_tasks(const char *value)
{
	bool digit = value[0] >= '1' && value[0] <= '0' + FAULT_TASKS_MAX && !value[1];

	if (strcmp(value, "auto") != 0 && !digit)
		return cli_usage("run: --fault-tasks: %s: not a number of tasks: give 1 "
				 "to %d, or auto",
				 value, FAULT_TASKS_MAX);
	return set_env("SHADOWMM_FAULT_TASKS", value);
}

static int set_cow_stacks(const char *value)
{
	char *end;
	unsigned long n = strspn(value, "0123456789") ? strtoul(value, &end, 10) : 0;

	if (!strcmp(value, "off"))
		return set_env("SHADOWMM_COW_STACKS", "0");
	if (n < 1 || n > COW_STACKS_MAX || *end)
		return cli_usage("run: --cow-stacks: %s: not a number of writes: give 1 "
				 "to %d, or off",
				 value, COW_STACKS_MAX);
	/* --cow=kernel after it wins. */
	if (setenv("SHADOWMM_COW", "own", 0))
		return CLI_RUN_SELF;
	return set_env("SHADOWMM_COW_STACKS", value);
}

/* Bytes, with an optional k, m or g. False: malformed or too large. */
static bool parse_size(const char *text, unsigned long *bytes)
{
	static const char suffix[] = "kmg";
	unsigned long value;
	const char *unit;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno)
		return false;
	*bytes = value;
	if (!*end)
		return true;
	unit = strchr(suffix, *end | 0x20);
	if (!unit || end[1])
		return false;
	*bytes = value << 10 * (unit - suffix + 1);
	return *bytes >> 10 * (unit - suffix + 1) == value;
}

static int set_size(const char *option, const char *name, const char *value)
{
	unsigned long bytes;
	char text[32];

	if (!parse_size(value, &bytes))
		return cli_usage(
			"run: --%s: %s: not a size: give a number of bytes, with "
			"k, m or g for powers of 1024",
			option, value);
	snprintf(text, sizeof(text), "%lu", bytes);
	return set_env(name, text);
}

static int set_pool(const char *value)
{
	return is_word(value) ? set_env("SHADOWMM_POOL", value)
			      : set_size("pool", "SHADOWMM_POOL", value);
}

static int set_cache(const char *value)
{
	return !strcmp(value, "auto") || !strcmp(value, "unlimited")
		       ? set_env("SHADOWMM_CACHE", value)
		       : set_size("cache", "SHADOWMM_CACHE", value);
}

static int set_pool_pages(const char *value)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "4k") != 0 &&
	    strcmp(value, "huge") != 0)
		return cli_usage("run: --pool-pages: %s: unknown value: say auto, 4k or "
				 "huge",
				 value);
	return set_env("SHADOWMM_POOL_PAGES", value);
}

/* Found out now: the processes can only fail silently at their end. */
static int set_verify(const char *value)
{
	char path[PATH_MAX], cwd[PATH_MAX] = "";
	int fd;

	if (value[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return cli_usage(
			"run: --verify-at-exit: the current directory is gone: give an "
			"absolute path");
	if (snprintf(path, sizeof(path), "%s%s%s", cwd, *cwd ? "/" : "", value) >=
	    PATH_MAX)
		return cli_usage(
			"run: --verify-at-exit: path too long: give a shorter one");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return cli_usage(
			"run: --verify-at-exit: %s: cannot write: %s: give a file in a "
			"directory you may write to",
			path, strerror(errno));
	close(fd);
	return set_env("SHADOWMM_VERIFY_AT_EXIT", path);
}

static int set_files(const char *value)
{
	if (strcmp(value, "kernel") != 0 && strcmp(value, "auto") != 0 &&
	    strcmp(value, "own") != 0)
		return cli_usage(
			"run: --files: %s: unknown value: say kernel, auto or own",
			value);
	return set_env("SHADOWMM_FILES", value);
}

static bool is_policy(const char *word, size_t n)
{
	static const char *const words[] = {
		"own",
		"track",
		"shmem=own",
		"shmem=kernel",
		"shared-file=own",
		"shared-file=track",
		"shared-file=dirty",
		"shared-file=kernel",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && !strncmp(words[i], word, n))
			return true;
	return false;
}

static int set_policy(const char *value)
{
	for (const char *p = value;; p++) {
		size_t n = strcspn(p, ",");

		if (!is_policy(p, n))
			return cli_usage(
				"run: --policy: %s: unknown value: say own or track, "
				"shmem=own or kernel, shared-file=own, track, dirty or "
				"kernel, with commas between",
				value);
		p += n;
		if (!*p)
			return set_env("SHADOWMM_POLICY", value);
	}
}

static int set_start(const char *value)
{
	if (!strcmp(value, "now") || !strcmp(value, "auto"))
		return set_env("SHADOWMM_START", value);
	return set_size("start", "SHADOWMM_START", value);
}

static int set_option(int opt, char **argv)
{
	switch (opt) {
	case OPT_INTERCEPT:
		return set_choice("intercept", "SHADOWMM_INTERCEPT", optarg, "site",
				  "all");
	case OPT_POLICY:
		return set_policy(optarg);
	case OPT_COW:
		return set_choice("cow", "SHADOWMM_COW", optarg, "own", "kernel");
	case OPT_FILES:
		return set_files(optarg);
	case OPT_CACHE:
		return set_cache(optarg);
	case OPT_COW_STACKS:
		return set_cow_stacks(optarg);
	case OPT_FAULT_AROUND:
		return set_fault_around(optarg);
	case OPT_FAULT_TASKS:
		return set_fault_tasks(optarg);
	case OPT_MIN_OWN:
		return set_size("min-own", "SHADOWMM_MIN_OWN", optarg);
	case OPT_POOL:
		return set_pool(optarg);
	case OPT_POOL_PAGES:
		return set_pool_pages(optarg);
	case OPT_START:
		return set_start(optarg);
	case OPT_VERIFY:
		return set_verify(optarg);
	case OPT_QUIET:
		return set_env("SHADOWMM_QUIET", "1");
	case 'v':
		return set_env("SHADOWMM_VERBOSE", "1");
	default:
		return cli_bad_option(argv);
	}
}

static int preload(void)
{
	const char *before = getenv("LD_PRELOAD");
	char path[PATH_MAX], *list;
	int ret;

	if (!library_find(path, sizeof(path))) {
		cli_warn("run: %s: cannot read the library: install it, or set "
			 "SHADOWMM_LIB to "
			 "libshadowmm.so",
			 path);
		return CLI_RUN_SELF;
	}
	if (strpbrk(path, " :\t\n")) {
		cli_warn("run: %s: LD_PRELOAD cannot hold a blank or a colon: move the "
			 "library",
			 path);
		return CLI_RUN_SELF;
	}
	if (!before || !*before)
		return set_env("LD_PRELOAD", path);
	if (asprintf(&list, "%s:%s", path, before) < 0)
		return CLI_RUN_SELF;
	ret = set_env("LD_PRELOAD", list);
	free(list);
	return ret;
}

/* The file that execvp() will find first, in @path; false if there is none. */
static bool resolve(const char *command, char *path, size_t size)
{
	const char *dirs = getenv("PATH");

	if (strchr(command, '/')) {
		snprintf(path, size, "%s", command);
		return true;
	}
	for (const char *p = dirs ? dirs : "/bin:/usr/bin";; p++) {
		size_t len = strcspn(p, ":");
		struct stat st;

		snprintf(path, size, "%.*s/%s", len ? (int)len : 1, len ? p : ".",
			 command);
		if (access(path, X_OK) == 0 && stat(path, &st) == 0 &&
		    S_ISREG(st.st_mode))
			return true;
		p += len;
		if (!*p)
			return false;
	}
}

static void warn_without_library(const char *command)
{
	char path[PATH_MAX];
	const char *why = resolve(command, path, sizeof(path)) ? elf_why_not(path) : NULL;

	if (why)
		cli_warn("run: %s: will run without the library: %s", command, why);
}

int cmd_run(int argc, char **argv)
{
	const char *quiet;
	int opt, ret, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+v", options, NULL)) != -1) {
		ret = set_option(opt, argv);
		if (ret)
			return ret;
	}
	if (optind >= argc)
		return cli_usage(
			"run: no command given: say 'shadowmm run [OPTION]... [--] "
			"COMMAND [ARG]...'");
	quiet = getenv("SHADOWMM_QUIET");
	if (!quiet || !*quiet)
		warn_without_library(argv[optind]);
	ret = preload();
	if (ret)
		return ret;
	execvp(argv[optind], argv + optind);
	err = errno;
	cli_warn("run: %s: cannot execute: %s", argv[optind], strerror(err));
	return err == ENOENT ? CLI_RUN_FIND : CLI_RUN_EXEC;
}
