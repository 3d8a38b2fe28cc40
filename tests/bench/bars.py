# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is aimed at, and whether it was reached. Rows that were not measured have no bar."""

import statistics
from dataclasses import dataclass

import churn
import programs
import start
from rows import OURS
from touch import FLOOR, HUGE, KERNEL, POOL


@dataclass
class Bar:
    name: str
    figure: float
    most: bool  # the figure may be at most @limit; else it is to be at least that
    limit: float

    @property
    def met(self):
        return self.figure <= self.limit if self.most else self.figure >= self.limit

    def limit_text(self):
        return f"{'<=' if self.most else '>='} {self.limit:.2f}"

    def json(self):
        return {"name": self.name, "figure": self.figure, "limit": self.limit_text(),
                "met": self.met}


def touch_bars(rows):
    for mib, column, reference, limit in ((64, POOL, KERNEL, 5), (64, POOL, HUGE, 1.5),
                                          (1024, OURS, KERNEL, 1.5)):
        for row in rows:
            if (row.extra.get("pattern"), row.extra.get("mib"),
                    row.extra.get("threads")) == ("sequential", mib, 1):
                yield Bar(f"{row.name}: {column} faster than {reference}, times",
                          1 / row.ratio(column, reference), False, limit)
    for row in rows:
        if (row.name == "first touch random 64 MiB" and row.extra["threads"] == 1
                and FLOOR in row.columns):
            yield Bar("random pass over 64 MiB: shadowmm / floor", row.ratio(OURS, FLOOR), True,
                      1.15)


def latency_bars(rows):
    for row in rows:
        if row.name == "fault latency p50" and FLOOR in row.columns:
            yield Bar("random single page: shadowmm / floor", row.ratio(OURS, FLOOR), True, 1.15)


def two_bars(rows):
    for row in rows:
        if row.name == start.TRUE:
            yield Bar(f"{row.name}: more, ms", row.more(), True, 0.7)
        if row.extra.get("shell") == "wall":
            yield Bar(f"{row.name}: times", row.ratio(), True, 1.3)
        if row.name in [f"mmap+munmap {label}" for label in churn.PAIRS]:
            yield Bar(f"{row.name}: times", row.ratio(), True, 1.5)


def program_bars(rows):
    times = programs.ratios(rows, programs.WALL)
    if not times:
        return
    if len(times) == len(programs.ALL):
        yield Bar("whole programs: geometric mean of wall time, times",
                  statistics.geometric_mean(times.values()), True, 1.0)
    for what, limit in ((programs.WALL, 1.05), (programs.CPU, 1.10), (programs.AT_EXIT, 1.25)):
        for name, ratio in programs.ratios(rows, what).items():
            yield Bar(f"{name}: {what}, times", ratio, True, limit)


def bars(rows):
    return [*touch_bars(rows), *latency_bars(rows), *two_bars(rows), *program_bars(rows)]
