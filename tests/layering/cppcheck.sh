#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# cppcheck over our own code; what it gets wrong is in cppcheck.suppressions, with reasons.
# min() and max() stay calls: cppcheck 2.10 gives up on a file that has their statement
# expressions inside an initialiser.
cd "${top_srcdir:-.}" || exit 1
if [ -z "${CPPCHECK-}" ]; then
	echo "no cppcheck: apt-get install cppcheck, then configure again" >&2
	exit 1
fi
exec "$CPPCHECK" --quiet --error-exitcode=1 --std=c11 --platform=unix64 -j2 \
	--enable=warning,performance,portability --inline-suppr \
	--suppressions-list=tests/layering/cppcheck.suppressions \
	--library=gnu --library=tests/layering/cppcheck.cfg -I. -Iinclude -D__x86_64__ -D_LGPL_SOURCE -DPACKAGE_VERSION='"0"' \
	-Umin -Umax \
	--template='{file}:{line}: {severity}: {message} [{id}]' lib tools
