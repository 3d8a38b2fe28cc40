// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the program may call: <shadowmm/shadowmm.h>.
 *
 * Context: application threads and their signal handlers, at any point, also inside a
 * hook. Readers of the model only: mm_read_lock(), copy, mm_read_unlock().
 */
#include <linux/errno.h>

#include "lib/base/string.h"
#include "lib/hook/state.h"
#include "shadowmm/shadowmm.h"

#define VERSION "0.1.0"

__public const char *shadowmm_version(void)
{
	return VERSION;
}

/* Who asks wants to know: a process that sleeps wakes. */
static bool lost(void)
{
	return (!READ_ONCE(smm.active) && !sleep_end()) || READ_ONCE(smm.mm.blind);
}

/* As show_map_vma() of fs/proc/task_mmu.c: no file, no offset. */
static void copy_vma(struct shadowmm_vma *out, const struct vm_area_struct *vma)
{
	const struct vma_file *file = vma->vm_file;

	*out = (struct shadowmm_vma){
		.start = vma->vm_start,
		.end = vma->vm_end,
		.flags = vma->vm_flags,
		.policy = vma->policy,
		.faults = vma->stat ? READ_ONCE(vma->stat->faults) : 0,
	};
	if (!file || (!file->ino && !file->major && !file->minor))
		return;
	out->pgoff = vma->vm_pgoff;
	out->ino = file->ino;
	out->dev_major = file->major;
	out->dev_minor = file->minor;
}

/* The answer to a search, @vma being NULL if there is none. */
static int found(struct shadowmm_vma *out, const struct vm_area_struct *vma)
{
	if (!vma)
		return -ENOENT;
	copy_vma(out, vma);
	return 0;
}

__public int shadowmm_find_vma(unsigned long addr, struct shadowmm_vma *out)
{
	int ret, token;

	if (lost())
		return -ENODATA;
	token = mm_read_lock(&smm.mm);
	ret = found(out, find_vma(&smm.mm, addr));
	mm_read_unlock(&smm.mm, token);
	return ret;
}

__public int shadowmm_find_vma_prev(unsigned long addr, struct shadowmm_vma *out,
				    struct shadowmm_vma *prev)
{
	struct vm_area_struct *vma, *before;
	int ret, token;

	if (lost())
		return -ENODATA;
	prev->end = 0;
	token = mm_read_lock(&smm.mm);
	vma = find_vma_prev(&smm.mm, addr, &before);
	if (before)
		copy_vma(prev, before);
	ret = found(out, vma);
	mm_read_unlock(&smm.mm, token);
	return ret;
}

__public int shadowmm_find_vma_intersection(unsigned long start, unsigned long end,
					    struct shadowmm_vma *out)
{
	int ret, token;

	if (lost())
		return -ENODATA;
	token = mm_read_lock(&smm.mm);
	ret = found(out, find_vma_intersection(&smm.mm, start, end));
	mm_read_unlock(&smm.mm, token);
	return ret;
}

__public int shadowmm_read_vmas(unsigned long start, unsigned long end,
				struct shadowmm_vma *vmas, unsigned int nr,
				unsigned long *generation)
{
	struct vm_area_struct *vma;
	struct vma_iter it;
	unsigned int n = 0;
	int token;

	if (lost())
		return -ENODATA;
	token = mm_read_lock(&smm.mm);
	vma_iter_init(&it, &smm.mm, start);
	if (generation)
		*generation = vma_iter_generation(&it);
	while (n < nr && (vma = vma_next(&it)) && vma->vm_start < end)
		copy_vma(&vmas[n++], vma);
	mm_read_unlock(&smm.mm, token);
	return (int)n;
}

__public int shadowmm_vma_name(unsigned long addr, char *buf, unsigned long size)
{
	struct vm_area_struct *vma;
	int ret = -ENOENT, token;
	const char *name;
	size_t len;

	if (lost())
		return -ENODATA;
	token = mm_read_lock(&smm.mm);
	vma = find_vma(&smm.mm, addr);
	if (vma && vma->vm_start <= addr) {
		name = vma_name(&smm.mm, vma);
		len = strlen(name);
		ret = (int)len;
		if (size) {
			len = min(len, (size_t)size - 1);
			memcpy(buf, name, len);
			buf[len] = '\0';
		}
	}
	mm_read_unlock(&smm.mm, token);
	return ret;
}

__public int shadowmm_read_mm(struct shadowmm_mm *out, unsigned long size)
{
	const struct mm_struct *mm = &smm.mm;
	struct shadowmm_mm m;

	if (lost())
		return -ENODATA;
#define MM_FIELD(field) m.field = READ_ONCE(mm->field)
	MM_FIELD(map_count);
	MM_FIELD(total_vm);
	MM_FIELD(hiwater_vm);
	MM_FIELD(data_vm);
	MM_FIELD(exec_vm);
	MM_FIELD(stack_vm);
	MM_FIELD(locked_vm);
	MM_FIELD(start_code);
	MM_FIELD(end_code);
	MM_FIELD(start_data);
	MM_FIELD(end_data);
	MM_FIELD(start_brk);
	MM_FIELD(brk);
	MM_FIELD(start_stack);
	MM_FIELD(arg_start);
	MM_FIELD(arg_end);
	MM_FIELD(env_start);
	MM_FIELD(env_end);
#undef MM_FIELD
	m.users = (unsigned long)max(READ_ONCE(mm->mm_users), 1);
	memset(out, 0, size);
	memcpy(out, &m, min(size, sizeof(m)));
	return 0;
}

__public const struct shadowmm_calls *shadowmm_preloaded(void)
{
	static const struct shadowmm_calls calls = {
		.size = sizeof(calls),
		.version = shadowmm_version,
		.find_vma = shadowmm_find_vma,
		.find_vma_prev = shadowmm_find_vma_prev,
		.find_vma_intersection = shadowmm_find_vma_intersection,
		.read_vmas = shadowmm_read_vmas,
		.vma_name = shadowmm_vma_name,
		.read_mm = shadowmm_read_mm,
	};

	/* Now, rather than in the middle of what is asked first. */
	sleep_end();
	return &calls;
}
