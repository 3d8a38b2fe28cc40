// SPDX-License-Identifier: LGPL-2.1-or-later
/* SHADOWMM_* environment variables; `shadowmm run` sets them from its options. */
#include <asm/stat.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/hook/start.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

#define DEFAULT_MIN_OWN                                                \
	(1UL << 20) /* less does not repay its registration and faults \
		     */

#define WAKE_AT (2UL << 20)

static bool any_of_ours __start_data; /* the environment has a SHADOWMM_* at all */

static const char *env(char **envp, const char *name)
{
	size_t n = strlen(name);

	if (name[0] == 'S' && !any_of_ours)
		return NULL;

	for (; *envp; envp++)
		if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

static void __attribute__((noreturn))
bad_value(const char *name, const char *value, const char *want)
{
	char line[512];
	struct fmt f;

	fmt_init(&f, line, sizeof(line));
	fmt_printf(&f, "shadowmm: %s=%s: %s\n", name, value, want);
	sys_write(2, f.buf, f.len);
	for (;;)
		sys_exit_group(2);
}

static bool env_flag(char **envp, const char *name)
{
	const char *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "0"))
		return false;
	if (strcmp(v, "1"))
		bad_value(name, v, "set it to 1 or 0");
	return true;
}

/* True for @yes, false for @no, @dflt if unset. */
static bool env_choice(char **envp, const char *name, const char *yes, const char *no,
		       bool dflt)
{
	const char *v = env(envp, name);
	char want[64];
	struct fmt f;

	if (!v || !*v)
		return dflt;
	if (!strcmp(v, yes))
		return true;
	if (!strcmp(v, no))
		return false;
	fmt_init(&f, want, sizeof(want));
	fmt_printf(&f, "set it to %s or %s", yes, no);
	bad_value(name, v, want);
}

static unsigned long env_number(char **envp, const char *name, unsigned long lo,
				unsigned long hi, unsigned long dflt, const char *want)
{
	const char *v = env(envp, name), *p = v;
	unsigned long n;

	if (!v || !*v)
		return dflt;
	n = parse_ulong(&p, 10);
	if (p == v || *p || p - v > 18 || n < lo || n > hi)
		bad_value(name, v, want);
	return n;
}

/* A word of SHADOWMM_POLICY, a list with commas. False: there is no such word. */
static bool policy_word(struct engine_options *o, const char *word, size_t n)
{
	static const struct {
		const char *word;
		size_t at;
		u8 value;
	} words[] = {
#define WORD(text, field, value) { text, offsetof(struct engine_options, field), value }
		WORD("own", own, true),
		WORD("track", own, false),
		WORD("shmem=own", shmem, true),
		WORD("shmem=kernel", shmem, false),
		WORD("shared-file=track", shared_file, SHARED_FILE_TRACK),
		WORD("shared-file=dirty", shared_file, SHARED_FILE_DIRTY),
		WORD("shared-file=kernel", shared_file, SHARED_FILE_KERNEL),
		WORD("shared-file=own", shared_file, SHARED_FILE_OWN),
#undef WORD
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i].word) != n || strncmp(words[i].word, word, n) != 0)
			continue;
		*((u8 *)o + words[i].at) = words[i].value;
		return true;
	}
	return false;
}

static void env_policy(char **envp, struct engine_options *o)
{
	const char *name = "SHADOWMM_POLICY", *v = env(envp, name);

	o->own = true;
	for (const char *p = v; p && *v; p++) {
		const char *word = p;

		while (*p && *p != ',')
			p++;
		if (!policy_word(o, word, (size_t)(p - word)))
			bad_value(name, v,
				  "set it to own or track, shmem=own or kernel, "
				  "shared-file=own, track, dirty or kernel, with commas "
				  "between");
		if (!*p)
			return;
	}
}

static enum file_policy env_files(char **envp)
{
	const char *name = "SHADOWMM_FILES", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "kernel"))
		return FILES_KERNEL;
	if (!strcmp(v, "auto"))
		return FILES_AUTO;
	if (strcmp(v, "own"))
		bad_value(name, v, "set it to kernel, auto or own");
	return FILES_OWN;
}

/* Pages; 0: adaptive. */
static unsigned int env_around(char **envp)
{
	const char *name = "SHADOWMM_FAULT_AROUND", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "auto"))
		return 0;
	if (!strcmp(v, "off"))
		return 1;
	return (unsigned int)env_number(envp, name, 1, FAULT_AROUND_MAX, 0,
					"set it to auto, off or a number of pages from 1 "
					"to 512");
}

/* 0: as many as pay. */
static unsigned int env_fault_tasks(char **envp)
{
	const char *name = "SHADOWMM_FAULT_TASKS", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "auto"))
		return 0;
	return (unsigned int)env_number(
		envp, name, 1, FAULT_TASKS_MAX, 0,
		"set it to auto or a number of tasks from 1 to 4");
}

