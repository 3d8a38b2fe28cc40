# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: sqlite3
# packages: sqlite3
# verify: sqlite3:6
# timeout: 120
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# A database read by way of a mapping, in every journal mode, by readers beside a writer.
set -eu
{
	echo 'PRAGMA page_size=4096; CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v TEXT); BEGIN;'
	seq 1 60000 | sed "s/.*/INSERT INTO t VALUES(&, & * 7919 % 10007, 'value number & and more');/"
	echo 'COMMIT; CREATE INDEX tk ON t(k);'
} | sqlite3 db
for mode in delete truncate persist memory wal off; do
	for mmap in 0 65536 1073741824; do
		sqlite3 db <<-END
			PRAGMA mmap_size=$mmap;
			PRAGMA journal_mode=$mode;
			PRAGMA cache_size=20;
			SELECT count(*), sum(k), max(v) FROM t;
			SELECT count(*) FROM t a JOIN t b ON a.k = b.k WHERE a.id < 500;
			UPDATE t SET v = v || '$mode' WHERE id % 50 = 7;
			DELETE FROM t WHERE id % 997 = 3;
			SELECT count(*), sum(length(v)) FROM t;
		END
	done
done
sqlite3 -readonly db 'PRAGMA mmap_size=1073741824; SELECT sum(length(v)) FROM t; PRAGMA integrity_check;'
# Readers that have it mapped while somebody else writes.
readers=
for i in 1 2 3; do
	{
		echo 'PRAGMA mmap_size=1073741824; PRAGMA busy_timeout=60000;'
		for _ in $(seq 1 20); do echo 'SELECT count(*) - (SELECT count(*) FROM t) FROM t;'; done
	} | sqlite3 db >"reader$i" &
	readers="$readers $!"
done
for i in $(seq 1 20); do
	echo "PRAGMA busy_timeout=60000; INSERT INTO t(k, v) VALUES($i, 'late');"
done | sqlite3 db >/dev/null
wait $readers
cat reader1 reader2 reader3 | sort | uniq -c
sqlite3 db 'PRAGMA mmap_size=1073741824; VACUUM; SELECT count(*), sum(length(v)) FROM t; PRAGMA integrity_check;'
