#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The public headers are accepted by strict compilers, as C11 and as C++, either way of
# using them; the example in shadowmm.h and libshadowmm-api.a make a program, position
# independent or not.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0
number=0

check() {
	what=$1
	shift
	number=$((number + 1))
	if "$@" > "$tmp/log" 2>&1; then
		echo "ok $number - $what"
	else
		echo "not ok $number - $what"
		sed 's/^/#   /' "$tmp/log"
		status=1
	fi
}

# The comment's example, as a whole program.
{
	echo '#include <shadowmm/shadowmm.h>'
	echo '#include <stdio.h>'
	sed -n '/^ \*	static int show/,/^ \*	}$/s/^ \* \{0,1\}//p' \
		"$top_srcdir/include/shadowmm/shadowmm.h"
	echo 'int main(void) { return shadowmm_for_each_vma(0, ~0UL, show, 0); }'
} > "$tmp/example.c"
cp "$tmp/example.c" "$tmp/example.cc"

flags="-I$top_srcdir/include -Wall -Wextra -Wpedantic -Wconversion -Werror"
api="-DSHADOWMM_FALLBACK"
# shellcheck disable=SC2086
for way in "" "$api"; do
	check "C11 $way" ${CC:-cc} -std=c11 $flags $way -c "$tmp/example.c" -o "$tmp/c.o"
	if command -v "${CXX:-c++}" > "$tmp/log"; then
		check "C++11 $way" "${CXX:-c++}" -std=c++11 $flags $way -c "$tmp/example.cc" \
			-o "$tmp/cc.o"
	else
		echo "# no C++ compiler"
	fi
done
# shellcheck disable=SC2086
for kind in "-fpie -pie" "-fno-pie -no-pie"; do
	check "a program with libshadowmm-api.a, $kind" ${CC:-cc} -std=c11 $flags $api $kind \
		"$tmp/example.c" "$top_builddir/libshadowmm-api.a" -o "$tmp/example"
	"$tmp/example" > "$tmp/plain"
	check "it runs alone" grep -q "rd ex .*/example$" "$tmp/plain"
	LD_PRELOAD=$top_builddir/.libs/libshadowmm.so "$tmp/example" > "$tmp/under"
	check "it finds the preloaded library" grep -q "rd ex mr mw me .*/example$" "$tmp/under"
done
echo "1..$number"
exit $status
