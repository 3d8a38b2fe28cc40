// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Forks a child that stays, and then becomes another image of itself. Says "ready" when
 * that runs; both end with their standard input.
 */
#include "tests/preload/common.h"

static void hold_still(void)
{
	char c;

	/* The engine has its own copy of standard error once it has registered something,
	 * and keeps that until its socket is there. */
	anon(MIB);
	close(2);
	while (read(0, &c, 1) > 0)
		;
	while (wait(NULL) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		if (!fork())
			hold_still();
		execl(argv[0], argv[0], "again", NULL);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	hold_still();
	return 0;
}
