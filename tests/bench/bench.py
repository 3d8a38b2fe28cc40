#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make bench: what running under shadowmm costs.

Plain and preloaded runs alternate, so that a drifting machine hits both alike; medians
and quartiles of each, never a best run. Numbers of one run are comparable with each other
only.

usage: bench.py [--quick] [--plain] [--only PREFIX] [--json FILE] [--markdown FILE]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import harness
import lookups

PROGRAMS = harness.TOP_BUILDDIR / "tests" / "bench"
PREPARE = """
seq 1 1000000 | shuf --random-source=<(seq 1 1000000) >lines
{ echo 'CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v TEXT); BEGIN;'
  seq 1 100000 | sed "s/.*/INSERT INTO t VALUES(&, & * 7919 % 10007, 'value number &');/"
  echo 'COMMIT;'; } >load.sql
for i in $(seq 1 400); do
  echo "static long f$i(long x) { for (int i = 0; i < $i; i++) x = x * 31 + (x >> 7); return x; }"
done >unit.c
echo 'long all(long x) {' >>unit.c
for i in $(seq 1 400); do echo "x = f$i(x);"; done >>unit.c
echo 'return x; }' >>unit.c
"""
WHOLE = {
    "C compile": ["gcc", "-O2", "-c", "-o", "unit.o", "unit.c"],
    "python3 list": [sys.executable, "-c", "sum([i * i for i in range(3_000_000)])"],
    "sqlite3 load": ["sh", "-c", "rm -f db && exec sqlite3 db <load.sql"],
    "sort 1e6 lines": ["sort", "-o", "sorted", "lines"],
}
SPAWN_LOOP = "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done"
PAIRS = {"4 KiB": (4096, 200000), "64 KiB": (65536, 200000), "1 MiB": (1 << 20, 100000),
         "64 MiB": (64 << 20, 50000)}


@dataclass
class Row:
    name: str
    unit: str
    plain: list
    under: list
    bar: str = ""  # "ratio 1.5", "more 1.0": the most `under` may be, or nothing

    @staticmethod
    def spread(values):
        if len(values) < 2:
            return values[0], values[0], values[0]
        q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
        return median, q1, q3

    def summary(self):
        names = ("median", "q1", "q3")
        plain, under = self.spread(self.plain), self.spread(self.under)
        return {"name": self.name, "unit": self.unit, "plain": dict(zip(names, plain)),
                "under": dict(zip(names, under)), "runs": len(self.plain),
                "ratio": under[0] / plain[0], "more": under[0] - plain[0],
                "bar": self.bar, "met": self.met(plain[0], under[0])}

    def met(self, plain, under):
        if not self.bar:
            return None
        kind, limit = self.bar.split()
        return (under / plain if kind == "ratio" else under - plain) <= float(limit)


class Bench:
    def __init__(self, arguments, work):
        self.arguments, self.work = arguments, work
        self.rows, self.extra, self.lookups = [], [], None
        runtime = work / "run"
        runtime.mkdir(mode=0o700)
        self.plain_env = harness.environment(runtime)
        self.under_env = dict(self.plain_env)
        if not arguments.plain:
            self.under_env["LD_PRELOAD"] = str(harness.LIB)

    def repetitions(self, wanted):
        return max(3, wanted // 5) if self.arguments.quick else wanted

    def output(self, argv, env):
        """The numbers a program prints."""
        text = subprocess.run(argv, env=env, cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=True, timeout=300).stdout
        return [float(word) for word in text.split()]

    def run(self, program, argument, number, env):
        return self.output([str(PROGRAMS / program), argument, str(number)], env)

    def seconds(self, argv, env):
        """Wall time from the spawn to the end, without Python's own pipes and threads."""
        null = os.open(os.devnull, os.O_RDWR)
        begin = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, env,
                              file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)])
        status = os.waitpid(pid, 0)[1]
        taken = time.perf_counter() - begin
        os.close(null)
        if status:
            raise subprocess.CalledProcessError(status, argv)
        return taken

    def both(self, name, unit, wanted, measure, bar=""):
        """Alternating runs of @measure(env), which returns one number."""
        if not name.startswith(self.arguments.only):
            return None
        row = Row(name, unit, [], [], bar)
        measure(self.under_env)  # page cache, lazy binding of nothing: one for free
        for _ in range(self.repetitions(wanted)):
            row.plain.append(measure(self.plain_env))
            row.under.append(measure(self.under_env))
        self.rows.append(row)
        print(text_line(row.summary()), flush=True)
        return row

    def floor(self, row, name, argv, wanted, scale):
        """A reference that is neither plain nor under us, beside @row."""
        if not row:
            return
        values = [self.output(argv, self.plain_env)[0] * scale
                  for _ in range(self.repetitions(wanted))]
        median, q1, q3 = Row.spread(values)
        self.extra.append({"name": name, "unit": row.unit, "median": median, "q1": q1, "q3": q3,
                           "runs": len(values)})
        print(f"{name:<28} {row.unit:<8} {median:10.2f}  [{q1:.2f} {q3:.2f}]", flush=True)

    def all(self):
        if "find_vma".startswith(self.arguments.only) and not self.arguments.plain:
            self.lookups = lookups.measure(self, 7)
        self.both("start /bin/true", "ms", 50,
                  lambda env: self.seconds(["/bin/true"], env) * 1e3, "more 1.0")
        for label, (size, count) in PAIRS.items():
            argv = [str(PROGRAMS / "pairs"), str(size), str(count)]
            self.both(f"mmap+munmap {label}", "ns", 11,
                      lambda env, argv=argv: self.output(argv, env)[0], "ratio 1.5")
        self.both("mmap+munmap among 60,000 areas", "ns", 7,
                  lambda env: self.run("lookup", "pair", 60000, env)[0])
        touch = str(PROGRAMS / "touch")
        row = self.both("first touch of 1 GiB", "ms", 11,
                        lambda env: self.output([touch, "pass"], env)[0] / 1e6, "ratio 1.0")
        for batch in (1, 64):
            self.floor(row, f"  floor, {batch} pages a fault",
                       [str(PROGRAMS / "floor"), str(batch)], 5, 1e-6)
        self.warm(touch)
        for index, which in enumerate(("median", "99th percentile")):
            row = self.both(f"random touch, {which}", "us", 7,
                            lambda env, index=index: self.output([touch, "random", "2000"],
                                                                 env)[index] / 1e3)
            if not index:
                self.floor(row, "  floor, 1 page, one fault", [str(PROGRAMS / "floor"), "1"], 3,
                           1e-3 / (1 << 18))
        self.both("shell runs /bin/true 200x", "ms", 7,
                  lambda env: self.seconds(["sh", "-c", SPAWN_LOOP], env) * 1e3)
        self.whole_programs()

    def warm(self, touch):
        """The pool filled beforehand, and the kernel's huge pages beside it."""
        row = self.both("first touch of 64 MiB, pool", "ms", 11,
                        lambda env: self.output([touch, "warm"],
                                                dict(env, SHADOWMM_POOL="67108864"))[0] / 1e6,
                        "ratio 0.2")
        self.floor(row, "  kernel, huge pages", [touch, "huge"], 11, 1e-6)

    def whole_programs(self):
        if not any(name.startswith(self.arguments.only) for name in WHOLE):
            return
        subprocess.run(["bash", "-ec", PREPARE], cwd=self.work, check=True, timeout=120)
        os.chdir(self.work)  # posix_spawn has no working directory of its own
        for name, argv in WHOLE.items():
            self.both(name, "ms", 9, lambda env, argv=argv: self.seconds(argv, env) * 1e3)


