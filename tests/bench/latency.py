# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one first touch takes, far from all others: quantiles and a histogram."""

import table
from rows import OURS, Row
from touch import FLOOR, KERNEL

SECTION = "latency"
QUANTILES = ("p50", "p90", "p99", "p99.9", "mean")
NAME = "fault latency"


def measure(bench):
    if not bench.wanted(NAME):
        return
    mib, count = bench.size((1024, 20000), (1024, 5000), (16, 100))
    ways = {KERNEL: ("plain", bench.plain_env), FLOOR: ("floor", bench.plain_env),
            OURS: ("plain", bench.under_env)}
    if not bench.userfaultfd:
        del ways[FLOOR]
    results = bench.rounds(11, {
        name: lambda way=way, env=env: bench.run("latency", mib, count, way, env=env)
        for name, (way, env) in ways.items()})
    least = len(QUANTILES)
    histogram = {name: [int(sum(bucket)) for bucket in zip(*(run[least:] for run in runs))]
                 for name, runs in results.items()}
    for index, quantile in enumerate(QUANTILES):
        columns = {name: [run[index] / 1e3 for run in runs] for name, runs in results.items()}
        extra = {} if index else {"histogram_log2_ns": histogram, "touches_a_run": count}
        bench.add(Row(SECTION, f"{NAME} {quantile}", "us", columns, extra), table.latency)
