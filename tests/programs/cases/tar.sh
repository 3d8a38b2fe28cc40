# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: tar zstd gzip
# packages: tar zstd gzip
# verify: tar:4 zstd:4 gzip:2
# Pack and unpack a tree through zstd (several threads, long window) and gzip.
set -eu -o pipefail
mkdir -p tree/{a,b,c}
for i in $(seq 1 60); do seq "$i" $((i * 700)) >"tree/$(echo a b c | cut -d ' ' -f $((i % 3 + 1)))/$i"; done
head -c 20000000 /dev/zero >tree/zeros
pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - tree; }
pack | sha256sum
pack | zstd -q -T2 -10 --long=25 | tee packed.zst | wc -c
zstd -q -d --long=25 <packed.zst | sha256sum
tar -I zstd -cf tree.tar.zst tree
mkdir out && tar -I zstd -xf tree.tar.zst -C out && diff -r tree out/tree && echo same
tar -czf tree.tgz tree && tar -tzf tree.tgz | wc -l
zstd -q -t packed.zst --long=25 && echo tested
