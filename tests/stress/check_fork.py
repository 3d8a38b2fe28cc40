#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make check-fork: tests/stress/fork_torture plain, then under shadowmm, watched.

A tenth of the time plain (the test itself is right), the rest under the library: with the
defaults, with its own copy-on-write, and the same for every area however small. Before that, the test is
broken on purpose in three ways, each of which it must notice; and it is killed, and must leave
nothing behind. Without EVENT_FORK (no CAP_SYS_PTRACE) the library works otherwise, so that
root runs one leg without it.

usage: check_fork.py [--seconds N] [--seed N] [--plain] [-- OPTION...]
"""

import argparse
import os
import shutil
import signal
import sys

import harness

SILENCE_SECONDS = 150  # more than a tree may take, and its shrinking prints as it goes
PROGRAM = harness.TOP_BUILDDIR / "tests" / "stress" / "fork_torture"
OWN = {"SHADOWMM_COW": "own"}
# name, environment, command before it, share of the time
LEGS = (("defaults", {}, (), 1), ("own copy-on-write", OWN, (), 4),
        ("of every area", {**OWN, "SHADOWMM_MIN_OWN": "4096"}, (), 3),
        ("and shared memory", {**OWN, "SHADOWMM_MIN_OWN": "4096", "SHADOWMM_POLICY": "shmem=own"},
         (), 2))
WITHOUT_PTRACE = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")


def all_legs():
    legs = [("plain", None, (), 1), *LEGS]
    if os.geteuid() == 0 and shutil.which(WITHOUT_PTRACE[0]):
        legs.append(("without CAP_SYS_PTRACE", OWN, WITHOUT_PTRACE, 1))
    return legs


def torture(arguments, **options):
    return harness.run([str(PROGRAM), *map(str, arguments)], **options)


def text_of(run, last=40):
    lines = run.out.decode(errors="replace").splitlines()
    return [line for line in lines if " s: seed " not in line][-last:]


def run_leg(name, env, prefix, seconds, seed, more):
    under = env is not None
    run = torture(["--seconds", seconds, "--seed", seed, *more], under=under, env=env,
                  prefix=prefix, timeout=seconds + SILENCE_SECONDS)
    problems = list(run.problems)
    if run.status:
        problems.append(f"status {run.status}")
    if run.status or run.err:
        problems += run.err.decode(errors="replace").splitlines()[-20:] + text_of(run, 200)
    if under and not run.status:
        problems += run.verify.problems({"fork_torture": 40})
    done = [line for line in run.out.decode(errors="replace").splitlines() if " s: seed " in line]
    print(f"{'FAIL' if problems else 'ok  '} {name}: {done[-1] if done else 'no tree'}; "
          f"{len(run.verify.lines)} processes verified", flush=True)
    if problems:
        harness.show(f"seed {seed}:", problems, limit=200)
    return not problems


def run_sabotage(how):
    """A page lost, changed, or written into the parent as well: the test says so."""
    # Of the operations only writes, so that the page is there.
    run = torture(["--seed", 1, "--processes", 40, "--operations", 200, "--mask", 7,
                   "--sabotage", how])
    report = "\n".join(text_of(run, 1000))
    noticed = run.status == 1 and "wrong bytes at" in report and "history of the page" in report
    print(f"{'ok  ' if noticed and not run.problems else 'FAIL'} notices a page that is "
          f"{ {'drop': 'lost', 'stale': 'changed', 'leak': 'written through'}[how] }", flush=True)
    if not noticed or run.problems:
        harness.show(how, [*run.problems, f"status {run.status}", *report.splitlines()])
    return noticed and not run.problems


def run_killed(under):
    """Killed in the middle of a tree: harness.run() finds what it leaves."""
    def kill(pid, output):
        children = harness.descendants(pid)
        if not output.stat().st_size or len(children) < 4:
            return None
        # `shadowmm run` executes the program: it is this process.
        os.kill(pid, signal.SIGKILL)
        return None
    run = torture(["--seconds", 60, "--seed", 1, "--operations", 3000], under=under, watch=kill,
                  verify=False)
    ok = run.status == -signal.SIGKILL and not run.problems
    print(f"{'ok  ' if ok else 'FAIL'} killed {'under the library' if under else 'plain'}: "
          "nothing is left", flush=True)
    if not ok:
        harness.show("killed", [*run.problems, f"status {run.status}", *text_of(run)])
    return ok


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", default="")
    parser.add_argument("--plain", action="store_true", help="only the test itself")
    parser.add_argument("more", nargs="*", help="options of fork_torture")
    arguments = parser.parse_args()
    seed = harness.begin(arguments)
    legs = all_legs()[:1] if arguments.plain else all_legs()
    parts = sum(leg[3] for leg in legs)
    try:
        results = [run_sabotage(how) for how in ("drop", "stale", "leak")]
        results += [run_killed(under) for under in (False, True)[:1 if arguments.plain else 2]]
        results += [run_leg(name, env, prefix, max(1, arguments.seconds * part // parts), seed,
                            arguments.more)
                    for name, env, prefix, part in legs]
    finally:
        harness.kill_descendants()
    return harness.end(results)


if __name__ == "__main__":
    sys.exit(main())