static unsigned long env_pool(char **envp)
{
	const char *name = "SHADOWMM_POOL", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "auto"))
		return POOL_AUTO;
	if (!strcmp(v, "off"))
		return 0;
	return env_number(envp, name, 0, 1UL << 40, 0,
			  "set it to auto, off or a number of bytes");
}

static unsigned long env_cache(char **envp)
{
	const char *name = "SHADOWMM_CACHE", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "auto"))
		return CACHE_AUTO;
	if (!strcmp(v, "unlimited"))
		return CACHE_UNLIMITED;
	return env_number(envp, name, 0, 1UL << 46, 0,
			  "set it to auto, unlimited or a number of bytes");
}

static enum pool_pages env_pool_pages(char **envp)
{
	const char *name = "SHADOWMM_POOL_PAGES", *v = env(envp, name);

	if (!v || !*v || !strcmp(v, "auto"))
		return POOL_PAGES_AUTO;
	if (!strcmp(v, "4k"))
		return POOL_PAGES_4K;
	if (!strcmp(v, "huge"))
		return POOL_PAGES_HUGE;
	bad_value(name, v, "set it to auto, 4k or huge");
}

/* Bytes of new memory that wake the process; 0: at once. Who wants to see everything
 * wants to see the beginning, too. */
static unsigned long env_start(char **envp, const struct engine_options *o)
{
	const char *name = "SHADOWMM_START", *v = env(envp, name);

	if (!v || !*v)
		return o->intercept_all || o->mark || o->verify_at_exit[0] ||
				       o->shared_file == SHARED_FILE_DIRTY
			       ? 0
			       : WAKE_AT;
	if (!strcmp(v, "auto"))
		return WAKE_AT;
	if (!strcmp(v, "now"))
		return 0;
	return env_number(envp, name, 0, 1UL << 46, 0,
			  "set it to auto, now or a number of bytes");
}

static void copy_path(char *dst, size_t size, const char *name, const char *path)
{
	if (strlen(path) >= size)
		bad_value(name, path, "the path is too long");
	memcpy(dst, path, strlen(path) + 1);
}

/* $XDG_RUNTIME_DIR/shadowmm if that directory is there, else /tmp/shadowmm-UID. */
static void choose_socket_dir(struct engine_options *o, char **envp)
{
	const char *run = env(envp, "XDG_RUNTIME_DIR");
	struct stat st;
	struct fmt f;

	fmt_init(&f, o->socket_dir, sizeof(o->socket_dir));
	if (run && run[0] == '/' && strlen(run) < sizeof(o->socket_dir) - 16 &&
	    !sys_stat(run, &st) && (st.st_mode & S_IFMT) == S_IFDIR)
		fmt_printf(&f, "%s/shadowmm", run);
	else
		fmt_printf(&f, "/tmp/shadowmm-%u", (unsigned int)sys_geteuid());
}

bool start_options(char **envp)
{
	struct engine_options *o = &smm.engine.opt;
	const char *path;

	for (char **e = envp; *e && !any_of_ours; e++)
		any_of_ours = !strncmp(*e, "SHADOWMM_", 9);
	path = env(envp, "SHADOWMM_VERIFY_AT_EXIT");
	if (env_flag(envp, "SHADOWMM_DISABLE"))
		return false;
	env_policy(envp, o);
	o->cow = env_choice(envp, "SHADOWMM_COW", "own", "kernel", false);
	o->files = (u8)env_files(envp);
	o->cache = env_cache(envp);
	o->intercept_all = env_choice(envp, "SHADOWMM_INTERCEPT", "all", "site", false);
	o->quiet = env_flag(envp, "SHADOWMM_QUIET");
	o->verbose = env_flag(envp, "SHADOWMM_VERBOSE");
	o->mark = env_flag(envp, "SHADOWMM_MARK");
	o->verify_flags = env_flag(envp, "SHADOWMM_VERIFY_FLAGS");
	o->around = env_around(envp);
	o->pool = env_pool(envp);
	o->pool_pages = env_pool_pages(envp);
	o->fault_tasks = env_fault_tasks(envp);
	smm.engine.sampling.every =
		(u32)env_number(envp, "SHADOWMM_COW_STACKS", 0, COW_STACKS_SELDOM, 0,
				"set it to a number of writes, up to 1000000, or 0");
	o->min_own = env_number(envp, "SHADOWMM_MIN_OWN", 0, 1UL << 46, DEFAULT_MIN_OWN,
				"set it to a number of bytes");
	/* The engine, which writes the line of a killed program, is in another directory.
	 */
	if (path && *path && *path != '/')
		bad_value("SHADOWMM_VERIFY_AT_EXIT", path, "give an absolute path");
	if (path && *path)
		copy_path(o->verify_at_exit, sizeof(o->verify_at_exit),
			  "SHADOWMM_VERIFY_AT_EXIT", path);
	o->uid = (u32)sys_geteuid();
	choose_socket_dir(o, envp);
	o->wake_at = env_start(envp, o);
	return true;
}
