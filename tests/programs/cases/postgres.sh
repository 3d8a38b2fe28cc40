# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: pgbench psql pg_ctlcluster
# packages: postgresql
# verify: postgres:8 pgbench:3 psql:1
# timeout: 300
# under: SHADOWMM_COW=own SHADOWMM_MIN_OWN=4096
# A cluster of its own under pgbench of PGBENCH_SCALE (2): money is neither lost nor made.
set -eu
shopt -s inherit_errexit
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$bin:$PATH
export PGHOST=$PWD/socket PGDATABASE=postgres PGUSER=test LANG=C
mkdir socket data
mkdir -m 700 run run/shadowmm
# Sockets of the library: ours are where that user may not look.
run=
if [ "$(id -u)" = 0 ]; then # postgres does not run as root
	# The capability is what the library needs for userfaultfd and its event of a fork.
	run="setpriv --reuid=postgres --regid=postgres --clear-groups
		--inh-caps=+sys_ptrace --ambient-caps=+sys_ptrace"
	chown -R postgres socket data run
fi
run="env XDG_RUNTIME_DIR=$PWD/run $run"
$run initdb -D "$PWD/data" -U test -A trust --no-sync >initdb.out
server=
trap '[ -z "$server" ] || kill -INT "$server" 2>/dev/null || true' EXIT
exec {log}< <(exec $run postgres -D "$PWD/data" -k "$PGHOST" -c listen_addresses= -c fsync=off \
	-c max_parallel_workers_per_gather=2 -c min_parallel_table_scan_size=0 \
	-c parallel_setup_cost=0 -c autovacuum=off -c jit=off 2>&1)
server=$!
while read -r -u "$log" line; do
	case $line in *'database system is ready to accept connections'*) break ;; esac
done
cat <&"$log" >rest.log &
reader=$!

pgbench -i -q -s "${PGBENCH_SCALE-2}" >init.out 2>&1
pgbench -n -c 6 -j 2 -t 300 >bench.out 2>&1 &
bench=$!
# A backend that has done something is one that `shadowmm` can ask.
at_work="select count(*) from pg_stat_activity where application_name = 'pgbench' and query <> ''"
while kill -0 "$bench" 2>/dev/null && [ "$(psql -Atc "$at_work")" -lt 6 ]; do :; done
XDG_RUNTIME_DIR=$PWD/run $VERIFY_NOW --forks 4 "$server"
XDG_RUNTIME_DIR=$PWD/run $COW_NOW "$server"
wait "$bench"
grep 'actually processed' bench.out
psql -At <<'END'
select count(*) from pgbench_history;
select sum(abalance) = (select sum(delta) from pgbench_history),
       sum(abalance) = (select sum(bbalance) from pgbench_branches),
       sum(abalance) = (select sum(tbalance) from pgbench_tellers) from pgbench_accounts;
select count(*), sum(aid) from pgbench_accounts where aid % 7 = 3;
create table t as select i, md5(i::text) as h from generate_series(1, 100000) i;
create index on t (h);
select md5(string_agg(h, '' order by h)) from t;
END
pgbench -n -S -C -c 2 -t 50 2>&1 | grep 'actually processed'
XDG_RUNTIME_DIR=$PWD/run $VERIFY_NOW --forks 4 "$server"
kill -INT "$server"
wait "$reader"
server=
trap - EXIT
grep -cE 'PANIC|was terminated by signal' rest.log || true
