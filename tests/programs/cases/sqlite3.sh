# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: sqlite3
# packages: sqlite3
# verify: sqlite3:3
# 100,000 inserts in one transaction, index, joins, WAL, vacuum.
set -eu
{
	echo 'PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v TEXT); BEGIN;'
	seq 1 100000 | sed "s/.*/INSERT INTO t VALUES(&, & * 7919 % 10007, 'value number &');/"
	echo 'COMMIT; SELECT count(*), sum(k) FROM t;'
} | sqlite3 db
sqlite3 db <<'END'
PRAGMA mmap_size=67108864;
PRAGMA cache_size=-65536;
CREATE INDEX tk ON t(k);
SELECT k, count(*), max(v) FROM t GROUP BY k ORDER BY count(*) DESC, k LIMIT 5;
SELECT count(*) FROM t a JOIN t b ON a.k = b.k WHERE a.id < 2000;
UPDATE t SET v = v || ' changed' WHERE id % 3 = 0;
DELETE FROM t WHERE id % 10 = 0;
PRAGMA integrity_check;
VACUUM;
SELECT count(*), sum(length(v)) FROM t;
END
sqlite3 :memory: 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000)
	SELECT sum(n), group_concat(n % 10) LIKE "1,2%" FROM c;'
