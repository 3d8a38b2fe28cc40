# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: stress-ng
# packages: stress-ng
# verify: stress-ng
# Fork as fast as possible, children use madvise and mincore.
# Rates and process numbers differ in every run: the log stays out of the comparison.
set -eu
stress-ng --fork 2 --fork-vm --verify --timeout 4s --seed 1 \
	--temp-path . >log 2>&1 || { status=$?; cat log; exit "$status"; }
grep -o 'successful run completed' log
grep -cE 'fail(ed)?:|FAIL' log || true
