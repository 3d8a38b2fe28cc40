# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: mdb_load mdb_dump mdb_stat mdb_copy
# packages: lmdb-utils
# verify: mdb_load:2 mdb_dump:2 mdb_stat
# timeout: 120
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# LMDB maps its database shared: written, read, copied, compacted.
set -eu
{
	printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=268435456\nmaxreaders=126\ndb_pagesize=4096\nHEADER=END\n'
	seq 100000 120000 | sed 's/.*/ key&\n value number &, long enough to fill some pages with it/'
	echo DATA=END
} >dump
mkdir db copy compact
mdb_load -f dump db
mdb_stat -e db | grep -E 'Entries|Page size|Map size'
mdb_dump -p db | sha256sum
mdb_copy db copy
mdb_copy -c db compact
mdb_dump -p copy | sha256sum
mdb_dump -p compact | sha256sum
# More of it, while readers read.
sed 's/ key1/ key2/; s/ value/ changed value/' dump >more
mdb_dump -p db >first &
reader=$!
mdb_load -f more db
wait "$reader"
tail -n 1 first
mdb_dump -p db | sha256sum
mdb_stat db | grep Entries
