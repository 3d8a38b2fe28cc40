# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: python3 mdb_load mdb_dump mdb_stat
# packages: lmdb-utils python3-lmdb
# verify: mdb_load:2 mdb_dump:2 python3
# timeout: 120
# under: SHADOWMM_POLICY=shared-file=own SHADOWMM_MIN_OWN=4096
# LMDB, writing through its map (MDB_WRITEMAP), and reading it.
set -eu
{
	printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=67108864\nmaxreaders=126\ndb_pagesize=4096\nHEADER=END\n'
	seq 100000 110000 | sed 's/.*/ key&\n value number &, long enough to fill some pages with it/'
	echo DATA=END
} >dump
mkdir db map
mdb_load -f dump db
mdb_stat -e db | grep -E 'Entries|Page size|Map size'
mdb_dump -p db | sha256sum
# Debian's module is for Debian's python3, which need not be the first.
python=python3
python3 -c 'import lmdb' 2>/dev/null || python=/usr/bin/python3
$python - <<'END'
import lmdb
for sync in (True, False):
    env = lmdb.open("map", map_size=32 << 20, writemap=True, map_async=not sync, sync=sync)
    for part in range(20):
        with env.begin(write=True) as txn:
            for i in range(200):
                txn.put(b"%d-%d" % (part, i * 7919 % 1000), b"x" * (i % 90 + 1))
    with env.begin() as txn:
        print(sync, sum(len(value) for _, value in txn.cursor()), txn.stat()["entries"])
    env.sync(True)
    env.close()
END
mdb_dump -p map | sha256sum
sed 's/ key1/ key2/; s/ value/ changed value/' dump >more
mdb_load -f more db
mdb_dump -p db | sha256sum
