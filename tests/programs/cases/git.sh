# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: git
# packages: git
# verify: git:20
# A local repository: commits, branches, merge, clone, log, blame, gc, fsck.
set -eu
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z'
git config --global gc.auto 0
git config --global maintenance.auto false
git init -q -b main origin
cd origin
for i in $(seq 1 15); do
	seq "$i" $((i * 400)) >"file$((i % 5))"
	mkdir -p "dir$((i % 3))" && head -c 200000 /dev/zero | tr '\0' "$(printf '%x' "$i" | tail -c 1)" >"dir$((i % 3))/big"
	git add -A
	git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~5
echo side >side.txt && git add side.txt && git commit -q -m side
git checkout -q main
git merge -q --no-edit side
git log --format='%H %s' | sha256sum
cd ..
git clone -q origin copy
git clone -q --no-local --bare origin bare
cd copy
git log --oneline | wc -l
git blame file1 | cut -c1-8 | sort | uniq -c | wc -l
git grep -c 77 | sort
git diff HEAD~3 --stat | tail -n 1
git gc -q --aggressive --prune=now
git repack -q -a -d -f --threads=2
git fsck --no-progress --full
git rev-parse HEAD
git count-objects -v | grep in-pack
git archive HEAD | sha256sum
