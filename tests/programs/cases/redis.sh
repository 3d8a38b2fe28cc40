# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: redis-server redis-cli redis-benchmark
# packages: redis-server redis-tools
# verify: redis-server:1 redis-cli:3 redis-benchmark
# timeout: 90
# Server on a Unix socket: benchmark, BGSAVE in a forked child while writes go on, reload.
set -eu
start() {
	exec {log}< <(exec redis-server --port 0 --unixsocket "$PWD/s" --dir "$PWD" --save '' \
		--dbfilename dump.rdb --daemonize no --pidfile "$PWD/pid" --jemalloc-bg-thread no)
	server=$!
	local line
	while read -r -u "$log" line; do
		case $line in *'eady to accept connections'*) break ;; esac
	done
	cat <&"$log" >>rest.log &
	reader=$!
}
stop() { redis-cli -s s shutdown "$@" || true; wait "$reader"; exec {log}<&-; }
trap 'kill "$server" 2>/dev/null || true' EXIT

start
redis-benchmark -s s -q -n 20000 -c 20 -P 8 -r 5000 -d 200 -t set,get,lpush,incr | grep -c 'requests per second'
redis-cli -s s flushall
seq 1 50000 | sed 's/.*/SET key& value-&-abcdefghijklmnopqrstuvwxyz/' | redis-cli -s s --pipe | tail -n 1
redis-cli -s s bgsave
redis-benchmark -s s -q -n 20000 -c 10 -P 8 -r 1000 -t sadd | grep -c 'requests per second'
# SAVE is refused as long as the child of BGSAVE is at work.
until redis-cli -s s save | grep -q OK; do :; done
redis-cli -s s info persistence | tr -d '\r' | grep rdb_last_bgsave_status
redis-cli -s s del myset >/dev/null
redis-cli -s s dbsize
stop save
start
redis-cli -s s dbsize
redis-cli -s s get key31337
redis-cli -s s eval 'local n = 0; for i = 1, 50000 do n = n + #redis.call("GET", "key" .. i) end; return n' 0
stop nosave
trap - EXIT
