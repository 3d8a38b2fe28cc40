# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: redis-server redis-cli redis-benchmark
# packages: redis-server redis-tools
# verify: redis-server|redis-rdb-bgsave:3 redis-cli:5 redis-benchmark
# timeout: 300
# under: SHADOWMM_COW=own
# REDIS_MB (64) of values, changed at random while the child of BGSAVE saves them: the dump is
# what was there at the fork, and the server is what was written since.
set -eu
keys=$((${REDIS_MB-64} * 1024))
start() {
	exec {log}< <(exec redis-server --port 0 --unixsocket "$PWD/s" --dir "$PWD" --save '' \
		--dbfilename "$1" --daemonize no --pidfile "$PWD/pid" --jemalloc-bg-thread no \
		--enable-debug-command yes)
	server=$!
	local line
	while read -r -u "$log" line; do
		case $line in *'eady to accept connections'*) break ;; esac
	done
	cat <&"$log" >>rest.log &
	reader=$!
}
stop() { redis-cli -s s shutdown "$@" || true; wait "$reader"; exec {log}<&-; }
digest() { redis-cli -s s debug digest; }
saving() { redis-cli -s s info persistence | grep -q rdb_bgsave_in_progress:1; }
trap 'kill "$server" 2>/dev/null || true' EXIT

start at-fork.rdb
redis-cli -s s debug populate "$keys" key 1000
redis-cli -s s dbsize
before=$(digest)
# So slow that the writes below come while it saves, and the child is there to be looked at.
redis-cli -s s config set rdb-key-save-delay 20
redis-cli -s s bgsave
redis-benchmark -s s -q -n 20000 -c 10 -P 8 -r "$keys" \
	eval 'return redis.call("setrange", "key:" .. tonumber(ARGV[1]), 100, ARGV[1])' 0 __rand_int__ \
	>benchmark.out &
$VERIFY_NOW --forks 2 "$server"
$COW_NOW --own 2 "$server"
wait $!
$COW_NOW "$server"
grep -c 'requests per second' benchmark.out
while saving; do :; done
redis-cli -s s info persistence | tr -d '\r' | grep rdb_last_bgsave_status
after=$(digest)
[ "$before" != "$after" ] && echo changed
$VERIFY_NOW "$server"
redis-cli -s s config set rdb-key-save-delay 0
redis-cli -s s config set dbfilename now.rdb
stop save

start at-fork.rdb
redis-cli -s s dbsize
[ "$(digest)" = "$before" ] && echo as at the fork
stop nosave
start now.rdb
redis-cli -s s dbsize
[ "$(digest)" = "$after" ] && echo as at the end
stop nosave
trap - EXIT
