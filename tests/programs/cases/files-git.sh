# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: git awk
# packages: git gawk
# verify: git:15
# timeout: 180
# under: SHADOWMM_FILES=own SHADOWMM_MIN_OWN=4096
# A repository whose pack has some MiB, read by way of windows of many sizes.
set -eu
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z'
git config --global gc.auto 0
git config --global maintenance.auto false
git init -q -b main origin
cd origin
for i in $(seq 1 12); do
	# Hardly compresses; the same in every run.
	awk -v s="$i" 'BEGIN { srand(s); for (i = 0; i < 60000; i++) print int(rand() * 1e9) }' >"noise$i"
	seq "$i" $((i * 3000)) >"text$((i % 3))"
	git add -A
	git commit -q -m "commit $i"
done
git gc -q --prune=now
ls .git/objects/pack/*.pack | wc -l
for window in 4k 64k 1m 32m; do
	git -c core.packedGitWindowSize=$window log -p --format='%H %s' | sha256sum
	git -c core.packedGitWindowSize=$window -c core.packedGitLimit=1m \
		fsck --no-progress --full --strict
done
git config core.packedGitWindowSize 64k
git config core.packedGitLimit 256k
git repack -q -a -d -f --threads=2 --window=20
git rev-list --objects --all | sha256sum
git cat-file --batch-check --batch-all-objects | sha256sum
git archive HEAD | sha256sum
git checkout -q HEAD~6
git status --porcelain | wc -l
git checkout -q main
git gc -q --aggressive --prune=now
git multi-pack-index write
git commit-graph write --reachable --no-progress
git log --graph --oneline | sha256sum
cd ..
git clone -q --no-local --bare origin copy
git -C copy fsck --no-progress --full
git -C copy count-objects -v | grep in-pack
