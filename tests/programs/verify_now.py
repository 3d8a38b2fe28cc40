#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases call as $VERIFY_NOW while their programs run: `shadowmm verify` for the
processes given, which run under the library, and everything below them that does, too.
Prints only what is wrong, so that the output is that of a plain run ($VERIFY_NOW is `true`).

usage: verify_now.py [--forks N] PID...      N: so many processes must be there at least
"""

import argparse
import itertools
import os
import subprocess
import sys

import harness


def identity(pid):
    """Changes with an exec, and when the process ends."""
    return [harness.read_proc(pid, "stat").rsplit(")", 1)[0], "libshadowmm" in
            harness.read_proc(pid, "maps")]


def under_library(pids):
    for pid in sorted(pids):
        name, preloaded = before = identity(pid)
        if preloaded and "(smm-" not in name and "(shadowmm" not in name:
            yield pid, before


def as_owner(pid):
    """Each user has a directory of sockets, also for root."""
    try:
        owner = os.stat(f"/proc/{pid}")
    except OSError:
        return []
    if owner.st_uid == os.geteuid():
        return []
    return ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]


def verify(pid, before):
    """None, or what is wrong with @pid, if it is still what it was @before."""
    done = subprocess.run([*as_owner(pid), str(harness.CLI), "verify", str(pid)], cwd="/",
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode == 0 or identity(pid) != before:
        return None
    return f"verify {before[0]}): {done.stdout}{done.stderr}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--forks", type=int, default=1)
    parser.add_argument("pids", nargs="+", type=int)
    arguments = parser.parse_args()
    pids = set(arguments.pids)
    for pid in arguments.pids:
        pids |= set(harness.descendants(pid))
    found = list(under_library(pids))
    problems = [text for text in itertools.starmap(verify, found) if text]
    if len(found) < arguments.forks:
        problems.append(f"{len(found)} processes under the library: {found}")
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
