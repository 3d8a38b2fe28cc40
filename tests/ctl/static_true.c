// SPDX-License-Identifier: LGPL-2.1-or-later
/* true(1) as a static program without libc, which no library can be preloaded into. */
void _start(void);

void _start(void)
{
	__asm__ volatile("syscall" : : "a"(60L), "D"(0L) : "memory"); /* exit(0) */
	__builtin_unreachable();
}
