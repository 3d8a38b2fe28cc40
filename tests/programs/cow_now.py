#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases call as $COW_NOW while their programs run: does `shadowmm cow` say what the
kernel says? The processes given, and everything below them, are stopped for a moment; then for
each of them that runs under the library

    shared     of `cow`   must be   Shared_Clean + Shared_Dirty    of smaps,
    private    of `cow`   must be   Private_Clean + Private_Dirty  of smaps,

within 1 %, over the areas that are ours, and over all that `cow` lists (private, writable once,
without a file). Prints only what is wrong; the figures, one line for each process, go to
$COW_FIGURES. What was copied or reused since the fork is in there as well: it cannot be more
than what is private now plus what the program has given back since.

usage: cow_now.py [--own N] PID...      N: in so many processes pages must be shared, and ours
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import harness
from verify_now import as_owner, identity, under_library

PERCENT = 1
STOP_SECONDS = 30.0
NO_SOCKET = "not running under shadowmm"


def family(pids):
    found = set(pids)
    for pid in pids:
        found |= set(harness.descendants(pid))
    return found


def state(pid):
    words = harness.read_proc(pid, "stat").rpartition(")")[2].split()
    return words[0] if words else "gone"


def is_engine(pid):
    return harness.read_proc(pid, "comm").startswith("smm-")


class Stopped:
    """All of a family, until the end of the block; whoever is born meanwhile, too."""

    def __init__(self, pids):
        self.pids = pids
        self.stopped = set()

    def __enter__(self):
        try:
            return self.stop()
        except BaseException:
            self.__exit__()
            raise

    def stop(self):
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            ours = {os.getpid(), *harness.descendants(os.getpid())}
            programs = {pid for pid in family(self.pids) - ours if not is_engine(pid)}
            for pid in programs - self.stopped:
                try:
                    os.kill(pid, signal.SIGSTOP)
                    self.stopped.add(pid)
                except ProcessLookupError:
                    pass
            # D: a parent in vfork(), whose memory its child uses.
            if all(state(pid) in ("T", "t", "Z", "X", "D", "gone") for pid in programs):
                if programs <= self.stopped:
                    return self
            if time.monotonic() > deadline:
                sys.exit(f"not stopped after {STOP_SECONDS} s: "
                         f"{[(pid, state(pid)) for pid in programs]}")
            time.sleep(0.001)

    def __exit__(self, *_):
        for pid in self.stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def ask(pid):
    """The reply of `cow`, or what is wrong."""
    done = subprocess.run([*as_owner(pid), str(harness.CLI), "cow", "--json", str(pid)], cwd="/",
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return None, f"cow {pid}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout), None


def reachable_or_gone(pid, name):
    """A process stopped in the first or last moments of its life has no socket. It was let go on:
    None when it has one, is another program or has ended, as must happen; or what is wrong."""
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        reply, problem = ask(pid)
        if reply or identity(pid) != [name, True] or state(pid) in "ZX":
            return None
        if time.monotonic() > deadline:
            return problem
        time.sleep(0.01)


def smaps(pid):
    """(start, shared, private), in pages, of what could be in the list of `cow`."""
    areas, counts = [], False
    for line in harness.read_proc(pid, "smaps").splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            name = words[5] if len(words) > 5 else ""
            counts = words[1][3] == "p" and words[4] == "0" and name not in ("[vdso]", "[vvar]")
            if counts:
                areas.append([int(words[0].split("-")[0], 16), 0, 0])
        elif counts and words[0] in ("Shared_Clean:", "Shared_Dirty:"):
            areas[-1][1] += int(words[1]) // 4
        elif counts and words[0] in ("Private_Clean:", "Private_Dirty:"):
            areas[-1][2] += int(words[1]) // 4
    return areas


def differ(a, b):
    return abs(a - b) * 100 > PERCENT * max(a, b)


def compare(pid, name, reply):
    """(problems, pages shared in areas that are ours)"""
    listed = [(int(a["start"], 16), int(a["end"], 16), a) for a in reply["areas"]]
    if any(a["shared"] is None for _, _, a in listed):
        return [f"cow {name} {pid}: unknown pages"], 0
    kernel, problems, figures = smaps(pid), [], []
    for what, areas in (("ours", [a for a in listed if a[2]["policy"] == "own"]),
                        ("all", listed)):
        there = [k for k in kernel if any(s <= k[0] < e for s, e, _ in areas)]
        for at, key in ((1, "shared"), (2, "private")):
            says, is_so = sum(a[2][key] for a in areas), sum(k[at] for k in there)
            figures.append(f"{what} {key} {says} ({is_so})")
            if differ(says, is_so):
                problems.append(f"cow {name} {pid}: {what} {key}: {says}, smaps: {is_so}")
        if what == "ours":
            shared = sum(a[2]["shared"] for a in areas)
    total = reply["total"]
    figures.append(" ".join(f"{key} {total[key]}"
                            for key in ("faults", "copied", "reused", "kernel")))
    with open(os.environ["COW_FIGURES"], "a", encoding="ascii") as file:
        file.write(f"{name} {pid} cow {reply['cow']}: {', '.join(figures)}\n")
    return problems, shared


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--own", type=int, default=1)
    parser.add_argument("pids", nargs="+", type=int)
    arguments = parser.parse_args()
    problems, sharing, early_or_late = [], 0, []
    with Stopped(arguments.pids) as stopped:
        for pid, (name, _) in under_library(stopped.stopped):
            reply, problem = ask(pid)
            if problem and NO_SOCKET in problem:
                early_or_late.append((pid, name))
            elif reply:
                found, shared = compare(pid, name.partition("(")[2], reply)
                problems += found
                sharing += reply["cow"] == "own" and shared > 0
            else:
                problems.append(problem)
    problems += [text for text in itertools.starmap(reachable_or_gone, early_or_late) if text]
    if sharing < arguments.own:
        problems.append(f"cow: {sharing} processes share pages that are ours")
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
