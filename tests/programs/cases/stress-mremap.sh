# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: stress-ng
# packages: stress-ng
# verify: stress-ng
# Grow, shrink and move areas.
# Rates and process numbers differ in every run: the log stays out of the comparison.
set -eu
stress-ng --mremap 2 --mremap-bytes 16m --mremap-mlock --verify --timeout 4s --seed 1 \
	--temp-path . >log 2>&1 || { status=$?; cat log; exit "$status"; }
grep -o 'successful run completed' log
grep -cE 'fail(ed)?:|FAIL' log || true
