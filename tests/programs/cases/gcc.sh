# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: gcc ar ld
# packages: gcc binutils libc6-dev
# verify: gcc:3 cc1:3 as:3 collect2 ld ar program
# Compile two files with optimisation, archive, link, run; a failing compile.
set -eu
cat >part.h <<'END'
unsigned long part(unsigned long n);
END
{
	echo '#include "part.h"'
	for i in $(seq 1 300); do
		echo "static unsigned long f$i(unsigned long x) { for (int i = 0; i < $i; i++) x = x * 31 + (x >> 7) + $i; return x; }"
	done
	echo 'unsigned long part(unsigned long n) {'
	for i in $(seq 1 300); do echo "n = f$i(n);"; done
	echo 'return n; }'
} >part.c
cat >main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "part.h"
int main(void) { unsigned long *p = calloc(1 << 20, 8); p[12345] = part(42); printf("%lx\n", p[12345]); free(p); return 0; }
END
# The name of this directory differs in every run.
gcc -O2 -g -ffile-prefix-map="$PWD"=. -Wall -c part.c
gcc -O2 -g -Wall -c main.c
ar rcD libpart.a part.o
gcc -o program main.o -L. -lpart
./program
gcc -O1 -flto -o program2 main.c part.c && ./program2
sha256sum <part.o
echo 'int main(void) { return undeclared; }' >bad.c
gcc -c bad.c 2>&1 | grep -c error: || true
