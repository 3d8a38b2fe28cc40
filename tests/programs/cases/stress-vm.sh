# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: stress-ng
# packages: stress-ng
# verify: stress-ng
# Write and verify patterns over 2 x 64 MiB, mapped once.
# Rates and process numbers differ in every run: the log stays out of the comparison.
set -eu
stress-ng --vm 2 --vm-bytes 64m --vm-method incdec --vm-keep --verify --timeout 4s --seed 1 \
	--temp-path . >log 2>&1 || { status=$?; cat log; exit "$status"; }
grep -o 'successful run completed' log
grep -cE 'fail(ed)?:|FAIL' log || true
