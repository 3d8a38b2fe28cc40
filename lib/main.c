// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Order of start. The only file that knows every room.
 *
 * The constructor runs under the dynamic loader's lock, before the program's own code
 * and with one thread: read the options, import the areas that exist, patch the code
 * that is mapped, start the engine.
 */
#include <linux/auxvec.h>

#include "shadowmm/shadowmm.h"
#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/ctl/control.h"
#include "lib/hook/patch.h"
#include "lib/hook/setxid.h"
#include "lib/hook/start.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

#define VERSION "0.1.0"

__public const char *shadowmm_version(void)
{
	return VERSION;
}

__public int shadowmm_find_vma(unsigned long addr, struct shadowmm_vma *out)
{
	const struct vm_area_struct *vma;
	int ret = -ENOENT, token;

	if (!smm.active || smm.mm.blind)
		return -ENODATA;
	token = mm_read_lock(&smm.mm);
	vma = find_vma(&smm.mm, addr);
	if (vma) {
		*out = (struct shadowmm_vma){
			.start = vma->vm_start,
			.end = vma->vm_end,
			.flags = vma->vm_flags,
			.pgoff = vma->vm_file ? vma->vm_pgoff : 0,
			.ino = vma->vm_file ? vma->vm_file->ino : 0,
			.dev_major = vma->vm_file ? vma->vm_file->major : 0,
			.dev_minor = vma->vm_file ? vma->vm_file->minor : 0,
			.policy = vma->policy,
			.faults = vma->stat ? READ_ONCE(vma->stat->faults) : 0,
		};
		ret = 0;
	}
	mm_read_unlock(&smm.mm, token);
	return ret;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv;
	smm.control_main = control_main;
	smm.verify_at_exit = control_verify_at_exit;
	start_symbols(envp);
	if (!start_options(envp))
		return;
	if (start_model() && start_patching())
		start_engine();
}
