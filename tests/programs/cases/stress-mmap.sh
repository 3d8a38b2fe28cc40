# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: stress-ng
# packages: stress-ng
# verify: stress-ng
# Map, protect, advise, write, check and unmap pages in random order.
# Rates and process numbers differ in every run: the log stays out of the comparison.
set -eu
stress-ng --mmap 2 --mmap-bytes 32m --mmap-mprotect --mmap-async --verify --timeout 4s --seed 1 \
	--temp-path . >log 2>&1 || { status=$?; cat log; exit "$status"; }
grep -o 'successful run completed' log
grep -cE 'fail(ed)?:|FAIL' log || true
