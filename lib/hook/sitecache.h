/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the sites of a file are, remembered from one process to the next: looking
 * through libc's text costs every start more than anything else. A file per text in the
 * directory of the control sockets, used only if that is ours alone.
 *
 * The key is everything that stat(2) tells of the text's file and of our own library. A
 * remembered place is looked at like one that was found: a wrong file can cost time, or a
 * site, but never patch what is none.
 *
 * Context: the constructor.
 */
#ifndef SHADOWMM_HOOK_SITECACHE_H
#define SHADOWMM_HOOK_SITECACHE_H

#include "lib/base/area.h"
#include "lib/hook/patch.h"

#define SITES_REMEMBERED 256
#define SITECACHE_MAGIC	 0x3273657469736d73UL

struct file_id {
	u64 dev, ino, size, mtime_ns, ctime_ns;
};

struct site_key {
	struct file_id text, library;
	u64 pgoff, len; /* of the mapping */
};

struct site_list {
	u64 magic;
	struct site_key key;
	u64 nr;
	struct site_place site[SITES_REMEMBERED];
};

/* What stat(2) says of @path. False: it cannot. */
bool file_id(const char *path, struct file_id *id);
/* The same of the file that @d maps. False: it is not there any more. */
bool file_id_of(const struct area_desc *d, struct file_id *id);
/* False: nothing is known of @key. */
bool sitecache_load(const char *dir, const struct site_key *key, struct site_list *list);
/* Remember @list. A failure is no matter. */
void sitecache_save(const char *dir, const struct site_list *list);

#endif
