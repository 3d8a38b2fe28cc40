// SPDX-License-Identifier: LGPL-2.1-or-later
/* From a line of text to a reply. */
#include "lib/base/string.h"
#include "lib/ctl/internal.h"

static void cmd_hello(struct reply *r, const char *args)
{
	(void)args;
	show_hello(r);
}

/* If @word comes next, skip it and the blanks behind it. */
static bool take_word(const char **args, const char *word)
{
	const char *p = *args + strlen(word);

	if (!str_has_prefix(*args, word) || (*p && *p != ' '))
		return false;
	while (*p == ' ')
		p++;
	*args = p;
	return true;
}

static void cmd_stat(struct reply *r, const char *args)
{
	const char *rest = args;
	bool untouched = take_word(&rest, "untouched");

	if (*rest)
		reply_error(r, "stat: unknown argument", rest,
			    "say \"stat\" or \"stat untouched\"");
	else
		show_stat(r, untouched);
}

static void cmd_maps(struct reply *r, const char *args)
{
	(void)args;
	show_maps(r);
}

/* False: the reply is an error. */
static bool parse_addr(struct reply *r, const char *what, const char *args,
		       unsigned long *addr)
{
	const char *s = args + (str_has_prefix(args, "0x") ? 2 : 0), *digits = s;

	*addr = parse_ulong(&s, 16);
	if (s != digits && !*s && s - digits <= 16)
		return true;
	reply_error(r, what, args,
		    "give up to 16 hexadecimal digits, with or without 0x");
	return false;
}

static void cmd_vma(struct reply *r, const char *args)
{
	unsigned long addr;

	if (parse_addr(r, "vma: bad address", args, &addr))
		show_vma(r, addr);
}

static void cmd_slabinfo(struct reply *r, const char *args)
{
	(void)args;
	show_slabinfo(r);
}

static void cmd_smaps(struct reply *r, const char *args)
{
	bool dirty = take_word(&args, "dirty");
	unsigned long addr = 0;

	if (*args && !parse_addr(r, "smaps: bad address", args, &addr))
		return;
	if (!dirty || ctl_dirty_begin(r))
		show_smaps(r, *args != '\0', addr);
}

/* "MAJOR:MINOR INODE", the first two hexadecimal, as maps has them; *@args goes on behind
 * that. False: the reply is an error. */
static bool parse_file(struct reply *r, const char *what, const char **args,
		       struct ctl_file *f)
{
	const char *s = *args, *before;

	f->major = (u32)parse_ulong(&s, 16);
	if (s != *args && *s == ':') {
		before = ++s;
		f->minor = (u32)parse_ulong(&s, 16);
		if (s != before && *s == ' ') {
			before = ++s;
			f->inode = parse_ulong(&s, 10);
			if (s != before && (!*s || *s == ' ')) {
				*args = s + (*s == ' ');
				return true;
			}
		}
	}
	reply_error(r, what, *args, "give MAJOR:MINOR INODE as maps shows them");
	return false;
}

static void cmd_cache(struct reply *r, const char *args)
{
	struct ctl_file file;

	if (!*args)
		show_page_cache(r);
	else if (!take_word(&args, "drop"))
		reply_error(r, "cache: unknown argument", args,
			    "say \"cache\", \"cache drop\" or \"cache drop MAJOR:MINOR "
			    "INODE\"");
	else if (!*args)
		ctl_cache_drop(r, NULL);
	else if (parse_file(r, "cache drop: bad file", &args, &file))
		ctl_cache_drop(r, &file);
}

static void rmap_of_file(struct reply *r, const char *args)
{
	struct ctl_file file;
	unsigned long page;

	if (parse_file(r, "rmap file: bad file", &args, &file) &&
	    parse_addr(r, "rmap file: bad page number", args, &page))
		show_rmap_file(r, &file, page);
}

static void cmd_rmap(struct reply *r, const char *args)
{
	struct rmap_query q = { .by = RMAP_ALL };
	const char *rest = args;

	if (take_word(&rest, "file")) {
		rmap_of_file(r, rest);
		return;
	}
	if (take_word(&rest, "index"))
		q.by = RMAP_INDEX;
	else if (*rest)
		q.by = RMAP_ADDR;
	if (q.by == RMAP_ALL || parse_addr(r, "rmap: bad number", rest, &q.what))
		show_rmap(r, &q);
}

