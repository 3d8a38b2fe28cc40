# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: rg
# packages: ripgrep
# verify: rg:6
# timeout: 120
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# ripgrep with --mmap over a tree of sources, some of several MiB.
set -eu
mkdir -p tree/a tree/b
for i in $(seq 1 60); do
	seq "$i" 7 $((i * 900)) | sed "s/.*/int value_& = f$i(&);/" >"tree/a/file$i.c"
done
seq 1 300000 | sed 's/.*/line & of something long enough to fill pages/' >tree/b/long.txt
head -c 3000000 /dev/zero >tree/b/binary
# No newline at the end, and exactly a page.
printf 'needle' >tree/b/short
seq 1 2000 | tr -d '\n' | head -c 4096 >tree/b/page
: >tree/b/empty
rg --mmap --sort path -c 'value_[0-9]*7 = ' tree
rg --mmap -j 1 --sort path -n '99999' tree | sha256sum
rg --mmap --no-ignore -j 4 'line [0-9]*3 of' tree | sort | sha256sum
rg --mmap --sort path -U -c 'f3\(17\);\nint' tree || echo none
rg --mmap --sort path -l needle tree
rg --mmap -c 'of something' tree/b/long.txt
rg --mmap -a -c 'x' tree/b/binary || echo none
rg --mmap needle tree/b/empty || echo none
for i in 1 2 3; do
	# What was searched a moment ago changes.
	seq "$i" 5 50000 | sed 's/.*/changed &/' >tree/a/file1.c
	rg --mmap -c changed tree/a/file1.c
done
