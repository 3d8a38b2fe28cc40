# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: sort uniq wc tr cut paste join tac shuf split sha256sum awk sed grep xargs find
# packages: coreutils gawk sed grep findutils
# verify: bash sort:3 seq:3 uniq wc:2 tr cut paste join:1 tac shuf split sha256sum sed xargs find
# Pipelines of coreutils over 200,000 lines.
set -eu -o pipefail

seq 1 200000 | shuf --random-source=<(yes 2>/dev/null || true) >shuffled
sort -n shuffled | sha256sum
sort shuffled --parallel=4 -S 1M -T . | tac | cut -c1-3 | uniq -c | sort -rn | wc -l
seq 1 50000 | sed 's/^/key/' | sort >left
seq 2 2 50000 | sed 's/^/key/' | sort | paste -d ' ' - <(seq 1 25000) >right
join left right | awk '{ s += $2 } END { print s }'
seq 1 100000 | tr 0-9 a-j | grep -c 'a$'
split -l 10000 shuffled part. && wc -l part.* | tail -n 1
find . -name 'part.*' -print0 | sort -z | xargs -0 -n 5 -P 2 cat | wc -c
dd if=/dev/zero bs=1M count=64 2>/dev/null | md5sum
ls -1 | wc -l
factor 1234567890123456789
expr 6 '*' 7
date -u -d @0 +%F
head -c 3000000 /dev/zero | base64 | fold -w 60 | cksum