def text_line(s):
    verdict = {None: "", True: f"   within the bar ({s['bar']})",
               False: f"   OVER THE BAR ({s['bar']})"}[s["met"]]
    return (f"{s['name']:<28} {s['unit']:<8} {s['plain']['median']:10.2f}  "
            f"[{s['plain']['q1']:.2f} {s['plain']['q3']:.2f}]  {s['under']['median']:10.2f}  "
            f"[{s['under']['q1']:.2f} {s['under']['q3']:.2f}]  x{s['ratio']:.2f} "
            f"{s['more']:+.2f}{verdict}")


def cell(values):
    return f"{values['median']:.2f} ({values['q1']:.2f} - {values['q3']:.2f})"


def markdown(result):
    lines = [f"{result['machine']}, {result['date']}, library {result['version']}.", "",
             "| what | unit | plain | under shadowmm | ratio | more | bar |",
             "|---|---|---|---|---|---|---|"]
    for s in result["rows"]:
        bar = f"{s['bar']}: {'met' if s['met'] else 'missed'}" if s["bar"] else ""
        lines.append(f"| {s['name']} | {s['unit']} | {cell(s['plain'])} | {cell(s['under'])} "
                     f"| {s['ratio']:.2f} | {s['more']:+.2f} | {bar} |")
    if result["floors"]:
        lines += ["", "| reference | unit | median (quartiles) |", "|---|---|---|"]
        lines += [f"| {s['name'].strip()} | {s['unit']} | {cell(s)} |" for s in result["floors"]]
    if result["find_vma"]:
        lines += lookups.markdown(result["find_vma"])
    return "\n".join(lines) + "\n"


def revision():
    top = Path(__file__).resolve().parents[2]
    run = subprocess.run(["git", "-C", str(top), "describe", "--always", "--dirty"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return run.stdout.strip() or "of unknown revision"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs")
    parser.add_argument("--plain", action="store_true", help="plain against plain")
    parser.add_argument("--only", default="", help="rows whose name begins so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    for name in ("json", "markdown"):
        if getattr(arguments, name):
            setattr(arguments, name, getattr(arguments, name).absolute())
    if not arguments.plain and harness.library_missing():
        sys.exit(harness.library_missing())
    harness.terminate_cleanly()
    print(f"{'what':<28} {'unit':<8} {'plain':>10}  [quartiles]  {'under':>10}  [quartiles]")
    with tempfile.TemporaryDirectory(prefix="smm-bench.") as work:
        bench = Bench(arguments, Path(work))
        bench.all()
        os.chdir("/")
    result = {"date": time.strftime("%Y-%m-%d"), "version": revision(),
              "machine": f"{os.cpu_count()} CPUs, Linux {platform.release()}",
              "rows": [row.summary() for row in bench.rows], "floors": bench.extra,
              "find_vma": bench.lookups}
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
