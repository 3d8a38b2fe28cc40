#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sites that the scanner finds by bytes in this machine's libc and dynamic loader are
# those that a disassembler finds by instructions: no more, no fewer.
set -eu

dump=$top_builddir/tests/patch/scan_dump
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$dump" -t > "$tmp/wanted"

# A mov of a constant to eax or rax, directly before a syscall instruction; and the mov of
# 60 before glibc's loop of exit(2), named by the address of what follows it.
sites() {
	objdump -d --no-show-raw-insn "$1" | awk '
		/^ *[0-9a-f]+:/ {
			addr = $1; sub(/:$/, "", addr)
			if ($2 == "syscall" && nr != "")
				print addr, nr
			if ($2 == "syscall" && r9 && rdi)
				print addr, "function"
			if (fresh) { behind = addr; fresh = 0 }
			if ($2 == "jmp" && loop == 3 && $3 == top)
				print behind, 60
			if ($2 == "mov" && $3 ~ /^\$0x3c,%e[cdbs][xi]$/) {
				fresh = 1; loop = 0; top = ""
				reg = $3; sub(/.*,/, "", reg)
			} else if (loop == 0 && reg != "" && $2 == "xor" && $3 == "%edi,%edi") {
				loop = 1; top = addr
			} else if (loop == 1 && $2 == "mov" && $3 == reg ",%eax") {
				loop = 2
			} else if (loop == 2 && $2 == "syscall") {
				loop = 3
			} else if ($2 !~ /^(nop|xchg|data16|cs)/) {
				loop = 0; reg = ""
			}
			nr = ""
			if ($2 == "mov" && $3 ~ /^\$0x[0-9a-f]+,%[er]ax$/) {
				nr = $3; sub(/^\$/, "", nr); sub(/,.*/, "", nr)
			}
			if ($2 == "mov" && $3 == "%rdi,%rax") rdi = 1
			if ($2 ~ /^ret/) rdi = 0
			r9 = ($2 == "mov" && $3 == "0x8(%rsp),%r9")
		}' | while read -r addr nr; do
			if [ "$nr" = function ]; then
				echo "$addr -1"
			elif grep -qx "$((nr))" "$tmp/wanted"; then
				echo "$addr $((nr))"
			fi
		done
}

status=0
for object in libc.so.6 ld-linux-x86-64.so.2; do
	file=$(ldd "$(command -v objdump)" | grep -o "/[^ ]*$object" | head -n 1)
	file=$(readlink -f "$file")
	"$dump" "$file" | sort > "$tmp/bytes"
	sites "$file" | sort > "$tmp/instructions"
	echo "$file: $(wc -l < "$tmp/bytes") sites"
	if [ ! -s "$tmp/bytes" ]; then
		echo "no site found: this cannot be right"
		status=1
	fi
	diff -u "$tmp/instructions" "$tmp/bytes" || status=1
done
exit $status
