// SPDX-License-Identifier: LGPL-2.1-or-later
#include <linux/capability.h>

#include "lib/sys/creds.h"
#include "lib/sys/sys.h"

void creds_take(const struct engine *e)
{
	const struct engine_creds *c = &e->creds;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	for (int i = 0; i < 2; i++)
		caps[i] = (struct __user_cap_data_struct){ c->cap[0][i], c->cap[1][i],
							   c->cap[2][i] };
	/* Groups and ids first: they need the privileges that capset() then gives up. A
	 * step that is refused leaves us with what the program itself has lost. */
	if (c->nr_groups >= 0)
		sys_setgroups(c->nr_groups, c->groups);
	sys_setresgid(c->rgid, c->egid, c->sgid);
	sys_setresuid(c->ruid, c->euid, c->suid);
	sys_capset(&head, caps);
}

void creds_follow(const struct engine *e, u32 *seen)
{
	u32 seq;

	/* They may change again under way, since nobody waits for us. */
	while ((seq = __atomic_load_n(&e->creds_seq, __ATOMIC_SEQ_CST)) != *seen) {
		*seen = seq;
		creds_take(e);
	}
}