static void cmd_page(struct reply *r, const char *args)
{
	unsigned long addr;

	if (parse_addr(r, "page: bad address", args, &addr))
		show_page(r, addr);
}

/* "off" or a number of writes; false: the reply is an error. */
static bool parse_every(struct reply *r, const char *args, u32 *every)
{
	const char *s = args;
	unsigned long n = parse_ulong(&s, 10);

	*every = (u32)n;
	if (!strcmp(args, "off"))
		*every = 0;
	else if (s == args || *s || s - args > 8 || !n || n > COW_STACKS_SELDOM) {
		reply_error(r, "cow sample: bad number of writes", args,
			    "give 1 to 1000000, or \"off\"");
		return false;
	}
	return true;
}

static void cmd_cow(struct reply *r, const char *args)
{
	u32 every;

	if (!*args)
		show_cow(r);
	else if (!strcmp(args, "stacks"))
		show_cow_stacks(r);
	else if (!take_word(&args, "sample"))
		reply_error(r, "cow: unknown argument", args,
			    "say \"cow\", \"cow stacks\" or \"cow sample\"");
	else if (parse_every(r, args, &every))
		ctl_cow_sample(r, every);
}

static void cmd_verify(struct reply *r, const char *args)
{
	const char *rest = args;
	bool flags = take_word(&rest, "flags"), repair = take_word(&rest, "repair");

	if (*rest)
		reply_error(r, "verify: unknown argument", rest,
			    "say \"verify\", then \"flags\", then \"repair\", or less");
	else
		ctl_verify(r, repair, flags);
}

static void cmd_ping(struct reply *r, const char *args)
{
	(void)args;
	reply_printf(r, "{\"pong\":true,\"pid\":%d}", r->c->env->pid);
}

static void cmd_help(struct reply *r, const char *args)
{
	const char *comma = "";

	(void)args;
	reply_printf(r, "{\"commands\":[");
#define HELP_ENTRY(cmd, synopsis, text, flags)                                          \
	reply_printf(r, "%s{\"name\":\"" #cmd "\",\"args\":\"" synopsis "\",\"help\":", \
		     comma);                                                            \
	reply_json(r, text);                                                            \
	reply_printf(r, "}");                                                           \
	comma = ",";
	SMM_CTL_COMMANDS(HELP_ENTRY)
#undef HELP_ENTRY
	reply_printf(r, "]}");
}

struct command {
	const char *name;
	void (*run)(struct reply *r, const char *args);
	unsigned int flags;
};

static const struct command command[] = {
#define COMMAND_ENTRY(cmd, synopsis, text, cmd_flags) { #cmd, cmd_##cmd, cmd_flags },
	SMM_CTL_COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(command); i++)
		if (!strcmp(command[i].name, name))
			return &command[i];
	return NULL;
}

/* Cut trailing blanks and a carriage return, as typed by a person or sent by telnet. */
static size_t trim(char *line, size_t len)
{
	while (len &&
	       (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		len--;
	line[len] = '\0';
	return len;
}

static bool printable(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			return false;
	return true;
}

/* Ends the name at its blank and returns what follows the blanks. */
static const char *split_args(char *line)
{
	char *args = strchr(line, ' ');

	if (!args)
		return "";
	while (*args == ' ')
		*args++ = '\0';
	return args;
}

void ctl_command(struct reply *r, char *line, size_t len)
{
	const struct command *cmd;
	const char *args;

	len = trim(line, len);
	if (!printable(line, len)) {
		reply_error(r, "command line holds a control character", NULL,
			    "send one text command per line; see \"help\"");
		return;
	}
	args = split_args(line);
	cmd = command_find(line);
	if (!*line)
		reply_error(r, "empty command line", NULL,
			    "send \"help\" for the commands");
	else if (!cmd)
		reply_error(r, "unknown command", line, "send \"help\" for the commands");
	else if (*args && !(cmd->flags & (SMM_CMD_ARG | SMM_CMD_OPT_ARG)))
		reply_error(r, "unexpected argument", args, "this command takes none");
	else if (!*args && (cmd->flags & SMM_CMD_ARG))
		reply_error(r, "missing argument", line,
			    "send \"help\" for the synopsis");
	else
		cmd->run(r, args);
}
