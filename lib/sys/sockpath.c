// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lib/base/fmt.h"
#include "lib/sys/sockpath.h"
#include "lib/sys/sys.h"

void socket_unlink(const struct engine *e)
{
	char path[sizeof(e->opt.socket_dir) + 32];
	struct fmt f;

	fmt_init(&f, path, sizeof(path));
	fmt_printf(&f, "%s/%d.sock", e->opt.socket_dir, e->owner);
	sys_unlink(path);
}
