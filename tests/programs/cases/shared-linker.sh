# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: gcc ld.gold
# packages: gcc binutils libc6-dev
# verify: ld.gold|ld:2
# timeout: 120
# under: SHADOWMM_POLICY=shared-file=own SHADOWMM_MIN_OWN=4096
# gold writes its output through a shared mapping of it, and others run that at once.
set -eu
{
	echo 'const unsigned char table[1500000] = {'
	seq 1 3 6000 | sed 's/.*/(unsigned char)&,/'
	echo '};'
	for i in $(seq 1 300); do
		echo "unsigned long f$i(unsigned long x) { return x * $i + table[x % 1500000]; }"
	done
	echo '#include <stdio.h>'
	echo 'int main(void) { unsigned long x = 1;'
	for i in $(seq 1 300); do echo "x = f$i(x);"; done
	echo 'printf("%lx\n", x); return 0; }'
} >main.c
gcc -O1 -g -ffile-prefix-map="$PWD"=. -ffunction-sections -c main.c
for how in '' -Wl,--gc-sections -Wl,--build-id=sha1 -static; do
	gcc -fuse-ld=gold $how -o program main.o
	./program
	sha256sum <program
	gcc -fuse-ld=gold $how -o program main.o
	./program
done
