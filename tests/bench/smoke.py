#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmarks run, with tiny sizes, and count what they say they count. No time is judged
here but CPU time against CPU time."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(os.environ.get("top_srcdir", ".")).resolve()
sys.path.insert(0, str(TOP / "tests" / "programs"))

import harness  # noqa: E402
import measure  # noqa: E402

SECTIONS = {"start", "churn", "touch", "latency", "files", "programs"}
# Burns 0.3 s in a daemon whose parents have gone, and says so by its status only.
SPIN = """
import os, time
if not os.fork():
    if not os.fork():
        while time.process_time() < 0.3: pass
        os._exit(0)
    os._exit(0)
os.wait()
"""
RESIDENT = "b = bytearray(b'x') * (64 << 20)"
failed = 0
number = 0


def ok(good, what):
    global failed, number
    number += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {what}")


def all_run(work):
    out, markdown = work / "bench.json", work / "bench.md"
    env = dict(os.environ, PYTHONPATH=str(TOP / "tests" / "programs"))
    run = subprocess.run(
        [sys.executable, "-B", str(TOP / "tests" / "bench" / "bench.py"), "--tiny", "--lookups",
         "--json", str(out), "--markdown", str(markdown)], env=env, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ok(run.returncode == 0, "bench.py --tiny ends well")
    if run.returncode:
        print("# " + run.stdout.replace("\n", "\n# "))
        return
    result = json.loads(out.read_text())
    ok({row["section"] for row in result["rows"]} == SECTIONS, "each section has rows")
    values = [value for row in result["rows"] for column in row["columns"].values()
              for value in column["values"]]
    ok(all(value >= 0 for value in values), "no figure is negative")
    ok(all("| " + row["name"] in markdown.read_text() for row in result["rows"]
           if row["section"] in ("start", "churn", "latency", "files")), "each row is in the table")


def later_runs():
    argv = [str(measure.PROGRAMS / "touch"), "reverse", "1", "2", "later"]
    run = subprocess.run(argv, env=harness.environment("/nonexistent"), check=False,
                         stdout=subprocess.PIPE)
    ok(run.returncode == 0 and float(run.stdout) > 0, "touch later")


def orphans_count():
    usage = measure.Bench.usage([sys.executable, "-c", SPIN], dict(os.environ))
    ok(usage.cpu >= 300, f"CPU time of a daemon is counted: {usage.cpu:.0f} ms of 300")


def memory_is_seen(work):
    out = work / "rss"
    argv = [str(measure.PROGRAMS / "rss"), str(out), "sh", "-c",
            f'{sys.executable} -c "{RESIDENT}"; exit 3']
    status = subprocess.run(argv, check=False).returncode
    lines = [line.split(None, 3) for line in out.read_text().splitlines()]
    ok(status == 3, "rss passes the status on")
    ok(len(lines) == 2, f"rss saw both processes: {lines}")
    at_exit, peak = (max(int(line[i]) for line in lines) for i in (1, 2))
    # Python frees its objects before it ends.
    ok(peak >= 64 << 10 and 0 < at_exit <= peak, f"resident {at_exit} KiB, {peak} at most")


def main():
    missing = harness.library_missing()
    if missing:
        sys.exit(missing)
    harness.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="smm-smoke.") as work:
        all_run(Path(work))
        later_runs()
        orphans_count()
        memory_is_seen(Path(work))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
