# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: pgbench psql pg_ctlcluster
# packages: postgresql
# verify: postgres:8 pgbench:3 psql:1
# timeout: 300
# under: SHADOWMM_POLICY=shmem=own SHADOWMM_COW=own SHADOWMM_MIN_OWN=4096
# postgres.sh, with its buffers (MAP_SHARED|MAP_ANONYMOUS) paged by the library.
. "${BASH_SOURCE%/*}/postgres.sh"
