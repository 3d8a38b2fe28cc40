# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: gcc ld.bfd ld.gold ar
# packages: gcc binutils libc6-dev
# verify: gcc:4 ld.bfd|ld.gold|ld:2
# timeout: 240
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# Several MiB through two linkers, which map what they read and what they write.
set -eu
for n in 1 2 3 4; do
	{
		echo "const unsigned char table$n[1500000] = {"
		seq "$n" 3 6000 | sed 's/.*/(unsigned char)&,/'
		echo '};'
		for i in $(seq 1 300); do
			echo "unsigned long f${n}_$i(unsigned long x) { return x * $i + table$n[x % 1500000] + $n; }"
		done
	} >"part$n.c"
	gcc -O1 -g -fPIC -ffile-prefix-map="$PWD"=. -ffunction-sections -c "part$n.c"
done
{
	echo '#include <stdio.h>'
	for n in 1 2 3 4; do
		for i in $(seq 1 300); do echo "unsigned long f${n}_$i(unsigned long);"; done
	done
	echo 'int main(void) { unsigned long x = 1;'
	for n in 1 2 3 4; do
		for i in $(seq 1 300); do echo "x = f${n}_$i(x);"; done
	done
	echo 'printf("%lx\n", x); return 0; }'
} >main.c
gcc -O1 -g -ffile-prefix-map="$PWD"=. -c main.c
rm -f libparts.a
ar rcD libparts.a part*.o
for linker in bfd gold; do
	for how in '' -Wl,--gc-sections -Wl,--build-id=sha1 -Wl,--no-mmap-output-file -static; do
		case $linker$how in bfd*no-mmap*) continue ;; esac
		gcc -fuse-ld=$linker $how -o program main.o -L. -lparts
		./program
		sha256sum <program
		# Over a file that is there, which may be running or mapped.
		gcc -fuse-ld=$linker $how -o program main.o part*.o
		./program
	done
	gcc -fuse-ld=$linker -r -o all.o part*.o
	sha256sum <all.o
	gcc -fuse-ld=$linker -shared -o lib.so -Wl,--whole-archive -L. -lparts -Wl,--no-whole-archive
	sha256sum <lib.so
done
