/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages a set of processes has in memory, each page once: what `shadowmm shared`
 * prints. A page is known by its frame number. Where those are hidden: a page of a file
 * by device, inode and offset; an anonymous page that is mapped once, by that; and any
 * other by the root of its area's anon_vmas and its index in them, which takes two pages
 * for one if both were copied and shared again since (counted in @unsure).
 */
#ifndef SHADOWMM_SHARED_H
#define SHADOWMM_SHARED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pages.h"

/* Pages in memory. resident = here + shared: "here" nobody else of the set has. */
struct page_counts {
	unsigned long resident, here, shared;
	/* By kind as the program sees it: frames of the library's are a file's; what the
	 * library has for itself is none of these. */
	unsigned long anon, file, shmem, library;
	unsigned long exclusive; /* of "here": mapped once in the whole system */
	unsigned long unsure;	 /* of "shared" or "here": by anon_vma, or by nothing */
};

enum page_owner {
	PAGES_FILE,   /* what is not anonymous is a file's */
	PAGES_SHMEM,  /* or shared memory */
	PAGES_LIBRARY /* all are the library's */
};

struct shared_area {
	struct map_line line; /* its name is the area's own */
	enum page_owner owner;
	char *host; /* frames of the library's: of this file; or NULL */
	struct page_counts count;
};

struct shared_process {
	pid_t pid;
	char comm[17];
	struct shared_area *area;
	size_t nr_areas;
	struct page_counts count;
	unsigned long swap; /* pages, not in the other counts */
	json_t *known;	    /* areas of `maps`; null: nobody to ask */
	json_t *chains;	    /* areas of `rmap`, once asked for; null: it cannot say */
};

struct shared_page;

struct shared_set {
	struct shared_process *process;
	size_t nr;
	unsigned long together; /* pages, each once */
	unsigned long common;	/* of these, those that several processes have */
	/* What is known by its anon_vma only may be more pages than one: @together then
	 * is the least, this the most. */
	unsigned long most;
	struct shared_page *page;
	size_t nr_pages, room;
	struct shared_key *key; /* files and anon_vmas, numbered */
	size_t nr_keys;
};

/* Look at @pids, each once. False: complained about one that cannot be looked at. */
bool shared_collect(struct shared_set *set, const pid_t *pids, size_t nr);
void shared_free(struct shared_set *set);

#endif
