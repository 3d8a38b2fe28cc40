/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the programs under test share. They are run plain and under shadowmm and must
 * print the same, so nothing here prints addresses, process numbers or times.
 *
 * Context: any thread of the program under test, unless said otherwise.
 */
#ifndef TESTS_PRELOAD_COMMON_H
#define TESTS_PRELOAD_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define KIB  1024UL
#define MIB  (1024UL * KIB)

/* Newer than the headers of the oldest system we build on. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* Say what is wrong and exit(1), unless @cond. */
#define CHECK(cond) check_that(!!(cond), #cond, __FILE__, __LINE__)
void check_that(bool ok, const char *what, const char *file, int line);

/* Print the call and whether it returned -1 (and errno) or not. Returns its value. */
#define SHOW(call) (errno = 0, show_result(#call, (long)(call)))
long show_result(const char *call, long ret);

/* Private anonymous, readable and writable; exits when refused. @len: bytes. */
char *anon(size_t len);
/* As anon(), with PROT_* and further MAP_* bits. */
char *anon_with(size_t len, int prot, int flags);

/* Bytes that depend on their position and on @seed. */
void fill(void *p, size_t len, unsigned int seed);
bool matches(const void *p, size_t len, unsigned int seed);
bool all_zero(const void *p, size_t len);

/*
 * Touch one byte and say what happened: "ok", "SEGV_MAPERR", "SEGV_ACCERR",
 * "BUS_ADRERR", ... with " (wrong address)" behind it if si_addr was not @p.
 * One thread at a time.
 */
const char *touch(volatile void *p, bool write);

/* Run @fn in a forked child and print "@what: exit N" or "@what: signal N". */
void in_child(const char *what, void (*fn)(void));
void show_status(const char *what, int status);

/* The library is among the mappings of this process, by /proc/self/maps. */
bool library_mapped(void);

/* CLOCK_MONOTONIC, in seconds. */
double seconds(void);

/* Pages of [p, p + len) that mincore() says are resident; -1 with errno. */
long resident_pages(void *p, size_t len);

#endif
