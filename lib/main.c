// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Order of start. The only file that knows every room.
 *
 * The constructor runs under the dynamic loader's lock, before the program's own code
 * and with one thread: read the options, import the areas that exist, patch the code
 * that is mapped, start the engine.
 */
#include <linux/auxvec.h>

#include "lib/base/fmt.h"
#include "lib/base/string.h"
#include "lib/ctl/control.h"
#include "lib/hook/patch.h"
#include "lib/hook/start.h"
#include "lib/hook/state.h"
#include "lib/sys/sys.h"

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv;
	smm.control_main = control_main;
	smm.verify_at_exit = control_verify_at_exit;
	start_symbols(envp);
	if (!start_options(envp))
		return;
	start_identity();
	if (sleep_start() || !start_model() || !start_patching())
		return;
	life_lock();
	start_engine();
	life_unlock();
}
