/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every command, once: what the control server answers and what the command-line tool
 * offers. The server, the tool's help, the manual's check and the tests are made from
 * these two lists.
 */
#ifndef SHADOWMM_COMMANDS_H
#define SHADOWMM_COMMANDS_H

/* The version of the control protocol (doc/control-protocol.md), in the greeting. */
#define SMM_CTL_PROTOCOL 1
/* The longest command line in bytes, its newline included. */
#define SMM_CTL_LINE_MAX 4096

#define SMM_CMD_NO_ARGS	 0x0 /* takes no argument */
#define SMM_CMD_ARG	 0x1 /* needs its argument */
#define SMM_CMD_OPT_ARG	 0x2 /* may have its argument */
#define SMM_CMD_LOCKS                                                     \
	0x4 /* takes mmap_lock, so it may answer that the process is busy \
	     */

/* X(name, argument synopsis, help, flags) */
#define SMM_CTL_COMMANDS(X)                                                              \
	X(hello, "", "the greeting again: name, version and process", SMM_CMD_NO_ARGS)   \
	X(stat, "[untouched]",                                                           \
	  "the memory descriptor, counters, areas per policy and reason, and how many "  \
	  "pages were never written to",                                                 \
	  SMM_CMD_OPT_ARG)                                                               \
	X(maps, "", "every area, one consistent snapshot", SMM_CMD_NO_ARGS)              \
	X(vma, "ADDR", "the first area that ends above ADDR (hexadecimal)", SMM_CMD_ARG) \
	X(slabinfo, "", "the library's own memory: pages, caches, bytes per area",       \
	  SMM_CMD_NO_ARGS)                                                               \
	X(cow, "[stacks | sample N | sample off]",                                       \
	  "what is shared since a fork, who copied the rest; samples of who wrote",      \
	  SMM_CMD_OPT_ARG)                                                               \
	X(smaps, "[dirty] [ADDR]",                                                       \
	  "every area, or that which contains ADDR, with the kernel's counts of pages; " \
	  "and track writes to shared files",                                            \
	  SMM_CMD_OPT_ARG | SMM_CMD_LOCKS)                                               \
	X(cache, "[drop [MAJOR:MINOR INODE]]",                                           \
	  "the files that the library pages here, and their frames; drop them",          \
	  SMM_CMD_OPT_ARG | SMM_CMD_LOCKS)                                               \
	X(rmap, "[ADDR | index N | file MAJOR:MINOR INODE N]",                           \
	  "the anon_vmas of the area at ADDR, of all areas, or of those that have page " \
	  "N of theirs; or where page N of a file is mapped (hexadecimal)",              \
	  SMM_CMD_OPT_ARG)                                                               \
	X(page, "ADDR", "the descriptor of the page at ADDR, brought up to date",        \
	  SMM_CMD_ARG | SMM_CMD_LOCKS)                                                   \
	X(verify, "[flags] [repair]",                                                    \
	  "compare the shadow with the kernel's list of areas, with flags as smaps has " \
	  "them",                                                                        \
	  SMM_CMD_OPT_ARG | SMM_CMD_LOCKS)                                               \
	X(help, "", "the commands of this server", SMM_CMD_NO_ARGS)                      \
	X(ping, "", "answer, to see that somebody is there", SMM_CMD_NO_ARGS)

/* X(name, synopsis, help) */
#define SMM_CLI_COMMANDS(X)                                                          \
	X(run, "[OPTION]... [--] COMMAND [ARG]...", "run COMMAND under the library") \
	X(ps, "[--all] [--threads | --tree] [--json]",                               \
	  "list the processes that run under the library")                           \
	X(maps, "[--header | --plain | --json] PID",                                 \
	  "print the areas of a process, their policy and pages")                    \
	X(vma, "[--json] PID ADDR", "print the first area that ends above ADDR")     \
	X(smaps, "[--dirty] [--json] PID [ADDR]",                                    \
	  "print the areas as /proc/PID/smaps does, with the library's flags")       \
	X(cache, "[--drop] [--json] [FILE]",                                         \
	  "print which files the library holds in memory, and for whom")             \
	X(rmap, "[--json] {PID ADDR | --file PATH --page N}",                        \
	  "print which processes map a page, and where")                             \
	X(shared, "[--areas] [--json] PID...",                                       \
	  "print how many pages processes have for themselves, share, and take "     \
	  "together")                                                                \
	X(stat, "[--json] PID", "print the memory descriptor and the counters")      \
	X(cow, "[--stacks[=N|off] [--folded] [--addresses]] [--json] PID",           \
	  "print what is still shared since a fork, and who writes to it")           \
	X(slabinfo, "[--json] PID", "print the caches of the library's own memory")  \
	X(slabtop, "[-d SECONDS] [-n COUNT] [--once] PID",                           \
	  "watch the caches of the library's own memory")                            \
	X(verify, "[--flags] [--repair] [--json] {PID | --all}",                     \
	  "compare the library's picture with the kernel's")                         \
	X(check, "[--json]", "say what this kernel and this user allow")             \
	X(help, "[COMMAND]", "print help about a command")

#endif
