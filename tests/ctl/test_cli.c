// SPDX-License-Identifier: LGPL-2.1-or-later
/* The command-line tool against a server whose answers are canned. */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "canned.h"
#include "shadowmm/commands.h"

#define NOBODY 65534

static struct canned c;
static char pid_text[16];

static void setup(void)
{
	canned_init(&c);
	unsetenv("LD_PRELOAD");
	unsetenv("SHADOWMM_QUIET");
}

static void teardown(void)
{
	canned_fini(&c);
}

TestSuite(cli, .init = setup, .fini = teardown, .timeout = 60);

static void start(const char *reply)
{
	c.reply = reply;
	canned_start(&c);
	snprintf(pid_text, sizeof(pid_text), "%d", c.pid);
}

static bool holds(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

#define EXPECT(r, want, out_part, err_part)                                      \
	do {                                                                     \
		cr_expect_eq((r).code, want, "exit %d\n%s%s", (r).code, (r).out, \
			     (r).err);                                           \
		cr_expect(holds((r).out, out_part), "no '%s' in:\n%s", out_part, \
			  (r).out);                                              \
		cr_expect(holds((r).err, err_part), "no '%s' in:\n%s", err_part, \
			  (r).err);                                              \
		result_free(&(r));                                               \
	} while (0)

/* --- bad input: one line that says what, where, what to do; exit 2 ----------------- */

static void expect_usage(struct result r)
{
	cr_expect_eq(r.code, 2, "exit %d\n%s", r.code, r.err);
	cr_expect_eq(strncmp(r.err, "shadowmm: ", 10), 0);
	cr_expect_eq(strchr(r.err, '\n'), r.err + strlen(r.err) - 1, "not one line:\n%s",
		     r.err);
	cr_expect_eq(*r.out, '\0', "output of bad input:\n%s", r.out);
	result_free(&r);
}

Test(cli, bad_input_is_refused)
{
	expect_usage(tool(NULL, NULL));
	expect_usage(tool("frobnicate", NULL));
	expect_usage(tool("--frobnicate", NULL));
	expect_usage(tool("help", "frobnicate", NULL));
	expect_usage(tool("help", "run", "ps", NULL));
	expect_usage(tool("maps", NULL));
	expect_usage(tool("maps", "1", "2", NULL));
	expect_usage(tool("maps", "--frobnicate", "1", NULL));
	expect_usage(tool("maps", "--json=1", "1", NULL));
	expect_usage(tool("maps", "--plain", "--json", "1", NULL));
	expect_usage(tool("vma", "1", NULL));
	expect_usage(tool("vma", "1", "xyz", NULL));
	expect_usage(tool("vma", "1", "0x", NULL));
	expect_usage(tool("vma", "1", "12345678123456789", NULL));
	expect_usage(tool("verify", NULL));
	expect_usage(tool("verify", "--all", "1", NULL));
	expect_usage(tool("check", "1", NULL));
	expect_usage(tool("ps", "1", NULL));
}

Test(cli, process_numbers_are_digits)
{
	static const char *const bad[] = { "",
					   "0",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "0x1",
					   "1.0",
					   "abc",
					   "4194305",
					   "99999999999999999999" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_usage(tool("stat", "--", bad[i], NULL));
		expect_usage(tool("verify", "--", bad[i], NULL));
	}
}

Test(cli, cow_checks_its_options)
{
	expect_usage(tool("cow", NULL));
	expect_usage(tool("cow", "1", "2", NULL));
	expect_usage(tool("cow", "--stacks=", "1", NULL));
	expect_usage(tool("cow", "--stacks=0", "1", NULL));
	expect_usage(tool("cow", "--stacks=1000001", "1", NULL));
	expect_usage(tool("cow", "--stacks=on", "1", NULL));
	expect_usage(tool("cow", "--stacks", "16x", NULL));
	expect_usage(tool("cow", "--folded", "1", NULL));
	expect_usage(tool("cow", "--addresses", "1", NULL));
	expect_usage(tool("cow", "--json=1", "1", NULL));
}

Test(cli, run_checks_its_options)
{
	expect_usage(tool("run", NULL));
	expect_usage(tool("run", "--", NULL));
	expect_usage(tool("run", "--frobnicate", "true", NULL));
	expect_usage(tool("run", "--policy", NULL));
	expect_usage(tool("run", "--policy=both", "true", NULL));
	expect_usage(tool("run", "--intercept=", "true", NULL));
	expect_usage(tool("run", "--fault-around=0", "true", NULL));
	expect_usage(tool("run", "--fault-around=513", "true", NULL));
	expect_usage(tool("run", "--fault-around=8x", "true", NULL));
	expect_usage(tool("run", "--fault-around=automatic", "true", NULL));
	expect_usage(tool("run", "--fault-tasks=0", "true", NULL));
	expect_usage(tool("run", "--fault-tasks=5", "true", NULL));
	expect_usage(tool("run", "--fault-tasks=off", "true", NULL));
	expect_usage(tool("run", "--cow-stacks=0", "true", NULL));
	expect_usage(tool("run", "--cow-stacks=1000001", "true", NULL));
	expect_usage(tool("run", "--cow-stacks=1x", "true", NULL));
	expect_usage(tool("run", "--pool=", "true", NULL));
	expect_usage(tool("run", "--pool=1x", "true", NULL));
	expect_usage(tool("run", "--pool-pages=", "true", NULL));
	expect_usage(tool("run", "--pool-pages=2m", "true", NULL));
	expect_usage(tool("run", "--min-own=", "true", NULL));
	expect_usage(tool("run", "--min-own=-1", "true", NULL));
	expect_usage(tool("run", "--min-own=3kb", "true", NULL));
	expect_usage(tool("run", "--min-own=99999999999g", "true", NULL));
	expect_usage(tool("run", "--min-own=99999999999999999999", "true", NULL));
	expect_usage(tool("run", "--verify-at-exit=/nonexistent/log", "true", NULL));
	expect_usage(tool("run", "--quiet=1", "true", NULL));
}

/* --- help, version
 * ---------------------------------------------------------------------- */

Test(cli, help_is_made_from_the_table)
{
	struct result all = tool("help", NULL);
	struct result one;

#define CHECK_HELP(name, synopsis, help)                                \
	cr_expect(holds(all.out, "  " #name " "), "help lacks " #name); \
	one = tool("help", #name, NULL);                                \
	EXPECT(one, 0, "Usage: shadowmm " #name " " synopsis, "");      \
	one = tool(#name, "--help", NULL);                              \
	EXPECT(one, 0, help, "");
	SMM_CLI_COMMANDS(CHECK_HELP)
	EXPECT(all, 0, "Usage", "");
	one = tool("--version", NULL);
	EXPECT(one, 0, "shadowmm " PACKAGE_VERSION "\n", "");
}

Test(cli, full_disk_is_no_success)
{
	struct result r;
	int null = open("/dev/full", O_WRONLY | O_CLOEXEC), status;
	char path[4096];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/shadowmm",
		 getenv("top_builddir") ? getenv("top_builddir") : ".");
	pid = fork();
	if (pid == 0) {
		dup2(null, 1);
		dup2(null, 2);
		execl(path, "shadowmm", "help", NULL);
		_exit(99);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 1 << 8);
	close(null);
	r = tool("help", NULL);
	EXPECT(r, 0, "Usage", "");
}

/* The section of a manual page that begins with the .SS line of "name synopsis". */
static char *man_section(const char *man, const char *title)
{
	char *copy = strdup(man), *out = copy, *section, *end;

	/* "\-" is "-" */
	for (const char *s = man; *s; s++)
		if (*s != '\\' || s[1] != '-')
			*out++ = *s;
	*out = '\0';
	section = strstr(copy, title);
	if (!section) {
		free(copy);
		return NULL;
	}
	section = strdup(section);
	free(copy);
	end = strstr(section + 1, "\n.S");
	if (end)
		*end = '\0';
	return section;
}

static void check_man_options(const char *name, const char *section, char *help)
{
	for (char *opt = strstr(help, "  --"); opt; opt = strstr(opt + 4, "  --")) {
		char word[64];
		size_t len = strspn(opt + 2, "abcdefghijklmnopqrstuvwxyz-");

		snprintf(word, sizeof(word), "%.*s", (int)len, opt + 2);
		cr_expect(holds(section, word), "shadowmm(1), %s: no %s", name, word);
	}
}

Test(cli, manual_agrees_with_the_table)
{
	char *man = source_text("man/shadowmm.1"), *section;
	struct result help;

#define CHECK_MAN(name, synopsis, text)                                            \
	section = man_section(man, ".SS " #name " " synopsis "\n");                \
	cr_assert_not_null(section,                                                \
			   "shadowmm(1) has no section '" #name " " synopsis "'"); \
	help = tool("help", #name, NULL);                                          \
	check_man_options(#name, section, help.out);                               \
	result_free(&help);                                                        \
	free(section);
	SMM_CLI_COMMANDS(CHECK_MAN)
	free(man);
}

Test(cli, protocol_document_agrees_with_the_table)
{
	char *doc = source_text("doc/control-protocol.md"), title[128];

#define CHECK_DOC(name, synopsis, help, flags)                                          \
	snprintf(title, sizeof(title), "\n### `%s%s%s`\n", #name, *synopsis ? " " : "", \
		 synopsis);                                                             \
	cr_expect(holds(doc, title), "no section%s", title);
	SMM_CTL_COMMANDS(CHECK_DOC)
	free(doc);
}

/* --- run
 * ----------------------------------------------------------------------------------- */

/* Some library that can be preloaded, in place of ours. */
static const char *some_library(void)
{
	static char path[PATH_MAX];
	Dl_info info;

	cr_assert_neq(dladdr((void *)json_object, &info), 0);
	cr_assert_not_null(realpath(info.dli_fname, path));
	return path;
}

static void expect_env(const char *out, const char *name, const char *value)
{
	char line[4096];

	snprintf(line, sizeof(line), "%s=%s\n", name, value);
	cr_expect(holds(out, line), "no %s in:\n%s", line, out);
}

Test(cli, run_translates_its_options)
{
	char log[128], list[4096];
	struct result r;

	setenv("SHADOWMM_LIB", some_library(), 1);
	setenv("LD_PRELOAD", "libm.so.6", 1);
	snprintf(log, sizeof(log), "%s/log", c.base);
	cr_assert_eq(chdir(c.base), 0);
	r = tool("run", "--intercept=all", "--policy", "track", "--fault-around=16",
		 "--fault-tasks=2", "--min-own=2m", "--pool=1m", "--pool-pages=huge",
		 "--verify-at-exit", "log", "--quiet", "-v", "--", "/usr/bin/env", NULL);
	snprintf(list, sizeof(list), "%s:libm.so.6", some_library());
	expect_env(r.out, "LD_PRELOAD", list);
	expect_env(r.out, "SHADOWMM_INTERCEPT", "all");
	expect_env(r.out, "SHADOWMM_POLICY", "track");
	expect_env(r.out, "SHADOWMM_FAULT_AROUND", "16");
	expect_env(r.out, "SHADOWMM_FAULT_TASKS", "2");
	expect_env(r.out, "SHADOWMM_MIN_OWN", "2097152");
	expect_env(r.out, "SHADOWMM_POOL", "1048576");
	expect_env(r.out, "SHADOWMM_POOL_PAGES", "huge");
	expect_env(r.out, "SHADOWMM_VERIFY_AT_EXIT", log);
	expect_env(r.out, "SHADOWMM_QUIET", "1");
	expect_env(r.out, "SHADOWMM_VERBOSE", "1");
	EXPECT(r, 0, "", "");
	cr_expect_eq(unlink(log), 0, "the log was not made");
}

Test(cli, run_ends_as_the_command_does)
{
	struct result r;

	setenv("SHADOWMM_LIB", some_library(), 1);
	r = tool("run", "sh", "-c", "exit 7", NULL);
	EXPECT(r, 7, "", "");
	r = tool("run", "echo", "--json", NULL);
	EXPECT(r, 0, "--json\n", "");
	r = tool("run", "/nonexistent/command", NULL);
	EXPECT(r, 127, "", "/nonexistent/command");
	r = tool("run", "no-such-command-anywhere", NULL);
	EXPECT(r, 127, "", "no-such-command-anywhere");
	r = tool("run", "/", NULL);
	EXPECT(r, 126, "", "cannot execute");
}

Test(cli, run_without_a_library_says_so)
{
	struct result r;

	setenv("SHADOWMM_LIB", "/nonexistent/libshadowmm.so", 1);
	r = tool("run", "true", NULL);
	EXPECT(r, 125, "", "/nonexistent/libshadowmm.so");
}

static const char *static_true(char *buf, size_t size)
{
	const char *builddir = getenv("top_builddir");

	snprintf(buf, size, "%s/tests/ctl/static_true", builddir ? builddir : ".");
	return buf;
}

Test(cli, run_says_when_a_command_will_not_be_seen)
{
	char path[4096], script[128];
	struct result r;
	FILE *file;

	setenv("SHADOWMM_LIB", some_library(), 1);
	static_true(path, sizeof(path));
	r = tool("run", path, NULL);
	EXPECT(r, 0, "", "statically linked");
	r = tool("run", "--quiet", path, NULL);
	cr_expect_str_eq(r.err, "");
	result_free(&r);
	r = tool("run", "true", NULL);
	cr_expect_str_eq(r.err, "");
	result_free(&r);
	/* A script is as good as its interpreter. */
	snprintf(script, sizeof(script), "%s/script", c.base);
	file = fopen(script, "w");
	fprintf(file, "#! %s -x\n", path);
	fclose(file);
	cr_assert_eq(chmod(script, 0755), 0);
	r = tool("run", script, NULL);
	EXPECT(r, 0, "", "statically linked");
	unlink(script);
}

static void make_program(const char *path, unsigned char class, unsigned char machine)
{
	unsigned char head[64] = { 0x7f, 'E', 'L', 'F', class, 1, 1 };
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);

	head[18] = machine;
	cr_assert_eq(write(fd, head, sizeof(head)), (ssize_t)sizeof(head));
	close(fd);
}

Test(cli, run_knows_other_architectures_and_privileged_programs)
{
	char path[128];
	struct result r;

	setenv("SHADOWMM_LIB", some_library(), 1);
	snprintf(path, sizeof(path), "%s/program", c.base);
	make_program(path, 1, 3); /* ELFCLASS32, EM_386 */
	r = tool("run", path, NULL);
	cr_expect(holds(r.err, "another architecture"), "%s", r.err);
	result_free(&r);
	make_program(path, 2, 183); /* ELFCLASS64, EM_AARCH64 */
	r = tool("run", path, NULL);
	cr_expect(holds(r.err, "another architecture"), "%s", r.err);
	result_free(&r);
	if (getuid() == 0) {
		cr_assert_eq(chown(path, NOBODY, 0), 0);
		cr_assert_eq(chmod(path, 04755), 0);
		r = tool("run", path, NULL);
		cr_expect(holds(r.err, "set-user-ID"), "%s", r.err);
		result_free(&r);
	}
	unlink(path);
}

/* --- talking to a process
 * ------------------------------------------------------------------ */

Test(cli, process_without_a_socket)
{
	char self[16];
	struct result r;

	snprintf(self, sizeof(self), "%d", getpid());
	r = tool("stat", self, NULL);
	EXPECT(r, 1, "", "not running under shadowmm, or of another user");
}

Test(cli, process_that_is_gone)
{
	pid_t pid = fork();
	char gone[16];
	struct result r;

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	snprintf(gone, sizeof(gone), "%d", pid);
	r = tool("maps", gone, NULL);
	EXPECT(r, 1, "", "there is none");
}

Test(cli, error_replies_are_shown)
{
	struct result r;

	start("{\"error\":\"verify: mmap_lock is busy: try again\"}\n");
	r = tool("verify", pid_text, NULL);
	EXPECT(r, 1, "", "mmap_lock is busy");
	r = tool("stat", "--json", pid_text, NULL);
	EXPECT(r, 1, "{\"error\":", "mmap_lock is busy");
	r = tool("verify", "--all", NULL);
	EXPECT(r, 1, "", "mmap_lock is busy");
}

Test(cli, garbage_is_refused)
{
	struct result r;

	start("<html>\n");
	r = tool("maps", pid_text, NULL);
	EXPECT(r, 1, "", "no JSON object");
	r = tool("ps", NULL);
	EXPECT(r, 1, "PID", "no JSON object");
}

Test(cli, garbage_for_a_greeting_is_refused)
{
	struct result r;

	c.greeting = "SSH-2.0\n";
	start("{}\n");
	r = tool("maps", pid_text, NULL);
	EXPECT(r, 1, "", "no JSON object");
}

Test(cli, another_protocol_is_refused)
{
	struct result r;

	c.greeting = "{\"shadowmm\":\"9\",\"protocol\":9,\"pid\":%d}\n";
	start("{}\n");
	r = tool("maps", pid_text, NULL);
	EXPECT(r, 1, "", "protocol version");
}

Test(cli, silence_ends_after_five_seconds)
{
	struct result r;

	c.greeting = NULL;
	start(NULL);
	r = tool("maps", pid_text, NULL);
	EXPECT(r, 1, "", "no answer within 5 seconds");
}

Test(cli, half_an_answer_ends_too)
{
	struct result r;

	start("{\"pid\":");
	r = tool("stat", pid_text, NULL);
	EXPECT(r, 1, "", "no answer within 5 seconds");
}

Test(cli, directory_of_another_user_is_not_trusted)
{
	struct result r;

	if (getuid() != 0)
		cr_skip_test("needs root to give a directory away");
	start("{}\n");
	cr_assert_eq(chown(c.dir, NOBODY, NOBODY), 0);
	r = tool("stat", pid_text, NULL);
	EXPECT(r, 1, "", "not running under shadowmm");
}

/* --- maps, vma
 * ------------------------------------------------------------------------------ */

static json_t *area_of_line(const char *line)
{
	char start[32], end[32], perms[8], offset[32], dev[32];
	long ino;
	int at = 0;

	cr_assert_eq(sscanf(line, "%31[0-9a-f]-%31[0-9a-f] %7s %31s %31s %ld %n", start,
			    end, perms, offset, dev, &ino, &at),
		     6);
	return json_pack("{ss ss ss ss ss sI ss ss ss so si}", "start", start, "end", end,
			 "perms", perms, "offset", offset, "dev", dev, "inode",
			 (json_int_t)ino, "name", line + at, "policy", "track", "reason",
			 "file", "resident", json_null(), "faults", 7);
}

/* /proc/self/maps as a reply, its text in @text. */
static void start_with_own_maps(char *text, size_t size)
{
	json_t *areas = json_array(), *reply;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;
	char *copy, *line, *rest, *dump;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	rest = copy = strdup(text);
	while ((line = strsep(&rest, "\n")) != NULL && *line)
		json_array_append_new(areas, area_of_line(line));
	free(copy);
	reply = json_pack("{si sb so}", "pid", 1, "blind", 0, "areas", areas);
	dump = json_dumps(reply, JSON_COMPACT);
	cr_assert_neq(asprintf(&c.reply_free, "%s\n", dump), -1);
	free(dump);
	json_decref(reply);
	start(c.reply_free);
}

Test(cli, maps_prints_the_kernels_columns)
{
	static char kernel[1 << 20];
	const char *k = kernel, *ours;
	struct result r;

	start_with_own_maps(kernel, sizeof(kernel));
	r = tool("maps", "--plain", pid_text, NULL);
	cr_expect_eq(r.code, 0);
	cr_expect_str_eq(r.out, kernel);
	result_free(&r);
	r = tool("maps", pid_text, NULL);
	for (ours = r.out; *ours; ours = strchr(ours, '\n') + 1) {
		size_t len = strcspn(k, "\n");

		cr_assert_eq(strncmp(ours, "track:file                    -          7 ",
				     43),
			     0);
		cr_assert_eq(strncmp(ours + 43, k, len + 1), 0);
		k += len + 1;
	}
	cr_expect_eq(*k, '\0', "lines are missing");
	result_free(&r);
	r = tool("maps", "--header", pid_text, NULL);
	EXPECT(r, 0, "POLICY", "");
	r = tool("maps", "--json", pid_text, NULL);
	cr_expect_str_eq(r.out, c.reply_free);
	EXPECT(r, 0, "", "");
}

#define AREA                                                                  \
	"{\"start\":\"00400000\",\"end\":\"00404000\",\"perms\":\"rw-p\","    \
	"\"offset\":\"00000000\",\"dev\":\"08:01\",\"inode\":42,\"name\":\"/" \
	"a\\ufffd\\nb\","                                                     \
	"\"name_hex\":\"2f61ff0a62\",\"policy\":\"own\",\"reason\":\"none\"," \
	"\"resident\":3,"                                                     \
	"\"faults\":2,\"populated\":3,\"flags\":[\"rd\",\"wr\"]}"

Test(cli, names_come_back_byte_for_byte)
{
	struct result r;

	start("{\"pid\":1,\"blind\":true,\"areas\":[" AREA "]}\n");
	r = tool("maps", pid_text, NULL);
	EXPECT(r, 0, "own                           3          2 00400000-00404000 rw-p",
	       "lost track");
	r = tool("maps", "--plain", pid_text, NULL);
	EXPECT(r, 0, " /a\xff\\012b\n", "");
}

Test(cli, vma_in_full)
{
	struct result r;

	start("{\"addr\":\"00400123\",\"blind\":false,\"contains\":true,\"vma\":" AREA
	      "}\n");
	r = tool("vma", pid_text, "0x400123", NULL);
	cr_expect(holds(r.out, "flags     rd wr\n"), "%s", r.out);
	cr_expect(holds(r.out, "pages     4\n"), "%s", r.out);
	EXPECT(r, 0, "resident  3\n", "");
}

Test(cli, vma_that_does_not_contain_the_address)
{
	struct result r;

	start("{\"addr\":\"00000005\",\"blind\":false,\"contains\":false,\"vma\":" AREA
	      "}\n");
	r = tool("vma", pid_text, "5", NULL);
	EXPECT(r, 1, "00400000", "the next one is shown");
}

#define SMAPS_AREA                                                                     \
	"{\"start\":\"00400000\",\"end\":\"00404000\",\"perms\":\"rw-p\","             \
	"\"offset\":\"00000000\",\"dev\":\"00:00\",\"inode\":0,\"name\":\"[heap]\","   \
	"\"policy\":\"own\",\"reason\":\"\",\"faults\":2,\"populated\":3,"             \
	"\"flags\":[\"rd\",\"wr\",\"um\"],"                                            \
	"\"kernel\":{\"Size\":16,\"Rss\":12,\"Private_Hugetlb\":0,\"THPeligible\":1}," \
	"\"rss\":{\"anon\":1,\"file\":2,\"shmem\":0},"                                 \
	"\"host\":{\"dev\":\"08:01\",\"inode\":5,\"name\":\"/a/file\"},"               \
	"\"guesses\":[\"ac\"]}"

/* The lines as /proc/PID/smaps has them, then ours. */
Test(cli, smaps_has_the_kernels_format)
{
	struct result r;

	start("{\"pid\":1,\"blind\":false,\"areas\":[" SMAPS_AREA "]}\n");
	r = tool("smaps", pid_text, NULL);
	cr_expect_str_eq(r.out, "00400000-00404000 rw-p 00000000 00:00 0 "
				"                                 [heap]\n"
				"Size:                 16 kB\n"
				"Rss:                  12 kB\n"
				"Private_Hugetlb:       0 kB\n"
				"THPeligible:           1\n"
				"VmFlags: rd wr um \n"
				"RssAnon:               4 kB\n"
				"RssFile:               8 kB\n"
				"RssShmem:              0 kB\n"
				"Frames of:      /a/file\n"
				"Policy:         own\n"
				"Faults:                2\n"
				"Populated:             3\n"
				"Guesses:        ac \n");
	EXPECT(r, 0, "", "");
	r = tool("smaps", "--json", pid_text, "0x400123", NULL);
	EXPECT(r, 0, SMAPS_AREA, "");
}

Test(cli, smaps_of_a_hole)
{
	struct result r;

	start("{\"pid\":1,\"blind\":true,\"areas\":[]}\n");
	r = tool("smaps", pid_text, "5", NULL);
	EXPECT(r, 1, "", "5: no area contains it");
	r = tool("smaps", pid_text, NULL);
	EXPECT(r, 0, "", "lost track");
	expect_usage(tool("smaps", pid_text, "xyz", NULL));
	expect_usage(tool("smaps", NULL));
}

Test(cli, vma_above_everything)
{
	struct result r;

	start("{\"addr\":\"ffffffff\",\"contains\":false,\"vma\":null}\n");
	r = tool("vma", pid_text, "ffffffff", NULL);
	EXPECT(r, 1, "", "or lies above it");
}

/* --- stat, ps, verify
 * ------------------------------------------------------------------------ */

#define STAT                                                                             \
	"{\"pid\":1,\"comm\":\"canned\",\"mode\":\"own\",\"degraded\":\"low on luck\","  \
	"\"engine_pid\":11,\"fault_pid\":12,\"start_time\":0,\"fault_events\":[30,3],"   \
	"\"mm\":{\"map_count\":20,\"start_code\":\"00401000\",\"blind\":false,"          \
	"\"def_flags\":[\"lo\",\"lf\"]},\"auxv\":[[3,\"00400040\"],[99,\"00000001\"]],"  \
	"\"policy\":{\"own\":{\"areas\":5,\"bytes\":1048576},"                           \
	"\"track\":{\"areas\":15,\"bytes\":8192}},"                                      \
	"\"reason\":{\"file\":{\"areas\":15,\"bytes\":8192},"                            \
	"\"huge\":{\"areas\":0,\"bytes\":0}},"                                           \
	"\"counters\":{\"calls\":100,\"faults\":33},"                                    \
	"\"dirty\":{\"since_ms\":7,\"areas\":1,\"pages\":44},\"arena\":{\"total\":4096," \
	"\"free\":"                                                                      \
	"0},"                                                                            \
	"\"slab\":[{\"name\":\"vma\",\"size\":96,\"active\":1,\"free\":2,\"pages\":3}]}" \
	"\n"

Test(cli, stat_for_people_and_programs)
{
	struct result r;

	start(STAT);
	r = tool("stat", pid_text, NULL);
	cr_expect(holds(r.out, "degraded         low on luck\n"), "%s", r.out);
	cr_expect(holds(r.out, "fault events     30 3\n"), "%s", r.out);
	cr_expect(holds(r.out, "  map_count      20\n"), "%s", r.out);
	cr_expect(holds(r.out, "  def_flags      lo lf\n"), "%s", r.out);
	cr_expect(holds(r.out, "  AT_PHDR              00400040\n"), "%s", r.out);
	cr_expect(holds(r.out, "  99                   00000001\n"), "%s", r.out);
	cr_expect(holds(r.out, "1.0M"), "%s", r.out);
	cr_expect(!holds(r.out, "huge"), "%s", r.out);
	cr_expect(holds(r.out, "  pages          44\n"), "%s", r.out);
	EXPECT(r, 0, "  faults         33\n", "");
	r = tool("stat", "--json", pid_text, NULL);
	cr_expect_str_eq(r.out, STAT);
	EXPECT(r, 0, "", "");
}

static void add_stale_socket(char *path, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	snprintf(path, size, "%s/%d.sock", c.dir, pid);
	strcpy(addr.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

/* Other processes of this user may run under the library now, and may not answer: the
 * exit code counts only if nobody else is complained about. */
static void expect_listed(struct result *r)
{
	cr_expect(holds(r->out, pid_text), "%s", r->out);
	cr_expect(!holds(r->err, pid_text), "%s", r->err);
	if (!*r->err)
		cr_expect_eq(r->code, 0);
	result_free(r);
}

Test(cli, ps_lists_the_living_and_removes_the_stale)
{
	char stale[128], other[128], *text;
	json_t *rows, *row = NULL, *each;
	struct result r;
	size_t i;

	start(STAT);
	add_stale_socket(stale, sizeof(stale));
	snprintf(other, sizeof(other), "%s/readme", c.dir);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	r = tool("ps", NULL);
	expect_listed(&r);
	cr_expect_eq(access(stale, F_OK), -1, "the stale socket is still there");
	cr_expect_eq(access(other, F_OK), 0, "a file that is none of ours is gone");
	unlink(other);
	r = tool("ps", "--json", NULL);
	text = r.out;
	rows = json_loads(text, 0, NULL);
	cr_assert(json_is_array(rows), "%s", text);
	json_array_foreach(rows, i,
			   each) if (json_integer_value(json_object_get(each, "pid")) ==
				     c.pid) row = each;
	cr_assert_not_null(row);
	cr_expect_eq(json_integer_value(json_object_get(row, "ppid")), getpid());
	cr_expect_eq(json_integer_value(json_object_get(row, "areas")), 20);
	cr_expect_eq(json_integer_value(json_object_get(row, "own_areas")), 5);
	cr_expect_eq(json_integer_value(json_object_get(row, "faults")), 33);
	cr_expect_gt(json_integer_value(json_object_get(row, "rss_kib")), 0);
	json_decref(rows);
	expect_listed(&r);
}

Test(cli, ps_of_all_users_needs_root)
{
	struct result r;
	int status;
	pid_t pid;

	if (getuid() != 0)
		cr_skip_test("needs root to become somebody else");
	pid = fork();
	if (pid == 0) {
		if (setuid(NOBODY) < 0)
			_exit(4);
		r = tool("ps", "--all", NULL);
		_exit(r.code);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 2 << 8);
}

#define CACHE(name, bytes)                                                          \
	"{\"name\":\"" name "\",\"object_size\":80,\"size\":80,\"order\":1,"        \
	"\"per_slab\":100,\"active\":150,\"total\":300,\"deferred\":7,\"slabs\":3," \
	"\"full\":1,\"partial\":1,\"empty\":1,\"bytes\":" bytes "}"
#define SLABINFO                                                                   \
	"{\"pid\":1,\"map_count\":20,\"bytes_per_area\":178,\"arena\":{\"total\":" \
	"1048576,\"free\":1024,\"used\":2048,\"max_used\":4096,\"chunks\":2},"     \
	"\"free_blocks\":[3,0,1],\"rcu\":{\"deferred\":9},\"caches\":[" CACHE(     \
		"small", "4096") "," CACHE("large", "24576") "]}\n"

Test(cli, slabinfo_looks_like_the_kernels)
{
	struct result r;

	start(SLABINFO);
	r = tool("slabinfo", pid_text, NULL);
	cr_expect(holds(r.out, "# name            <active_objs> <num_objs> <objsize> "
			       "<objperslab> <pagesperslab> : slabdata"),
		  "%s", r.out);
	cr_expect(holds(r.out,
			"small                150    300     80  100    2 : slabdata "
			"     2      3 :"),
		  "%s", r.out);
	cr_expect(holds(r.out, "free blocks      3 0 1 ("), "%s", r.out);
	cr_expect(holds(r.out, "2.0K of 1.0M in 2 chunks, 4.0K at most"), "%s", r.out);
	EXPECT(r, 0, "178 bytes for each of 20 areas\n", "");
	r = tool("slabinfo", "--json", pid_text, NULL);
	cr_expect_str_eq(r.out, SLABINFO);
	EXPECT(r, 0, "", "");
}

static size_t times(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

Test(cli, slabtop_sorts_and_repeats)
{
	struct result r;

	start(SLABINFO);
	r = tool("slabtop", pid_text, NULL);
	cr_expect_eq(times(r.out, "NAME\n"), 1, "no terminal: %s", r.out);
	cr_expect_lt(strstr(r.out, "large"), strstr(r.out, "small"));
	cr_expect_eq(times(r.out, "\033"), 0);
	EXPECT(r, 0, "     300      150  50%       80        3      100    24.0K large\n",
	       "");
	r = tool("slabtop", "-n", "3", "-d", "0.01", pid_text, NULL);
	cr_expect_eq(times(r.out, "NAME\n"), 3, "%s", r.out);
	EXPECT(r, 0, "", "");
	r = tool("slabtop", "--count=2", "--delay=0.01", "--once", pid_text, NULL);
	cr_expect_eq(times(r.out, "NAME\n"), 1, "%s", r.out);
	EXPECT(r, 0, "", "");
}

Test(cli, slabtop_checks_its_options)
{
	expect_usage(tool("slabtop", NULL));
	expect_usage(tool("slabtop", "1", "2", NULL));
	expect_usage(tool("slabtop", "-d", "0", "1", NULL));
	expect_usage(tool("slabtop", "-d", "x", "1", NULL));
	expect_usage(tool("slabtop", "-d", "1e9", "1", NULL));
	expect_usage(tool("slabtop", "-n", "0", "1", NULL));
	expect_usage(tool("slabtop", "-n", "", "1", NULL));
	expect_usage(tool("slabtop", "-n", NULL));
	expect_usage(tool("slabtop", "--all", "1", NULL));
}

#define VERIFY(list, differences, broken)                                           \
	"{\"pid\":1,\"list\":[" list "],\"areas\":20,\"differences\":" #differences \
	",\"resolved\":2,\"shown\":1,\"repair\":false,\"lock_taken_over\":false,"   \
	"\"broken\":" broken "}\n"

Test(cli, verify_without_differences)
{
	struct result r;

	start(VERIFY("", 0, "null"));
	r = tool("verify", pid_text, NULL);
	EXPECT(r, 0, "20 areas, 0 differences", "");
	r = tool("verify", "--repair", pid_text, NULL);
	EXPECT(r, 0, "0 differences", "");
	r = tool("verify", "--json", pid_text, NULL);
	EXPECT(r, 0, VERIFY("", 0, "null"), "");
}

Test(cli, verify_with_differences_fails)
{
	struct result r;

	start(VERIFY("{\"what\":\"flags\",\"shadow\":" AREA ",\"kernel\":null}", 3,
		     "null"));
	r = tool("verify", pid_text, NULL);
	cr_expect(holds(r.out, "  flags\n  shadow 00400000-00404000 rw-p"), "%s", r.out);
	cr_expect(!holds(r.out, " rd wr\n"), "%s", r.out);
	EXPECT(r, 1, "and 2 more\n", "");
	r = tool("verify", "--flags", pid_text, NULL);
	EXPECT(r, 1, " rd wr\n", "");
	r = tool("verify", "--json", pid_text, NULL);
	EXPECT(r, 1, "\"differences\":3", "");
}

Test(cli, verify_of_a_broken_model_fails)
{
	struct result r;

	start(VERIFY("", 0, "\"map_count\""));
	r = tool("verify", pid_text, NULL);
	EXPECT(r, 1, "broken: map_count", "");
}

/* --- check
 * --------------------------------------------------------------------------------------
 */

Test(cli, check_says_what_to_do_about_what_is_missing)
{
	struct result r = tool("check", "--json", NULL);
	json_t *reply = json_loads(r.out, 0, NULL), *check;
	bool paging = json_is_true(json_object_get(reply, "demand_paging"));
	int known = 0;
	size_t i;

	cr_assert_not_null(reply, "%s", r.out);
	cr_expect_eq(r.code, paging ? 0 : 1);
	json_array_foreach(json_object_get(reply, "checks"), i, check)
	{
		const char *state = json_string_value(json_object_get(check, "state"));
		const char *name = json_string_value(json_object_get(check, "name"));

		cr_assert(name && state && json_object_get(check, "detail"));
		known += !strcmp(name, "own copy-on-write") ||
			 !strcmp(name, "cow --stacks") ||
			 !strcmp(name, "files in huge pages");
		if (strcmp(state, "ok") != 0)
			cr_expect(json_is_string(json_object_get(check, "remedy")),
				  "%s: no remedy", name);
	}
	cr_expect_gt(i, 20);
	cr_expect_eq(known, 3);
	json_decref(reply);
	result_free(&r);
}

Test(cli, check_of_an_unprivileged_user)
{
	struct result r;
	int status;
	pid_t pid;

	if (getuid() != 0)
		cr_skip_test("needs root to become somebody else");
	pid = fork();
	if (pid == 0) {
		if (setuid(NOBODY) < 0)
			_exit(4);
		r = tool("check", NULL);
		_exit(r.code > 1 || !holds(r.out, "CAP_SYS_PTRACE"));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}
