# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: bash
# packages: bash
# verify: bash:8
# Subshells, command and process substitution, here documents, arrays, traps, recursion.
set -eu -o pipefail

fib() { (($1 < 2)) && echo "$1" || echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); }
echo "fib 9 = $(fib 9)"

declare -a squares
for i in {1..2000}; do squares[i]=$((i * i)); done
echo "squares ${#squares[@]} last ${squares[2000]}"

declare -A words
while read -r word; do words[$word]=$((${words[$word]:-0} + 1)); done < <(
	for i in {1..500}; do echo "w$((i % 17))"; done)
for word in "${!words[@]}"; do echo "$word ${words[$word]}"; done | sort | head -n 20 | cksum

text=$(printf 'x%.0s' {1..20000})
text=${text//x/yz}
echo "text ${#text}"

trap 'echo got USR1' USR1
kill -USR1 $$
(exit 7) || echo "subshell exit $?"
(kill -TERM $BASHPID) || echo "subshell exit $?"
cat <<END | tr a-z A-Z
here document of $((6 * 7)) lines
END
for i in 1 2 3 4; do (echo "job $i" >"job.$i") & done
wait
cat job.*
/nonexistent/program 2>/dev/null || echo "not found $?"
bash -c 'ulimit -n 64; exec bash -c "echo exec chain \$(ulimit -n)"'
