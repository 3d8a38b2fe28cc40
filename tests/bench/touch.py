# SPDX-License-Identifier: LGPL-2.1-or-later
"""First touch: four orders, three sizes, one and two threads, beside what else there is.
Nanoseconds of wall time per page touched."""

import contextlib
import re
import statistics
from pathlib import Path

import table
from rows import OURS, Row

SECTION = "touch"
PATTERNS = ("sequential", "strided", "random", "reverse")
THREADS = (1, 2)
KERNEL, HUGE, MTHP, POPULATE, FLOOR, POOL = (
    "kernel 4 KiB", "kernel THP", "kernel mTHP", "MAP_POPULATE", "floor", "shadowmm, pool")
WAYS = {KERNEL: "plain", HUGE: "huge", MTHP: "mthp", POPULATE: "populate", FLOOR: "floor",
        OURS: "plain", POOL: "later"}
POOL_MIB = 64  # the one size that is measured with a pool as large
SYS = Path("/sys/kernel/mm/transparent_hugepage")
MTHP_SWITCH = SYS / "hugepages-64kB" / "enabled"


def chosen(path):
    found = re.search(r"\[(\w+)\]", path.read_text()) if path.exists() else None
    return found.group(1) if found else None


def works(switch):
    """May madvise() have these pages?"""
    choice = chosen(switch)
    return (chosen(SYS / "enabled") if choice == "inherit" else choice) in ("always", "madvise")


@contextlib.contextmanager
def mthp(bench):
    """Whether 64 KiB pages can be measured; --mthp allows them, and takes that back."""
    before = chosen(MTHP_SWITCH)
    if before == "never" and bench.mthp:
        MTHP_SWITCH.write_text("madvise")
    try:
        if not works(MTHP_SWITCH):
            bench.notes.append("mTHP 64 KiB is not measured: "
                               + (f"{MTHP_SWITCH} is {before}; --mthp changes that meanwhile"
                                  if before else "this kernel has none"))
        if not works(SYS / "enabled"):
            bench.notes.append(f"kernel THP had no huge pages: {SYS}/enabled is never")
        yield works(MTHP_SWITCH)
    finally:
        if before == "never" and bench.mthp:
            MTHP_SWITCH.write_text(before)


def label(mib):
    return f"{mib} MiB" if mib < 1024 else f"{mib // 1024} GiB"


def figure(bench, pattern, mib, threads, way):
    env = bench.under_env if way in (OURS, POOL) else bench.plain_env
    if way == POOL:
        env = dict(env, SHADOWMM_POOL=str(POOL_MIB << 20))
    return bench.run("touch", pattern, mib, threads, WAYS[way], env=env)[0]


def row(bench, pattern, mib, wanted, skip):
    """One row for each number of threads, from the same rounds."""
    name = f"first touch {pattern} {label(mib)}"
    if not bench.wanted(name):
        return
    ways = {(way, threads): lambda way=way, threads=threads:
            figure(bench, pattern, mib, threads, way)
            for threads in THREADS for way in WAYS if way not in skip}
    results = bench.rounds(wanted, ways)
    for threads in THREADS:
        columns = {way: values for (way, n), values in results.items() if n == threads}
        scaling = {way: statistics.median(a / b for a, b in zip(results[way, 1],
                                                                results[way, threads]))
                   for way in columns}
        bench.add(Row(SECTION, name, "ns/page", columns,
                      {"pattern": pattern, "mib": mib, "threads": threads, "scaling": scaling}),
                  table.touch)


def measure(bench):
    if not bench.wanted("first touch"):
        return
    sizes = bench.size({4: 15, 64: 11, 1024: 5}, {4: 15, 64: 11, 1024: 1}, {2: 1})
    with mthp(bench) as has_mthp:
        for mib, wanted in sizes.items():
            skip = set() if has_mthp else {MTHP}
            if mib != POOL_MIB:
                skip.add(POOL)
            if not bench.userfaultfd or (bench.quick and mib > POOL_MIB):
                skip.add(FLOOR)  # 3 seconds each
            for pattern in PATTERNS[:1] if bench.quick and mib > POOL_MIB else PATTERNS:
                row(bench, pattern, mib, wanted, skip)
