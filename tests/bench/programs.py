# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole programs: time, CPU time of all their processes, and memory."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass

import table
from measure import PROGRAMS, fetch_memory
from rows import OURS, Row

SECTION = "programs"
WALL, CPU, AT_EXIT, PEAK = "wall", "CPU", "RSS at exit", "peak RSS"

UNIT = """
for i in $(seq 1 {n}); do
  echo "static long f$i(long x) {{ for (int i = 0; i < $i; i++) x = x * 31 + (x >> 7); return x; }}"
done >unit.c
echo 'long all(long x) {{' >>unit.c
for i in $(seq 1 {n}); do echo "x = f$i(x);"; done >>unit.c
echo 'return x; }}' >>unit.c
"""
LOAD = """
{{ echo 'CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v TEXT); BEGIN;'
  seq 1 {n} | sed "s/.*/INSERT INTO t VALUES(&, & * 7919 % 10007, 'value number &');/"
  echo 'CREATE INDEX tk ON t(k); COMMIT;'; }} >load.sql
"""
LINES = "seq 1 {n} | shuf --random-source=<(yes) >lines"
IMPORT = """
git init --quiet made
git -C made -c core.fsync=none -c fastimport.unpackLimit=1000000 fast-import --quiet <history
"""
LIST = "sum([i * i for i in range({n})])"


@dataclass
class Program:
    name: str
    sizes: tuple  # full, quick, tiny
    prepare: str  # once, by bash; {n} is the size
    argv: list
    before: str = ":"  # each run, outside of its time


ALL = (
    Program("C compile", (400, 400, 2), UNIT, ["gcc", "-O2", "-c", "-o", "unit.o", "unit.c"]),
    Program("python3 list 200 MB", (5_000_000, 5_000_000, 100), "", [sys.executable, "-c", LIST]),
    Program("sqlite3 load", (200_000, 100_000, 10), LOAD, ["sqlite3", "db", ".read load.sql"],
            "rm -f db"),
    Program("sort lines", (10_000_000, 1_000_000, 100), LINES, ["sort", "-o", "sorted", "lines"]),
    Program("git gc", (600, 300, 3), IMPORT,
            ["git", "-c", "core.fsync=none", "-C", "copy", "gc", "--quiet"],
            "rm -rf copy && cp -a made copy"),
)


def history(out, commits):
    """For git fast-import: 200 files, five of which change with each commit."""
    choose = random.Random(1)
    files = [[f"{choose.getrandbits(128):x}" for _ in range(200)] for _ in range(200)]
    for number in range(commits):
        out.write(f"commit refs/heads/master\ncommitter A <a@b> {1_600_000_000 + number} +0000\n"
                  f"data <<E\ncommit {number}\nE\n")
        for index in range(200) if not number else choose.sample(range(200), 5):
            files[index][choose.randrange(200)] = f"{choose.getrandbits(128):x}"
            text = "\n".join(files[index])
            out.write(f"M 100644 inline d{index % 10}/f{index}\ndata {len(text)}\n{text}\n")


def shell(bench, script):
    subprocess.run(["bash", "-ec", script], cwd=bench.work, env=bench.plain_env, check=True,
                   stdin=subprocess.DEVNULL, timeout=300)


def memory(bench, argv, env):
    """(resident at exit, peak) in MiB of the largest process. Untimed: it is traced. The
    tracer itself is not preloaded."""
    out = bench.work / "rss"
    preload = [f"LD_PRELOAD={env['LD_PRELOAD']}"] if "LD_PRELOAD" in env else []
    bench.usage([str(PROGRAMS / "rss"), str(out), "env", *preload, *argv], bench.plain_env)
    lines = [line.split(None, 3) for line in out.read_text().splitlines()]
    return (max(int(line[1]) for line in lines) / 1024,
            max(int(line[2]) for line in lines) / 1024)


def measure_one(bench, program):
    number = bench.size(*program.sizes)
    if program.prepare is IMPORT:
        with open(bench.work / "history", "w", encoding="ascii") as out:
            history(out, number)
    shell(bench, program.prepare.format(n=number))
    argv = [word.format(n=number) for word in program.argv]

    def timed(env):
        shell(bench, program.before)
        fetch_memory()
        return bench.usage(argv, env)

    def traced(env):
        shell(bench, program.before)
        return memory(bench, argv, env)

    usage = bench.rounds(11, {way: lambda env=env: timed(env) for way, env in bench.envs.items()},
                         warm_up=True)
    sizes = bench.rounds(3, {way: lambda env=env: traced(env)
                             for way, env in bench.envs.items()})
    for what, unit, results, take in (
            (WALL, "ms", usage, lambda u: u.wall), (CPU, "ms", usage, lambda u: u.cpu),
            (AT_EXIT, "MiB", sizes, lambda s: s[0]), (PEAK, "MiB", sizes, lambda s: s[1])):
        bench.add(Row(SECTION, f"{program.name}, {what}", unit,
                      {way: [take(run) for run in runs] for way, runs in results.items()},
                      {"program": program.name, "what": what, "size": number}), table.two)


def measure(bench):
    os.chdir(bench.work)  # posix_spawn has no working directory of its own
    for program in ALL:
        if not bench.wanted(program.name):
            continue
        if shutil.which(program.argv[0]):
            measure_one(bench, program)
        else:
            bench.notes.append(f"{program.name} is not measured: no {program.argv[0]} here")
    os.chdir("/")


def ratios(rows, what):
    return {row.extra["program"]: row.ratio(OURS) for row in rows
            if row.section == SECTION and row.extra["what"] == what}
