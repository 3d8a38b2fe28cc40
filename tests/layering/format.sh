#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Formatting as .clang-format says. Other versions of clang-format disagree in details, so
# only the one that the file was written for may judge.
pinned=14
cd "${top_srcdir:-.}" || exit 1
if [ -z "${CLANG_FORMAT-}" ]; then
	echo "1..0 # SKIP no clang-format: apt-get install clang-format-$pinned, configure again"
	exit 77
fi
case $("$CLANG_FORMAT" --version) in
*"version $pinned."*) ;;
*)
	echo "1..0 # SKIP $("$CLANG_FORMAT" --version) is not version $pinned"
	exit 77
	;;
esac
files=$(find include lib tools tests \( -name '*.c' -o -name '*.h' \) -print | sort)
if [ "${1-}" = --fix ]; then
	exec "$CLANG_FORMAT" -i --style=file $files
fi
bad=0 n=0
for file in $files; do
	n=$((n + 1))
	if "$CLANG_FORMAT" --style=file --dry-run -Werror "$file" >/dev/null 2>&1; then
		echo "ok $n - $file"
	else
		echo "not ok $n - $file: run make format"
		bad=1
	fi
done
echo "1..$n"
exit $bad
