#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A short check-fork in `make check`. FORK_SECONDS and SEED say how long and which.
PYTHONPATH=$top_srcdir/tests/programs exec python3 -B "$top_srcdir/tests/stress/check_fork.py" \
	--seconds "${FORK_SECONDS:-10}" --seed "${SEED-}"
