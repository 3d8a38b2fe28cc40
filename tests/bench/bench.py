#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make bench: what running under shadowmm costs, and what it saves.

All that is compared alternates in the same rounds, so that a drifting machine hits all alike;
medians and quartiles, never a best run. Numbers of one run are comparable with each other
only.

    start.py     /bin/true, alone and by the hundred    latency.py   one fault
    churn.py     mmap+munmap, malloc+free               programs.py  whole programs
    touch.py     first touch, in every order            lookups.py   find_vma(), on request
    files.py     mapped files, read in every way

    measure.py runs, rows.py keeps, table.py prints, bars.py judges.

usage: bench.py [--quick] [--plain] [--lookups] [--mthp] [--only PREFIX] [--json FILE]
                [--markdown FILE]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
import bars
import churn
import files
import latency
import lookups
import programs
import start
import table
import touch
from measure import Bench


def revision():
    top = Path(__file__).resolve().parents[2]
    run = subprocess.run(["git", "-C", str(top), "describe", "--always", "--dirty"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return run.stdout.strip() or "of unknown revision"


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--quick", action="store_true", help="three minutes")
    parser.add_argument("--tiny", action="store_true", help="seconds: does all of it run?")
    parser.add_argument("--plain", action="store_true", help="plain against plain")
    parser.add_argument("--lookups", action="store_true", help="find_vma as well")
    parser.add_argument("--mthp", action="store_true",
                        help="allow 64 KiB pages meanwhile (root)")
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    for name in ("json", "markdown"):
        if getattr(arguments, name):
            setattr(arguments, name, getattr(arguments, name).absolute())
    return arguments


def memory_directory():
    """Disks are not what is compared: where /dev/shm has 2 GiB, the files are there. None is
    tempfile's choice, which is $TMPDIR's."""
    if os.environ.get("TMPDIR") or not os.path.ismount("/dev/shm"):
        return None
    free = os.statvfs("/dev/shm")
    return "/dev/shm" if free.f_bavail * free.f_frsize >= 2 << 30 else None


def measure(bench, arguments):
    """The result of lookups, or None."""
    find_vma = None
    asked = arguments.only and "find_vma".startswith(arguments.only)
    if (asked or arguments.lookups) and not arguments.plain:
        find_vma = lookups.measure(bench, 7)
    for part in (start, churn, touch, latency, files, programs):
        part.measure(bench)
    return find_vma


def main():
    arguments = parse()
    if not arguments.plain and harness.library_missing():
        sys.exit(harness.library_missing())
    harness.terminate_cleanly()
    harness.become_subreaper()
    begin, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench.", dir=memory_directory()) as work:
        bench = Bench(arguments, Path(work))
        if load > 0.5:
            bench.notes.append(f"The machine was not idle: its load was {load:.1f} at the start.")
        try:
            find_vma = measure(bench, arguments)
        finally:
            os.chdir("/")
            harness.kill_descendants()
    judged = bars.bars(bench.rows)
    machine = f"{os.cpu_count()} CPUs, Linux {platform.release()}"
    title = f"{machine}, {time.strftime('%Y-%m-%d')}, library {revision()}."
    print("\n".join([*bench.notes, *table.bar_table(judged)]))
    print(f"\n{time.monotonic() - begin:.0f} s; load when it ended {os.getloadavg()[0]:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "date": time.strftime("%Y-%m-%d"), "version": revision(), "machine": machine,
            "notes": bench.notes, "rows": [row.json() for row in bench.rows],
            "bars": [bar.json() for bar in judged], "find_vma": find_vma}, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(table.markdown(
            title, bench, judged, lookups.markdown(find_vma) if find_vma else []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
