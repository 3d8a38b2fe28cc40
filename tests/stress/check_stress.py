#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make check-stress: tests/stress/stress under shadowmm for a long time, watched.

Half of the time with the defaults, half with every area however small paged by the
library. Ends at once when the program says nothing for a while (a hang), and looks for
what grows: descriptors and processes of the engines, areas of the program.

usage: check_stress.py [--seconds N] [--seed N] [--plain]
"""

import argparse
import os
import sys
import time

import harness

SILENCE_SECONDS = 60  # the program prints each second; a loaded machine may be slow
PROGRAM = harness.TOP_BUILDDIR / "tests" / "stress" / "stress"
LEGS = ({}, {"SHADOWMM_MIN_OWN": "4096"})
GROWTH = 1.5  # of the smallest sample of the last third over the largest of the first


class Watch:
    """Called each second: progress, and samples of what must not grow."""

    def __init__(self):
        self.size, self.changed = -1, time.monotonic()
        self.samples = {"engine processes": [], "engine descriptors": [], "areas": []}

    def __call__(self, pid, output):
        size = output.stat().st_size
        now = time.monotonic()
        if size != self.size:
            self.size, self.changed = size, now
        elif now - self.changed > SILENCE_SECONDS:
            return f"hang: no line for {SILENCE_SECONDS} s"
        self.sample(pid)
        return None

    def sample(self, pid):
        # Only the program's own: those of its children come and go with them.
        engines = [child for child, (parent, _, comm) in harness.process_table().items()
                   if parent == pid and comm.startswith("smm-")]
        self.samples["engine processes"].append(len(engines))
        self.samples["engine descriptors"].append(sum(map(count_descriptors, engines)))
        areas = harness.read_proc(pid, "maps").count("\n")
        self.samples["areas"].append(areas)

    def growth(self):
        for what, values in self.samples.items():
            third = len(values) // 3
            if third < 3:
                continue
            before, after = max(values[:third]), min(values[-third:])
            if after > before * GROWTH + 2:
                yield f"{what} grew from at most {before} to at least {after}"


def count_descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0  # it ended meanwhile


def run_leg(env, seconds, seed, plain):
    watch = Watch()
    run = harness.run([str(PROGRAM), str(seconds), str(seed)], under=not plain, env=env,
                      watch=watch, timeout=seconds + 2 * SILENCE_SECONDS)
    problems = run.problems + list(watch.growth())
    if run.status:
        problems.append(f"status {run.status}")
    if run.status or run.err:
        problems += run.err.decode(errors="replace").splitlines()[-20:]
        problems += [line for line in run.out.decode(errors="replace").splitlines()
                     if " s: processes" not in line][-20:]
    if not plain:
        # One line for the program, one for each of many children.
        problems += run.verify.problems({"stress": 10})
    lines = [line for line in run.out.decode(errors="replace").splitlines() if " s: " in line]
    name = " ".join(f"{key}={value}" for key, value in env.items()) or "defaults"
    print(f"{'FAIL' if problems else 'ok  '} {name}: {lines[-1] if lines else 'no progress'}; "
          f"{len(run.verify.lines)} processes verified", flush=True)
    if problems:
        harness.show(f"seed {seed}:", problems, limit=200)
    return not problems


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", default="")
    parser.add_argument("--plain", action="store_true")
    arguments = parser.parse_args()
    seed = harness.begin(arguments)
    legs = LEGS[:1] if arguments.plain else LEGS
    try:
        results = [run_leg(env, max(1, arguments.seconds // len(legs)), seed, arguments.plain)
                   for env in legs]
    finally:
        harness.kill_descendants()
    return harness.end(results)


if __name__ == "__main__":
    sys.exit(main())
