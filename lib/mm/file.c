// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files of mappings, and the names that /proc/PID/maps gives to areas. */
#include "lib/base/string.h"
#include "lib/mm/vma.h"

/* Most names are short, but PATH_MAX occurs. */
static const unsigned short file_size[NR_FILE_SIZES] = { 72, 104, 136, 256, 1008, 4032 };
static const char *const file_cache_name[NR_FILE_SIZES] = {
	"vma_file-72",	"vma_file-104",	 "vma_file-136",
	"vma_file-256", "vma_file-1008", "vma_file-4032",
};

void file_caches_init(struct mm_struct *mm)
{
	for (int i = 0; i < NR_FILE_SIZES; i++)
		kmem_cache_init(&mm->file_cache[i], &mm->arena, file_cache_name[i],
				file_size[i], 8);
}

struct vma_file *vma_file_get(struct mm_struct *mm, unsigned int major,
			      unsigned int minor, unsigned long ino, const char *name)
{
	size_t len = strlen(name), header = offsetof(struct vma_file, name);
	struct vma_file *file;
	int i = 0;

	/* What maps prints never gets this long; a hook's string might. */
	len = min(len, file_size[NR_FILE_SIZES - 1] - header - 1);
	while (header + len + 1 > file_size[i])
		i++;
	file = kmem_cache_alloc(&mm->file_cache[i]);
	if (!file)
		return NULL;
	file->refs = 1;
	file->major = major;
	file->minor = minor;
	file->ino = ino;
	file->mode = 0;
	file->mode_known = file->single = false;
	file->host = NULL;
	memcpy(file->name, name, len);
	file->name[len] = '\0';
	return file;
}

void vma_file_put(struct mm_struct *mm, struct vma_file *file)
{
	if (--file->refs)
		return;
	if (file->host)
		host_orphaned(mm, file->host);
	kmem_cache_free_rcu(kmem_cache_of(file), &mm->rcu, file, &file->rcu);
}

bool same_file(const struct vma_file *a, const struct vma_file *b)
{
	if (a == b)
		return true;
	if (!a || !b || !a->ino || a->single || b->single)
		return false;
	if (a->mode_known && b->mode_known && a->mode != b->mode)
		return false;
	return a->ino == b->ino && a->major == b->major && a->minor == b->minor &&
	       !strcmp(a->name, b->name);
}

/* fs/proc/task_mmu.c, get_vma_name(). */
const char *vma_name(const struct mm_struct *mm, const struct vm_area_struct *vma)
{
	if (vma->vm_file)
		return vma->anon_name ? vma->anon_name->name : vma->vm_file->name;
	if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
		return "[heap]";
	if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		return "[stack]";
	return vma->anon_name ? vma->anon_name->name : "";
}

const char *track_reason_name(enum track_reason reason)
{
	switch (reason) {
	case TRACK_NONE:
		return "";
	case TRACK_BEFORE_START:
		return "before start";
	case TRACK_FILE:
		return "file";
	case TRACK_SHARED:
		return "shared";
	case TRACK_SMALL:
		return "small";
	case TRACK_STEPS:
		return "in steps";
	case TRACK_STACK:
		return "stack";
	case TRACK_SHORT_LIVED:
		return "short-lived";
	case TRACK_HUGE:
		return "huge pages";
	case TRACK_SPECIAL:
		return "special";
	case TRACK_OURS:
		return "shadowmm";
	case TRACK_NO_ENGINE:
		return "no engine";
	case TRACK_REFUSED:
		return "refused";
	case TRACK_PROGRAM_UFFD:
		return "program's userfaultfd";
	case TRACK_PROGRAM_PAGES:
		return "program pages";
	case TRACK_OPTION:
		return "option";
	case TRACK_FILE_WANTED:
		return "file wanted";
	case TRACK_FILE_OPEN:
		return "file open";
	case TRACK_FILE_CACHED:
		return "file cached";
	case TRACK_FILE_LEFT:
		return "file left";
	case TRACK_NR:
		break;
	}
	return "?";
}
